"""Taps as a tool in another language has them: sut_bus.py, from docs/protocol.md alone, against the real broker."""

import time
import unittest

import msgpack

import stack
from broker import Broker
from bus_test import Actor
from sut_bus import CALL, ERROR, GAP, SEQUENCE, TAP, UNSUBSCRIBE, Bus, BusError

SECRET = "canary-of-a-password"
PROFILE = {"user_id": 7, "username": "ada", "follower_count": 1, "following_count": 2, "post_count": 3, "location": "London",
           "created_at": 1767323045000000, "updated_at": 1767323045000000}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class TapTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.__enter__()
        cls.addClassCleanup(cls.broker.__exit__)
        cls.broker.key("auth", "actor")
        cls.broker.key("user", "actor")
        cls.broker.key("edge", "edge")
        cls.broker.key("teller", "tool", "--publish", "probe.*")
        cls.broker.key("watcher", "tool", "--tap", "user.*,probe.*")
        for name, handlers in (("auth", {"auth.login": cls.login}), ("user", {"user.profile_get": lambda body: PROFILE})):
            actor = Actor(cls.broker, handlers, name=name)
            actor.__enter__()
            cls.addClassCleanup(actor.__exit__)

    @staticmethod
    def login(body):
        raise BusError({"code": "unauthenticated", "message": f"not with {body['password']}", "http_status": 401})

    def bus(self, name="operator"):
        bus = Bus(self.broker.endpoint, name, self.broker.secret(name))
        self.addCleanup(bus.close)
        return bus

    def refused(self, code, action):
        with self.assertRaises(BusError) as caught:
            action()
        self.assertEqual(caught.exception.code, code, caught.exception.body)

    def take(self, bus, tap, count):
        news = [bus.take(tap, 5000) for _ in range(count)]
        self.assertNotIn(None, news)
        self.assertNotIn(SECRET.encode(), msgpack.packb([n.body for n in news]))
        return news

    def ask(self, edge, subject, body):
        """A call for user 7, as an edge makes it; its answer."""
        id = next(edge.ids)
        edge.socket.send(msgpack.packb([1, CALL, id, subject, "7", 3000, [7, 1, "a session"], PARENT, {}, msgpack.packb(body)]))
        while id not in edge.answers:
            self.assertTrue(edge.run(time.monotonic() + 5))
        return edge.answers.pop(id)

    def test_a_call_and_its_reply(self):
        watcher, edge = self.bus("watcher"), self.bus("edge")
        tap = watcher.tap(subjects=["user.*"])
        began = time.time() * 1e6
        self.ask(edge, "user.profile_get", {"user_id": 7, "undeclared": SECRET})
        call, reply = self.take(watcher, tap, 2)
        for news in (call, reply):
            self.assertEqual((news.kind, news.subject, news.key, news.principal, news.traceparent),
                             (TAP, "user.profile_get", "7", [7, 1, None], PARENT))
            self.assertTrue(began - 1e6 < news.body["at"] < began + 60e6)
            self.assertEqual((news.body["subject"], news.body["lost"]), ("user.profile_get", 0))
        self.assertEqual((call.body["kind"], call.body["from"], call.body["to"]), ("call", "edge", "user"))
        self.assertEqual((call.body["body"], call.body["withheld"]), ({"user_id": 7}, True))
        self.assertEqual((reply.body["kind"], reply.body["from"], reply.body["to"]), ("reply", "user", "edge"))
        self.assertEqual(reply.body["id"], call.body["id"])
        self.assertGreater(reply.body["took_us"], 0)
        self.assertEqual(reply.body["body"], dict(PROFILE, location="<redacted>"))
        self.assertEqual(reply.body["bytes"], len(msgpack.packb(PROFILE)))
        self.assertNotIn("withheld", reply.body)

    def test_an_error_without_its_words(self):
        operator, edge = self.bus(), self.bus("edge")
        tap = operator.tap(kinds=["call", "error"], user_id=7, personal=True, reason="to see that secrets stay")
        kind, answer, _ = self.ask(edge, "auth.login", {"email": "ada@example.org", "password": SECRET})
        self.assertEqual((kind, SECRET in answer["message"]), (ERROR, True))
        call, error = self.take(operator, tap, 2)
        self.assertEqual(call.body["body"], {"email": "ada@example.org", "password": "<redacted>"})
        self.assertEqual((error.body["code"], error.body["withheld"]), ("unauthenticated", True))
        self.assertEqual(error.body["body"]["code"], "unauthenticated")

    def test_history_then_live(self):
        operator, teller = self.bus(), self.bus("teller")
        sequences = [teller.publish("probe.sent", {"lane": "hist", "n": n})[SEQUENCE] for n in range(3)]
        tap = operator.tap(subjects=["probe.*"], key="hist", since=0)
        past = self.take(operator, tap, 3)
        self.assertEqual([n.body["sequence"] for n in past], sequences)
        self.assertEqual([n.body["body"] for n in past], [{"lane": "hist", "n": n} for n in range(3)])
        self.assertEqual([len(n.body["event_id"]) for n in past], [32] * 3)
        teller.publish("probe.sent", {"lane": "hist", "n": 3, "note": "about somebody"})
        (live,) = self.take(operator, tap, 1)
        self.assertEqual(live.body["body"], {"lane": "hist", "n": 3, "note": "<redacted>"})
        self.assertEqual((live.body["kind"], live.body["from"], live.key, "to" in live.body), ("event", "teller", "hist", False))

    def test_ends(self):
        operator, teller = self.bus(), self.bus("teller")
        teller.publish("probe.sent", {"lane": "ends", "n": 1})
        tap = operator.tap(key="ends", since=0, follow=False)
        self.assertEqual([n.kind for n in self.take(operator, tap, 2)], [TAP, GAP])
        tap = operator.tap(key="ends")
        operator.send(UNSUBSCRIBE, tap)
        (end,) = self.take(operator, tap, 1)
        self.assertEqual((end.kind, end.body), (GAP, {"from": 0, "to": 0, "reason": "end", "lost": 0}))
        teller.publish("probe.sent", {"lane": "ends", "n": 2})
        self.assertIsNone(operator.take(tap, 200))

    def test_what_is_wrong_is_refused(self):
        self.refused("forbidden", lambda: self.bus("teller").tap(subjects=["probe.*"]))
        self.refused("forbidden", lambda: self.bus("watcher").tap())
        self.refused("forbidden", lambda: self.bus("watcher").tap(subjects=["user.*"], personal=True, reason="why not"))
        operator = self.bus()
        self.refused("validation_failed", lambda: operator.tap(personal=True))
        self.refused("validation_failed", lambda: operator.tap(subjects=["a..b"]))
        self.refused("validation_failed", lambda: operator.tap(kinds=["delivery"]))
        self.refused("validation_failed", lambda: operator.tap(bytes_per_second=1))
        self.refused("validation_failed", lambda: operator.tap(filter="x"))


if __name__ == "__main__":
    stack.main()
