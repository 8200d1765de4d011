/* The write-ahead log's file. */
#include "wal.h"

#include "base/clock.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC        "SUTWAL\0"
#define MAGIC_BYTES  8
#define HEADER_BYTES (RECORD_HEAD + MAGIC_BYTES + 16 + 8)
#define HEAD         (RECORD_HEAD + 24) /* of a record */
#define FILE_BYTES   ((size_t)WAL_BLOCKS * WAL_BLOCK)

struct wal {
    const sut_journal *j;
    char *path, *folder;
    uint8_t creation_id[16];
    bool no_sync;
    int fd; /* -1: nothing was appended yet */
    uint64_t run;
    size_t at;      /* block */
    uint8_t *bytes; /* what is being written */
};

static size_t blocks_of(size_t len)
{
    return (HEAD + len + WAL_BLOCK - 1) / WAL_BLOCK;
}

sut_status wal_new(wal **out, const sut_journal *j, const char *path, const uint8_t creation_id[16], bool no_sync)
{
    wal *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->j = j;
    w->fd = -1;
    w->at = 1;
    w->no_sync = no_sync;
    memcpy(w->creation_id, creation_id, sizeof w->creation_id);
    w->folder = strdup(path);
    w->bytes = aligned_alloc(WAL_BLOCK, blocks_of(WAL_RECORD_MAX) * WAL_BLOCK);
    if (!w->folder || !w->bytes || asprintf(&w->path, "%s/%s", path, WAL_NAME) < 0) {
        w->path = NULL;
        wal_free(w);
        return -ENOMEM;
    }
    *out = w;
    return 0;
}

wal *wal_free(wal *w)
{
    if (!w)
        return NULL;
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w->folder);
    free(w->bytes);
    free(w);
    return NULL;
}

bool wal_begun(const wal *w)
{
    return w->fd >= 0;
}

bool wal_has_room(const wal *w, size_t len)
{
    return len <= WAL_RECORD_MAX && w->at + blocks_of(len) <= WAL_BLOCKS;
}

void wal_restart(wal *w)
{
    w->at = 1;
}

static sut_status fail(const wal *w, int code, const char *what)
{
    return journal_fail(w->j, code ? -code : -EIO, "%s %s: %s", what, w->path, strerror(code ? code : EIO));
}

/* A part of it may be written when an error comes: who asks for no more than one write never sees that. */
static sut_status write_at(const wal *w, int fd, const void *bytes, size_t len, size_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const uint8_t *)bytes + done, len - done, (off_t)(at + done));
        if (n <= 0)
            return fail(w, done ? EIO : n ? errno : EIO, "writing");
        done += (size_t)n;
    }
    return 0;
}

static void encode_header(const wal *w, uint8_t out[WAL_BLOCK])
{
    memset(out, 0, WAL_BLOCK);
    memcpy(out + RECORD_HEAD, MAGIC, MAGIC_BYTES);
    memcpy(out + RECORD_HEAD + MAGIC_BYTES, w->creation_id, sizeof w->creation_id);
    store_u64(out + HEADER_BYTES - 8, w->run);
    record_seal(SALT_WAL_HEADER, 0, out, HEADER_BYTES);
}

/* Head and padding around the events; returns the bytes of it. */
static size_t encode_record(const wal *w, uint8_t *out, const wal_events *e)
{
    const size_t len = HEAD + e->len, whole = blocks_of(e->len) * WAL_BLOCK;
    store_u64(out + RECORD_HEAD, w->run);
    store_u64(out + RECORD_HEAD + 8, e->first);
    store_u32(out + RECORD_HEAD + 16, e->count);
    store_u32(out + RECORD_HEAD + 20, (uint32_t)len);
    memcpy(out + HEAD, e->bytes, e->len);
    memset(out + len, 0, whole - len);
    record_seal(SALT_WAL, 0, out, len);
    return whole;
}

/* All its blocks are written once before it counts: then a sync has no metadata to write. */
static sut_status fill(const wal *w, int fd)
{
    static const uint8_t zeros[64u << 10];
    sut_status status = 0;
    if (fallocate(fd, 0, 0, (off_t)FILE_BYTES) && errno != EOPNOTSUPP && errno != ENOSYS)
        return fail(w, errno, "asking the disk for room for");
    for (size_t at = 0; at < FILE_BYTES && !status; at += sizeof zeros)
        status = write_at(w, fd, zeros, sizeof zeros, at);
    if (!status && !w->no_sync && fsync(fd))
        status = fail(w, errno, "syncing");
    return status;
}

