"""The wall clock jumps by an hour and by ten days, forwards and back: no timer is stuck, nothing is lost by it."""

import glob
import os

import stack
from event_bus import LOST, MARKER, SUBSCRIBE, WELCOME
from event_case import LONG, EventCase
from stack import wait_until

HOUR, DAY = 3600, 86400
JUMPS = (HOUR, -HOUR, 10 * DAY, -10 * DAY) * (6 if LONG else 1)


class Clock(EventCase):
    def clocked(self):
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.assertTrue(library, "Debian's package faketime is missing")
        w = self.world(enter=False)
        self.clock = f"{w.broker.dir}/clock"
        self.jump(0)
        w.broker.preload = {"LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_CACHE_DURATION": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.enter(w)
        return w

    def jump(self, seconds):
        with open(f"{self.clock}.new", "w", encoding="ascii") as f:
            f.write(f"{seconds:+d}\n")
        os.rename(f"{self.clock}.new", self.clock)

    def wait_for(self, session, kind):
        got = session.take(5)
        while got is not None and got is not LOST and got[0] != kind:
            got = session.take(5)
        self.assertIsNot(got, LOST, "a session was given up")
        self.assertIsNotNone(got, f"no envelope of kind {kind} comes any more")

    def subscriber(self, w):
        session = w.session("reader")
        self.addCleanup(session.close)
        self.wait_for(session, WELCOME)
        session.send(SUBSCRIBE, 3, body={"subjects": ["probe.other"], "credits": 16})
        self.wait_for(session, MARKER)
        return session

    def test_jumps_stop_no_timer_and_lose_nothing(self):
        w = self.clocked()
        w.consume(nack=0.1)
        w.publish(publishers=1)
        for seconds in JUMPS:
            reader = self.subscriber(w)
            self.jump(seconds)
            for _ in range(3):
                self.wait_for(reader, MARKER)
            reader.close()
            w.wait_published(40)
            acked, nacked = (w.group()[name] for name in ("acked_total", "nacked_total"))
            wait_until(lambda: w.group()["acked_total"] > acked + 20, 20, "deliveries to go on")
            wait_until(lambda: w.group()["nacked_total"] > nacked, 20, "what was refused to come again")
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))

    def test_a_broker_starts_at_another_time(self):
        w = self.clocked()
        w.consume()
        w.publish(publishers=1)
        for seconds in (HOUR, -10 * DAY, 3 * DAY, 0):
            w.wait_published(40)
            self.jump(seconds)
            w.restart_broker()
        w.wait_published(40)
        w.quiet()
        w.wait_caught_up()
        w.check(self)


if __name__ == "__main__":
    stack.main()
