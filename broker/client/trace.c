/* W3C Trace Context, level 1: version 00, trace id and flags kept from a parent or new, a new span id. */
#include "sut.h"

#include "base/clock.h"

#include <string.h>

/* Ids need to be unique, not secret: a generator a thread, seeded once, spares a system call a call. */
static uint64_t next_random(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        sut_random(&state, sizeof state);
    return sut_prng(&state);
}

static bool hex_lower(const char *p, size_t len, bool *all_zero)
{
    *all_zero = true;
    for (size_t i = 0; i < len; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
        if (p[i] != '0')
            *all_zero = false;
    }
    return true;
}

bool sut_traceparent_valid(sut_str s)
{
    bool version_zero, trace_zero, span_zero, flags_zero;
    if (s.len != SUT_TRACEPARENT_LEN || !s.ptr)
        return false;
    const char *p = s.ptr;
    return hex_lower(p, 2, &version_zero) && version_zero && p[2] == '-' && hex_lower(p + 3, 32, &trace_zero) &&
           !trace_zero && p[35] == '-' && hex_lower(p + 36, 16, &span_zero) && !span_zero && p[52] == '-' &&
           hex_lower(p + 53, 2, &flags_zero);
}

void sut_traceparent_make(sut_str parent, char out[SUT_TRACEPARENT_LEN + 1])
{
    uint64_t id[3] = {next_random(), next_random(), next_random() | 1};
    id[0] |= 1;            /* neither id may be all zero */
    memcpy(out, "00-", 3); // NOLINT(bugprone-not-null-terminated-result): the last part brings the end
    bool continued = sut_traceparent_valid(parent);
    if (continued)
        memcpy(out + 3, parent.ptr + 3, 32);
    else
        sut_hex(id, 16, out + 3);
    out[35] = '-';
    sut_hex(&id[2], 8, out + 36);
    memcpy(out + 52, "-00", 4);
    if (continued)
        memcpy(out + 53, parent.ptr + 53, 2);
}