static sut_status sync_folder(const wal *w)
{
    int fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sut_status status = fd < 0 || fsync(fd) ? fail(w, errno, "syncing the folder of") : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

/* Linux has no way to turn O_DSYNC on for what is open. */
static int reopen_synced(const wal *w, int fd, sut_status *status)
{
    close(fd);
    fd = open(w->path, O_RDWR | O_CLOEXEC | O_DSYNC);
    if (fd < 0)
        *status = fail(w, errno, "opening");
    return fd;
}

static sut_status begin(wal *w)
{
    struct stat st = {.st_size = 0};
    uint8_t header[WAL_BLOCK];
    int fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    sut_status status = fd < 0 || fstat(fd, &st) ? fail(w, errno, "opening") : 0;
    if (!status && (size_t)st.st_size < FILE_BYTES) {
        status = fill(w, fd);
        if (!status)
            status = sync_folder(w);
        if (status)
            (void)unlink(w->path); /* not a part of it: the room is needed more elsewhere */
    }
    sut_random(&w->run, sizeof w->run);
    encode_header(w, header);
    if (!status && !w->no_sync)
        fd = reopen_synced(w, fd, &status);
    if (!status)
        status = write_at(w, fd, header, sizeof header, 0);
    if (status) {
        if (fd >= 0)
            close(fd);
        return status;
    }
    w->fd = fd;
    w->at = 1;
    return 0;
}

sut_status wal_append(wal *w, const wal_events *e)
{
    sut_status status = w->fd < 0 ? begin(w) : 0;
    if (status)
        return status;
    size_t len = encode_record(w, w->bytes, e);
    status = write_at(w, w->fd, w->bytes, len, w->at * WAL_BLOCK);
    if (!status)
        w->at += len / WAL_BLOCK;
    return status;
}

/* ---- reading it ---- */

static sut_status read_file(const wal *w, uint8_t **out, size_t *len)
{
    *len = 0;
    *out = NULL;
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fail(w, errno, "opening");
    uint8_t *bytes = malloc(FILE_BYTES);
    ssize_t n = bytes ? 1 : 0;
    while (n > 0 && *len < FILE_BYTES) {
        n = pread(fd, bytes + *len, FILE_BYTES - *len, (off_t)*len);
        *len += n > 0 ? (size_t)n : 0;
    }
    sut_status status = !bytes ? -ENOMEM : n < 0 ? fail(w, errno, "reading") : 0;
    close(fd);
    if (status)
        free(bytes);
    else
        *out = bytes;
    return status;
}

/* 1: there is a run. */
static sut_status read_header(const wal *w, const uint8_t *bytes, size_t len, uint64_t *run)
{
    static const uint8_t zeros[HEADER_BYTES];
    if (len < WAL_BLOCK || memcmp(bytes, zeros, sizeof zeros) == 0)
        return 0; /* it was never begun */
    record_fault f = record_check(SALT_WAL_HEADER, bytes, HEADER_BYTES);
    if (!f && memcmp(bytes + RECORD_HEAD, MAGIC, MAGIC_BYTES) != 0)
        f = RECORD_CONTENT;
    if (f)
        return journal_fail(w->j, -EBADMSG,
                            "the header of %s %s; without the file the journal opens, and lacks the last events that "
                            "were acknowledged if its writer was killed",
                            w->path, record_fault_text(f));
    if (memcmp(bytes + RECORD_HEAD + MAGIC_BYTES, w->creation_id, sizeof w->creation_id) != 0)
        return journal_fail(w->j, -EBADMSG, "%s belongs to another journal than the data.mdb beside it", w->path);
    *run = load_u64(bytes + HEADER_BYTES - 8);
    return 1;
}

static bool record_at(const uint8_t *bytes, size_t left, uint64_t run, wal_events *out)
{
    if (load_u64(bytes + RECORD_HEAD) != run)
        return false;
    const size_t len = load_u32(bytes + RECORD_HEAD + 20);
    if (len < HEAD || len > left || record_check(SALT_WAL, bytes, len))
        return false;
    *out = (wal_events){.first = load_u64(bytes + RECORD_HEAD + 8),
                        .count = load_u32(bytes + RECORD_HEAD + 16),
                        .bytes = bytes + HEAD,
                        .len = len - HEAD};
    return true;
}

/* Each block is looked at: what stands behind a damaged record is found, and its place in the log with it. */
static sut_status each_record(const uint8_t *bytes, size_t len, uint64_t run, uint64_t next, wal_fn fn, void *arg)
{
    sut_status status = 0;
    for (size_t at = WAL_BLOCK; at + WAL_BLOCK <= len && !status;) {
        wal_events e;
        size_t blocks = 1;
        if (record_at(bytes + at, len - at, run, &e)) {
            blocks = blocks_of(e.len);
            if (e.first + e.count > next) {
                status = fn(arg, &e);
                next = e.first + e.count;
            }
        }
        at += blocks * WAL_BLOCK;
    }
    return status;
}

sut_status wal_load(const wal *w, uint64_t next, wal_fn fn, void *arg)
{
    uint8_t *bytes;
    size_t len;
    uint64_t run = 0;
    sut_status status = read_file(w, &bytes, &len);
    if (status || !bytes)
        return status;
    status = read_header(w, bytes, len, &run);
    if (status > 0)
        status = each_record(bytes, len, run, next, fn, arg);
    free(bytes);
    return status;
}

sut_status wal_write_copy(const wal *w, const char *path, const wal_events *e)
{
    wal *copy;
    sut_status status = wal_new(&copy, w->j, path, w->creation_id, true);
    if (status)
        return status;
    uint8_t *whole = calloc(1, WAL_BLOCK + blocks_of(e->len) * WAL_BLOCK);
    int fd = whole ? open(copy->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0) {
        status = whole ? fail(copy, errno, "making") : -ENOMEM;
    } else {
        sut_random(&copy->run, sizeof copy->run);
        encode_header(copy, whole);
        status = write_at(copy, fd, whole, WAL_BLOCK + encode_record(copy, whole + WAL_BLOCK, e), 0);
        if (!status && fsync(fd))
            status = fail(copy, errno, "syncing");
        close(fd);
    }
    free(whole);
    wal_free(copy);
    return status;
}
