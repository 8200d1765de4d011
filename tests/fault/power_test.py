"""Power failures: what was not synced is gone, or half there. Acknowledged events are in the journal all the same; and the suite
notices it when nothing is synced."""

import os
import signal

import power_loss
import stack
from event_case import EventCase, LONG
from failing_disk import Disk

ROUNDS = 60 if LONG else 3
HOWS = ("nothing", "some", "some", "everything")


class PowerLoss(EventCase):
    def setUp(self):
        super().setUp()
        self.lost_bytes = 0

    def powered(self):
        w = self.world(enter=False)
        disk = Disk(w, log=True)
        self.enter(w)
        w.publish(publishers=2, lanes=8)
        return w, disk

    def fail_power(self, w, disk, base, how):
        """Once the broker is killed: gives it the disk that a power failure at that moment would have left. The folder's other files hold
        nothing that is needed: they are gone."""
        images, pending = power_loss.after(base, disk.log, self.random, how)
        self.lost_bytes += pending
        folder = os.path.dirname(disk.data)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        for name, image in images.items():
            if image:
                with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
                    f.write(image)
        os.unlink(disk.log)
        return images

    def test_power_failures_lose_nothing_that_was_acknowledged(self):
        w, disk = self.powered()
        w.consume()
        base = {}
        for n in range(ROUNDS):
            w.wait_published(self.random.randrange(10, 150))
            disk.ends_in(self.random.randrange(1, 60))
            self.assertEqual(w.broker.process.wait(30), -signal.SIGKILL)
            base = self.fail_power(w, disk, base, HOWS[n % len(HOWS)])
            verify = w.broker.sut("journal", "verify", "--dir", os.path.dirname(disk.data), check=False)
            self.assertEqual(verify.returncode, 0, verify.stderr)
            w.broker.start()
        w.wait_published(20)
        w.quiet()
        w.wait_caught_up()
        journal, rows, dead = w.check(self)
        self.assertEqual((len(rows), dead), (len(journal), []))
        self.assertGreater(self.lost_bytes, 0, "the power failed at moments at which nothing could be lost")

    def test_without_syncs_the_loss_is_noticed(self):
        w, disk = self.powered()
        disk.set(no_sync=1)
        w.wait_published(100)
        w.broker.kill()
        self.fail_power(w, disk, {}, "nothing")
        disk.set(no_sync=0)
        w.broker.start()
        w.wait_published(10)
        w.quiet()
        acknowledged = {e[1] for p in w.publishers for e in p.log if e[0] == "ok"}
        self.assertNotEqual(acknowledged - {e[1] for e in w.journal()}, set(), "this suite could not see a loss")
        with self.assertRaisesRegex(AssertionError, "acknowledged events are not in the journal"):
            w.check(self)


if __name__ == "__main__":
    stack.main()
