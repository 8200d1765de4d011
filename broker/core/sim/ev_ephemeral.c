/* What an ephemeral subscriber is owed: each position that its filter takes is given, in order and once, or lies in a
 * gap that it was told of; a marker claims that nothing is missing up to it. */
#include "events.h"

#include "wire/record.h"

static bool wants(const ev_world *w, const ev_listener *k, uint64_t sequence)
{
    const ev_event *e = &w->log[sequence];
    return (k->patterns >> e->subject & 1) && (!k->key || e->key == k->key) && (!k->user || e->user == k->user);
}

static void must_be_told(ev_world *w, const ev_listener *k, uint64_t below)
{
    for (uint64_t s = k->next; s < below && s < w->next; s++) {
        if (wants(w, k, s))
            ev_broke(w, "a subscriber was told neither of this nor of a gap", 0, s);
    }
}

static void delivered(ev_world *w, ev_listener *k, uint64_t sequence)
{
    if (sequence < k->next || sequence >= w->next || !wants(w, k, sequence)) {
        ev_broke(w, "a subscriber got what it is not to get", 0, sequence);
        return;
    }
    must_be_told(w, k, sequence);
    k->next = sequence + 1;
    if (k->out_count == k->credits)
        ev_broke(w, "a subscriber got more than its credits", 0, sequence);
    else
        k->out[k->out_count++] = sequence;
}

typedef struct gap_body {
    int64_t from, to;
    sut_str reason;
} gap_body;

static const sut_field gap_fields[] = {
    {.name = "from",
     .name_len = 4,
     .type = SUT_T_I64,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(gap_body, from),
     .has_offset = UINT16_MAX},
    {.name = "to",
     .name_len = 2,
     .type = SUT_T_I64,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(gap_body, to),
     .has_offset = UINT16_MAX},
    {.name = "reason",
     .name_len = 6,
     .type = SUT_T_STRING,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(gap_body, reason),
     .has_offset = UINT16_MAX},
};
static const sut_record gap_record = {
    .name = "gap", .fields = gap_fields, .count = SUT_ARRAY_LEN(gap_fields), .size = sizeof(gap_body)};

static bool read_gap(sut_arena *a, sut_str body, gap_body *out)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, a, 1);
    return sut_record_decode(&gap_record, body, SUT_UNKNOWN_REFUSE, a, out, &errors) == 0 && out->from > 0 &&
           out->from <= out->to;
}

static void gap(ev_world *w, ev_listener *k, sut_str body)
{
    sut_arena *a = NULL;
    gap_body b = {0};
    const bool read = sut_arena_new(&a, 0) == 0 && read_gap(a, body, &b);
    const bool slow = read && sut_str_is(b.reason, "slow"), eaten = read && sut_str_is(b.reason, "retention");
    const uint64_t from = (uint64_t)b.from, to = (uint64_t)b.to;
    sut_arena_free(a);
    if (!read || to >= w->next) {
        ev_broke(w, "a gap that is none", 0, from);
        return;
    }
    if (from < k->next)
        ev_broke(w, "a gap over what was given", 0, from);
    if (eaten && to >= w->oldest)
        ev_broke(w, "a gap over what is still there", 0, to);
    ev_saw(w, slow ? SIM_PATH_SLOW_GAP : SIM_PATH_LISTENER_GAP);
    must_be_told(w, k, from);
    k->next = to + 1;
}

void ev_listener_heard(ev_world *w, ev_listener *k, const sut_envelope *env)
{
    switch (env->kind) {
    case SUT_DELIVER: delivered(w, k, env->opt.sequence); break;
    case SUT_GAP: gap(w, k, env->body); break;
    case SUT_MARKER:
        must_be_told(w, k, env->opt.sequence + 1);
        if (env->opt.sequence >= w->next)
            ev_broke(w, "a marker beyond the end", 0, env->opt.sequence);
        if (env->opt.sequence >= k->next)
            k->next = env->opt.sequence + 1;
        ev_saw(w, SIM_PATH_MARKER);
        break;
    default: break;
    }
}
