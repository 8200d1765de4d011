"""`sut replay --diff`: recorded calls are made again at another build, and the answers compared."""

import json
import os
import unittest

import stack
from broker import Broker
from bus_test import Actor
from sut_bus import BusError
from traced import TracedBus, new_trace, traceparent

PROFILE = {"user_id": 4096, "username": "ada", "follower_count": 1, "following_count": 2, "post_count": 3,
           "created_at": 1767323045000000, "updated_at": 1767323045000000, "location": "Little Whinging"}


class Build:
    """A broker and a `user` actor of some version. `asked` is what the actor was asked."""

    def __init__(self, answer, captures=False):
        self.asked = []

        def profile_get(body):
            self.asked.append(body)
            return answer(body)
        self.broker = Broker()
        if captures:
            self.broker.env.update(SUT_CAPTURE_DIR=f"{self.broker.dir}/capture", SUT_CAPTURE_ONE_IN="1")
        self.broker.__enter__()
        self.broker.key("edge", "edge")
        self.broker.key("user", "actor")
        self.broker.key("auth", "actor")
        self.user = Actor(self.broker, {"user.profile_get": profile_get, "user.profile_update": lambda body: dict(PROFILE)},
                          name="user").__enter__()
        self.auth = Actor(self.broker, {"auth.login": lambda body: {}}, name="auth").__enter__()

    def close(self):
        self.user.__exit__()
        self.auth.__exit__()
        self.broker.__exit__()


def old(body):
    if body["user_id"] == 1:
        raise BusError({"code": "not_found", "message": "no such user"})
    return dict(PROFILE, user_id=body["user_id"])


def new(body):
    if body["user_id"] == 2:
        raise BusError({"code": "not_found", "message": "no such user"})
    if body["user_id"] == 1:
        raise BusError({"code": "not_found", "message": "said otherwise"})
    return dict(PROFILE, user_id=body["user_id"], follower_count=7, location="Godric's Hollow")


class Diff(unittest.TestCase):
    def setUp(self):
        self.here = Build(old, captures=True)
        self.addCleanup(self.here.close)
        self.broker = broker = self.here.broker
        self.there = Build(new)
        self.addCleanup(self.there.close)
        self.bus = TracedBus(broker.endpoint, "edge", broker.secret("edge"))
        self.addCleanup(self.bus.close)

    def call(self, method, body, principal=None):
        self.bus.trace, self.bus.principal = traceparent(new_trace()), principal
        try:
            self.bus.call(method, body)
        except BusError:
            pass

    def differ(self, *rights):
        """An operator at the other build, under the same name and secret as at this one."""
        self.there.broker.key("differ", "operator", *rights)

    def diff(self, *options, code, name="differ"):
        secret = f"{self.there.broker.dir}/keys/{name}.secret"
        done = self.broker.sut("replay", "--diff", "--to-broker", self.there.broker.endpoint, "--other-name", name,
                               "--other-secret-file", secret, *options, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def lines(self, *options, code, **more):
        return [json.loads(line) for line in self.diff("--json", *options, code=code, **more).stdout.splitlines()]

    def test_fields_that_differ_are_shown_and_volatile_ones_are_not(self):
        for user in (4096, 1, 2):
            self.call("user.profile_get", {"user_id": user})
        self.call("user.profile_update", {"bio": "x"}, principal=[42, 1, None])
        self.differ()
        lines = self.lines("--subject", "user.profile_get", code=1)
        summary = lines.pop()
        self.assertEqual(summary, {"made": 3, "same": 1, "different": 2, "skipped": 0})
        self.assertEqual(lines[0]["differences"], [{"path": "/follower_count", "was": 1, "is": 7}],
                         "and nothing of the place, which was not shown")
        self.assertEqual({d["path"] for d in lines[1]["differences"]} & {"/error", "/username"}, {"/error", "/username"})
        self.assertEqual(self.there.asked, [{"user_id": 4096}, {"user_id": 1}, {"user_id": 2}])
        shown = self.diff("--subject", "user.profile_get", code=1).stdout
        self.assertRegex(shown, r"user\.profile_get .*\n  /follower_count +- 1\n +\+ 7\n")
        self.assertIn("3 calls made again: 1 the same, 2 different", shown)

    def test_the_same_build_does_not_differ(self):
        self.call("user.profile_get", {"user_id": 4096})
        self.there.user.handlers["user.profile_get"] = old
        self.differ()
        self.assertEqual(self.lines("--subject", "user.profile_get", code=0)[-1],
                         {"made": 1, "same": 1, "different": 0, "skipped": 0})

    def test_for_whom_it_was_made_needs_a_right_that_is_journalled(self):
        self.call("user.profile_get", {"user_id": 4096}, principal=[42, 1, None])
        self.differ()
        self.assertIn("may not set a principal", self.diff("--user", "42", code=77).stderr)
        self.assertEqual(self.there.asked, [])
        self.there.broker.key("repeater", "operator", "--replay", "user.*")
        self.assertEqual(self.lines("--user", "42", code=1, name="repeater")[-1]["made"], 1)
        self.assertEqual(self.there.asked, [{"user_id": 4096}])
        written = json.loads(self.there.broker.sut("subscribe", "ops.call_repeated", "--start", "beginning", "--limit",
                                                   "1", "--json").stdout)["body"]
        self.assertEqual((written["peer"], written["subject"], written["user_id"]), ("repeater", "user.profile_get", 42))

    def test_an_operator_may_not_call_for_others_otherwise(self):
        broker = self.there.broker
        secret = broker.key("repeater", "operator", "--replay", "user.*,auth.*")
        bus = TracedBus(broker.endpoint, "repeater", secret)
        self.addCleanup(bus.close)
        bus.principal = [42, 1, None]
        for method, body, options in (("user.profile_get", {"user_id": 5}, None),  # not marked as made again
                                      ("auth.login", {}, {17: 1})):                # may not be done twice
            with self.assertRaises(BusError) as refused:
                bus.call(method, body, options=options)
            self.assertEqual(refused.exception.code, "forbidden")
        self.assertEqual(self.there.asked, [])
        bus.call("user.profile_get", {"user_id": 5}, options={17: 1})
        self.assertEqual(len(self.there.asked), 1)

    def test_personal_fields_are_compared_with_a_reason(self):
        self.call("user.profile_get", {"user_id": 4096})
        self.differ()
        done = self.broker.sut("replay", "--diff", "--to-broker", "ipc:///x", "--personal", check=False)
        self.assertEqual(done.returncode, 64)
        line = self.lines("--subject", "user.profile_get", "--personal", "--reason", "ticket 4711", code=1)[0]
        self.assertIn({"path": "/location", "was": "Little Whinging", "is": "Godric's Hollow"}, line["differences"])
        told = self.broker.sut("subscribe", "ops.personal_shown", "--start", "beginning", "--limit", "1", "--json").stdout
        self.assertIn("ticket 4711", told)

    def test_calls_with_secrets_are_left_out(self):
        self.call("auth.login", {"email": "ada@example.org", "password": f"canary{os.urandom(8).hex()}"})
        self.differ()
        done = self.lines(code=0)
        self.assertEqual((done[-1]["made"], done[-1]["skipped"]), (0, 1))
        self.assertEqual(self.there.asked, [])

    def test_a_dry_run_calls_nobody(self):
        self.call("user.profile_get", {"user_id": 4096})
        done = self.diff("--dry-run", code=0)
        self.assertIn("would make 1 calls", done.stdout)
        self.assertEqual(self.there.asked, [])


if __name__ == "__main__":
    stack.main()
