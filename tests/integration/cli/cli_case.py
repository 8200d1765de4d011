"""A broker with a journal, and `sut` beside it: what the suites of this folder share."""

import json
import os
import pty
import select
import signal
import subprocess
import unittest

from broker import Broker
from stack import wait_until


def probe(lane, n):
    return json.dumps({"lane": lane, "n": n})


class CliCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.env.update(SUT_JOURNAL_DIR=f"{cls.broker.dir}/journal")
        cls.broker.__enter__()
        cls.addClassCleanup(cls.broker.__exit__)
        cls.broker.key("prober", "tool", "--call", "broker.groups", "--publish", "probe.*", "--subscribe", "probe.*")

    def sut(self, *arguments, **options):
        return self.broker.sut(*arguments, **options).stdout

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.sut(*arguments, **options).splitlines()]

    def fails(self, code, *arguments, says=(), **options):
        done = self.broker.sut(*arguments, check=False, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        for text in says:
            self.assertIn(text, done.stderr)
        return done

    def publish(self, lane, n, *more):
        """The sequence that it got."""
        return int(self.sut("publish", "probe.sent", probe(lane, n), *more, name="prober").split()[0])

    def group(self, name):
        return json.loads(self.sut("groups", name, "--json"))

    def start(self, *arguments, name="operator", **options):
        """`sut` in the background, killed at the latest when the test ends."""
        env = dict(self.broker.env, SUT_NAME=name, SUT_SECRET_FILE=f"{self.broker.dir}/keys/{name}.secret")
        process = subprocess.Popen([f"{self.broker.bin}/sut", *arguments], env=env, cwd=self.broker.dir, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def interrupt(self, process, signo=signal.SIGINT):
        """(exit code, standard output, standard error) after a signal."""
        process.send_signal(signo)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def wait_for_subscription(self, count=1):
        wait_until(lambda: json.loads(self.sut("call", "broker.subscriptions", "{}"))["subscriptions_total"] >= count, 20,
                   "the subscription")


class Terminal:
    """A program on a terminal of 80 by 24."""

    def __init__(self, arguments, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(arguments[0], arguments, dict(env, TERM="xterm", LINES="24", COLUMNS="80"))
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def read_until(self, text, seconds=20):
        def found():
            if select.select([self.fd], [], [], 0)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    pass
            return text in self.seen
        wait_until(found, seconds, f"{text!r} on the terminal; there is {self.seen[-2000:]!r}")

    def write(self, text):
        os.write(self.fd, text)

    def end(self):
        """The exit code."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)
