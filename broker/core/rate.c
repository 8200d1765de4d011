/* How fast a service works off its queue, measured only while it has one: so the number says what the service can do,
 * and not how little was asked of it. */
#include "state.h"

#define RETRY_MIN_MS  10
#define RETRY_MAX_MS  5000
#define TRUST_ANSWERS 32 /* fewer say too little to refuse calls by */
#define TRUST_NS      (20 * SUT_NS_PER_MS)

void core_rate_queue_begins(const sut_core *c, core_rate *r)
{
    *r = (core_rate){.window_ns = c->now_ns};
}

void core_rate_answered(const sut_core *c, core_rate *r)
{
    uint64_t took = c->now_ns - r->window_ns;
    if (took >= SUT_NS_PER_S) {
        r->per_s = r->answers * SUT_NS_PER_S / took;
        r->window_ns = c->now_ns;
        r->answers = 0;
    }
    r->answers++;
}

/* Answers a second; 0: not known yet. */
static uint64_t per_second(const sut_core *c, const core_rate *r)
{
    uint64_t took = c->now_ns - r->window_ns;
    if (r->per_s > 0 && took < SUT_NS_PER_S)
        return r->per_s;
    return r->answers >= TRUST_ANSWERS && took >= TRUST_NS ? r->answers * SUT_NS_PER_S / took : 0;
}

uint32_t core_rate_answer_ms(const sut_core *c, const core_service *s)
{
    uint64_t rate = per_second(c, &s->rate);
    uint64_t before = (uint64_t)s->queued + s->in_flight;
    uint64_t ms = rate > 0 ? before * 1000 / rate : 0;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

uint32_t core_rate_retry_after_ms(const sut_core *c, const core_service *s)
{
    if (per_second(c, &s->rate) == 0)
        return CORE_RETRY_UNKNOWN_MS;
    uint32_t ms = core_rate_answer_ms(c, s);
    return ms < RETRY_MIN_MS ? RETRY_MIN_MS : ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
}
