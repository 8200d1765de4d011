"""Mails end to end: over a real SMTP server, with STARTTLS, and as files."""

import os
import subprocess
import tempfile
import unittest

import smtp_sink
import stack

PASSWORD = "correct horse battery"


class Mail(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        cls.sink = cls.enterClassContext(smtp_sink.SmtpSink())
        cls.settings = {"SMTP_URL": f"smtp://127.0.0.1:{cls.sink.port}", "SMTP_TLS": "off",
                        "MAIL_FROM": "ShareUpTime <no-reply@shareuptime.example>", "PUBLIC_URL": "https://shareuptime.example/app"}
        super().setUpClass()

    def login(self, name, password=PASSWORD):
        return self.stack.post("/api/auth/login", {"email": f"{name}@example.org", "password": password})

    def verified(self, token):
        return self.stack.get("/api/auth/verify", token=token).json["is_verified"]

    def test_an_address_is_confirmed_by_the_mail(self):
        s = self.stack
        ada = s.register("ada")
        self.assertFalse(self.verified(ada["access_token"]))
        [mail] = self.sink.wait_for("ada@example.org")
        self.assertRegex(mail.id, r"^<[0-9a-f]+@shareuptime\.example>$")
        self.assertEqual(mail.mail["From"].addresses[0].addr_spec, "no-reply@shareuptime.example")
        self.assertEqual(mail.mail.get_content_type(), "multipart/alternative")
        self.assertFalse(mail.mail.defects)
        self.assertIn("https://shareuptime.example/app/verify-email#token=smt_", mail.part("plain"))
        self.assertIn("https://shareuptime.example/app/verify-email#token=smt_", mail.part("html"))
        confirmed = s.post("/api/auth/verify-email", {"token": mail.token})
        self.assertEqual((confirmed.status, confirmed.body), (204, b""))
        self.assertTrue(self.verified(ada["access_token"]))
        again = s.post("/api/auth/verify-email", {"token": mail.token})
        self.assertEqual((again.status, again.code), (410, "link_used"))
        other_kind = s.post("/api/auth/reset-password", {"token": mail.token, "new_password": "another long one"})
        self.assertEqual((other_kind.status, other_kind.code), (400, "link_invalid"))
        self.assertEqual(s.post("/api/auth/verify-email/resend", token=ada["access_token"]).status, 202, "nothing to do")

    def test_a_password_is_reset_by_the_mail(self):
        s = self.stack
        here = s.register("grace")
        asked = s.post("/api/auth/forgot-password", {"email": "Grace@Example.org "})
        unknown = s.post("/api/auth/forgot-password", {"email": "nobody@example.org"})
        self.assertEqual((asked.status, asked.body), (202, unknown.body))
        self.assertEqual(unknown.status, 202)
        mail = next(m for m in self.sink.wait_for("grace@example.org", 2) if "new password" in m.subject)
        new = "another long one"
        self.assertEqual(s.post("/api/auth/reset-password", {"token": mail.token, "new_password": new}).status, 204)
        stack.wait_until(lambda: s.get("/api/auth/verify", token=here["access_token"]).status == 401, 3, "the old session's end")
        self.assertEqual(self.login("grace").status, 401)
        self.assertEqual(self.login("grace", new).status, 200)
        again = s.post("/api/auth/reset-password", {"token": mail.token, "new_password": "a third long one"})
        self.assertEqual((again.status, again.code), (410, "link_used"))
        told = stack.wait_until(lambda: [m for m in self.sink.messages("grace@example.org") if "was changed" in m.subject], 20,
                                "the mail that tells")
        self.assertNotIn("token", told[0].part("plain"))
        self.assertFalse(self.sink.messages("nobody@example.org"))

    def test_a_password_is_changed_by_the_old_one(self):
        s = self.stack
        here = s.register("joan")
        there = self.login("joan").json
        body = {"old_password": "not this one", "new_password": "another long one"}
        wrong = s.post("/api/auth/change-password", body, token=here["access_token"])
        self.assertEqual((wrong.status, wrong.code), (403, "wrong_password"))
        body["old_password"] = PASSWORD
        self.assertEqual(s.post("/api/auth/change-password", body, token=here["access_token"]).status, 204)
        stack.wait_until(lambda: s.get("/api/auth/verify", token=there["access_token"]).status == 401, 3, "the other session's end")
        self.assertEqual(s.get("/api/auth/verify", token=here["access_token"]).status, 200)
        self.assertEqual(self.login("joan").status, 401)
        self.assertEqual(self.login("joan", "another long one").status, 200)
        self.assertEqual(s.post("/api/auth/change-password", body).status, 401, "nobody")

    def test_what_is_no_token(self):
        for token in ("smt_" + 64 * "0", "smt_" + 64 * "z", "a" * 16, "x" * 4096):
            reply = self.stack.post("/api/auth/verify-email", {"token": token})
            self.assertEqual((reply.status, reply.code), (400, "link_invalid"), token[:20])
        for token in ("", "short", "x" * 4097, "smt_" + 60 * "0" + "\r\nX", 7, None):
            self.assertEqual(self.stack.post("/api/auth/verify-email", {"token": token}).status, 422, token)

    def test_no_log_holds_a_token_or_an_address(self):
        self.stack.register("secretive")
        [mail] = self.sink.wait_for("secretive@example.org")
        self.assertEqual(self.stack.post("/api/auth/verify-email", {"token": mail.token}).status, 204)
        for name in ("auth", "edge", "broker"):
            log = self.stack.log(name)
            self.assertNotIn(mail.token, log, name)
            self.assertNotIn("secretive@example.org", log, name)


class Required(stack.StackTest):
    settings = {"REQUIRE_VERIFIED_EMAIL": "true"}

    def mails(self, to):
        return [m for m in smtp_sink.messages_in(f"{self.stack.run}/mail") if to in m.to]

    def test_no_login_before_the_address_is_confirmed(self):
        s = self.stack
        tokens = s.register("ada")
        body = {"email": "ada@example.org", "password": PASSWORD}
        for _ in range(5):
            refused = s.post("/api/auth/login", body)
            self.assertEqual((refused.status, refused.code), (403, "email_unverified"))
        refresh = s.post("/api/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        self.assertEqual((refresh.status, refresh.code), (403, "email_unverified"))
        wrong = s.post("/api/auth/login", dict(body, password="not this one at all"))
        self.assertEqual((wrong.status, wrong.code), (401, "bad_credentials"))
        sent = stack.wait_until(lambda: len(self.mails("ada@example.org")) >= 3 and self.mails("ada@example.org"), 20, "mails")
        self.assertEqual(len(sent), 3, "bounded")
        self.assertEqual(s.post("/api/auth/verify-email", {"token": sent[0].token}).status, 204)
        self.assertEqual(s.post("/api/auth/login", body).status, 200)
        self.assertEqual(s.post("/api/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status, 200, "not used up")

    def test_files_are_private(self):
        self.stack.register("grace")
        stack.wait_until(lambda: self.mails("grace@example.org"), 20, "the mail's file")
        folder = f"{self.stack.run}/mail"
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        for name in os.listdir(folder):
            self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o777, 0o600)

    def test_up_says_where_mails_go(self):
        self.assertIn(f"{self.stack.run}/mail/*.eml", self.stack.up().stdout)


if __name__ == "__main__":
    stack.main()
