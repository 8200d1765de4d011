"""A whole ShareUpTime of a suite's own, started by scripts/up in a private run directory with a free port.

The suites drive what people run: the same scripts, the same supervision. Everything waits for readiness; nothing sleeps
for a fixed time and hopes."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Polls until condition() is true; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(0.02)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json.get("code")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Stack:
    def __init__(self, **settings):
        self.preset = os.environ.get("SUT_PRESET", "debug")
        self.run = tempfile.mkdtemp(prefix="sut-")
        os.chmod(self.run, 0o755)
        self.port = free_port()
        self.env = dict(os.environ, SUT_RUN_DIR=self.run, SUT_PORT_BASE=str(self.port), SUT_PRESET=self.preset)
        self.env.setdefault("BCRYPT_COST", "4")
        self.env.setdefault("SUT_RATE_LIMITS", "off")
        self.env.update(settings)
        self.bin = os.path.join(ROOT, "build", self.preset, "bin")

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def script(self, name, *arguments, check=True):
        done = subprocess.run([os.path.join(ROOT, "scripts", name), *arguments], env=self.env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
        if check and done.returncode:
            raise AssertionError(f"scripts/{name} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
        return done

    def up(self):
        return self.script("up", "--no-install", "--no-build")

    def down(self):
        return self.script("down")

    def close(self):
        self.script("down", check=False)
        reports = self.sanitizer_reports()
        if os.environ.get("SUT_KEEP"):
            print(f"kept {self.run}", file=sys.stderr)
        else:
            shutil.rmtree(self.run, ignore_errors=True)
        if reports:
            raise AssertionError("\n".join(reports))

    def sanitizer_reports(self):
        """What ASan, UBSan and TSan have said of any process, leaks at its end included."""
        reports = []
        for folder, _, names in os.walk(f"{self.run}/log"):
            for name in names:
                with open(os.path.join(folder, name), errors="replace") as f:
                    text = f.read()
                found = re.search("Sanitizer|: runtime error: ", text)
                if found:
                    reports.append(f"{os.path.basename(folder)}: {text[max(0, found.start() - 200):][:4000]}")
        return reports

    # ---- processes ----

    def sv(self, verb, name, check=True):
        return subprocess.run(["sv", "-w", "20", verb, f"{self.run}/sv/{name}"], check=check, capture_output=True, text=True)

    def pid(self, name):
        with open(f"{self.run}/sv/{name}/supervise/pid") as f:
            text = f.read().strip()
        return int(text) if text else None

    def kill(self, name, signo=signal.SIGKILL):
        pid = wait_until(lambda: self.pid(name), 20, f"{name} to run") # none while its supervisor waits to try again
        os.kill(pid, signo)
        return pid

    def kill_and_wait(self, name):
        """kill -9, and wait until its supervisor has started another."""
        old = self.kill(name)
        wait_until(lambda: self.pid(name) not in (None, old), 10, f"another {name}")

    def log(self, name):
        with open(f"{self.run}/log/{name}/current", errors="replace") as f:
            return f.read()

    def wait_healthy(self, seconds=20):
        def healthy():
            try:
                return self.get("/health").json["status"] == "healthy"
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                return False

        wait_until(healthy, seconds, "/health to be healthy")

    # ---- clients ----

    def sut(self, *arguments, stdin=None, check=True):
        done = subprocess.run([f"{self.bin}/sut", "--run", self.run, *arguments], env=self.env, text=True, input=stdin,
                              capture_output=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"sut {' '.join(arguments)} failed ({done.returncode}): {done.stdout}{done.stderr}")
        return done

    def psql(self, database, sql):
        with open(f"{self.run}/secrets/pg-admin") as f:
            password = f.read().strip()
        done = subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.pg_socket(), "-U", "sut_admin",
                               "-d", database, "-c", sql], env=dict(os.environ, PGPASSWORD=password), text=True,
                              capture_output=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def pg_socket(self):
        return f"{self.run}/s/pg"

    def request(self, verb, path, body=None, token=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = dict(headers or {})
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if body is not None:
                sent.setdefault("Content-Type", "application/json")
            if token:
                sent["Authorization"] = f"Bearer {token}"
            connection.request(verb, path, body, sent)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, body, **more)

    def register(self, name, password="correct horse battery", **more):
        reply = self.post("/api/auth/register", {"email": f"{name}@example.org", "password": password, "username": name, **more})
        if reply.status != 201:
            raise AssertionError(f"register {name}: {reply}")
        return reply.json


class StackTest(unittest.TestCase):
    """Test cases that share one stack a class. `settings` are environment variables for scripts/up."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.settings)
        cls.enterClassContext(cls.stack)


def main():
    """Runs the cases of the calling file and prints the closing line that scripts/test adds up."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)
