/* What the files of the ring share. */
#ifndef SUT_CAPTURE_RING_STATE_H
#define SUT_CAPTURE_RING_STATE_H

#include "ring.h"
#include "scan.h"

#include "base/list.h"

typedef struct ring_segment {
    sut_node node;
    uint64_t id; /* its file's name */
    segment_head head;
    uint64_t first; /* number of its first record; 0: it has none yet */
    uint64_t last;
    int64_t oldest_us, newest_us; /* of its records' begins */
    uint64_t bytes;               /* of its file */
    uint64_t count;               /* records */
} ring_segment;

struct ring {
    char *dir;
    int lock_fd;
    uint64_t bytes_max, segment_max;
    int64_t age_us, roll_us;
    const sut_keyring *keys;
    sut_node segments; /* in order; the last one may be open for writing */
    uint64_t bytes;    /* of all files */
    uint64_t next_number, next_id;
    /* Files that were there at the start and are not read yet, in order. */
    uint64_t *found;
    size_t found_count;
    /* The segment that is written: */
    ring_segment *open;
    int fd;
    seal seal;
    sut_buf buffer;    /* not written yet */
    uint64_t buffered; /* records in it */
    int64_t retry_us;  /* not before, after a fault */
    sut_buf scratch, inner;
    uint8_t *window; /* of scans */
    bool reading;    /* segments must stay */
    uint64_t written_total, lost_total, damaged_total;
    int fault;
};

void ring_path(const ring *r, uint64_t id, char *out, size_t size);
ring_segment *ring_segment_free(ring *r, ring_segment *s); /* takes it off the list, too */
/* A span is in that segment. */
void ring_note(ring_segment *s, const sut_span *span);
/* ring_load.c */
typedef struct ring_file {
    int fd;
} ring_file;
/* Opens a segment's file for a scan; negative errno. */
SUT_MUST_CHECK sut_status ring_scan_open(ring *r, uint64_t id, ring_file *f, scan *s);
void ring_scan_close(ring_file *f);
SUT_MUST_CHECK sut_status ring_list(ring *r);

#endif
