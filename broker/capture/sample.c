/* Head sampling and allowances. */
#include "sample.h"

#include <string.h>

#define QUIET_WINDOWS 100 /* a second */

static uint64_t limit_of(const sampler *s)
{
    return s->one_in ? UINT64_MAX / s->one_in >> s->shift : 0;
}

void sampler_init(sampler *s, uint32_t one_in, uint64_t slow_us, bool flagged, uint32_t sights_per_second)
{
    const uint32_t windows = 1000000 / SAMPLE_WINDOW_US;
    *s = (sampler){.one_in = one_in,
                   .slow_us = slow_us,
                   .flagged = flagged,
                   .allowance = sights_per_second < windows ? 1 : sights_per_second / windows};
    s->below = limit_of(s);
}

/* Multiply and fold (as in wyhash) over the 32 hex digits: a client may choose ids as it likes, and evenly spread ones
 * stay so. Always the same, so that brokers and restarts agree. */
static uint64_t trace_hash(const char *hex)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15), word;
    for (size_t i = 0; i < 4; i++) {
        memcpy(&word, hex + 8 * i, sizeof word);
        const unsigned __int128 m = (unsigned __int128)(hash ^ word) * UINT64_C(0xe7037ed1a0b428db);
        hash = (uint64_t)m ^ (uint64_t)(m >> 64);
    }
    return hash;
}

static bool is_flagged(sut_str traceparent)
{
    const char low = traceparent.ptr[SUT_TRACEPARENT_LEN - 1];
    return (low >= 'a' ? low - 'a' + 10 : low - '0') & 1;
}

bool sampler_picks(const sampler *s, sut_str traceparent)
{
    if (traceparent.len != SUT_TRACEPARENT_LEN)
        return false;
    if (s->flagged && is_flagged(traceparent))
        return true;
    return trace_hash(traceparent.ptr + 3) < s->below;
}

static bool is_urgent(const sampler *s, const sut_sight *sight)
{
    if (sight->kind == SUT_SIGHT_ERROR || (s->slow_us && sight->took_us >= s->slow_us))
        return true;
    return sight->kind == SUT_SIGHT_DELIVERY && !sut_str_is(sight->code, "acked");
}

/* The rate follows what comes: halved at once when the window overflows, doubled after a quiet second. */
static void new_window(sampler *s, int64_t window)
{
    const uint32_t sampled = s->used[SAMPLE_SAMPLED];
    const int64_t gone = window - s->window;
    if (sampled > s->allowance && s->shift < SAMPLE_SHIFT_MAX) {
        s->shift++;
        s->quiet = 0;
    } else if (sampled * 4 > s->allowance) {
        s->quiet = 0;
    } else if (s->shift) {
        s->quiet += gone > 0 && gone < QUIET_WINDOWS ? (uint32_t)gone : QUIET_WINDOWS;
        if (s->quiet >= QUIET_WINDOWS) {
            s->shift--;
            s->quiet = 0;
        }
    }
    s->below = limit_of(s);
    s->window = window;
    memset(s->used, 0, sizeof s->used);
}

static bool allow(sampler *s, sample_class class, int64_t at_us, uint32_t sights)
{
    const int64_t window = at_us / SAMPLE_WINDOW_US;
    if (window != s->window)
        new_window(s, window);
    s->used[class] += sights;
    if (s->used[class] <= s->allowance)
        return true;
    s->passed_total += sights;
    return false;
}

sample_class sampler_pick(sampler *s, sut_str traceparent, int64_t at_us)
{
    const sample_class class = sampler_picks(s, traceparent) ? SAMPLE_SAMPLED : SAMPLE_RECENT;
    return allow(s, class, at_us, 2) ? class : SAMPLE_PASS; /* its begin and its end */
}

sample_class sampler_judge(sampler *s, const sut_sight *sight)
{
    const bool of_call = sight->kind & (SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR);
    if (of_call && sight->picked)
        return (sample_class)sight->picked;
    sample_class class = is_urgent(s, sight) ? SAMPLE_URGENT : SAMPLE_RECENT;
    if (of_call && class == SAMPLE_RECENT)
        return SAMPLE_PASS;
    if (!of_call && sampler_picks(s, sight->traceparent))
        class = SAMPLE_SAMPLED;
    return allow(s, class, sight->at_us, 1) ? class : SAMPLE_PASS;
}
