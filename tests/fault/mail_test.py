"""Mails while their server, or who sends them, is killed, refuses, or says nothing: each mail goes once, or again as the
same (one Message-ID), and none is lost that the server did not refuse for good."""

import os
import random
import subprocess
import tempfile
import time

import load
import smtp_sink
import stack

PASSWORD = "correct horse battery"


def certificate(folder, name):
    """A self-signed one for 127.0.0.1: (certificate, key)."""
    paths = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    return paths


class MailCase(stack.StackTest):
    more = {}

    @classmethod
    def setUpClass(cls):
        cls.sink = cls.enterClassContext(smtp_sink.SmtpSink())
        cls.settings = {"SMTP_URL": f"smtp://127.0.0.1:{cls.sink.port}", "SMTP_TLS": "off",
                        "MAIL_FROM": "ShareUpTime <no-reply@shareuptime.example>", **cls.more}
        super().setUpClass()

    def logged(self, event, count=1, seconds=20):
        lines = lambda: [line for line in self.stack.log("auth").splitlines() if f"event={event} " in line]
        return stack.wait_until(lambda: len(lines()) >= count and lines(), seconds, f"{count} times {event}")


class Killed(MailCase):
    def registrations(self, prefix):
        def make(n):
            name = f"user{prefix}{n}"
            return "POST", "/api/auth/register", {"email": f"{name}@example.org", "password": PASSWORD, "username": name}, {}

        return load.Load(self.stack, 4, make)

    def check_all_arrived(self, prefix):
        accounts = set(self.stack.psql("auth_db", f"SELECT email FROM users WHERE email LIKE 'user{prefix}%'").split("\n"))
        self.assertGreater(len(accounts), 20)
        by_address = {}

        def arrived():
            by_address.clear()
            for m in self.sink.messages():
                by_address.setdefault(m.to.strip("<>"), set()).add(m.id)
            return accounts <= set(by_address)

        stack.wait_until(arrived, 90, "every account's mail")
        twins = {a: ids for a, ids in by_address.items() if len(ids) != 1}
        self.assertEqual(twins, {}, "one mail each; sent again, it has the same Message-ID")
        stack.wait_until(lambda: self.stack.psql("auth_db", "SELECT count(*) FROM mails WHERE ended_at IS NULL AND "
                                                            f"email LIKE 'user{prefix}%'") == "0", 60, "all to be recorded")
        self.assertEqual(self.stack.psql("auth_db", "SELECT DISTINCT outcome FROM mails"), "sent")

    def under_load(self, prefix, seed, strike):
        dice = random.Random(seed)
        with self.registrations(prefix) as clients:
            clients.wait_success_after(time.monotonic(), 10, count=5)
            for _ in range(3):
                before = len(clients.log)
                stack.wait_until(lambda: len(clients.log) >= before + dice.randrange(3, 20), 20, "load to go on")
                strike(clients)
            clients.wait_success_after(time.monotonic(), 20, count=5)
        clients.assert_honest(self)
        self.check_all_arrived(prefix)

    def test_mail_server(self):
        def strike(clients):
            self.sink.kill()
            before = len(clients.log)
            stack.wait_until(lambda: len(clients.log) >= before + 10, 20, "registrations without a mail server")
            self.sink.start()

        self.under_load("s", 1, strike)

    def test_auth_actor(self):
        self.under_load("a", 2, lambda clients: self.stack.kill_and_wait("auth"))

    def test_broker(self):
        self.under_load("b", 3, lambda clients: self.stack.kill_and_wait("broker"))

    def test_postgres(self):
        self.under_load("p", 4, lambda clients: self.stack.kill_and_wait("postgres"))

    def test_auth_actor_between_commit_and_sending(self):
        """The server has the message and has not answered: nobody knows whether it went."""
        self.stack.wait_healthy(60)
        self.sink.answer("hang", "yes")
        self.stack.register("between")
        stack.wait_until(lambda: self.stack.psql("auth_db", "SELECT count(*) FROM sut_outbox") == "0", 20, "the event to be out")
        self.stack.kill_and_wait("auth")
        self.sink.answer("hang", None)
        self.sink.wait_for("between@example.org", seconds=60)
        self.assertEqual(len({m.id for m in self.sink.messages("between@example.org")}), 1)

    def test_a_server_that_says_nothing_keeps_nobody_from_logging_in(self):
        self.stack.wait_healthy(60)
        self.stack.register("patient")
        self.sink.wait_for("patient@example.org", seconds=60)
        self.sink.answer("hang", "yes")
        for n in range(20):
            self.stack.register(f"stuck{n}")
        for _ in range(10):
            login = self.stack.post("/api/auth/login", {"email": "patient@example.org", "password": PASSWORD})
            self.assertEqual(login.status, 200, login)
        self.sink.answer("hang", None)
        self.sink.restart()
        for n in range(20):
            self.sink.wait_for(f"stuck{n}@example.org", seconds=90)


