/* Matching: header positions only. Patterns and rights are looked at once a subject: who is concerned is then a word of
 * bits in a small direct-mapped cache, which a change of taps or of the access list empties by its generation. */
#include "hub.h"

/* Its first and its last eight bytes and its length tell subjects apart well enough; what collides is looked up again.
 */
static uint32_t hash_subject(sut_str s)
{
    uint64_t first = 0, last = 0;
    memcpy(&first, s.ptr, s.len < sizeof first ? s.len : sizeof first);
    if (s.len > sizeof last)
        memcpy(&last, s.ptr + s.len - sizeof last, sizeof last);
    const uint64_t mixed = (first ^ last * UINT64_C(0x9e3779b97f4a7c15) ^ s.len) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32);
}

static bool asks_for(const sut_tap_request *r, sut_str subject)
{
    if (r->subject_count == 0)
        return true;
    for (size_t i = 0; i < r->subject_count; i++)
        if (sut_subject_match(r->subjects[i], subject))
            return true;
    return false;
}

static void fill(sut_tap_hub *h, tap_subject *slot, sut_str subject)
{
    slot->generation = h->generation;
    slot->len = (uint8_t)subject.len;
    slot->taps = 0;
    memcpy(slot->text, subject.ptr, subject.len);
    for (sut_node *n = h->taps.next; n != &h->taps; n = n->next) {
        const tap *t = SUT_CONTAINER(n, tap, node);
        if (asks_for(&t->request, subject) && h->ops.allows(h->app, t->session, subject))
            slot->taps |= UINT32_C(1) << t->slot;
    }
}

uint32_t tap_subject_mask(sut_tap_hub *h, sut_str subject)
{
    if (subject.len == 0 || subject.len > SUT_SUBJECT_MAX)
        return 0;
    tap_subject *slot = &h->subjects[hash_subject(subject) % TAP_SUBJECTS];
    if (slot->generation != h->generation || slot->len != subject.len ||
        memcmp(slot->text, subject.ptr, subject.len) != 0)
        fill(h, slot, subject);
    return slot->taps;
}

/* The trace id of a traceparent `00-<32 hex>-…`. */
static bool is_of_trace(const sut_sight *s, sut_str trace)
{
    return s->traceparent.len == SUT_TRACEPARENT_LEN && memcmp(s->traceparent.ptr + 3, trace.ptr, trace.len) == 0;
}

bool tap_wants(const tap *t, const sut_sight *s)
{
    const sut_tap_request *r = &t->request;
    if (!(r->kinds & s->kind))
        return false;
    if (r->user_id && r->user_id != s->principal.user_id)
        return false;
    if (r->key.ptr && (!s->key.ptr || !sut_str_eq(r->key, s->key)))
        return false;
    return !r->trace.ptr || is_of_trace(s, r->trace);
}
