"""A disk that is full or breaks under load: publishing is refused with a code while reading goes on, and resumes by itself."""

import json
import time

import stack
from event_case import EventCase, LONG
from failing_disk import Disk
from stack import wait_until

ROUNDS = 25 if LONG else 3
RESUMED_S = 5.0  # what PITFALLS asks for; the publishers' own pauses are in it


class DiskFaults(EventCase):
    def faulty(self):
        w = self.world(enter=False)
        disk = Disk(w)
        self.enter(w)
        w.consume()
        w.publish()
        w.wait_published(100)
        return w, disk

    def refused(self, w, codes):
        return sum(1 for p in w.publishers for e in list(p.log) if e[0] == "refused" and e[4] in codes)

    def wait_refused(self, w, *codes):
        before = self.refused(w, codes)
        wait_until(lambda: self.refused(w, codes) > before, 10, f"a publish to be refused by {codes}")

    def journal_status(self, w):
        return json.loads(w.broker.sut("call", "broker.journal", "{}").stdout)

    def wait_fault(self, w, words):
        status = wait_until(lambda: (s := self.journal_status(w)) and not s["writable"] and s, 10, "the status to name the fault")
        self.assertIn(words, status["fault"])

    def resumes(self, w, disk):
        disk.works()
        repaired, before = time.monotonic(), w.published()
        wait_until(lambda: w.published() > before, 30, "publishing to resume")
        self.assertLess(time.monotonic() - repaired, RESUMED_S)
        wait_until(lambda: self.journal_status(w)["writable"], 10, "the status to say so")

    def ends_well(self, w):
        w.wait_published(50)
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))

    def test_a_file_that_cannot_grow_refuses_and_resumes(self):
        w, disk = self.faulty()
        for _ in range(ROUNDS):
            disk.fill()
            self.wait_refused(w, "storage_full")
            self.wait_fault(w, "")
            w.wait_caught_up()  # what was taken is delivered, acknowledged and its place is kept
            self.assertGreater(len(w.journal()), 0, "reading goes on")
            self.resumes(w, disk)
            w.wait_published(self.random.randrange(20, 200))
        self.ends_well(w)

    def test_a_broker_starts_and_delivers_on_a_full_disk(self):
        w, disk = self.faulty()
        disk.full()
        self.wait_refused(w, "storage_full")
        self.wait_fault(w, "No space left on device")
        w.restart_broker()
        self.wait_refused(w, "storage_full")
        self.assertGreaterEqual(len(w.journal()), 100)
        failures, begun = disk.failures(), time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 1, 5, "a second")
        self.assertLess(disk.failures() - failures, 2000, "a full disk is not asked without end")
        self.resumes(w, disk)
        self.ends_well(w)

    def test_a_broken_disk_is_opened_again(self):
        w, disk = self.faulty()
        for n in range(ROUNDS):
            (disk.breaks, disk.dies)[n % 2]()
            self.wait_refused(w, "outcome_unknown", "unavailable")  # the latter if it was the place of a group that met it
            self.wait_fault(w, "Input/output error")
            self.wait_refused(w, "unavailable")
            w.wait_caught_up()
            self.assertGreater(len(w.journal()), 0, "reading goes on")
            if self.random.random() < 0.3:
                w.restart_broker()
            self.resumes(w, disk)
            w.wait_published(self.random.randrange(20, 200))
        self.ends_well(w)

    def test_faults_that_come_and_go(self):
        w, disk = self.faulty()
        for _ in range(ROUNDS * 8 // 3):
            self.random.choice((disk.full, disk.breaks, disk.dies, disk.fill))()
            failures = disk.failures()
            wait_until(lambda: disk.failures() > failures, 10, "the disk to fail")
            disk.works()
            w.wait_published(self.random.randrange(5, 60))
        self.ends_well(w)


if __name__ == "__main__":
    stack.main()
