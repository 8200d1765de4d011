/* What is in the folder at the start: segments are read one by one, each record checked. A segment that
 * cannot be read is left where it is until its turn to be dropped comes; whatever is damaged keeps nobody from
 * starting. */
#include "ring_state.h"

#include "base/log.h"
#include "span_bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS         "capture"
#define NAME_LEN   20 /* 16 hex digits and ".cap" */
#define FOUND_STEP 64

static bool parse_name(const char *name, uint64_t *id)
{
    uint8_t bytes[8];
    if (strlen(name) != NAME_LEN || strcmp(name + 16, ".cap") != 0 || !sut_unhex((sut_str){name, 16}, bytes, 8))
        return false;
    *id = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *id = *id << 8 | bytes[i];
    return *id > 0 && *id < UINT64_MAX;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static sut_status add_found(ring *r, size_t *cap, uint64_t id)
{
    if (r->found_count == *cap) {
        uint64_t *grown = reallocarray(r->found, *cap + FOUND_STEP, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        r->found = grown;
        *cap += FOUND_STEP;
    }
    r->found[r->found_count++] = id;
    if (id >= r->next_id)
        r->next_id = id + 1;
    return 0;
}

sut_status ring_list(ring *r)
{
    DIR *d = opendir(r->dir);
    const struct dirent *e;
    size_t cap = 0;
    uint64_t id;
    sut_status st = 0;
    if (!d)
        return -errno;
    while (st == 0 && (e = readdir(d)) != NULL)
        if (parse_name(e->d_name, &id))
            st = add_found(r, &cap, id);
    closedir(d);
    if (st == 0 && r->found_count)
        qsort(r->found, r->found_count, sizeof *r->found, by_number);
    return st;
}

static size_t read_some(void *arg, uint8_t *out, size_t size)
{
    const ring_file *f = arg;
    ssize_t n;
    do {
        n = read(f->fd, out, size);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

sut_status ring_scan_open(ring *r, uint64_t id, ring_file *f, scan *s)
{
    char path[PATH_MAX];
    ring_path(r, id, path, sizeof path);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd < 0)
        return -errno;
    *s = (scan){.read = read_some, .arg = f, .window = r->window};
    return 0;
}

void ring_scan_close(ring_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* Numbers only rise: what does not is of another file or another life. */
static void note_records(ring *r, ring_segment *s, scan *records)
{
    segment_record record;
    sut_span span;
    while (scan_next(records, &record)) {
        if (!span_get_meta(record.meta, &span) || record.number < r->next_number || record.number == UINT64_MAX) {
            r->damaged_total++;
            continue;
        }
        span.number = record.number;
        ring_note(s, &span);
        r->next_number = record.number + 1;
    }
    r->damaged_total += records->damaged;
}

static void load(ring *r, uint64_t id)
{
    ring_file file;
    scan records;
    struct stat info = {.st_size = 0};
    ring_segment *s = calloc(1, sizeof *s);
    if (!s)
        return;
    const sut_status st = ring_scan_open(r, id, &file, &records);
    const char *why = st < 0 ? strerror(-st) : scan_begin(&records, &s->head);
    if (!why)
        note_records(r, s, &records);
    if (why) {
        r->damaged_total++;
        sut_log(SUT_WARN, NS, "capture.unreadable", SUT_KV_U("segment", id), SUT_KV("error", why));
    }
    if (st == 0 && fstat(file.fd, &info) == 0)
        s->bytes = (uint64_t)info.st_size;
    ring_scan_close(&file);
    s->id = id;
    r->bytes += s->bytes;
    sut_list_push_back(&r->segments, &s->node);
}

void ring_load(ring *r)
{
    for (size_t i = 0; i < r->found_count; i++)
        load(r, r->found[i]);
    free(r->found);
    r->found = NULL;
    r->found_count = 0;
}
