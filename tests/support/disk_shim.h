/* A disk that fails on demand, for one folder: LD_PRELOAD libdisk_shim.so into a process, or link it into a test. Only
 * what goes through write, pwrite, writev, fallocate, fsync and fdatasync of files in SUT_SHIM_DIR is touched; LMDB
 * without WRITEMAP uses nothing else to write.
 *
 * The switches are 40 bytes that are shared: the file SUT_SHIM_CONTROL names (a test writes into it while the process
 * runs), or disk_shim_switches in a test that is linked with it. Numbers are in the machine's order.
 *
 * With SUT_SHIM_LOG every write and every sync is written to that file, so that tests/fault/power_loss.py can say what
 * a power failure at any moment may leave on the disk. A record: u8 kind, u8 0, u16 file (0 data.mdb, 1
 * journal.wal), u32 length, u64 offset, then the bytes of a write. A write is noted before it is done, and is durable
 * when a sync that began after it has ended, or its own `D` (of a file that is open with O_DSYNC) follows. */
#ifndef SUT_TEST_DISK_SHIM_H
#define SUT_TEST_DISK_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct disk_shim_switches {
    _Atomic uint32_t write_errno; /* not 0: every write fails so */
    _Atomic uint32_t sync_errno;  /* not 0: every sync fails so */
    _Atomic uint32_t no_sync;     /* not 0: syncs do nothing, and say that they did it */
    _Atomic uint32_t late_errno;  /* not 0: the next write that is a sync as well (O_DSYNC) is done, but said to have
                             failed,  and all writes fail from then on: the disk dies with the answer on its way */
    _Atomic uint64_t size_limit;  /* not 0: a file does not grow past it, ENOSPC */
    _Atomic uint64_t failures;    /* counted here */
    _Atomic uint64_t ends_in; /* not 0: the process is killed at the nth write or sync from now, in the middle of it */
} disk_shim_switches;

/* SUT_SHIM_DIR may be set after the start of a process that is linked with it: then this reads the environment again.
 */
disk_shim_switches *disk_shim_start(const char *folder);
void disk_shim_works(disk_shim_switches *s); /* all of them off; failures is kept */

enum { DISK_SHIM_WRITE = 'W', DISK_SHIM_DURABLE = 'D', DISK_SHIM_SYNC_BEGIN = 'B', DISK_SHIM_SYNC_END = 'E' };

#endif
