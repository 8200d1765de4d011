"""`sut why` on a whole system: a registration from the edge to the last consumer."""

import os
import re

import stack
from stack import wait_until


class Why(stack.StackTest):
    settings = {"SUT_CAPTURE_ONE_IN": "1"}

    def why(self, trace):
        return self.stack.sut("why", trace, check=False).stdout

    def request(self, verb, path, body, **more):
        trace = os.urandom(16).hex()
        reply = self.stack.request(verb, path, body, headers={"traceparent": f"00-{trace}-{os.urandom(8).hex()}-00"}, **more)
        return trace, reply

    def test_a_registration_is_one_tree(self):
        trace, reply = self.request("POST", "/api/auth/register", {"email": "ada@example.org", "username": "ada",
                                                                   "password": "correct horse battery"})
        self.assertEqual(reply.status, 201, reply)
        tree = wait_until(lambda: "group user-profile" in (shown := self.why(trace)) and shown, 20, "the delivery")
        lines = tree.splitlines()
        self.assertRegex(lines[0], r"^\S.*auth\.register  edge → auth  .* (us|ms|s)$")
        self.assertEqual([line for line in lines[1:] if not re.match("^[ │├└]", line)], [], f"one root:\n{tree}")
        self.assertRegex(tree, r"(?m)^[├└]─ .*user\.profile_create  auth → user ")
        event = next(i for i, line in enumerate(lines) if "event user.registered" in line)
        self.assertRegex(lines[event], r"^[├└]─ \+.*event user\.registered #\d+  auth  key=\d+")
        self.assertRegex(lines[event + 1], r"^.  [├└]─ \+.*→ group user-profile at user.* (us|ms|s)$")
        self.assertNotIn("correct horse", tree)

    def test_what_a_user_saw(self):
        made = self.stack.register("grace")
        trace, reply = self.request("PUT", "/api/users/profile", {"bio": "Compilers."}, token=made["access_token"])
        self.assertEqual(reply.status, 200, reply)
        shown = self.stack.sut("why", "--user", str(made["user_id"]), "--since", "5m").stdout
        self.assertIn(trace, shown)
        self.assertRegex(shown, rf"user\.profile_update  edge → user .*user={made['user_id']}")
        renamed = wait_until(lambda: "group auth-username" in (tree := self.why(trace)) and tree, 20, "the other consumer")
        self.assertRegex(renamed, r"(?m)^└─ .*event user\.updated")

    def test_an_error_tells_its_trace(self):
        reply = self.stack.post("/api/auth/login", {"email": "nobody@example.org", "password": "wrong password"})
        self.assertEqual(reply.status, 401)
        self.assertRegex(self.why(reply.json["trace_id"]), r"auth\.login  edge → auth .*bad_credentials$")


if __name__ == "__main__":
    stack.main()
