/* The window always holds as much as a record may have from where it looks, so that one is never cut by its edge. */
#include "scan.h"

#include <string.h>

_Static_assert(SCAN_WINDOW_BYTES >= 2 * SEGMENT_RECORD_MAX, "a record fits, and moving the rest is rare");

static void fill(scan *s, size_t wanted)
{
    if (s->over || s->len - s->at >= wanted)
        return;
    memmove(s->window, s->window + s->at, s->len - s->at);
    s->len -= s->at;
    s->at = 0;
    while (!s->over && s->len < SCAN_WINDOW_BYTES) {
        const size_t n = s->read(s->arg, s->window + s->len, SCAN_WINDOW_BYTES - s->len);
        s->over = n == 0;
        s->len += n;
    }
}

const char *scan_begin(scan *s, segment_head *head)
{
    s->at = s->len = 0;
    s->over = false;
    s->damaged = 0;
    fill(s, SEGMENT_HEAD_BYTES);
    const char *why = segment_get_head(s->window, s->len, head);
    if (!why)
        s->at = SEGMENT_HEAD_BYTES;
    return why;
}

bool scan_next(scan *s, segment_record *out)
{
    for (bool torn = false;;) {
        fill(s, SEGMENT_RECORD_MAX);
        if (s->at == s->len)
            return false;
        if (segment_get_record(s->window, s->len, s->at, out)) {
            s->at += out->bytes;
            return true;
        }
        s->damaged += !torn;
        torn = true;
        s->at = segment_next_mark(s->window, s->len, s->at + 1, s->over);
    }
}
