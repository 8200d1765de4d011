"""A backup of the journal while the broker is under load, and a broker that starts from it."""


import time

import stack
from event_bus import EPOCH, ERROR, EVENT_ID, LOST, NUMBER, PUBLISH, PUBLISHED, SOURCE, WELCOME
from event_case import EventCase
from stack import wait_until

DUPLICATE = 16


class Backup(EventCase):
    def ask(self, session, *more, **options):
        """Publishes once; the answer's kind and options."""
        id = next(session.ids)
        session.send(PUBLISH, id, *more, **options)
        while True:
            got = session.take(10)
            self.assertTrue(got is not None and got is not LOST, "no answer")
            if got[0] in (PUBLISHED, ERROR) and got[1] == id:
                return got

    def test_a_broker_starts_from_a_backup_that_was_made_under_load(self):
        w = self.world()
        w.consume(term="p0-0")
        w.publish(publishers=1, lanes=4, repeat=0.1)
        w.publish(publishers=1, source="publisher.outbox")
        w.wait_published(300)
        wait_until(w.dead_letters, 20, "a dead letter")
        cursor, begun = w.group()["cursor"], time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 2, 10, "places to be written, which they are every 200 ms")
        before = {e[1]: (e[2], e[3]) for p in w.publishers for e in list(p.log) if e[0] == "ok"}
        dead = w.dead_letters()
        source = str(w.broker.dir) + "/journal"
        copy = f"{w.broker.dir}/copy"
        w.broker.sut("journal", "backup", copy, "--dir", source)
        w.wait_published(100)
        w.quiet()
        self.assertNotEqual(w.broker.sut("journal", "backup", copy, "--dir", source, check=False).returncode, 0, "it was not empty")
        self.assertIn("good:", w.broker.sut("journal", "verify", "--dir", copy).stdout)
        for c in w.consumers:
            c.kill()
            c.wait()
        w.broker.kill()
        w.broker.env["SUT_JOURNAL_DIR"] = copy
        w.broker.start()
        journal = w.journal()
        self.assertEqual(set(before) - {e[1] for e in journal}, set(), "acknowledged before the backup was begun")
        self.assertEqual({d["id"] for d in dead} - {d["id"] for d in w.dead_letters()}, set())
        self.assertGreater(cursor, 0)
        self.assertGreaterEqual(w.group()["cursor"], cursor)
        self.assertLessEqual(w.group()["cursor"], journal[-1][0])
        self.check_marks(w, before)
        w.consume(term="p0-0")
        w.wait_caught_up()

    def check_marks(self, w, before):
        """What was published before is known: by its id, and by its source's number."""
        session = w.session("publisher")
        self.addCleanup(session.close)
        wait_until(lambda: (got := session.take(1)) is not None and got is not LOST and got[0] == WELCOME, 10, "a welcome")
        by_id = next((id, e) for id, e in before.items() if e[0] == "p0-1")
        numbered = next((id, e) for id, e in before.items() if e[0] == "p1-0")
        for (event_id, (lane, n)), more in ((by_id, {}), (numbered, {SOURCE: "publisher.outbox", EPOCH: 1, NUMBER: numbered[1][1]})):
            got = self.ask(session, "probe.sent", options={EVENT_ID: event_id, **more}, body={"lane": lane, "n": n})
            self.assertEqual((got[0], got[4].get(DUPLICATE)), (PUBLISHED, 1), got)


if __name__ == "__main__":
    stack.main()
