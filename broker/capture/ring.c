/* Writing the ring: the buffer, the open segment, what is dropped, and what happens when the disk says no. */
#include "ring_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "span_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS           "capture"
#define SEGMENT_LOW  (256u << 10)
#define SEGMENT_HIGH (16u << 20)
#define SEGMENTS     16 /* that the ring is parted into, unless that makes them too small or too large */
#define BUFFER_MAX   (4u << 20)
#define RETRY_US     1000000
#define ROLL_LEAST   (60 * INT64_C(1000000))

/* ---- segments ---- */

void ring_path(const ring *r, uint64_t id, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%016" PRIx64 ".cap", r->dir, id);
}

void ring_note(ring_segment *s, const sut_span *span)
{
    if (s->count++ == 0) {
        s->first = span->number;
        s->oldest_us = s->newest_us = span->at_us;
    }
    s->last = span->number;
    s->oldest_us = span->at_us < s->oldest_us ? span->at_us : s->oldest_us;
    s->newest_us = span->at_us > s->newest_us ? span->at_us : s->newest_us;
}

ring_segment *ring_segment_free(ring *r, ring_segment *s)
{
    if (!s)
        return NULL;
    if (sut_node_linked(&s->node)) {
        sut_node_unlink(&s->node);
        r->bytes -= s->bytes;
    }
    free(s);
    return NULL;
}

static void remove_oldest(ring *r)
{
    char path[PATH_MAX];
    ring_segment *s = SUT_CONTAINER(r->segments.next, ring_segment, node);
    ring_path(r, s->id, path, sizeof path);
    if (unlink(path) != 0 && errno != ENOENT)
        sut_log(SUT_WARN, NS, "capture.kept", SUT_KV("file", path), SUT_KV("error", strerror(errno)));
    ring_segment_free(r, s);
}

static void close_segment(ring *r)
{
    if (!r->open)
        return;
    if (r->open->count == 0 && !r->reading) { /* nothing came of it */
        char path[PATH_MAX];
        ring_path(r, r->open->id, path, sizeof path);
        unlink(path);
        ring_segment_free(r, r->open);
    }
    close(r->fd);
    r->fd = -1;
    r->open = NULL;
    seal_deinit(&r->seal);
}

static void trim(ring *r, int64_t now_us)
{
    while (!r->reading && !sut_list_empty(&r->segments)) {
        const ring_segment *s = SUT_CONTAINER(r->segments.next, ring_segment, node);
        const bool old = r->age_us && s->count && s->newest_us < now_us - r->age_us;
        if (s == r->open || (r->bytes + r->buffer.len <= r->bytes_max && !old))
            return;
        remove_oldest(r);
    }
}

/* From here to the next segment nothing is written, and what comes is lost. */
static void give_up(ring *r, int error, int64_t now_us)
{
    if (r->fault != error)
        sut_log(SUT_ERROR, NS, "capture.unwritable", SUT_KV("folder", r->dir), SUT_KV("error", strerror(error)));
    r->fault = error;
    r->retry_us = now_us + RETRY_US;
}

static sut_status make_file(ring *r, ring_segment *s)
{
    char path[PATH_MAX];
    uint8_t head[SEGMENT_HEAD_BYTES];
    segment_put_head(&s->head, head);
    ring_path(r, s->id, path, sizeof path);
    r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (r->fd < 0)
        return -errno;
    const ssize_t n = write(r->fd, head, sizeof head);
    if (n == (ssize_t)sizeof head)
        return 0;
    const sut_status st = n < 0 ? -errno : -ENOSPC;
    close(r->fd);
    r->fd = -1;
    unlink(path);
    return st;
}

static sut_status open_segment(ring *r, int64_t now_us)
{
    ring_segment *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    const sut_key *key = sut_keyring_signing(r->keys);
    s->id = r->next_id++;
    s->bytes = SEGMENT_HEAD_BYTES;
    s->head.made_us = now_us;
    memcpy(s->head.kid, key->kid, sizeof s->head.kid);
    sut_random(s->head.salt, sizeof s->head.salt);
    sut_status st = seal_init(&r->seal, key, s->head.salt);
    if (st == 0)
        st = make_file(r, s);
    if (st < 0) {
        seal_deinit(&r->seal);
        free(s);
        return st;
    }
    r->open = s;
    r->buffered = 0;
    r->bytes += s->bytes;
    sut_list_push_back(&r->segments, &s->node);
    if (r->fault)
        sut_log(SUT_INFO, NS, "capture.writable", SUT_KV("folder", r->dir));
    r->fault = 0;
    return 0;
}

/* ---- spans ---- */

static sut_status encode(ring *r, const sut_span *s)
{
    sut_buf_reset(&r->scratch);
    sut_buf_reset(&r->inner);
    sut_status st = span_put_meta(&r->scratch, s);
    if (st == 0)
        st = span_put_inner(&r->inner, s);
    if (st < 0)
        return st;
    return segment_put_record(&r->buffer, s->number, (sut_str){(const char *)r->scratch.data, r->scratch.len},
                              (sut_str){(const char *)r->inner.data, r->inner.len}, &r->seal);
}

void ring_add(ring *r, const sut_span *s, int64_t now_us)
{
    sut_span numbered = *s;
    ring_load(r); /* for the numbers */
    if (!r->open && now_us >= r->retry_us) {
        const sut_status st = open_segment(r, now_us);
        if (st < 0)
            give_up(r, -st, now_us);
    }
    numbered.number = r->next_number++;
    if (!r->open || encode(r, &numbered) < 0) {
        r->lost_total++;
        return;
    }
    r->buffered++;
    ring_note(r->open, &numbered);
    if (r->open->bytes + r->buffer.len >= r->segment_max || r->buffer.len >= BUFFER_MAX / 2)
        ring_flush(r, now_us);
}

