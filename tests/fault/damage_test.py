"""A journal that was damaged while its broker was down: a record in the middle, another format, somebody else's folder."""

import os
import subprocess

import stack
from event_case import LONG, EventCase
from stack import wait_until


class Damage(EventCase):
    def journal_file(self, w):
        return f"{w.broker.dir}/journal/data.mdb"

    def written(self, events=200):
        w = self.world()
        w.publish()
        w.wait_published(events)
        w.quiet()
        return w

    def stop(self, w):
        w.broker.process.terminate()
        self.assertEqual(w.broker.process.wait(10), 0)

    def verify(self, w):
        return w.broker.sut("journal", "verify", "--dir", f"{w.broker.dir}/journal", check=False)

    def damage(self, w, event_id):
        """Flips a bit behind each copy of the event's id: freed pages hold some, and its entry in the log of ids as well."""
        with open(self.journal_file(w), "r+b") as f:
            image, at, count = f.read(), -1, 0
            while (at := image.find(event_id, at + 1)) >= 0:
                body = image.find(b"lane", at, at + 200)
                if body > 0:
                    f.seek(body)
                    f.write(bytes([image[body] ^ 1]))
                    count += 1
        self.assertGreater(count, 0)

    def test_a_damaged_record_is_named_and_holds_groups_until_they_are_told_to_go_on(self):
        w = self.written()
        journal = w.journal()
        sequence, event_id, lane, n = journal[len(journal) // 2]
        self.stop(w)
        self.damage(w, event_id)
        verify = self.verify(w)
        self.assertEqual(verify.returncode, 65, verify.stderr)
        self.assertEqual([l for l in verify.stderr.splitlines() if "record" in l],
                         [f"sut: error: log: record {sequence} has a wrong checksum"])
        w.broker.start()
        w.consume()
        standing = wait_until(lambda: (g := w.group()) and g.get("damaged") and g, 20, "the group to meet the damage")
        self.assertEqual(standing["damaged"], sequence)
        wait_until(lambda: w.group()["cursor"] == sequence - 1, 20, "what comes before to be done")
        self.assertEqual({r[3] for r in w.rows()}, set(range(1, sequence)), "all before it and nothing behind it")
        self.assertIn(f"stands at {sequence}", w.broker.sut("groups", "effects").stdout)
        self.assertIn(f"at {sequence}", w.broker.sut("groups", "skip", "effects").stdout)
        w.wait_caught_up()
        self.assertEqual({(r[1], r[2]) for r in w.rows()}, {(e[2], e[3]) for e in journal} - {(lane, n)})
        self.assertEqual(w.broker.sut("groups", "skip", "effects", check=False).returncode, 1)

    def test_a_tail_that_is_gone_refuses_the_start(self):
        w = self.written()
        self.stop(w)
        os.truncate(self.journal_file(w), os.path.getsize(self.journal_file(w)) - 5000)
        done = subprocess.run([f"{w.broker.bin}/sut-broker"], env=w.broker.env, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"SUT_JOURNAL_DIR: the file is cut off: it has \d+ pages of the \d+ that it claims")

    def test_a_folder_has_one_broker(self):
        w = self.written(10)
        env = dict(w.broker.env, SUT_BROKER_IPC=f"ipc://{w.broker.dir}/bus/other")
        done = subprocess.run([f"{w.broker.bin}/sut-broker"], env=env, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 69)
        self.assertIn(f"process {w.broker.process.pid} has the journal", done.stderr)

    def test_a_broken_structure_ends_in_words(self):
        """Whatever LMDB trips over: the process says which file it was and what to do, or goes on with what is sound."""
        w = self.written()
        self.stop(w)
        with open(self.journal_file(w), "rb") as f:
            image = bytearray(f.read())
        for page in range(2, min(len(image) // 4096, 40), 1 if LONG else 5):
            bad = bytearray(image)
            at = page * 4096 + 12 + self.random.randrange(30)
            bad[at] ^= 1 << self.random.randrange(8)
            with open(self.journal_file(w), "wb") as f:
                f.write(bad)
            done = self.verify(w)
            self.assertIn(done.returncode, (0, 65, 74, -6), f"page {page}: {done.stderr}")
            if done.returncode:
                self.assertNotEqual(done.stderr, "", f"page {page}: not a word")


if __name__ == "__main__":
    stack.main()
