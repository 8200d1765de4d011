"""Secrets and personal data stay where they belong. Every way in gets values that occur nowhere else, with all debug
output on; then every file of the run directory is searched for them."""

import base64
import json
import os
import re
import secrets
import socket

import smtp_sink
import stack

CHUNK = 1 << 20


class Canary(stack.StackTest):
    settings = {"DEBUG": "shareuptime:*", "LOG_LEVEL": "debug", "SUT_CAPTURE_ONE_IN": "1"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.secret, cls.personal = {}, {}

    @classmethod
    def plant(cls, what, kind=None):
        value = f"canary{secrets.token_hex(12)}"
        (cls.secret if kind is None else kind)[what] = value
        return value

    # ---- planting ----

    def bring_about_all(self):
        s = self.stack
        password, mail, place = self.plant("password"), self.plant("address", self.personal), self.plant("place", self.personal)
        born = "1951-07-13"
        self.personal["birth date"] = born
        email = f"{mail}@example.org"
        made = s.post("/api/auth/register", {"email": email, "password": password, "username": "bird"}).json
        login = s.post("/api/auth/login", {"email": email, "password": password}).json
        fresh = s.post("/api/auth/refresh", {"refresh_token": login["refresh_token"]}).json
        for what, tokens in (("register", made), ("login", login), ("refresh", fresh)):
            self.secret[f"access token of {what}"] = tokens["access_token"].split(".")[2]
            self.secret[f"refresh token of {what}"] = tokens["refresh_token"]
        token = fresh["access_token"]
        edited = s.put("/api/users/profile", {"location": place, "birth_date": born}, token=token)
        self.assertEqual((edited.status, edited.json["birth_date"]), (200, born))
        self.assertEqual(s.get("/api/auth/verify", token=token).status, 200)
        self.assertEqual(s.get(f"/api/users/profile/{made['user_id']}", token=token).status, 200)
        self.refused(email, password, token)
        self.by_mail(email, token)
        self.broken()
        self.command_line(email, password)
        self.assertEqual(s.post("/api/auth/refresh", {"refresh_token": login["refresh_token"]}).code, "token_reused")
        s.post("/api/auth/logout", {"all": True}, token=made["access_token"])

    def refused(self, email, password, token):
        s = self.stack
        for body in ({"email": email, "password": self.plant("wrong password")},
                     {"email": f"{self.plant('unknown address', self.personal)}@example.org", "password": password},
                     {"email": self.plant("no address", self.personal), "password": self.plant("password of none")},
                     {"email": email, "password": self.plant("long password") * 4},
                     {"email": email, "password": [self.plant("password in a list")]},
                     {"email": email, "passwort": self.plant("password of a wrong field")}):
            self.assertIn(s.post("/api/auth/login", body).status, (401, 422))
        self.assertEqual(s.post("/api/auth/register", {"email": email, "password": self.plant("second password"),
                                                       "username": "bird2"}).code, "email_taken")
        self.assertEqual(s.post("/api/auth/register", {"email": f"{self.plant('other address', self.personal)}@example.org",
                                                       "password": self.plant("third password"), "username": "BIRD"}).code,
                         "username_taken")
        self.assertEqual(s.put("/api/users/profile", {"birth_date": self.plant("no date", self.personal)},
                               token=token).status, 422)
        self.assertEqual(s.post("/api/auth/refresh", {"refresh_token": self.plant("no refresh token")}).status, 401)
        self.assertEqual(s.get("/api/auth/verify", token=self.plant("no token")).status, 401)
        self.assertEqual(s.get("/api/auth/verify", headers={"Authorization": f"Basic {self.plant('basic')}"}).status, 401)

    def by_mail(self, email, token):
        """All that has a token of a mail in it; they are taken from the mails, the one place that has them."""
        s = self.stack
        folder = f"{s.run}/mail"
        self.assertEqual(s.post("/api/auth/forgot-password", {"email": email}).status, 202)
        other = {"email": f"{self.plant('unknown forgetful', self.personal)}@example.org"}
        self.assertEqual(s.post("/api/auth/forgot-password", other).status, 202)
        confirm, reset = stack.wait_until(lambda: len(smtp_sink.messages_in(folder)) == 2 and smtp_sink.messages_in(folder),
                                          20, "two mails")
        self.secret["token that confirms"], self.secret["token that resets"] = confirm.token, reset.token
        self.assertEqual(s.post("/api/auth/verify-email", {"token": confirm.token}).status, 204)
        wrong = {"token": reset.token, "new_password": self.plant("too long a password") * 4}
        self.assertEqual(s.post("/api/auth/reset-password", wrong).status, 422)
        self.assertEqual(s.post("/api/auth/verify-email", {"token": reset.token}).code, "link_invalid")
        change = {"old_password": self.plant("wrong old password"), "new_password": self.plant("new password")}
        self.assertEqual(s.post("/api/auth/change-password", change, token=token).code, "wrong_password")

    def broken(self):
        s = self.stack
        for body in ('{"password": "%s"', '{"password": "%s"}}', "password=%s", '"%s"', '["%s"]', '{"%s": 1, "%s": 1}'):
            value = self.plant(f"malformed {body}")
            self.assertGreaterEqual(s.post("/api/auth/login", body.replace("%s", value)).status, 400)
        for path in ("/api/auth/login?password=%s", "/%s", "/api/users/profile/%s", "/api/auth/login/%s", "/%%%s",
                     "/api/auth/verify?access_token=%s"):
            value = self.plant(f"target {path}")
            self.assertGreaterEqual(s.get(path % value).status, 400)
        for name in ("X-Password", "Cookie", "Accept", "Idempotency-Key", "traceparent", "Content-Type", "X-Forwarded-For",
                     "Origin"):
            s.post("/api/auth/login", "{}", headers={name: f"{self.plant('header ' + name)}"})
        for raw in ("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n", "%s / HTTP/1.1\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: %s\r\nHost: y\r\n\r\n", "%s\r\n\r\n", "GET / %s\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", s.port), timeout=10) as connection:
                connection.sendall((raw % self.plant(f"raw {raw[:20]}")).encode())
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

    def command_line(self, email, password):
        s = self.stack
        s.sut("call", "auth.login", "-", stdin=json.dumps({"email": email, "password": password}))
        for body in ({"email": email, "password": self.plant("password by sut")},
                     {"email": email, "password": password, self.plant("field by sut"): 1}):
            done = s.sut("call", "auth.login", "-", stdin=json.dumps(body), check=False)
            self.assertNotEqual(done.returncode, 0)
        raw = {"email": 1, "password": self.plant("raw password by sut"), "x": self.plant("raw field by sut")}
        self.assertNotEqual(s.sut("call", "--raw", "auth.login", "-", stdin=json.dumps(raw), check=False).returncode, 0)
        s.sut("call", "--raw", "auth.no_such", json.dumps({"x": self.plant("unknown method")}), check=False)
        s.sut("call", "--raw", "nobody.home", json.dumps({"x": self.plant("unknown service")}), check=False)

    # ---- searching ----

    @staticmethod
    def spellings(values):
        """Each value as it is, and in the ways in which programs write bytes."""
        found = {}
        for what, value in values.items():
            raw = value.encode()
            found[raw] = what
            found[raw.hex().encode()] = f"{what}, in hex"
            for shift in range(3):  # base64 depends on where in three bytes it begins
                text = base64.b64encode(b"\0" * shift + raw)
                found[text[4 if shift else 0:-4]] = f"{what}, in base64"
        return found

    def search(self, values, skip):
        """Paths that hold one of the values, and which."""
        wanted = self.spellings(values)
        pattern = re.compile(b"|".join(re.escape(w) for w in sorted(wanted, key=len, reverse=True)))
        overlap = max(len(w) for w in wanted)
        hits, searched = [], 0
        for folder, folders, files in os.walk(self.stack.run):
            folders[:] = [f for f in folders if os.path.join(folder, f) not in skip]
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.isfile(path) or os.path.islink(path):
                    continue
                searched += 1
                with open(path, "rb") as f:
                    tail = b""
                    while chunk := f.read(CHUNK):
                        hits += [(path, wanted[m.group()]) for m in pattern.finditer(tail + chunk)]
                        tail = chunk[-overlap:]
        return sorted(set(hits)), searched

    def ring(self):
        folder = f"{self.stack.run}/capture"
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", "rb") as f:
                yield f.read()

    def captured(self):
        """All that was captured, unsealed, with what is personal."""
        whole, after = b"", 0
        while after is not None:
            asked = {"after": after, "limit": 500, "personal": True, "reason": "the search for canaries"}
            page = json.loads(self.stack.sut("call", "broker.captured_calls", json.dumps(asked)).stdout)
            whole += json.dumps(page).encode()
            for call in page["items"]:
                whole += base64.b64decode(call.get("body", "")) + base64.b64decode(call.get("reply", ""))
            after = page.get("after")
        return whole

    def search_captured(self):
        whole = self.captured()
        for raw, what in self.spellings(self.secret).items():
            self.assertNotIn(raw, whole, f"captured: {what}")
        self.assertIn(self.personal["address"].encode(), whole, "the search finds what is there")
        self.assertIn(b"auth.login", whole)

    def test_nothing_is_found(self):
        s = self.stack
        self.bring_about_all()
        self.search_captured()
        self.assertGreater(len(self.secret), 30)
        s.psql("auth_db", "CHECKPOINT")
        s.down()  # all buffers are on disk, all logs are closed
        stores = {f"{s.run}/pg", f"{s.run}/redis"}
        everything = {**self.secret, **self.personal}

        hits, searched = self.search(everything, stores | {f"{s.run}/secrets", f"{s.run}/mail"})
        self.assertEqual(hits, [], "in plain sight")
        self.assertGreater(searched, 20)
        self.assertTrue(any(b"auth.login" in data for data in self.ring()), "nothing was captured: the search proves nothing")
        logs = "".join(s.log(name) for name in ("broker", "auth", "user", "edge"))
        self.assertIn("level=debug", logs, "debug output was not on: the search proves nothing")

        hits, _ = self.search(self.secret, {f"{s.run}/mail"})
        self.assertEqual(hits, [], "in a store")
        address = {"address": self.personal["address"]}
        hits, _ = self.search(address, {f"{s.run}/secrets"})
        self.assertTrue(any("/pg/" in path for path, _ in hits), "the search finds what is there")


if __name__ == "__main__":
    stack.main()
