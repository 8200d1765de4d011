"""A wrong setting stops the start with one line that names it, and exit code 78 or the like."""

import os
import socket
import subprocess
import tempfile
import unittest

import stack

BIN = os.path.join(stack.ROOT, "build", os.environ.get("SUT_PRESET", "debug"), "bin")


def start(program, **settings):
    return subprocess.run([f"{BIN}/{program}"], env={"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items()
                          if k.endswith("SAN_OPTIONS")}, **settings}, capture_output=True, text=True, timeout=30)


class Settings(unittest.TestCase):
    def one_line(self, done, code, *words):
        lines = [l for l in done.stderr.splitlines() if "error:" in l]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(done.returncode, code if isinstance(code, tuple) else (code,), done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_missing(self):
        self.one_line(start("sut-broker"), 78, "SUT_BROKER_IPC")
        self.one_line(start("sut-auth"), 78, "SUT_")
        self.one_line(start("sut-user"), 78, "SUT_")
        self.one_line(start("sut-edge"), 78, "SUT_")

    def edge(self, **more):
        secret = tempfile.NamedTemporaryFile("w", delete=False)
        self.addCleanup(os.unlink, secret.name)
        secret.write("x" * 64)
        secret.close()
        os.chmod(secret.name, 0o600)
        return start("sut-edge", **{"SUT_BROKER": "ipc:///nowhere/bus", "SUT_NAME": "edge", "SUT_SECRET_FILE": secret.name,
                                    "JWT_SECRET": "0123456789abcdef0123456789abcdef", "PORT": "1", **more})

    def test_malformed(self):
        self.one_line(self.edge(PORT="many"), 78, "PORT")
        self.one_line(self.edge(PORT="70000"), 78, "PORT")
        self.one_line(self.edge(JWT_SECRET="short"), 78, "JWT_SECRET")

    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = str(s.getsockname()[1])
            self.one_line(self.edge(PORT=port), (69, 78), port)

    def test_secret_that_others_can_read(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("1 " + "ab" * 32 + "\n")
            f.flush()
            os.chmod(f.name, 0o644)
            self.one_line(self.edge(SUT_JWT_KEYS=f.name, JWT_SECRET=""), (77, 78), f.name)

    def test_a_socket_that_cannot_be_made(self):
        with tempfile.TemporaryDirectory() as keys:
            acl = os.path.join(keys, "acl")
            with open(acl, "w") as f:
                f.write("reports role=tool call=user.*\n")
            os.chmod(acl, 0o600)
            broker = lambda ipc: start("sut-broker", SUT_BROKER_IPC=ipc, SUT_ACL_FILE=acl, SUT_KEYS_DIR=keys)
            self.one_line(broker("ipc:///proc/nowhere/bus"), (73, 74, 78), "SUT_BROKER_IPC", "/proc/nowhere")
            self.one_line(broker(f"ipc://{acl}/bus"), (73, 74, 78), "SUT_BROKER_IPC", acl)
            self.one_line(broker("ipc:///tmp/" + "x" * 120 + "/bus"), 78, "SUT_BROKER_IPC", "107")
            self.one_line(start("sut-broker", SUT_BROKER_IPC=f"ipc://{keys}/bus", SUT_ACL_FILE=f"{keys}/none", SUT_KEYS_DIR=keys),
                          78, "SUT_ACL_FILE")

    def test_up_where_nothing_can_be_written(self):
        done = subprocess.run([os.path.join(stack.ROOT, "scripts", "up"), "--no-install", "--no-build"],
                              env=dict(os.environ, SUT_RUN_DIR="/proc/nowhere/run"), capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/proc/nowhere/run", done.stderr)

    def test_up_refuses_a_bad_port(self):
        done = subprocess.run([os.path.join(stack.ROOT, "scripts", "up")], env=dict(os.environ, SUT_PORT_BASE="99999"),
                              capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("SUT_PORT_BASE", done.stderr)

    @unittest.skipUnless(os.getuid() == 0, "only root can give a directory away")
    def test_up_refuses_somebody_elses_directory(self):
        with tempfile.TemporaryDirectory() as place:
            theirs, link = os.path.join(place, "theirs"), os.path.join(place, "link")
            os.mkdir(theirs)
            os.symlink(place, link)
            os.chown(theirs, 65534, 65534)
            for run in (theirs, link):
                done = subprocess.run([os.path.join(stack.ROOT, "scripts", "up"), "--no-install", "--no-build"],
                                      env=dict(os.environ, SUT_RUN_DIR=run, SUT_PORT_BASE="1"),
                                      capture_output=True, text=True, timeout=30)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(run, done.stderr)
                self.assertEqual(os.listdir(theirs), [], "nothing is written there")


class WrongDatabasePassword(unittest.TestCase):
    def test_named_and_stopped(self):
        with stack.Stack() as s:
            s.sv("down", "user")
            with open(f"{s.run}/sv/user/env/USER_DATABASE_URL") as f:
                url = f.read()
            env = {}
            for name in os.listdir(f"{s.run}/sv/user/env"):
                with open(f"{s.run}/sv/user/env/{name}") as f:
                    env[name] = f.read()
            secret = url.split(":", 2)[2].split("@")[0]
            env["USER_DATABASE_URL"] = url.replace(secret, "wrong")
            done = start("sut-user", **env)
            self.assertIn(done.returncode, (77, 78), done.stderr)
            self.assertIn("USER_DATABASE_URL", done.stderr)
            self.assertNotIn("wrong@", done.stderr)


if __name__ == "__main__":
    stack.main()
