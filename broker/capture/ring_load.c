/* What is in the folder at the start: segments are read one by one, each record checked, and indexed. A segment that
 * cannot be read is left where it is until its turn to be dropped comes; whatever is damaged keeps nobody from
 * starting. */
#include "ring_state.h"

#include "base/log.h"
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS         "capture"
#define NAME_LEN   20 /* 16 hex digits and ".cap" */
#define FILE_MAX   (64u << 20)
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
    sut_status st = d ? 0 : -errno;
    while (st == 0 && (e = readdir(d)) != NULL)
        if (parse_name(e->d_name, &id))
            st = add_found(r, &cap, id);
    if (d)
        closedir(d);
    if (st == 0 && r->found_count)
        qsort(r->found, r->found_count, sizeof *r->found, by_number);
    return st;
}

/* The whole file, malloc'd. */
static sut_status read_file(const char *path, uint8_t **out, size_t *len)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    sut_status st = fd < 0 || fstat(fd, &info) != 0 ? -errno : 0;
    *out = NULL;
    *len = 0;
    if (st == 0 && (!S_ISREG(info.st_mode) || info.st_size > (off_t)FILE_MAX))
        st = -EINVAL;
    if (st == 0 && !(*out = malloc((size_t)info.st_size + 1)))
        st = -ENOMEM;
    while (st == 0 && *len < (size_t)info.st_size) {
        const ssize_t n = read(fd, *out + *len, (size_t)info.st_size - *len);
        if (n < 0 && errno != EINTR)
            st = -errno;
        if (n == 0)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    return st;
}

static sut_status index_records(ring *r, ring_segment *s, const uint8_t *bytes, size_t len)
{
    segment_record record;
    size_t at = SEGMENT_HEAD_BYTES;
    while (at < len) {
        const size_t found = segment_find_record(bytes, len, at, &record);
        r->damaged_total += found != at;
        if (found == len)
            break;
        at = found + record.bytes;
        sut_span span;
        /* Numbers only rise: what does not is of another file or another life. */
        if (!record_get_meta(record.meta, &span) || record.number < r->next_number ||
            (s->first && record.number - s->first > UINT32_MAX)) {
            r->damaged_total++;
            continue;
        }
        span.number = record.number;
        const sut_status st = ring_index(s, &span, found);
        if (st < 0)
            return st;
        r->next_number = record.number + 1;
    }
    return 0;
}

static void load(ring *r, uint64_t id)
{
    char path[PATH_MAX];
    uint8_t *bytes = NULL;
    size_t len = 0;
    ring_path(r, id, path, sizeof path);
    ring_segment *s = calloc(1, sizeof *s);
    sut_status st = s ? read_file(path, &bytes, &len) : -ENOMEM;
    const char *why = st < 0 ? strerror(-st) : segment_get_head(bytes, len, &s->head);
    if (!why && index_records(r, s, bytes, len) < 0)
        why = "no memory for its index";
    if (why) {
        r->damaged_total++;
        sut_log(SUT_WARN, NS, "capture.unreadable", SUT_KV("file", path), SUT_KV("error", why));
    }
    free(bytes);
    if (!s)
        return;
    s->id = id;
    s->bytes = len;
    r->bytes += len;
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
