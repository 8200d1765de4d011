"""`sut why`: what one request did, and the requests of a user, from what a broker has captured."""

import base64
import json
import os
import re
import unittest

import stack
from broker import Broker
from bus_test import Actor
from stack import wait_until
from sut_bus import ACK, NACK, UNSUBSCRIBE, BusError
from traced import PARENT_ID, TracedBus, delivery_span, event_span, new_trace, traceparent

PEER = r"(\w+|session-\d+)"  # several sessions of a name are told apart

PROFILE = {"user_id": 4096, "username": "ada", "follower_count": 1, "following_count": 2, "post_count": 3,
           "created_at": 1767323045000000, "updated_at": 1767323045000000}


def profile_get(body):
    if body["user_id"] == 1:
        raise BusError({"code": "not_found", "message": "no such user"})
    return dict(PROFILE, user_id=body["user_id"], location="canary-Little-Whinging")


def bytes_of(text):
    return base64.b64decode(text)


class WhyCase(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.env.update({"SUT_CAPTURE_DIR": f"{cls.broker.dir}/capture", **cls.settings})
        cls.broker.__enter__()
        cls.addClassCleanup(cls.broker.__exit__)
        cls.broker.key("edge", "edge")
        cls.broker.key("user", "actor")
        cls.broker.key("auth", "actor", "--publish", "probe.*")
        cls.actor = Actor(cls.broker, {"user.profile_get": profile_get, "user.echo": lambda body: body}, name="user")
        cls.actor.__enter__()
        cls.addClassCleanup(cls.actor.__exit__)

    def bus(self, name):
        bus = TracedBus(self.broker.endpoint, name, self.broker.secret(name))
        self.addCleanup(bus.close)
        return bus

    def call(self, bus, user, trace, span=None, parent=None, flags="00", principal=None):
        """The span of the call."""
        span = span or os.urandom(8).hex()
        bus.trace, bus.principal = traceparent(trace, span, flags), principal
        try:
            bus.call("user.profile_get", {"user_id": user}, options={PARENT_ID: parent} if parent else None)
        except BusError:
            pass
        return span

    def why(self, *arguments, check=True):
        return self.broker.sut("why", *arguments, check=check).stdout

    def spans(self, trace):
        return json.loads(self.broker.sut("call", "broker.trace", json.dumps({"trace_id": trace})).stdout)["spans"]

    def capture(self):
        return json.loads(self.broker.sut("status", "--json").stdout)["capture"]

    def restart(self, signo=None):
        if signo == "KILL":
            self.broker.kill()
        else:
            self.broker.process.terminate()
            self.broker.process.wait(20)
        self.broker.start()


class Why(WhyCase):
    """Every trace is captured."""

    settings = {"SUT_CAPTURE_ONE_IN": "1"}

    def test_calls_are_a_tree(self):
        edge, auth, trace = self.bus("edge"), self.bus("auth"), new_trace()
        outer = self.call(edge, 4096, trace, principal=[42, 1, None])
        self.call(auth, 5, trace, parent=outer)
        inner = self.call(auth, 1, trace, parent=outer)
        self.call(auth, 6, trace, parent=inner)
        lines = self.why(trace).splitlines()
        self.assertEqual(len(lines), 4, lines)
        self.assertRegex(lines[0], rf"user\.profile_get  {PEER} → {PEER}  user=42  .*[um]s$")
        self.assertRegex(lines[1], rf"^├─ \+.*user\.profile_get  {PEER} → {PEER} ")
        self.assertRegex(lines[2], rf"^└─ \+.* → {PEER} .* not_found$")
        self.assertRegex(lines[3], rf"^   └─ \+.* → {PEER} ")

    def test_who_does_not_name_a_parent_is_a_root_beside(self):
        edge, trace = self.bus("edge"), new_trace()
        self.call(edge, 4096, trace)
        self.call(edge, 5, trace)
        lines = self.why(trace).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertNotRegex("".join(lines), "─")

    def test_an_event_with_its_deliveries_and_what_they_call(self):
        auth, consumer, trace = self.bus("auth"), self.bus("user"), new_trace()
        group = f"mailer-{trace[:6]}"
        subscription = consumer.subscribe(["probe.sent"], group=group)["subscription"]
        outer = self.call(auth, 4096, trace)
        auth.trace, event_id = traceparent(trace, outer), os.urandom(16)
        auth.publish("probe.sent", {"lane": "a", "n": 1, "note": "canary-note"}, event_id=event_id)
        first = consumer.take(subscription, 10000)
        consumer.answer(NACK, first, delay_ms=1, code="internal", message="not yet")
        second = consumer.take(subscription, 10000)
        self.call(consumer, 7, trace, parent=delivery_span(event_id, group, 2))
        consumer.answer(ACK, second)
        wait_until(lambda: len(self.spans(trace)) == 5, 20, "all spans")
        lines = self.why(trace).splitlines()
        self.assertRegex(lines[0], rf"user\.profile_get  {PEER} → {PEER} ")
        self.assertRegex(lines[1], r"^└─ .*event probe\.sent #\d+  auth  key=a$")
        self.assertRegex(lines[2], rf"^   ├─ .*→ group {group} at {PEER}  .*  internal$")
        self.assertRegex(lines[3], rf"^   └─ .*→ group {group} at {PEER}  attempt 2  ")
        self.assertRegex(lines[4], r"^      └─ .*user\.profile_get  ")
        by_kind = {s["kind"] + str(s["attempt"]): s for s in self.spans(trace) if s["kind"] != "call"}
        self.assertEqual(by_kind["event0"]["span_id"], event_span(event_id))
        self.assertEqual(by_kind["delivery2"]["span_id"], delivery_span(event_id, group, 2))
        consumer.send(UNSUBSCRIBE, subscription)

    def test_the_requests_of_a_user(self):
        edge, traces = self.bus("edge"), [new_trace() for _ in range(3)]
        for i, trace in enumerate(traces):
            self.call(edge, 4096, trace, principal=[77 + i % 2, 1, None])
        shown = self.why("--user", "77", "--since", "5m")
        self.assertIn(traces[0], shown)
        self.assertIn(traces[2], shown)
        self.assertNotIn(traces[1], shown)
        self.assertLess(shown.index(traces[0]), shown.index(traces[2]))
        done = self.broker.sut("why", "--user", "99999", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was captured of user 99999", done.stderr)
        done = self.broker.sut("why", "--user", "77", "--since", "10d ago", "--until", "9d ago", check=False)
        self.assertEqual(done.returncode, 1)

    def test_pages_filters_and_what_is_shown(self):
        edge, trace = self.bus("edge"), new_trace()
        for user in (4096, 5, 6):
            self.call(edge, user, trace, principal=[500, 1, None])

        def ask(**more):
            done = self.broker.sut("call", "broker.captured_calls", json.dumps({"user_id": 500, **more}))
            return json.loads(done.stdout)
        first = ask(limit=2)
        rest = ask(limit=2, after=first["after"])
        self.assertEqual((len(first["items"]), len(rest["items"])), (2, 1))
        self.assertNotIn("after", rest)
        self.assertEqual(ask(subjects=["auth.>"])["items"], [])
        self.assertEqual(len(ask(subjects=["user.*"])["items"]), 3)
        call = first["items"][0]
        self.assertEqual((call["subject"], call["user_id"], call["withheld"], call["root"]),
                         ("user.profile_get", 500, False, True))
        self.assertNotIn(b"canary", bytes_of(call["reply"]))
        self.assertIn(b"<redacted>", bytes_of(call["reply"]))
        self.assertNotIn("body", ask(heads_only=True)["items"][0])

        refused = self.broker.sut("call", "broker.captured_calls", '{"personal": true}', check=False)
        self.assertIn("/reason is required", refused.stdout + refused.stderr)
        told = ask(personal=True, reason="ticket 4711")
        self.assertIn(b"canary-Little-Whinging", bytes_of(told["items"][0]["reply"]))
        shown = self.broker.sut("subscribe", "ops.personal_shown", "--start", "beginning", "--limit", "1", "--json").stdout
        self.assertIn("ticket 4711", shown)
        self.assertIn("broker.captured_calls", shown)

    def test_nothing_personal_lies_open_on_disk(self):
        edge, trace = self.bus("edge"), new_trace()
        self.call(edge, 4096, trace)
        self.spans(trace)
        whole = b""
        for name in os.listdir(f"{self.broker.dir}/capture"):
            with open(f"{self.broker.dir}/capture/{name}", "rb") as f:
                whole += f.read()
        self.assertIn(b"user.profile_get", whole, "the search finds what is there")
        self.assertNotIn(b"canary", whole)
        for path in ("capture", "keys/capture.keys"):
            self.assertEqual(os.stat(f"{self.broker.dir}/{path}").st_mode & 0o077, 0)

    def test_keys_are_rotated_without_a_restart(self):
        edge, before, after = self.bus("edge"), new_trace(), new_trace()
        path = f"{self.broker.dir}/keys/capture.keys"
        self.call(edge, 4096, before, principal=[600, 1, None])
        self.spans(before)
        with open(path, encoding="utf-8") as f:
            old = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"next {os.urandom(32).hex()}\n{old}")
        self.broker.process.send_signal(1)
        wait_until(lambda: "limits.loaded" in self.broker.log(), 20, "the reload")
        self.call(edge, 4096, after, principal=[600, 1, None])
        done = self.broker.sut("call", "broker.captured_calls", '{"user_id": 600}')
        self.assertEqual([c["withheld"] for c in json.loads(done.stdout)["items"]], [False, False])
        newest = sorted(n for n in os.listdir(f"{self.broker.dir}/capture") if n.endswith(".cap"))[-1]
        with open(f"{self.broker.dir}/capture/{newest}", "rb") as f:
            self.assertIn(b"next\0", f.read(72))

    def test_wrong_questions(self):
        for arguments in ((), ("abc",), ("0" * 31 + "g",), (new_trace(), "--user", "1"), ("--user", "x"),
                          ("--user", "1", "--since", "yesterday")):
            self.assertEqual(self.broker.sut("why", *arguments, check=False).returncode, 64, arguments)
        done = self.broker.sut("why", new_trace(), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing is known of trace", done.stderr)


class TailRestarts(WhyCase):
    """Flags are listened to; no trace is sampled otherwise."""

    settings = {"SUT_CAPTURE_ONE_IN": "0", "SUT_CAPTURE_FLAGGED": "true"}

    def test_errors_are_kept_with_their_trace_and_the_rest_is_not(self):
        edge, good, bad, flagged = self.bus("edge"), new_trace(), new_trace(), new_trace()
        self.call(edge, 5, good)
        self.call(edge, 6, bad)
        self.call(edge, 1, bad)
        self.call(edge, 7, flagged, flags="01")
        self.assertEqual(len(self.spans(good)), 1, "as long as it is in memory")
        self.restart()
        self.assertEqual(self.spans(good), [])
        self.assertEqual(len(self.spans(bad)), 2)
        self.assertEqual(len(self.spans(flagged)), 1)


class Restarts(WhyCase):
    settings = {"SUT_CAPTURE_ONE_IN": "1"}

    def test_it_survives_a_kill_of_the_broker(self):
        edge, trace = self.bus("edge"), new_trace()
        self.call(edge, 4096, trace)
        wait_until(lambda: self.spans(trace), 20, "the span")  # asking writes what is there
        self.restart("KILL")
        self.assertRegex(self.why(trace), r"user\.profile_get  \S+ → \S+ ")


class Tail(WhyCase):
    settings = {"SUT_CAPTURE_ONE_IN": "0"}

    def test_what_the_broker_refuses_is_an_error_too(self):
        edge, trace = self.bus("edge"), new_trace()
        edge.trace = traceparent(trace)
        with self.assertRaises(BusError):
            edge.call("nobody.home", {"password": "canary"})
        self.assertRegex(self.why(trace), rf"nobody\.home  {PEER} → broker .*no_such_service$")

    def test_status_says_what_it_does(self):
        edge = self.bus("edge")
        self.call(edge, 1, new_trace())
        wait_until(lambda: self.capture()["spans_total"] >= 1, 20, "a span")
        now = self.capture()
        self.assertTrue(now["writable"])
        self.assertEqual((now["one_in"], now["lost_total"], now["fault"]), (0, 0, None))


class Off(unittest.TestCase):
    def test_without_a_folder_nothing_is_captured(self):
        with Broker() as broker:
            done = broker.sut("why", new_trace(), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("SUT_CAPTURE_DIR is not set", done.stderr)
            self.assertIsNone(json.loads(broker.sut("status", "--json").stdout)["capture"])

    def test_a_wrong_key_file_stops_the_start_and_a_broken_ring_does_not(self):
        broker = Broker()
        self.addCleanup(lambda: broker.process and broker.__exit__())
        broker.env.update(SUT_CAPTURE_DIR=f"{broker.dir}/capture", SUT_CAPTURE_ONE_IN="1")
        path = f"{broker.dir}/keys/capture.keys"
        with open(path, "w", encoding="utf-8") as f:
            f.write("1 tooshort\n")
        os.chmod(path, 0o600)
        broker.key("operator", "operator")
        with self.assertRaises(AssertionError) as refused:
            broker.start()
        self.assertRegex(str(refused.exception), r"(?s)ended with 78: .*SUT_CAPTURE_KEY_FILE: .*capture\.keys")
        os.unlink(path)
        os.mkdir(f"{broker.dir}/capture")
        for number in range(1, 4):
            with open(f"{broker.dir}/capture/{number:016x}.cap", "wb") as f:
                f.write(os.urandom(5000))
        broker.start()
        wait_until(lambda: re.search("capture.unreadable", broker.log()), 20, "the damage to be told")
        self.assertEqual(broker.sut("ping").returncode, 0)


if __name__ == "__main__":
    stack.main()
