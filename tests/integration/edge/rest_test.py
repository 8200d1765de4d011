"""The REST contract: routing, negotiation, CORS, errors, and what goes over the bus."""

import json
import re
import time
import unittest

import stack
from edge import PROFILE, Edge, Refusal, token

HEX32 = re.compile("^[0-9a-f]{32}$")


class Rest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = Edge(CORS_ORIGINS="https://app.example.org,http://localhost:5173").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.edge.__exit__()

    def setUp(self):
        self.saved = dict(self.edge.user.methods)

    def tearDown(self):
        self.edge.user.methods = self.saved

    def problem(self, answer, status, code):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        p = answer.json
        self.assertEqual((p["status"], p["type"]), (status, f"urn:shareuptime:problem:{code}"))
        self.assertTrue(p["title"])
        self.assertRegex(p["trace_id"], HEX32)
        self.assertEqual(answer.headers["x-request-id"], p["trace_id"])
        return p

    # ---- routing ----

    def test_a_call_and_its_answer(self):
        answer = self.edge.get("/api/users/profile/42")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        self.assertEqual(answer.json["user_id"], 42)
        self.assertEqual(answer.json["created_at"], "2026-01-02T03:04:05.678901Z")
        call = self.edge.user.calls[-1]
        self.assertEqual((call.subject, call.body, call.principal), ("user.profile_get", {"user_id": 42}, None))
        self.assertTrue(0 < call.ttl_ms <= 3000)

    def test_unknown_paths(self):
        for path in ("/", "/api", "/api/users/profile", "/api/users/profile/7/", "/api/users/profile/7/x", "//health",
                     "/healthz", "/health/", "/api/users/profile/", "/API/users/profile/7", "/api//users/profile/7",
                     "/" + "a/" * 40):
            if path == "/api/users/profile": # exists, for PUT
                continue
            self.problem(self.edge.get(path), 404, "not_found")

    def test_escapes_that_mean_the_same_path(self):
        self.assertEqual(self.edge.get("/%61pi/users/profile/%37").json["user_id"], 7)

    def test_dot_segments(self):
        for path in ("/api/../health", "/./health", "/api/%2e%2e/health", "/.%2E/health"):
            self.problem(self.edge.get(path), 400, "bad_request")

    def test_method_not_allowed(self):
        for verb, path, allow in (("GET", "/api/auth/login", "POST, OPTIONS"),
                                  ("DELETE", "/api/users/profile/7", "GET, HEAD, OPTIONS"),
                                  ("PATCH", "/api/users/profile", "PUT, OPTIONS"),
                                  ("POST", "/health", "GET, HEAD, OPTIONS"),
                                  ("TRACE", "/api/auth/login", "POST, OPTIONS"),
                                  ("QUERY", "/api/auth/login?a=b", "POST, OPTIONS"),
                                  ("PROPFIND", "/api/auth/login", "POST, OPTIONS"),
                                  ("get", "/health", "GET, HEAD, OPTIONS")):
            answer = self.edge.request(verb, path)
            self.problem(answer, 405, "method_not_allowed")
            self.assertEqual(answer.headers["allow"], allow)
        self.problem(self.edge.request("BREW", "/nowhere"), 404, "not_found")

    def test_head_is_get_without_the_body(self):
        for path in ("/api/users/profile/42", "/openapi.json", "/api/nowhere"):
            get, head = self.edge.get(path), self.edge.request("HEAD", path)
            self.assertEqual((head.status, head.body), (get.status, b""))
            self.assertEqual(head.headers["content-length"], get.headers["content-length"])
        with self.edge.connect() as s: # and the connection goes on behind it
            self.assertEqual(self.edge.request("HEAD", "/api/users/profile/1", connection=s).status, 200)
            self.assertEqual(self.edge.request("GET", "/api/users/profile/2", connection=s).json["user_id"], 2)

    def test_options(self):
        answer = self.edge.request("OPTIONS", "/api/users/profile")
        self.assertEqual((answer.status, answer.headers["allow"], answer.body), (204, "PUT, OPTIONS", b""))
        self.assertNotIn("access-control-allow-origin", answer.headers)
        self.problem(self.edge.request("OPTIONS", "/nowhere"), 404, "not_found")

    def test_cors(self):
        ours = {"Origin": "https://app.example.org"}
        answer = self.edge.get("/api/users/profile/7", headers=ours)
        self.assertEqual(answer.headers["access-control-allow-origin"], "https://app.example.org")
        self.assertEqual(answer.headers["vary"], "Origin")
        self.assertNotIn("access-control-allow-credentials", answer.headers)
        error = self.edge.profile(headers=ours) # errors too, or a page cannot read them
        self.assertEqual((error.status, error.headers["access-control-allow-origin"]), (401, "https://app.example.org"))
        preflight = self.edge.request("OPTIONS", "/api/users/profile", headers=dict(
            ours, **{"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}))
        self.assertEqual(preflight.status, 204)
        self.assertIn("PUT", preflight.headers["access-control-allow-methods"])
        self.assertIn("Authorization", preflight.headers["access-control-allow-headers"])
        for origin in ("https://evil.example.org", "https://app.example.org.evil", "null", "https://APP.example.org"):
            answer = self.edge.get("/api/users/profile/7", headers={"Origin": origin})
            self.assertEqual(answer.status, 200)
            self.assertNotIn("access-control-allow-origin", answer.headers)
            self.assertEqual(answer.headers["vary"], "Origin")

    def test_security_headers(self):
        for answer in (self.edge.get("/api/users/profile/7"), self.edge.get("/nowhere"), self.edge.profile()):
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertIn("default-src 'none'", answer.headers["content-security-policy"])
            self.assertNotIn("server", answer.headers)

    # ---- negotiation ----

    def test_not_acceptable(self):
        for accept in ("text/html", "application/xml, text/*", "application/json;q=0", "application/json;q=0.0, */*;q=0",
                       "*/*;q=0"):
            self.problem(self.edge.get("/api/users/profile/7", headers={"Accept": accept}), 406, "not_acceptable")
        for accept in ("*/*", "application/json", "text/html, application/json;q=0.1", "application/*", "",
                       "text/html,application/xhtml+xml,*/*;q=0.8", "APPLICATION/JSON; charset=utf-8"):
            self.assertEqual(self.edge.get("/api/users/profile/7", headers={"Accept": accept}).status, 200, accept)

    def test_unsupported_media_type(self):
        body = {"email": "ada@example.org", "password": "correct horse battery"}
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", None,
                     "application/jsonx", "multipart/form-data; boundary=x"):
            answer = self.edge.request("POST", "/api/auth/login", body=body, headers={"Content-Type": kind})
            self.problem(answer, 415, "unsupported_media_type")
        answer = self.edge.request("POST", "/api/auth/login", body=body, headers={"Content-Encoding": "gzip"})
        self.problem(answer, 415, "unsupported_media_type")
        for kind in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
            answer = self.edge.request("POST", "/api/auth/login", body=body, headers={"Content-Type": kind})
            self.assertEqual(answer.status, 200, answer)

    # ---- input ----

    def test_json_that_is_none(self):
        deep = b'{"email":' + b"[" * 2000 + b"]" * 2000 + b"}"
        for body in (b"{", b"", b"[]", b"nul", b'{"email":"a@b.c"}x', b'{"email":"\xff"}', b'{"email":"\\ud800"}', deep,
                     b'{"email":"a@b.c","email":"d@e.f"}', b"{'email':1}", b'{"email":1e999}', b"\xef\xbb\xbf{}",
                     b'{"a\\u0000b":1}'):
            answer = self.edge.request("POST", "/api/auth/login", body=body, headers={"Content-Length": str(len(body))})
            self.assertIn(answer.status, (400, 422), (body[:60], answer))
            self.assertIn(answer.code, ("bad_request", "validation_failed"))
        self.problem(self.edge.request("POST", "/api/auth/login", body=b"{"), 400, "bad_request")

    def test_fields_are_named_by_json_pointers(self):
        answer = self.edge.request("POST", "/api/auth/login", body={"email": "no", "pasword": "x"})
        p = self.problem(answer, 422, "validation_failed")
        found = {e["pointer"]: e["code"] for e in p["errors"]}
        self.assertEqual(found, {"/email": "format", "/pasword": "unknown_field", "/password": "required"})

    def test_a_path_parameter_that_is_none(self):
        for id in ("0", "-1", "x", "9007199254740992", "1.5", "%20", "7%2F8", "99999999999999999999"):
            p = self.problem(self.edge.get(f"/api/users/profile/{id}"), 422, "validation_failed")
            self.assertEqual(p["errors"][0]["pointer"], "/user_id", id)
        self.problem(self.edge.get("/api/users/profile/%ff"), 400, "bad_request")

    def test_query_parameters(self):
        p = self.problem(self.edge.get("/api/users/profile/7?colour=red"), 422, "validation_failed")
        self.assertEqual([(e["pointer"], e["code"]) for e in p["errors"]], [("/colour", "unknown_field")])
        p = self.problem(self.edge.get("/api/users/profile/7?a=1&b=2&a=3"), 422, "validation_failed")
        self.assertIn(("/a", "duplicate"), [(e["pointer"], e["code"]) for e in p["errors"]])
        self.problem(self.edge.get("/api/users/profile/7?" + "&".join(f"a{i}=1" for i in range(65))), 400, "bad_request")
        self.assertEqual(self.edge.get("/api/users/profile/7?").status, 200)
        self.assertEqual(self.edge.get("/api/users/profile/7?&&").status, 200)

    def test_a_field_from_the_path_may_not_come_in_the_body(self):
        self.problem(self.edge.request("GET", "/api/users/profile/7", body={}), 400, "bad_request")

    # ---- what the bus gets ----

    def test_principal_trace_and_idempotency_key(self):
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        answer = self.edge.profile(token(), headers={"traceparent": parent, "Idempotency-Key": "once-1"})
        self.assertEqual(answer.status, 200, answer)
        call = self.edge.user.calls[-1]
        self.assertEqual(call.principal, [7, 1, "s-7"])
        self.assertEqual(call.idempotency_key, "once-1")
        self.assertEqual(call.trace.split("-")[1], parent.split("-")[1])
        self.assertNotEqual(call.trace.split("-")[2], parent.split("-")[2])
        self.assertEqual(answer.headers["x-request-id"], parent.split("-")[1])

    def test_a_traceparent_that_is_none_is_replaced(self):
        for bad in ("x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"):
            self.assertEqual(self.edge.get("/api/users/profile/7", headers={"traceparent": bad}).status, 200)
            trace = self.edge.user.calls[-1].trace
            self.assertRegex(trace.split("-")[1], HEX32)
            self.assertNotIn("0af765", trace)

    def test_idempotency_keys_that_are_none(self):
        for bad in ("", "a b", "\xe9", "x" * 256):
            answer = self.edge.profile(token(), headers={"Idempotency-Key": bad})
            self.problem(answer, 400, "bad_request")
        self.assertEqual(self.edge.profile(token(), headers={"Idempotency-Key": "x" * 255}).status, 200)

    # ---- what the bus answers ----

    def refuse(self, *arguments, **more):
        def handler(_):
            raise Refusal(*arguments, **more)
        self.edge.user.methods = dict(self.saved, **{"user.profile_get": handler})
        return self.edge.get("/api/users/profile/7")

    def test_errors_of_the_schema(self):
        p = self.problem(self.refuse("not_found", "no such profile"), 404, "not_found")
        self.assertEqual(p["detail"], "no such profile")
        self.problem(self.refuse("username_taken", "x"), 409, "username_taken")
        p = self.problem(self.refuse("validation_failed", "m", errors=[{"pointer": "/a", "code": "c", "message": "é\"\n"}]),
                         422, "validation_failed")
        self.assertEqual(p["errors"], [{"pointer": "/a", "code": "c", "message": "é\"\n"}])

    def test_errors_say_when_to_come_back(self):
        answer = self.refuse("overloaded", "full", retry_after_ms=2500)
        self.problem(answer, 503, "overloaded")
        self.assertEqual(answer.headers["retry-after"], "3")
        answer = self.refuse("rate_limited", "slow down", retry_after_ms=100)
        self.problem(answer, 429, "rate_limited")
        self.assertEqual(answer.headers["retry-after"], "1")

    def test_faults_of_ours_tell_nothing(self):
        answer = self.refuse("internal", "canary: SELECT secret FROM t")
        self.assertNotIn("canary", json.dumps(self.problem(answer, 500, "internal")))
        self.assertNotIn("canary", self.edge.log())

    def test_codes_that_this_build_does_not_know(self):
        self.assertEqual(self.refuse("teapot", "x", http_status=418).status, 418)
        self.assertEqual(self.refuse("teapot", "x", http_status=200).status, 500)

    def test_a_reply_that_is_none(self):
        self.edge.user.methods = dict(self.saved, **{"user.profile_get": lambda _: {"user_id": "no number"}})
        self.problem(self.edge.get("/api/users/profile/7"), 500, "internal")

    def test_no_content(self):
        answer = self.edge.request("POST", "/api/auth/logout", headers={"Authorization": f"Bearer {token()}"})
        self.assertEqual((answer.status, answer.body), (204, b""), answer)
        self.assertNotIn("content-length", answer.headers)

    def test_strings_of_all_kinds_pass_unharmed(self):
        text = "\"\\/\b\f\n\r\t\u0001é𝄞\u2028"
        self.edge.user.methods = dict(self.saved, **{"user.profile_get": lambda _: dict(PROFILE, bio=text)})
        self.assertEqual(self.edge.get("/api/users/profile/7").json["bio"], text)

    # ---- the edge's own pages ----

    def test_health(self):
        answer = self.edge.get("/health")
        h = answer.json
        self.assertEqual((answer.status, h["status"]), (200, "healthy"))
        self.assertRegex(h["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(h["version"] and h["uptime"] > 0)
        for name in ("bus", "auth", "user", "revocations"):
            self.assertEqual(h["dependencies"][name]["status"], "up", h)
        head = self.edge.request("HEAD", "/health")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_health_tells_what_services_say_of_their_dependencies(self):
        self.edge.user.methods["user.health"] = lambda _: {"status": "degraded", "dependencies": [
            {"name": "postgres", "status": "down", "required": False, "detail": "connection refused", "since_us": 1}]}
        try:
            end = time.monotonic() + 10
            while self.edge.get("/health").json["status"] != "degraded":
                self.assertLess(time.monotonic(), end)
            h = self.edge.get("/health").json["dependencies"]
            self.assertEqual((h["user.postgres"]["status"], h["user.postgres"]["detail"]), ("down", "connection refused"))
        finally:
            del self.edge.user.methods["user.health"]
            self.edge.user.methods["user.health"] = lambda _: {"status": "up", "dependencies": [
                {"name": "postgres", "status": "up", "required": False, "detail": "", "since_us": 1}]}
        end = time.monotonic() + 10
        while self.edge.get("/health").json["status"] != "healthy":
            self.assertLess(time.monotonic(), end)

    def test_openapi(self):
        document = self.edge.get("/openapi.json").json
        self.assertEqual(document["openapi"][:3], "3.1")
        self.assertIn("put", document["paths"]["/api/users/profile"])


if __name__ == "__main__":
    stack.main()