class Refused(MailCase):
    def test_for_good(self):
        for what, name in (("rcpt", "unknown"), ("data", "spam")):
            with self.subTest(what):
                before = self.stack.log("auth").count("event=mail.refused ")
                self.sink.answer(what, "550 5.1.1 not here")
                self.stack.register(name)
                line = self.logged("mail.refused", before + 1)[-1]
                self.sink.answer(what, None)
                self.assertIn("smtp=550", line)
                self.assertNotIn(name, line)
                self.stack.register(f"after{name}")
                self.sink.wait_for(f"after{name}@example.org")
                self.assertEqual(self.sink.messages(f"{name}@example.org"), [])
                outcome = lambda: self.stack.psql("auth_db", f"SELECT outcome FROM mails WHERE email = '{name}@example.org'")
                stack.wait_until(lambda: outcome() == "refused", 10, "the record")

    def test_for_now(self):
        for what, name in (("rcpt", "grey"), ("data", "full")):
            with self.subTest(what):
                before = self.stack.log("auth").count("event=mail.later ")
                self.sink.answer(what, "451 4.7.1 try later")
                self.stack.register(name)
                self.logged("mail.later", before + 2)
                self.sink.answer(what, None)
                [mail] = self.sink.wait_for(f"{name}@example.org", seconds=60)
                self.assertEqual(self.stack.post("/api/auth/verify-email", {"token": mail.token}).status, 204)


class Tls(MailCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        cls.right, cls.wrong = certificate(folder, "right"), certificate(folder, "wrong")
        cls.more = {"SMTP_TLS": "required", "SMTP_CA_FILE": cls.right[0], "SMTP_USER": "sut", "SMTP_PASSWORD": "smtp password"}
        super().setUpClass()

    def test_nothing_is_sent_in_the_clear_or_to_a_stranger(self):
        self.stack.register("clear")
        self.logged("mail.later")
        self.sink.restart(*self.wrong)
        self.stack.register("stranger")
        self.logged("mail.later", len(self.logged("mail.later")) + 1)
        self.assertEqual(self.sink.messages(), [])
        self.sink.restart(*self.right)
        self.sink.wait_for("clear@example.org", seconds=60)
        self.sink.wait_for("stranger@example.org", seconds=60)
        self.assertNotIn("smtp password", self.stack.log("auth"))


class WrongSettings(stack.StackTest):
    def test_each_stops_the_start_with_one_line(self):
        s = self.stack
        with open(f"{s.run}/sv/auth/env/AUTH_DATABASE_URL") as f:
            env = dict(os.environ, AUTH_DATABASE_URL=f.read())
        for name in ("REDIS_URL", "SUT_BROKER", "SUT_NAME", "SUT_SECRET_FILE", "SUT_JWT_KEYS", "MAIL_DIR"):
            with open(f"{s.run}/sv/auth/env/{name}") as f:
                env[name] = f.read()
        for wrong in ({"MAIL_FROM": "a@b.example", "SMTP_URL": "http://x"}, {"SMTP_URL": "smtp://x", "MAIL_FROM": ""}, {"MAIL_FROM": "nobody"},
                      {"MAIL_FROM": "a@b.example", "SMTP_URL": "smtp://x", "SMTP_USER": "u"},
                      {"PUBLIC_URL": "javascript:alert(1)"}, {"PUBLIC_URL": "https://x/?a=<b>"}, {"MAIL_DIR": "/proc/none"},
                      {"MAIL_FROM": "a@b.example", "SMTP_URL": "smtp://x", "SMTP_USER": "u", "SMTP_PASSWORD": "p", "SMTP_TLS": "off"}):
            done = subprocess.run([f"{s.bin}/sut-auth"], env={**env, **wrong}, capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 78, (wrong, done.stderr[-500:]))
            line = [x for x in done.stderr.splitlines() if x.startswith("sut-auth: error: ")]
            self.assertEqual(len(line), 1, done.stderr)
            self.assertIn(list(wrong)[-1] if "MAIL_DIR" not in wrong else "MAIL_DIR", line[0])


if __name__ == "__main__":
    stack.main()
