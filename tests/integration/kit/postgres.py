"""A PostgreSQL cluster of a suite's own: private folder, Unix socket only, scram passwords."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from stack import wait_until


class Postgres:
    def __init__(self):
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.dir = tempfile.mkdtemp(prefix="sut-pg-")
        self.prefix = []
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
            user = pwd.getpwnam("postgres")
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.process = None

    def run(self, *argv, **options):
        done = subprocess.run([*self.prefix, *argv], text=True, capture_output=True, timeout=60, cwd="/", **options)
        if done.returncode:
            raise AssertionError(f"{argv[0]}: {done.stderr}")
        return done.stdout

    def url(self, password="secret", database="sut"):
        return f"postgresql://sut:{password}@/{database}?host={self.dir}"

    def start(self):
        if not os.path.isdir(f"{self.dir}/data"):
            self.run("sh", "-c", f"echo secret > {self.dir}/pw; chmod 600 {self.dir}/pw")
            self.run(f"{self.bin}/initdb", "-D", f"{self.dir}/data", "-U", "sut", "-A", "scram-sha-256",
                     f"--pwfile={self.dir}/pw", "--no-sync", "-E", "UTF8", "--locale=C")
        self.process = subprocess.Popen(
            [*self.prefix, f"{self.bin}/postgres", "-D", f"{self.dir}/data", "-c",
             f"unix_socket_directories={self.dir}", "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_until(self.ready, 20, "PostgreSQL")
        return self

    def ready(self):
        return subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.dir, "-d", "postgres", "-U", "sut"],
                              check=False).returncode == 0

    def sql(self, text, database="sut"):
        env = dict(os.environ, PGPASSWORD="secret")
        return self.run(f"{self.bin}/psql", "-h", self.dir, "-U", "sut", "-d", database, "-Atc", text, env=env).strip()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def __enter__(self):
        self.start()
        self.sql("CREATE DATABASE sut", "postgres")
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)
