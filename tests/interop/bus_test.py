"""The client of about a hundred lines (sut_bus.py) against the real broker: as a caller, as a small actor, and refused."""

import json
import threading
import time
import unittest

import msgpack
import zmq

import stack
from broker import Broker
from stack import wait_until
from sut_bus import BYE, CALL, CANCEL, PING, Bus, BusError


def shout(body):
    if "text" not in body:
        raise BusError({"code": "validation_failed", "message": "text is missing",
                        "errors": [{"pointer": "/text", "code": "required", "message": "is required"}]})
    return {"text": body["text"].upper(), "length": len(body["text"])}


class Actor(threading.Thread):
    """Serves NAME.* on a thread of its own until it is stopped."""

    def __init__(self, broker, handlers, credits=4, name="echo"):
        super().__init__(daemon=True, name=name)
        self.broker, self.handlers, self.credits = broker, handlers, credits
        self.ready, self.ending = threading.Event(), False
        self.failure = None

    def run(self):
        try:
            self.bus = Bus(self.broker.endpoint, self.name, self.broker.secret(self.name), [(self.name, self.credits)],
                           self.handlers)
            self.ready.set()
            while not self.ending:
                self.bus.run(time.monotonic() + 0.05)
            self.bus.close()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e
            self.ready.set()

    def __enter__(self):
        self.start()
        self.ready.wait(10)
        if self.failure:
            raise self.failure
        return self

    def __exit__(self, *_):
        self.ending = True
        self.join(10)


class InteropTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().__enter__()
        cls.addClassCleanup(cls.broker.__exit__)
        cls.broker.key("echo", "actor")
        cls.broker.key("caller", "tool")

    def bus(self, name="caller", secret=None):
        bus = Bus(self.broker.endpoint, name, secret or self.broker.secret(name))
        self.addCleanup(bus.close)
        return bus

    def refused(self, code, action):
        with self.assertRaises(BusError) as caught:
            action()
        self.assertEqual(caught.exception.code, code, caught.exception.body)
        return caught.exception.body

    def test_welcome_says_what_the_page_says(self):
        welcome = self.bus().welcome
        self.assertEqual(welcome["protocol"], 1)
        self.assertEqual(welcome["ping_after_ms"], 500)
        self.assertEqual(welcome["pings_missed"], 3)
        self.assertEqual(welcome["max_envelope"], 1 << 20)
        self.assertGreater(welcome["session"], 0)

    def test_call_and_serve(self):
        with Actor(self.broker, {"echo.shout": shout}):
            bus = self.bus()
            self.assertEqual(bus.call("echo.shout", {"text": "hello"}), {"text": "HELLO", "length": 5})
            for i in range(200):
                self.assertEqual(bus.call("echo.shout", {"text": "x" * i})["length"], i)

    def test_errors_of_a_handler_arrive_whole(self):
        with Actor(self.broker, {"echo.shout": shout}):
            body = self.refused("validation_failed", lambda: self.bus().call("echo.shout", {}))
            self.assertEqual(body["errors"][0]["pointer"], "/text")
            self.refused("no_such_method", lambda: self.bus().call("echo.whisper", {}))

    def test_nobody_serves(self):
        self.refused("no_such_service", lambda: self.bus().call("nowhere.at_all", {}))

    def test_a_call_that_is_not_answered_ends_at_its_deadline(self):
        def slow(_):
            time.sleep(0.5)
            return {}
        with Actor(self.broker, {"echo.slow": slow}):
            began = time.monotonic()
            self.refused("deadline_exceeded", lambda: self.bus().call("echo.slow", {}, timeout_ms=100))
            self.assertLess(time.monotonic() - began, 0.45)

    def test_more_calls_than_credits_wait_their_turn(self):
        with Actor(self.broker, {"echo.shout": shout}, credits=1):
            bus = self.bus()
            for i in range(100, 150):
                bus.send(CALL, i, "echo.shout", 5000, {"text": str(i)})
            wait_until(lambda: bus.run(time.monotonic() + 0.1) and len(bus.answers) == 50, 10, "50 answers")
            self.assertEqual({bus.answers[i][1]["text"] for i in range(100, 150)}, {str(i) for i in range(100, 150)})

    def test_several_envelopes_in_one_frame(self):
        with Actor(self.broker, {"echo.shout": shout}):
            bus = self.bus()
            body = msgpack.packb({"text": "a"})
            bus.socket.send(b"".join(msgpack.packb([1, CALL, i, "echo.shout", None, 3000, None, None, {}, body])
                                     for i in range(500, 520)))
            wait_until(lambda: bus.run(time.monotonic() + 0.1) and len(bus.answers) == 20, 10, "20 answers")

    def test_cancel(self):
        with Actor(self.broker, {"echo.shout": shout}, credits=0):
            bus = self.bus()
            bus.send(CALL, 900, "echo.shout", 5000, {"text": "never"})
            bus.send(CANCEL, 900)
            wait_until(lambda: bus.run(time.monotonic() + 0.1) and 900 in bus.answers, 10, "the answer")
            self.assertEqual(bus.answers[900][1]["code"], "cancelled")

    def test_bye_leaves_without_losing_a_call(self):
        with Actor(self.broker, {"echo.shout": shout}) as actor:
            bus = self.bus()
            bus.call("echo.shout", {"text": "a"})
            actor.ending = True
            actor.join(10)
            leaving = Bus(self.broker.endpoint, "echo", self.broker.secret("echo"), [("echo", 4)], {"echo.shout": shout})
            leaving.send(BYE, 0)
            leaving.send(PING, 77)
            wait_until(lambda: leaving.run(time.monotonic() + 0.1), 5, "the pong")
            leaving.close()

    def test_wrong_secret_unknown_name_and_missing_right_are_refused(self):
        self.refused("deadline_exceeded", lambda: self.bus(secret="wrong"))
        self.refused("deadline_exceeded", lambda: self.bus("stranger", "whatever"))
        self.refused("forbidden", lambda: Bus(self.broker.endpoint, "caller", self.broker.secret("caller"), [("echo", 1)]))
        self.refused("forbidden", lambda: self.bus().call("broker.status", {}))

    def test_a_tool_may_not_speak_for_a_user(self):
        bus = self.bus()
        bus.send(CALL, 5, "echo.shout", 1000, {"text": "x"}, principal=[42, 1, None])
        wait_until(lambda: bus.run(time.monotonic() + 0.1) and 5 in bus.answers, 5, "the answer")
        self.assertEqual(bus.answers[5][1]["code"], "forbidden")

    def test_before_hello_everything_else_is_refused(self):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        socket.plain_username, socket.plain_password = b"caller", self.broker.secret("caller").encode()
        socket.reconnect_ivl = -1
        socket.connect(self.broker.endpoint)
        socket.send(msgpack.packb([1, CALL, 3, "echo.shout", None, 1000, None, None, {}, b""]))
        self.assertTrue(socket.poll(5000))
        answer = msgpack.unpackb(socket.recv(), strict_map_key=False)
        self.assertEqual((answer[1], answer[2], msgpack.unpackb(answer[9])["code"]), (12, 3, "hello_required"))

    def test_garbage_costs_the_connection_and_nobody_else_notices(self):
        with Actor(self.broker, {"echo.shout": shout}):
            good, bad = self.bus(), self.bus()
            for garbage in (b"\xc1", b"\x9a\x01", b"\x90", msgpack.packb({"a": 1}), msgpack.packb([2, 1, 1])):
                bad = self.bus()
                bad.socket.send(garbage)
                wait_until(lambda: bad.run(time.monotonic() + 0.1) and 0 in bad.answers, 5, "the error")
                self.assertIn(bad.answers[0][1]["code"], ("bad_envelope", "unsupported_version"))
                self.assertEqual(good.call("echo.shout", {"text": "still"})["text"], "STILL")

    def test_a_silent_peer_is_dropped_and_a_live_one_kept(self):
        dead, live = self.bus(), self.bus()
        names = lambda: [p["session"] for p in json.loads(self.broker.sut("peers", "--json").stdout)["sessions"]]
        def gone():
            live.run(time.monotonic() + 0.05)  # answers its pings
            return dead.welcome["session"] not in names()
        wait_until(gone, 10, "the silent peer to be dropped")
        self.assertIn(live.welcome["session"], names())

    def test_the_broker_s_own_methods(self):
        bus = self.bus("operator")
        self.assertEqual(set(bus.call("broker.ping")), {"version", "uptime_ms"})
        status = bus.call("broker.status")
        for part in ("version", "sessions", "services", "limits", "counters", "memory"):
            self.assertIn(part, status)
        self.assertIn("max_sessions", status["limits"])
        self.assertTrue(any(m["name"] == "broker.status" for m in bus.call("broker.methods")["control"]))
        self.refused("no_such_method", lambda: bus.call("broker.nonsense"))

    def test_the_page_s_bytes_are_what_the_codec_says(self):
        with open(f"{stack.ROOT}/docs/protocol.md", encoding="utf-8") as f:
            page = f.read()
        hello = bytes.fromhex(page.split("id 1 (35 bytes):\n\n")[1].split("\n")[0])
        self.assertEqual(len(hello), 35)
        envelope = msgpack.unpackb(hello, strict_map_key=False)
        self.assertEqual(envelope[:9], [1, 1, 1, "", None, 0, None, None, {}])
        self.assertEqual(msgpack.unpackb(envelope[9]), {"name": "tool-1", "services": []})
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        self.broker.key("tool-1", "tool")
        socket.plain_username, socket.plain_password = b"tool-1", self.broker.secret("tool-1").encode()
        socket.connect(self.broker.endpoint)
        socket.send(hello)
        self.assertTrue(socket.poll(5000))
        self.assertEqual(msgpack.unpackb(socket.recv(), strict_map_key=False)[1:3], [2, 1])


if __name__ == "__main__":
    stack.main()
