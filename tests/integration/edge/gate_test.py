"""The gate: tokens of every bad kind, revocations, levels, keys that change, and an auth that falls silent."""

import base64
import signal
import time
import unittest

import stack
from edge import KEY, KID, Edge, b64, token
from stack import wait_until

OTHER = bytes(range(1, 33))


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = Edge().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def refused(self, bearer, why=""):
        before = len(self.edge.user.calls)
        answer = self.edge.profile(bearer)
        self.assertEqual((answer.status, answer.code), (401, "unauthenticated"), (why, answer))
        self.assertIn('error="invalid_token"', answer.headers["www-authenticate"])
        self.assertEqual(len(self.edge.user.calls), before)
        # a bad token is refused where none is needed, too
        public = self.edge.get("/api/users/profile/7", headers={"Authorization": f"Bearer {bearer}"})
        self.assertEqual(public.status, 401, why)

    def test_a_good_token(self):
        self.assertEqual(self.edge.profile(token()).status, 200)
        self.assertEqual(self.edge.user.calls[-1].principal, [7, 1, "s-7"])
        self.assertEqual(self.edge.profile(token(permissions=3)).status, 200)
        self.assertEqual(self.edge.user.calls[-1].principal[1], 3)
        self.assertEqual(self.edge.profile(token(header={"alg": "HS256", "kid": KID})).status, 200)

    def test_no_token(self):
        answer = self.edge.profile()
        self.assertEqual((answer.status, answer.code), (401, "unauthenticated"))
        self.assertEqual(answer.headers["www-authenticate"], 'Bearer realm="shareuptime"')
        self.assertEqual(self.edge.get("/api/users/profile/7").status, 200)

    def test_not_a_token(self):
        for text in ("", ".", "..", "a.b", "a.b.c.d", "x" * 50, token() + ".x", token()[:-1] + "!", " " + token()[5:],
                     token().replace(".", ".."), "=" + token(), token() + "=", "é"):
            self.refused(text, text)
        for scheme in ("Basic", "bearer:", "Token"):
            answer = self.edge.profile(headers={"Authorization": f"{scheme} {token()}"})
            self.assertEqual(answer.status, 401)
        self.assertEqual(self.edge.profile(headers={"Authorization": f"bEaReR {token()}"}).status, 200)

    def test_two_authorization_headers(self):
        data = (f"PUT /api/users/profile HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                f"Authorization: Bearer {token()}\r\nAuthorization: Bearer {token()}\r\n\r\n{{}}")
        self.assertEqual(self.edge.raw(data.encode())[0].status, 401)

    def test_other_algorithms(self):
        for alg in ("none", "None", "", "HS384", "HS512", "RS256", "ES256", "hs256", None, 256, ["HS256"]):
            self.refused(token(header={"alg": alg, "kid": KID, "typ": "JWT"}), alg)
        head, body, _ = token(header={"alg": "none", "kid": KID}).split(".")
        self.refused(f"{head}.{body}.", "unsigned")
        self.refused(f"{head}.{body}", "unsigned, two parts")

    def test_headers_that_are_odd(self):
        for header in ({"alg": "HS256", "kid": "unknown"}, {"alg": "HS256"}, {"alg": "HS256", "kid": 1},
                       {"alg": "HS256", "kid": ""}, {"alg": "HS256", "kid": KID, "typ": "JWE"},
                       {"alg": "HS256", "kid": KID, "crit": ["exp"]}, {"alg": "HS256", "kid": "x" * 300}, [], "HS256"):
            self.refused(token(header=header), header)
        doubled = b64(b'{"alg":"none","alg":"HS256","kid":"k1"}')
        self.refused(doubled + "." + token().split(".", 1)[1], "doubled alg")
        for text in (b"{", b"\xff\xfe", b"{" * 300, b'{"alg":"HS256","kid":"k1"}x'):
            self.refused(b64(text) + "." + token().split(".", 1)[1], text)

    def test_signatures(self):
        good = token()
        self.refused(token(key=OTHER), "another key")
        self.refused(token(key=b"\x00" * 32), "a key of zeros")
        head, body, signature = good.split(".")
        self.refused(f"{head}.{body}.{'A' * len(signature)}", "zeros")
        self.refused(f"{head}.{body}.{signature[:-2]}", "cut")
        self.refused(f"{head}.{token(user_id=8).split('.')[1]}.{signature}", "another body")
        raw = bytearray(base64.urlsafe_b64decode(signature + "="))
        for i in (0, 15, 31):
            flipped = bytes(b ^ (1 if j == i else 0) for j, b in enumerate(raw))
            self.refused(f"{head}.{body}.{b64(flipped)}", f"byte {i}")

    def test_times(self):
        now = int(time.time())
        self.refused(token(iat=now - 1000, exp=now - 100), "expired")
        self.refused(token(exp=None), "no exp")
        self.refused(token(iat=None), "no iat")
        self.refused(token(iat=now + 60, exp=now + 120), "issued in the future")
        self.refused(token(nbf=now + 60), "not before")
        self.refused(token(nbf="soon"), "nbf of the wrong type")
        self.refused(token(iat=now, exp=now + 901), "lives longer than revocations are kept")
        self.refused(token(exp=now), "exp equal to iat")
        self.refused(token(exp=str(now + 60)), "exp as text")
        self.refused(token(exp=float(now + 60)), "exp as a real")
        self.refused(token(iat=-5, exp=5), "long ago")
        self.assertEqual(self.edge.profile(token(iat=now + 2, exp=now + 60)).status, 200) # clocks differ a little

    def test_claims(self):
        for claims in ({"user_id": None}, {"user_id": 0}, {"user_id": -1}, {"user_id": "7"}, {"user_id": 7.0},
                       {"user_id": 2 ** 53}, {"user_id": 2 ** 63 - 1}, {"permissions": None}, {"permissions": 0},
                       {"permissions": 2}, {"permissions": 4}, {"permissions": "1"}, {"permissions": True}, {"sid": None},
                       {"sid": ""}, {"sid": 5}, {"sid": "x" * 65}):
            self.refused(token(claims), claims)
        self.refused(token(pad="x" * 200, user_id=None), "padding does not help")

    def test_long_tokens(self):
        self.assertEqual(self.edge.profile(token(pad="x" * 2500)).status, 200)
        self.refused(token(pad="x" * 4000), "over 4 KiB")
        self.refused("x" * 12000, "12 KB")
        answer = self.edge.profile("x" * 20000)
        self.assertEqual(answer.status, 431)


class Revoked(unittest.TestCase):
    def wait_refused(self, edge, bearer, seconds=10):
        end = time.monotonic() + seconds
        while edge.profile(bearer).status != 401:
            self.assertLess(time.monotonic(), end, "the revoked session was never refused")
            time.sleep(0.01)

    def test_revocations_and_silence(self):
        with Edge() as edge:
            mine, other = token(), token(user_id=8, sid="s-8")
            self.assertEqual((edge.profile(mine).status, edge.profile(other).status), (200, 200))
            edge.revocations.add(user_id=7, session="s-7")
            self.wait_refused(edge, mine)
            self.assertEqual(edge.profile(other).status, 200)
            self.assertEqual(edge.profile(token(sid="s-7b")).status, 200) # another session of the same user
            edge.revocations.add(user_id=8, issued_before=int((time.time() - 0) * 1_000_000))
            self.wait_refused(edge, other)
            self.assertEqual(edge.profile(token(user_id=8, sid="new", iat=int(time.time()) + 2,
                                                exp=int(time.time()) + 60)).status, 200)
            edge.revocations.add(user_id=9, session="x", more="a field of a later build is ignored")
            self.silence(edge)

    def silence(self, edge):
        edge.markers_every(60_000)
        good = token(user_id=5, sid="s-5")
        self.assertEqual(edge.profile(good).status, 200)
        wait_until(lambda: edge.profile(good).status == 503, 8, "the edge to close")
        answer = edge.profile(good)
        self.assertEqual((answer.status, answer.code), (503, "unavailable"))
        self.assertIn("retry-after", answer.headers)
        self.assertEqual(edge.profile(token()).status, 401) # what is known to be revoked is still said
        public = edge.get("/api/users/profile/7", headers={"Authorization": f"Bearer {good}"})
        self.assertEqual(public.status, 200) # level 0 goes on, as nobody
        self.assertIsNone(edge.user.calls[-1].principal)
        wait_until(lambda: edge.get("/health").status == 503, 5, "health to say so")
        edge.markers_every(500)
        wait_until(lambda: edge.profile(good).status == 200, 8, "the edge to open again")

    def test_closed_until_the_first_load(self):
        with Edge() as edge:
            edge.stop()
            edge.revocations.silent = True
            edge.revocations.add(user_id=7, session="s-7")
            edge.start(healthy=False)
            self.assertEqual(edge.profile(token(sid="fresh")).status, 503)
            edge.revocations.silent = False
            wait_until(lambda: edge.profile(token(sid="fresh")).status == 200, 8, "the first load")
            self.assertEqual(edge.profile(token()).status, 401) # revoked before this edge was started

    def test_more_revocations_than_a_page(self):
        with Edge() as edge:
            for i in range(2500):
                edge.revocations.add(user_id=100 + i, session="s")
            wait_until(lambda: edge.profile(token(user_id=2599, sid="s")).status == 401, 8, "the last page")
            self.assertEqual(edge.profile(token(user_id=100, sid="s")).status, 401)
            self.assertEqual(edge.profile(token(user_id=2600, sid="s")).status, 200)

    def test_answers_that_are_none_close_the_edge(self):
        with Edge() as edge:
            self.assertEqual(edge.profile(token()).status, 200)
            edge.auth.methods["auth.revocations"] = lambda _: {"items": [{"id": 1}], "cursor": 1, "more": False}
            edge.stop() # what was revoked is loaded at the start
            edge.start(healthy=False)
            wait_until(lambda: edge.profile(token()).status == 503, 8, "the edge to be closed")
            self.assertEqual(edge.profile(token()).status, 503)


class Keys(unittest.TestCase):
    def test_rotation_on_sighup(self):
        with Edge() as edge:
            old, new = token(), token(header={"alg": "HS256", "kid": "k2"}, key=OTHER)
            self.assertEqual((edge.profile(old).status, edge.profile(new).status), (200, 401))
            edge.write_keys(f"k2 {OTHER.hex()}", f"{KID} {KEY.hex()}")
            edge.process.send_signal(signal.SIGHUP)
            wait_until(lambda: edge.profile(new).status == 200, 5, "the new key")
            self.assertEqual(edge.profile(old).status, 200)
            edge.write_keys(f"k2 {OTHER.hex()}")
            edge.process.send_signal(signal.SIGHUP)
            wait_until(lambda: edge.profile(old).status == 401, 5, "the old key to go, and its tokens with it")
            edge.write_keys("k3 tooshort")
            edge.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "event=keys.kept" in edge.log(), 5, "the bad file to be refused")
            self.assertEqual(edge.profile(new).status, 200)
            self.assertNotIn("tooshort", edge.log())
            self.assertNotIn(OTHER.hex(), edge.log())

    def test_the_secret_of_the_seed_and_issuer_and_audience(self):
        secret = "x" * 32
        with Edge(JWT_SECRET=secret, SUT_JWT_KEYS="", JWT_ISSUER="sut", JWT_AUDIENCE="app") as edge:
            def made(**claims):
                return token(header={"alg": "HS256", "typ": "JWT"}, key=secret.encode(), **claims)
            self.assertEqual(edge.profile(made(iss="sut", aud="app")).status, 200)
            for claims in ({}, {"iss": "sut"}, {"aud": "app"}, {"iss": "sut", "aud": "other"}, {"iss": "SUT", "aud": "app"},
                           {"iss": "sut", "aud": ["app"]}, {"iss": 5, "aud": "app"}):
                self.assertEqual(edge.profile(made(**claims)).status, 401, claims)


class Limits(unittest.TestCase):
    def test_classes_and_addresses(self):
        with Edge(SUT_RATE_LIMITS="login=2/60,default=1000/60") as edge:
            body = {"email": "ada@example.org", "password": "correct horse battery"}

            def login(client):
                return edge.request("POST", "/api/auth/login", body=body, headers={"X-Forwarded-For": client})
            first = login("10.0.0.1")
            self.assertEqual((first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]), ("2", "1"))
            self.assertEqual(login("10.0.0.1").status, 200)
            answer = login("10.0.0.1")
            self.assertEqual((answer.status, answer.code), (429, "rate_limited"))
            self.assertTrue(0 < int(answer.headers["retry-after"]) <= 31)
            self.assertEqual(login("10.0.0.2").status, 200)               # another client
            self.assertEqual(login("1.2.3.4, 10.0.0.1").status, 429)      # what the client wrote itself does not count
            self.assertEqual(login("10.0.0.1, 10.0.0.3").status, 200)
            self.assertEqual(edge.get("/api/users/profile/7", headers={"X-Forwarded-For": "10.0.0.1"}).status, 200)
            for _ in range(20):
                self.assertEqual(edge.get("/health").status, 200)         # never limited


if __name__ == "__main__":
    stack.main()
