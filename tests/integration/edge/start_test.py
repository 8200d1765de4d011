"""How the edge starts and stops: wrong settings end in one line and their exit code; SIGTERM loses no request."""

import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import stack
from edge import Edge, Reader, token
from stack import wait_until


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = Edge().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def ends(self, code, *words, **settings):
        env = self.edge.environment()
        env.update({"PORT": "0"}, **settings)
        done = subprocess.run([f"{self.edge.broker.bin}/sut-edge"], env=env, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, code, (settings, done))
        lines = [line for line in done.stderr.splitlines() if line.startswith("sut-edge: error: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        return done.stderr

    def test_tls_is_refused_with_the_reason(self):
        self.ends(78, "PORT", "TLS", "HAProxy", PORT="3443s")
        self.ends(78, "PORT", "TLS", PORT="80r")
        self.ends(78, "SSL_CERTIFICATE", "plain text", SSL_CERTIFICATE="/etc/ssl/x.pem")

    def test_ipv6_is_refused_with_the_reason(self):
        self.ends(78, "HOST", "IPv6", HOST="::1")

    def test_settings(self):
        for port in ("x", "-1", "65536", "3000,3001", "+3000", " 3000", "127.0.0.1:80"):
            self.ends(78, "PORT", PORT=port)
        self.ends(78, "HOST", HOST="localhost")
        self.ends(78, "EDGE_THREADS", EDGE_THREADS="1")
        self.ends(78, "EDGE_BODY_BYTES", EDGE_BODY_BYTES="much")
        self.ends(78, "CORS_ORIGINS", CORS_ORIGINS="example.org")
        self.ends(78, "CORS_ORIGINS", CORS_ORIGINS="https://a.example/path")
        for limits in ("login", "login=1", "login=0/1", "login=1/0", "login=1/1,login=2/2", ",", "login=x/1"):
            self.ends(78, "SUT_RATE_LIMITS", SUT_RATE_LIMITS=limits)
        self.ends(78, "TRUSTED_PROXIES", TRUSTED_PROXIES="proxy.example")

    def test_too_few_descriptors(self):
        env = dict(self.edge.environment(), PORT="0", EDGE_THREADS="512")
        done = subprocess.run(["bash", "-c", f"ulimit -n 200; exec {self.edge.broker.bin}/sut-edge"], env=env,
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 78, done)
        self.assertIn("EDGE_THREADS", done.stderr)

    def test_keys(self):
        self.ends(78, "SUT_JWT_KEYS", SUT_JWT_KEYS="")
        self.ends(78, "JWT_SECRET", SUT_JWT_KEYS="", JWT_SECRET="short")
        text = self.ends(78, "jwt", SUT_JWT_KEYS=self.bad_keys("k1 abc"))
        self.assertNotIn("abc", text)
        self.ends(78, SUT_JWT_KEYS=f"{self.edge.broker.dir}/none")

    def bad_keys(self, text):
        path = f"{self.edge.broker.dir}/bad.jwt"
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def test_a_missing_broker_setting(self):
        self.ends(78, "SUT_BROKER", SUT_BROKER="")
        self.ends(78, "endpoint", SUT_BROKER="http://x")

    def test_a_port_that_is_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.ends(69, "PORT", str(s.getsockname()[1]), PORT=str(s.getsockname()[1]))

    def test_it_starts_without_a_broker_and_says_so(self):
        with Edge() as edge:
            edge.stop()
            edge.settings["SUT_BROKER"] = f"ipc://{edge.broker.dir}/nobody"
            edge.start(healthy=False)
            answer = edge.get("/health")
            self.assertEqual((answer.status, answer.json["status"]), (503, "unhealthy"))
            self.assertNotEqual(answer.json["dependencies"]["bus"]["status"], "up")
            self.assertEqual(edge.profile(token()).status, 503)
            self.assertEqual(edge.stop(), 0)


class Logs(unittest.TestCase):
    def test_debug_lines_carry_the_trace_and_no_secret(self):
        with Edge(DEBUG="shareuptime:*", LOG_LEVEL="debug") as edge:
            answer = edge.request("POST", "/api/auth/login",
                                  body={"email": "canary@example.org", "password": "canary-password-1"})
            self.assertEqual(answer.status, 200)
            bearer = token(sid="canary-session")
            edge.profile(bearer, headers={"Idempotency-Key": "canary-key"})
            edge.request("POST", "/api/auth/refresh", body={"refresh_token": "canary-refresh-token"})
            edge.get("/api/users/profile/7?q=canary-query")
            edge.profile("canary.token.x")
            trace = answer.headers["x-request-id"]
            wait_until(lambda: f"trace={trace}" in edge.log(), 5, "the request's line")
            edge.stop()
            log = edge.log()
            self.assertIn("event=answered", log)
            for secret in ("canary", bearer, bearer.split(".")[2], "r" * 20, "a" * 20):
                self.assertNotIn(secret, log)


class Stop(unittest.TestCase):
    def test_sigterm_finishes_what_is_in_hand(self):
        with Edge() as edge:
            release = threading.Event()

            def slow(_):
                release.wait(2)
                return {"user_id": 7, "username": "ada", "follower_count": 0, "following_count": 0, "post_count": 0,
                        "created_at": 0, "updated_at": 0}
            edge.user.methods["user.profile_get"] = slow
            with edge.connect() as busy, edge.connect() as idle:
                self.assertEqual(edge.request("GET", "/health", connection=idle).status, 200)
                before = len(edge.user.calls)
                busy.sendall(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\n\r\n")
                wait_until(lambda: len(edge.user.calls) > before, 5, "the call")
                edge.process.send_signal(signal.SIGTERM)
                wait_until(lambda: self.is_refused(edge), 5, "the port to be closed")
                release.set()
                answer = Reader(busy).answer()
                self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
                self.assertEqual(edge.process.wait(10), 0)

    def is_refused(self, edge):
        try:
            edge.connect().close()
            return False
        except ConnectionRefusedError:
            return True

    def test_an_idle_edge_stops_at_once(self):
        with Edge() as edge:
            held = [edge.connect() for _ in range(20)]
            edge.process.send_signal(signal.SIGTERM)
            self.assertEqual(edge.process.wait(10), 0)
            for s in held:
                s.close()

    def test_a_call_that_never_ends_does_not_hold_the_stop(self):
        with Edge(SUT_DRAIN_MS="100") as edge:
            edge.user.methods["user.profile_get"] = lambda _: None
            with edge.connect() as s:
                before = len(edge.user.calls)
                s.sendall(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\n\r\n")
                wait_until(lambda: len(edge.user.calls) > before, 5, "the call")
                self.assertEqual(edge.stop(), 0)
                answer = Reader(s).answer()
                self.assertTrue(answer is None or answer.status == 503, answer)


class Faults(unittest.TestCase):
    def test_an_actor_that_goes_and_comes_back(self):
        with Edge() as edge:
            edge.actors.pop("user").close()
            begun = time.monotonic()
            answer = edge.get("/api/users/profile/7")
            self.assertIn(answer.status, (503, 504), answer)
            self.assertLess(time.monotonic() - begun, 4)
            wait_until(lambda: edge.get("/api/users/profile/7").code == "no_such_service", 5, "its end to be known")
            wait_until(lambda: edge.get("/health").status == 503, 10, "health to tell")
            for _ in range(60): # and the breaker must not stay open behind its return
                edge.get("/api/users/profile/7")
            edge.actors["auth"].close()
            edge.start_actors()
            wait_until(lambda: edge.get("/api/users/profile/7").status == 200, 5, "its return")

    def test_a_broker_that_dies_and_comes_back(self):
        with Edge() as edge:
            edge.broker.kill()
            answer = edge.get("/api/users/profile/7")
            self.assertIn(answer.status, (503, 504))
            edge.broker.start()
            for actor in edge.actors.values():
                actor.close()
            edge.start_actors()
            wait_until(lambda: edge.get("/api/users/profile/7").status == 200, 5, "service")
            wait_until(lambda: edge.profile(token()).status == 200, 5, "tokens")

    def test_a_breaker_opens_and_closes(self):
        with Edge() as edge:
            from edge import Refusal

            def broken(_):
                raise Refusal("internal", "x")
            good = edge.user.methods["user.profile_get"]
            well = edge.user.methods["user.health"]
            edge.user.methods["user.profile_get"] = broken
            edge.user.methods["user.health"] = lambda _: {"status": "down", "dependencies": []}
            wait_until(lambda: edge.get("/api/users/profile/7").status == 503, 10, "the breaker to open")
            before = len(edge.user.calls)
            answer = edge.get("/api/users/profile/7")
            self.assertEqual((answer.status, answer.code), (503, "unavailable"))
            self.assertGreater(int(answer.headers["retry-after"]), 0)
            self.assertEqual(len(edge.user.calls), before)
            self.assertEqual(edge.request("POST", "/api/auth/logout", headers={"Authorization": f"Bearer {token()}"}).status,
                             204) # another service has a breaker of its own
            edge.user.methods["user.profile_get"] = good
            edge.user.methods["user.health"] = well
            wait_until(lambda: edge.get("/api/users/profile/7").status == 200, 5, "the breaker to close")


if __name__ == "__main__":
    stack.main()
