"""Events under faults: kill -9 of broker and consumers, a stopped subscriber, poison, duplicates. SUT_LONG=1: the long form."""

import os
import signal
import time

import stack
from event_bus import ACK, DELIVER, GAP, LOST, MARKER, SEQUENCE, SUBSCRIBE, WELCOME
from event_case import LONG, EventCase
from stack import wait_until

ROUNDS = 40 if LONG else 3


def anonymous_kb(pid):
    """Its memory without the pages of the journal's file, which the kernel takes back when it likes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


class EventFaults(EventCase):
    def test_killed_brokers_lose_nothing_that_was_acknowledged(self):
        w = self.world()
        w.consume()
        w.consume()
        w.publish()
        for _ in range(ROUNDS):
            w.wait_published(self.random.randrange(20, 200))
            w.restart_broker()
        w.wait_published(50)
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))

    def test_killed_consumers_lose_nothing_and_do_nothing_twice(self):
        w = self.world()
        w.consume()
        w.publish()
        for _ in range(ROUNDS * 2):
            victim = w.consume()
            w.wait_published(self.random.randrange(5, 120))
            victim.kill()
            victim.wait()
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))

    def test_consumers_that_refuse_and_hang_are_asked_again_in_order(self):
        w = self.world()
        w.consume(nack=0.1, hang=0.01)
        w.consume(nack=0.1)
        w.publish(publishers=1)
        w.wait_published(300 if not LONG else 5000, 120)
        w.quiet()
        w.wait_caught_up(seconds=120)
        w.check(self)
        group = w.group()
        self.assertGreater(group["nacked_total"], 0)

    def test_poison_becomes_a_dead_letter_and_holds_its_own_key_only(self):
        w = self.world()
        w.consume(poison="p0-0")
        w.publish(publishers=1, lanes=4)
        begun = time.monotonic()
        wait_until(w.dead_letters, 40, "the poison to be buried")
        self.assertLess(time.monotonic() - begun, 35, "a key may be blocked for less than 30 s")
        others = {lane for _, lane, _, _ in w.rows()}
        self.assertEqual(others, {"p0-1", "p0-2", "p0-3"}, "other keys waited for the poison")
        letter = w.dead_letters()[0]
        self.assertEqual((letter["attempts"], letter["code"], letter["key"]), (8, "internal", "p0-0"))

    def test_a_broker_killed_while_it_buries_leaves_one_letter_of_each(self):
        """Between the letter and the place of its group lie up to 200 ms: the kill hits them most of the times."""
        w = self.world()
        w.consume(term="p0-0")
        w.publish(publishers=1, lanes=2)
        for _ in range(ROUNDS):
            known = len(w.dead_letters())
            wait_until(lambda: len(w.dead_letters()) > known, 20, "a letter")
            w.restart_broker()
            self.assertGreater(len(w.dead_letters()), known)
        w.quiet()
        w.wait_caught_up()
        journal, _, dead = w.check(self)
        buried = [d["sequence"] for d in dead]
        self.assertEqual(len(buried), len(set(buried)), "an event was buried twice")
        self.assertEqual(set(buried), {e[0] for e in journal if e[2] == "p0-0"})

    def test_duplicates_are_taken_once(self):
        w = self.world()
        w.consume()
        w.publish(repeat=0.1)
        w.wait_published(500 if not LONG else 20000, 120)
        w.restart_broker()
        w.wait_published(200)
        w.quiet()
        w.wait_caught_up()
        journal, rows, _ = w.check(self)
        self.assertEqual(len(rows), len(journal))

    def test_an_outbox_that_repeats_itself_is_taken_once(self):
        w = self.world()
        w.consume()
        w.publish(publishers=1, repeat=0.1, source="publisher.outbox")
        w.publish(publishers=1)
        for _ in range(ROUNDS):
            w.wait_published(self.random.randrange(20, 120))
            w.restart_broker()
        w.wait_published(50)
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))
        numbers = [n for _, _, lane, n in journal if lane == "p0-0"]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "a source's numbers have no gaps")

    def test_everything_is_killed_at_once(self):
        w = self.world()
        w.publish()
        for _ in range(ROUNDS):
            w.consume(nack=0.05)
            w.consume()
            w.wait_published(self.random.randrange(20, 120))
            for process in (w.broker.process, *w.consumers):
                process.kill()
            for process in (w.broker.process, *w.consumers):
                process.wait()
            w.broker.start()
        w.consume()
        w.quiet()
        w.wait_caught_up()
        w.check(self)

    def test_a_stopped_subscriber_slows_nobody_and_is_told_what_it_missed(self):
        w = self.world()
        w.consume()
        slow = w.session("reader")
        self.addCleanup(slow.close)
        wait_until(lambda: (got := slow.take(1)) is not None and got is not LOST and got[0] == WELCOME, 10, "a welcome")
        slow.send(SUBSCRIBE, 3, body={"subjects": ["probe.sent"], "credits": 16})
        wait_until(lambda: (got := slow.take(1)) is not None and got is not LOST and got[0] == MARKER, 10, "a marker")
        w.publish()
        w.wait_published(500)
        missed, sequence = None, 0
        while missed is None:
            got = slow.take(5)
            self.assertIsNotNone(got, "the slow subscriber hears nothing")
            if got is LOST:
                continue
            if got[0] == GAP:
                missed = got
            elif got[0] == DELIVER:
                sequence = got[4][SEQUENCE]
                slow.send(ACK, 3, options={SEQUENCE: sequence})
        w.quiet()
        w.wait_caught_up()
        w.check(self)

    def test_memory_is_flat_when_a_consumer_is_stopped(self):
        w = self.world()
        stopped = w.consume(group="stopped")
        w.consume()
        w.publish(publishers=2, lanes=16)
        w.wait_published(500)
        os.kill(stopped.pid, signal.SIGSTOP)
        before = anonymous_kb(w.broker.process.pid)
        begun = time.monotonic()
        w.wait_published(3000 if not LONG else 50000, 600)
        wait_until(lambda: not LONG or time.monotonic() - begun > 60, 70, "a minute")
        # The ids of the last million events are kept in any case: 48 bytes each, in a table that doubles.
        ids_kb = 48 * min(1 << 20, 1 << w.published().bit_length()) >> 10
        grown = anonymous_kb(w.broker.process.pid) - before
        self.assertLess(grown, (16 << 10) + ids_kb, "the broker grows with the lag of a stopped consumer")
        os.kill(stopped.pid, signal.SIGCONT)
        w.quiet()
        w.wait_caught_up()
        w.wait_caught_up("stopped", 120)
        w.check(self)
        w.check(self, "stopped")


if __name__ == "__main__":
    stack.main()
