/* Bodies of subscribe, its reply and a gap (docs/protocol.md, "Subscribing"). */
#include "subscribe.h"

#include "wire/msgpack.h"
#include "wire/record.h"

#define FIELD_ERRORS_MAX 1

static sut_status add_text(sut_buf *b, const char *name, const char *value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_str(b, sut_str_from(value));
}

static sut_status add_number(sut_buf *b, const char *name, uint64_t value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_uint(b, value);
}

static sut_status add_subjects(sut_buf *b, const sut_subscribe *opt)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("subjects"));
    if (!st)
        st = sut_mp_add_array(b, opt->subject_count);
    for (size_t i = 0; i < opt->subject_count && !st; i++)
        st = sut_mp_add_str(b, sut_str_from(opt->subjects[i]));
    return st;
}

static sut_status add_start_at(sut_buf *b, const char *what, uint64_t value)
{
    sut_status st = sut_mp_add_map(b, 1);
    return st ? st : add_number(b, what, value);
}

static sut_status add_start(sut_buf *b, const sut_subscribe *opt, uint64_t next)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("start"));
    if (st)
        return st;
    if (next)
        return add_start_at(b, "sequence", next);
    switch (opt->start) {
    case SUT_START_BEGINNING: return sut_mp_add_str(b, SUT_STR("beginning"));
    case SUT_START_SEQUENCE: return add_start_at(b, "sequence", opt->start_sequence);
    case SUT_START_TIME: return add_start_at(b, "time", (uint64_t)opt->start_time_us);
    case SUT_START_END: break;
    }
    return sut_mp_add_str(b, SUT_STR("end"));
}

sut_status client_subscribe_encode(sut_buf *out, const sut_subscribe *opt, uint64_t next)
{
    bool waits = opt->group && opt->ack_wait_ms;
    size_t fields = 3u + (opt->group != NULL) + waits + (opt->key != NULL) + (opt->user_id != 0);
    sut_status st = sut_mp_add_map(out, fields);
    if (!st)
        st = add_subjects(out, opt);
    if (!st && opt->group)
        st = add_text(out, "group", opt->group);
    if (!st)
        st = add_number(out, "credits", opt->credits);
    if (!st)
        st = add_start(out, opt, next);
    if (!st && waits)
        st = add_number(out, "ack_wait_ms", opt->ack_wait_ms);
    if (!st && opt->key)
        st = add_text(out, "key", opt->key);
    if (!st && opt->user_id)
        st = add_number(out, "user_id", (uint64_t)opt->user_id);
    return st;
}

/* ---- what the broker says ---- */

typedef struct subscribed_body {
    int64_t position;
    uint8_t has_position;
} subscribed_body;

typedef struct gap_body {
    int64_t from, to;
    sut_str reason;
    uint8_t has_from, has_to, has_reason;
} gap_body;

#define SEQUENCE_FIELD(record, field, length)                                                                          \
    {                                                                                                                  \
        .name = #field, .name_len = (length), .type = SUT_T_I64, .offset = offsetof(record, field),                    \
        .has_offset = offsetof(record, has_##field), .has_min = true, .has_max = true, .max_i = INT64_MAX              \
    }

static const sut_field subscribed_fields[] = {SEQUENCE_FIELD(subscribed_body, position, 8)};
static const sut_record subscribed_record = {.name = "subscribed",
                                             .fields = subscribed_fields,
                                             .count = SUT_ARRAY_LEN(subscribed_fields),
                                             .size = sizeof(subscribed_body)};
static const sut_field gap_fields[] = {
    SEQUENCE_FIELD(gap_body, from, 4),
    SEQUENCE_FIELD(gap_body, to, 2),
    {.name = "reason",
     .name_len = 6,
     .type = SUT_T_STRING,
     .offset = offsetof(gap_body, reason),
     .has_offset = offsetof(gap_body, has_reason)},
};
static const sut_record gap_record = {
    .name = "gap", .fields = gap_fields, .count = SUT_ARRAY_LEN(gap_fields), .size = sizeof(gap_body)};

static bool decode(const sut_record *record, sut_arena *scratch, sut_str body, void *out)
{
    sut_field_errors errors;
    sut_arena_reset(scratch);
    sut_field_errors_init(&errors, scratch, FIELD_ERRORS_MAX);
    return sut_record_decode(record, body, SUT_UNKNOWN_IGNORE, scratch, out, &errors) == 0;
}

uint64_t client_subscribed_position(sut_arena *scratch, sut_str body)
{
    subscribed_body b;
    return decode(&subscribed_record, scratch, body, &b) && b.has_position ? (uint64_t)b.position : 0;
}

void client_gap_decode(sut_arena *scratch, sut_str body, sut_sub_notice *out)
{
    gap_body b;
    *out = (sut_sub_notice){.news = SUT_SUB_GAP, .text = SUT_STR("")};
    if (!decode(&gap_record, scratch, body, &b))
        return;
    out->from = b.has_from ? (uint64_t)b.from : 0;
    out->to = b.has_to ? (uint64_t)b.to : 0;
    if (b.has_reason)
        out->text = b.reason;
}
