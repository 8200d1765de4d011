"""Sizes, times and numbers: what is too large, too slow or too much is refused, and others do not notice."""

import socket
import threading
import time
import unittest

import stack
from edge import Edge, Reader, token
from stack import wait_until

LOGIN = {"email": "ada@example.org", "password": "correct horse battery"}


def body_of(size):
    text = b'{"email":"ada@example.org","password":"correct horse battery"}'
    return text + b" " * (size - len(text))


class Sizes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = Edge(EDGE_BODY_BYTES="20000").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def refused(self, data, status, code):
        with self.edge.connect() as s:
            s.sendall(data)
            reader = Reader(s)
            answer = reader.answer()
            self.assertEqual((answer.status, answer.code), (status, code), answer)
            self.assertEqual(answer.headers["connection"], "close")
            self.assertTrue(reader.ended())

    def test_target(self):
        self.assertEqual(self.edge.get("/" + "a" * 4095).status, 404)
        self.refused(b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\nHost: e\r\n\r\n", 414, "uri_too_long")
        self.refused(b"GET /?" + b"a" * 4096 + b" HTTP/1.1\r\nHost: e\r\n\r\n", 414, "uri_too_long")

    def test_headers(self):
        head = b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\nX-A: "
        fits = head + b"a" * (16384 - len(head) - 4) + b"\r\n\r\n"
        self.assertEqual(self.edge.raw(fits)[0].status, 200)
        self.refused(fits[:-4] + b"a\r\n\r\n", 431, "headers_too_large")
        self.refused(head + b"a" * 40000 + b"\r\n\r\n", 431, "headers_too_large") # more than civetweb's buffer
        self.refused(head + b"a" * 40000, 431, "headers_too_large")               # and without an end
        self.refused(b"X" * 40000, 431, "headers_too_large")

    def test_headers_too_large_behind_a_good_request(self):
        with self.edge.connect() as s:
            self.assertEqual(self.edge.request("GET", "/api/users/profile/7", connection=s).status, 200)
            s.sendall(b"GET / HTTP/1.1\r\nHost: e\r\nX-A: " + b"a" * 40000)
            self.assertEqual(Reader(s).answer().status, 431)

    def test_body_by_length(self):
        self.assertEqual(self.edge.request("POST", "/api/auth/login", body=body_of(20000)).status, 200)
        answer = self.edge.request("POST", "/api/auth/login", body=body_of(20001))
        self.assertEqual((answer.status, answer.code, answer.headers["connection"]), (413, "payload_too_large", "close"))
        self.refused(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Length: 999999999999999999\r\n\r\n", 413,
                     "payload_too_large")

    def chunked(self, size, chunk):
        body = body_of(size)
        data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[i:i + chunk] for i in range(0, size, chunk)))
        with self.edge.connect() as s:
            s.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n" + data + b"0\r\n\r\n")
            reader = Reader(s)
            answer = reader.answer()
            if answer.status == 200: # the connection goes on behind it
                s.sendall(b"GET /api/users/profile/8 HTTP/1.1\r\nHost: e\r\n\r\n")
                self.assertEqual(reader.answer().json["user_id"], 8)
            return answer

    def test_body_by_chunks(self):
        for size, chunk in ((100, 1), (20000, 20000), (20000, 4096), (20000, 777)):
            self.assertEqual(self.chunked(size, chunk).status, 200, (size, chunk))
        for size, chunk in ((20001, 20001), (20001, 500), (60000, 4096)):
            self.assertEqual(self.chunked(size, chunk).status, 413, (size, chunk))

    def test_expect_100_continue(self):
        body = body_of(200)
        head = (b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                b"Content-Length: %d\r\n\r\n")
        with self.edge.connect() as s:
            s.sendall(head % len(body))
            reader = Reader(s)
            self.assertEqual(reader.answer().status, 100)
            s.sendall(body)
            self.assertEqual(reader.answer().status, 200)
        with self.edge.connect() as s: # refused before the body was wanted: no 100, and the connection ends
            s.sendall((head % len(body)).replace(b"/api/auth/login", b"/api/nowhere"))
            reader = Reader(s)
            answer = reader.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (404, "close"))
        self.refused((head % 5).replace(b"100-continue", b"200-ok"), 417, "expectation_failed")

    def test_an_unread_body_does_not_become_a_request(self):
        inner = b"GET /api/users/profile/9 HTTP/1.1\r\nHost: e\r\n\r\n"
        before = len(self.edge.user.calls)
        with self.edge.connect() as s:
            s.sendall(b"POST /api/nowhere HTTP/1.1\r\nHost: e\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner)
            s.sendall(b"GET /api/users/profile/8 HTTP/1.1\r\nHost: e\r\n\r\n")
            reader = Reader(s)
            self.assertEqual(reader.answer().status, 404)
            self.assertEqual(reader.answer().json["user_id"], 8)
        self.assertEqual(len(self.edge.user.calls) - before, 1)

    def test_a_body_that_is_cut_off(self):
        with self.edge.connect() as s:
            s.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 100\r\n\r\n{")
            s.shutdown(socket.SHUT_WR)
            answer = Reader(s).answer()
            self.assertEqual((answer.status, answer.code), (400, "bad_request"))

    def test_keep_alive(self):
        with self.edge.connect() as s:
            for i in range(1, 50):
                self.assertEqual(self.edge.request("GET", f"/api/users/profile/{i}", connection=s).json["user_id"], i)
                self.assertEqual(self.edge.request("POST", "/api/auth/login", body=LOGIN, connection=s).status, 200)
                self.assertEqual(self.edge.request("GET", "/nowhere", connection=s).status, 404)
                self.assertEqual(self.edge.profile("bad", connection=s).status, 401)
        with self.edge.connect() as s: # HTTP/1.0 closes unless it asks
            s.sendall(b"GET /health HTTP/1.0\r\nHost: e\r\n\r\n")
            reader = Reader(s)
            self.assertEqual(reader.answer().headers["connection"], "close")
            self.assertTrue(reader.ended())
        with self.edge.connect() as s:
            s.sendall(b"GET /health HTTP/1.0\r\nHost: e\r\nConnection: keep-alive\r\n\r\n" * 2)
            reader = Reader(s)
            self.assertEqual(reader.answer().headers["connection"], "keep-alive")
            self.assertEqual(reader.answer().status, 200)


class Times(unittest.TestCase):
    """Deadlines are short here; what is asserted is that they hold at all, within many times their length."""

    @classmethod
    def setUpClass(cls):
        cls.edge = Edge(EDGE_HEADER_MS="400", EDGE_KEEP_ALIVE_MS="400", EDGE_BODY_MS="600").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def trickle(self, s, data, seconds=0.05):
        """Sends a byte at a time, until the other side has enough."""
        try:
            for byte in data:
                s.sendall(bytes([byte]))
                if select(s, seconds):
                    return
        except OSError:
            pass

    def test_a_head_that_trickles(self):
        with self.edge.connect() as s:
            self.trickle(s, b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\nX-A: " + b"a" * 1000)
            reader = Reader(s)
            answer = reader.answer()
            self.assertEqual((answer.status, answer.code), (408, "request_timeout"))
            self.assertTrue(reader.ended())

    def test_a_body_that_trickles(self):
        with self.edge.connect() as s:
            s.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 2000\r\n\r\n")
            self.trickle(s, b"{" + b" " * 1999)
            reader = Reader(s)
            answer = reader.answer()
            self.assertEqual((answer.status, answer.code), (408, "request_timeout"))
            self.assertTrue(reader.ended())

    def test_a_chunked_body_that_trickles(self):
        with self.edge.connect() as s:
            s.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n")
            self.trickle(s, b"1\r\n \r\n" * 500)
            self.assertEqual(Reader(s).answer().status, 408)

    def test_an_unwanted_body_that_trickles(self):
        with self.edge.connect() as s: # answered at once; then the rest of the body is not waited for without end
            s.sendall(b"POST /api/nowhere HTTP/1.1\r\nHost: e\r\nContent-Length: 2000\r\n\r\n")
            reader = Reader(s)
            self.assertEqual(reader.answer().status, 404)
            self.trickle(s, b" " * 2000)
            self.assertTrue(reader.ended())

    def test_an_idle_connection_ends(self):
        with self.edge.connect() as s:
            self.assertTrue(Reader(s).ended())
        with self.edge.connect() as s:
            self.assertEqual(self.edge.request("GET", "/health", connection=s).status, 200)
            self.assertTrue(Reader(s).ended())

    def test_a_service_that_is_silent(self):
        self.edge.user.methods["user.profile_get"] = lambda _: None
        begun = time.monotonic()
        answer = self.edge.get("/api/users/profile/7")
        self.assertEqual((answer.status, answer.code), (504, "deadline_exceeded"))
        self.assertLess(time.monotonic() - begun, 6)

    def test_a_client_that_goes_away_cancels_its_call(self):
        self.edge.auth.methods["auth.refresh"] = lambda _: None
        with self.edge.connect() as s:
            before = len(self.edge.auth.calls)
            body = b'{"refresh_token":"0123456789abcdef"}'
            s.sendall(b"POST /api/auth/refresh HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: len(self.edge.auth.calls) > before, 5, "the call")
        wait_until(lambda: self.edge.auth.cancelled, 2.5, "its end, before its deadline")


def select(s, seconds):
    s.settimeout(seconds)
    try:
        return len(s.recv(1, socket.MSG_PEEK)) >= 0
    except TimeoutError:
        return False
    finally:
        s.settimeout(20)


class Numbers(unittest.TestCase):
    def test_connections_are_capped_before_they_cost_a_thread(self):
        with Edge(EDGE_THREADS="32", TRUSTED_PROXIES="127.0.0.1") as edge:
            held = [edge.connect() for _ in range(24)]
            try:
                for _ in range(2): # all are taken before there is one more; and those within the cap are served on
                    for s in held:
                        reply = edge.request("GET", "/health", connection=s)
                        self.assertEqual(reply.status, 200, reply)
                    wait_until(lambda: self.refused(edge), 10, "the cap")
                held.pop().close()
                wait_until(lambda: not self.refused(edge), 10, "room again")
            finally:
                for s in held:
                    s.close()

    def test_connections_of_one_address(self):
        with Edge(EDGE_PER_ADDRESS="4", TRUSTED_PROXIES="127.0.0.1") as edge:
            held = [edge.connect("127.0.0.2") for _ in range(4)]
            try:
                wait_until(lambda: self.refused(edge, "127.0.0.2"), 10, "the cap")
                self.assertFalse(self.refused(edge, "127.0.0.3"))
                self.assertFalse(self.refused(edge))
                for s in held:
                    self.assertEqual(edge.request("GET", "/health", connection=s).status, 200)
                held.pop().close()
                wait_until(lambda: not self.refused(edge, "127.0.0.2"), 10, "room again")
            finally:
                for s in held:
                    s.close()

    def refused(self, edge, source=None):
        with edge.connect(source) as s:
            try:
                s.sendall(b"GET /health HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
                answer = Reader(s).answer()
            except OSError: # closed before the request was taken in
                return True
            if answer and answer.status == 503:
                self.assertEqual((answer.code, answer.headers["retry-after"]), ("overloaded", "1"))
            return answer is None or answer.status == 503

    def test_many_at_once(self):
        with Edge() as edge:
            statuses = []

            def client(n):
                with edge.connect() as s:
                    for i in range(40):
                        answer = edge.request("GET", f"/api/users/profile/{n * 100 + i + 1}", connection=s)
                        statuses.append((answer.status, answer.json.get("user_id") == n * 100 + i + 1))
            threads = [threading.Thread(target=client, args=(n,)) for n in range(30)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(set(statuses), {(200, True)})
            self.assertEqual(len(statuses), 1200)

    def test_slow_connections_make_room_for_others(self):
        with Edge(EDGE_THREADS="40", EDGE_HEADER_MS="60000", EDGE_KEEP_ALIVE_MS="60000") as edge:
            slow = [edge.connect() for _ in range(30)]
            try:
                for i, s in enumerate(slow): # some have sent nothing, some a part of a head, some a whole request
                    if i % 3 == 0:
                        s.sendall(b"GET / HTTP/1.1\r\nX-A: ")
                    elif i % 3 == 1:
                        self.assertEqual(edge.request("GET", "/health", connection=s).status, 200)
                begun = time.monotonic()
                wait_until(lambda: time.monotonic() - begun > 2, 10, "all to be idle or slow for more than a second")
                slow.append(edge.connect()) # now it is crowded, and one look ends all that are
                for reader in map(Reader, slow[:30]):
                    answer = reader.answer()
                    self.assertTrue(answer is None or answer.status in (400, 408), answer)
                self.assertEqual(edge.profile(token()).status, 200)
            finally:
                for s in slow:
                    s.close()

    def test_slow_bodies_make_room_for_others(self):
        head = b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\n"
        with Edge(EDGE_THREADS="40") as edge:
            slow = [edge.connect() for _ in range(31)]
            try:
                for i, s in enumerate(slow):
                    s.sendall(head + (b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n" if i % 2 else b"Content-Length: 2000\r\n\r\n{"))
                answers = [Reader(s).answer() for s in slow]
                self.assertEqual(answers[0].status, 503, "long before a step's 3 s, after which it would be 408")
                self.assertEqual(answers[0].code, "overloaded")
                self.assertLessEqual({a.status for a in answers}, {503, 408}) # 408: when it was no longer crowded
                self.assertEqual(edge.profile(token()).status, 200)
            finally:
                for s in slow:
                    s.close()

    def test_trickling_connections_do_not_hurt_others(self):
        with Edge(EDGE_HEADER_MS="60000") as edge:
            held = [edge.connect() for _ in range(100)]
            try:
                for s in held:
                    s.sendall(b"GET / HTTP/1.1\r\nX-A: ")
                for _ in range(20):
                    self.assertEqual(edge.profile(token()).status, 200)
            finally:
                for s in held:
                    s.close()


if __name__ == "__main__":
    stack.main()
