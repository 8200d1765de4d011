/* The failing disk: what LMDB calls to write and to sync, with faults and a log. It calls the kernel by itself, so that
 * it works beside a sanitizer's own wrappers. */
#include "disk_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static disk_shim_switches s_own, *s_switches = &s_own;
static char s_folder[PATH_MAX];
static int s_log = -1;
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER; /* the log's records stay whole */

static void map_switches(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof s_own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "disk_shim: %s: %s\n", path, strerror(errno));
        abort();
    }
    close(fd);
    s_switches = p;
}

disk_shim_switches *disk_shim_start(const char *folder)
{
    snprintf(s_folder, sizeof s_folder, "%s/", folder);
    return s_switches;
}

void disk_shim_works(disk_shim_switches *s)
{
    s->write_errno = s->sync_errno = s->no_sync = s->late_errno = 0;
    s->size_limit = s->ends_in = 0;
}

__attribute__((constructor)) static void from_environment(void)
{
    const char *folder = getenv("SUT_SHIM_DIR"), *control = getenv("SUT_SHIM_CONTROL"), *log = getenv("SUT_SHIM_LOG");
    if (!folder)
        return;
    (void)disk_shim_start(folder);
    if (control)
        map_switches(control);
    if (log)
        s_log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool ours(int fd)
{
    char link[64], path[PATH_MAX];
    if (!s_folder[0])
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = 0;
    return strncmp(path, s_folder, strlen(s_folder)) == 0;
}

/* The number in the log; -1: whatever it holds is not needed after a power failure. */
static int file_number(int fd)
{
    static const char *const names[] = {"/data.mdb", "/journal.wal"};
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ssize_t len = (ssize_t)strlen(names[i]);
        if (n > len && memcmp(path + n - len, names[i], (size_t)len) == 0)
            return (int)i;
    }
    return -1;
}

static void note(int fd, int kind, const void *bytes, size_t len, off_t at)
{
    const int file = s_log < 0 ? -1 : file_number(fd);
    struct {
        uint8_t kind, zero;
        uint16_t file;
        uint32_t len;
        uint64_t at;
    } head = {(uint8_t)kind, 0, (uint16_t)file, (uint32_t)len, (uint64_t)at};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, len}};
    if (file < 0)
        return;
    pthread_mutex_lock(&s_lock);
    if (syscall(SYS_writev, s_log, parts, len ? 2L : 1L) < 0)
        abort();
    pthread_mutex_unlock(&s_lock);
}

static void maybe_end(void)
{
    uint64_t left = atomic_load(&s_switches->ends_in);
    if (left && atomic_compare_exchange_strong(&s_switches->ends_in, &left, left - 1) && left == 1)
        (void)kill(getpid(), SIGKILL);
}

static int fail(uint32_t code)
{
    atomic_fetch_add(&s_switches->failures, 1);
    errno = (int)code;
    return -1;
}

static int write_fault(int fd, off_t end)
{
    uint32_t code = atomic_load(&s_switches->write_errno);
    uint64_t limit = atomic_load(&s_switches->size_limit);
    struct stat st;
    if (code)
        return (int)code;
    if (limit && (uint64_t)end > limit && fstat(fd, &st) == 0 && end > st.st_size)
        return ENOSPC;
    return 0;
}

static bool durable_at_once(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DSYNC) && !atomic_load(&s_switches->no_sync);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (!ours(fd))
        return syscall(SYS_pwrite64, fd, bytes, len, at);
    int code = write_fault(fd, at + (off_t)len);
    bool durable = durable_at_once(fd);
    if (!code && durable)
        code = (int)atomic_load(&s_switches->sync_errno);
    if (code)
        return fail((uint32_t)code);
    note(fd, DISK_SHIM_WRITE, bytes, len, at);
    maybe_end();
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, len, at);
    if (durable && n == (ssize_t)len)
        note(fd, DISK_SHIM_DURABLE, NULL, 0, at);
    uint32_t late = durable ? atomic_exchange(&s_switches->late_errno, 0) : 0;
    if (!late)
        return n;
    atomic_store(&s_switches->write_errno, late);
    return fail(late);
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count)
{
    off_t at = lseek(fd, 0, SEEK_CUR), end = at;
    for (int i = 0; i < count; i++)
        end += (off_t)parts[i].iov_len;
    int code = write_fault(fd, end);
    if (code)
        return fail((uint32_t)code);
    for (int i = 0; i < count; i++) {
        note(fd, DISK_SHIM_WRITE, parts[i].iov_base, parts[i].iov_len, at);
        at += (off_t)parts[i].iov_len;
    }
    maybe_end();
    return syscall(SYS_writev, fd, parts, (long)count);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return ours(fd) ? write_parts(fd, parts, count) : syscall(SYS_writev, fd, parts, (long)count);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    return ours(fd) ? write_parts(fd, &part, 1) : syscall(SYS_write, fd, bytes, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    int code = ours(fd) ? write_fault(fd, at + len) : 0;
    return code ? fail((uint32_t)code) : (int)syscall(SYS_fallocate, fd, (long)mode, at, len);
}

static int sync_by(long number, int fd)
{
    if (!ours(fd))
        return (int)syscall(number, fd);
    uint32_t code = atomic_load(&s_switches->sync_errno);
    if (code)
        return fail(code);
    if (atomic_load(&s_switches->no_sync))
        return 0;
    note(fd, DISK_SHIM_SYNC_BEGIN, NULL, 0, 0);
    maybe_end();
    int rc = (int)syscall(number, fd);
    if (!rc)
        note(fd, DISK_SHIM_SYNC_END, NULL, 0, 0);
    return rc;
}

int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}
