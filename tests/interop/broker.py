"""A broker of a suite's own, without the rest of the system: private directory, keys by `sut key`."""

import os
import shutil
import signal
import subprocess
import tempfile

from stack import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Broker:
    def __init__(self):
        self.bin = os.environ.get("SUT_BIN") or os.path.join(ROOT, "build", "debug", "bin")
        self.dir = tempfile.mkdtemp(prefix="sut-bus-")
        self.endpoint = f"ipc://{self.dir}/bus/b"
        os.mkdir(f"{self.dir}/bus", 0o700)
        os.mkdir(f"{self.dir}/keys", 0o700)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SUT_")}
        self.env.update(SUT_ACL_FILE=f"{self.dir}/acl", SUT_KEYS_DIR=f"{self.dir}/keys", SUT_BROKER=self.endpoint,
                        SUT_BROKER_IPC=self.endpoint, SUT_JOURNAL_DIR=f"{self.dir}/journal")
        self.process, self.preload = None, {} # preload: environment of the broker alone

    def sut(self, *arguments, check=True, name="operator", **options):
        env = dict(self.env, SUT_NAME=name, SUT_SECRET_FILE=f"{self.dir}/keys/{name}.secret")
        done = subprocess.run([f"{self.bin}/sut", *arguments], env=env, cwd=self.dir, text=True, capture_output=True,
                              timeout=60, **options)
        if check and done.returncode:
            raise AssertionError(f"sut {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done

    def key(self, name, role, *rights):
        self.sut("key", "new", name, "--role", role, *rights)
        return self.secret(name)

    def secret(self, name):
        with open(f"{self.dir}/keys/{name}.secret", encoding="utf-8") as f:
            return f.read().rstrip("\n")

    def start(self):
        with open(f"{self.dir}/broker.log", "ab") as log:
            self.process = subprocess.Popen([f"{self.bin}/sut-broker"], env=dict(self.env, **self.preload), stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.sut("ping", check=False).returncode == 0, 20,
                   "the broker to answer")
        if self.process.poll() is not None:
            raise AssertionError(f"the broker ended with {self.process.returncode}: {self.log()}")

    def signal(self, signo):
        self.process.send_signal(signo)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        with open(f"{self.dir}/broker.log", encoding="utf-8") as f:
            return f.read()

    def __enter__(self):
        self.key("operator", "operator")
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