/* A write that was cut short leaves a torn record, which readers would pass over; so does a crash. */
static sut_status write_buffer(ring *r)
{
    size_t done = 0;
    while (done < r->buffer.len) {
        const ssize_t n = write(r->fd, r->buffer.data + done, r->buffer.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            const sut_status st = n < 0 ? -errno : -ENOSPC;
            if (ftruncate(r->fd, (off_t)r->open->bytes) != 0)
                sut_log(SUT_WARN, NS, "capture.torn", SUT_KV("error", strerror(errno)));
            return st;
        }
        done += (size_t)n;
    }
    return 0;
}

static void write_out(ring *r, int64_t now_us)
{
    const sut_status st = write_buffer(r);
    if (st < 0) {
        r->lost_total += r->buffered;
        r->open->count -= r->buffered; /* its last number and times only narrow what is looked at: too wide is fine */
        r->buffer.len = 0;
        close_segment(r); /* its numbers are not used again: nor are its nonces */
        give_up(r, -st, now_us);
        return;
    }
    r->written_total += r->buffered;
    r->open->bytes += r->buffer.len;
    r->bytes += r->buffer.len;
    r->buffered = 0;
    r->buffer.len = 0;
}

void ring_flush(ring *r, int64_t now_us)
{
    if (r->open && r->buffer.len)
        write_out(r, now_us);
    if (r->open && (r->open->bytes >= r->segment_max || now_us - r->open->head.made_us >= r->roll_us ||
                    now_us < r->open->head.made_us - r->roll_us))
        close_segment(r);
    trim(r, now_us);
}

void ring_set_keys(ring *r, const sut_keyring *keys)
{
    ring_flush(r, sut_wall_us());
    close_segment(r);
    r->keys = keys;
}

/* ---- life ---- */

/* One broker a folder: two would write the same names. */
static sut_status take_folder(ring *r, char *error, size_t error_size)
{
    char path[PATH_MAX];
    if (mkdir(r->dir, 0700) != 0 && errno != EEXIST) {
        const int e = errno;
        snprintf(error, error_size, "%s: cannot be made: %s", r->dir, strerror(e));
        return -e;
    }
    (void)snprintf(path, sizeof path, "%s/lock", r->dir);
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_fd < 0 || flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        const int e = errno == EWOULDBLOCK ? EBUSY : errno;
        snprintf(error, error_size, "%s: %s", r->dir, e == EBUSY ? "another broker captures here" : strerror(e));
        return -e;
    }
    return 0;
}

static sut_status make_parts(ring *r, const ring_options *opt)
{
    r->dir = strdup(opt->dir);
    r->window = malloc(SCAN_WINDOW_BYTES);
    return r->dir && r->window && strlen(opt->dir) < PATH_MAX - 64 ? 0 : -ENOMEM;
}

sut_status ring_new(ring **out, const ring_options *opt, const sut_keyring *keys, char *error, size_t error_size)
{
    ring *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    const uint64_t part = opt->bytes / SEGMENTS;
    r->lock_fd = r->fd = -1;
    r->keys = keys;
    r->bytes_max = opt->bytes;
    r->segment_max = part < SEGMENT_LOW ? SEGMENT_LOW : part > SEGMENT_HIGH ? SEGMENT_HIGH : part;
    r->age_us = opt->age_us;
    r->roll_us = opt->age_us ? opt->age_us / SEGMENTS : INT64_MAX / 4;
    r->roll_us = r->roll_us < ROLL_LEAST ? ROLL_LEAST : r->roll_us;
    r->next_number = r->next_id = 1;
    sut_list_init(&r->segments);
    sut_buf_init(&r->buffer, BUFFER_MAX);
    sut_buf_init(&r->scratch, 0);
    sut_buf_init(&r->inner, 0);
    sut_status st = make_parts(r, opt);
    if (st < 0)
        snprintf(error, error_size, "no memory for the ring");
    else
        st = take_folder(r, error, error_size);
    if (st == 0 && (st = ring_list(r)) < 0)
        snprintf(error, error_size, "%s: cannot be read: %s", r->dir, strerror(-st));
    if (st < 0) {
        ring_free(r);
        return st;
    }
    *out = r;
    return 0;
}

ring *ring_free(ring *r)
{
    sut_node *n;
    if (!r)
        return NULL;
    if (r->open)
        ring_flush(r, sut_wall_us());
    close_segment(r);
    while ((n = sut_list_pop_front(&r->segments)) != NULL)
        ring_segment_free(r, SUT_CONTAINER(n, ring_segment, node));
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    sut_buf_deinit(&r->buffer);
    sut_buf_deinit(&r->scratch);
    sut_buf_deinit(&r->inner);
    free(r->found);
    free(r->window);
    free(r->dir);
    free(r);
    return NULL;
}

void ring_get_stats(const ring *r, ring_stats *out)
{
    *out = (ring_stats){.bytes = r->bytes,
                        .written_total = r->written_total,
                        .lost_total = r->lost_total,
                        .damaged_total = r->damaged_total,
                        .fault = r->fault};
    for (const sut_node *n = r->segments.next; n != &r->segments; n = n->next) {
        const ring_segment *s = SUT_CONTAINER(n, ring_segment, node);
        out->segments++;
        out->records += s->count;
        if (s->count && (!out->oldest_us || s->oldest_us < out->oldest_us))
            out->oldest_us = s->oldest_us;
    }
}
