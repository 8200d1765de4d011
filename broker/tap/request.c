/* The body of a tap request. Unlike elsewhere on the bus an unknown field is refused: a filter that is ignored would
 * show more than was asked for. */
#include "tap/tap.h"

#include "wire/record.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FIELD_ERRORS_MAX 4
#define TRACE_LEN        32
#define RATE_MIN         1024
#define RATE_MAX         (64u << 20)
#define REASON_CHARS     500
#define USER_ID_MAX      ((INT64_C(1) << 53) - 1)

typedef struct request_body {
    sut_list subjects, kinds;
    sut_str trace, key, reason;
    int64_t user_id, since, until, bytes_per_second;
    bool follow, personal;
    uint8_t has_subjects, has_kinds, has_trace, has_key, has_reason, has_user_id, has_since, has_until,
        has_bytes_per_second, has_follow, has_personal;
} request_body;

#define AT(field)                                                                                                      \
    .name = #field, .name_len = sizeof(#field) - 1, .offset = offsetof(request_body, field),                           \
    .has_offset = offsetof(request_body, has_##field)

static const sut_field subject = {
    .name = "", .type = SUT_T_STRING, .has_offset = UINT16_MAX, .min_bytes = 1, .max_bytes = SUT_SUBJECT_MAX};

static const sut_enum_value kind_values[] = {{"call", SUT_SIGHT_CALL, ""},
                                             {"reply", SUT_SIGHT_REPLY, ""},
                                             {"error", SUT_SIGHT_ERROR, ""},
                                             {"event", SUT_SIGHT_EVENT, ""}};
static const sut_enum_desc kind_names = {.name = "kind", .values = kind_values, .count = SUT_ARRAY_LEN(kind_values)};
static const sut_field kind = {.name = "", .type = SUT_T_ENUM, .has_offset = UINT16_MAX, .enumeration = &kind_names};

static const sut_field request_fields[] = {
    {AT(subjects), .type = SUT_T_LIST, .min_items = 1, .max_items = SUT_TAP_PATTERNS, .element = &subject},
    {AT(kinds), .type = SUT_T_LIST, .min_items = 1, .max_items = 4, .element = &kind},
    {AT(user_id), .type = SUT_T_I64, .has_min = true, .has_max = true, .min_i = 1, .max_i = USER_ID_MAX},
    {AT(trace), .type = SUT_T_STRING, .min_bytes = TRACE_LEN, .max_bytes = TRACE_LEN, .pattern = "[0-9a-fA-F]*"},
    {AT(key), .type = SUT_T_STRING, .max_bytes = SUT_KEY_MAX},
    {AT(since), .type = SUT_T_I64, .has_min = true, .has_max = true, .min_i = 0, .max_i = INT64_MAX},
    {AT(until), .type = SUT_T_I64, .has_min = true, .has_max = true, .min_i = 1, .max_i = INT64_MAX},
    {AT(follow), .type = SUT_T_BOOL},
    {AT(bytes_per_second), .type = SUT_T_I64, .has_min = true, .has_max = true, .min_i = RATE_MIN, .max_i = RATE_MAX},
    {AT(personal), .type = SUT_T_BOOL},
    {AT(reason), .type = SUT_T_STRING, .min_chars = 1, .max_chars = REASON_CHARS},
};
static const sut_record request_record = {
    .name = "tap", .fields = request_fields, .count = SUT_ARRAY_LEN(request_fields), .size = sizeof(request_body)};

/* A pattern is a subject whose tokens may be `*`, and its last one `>`. */
static bool pattern_valid(sut_str pattern)
{
    char plain[SUT_SUBJECT_MAX];
    if (pattern.len == 0 || pattern.len > sizeof plain)
        return false;
    for (size_t i = 0; i < pattern.len; i++) {
        const bool first = i == 0 || pattern.ptr[i - 1] == '.', last = i + 1 == pattern.len;
        const bool alone = first && (last || pattern.ptr[i + 1] == '.');
        const bool wild = (pattern.ptr[i] == '*' && alone) || (pattern.ptr[i] == '>' && alone && last);
        plain[i] = wild ? 'x' : pattern.ptr[i];
    }
    return sut_subject_valid((sut_str){plain, pattern.len});
}

static bool take_subjects(const request_body *in, sut_tap_request *out, char *error, size_t size)
{
    if (in->has_subjects != SUT_PRESENT)
        return true;
    out->subjects = in->subjects.items;
    out->subject_count = in->subjects.count;
    for (size_t i = 0; i < out->subject_count; i++) {
        if (pattern_valid(out->subjects[i]))
            continue;
        (void)snprintf(error, size, "/subjects/%zu: must be a pattern of subjects, like auth.login, post.* or user.>",
                       i);
        return false;
    }
    return true;
}

static void take_kinds(const request_body *in, sut_tap_request *out)
{
    const int32_t *items = in->kinds.items;
    for (size_t i = 0; in->has_kinds == SUT_PRESENT && i < in->kinds.count; i++)
        out->kinds |= (uint32_t)items[i];
    if (!out->kinds)
        out->kinds = SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR | SUT_SIGHT_EVENT;
}

/* Traces pass in lower case. */
static bool take_trace(const request_body *in, sut_arena *a, sut_tap_request *out)
{
    if (in->has_trace != SUT_PRESENT)
        return true;
    char *lower = sut_arena_alloc(a, TRACE_LEN + 1);
    for (size_t i = 0; lower && i < TRACE_LEN; i++)
        lower[i] = (char)tolower((unsigned char)in->trace.ptr[i]);
    out->trace = (sut_str){lower, lower ? TRACE_LEN : 0};
    return lower != NULL;
}

static bool convert(const request_body *in, sut_arena *a, sut_tap_request *out, char *error, size_t size)
{
    *out = (sut_tap_request){.user_id = in->has_user_id == SUT_PRESENT ? in->user_id : 0,
                             .key = in->has_key == SUT_PRESENT ? in->key : SUT_STR_NONE,
                             .has_since = in->has_since == SUT_PRESENT,
                             .has_until = in->has_until == SUT_PRESENT,
                             .personal = in->has_personal == SUT_PRESENT && in->personal,
                             .reason = in->has_reason == SUT_PRESENT ? in->reason : SUT_STR_NONE};
    out->since_us = out->has_since ? in->since : 0;
    out->until_us = out->has_until ? in->until : 0;
    out->follow = in->has_follow == SUT_PRESENT ? in->follow : !out->has_until;
    out->bytes_per_second = in->has_bytes_per_second == SUT_PRESENT ? (uint64_t)in->bytes_per_second : 0;
    take_kinds(in, out);
    if (!take_trace(in, a, out)) {
        (void)snprintf(error, size, "out of memory");
        return false;
    }
    if (out->has_since && out->has_until && out->since_us > out->until_us) {
        (void)snprintf(error, size, "/until is before /since");
        return false;
    }
    if (out->personal && out->reason.len == 0) {
        (void)snprintf(error, size, "/reason is required to see personal fields");
        return false;
    }
    return take_subjects(in, out, error, size);
}

bool sut_tap_request_read(sut_str body, sut_arena *a, sut_tap_request *out, char *error, size_t error_size)
{
    request_body in;
    sut_field_errors errors;
    sut_field_errors_init(&errors, a, FIELD_ERRORS_MAX);
    const sut_status st = sut_record_decode(&request_record, body, SUT_UNKNOWN_REFUSE, a, &in, &errors);
    if (st == 0)
        return convert(&in, a, out, error, error_size);
    (void)snprintf(error, error_size, st < 0 ? "out of memory" : "the request cannot be read");
    if (st == SUT_RECORD_INVALID && errors.count > 0)
        (void)snprintf(error, error_size, "%.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                       SUT_STR_FMT(errors.items[0].message));
    return false;
}
