/* The body of a tap's request, read by the record runtime from the tables below. */
#include "tap/tap.h"
#include "wire/record.h"

#include <stdio.h>

#define ERRORS_MAX 4

typedef struct tap_body {
    sut_list subjects, kinds;
    int64_t user_id, since, until, bytes_per_second;
    sut_str trace, key, reason;
    bool follow, personal;
    uint8_t has_subjects, has_kinds, has_user_id, has_since, has_until, has_bytes_per_second, has_trace, has_key, has_reason,
        has_follow, has_personal;
} tap_body;

static const sut_field s_pattern = {
    .name = "", .type = SUT_T_STRING, .has_offset = UINT16_MAX, .min_bytes = 1, .max_bytes = SUT_SUBJECT_MAX};
static const sut_field s_kind = {.name = "", .type = SUT_T_STRING, .has_offset = UINT16_MAX, .min_bytes = 1, .max_bytes = 8};

#define FIELD(field, kind, ...)                                                                                        \
    {                                                                                                                  \
        .name = #field, .name_len = sizeof(#field) - 1, .type = (kind), .offset = offsetof(tap_body, field),           \
        .has_offset = offsetof(tap_body, has_##field), __VA_ARGS__                                                     \
    }
static const sut_field s_fields[] = {
    FIELD(subjects, SUT_T_LIST, .max_items = SUT_TAP_PATTERNS, .element = &s_pattern),
    FIELD(kinds, SUT_T_LIST, .max_items = 8, .element = &s_kind),
    FIELD(user_id, SUT_T_I64, .has_min = true, .min_i = 1),
    FIELD(trace, SUT_T_STRING, .min_bytes = 32, .max_bytes = 32, .pattern = "[0-9a-f]{32}"),
    FIELD(key, SUT_T_STRING, .max_bytes = SUT_KEY_MAX),
    FIELD(since, SUT_T_I64, .has_min = true, .min_i = 0),
    FIELD(until, SUT_T_I64, .has_min = true, .min_i = 0),
    FIELD(follow, SUT_T_BOOL, .max_bytes = 0),
    FIELD(bytes_per_second, SUT_T_I64, .has_min = true, .min_i = 1024, .has_max = true, .max_i = SUT_TAP_BUDGET_MAX),
    FIELD(personal, SUT_T_BOOL, .max_bytes = 0),
    FIELD(reason, SUT_T_STRING, .max_bytes = 2000),
};
static const sut_record s_record = {
    .name = "tap", .fields = s_fields, .count = SUT_ARRAY_LEN(s_fields), .size = sizeof(tap_body)};

static unsigned kind_of(sut_str name)
{
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = {{"call", SUT_TAP_CALL}, {"reply", SUT_TAP_REPLY}, {"error", SUT_TAP_ERROR}, {"event", SUT_TAP_EVENT}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(kinds); i++)
        if (sut_str_is(name, kinds[i].name))
            return kinds[i].kind;
    return 0;
}

/* 0: one of them is none. */
static unsigned kinds_of(const tap_body *b)
{
    const sut_str *names = b->kinds.items;
    unsigned all = 0;
    if (!b->has_kinds || !b->kinds.count)
        return SUT_TAP_ALL;
    for (size_t i = 0; i < b->kinds.count; i++) {
        if (!kind_of(names[i]))
            return 0;
        all |= kind_of(names[i]);
    }
    return all;
}

int sut_tap_request_read(sut_str body, sut_arena *a, sut_tap_request *out, char *error, size_t error_size)
{
    sut_field_errors errs;
    tap_body b;
    sut_field_errors_init(&errs, a, ERRORS_MAX);
    if (sut_record_decode(&s_record, body, SUT_UNKNOWN_IGNORE, a, &b, &errs)) {
        if (errs.count)
            snprintf(error, error_size, "%.*s %.*s", SUT_STR_FMT(errs.items[0].pointer),
                     SUT_STR_FMT(errs.items[0].message));
        else
            snprintf(error, error_size, "the request cannot be read");
        return SUT_ERR_INVALID;
    }
    *out = (sut_tap_request){
        .subjects = b.subjects.items,
        .subject_count = b.has_subjects ? b.subjects.count : 0,
        .kinds = kinds_of(&b),
        .user_id = b.user_id,
        .trace = b.has_trace ? b.trace : SUT_STR_NONE,
        .key = b.has_key ? b.key : SUT_STR_NONE,
        .since_us = b.since,
        .until_us = b.until,
        .follow = b.has_follow ? b.follow : !b.has_until,
        .personal = b.has_personal && b.personal,
        .reason = b.has_reason ? b.reason : SUT_STR_NONE,
        .bytes_per_second = b.has_bytes_per_second ? (uint32_t)b.bytes_per_second : SUT_TAP_BUDGET_DEFAULT,
    };
    if (!out->kinds)
        snprintf(error, error_size, "/kinds must be of call, reply, error, event");
    else if (out->since_us && !(out->kinds & SUT_TAP_EVENT))
        snprintf(error, error_size, "/since: only events have a history; add event to kinds");
    else if (out->until_us && out->until_us < out->since_us)
        snprintf(error, error_size, "/until must not be before since");
    else
        return 0;
    return SUT_ERR_INVALID;
}
