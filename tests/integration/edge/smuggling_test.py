"""Everything that two parsers could read in two ways is refused with 400 and the end of the connection, and what was
smuggled behind it is never executed. One case each for what PITFALLS lists of civetweb 1.15, and for its kin."""

import unittest

import stack
from edge import Edge, Reader

OK = b"GET /api/users/profile/7 HTTP/1.1\r\nHost: edge\r\n\r\n"


def post(*lines, body=b""):
    head = [b"POST /api/auth/login HTTP/1.1"] + [line if isinstance(line, bytes) else line.encode() for line in lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Smuggling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = Edge().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def refused(self, data, status=400, smuggled=OK):
        """Refused and closed, with another request behind it that must never be seen."""
        before = len(self.edge.user.calls) + len(self.edge.auth.calls)
        with self.edge.connect() as s:
            s.sendall(data + smuggled)
            reader = Reader(s)
            answer = reader.answer()
            self.assertIsNotNone(answer, data)
            self.assertEqual(answer.status, status, (data, answer))
            self.assertEqual(answer.headers["connection"], "close")
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            self.assertEqual(len(answer.json["trace_id"]), 32)
            self.assertTrue(reader.ended(), (data, reader.held))
        self.assertEqual(self.edge.get("/api/users/profile/9").status, 200) # and nobody else notices
        after = len(self.edge.user.calls) + len(self.edge.auth.calls)
        self.assertEqual(after - before, 1, "what was refused or smuggled was executed")
        return answer

    def test_length_with_transfer_encoding(self):
        self.refused(post("Host: e", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
        self.refused(post("Host: e", "Transfer-Encoding: chunked", "Content-Length: 0", body=b"0\r\n\r\n"))
        self.refused(post("Host: e", "Transfer-Encoding: identity", "Content-Length: 2", body=b"{}"))

    def test_doubled_length(self):
        self.refused(post("Host: e", "Content-Length: 2", "Content-Length: 2", body=b"{}"))
        self.refused(post("Host: e", "Content-Length: 2", "content-length: 0", body=b"{}"))

    def test_length_that_is_no_number(self):
        for text in ("+2", "-2", "0x2", "2 2", "2,2", "2;", "", "2a", "1" * 30):
            self.refused(post("Host: e", f"Content-Length: {text}", body=b"{}"))

    def test_other_transfer_codings(self):
        for text in ("gzip", "gzip, chunked", "chunked, chunked", "xchunked", "chunked;q=1", "identity", "chunked\x0b"):
            self.refused(post("Host: e", f"Transfer-Encoding: {text}", body=b"0\r\n\r\n"))
        self.refused(post("Host: e", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
        self.refused(post("Host: e", "Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"))

    def test_chunked_in_http_1_0(self):
        self.refused(b"POST /api/auth/login HTTP/1.0\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

    def test_64_headers_of_which_civetweb_drops_the_rest(self):
        many = [f"X-{i}: 1" for i in range(63)]
        self.refused(post("Host: e", *many))
        self.refused(post("Host: e", *many, "Content-Length: 5", body=b"hello"))
        answer, _ = self.edge.raw(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\n" +
                                  b"".join(b"X-%d: 1\r\n" % i for i in range(62)) + b"\r\n")
        self.assertEqual(answer.status, 200)

    def test_host(self):
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nAccept: */*\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: a b\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: a,b\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost:\r\n\r\n")

    def test_nul_and_bad_escapes_in_the_target(self):
        for path in ("/api/users/profile/7%00", "/api/users/profile/%007", "/api/users/profile/7%", "/%zz", "/%4",
                     "/api/users/profile/7?a=%00", "/api/users/profile/7?a=%g1", "/a%c3%2"):
            self.refused(f"GET {path} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        self.refused(b"GET /api/users/profile/7\x00 HTTP/1.1\r\nHost: e\r\n\r\n")
        self.refused(b"GET /api/users/profile/\xc3\xa9 HTTP/1.1\r\nHost: e\r\n\r\n")
        self.refused(b"GET /api/users/profile/7#x HTTP/1.1\r\nHost: e\r\n\r\n")

    def test_nul_and_controls_in_headers(self):
        for byte in (b"\x00", b"\x01", b"\x7f", b"\x08"):
            self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\nX-A: a" + byte + b"b\r\n\r\n")

    def test_folded_headers_behind_which_civetweb_sees_nothing(self):
        self.refused(post("Host: e", "X-A: a", " b", "Content-Length: 60", body=b"{}"))
        self.refused(post("Host: e", "X-A: a", "\tb", body=b""))
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\n Host: e\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\n x\r\n\r\n")

    def test_lines_that_are_no_fields(self):
        for line in (b"X-A", b": a", b"X A: a", b"X-A : a", b"X-\xc3\xa9: a", b"X(A): a", b"\xc3X: a", b"X-A\x0b: a"):
            self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\n" + line + b"\r\nX-B: b\r\n\r\n")

    def test_bare_line_feeds(self):
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\nHost: e\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\nX-A: a\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\n\n")
        self.refused(b"POST /api/auth/login HTTP/1.1\r\nHost: e\r\nX: y\nContent-Length: 2\r\n\r\n{}")

    def test_bare_carriage_returns(self):
        self.refused(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\nX-A: a\rX-B: b\r\n\r\n")

    def test_request_lines(self):
        for line in (b"GET  /api/users/profile/7 HTTP/1.1", b"GET /api/users/profile/7  HTTP/1.1",
                     b"GET /api/users/profile/7", b"GET /api/users/profile/7 HTTP/1.1 x", b"GET /a b HTTP/1.1",
                     b"GET /api/users/profile/7 HTTQ/1.1",
                     b"GET http://e:%d/api/users/profile/7 HTTP/1.1" % self.edge.port):
            self.refused(line + b"\r\nHost: e\r\n\r\n")
        self.refused(b"GET /api/users/profile/7 HTTP/2.0\r\nHost: e\r\n\r\n", status=505)

    def test_targets_that_civetweb_drops_without_an_answer(self):
        before = len(self.edge.user.calls)
        for target in (b"http://elsewhere/api/users/profile/7", b"*", b"ftp://e/x"):
            with self.edge.connect() as s:
                s.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: e\r\n\r\n" + OK)
                reader = Reader(s)
                answer = reader.answer()
                self.assertTrue(answer is None or answer.status == 400, answer)
                self.assertTrue(reader.ended())
        self.assertEqual(len(self.edge.user.calls), before)

    def test_what_is_behind_a_get_with_a_body_is_not_taken_for_a_request(self):
        body = OK
        before = len(self.edge.user.calls)
        with self.edge.connect() as s:
            s.sendall(b"GET /api/users/profile/7 HTTP/1.1\r\nHost: e\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            s.sendall(OK)
            reader = Reader(s)
            self.assertEqual(reader.answer().status, 400)
            self.assertEqual(reader.answer().status, 200) # the one request behind the body
        self.assertEqual(len(self.edge.user.calls) - before, 1)

    def test_malformed_chunks(self):
        for body in (b"zz\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2;x=y\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n",
                     b"2\r\n{}XX0\r\n\r\n", b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"7fffffffffffffff\r\n{}",
                     b"+2\r\n{}\r\n0\r\n\r\n", b" 2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n"):
            with self.edge.connect() as s:
                s.sendall(post("Host: e", "Content-Type: application/json", "Transfer-Encoding: chunked", body=body))
                s.shutdown(1)
                reader = Reader(s)
                answer = reader.answer()
                self.assertEqual((answer.status, answer.code), (400, "bad_request"), (body, answer))
                self.assertTrue(reader.ended())

    def test_pipelined_requests_are_answered_in_order(self):
        with self.edge.connect() as s:
            s.sendall(b"".join(b"GET /api/users/profile/%d HTTP/1.1\r\nHost: e\r\n\r\n" % i for i in range(1, 21)))
            reader = Reader(s)
            for i in range(1, 21):
                self.assertEqual(reader.answer().json["user_id"], i)

    def test_blank_lines_before_a_request_do_not_execute_it_twice(self):
        before = len(self.edge.user.calls)
        with self.edge.connect() as s:
            s.sendall(b"\r\n\r\n" + OK)
            s.shutdown(1)
            reader = Reader(s)
            while reader.answer():
                pass
        self.assertLessEqual(len(self.edge.user.calls) - before, 1)


if __name__ == "__main__":
    stack.main()
