/* Reads the records of a segment one after the other, through a window, and passes over whatever is damaged. */
#ifndef SUT_CAPTURE_SCAN_H
#define SUT_CAPTURE_SCAN_H

#include "segment.h"

#define SCAN_WINDOW_BYTES (1u << 20)

typedef struct scan {
    /* Bytes that follow, or 0 at the end; a failure is an end, too. */
    size_t (*read)(void *arg, uint8_t *out, size_t size);
    void *arg;
    uint8_t *window; /* SCAN_WINDOW_BYTES, the caller's */
    size_t at, len;
    bool over;
    uint64_t damaged; /* places that were passed over */
} scan;

/* The head first; NULL, or why it is none. */
const char *scan_begin(scan *s, segment_head *head);
/* The next sound record, which is good until the next call. False: that was all. */
bool scan_next(scan *s, segment_record *out);

#endif
