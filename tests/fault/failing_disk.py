"""The broker's disk, to be filled, broken and repaired while the broker runs (tests/support/disk_shim.h)."""

import errno
import os
import struct

LIBRARY = os.path.join(os.environ.get("SUT_BIN", ""), "..", "lib", "libdisk_shim.so")
FIELDS = {"write_errno": (0, "I"), "sync_errno": (4, "I"), "no_sync": (8, "I"), "late_errno": (12, "I"), "size_limit": (16, "Q"),
          "failures": (24, "Q"), "ends_in": (32, "Q")}


class Disk:
    """Attached to a World before it is entered. `log`: a file that gets every write and sync."""

    def __init__(self, world, log=False):
        folder = world.broker.dir
        self.data = f"{folder}/journal/data.mdb"
        self.log = f"{folder}/disk.log" if log else None
        self.control = os.open(f"{folder}/disk.switches", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self.control, bytes(40), 0)
        world.broker.preload = {"LD_PRELOAD": os.path.abspath(LIBRARY), "SUT_SHIM_DIR": f"{folder}/journal",
                                "SUT_SHIM_CONTROL": f"{folder}/disk.switches"}
        if log:
            world.broker.preload["SUT_SHIM_LOG"] = self.log

    def set(self, **switches):
        for name, value in switches.items():
            at, kind = FIELDS[name]
            os.pwrite(self.control, struct.pack("=" + kind, value), at)

    def failures(self):
        return struct.unpack("=Q", os.pread(self.control, 8, 24))[0]

    def fill(self):
        """No file grows any more; what is free inside of them can still be used."""
        self.set(size_limit=os.path.getsize(self.data))

    def full(self):
        """Nothing can be written at all."""
        self.set(write_errno=errno.ENOSPC)

    def breaks(self):
        self.set(sync_errno=errno.EIO)

    def dies(self):
        """After one more commit, of which nobody is told that it worked."""
        self.set(late_errno=errno.EIO)

    def ends_in(self, operations):
        """The process is killed in the middle of its nth write or sync from now."""
        self.set(ends_in=operations)

    def works(self):
        self.set(write_errno=0, sync_errno=0, late_errno=0, size_limit=0)
