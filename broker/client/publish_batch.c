/* Bodies of a publish of several events, and of its answer (docs/protocol.md, "Publishing"). */
#include "client.h"

#include "wire/msgpack.h"
#include "wire/record.h"

#include <errno.h>

#define FIELD_ERRORS_MAX 1

/* ---- the events ---- */

static bool same_principal(const sut_principal *a, const sut_principal *b)
{
    if (!a || !b)
        return a == b;
    return a->user_id == b->user_id && a->level == b->level && sut_str_eq(a->session, b->session);
}

void client_batch_common(const sut_publish *events, size_t count, client_batch_shares *out)
{
    *out = (client_batch_shares){.principal = true, .replayed = true};
    for (size_t i = 1; i < count; i++) {
        out->principal &= same_principal(events[0].principal, events[i].principal);
        out->replayed &= events[0].replayed == events[i].replayed;
    }
}

static sut_status add_text(sut_buf *b, const char *name, sut_str value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_str(b, value);
}

static sut_status add_bytes(sut_buf *b, const char *name, sut_str value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_bin(b, value);
}

static sut_status add_number(sut_buf *b, const char *name, uint64_t value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_uint(b, value);
}

static sut_status add_principal(sut_buf *b, const sut_principal *p)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("principal"));
    if (!st)
        st = sut_mp_add_map(b, p->session.ptr ? 3 : 2);
    if (!st)
        st = add_number(b, "user_id", (uint64_t)p->user_id);
    if (!st)
        st = add_number(b, "level", (uint64_t)p->level);
    return st || !p->session.ptr ? st : add_text(b, "session", p->session);
}

static sut_status add_replayed(sut_buf *b)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("replayed"));
    return st ? st : sut_mp_add_bool(b, true);
}

static sut_str trace_of(const sut_publish *e, char made[SUT_TRACEPARENT_LEN + 1])
{
    if (e->traceparent.ptr)
        return e->traceparent;
    sut_traceparent_make(SUT_STR_NONE, made);
    return (sut_str){made, SUT_TRACEPARENT_LEN};
}

static sut_status add_event(sut_buf *b, const sut_publish *e, const client_batch_shares *shares)
{
    uint8_t id[SUT_EVENT_ID_LEN];
    char trace[SUT_TRACEPARENT_LEN + 1];
    bool principal = !shares->principal && e->principal && e->principal->user_id;
    bool replayed = !shares->replayed && e->replayed;
    if (!e->event_id)
        sut_event_id_make(id);
    size_t fields = 4u + (e->key.ptr != NULL) + (e->number > 0) + (e->not_before_us > 0) + principal + replayed;
    sut_status st = sut_mp_add_map(b, fields);
    if (!st)
        st = add_text(b, "subject", e->subject);
    if (!st && e->key.ptr)
        st = add_text(b, "key", e->key);
    if (!st)
        st = add_bytes(b, "event_id", (sut_str){(const char *)(e->event_id ? e->event_id : id), SUT_EVENT_ID_LEN});
    if (!st && e->number)
        st = add_number(b, "number", e->number);
    if (!st && e->not_before_us > 0)
        st = add_number(b, "not_before", (uint64_t)e->not_before_us);
    if (!st && principal)
        st = add_principal(b, e->principal);
    if (!st && replayed)
        st = add_replayed(b);
    if (!st)
        st = add_text(b, "traceparent", trace_of(e, trace));
    return st ? st : add_bytes(b, "body", e->body);
}

sut_status client_batch_encode(sut_buf *out, const sut_publish *events, size_t count, const client_batch_shares *shares)
{
    sut_status st = sut_mp_add_map(out, 1);
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("events"));
    if (!st)
        st = sut_mp_add_array(out, count);
    for (size_t i = 0; i < count && !st; i++)
        st = add_event(out, &events[i], shares);
    return st;
}

/* ---- the answer ---- */

typedef struct batch_answer {
    sut_list sequences, duplicates;
} batch_answer;

static const sut_field sequence_element = {.name = "",
                                           .type = SUT_T_I64,
                                           .has_offset = UINT16_MAX,
                                           .has_min = true,
                                           .has_max = true,
                                           .min_i = 0,
                                           .max_i = INT64_MAX};
static const sut_field duplicate_element = {.name = "", .type = SUT_T_BOOL, .has_offset = UINT16_MAX};
static const sut_field answer_fields[] = {
    {.name = "sequences",
     .name_len = 9,
     .type = SUT_T_LIST,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_answer, sequences),
     .has_offset = UINT16_MAX,
     .max_items = SUT_PUBLISH_MAX,
     .element = &sequence_element},
    {.name = "duplicates",
     .name_len = 10,
     .type = SUT_T_LIST,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_answer, duplicates),
     .has_offset = UINT16_MAX,
     .max_items = SUT_PUBLISH_MAX,
     .element = &duplicate_element},
};
static const sut_record answer_record = {.name = "batch_answer",
                                         .fields = answer_fields,
                                         .count = SUT_ARRAY_LEN(answer_fields),
                                         .size = sizeof(batch_answer)};

sut_status client_batch_answer(sut_arena *a, sut_str body, size_t count, sut_published *out)
{
    batch_answer answer;
    sut_field_errors errors;
    sut_field_errors_init(&errors, a, FIELD_ERRORS_MAX);
    if (sut_record_decode(&answer_record, body, SUT_UNKNOWN_IGNORE, a, &answer, &errors) != 0 ||
        answer.sequences.count != count || answer.duplicates.count != count)
        return -EBADMSG;
    out->sequences = answer.sequences.items; /* checked to be 0 and up */
    out->duplicates = answer.duplicates.items;
    out->count = count;
    return 0;
}
