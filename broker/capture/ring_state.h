/* What the files of the ring share. */
#ifndef SUT_CAPTURE_RING_STATE_H
#define SUT_CAPTURE_RING_STATE_H

#include "ring.h"

#include "base/list.h"

typedef struct ring_entry {
    uint32_t trace, user; /* hashes */
    uint32_t offset;      /* in its file */
    uint32_t number;      /* behind its segment's first */
    uint32_t at_s;        /* since 1970: of its begin */
} ring_entry;

typedef struct ring_segment {
    sut_node node;
    uint64_t id; /* its file's name */
    segment_head head;
    uint64_t first; /* number of its first record; 0: it has none yet */
    uint64_t last;
    int64_t oldest_us, newest_us; /* of its records' begins */
    uint64_t bytes;               /* of its file */
    ring_entry *entries;
    size_t count, cap;
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
    sut_buf buffer;   /* not written yet */
    size_t flushed;   /* entries of it that are on disk */
    int64_t retry_us; /* not before, after a fault */
    sut_buf scratch, inner;
    /* The segment that was read last: */
    uint64_t read_id;
    int read_fd;
    seal read_seal;
    bool read_sealed; /* read_seal fits it */
    uint8_t *record;  /* SEGMENT_RECORD_MAX */
    uint64_t written_total, lost_total, damaged_total;
    int fault;
};

uint32_t ring_trace_hash(const uint8_t trace_id[SUT_TRACE_ID_BYTES]);
uint32_t ring_user_hash(int64_t user_id);
SUT_MUST_CHECK sut_status ring_index(ring_segment *s, const sut_span *span, uint64_t offset);
void ring_path(const ring *r, uint64_t id, char *out, size_t size);
ring_segment *ring_segment_free(ring *r, ring_segment *s); /* takes it off the list, too */
void ring_forget_read(ring *r);                            /* closes the file that was read last */
/* ring_load.c */
SUT_MUST_CHECK sut_status ring_list(ring *r);

#endif
