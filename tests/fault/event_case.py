"""What the fault suites of events share: a world that ends with its case, and a seed that a failure names."""

import os
import random
import unittest

from event_world import LONG, World

__all__ = ["EventCase", "LONG", "SEED"]
SEED = int(os.environ.get("SUT_SEED", random.SystemRandom().randrange(1 << 32)))


class EventCase(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        print(f"{self.id()}: SUT_SEED={SEED}", flush=True)

    def world(self, enter=True, **environment):
        w = World(**environment)
        if enter:
            self.enter(w)
        return w

    def enter(self, world):
        world.__enter__()
        self.addCleanup(world.__exit__)
