/* The body of subscribe. `start` is a word or a map, which no one record describes: it is read for itself, as either.
 */
#include "event_state.h"

#include "base/arena.h"
#include "wire/record.h"

#include <stdio.h>

#define FIELD_ERRORS_MAX  4
#define CREDITS_GROUP     64
#define CREDITS_EPHEMERAL 1024
#define CREDITS_MAX       4096

typedef struct wanted_body {
    sut_list subjects;
    sut_str group, key;
    int64_t user_id;
    int32_t credits, ack_wait_ms;
    uint8_t has_group, has_key, has_user_id, has_credits, has_ack_wait_ms;
} wanted_body;

typedef struct start_word {
    sut_str start;
    uint8_t has_start;
} start_word;

typedef struct start_place {
    int64_t sequence, time;
    uint8_t has_sequence, has_time;
} start_place;

typedef struct start_map {
    const start_place *start;
    uint8_t has_start;
} start_map;

static const sut_field subject_element = {
    .name = "", .type = SUT_T_STRING, .has_offset = UINT16_MAX, .min_bytes = 1, .max_bytes = SUT_SUBJECT_MAX};

#define NUMBER_FIELD(of, field, field_type, min, max)                                                                  \
    {                                                                                                                  \
        .name = #field, .name_len = sizeof(#field) - 1, .type = (field_type), .offset = offsetof(of, field),           \
        .has_offset = offsetof(of, has_##field), .has_min = true, .has_max = true, .min_i = (min), .max_i = (max)      \
    }

static const sut_field wanted_fields[] = {
    {.name = "subjects",
     .name_len = 8,
     .type = SUT_T_LIST,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(wanted_body, subjects),
     .has_offset = UINT16_MAX,
     .min_items = 1,
     .max_items = SUT_GROUP_SUBJECTS,
     .element = &subject_element},
    {.name = "group",
     .name_len = 5,
     .type = SUT_T_STRING,
     .offset = offsetof(wanted_body, group),
     .has_offset = offsetof(wanted_body, has_group),
     .min_bytes = 1,
     .max_bytes = SUT_GROUP_NAME_MAX},
    {.name = "key",
     .name_len = 3,
     .type = SUT_T_STRING,
     .offset = offsetof(wanted_body, key),
     .has_offset = offsetof(wanted_body, has_key),
     .max_bytes = SUT_KEY_MAX},
    NUMBER_FIELD(wanted_body, user_id, SUT_T_I64, 1, INT64_MAX),
    NUMBER_FIELD(wanted_body, credits, SUT_T_I32, 1, CREDITS_MAX),
    NUMBER_FIELD(wanted_body, ack_wait_ms, SUT_T_I32, CORE_ACK_WAIT_MIN_MS, CORE_ACK_WAIT_MAX_MS),
};
static const sut_record wanted_record = {
    .name = "subscribe", .fields = wanted_fields, .count = SUT_ARRAY_LEN(wanted_fields), .size = sizeof(wanted_body)};

static const sut_field word_fields[] = {{.name = "start",
                                         .name_len = 5,
                                         .type = SUT_T_STRING,
                                         .offset = offsetof(start_word, start),
                                         .has_offset = offsetof(start_word, has_start),
                                         .pattern = "end|beginning"}};
static const sut_record word_record = {
    .name = "start", .fields = word_fields, .count = SUT_ARRAY_LEN(word_fields), .size = sizeof(start_word)};

static const sut_field place_fields[] = {
    NUMBER_FIELD(start_place, sequence, SUT_T_I64, 1, INT64_MAX),
    NUMBER_FIELD(start_place, time, SUT_T_I64, 1, INT64_MAX),
};
static const sut_record place_record = {
    .name = "place", .fields = place_fields, .count = SUT_ARRAY_LEN(place_fields), .size = sizeof(start_place)};
static const sut_field map_fields[] = {{.name = "start",
                                        .name_len = 5,
                                        .type = SUT_T_RECORD,
                                        .offset = offsetof(start_map, start),
                                        .has_offset = offsetof(start_map, has_start),
                                        .record = &place_record}};
static const sut_record map_record = {
    .name = "start", .fields = map_fields, .count = SUT_ARRAY_LEN(map_fields), .size = sizeof(start_map)};

static bool decode(sut_core *c, const sut_record *desc, sut_str body, void *out, char *message, size_t size)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, c->arena, FIELD_ERRORS_MAX);
    sut_status st = sut_record_decode(desc, body, SUT_UNKNOWN_IGNORE, c->arena, out, &errors);
    if (st == 0)
        return true;
    (void)snprintf(message, size, "subscribe: its body cannot be read");
    if (st == SUT_RECORD_INVALID && errors.count > 0)
        (void)snprintf(message, size, "subscribe: %.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                       SUT_STR_FMT(errors.items[0].message));
    return false;
}

static bool read_start(sut_core *c, sut_str body, core_wanted *w, char *message, size_t size)
{
    start_word word;
    start_map map;
    if (decode(c, &word_record, body, &word, message, size)) {
        w->start = word.has_start && sut_str_is(word.start, "beginning") ? CORE_START_BEGINNING : CORE_START_END;
        return true;
    }
    if (!decode(c, &map_record, body, &map, message, size) || !map.start ||
        map.start->has_sequence == map.start->has_time) {
        (void)snprintf(message, size,
                       "subscribe: /start: write \"end\", \"beginning\", {\"sequence\": n} or {\"time\": µs}");
        return false;
    }
    w->start = map.start->has_time ? CORE_START_TIME : CORE_START_SEQUENCE;
    w->start_sequence = (uint64_t)map.start->sequence;
    w->start_time_us = map.start->time;
    return true;
}

static bool name_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

bool core_group_name_valid(sut_str s)
{
    if (s.len == 0 || s.len > SUT_GROUP_NAME_MAX || !name_char(s.ptr[0]))
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if (!name_char(s.ptr[i]) && s.ptr[i] != '_' && s.ptr[i] != '.' && s.ptr[i] != '-')
            return false;
    }
    return true;
}

static bool token_valid(sut_str token, bool last)
{
    if (sut_str_is(token, "*") || (last && sut_str_is(token, ">")))
        return true;
    for (size_t i = 0; i < token.len; i++) {
        if (!name_char(token.ptr[i]) && token.ptr[i] != '_')
            return false;
    }
    return token.len > 0;
}

static bool pattern_valid(sut_str s)
{
    size_t start = 0;
    if (s.len == 0 || s.len > SUT_SUBJECT_MAX)
        return false;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '.')
            continue;
        if (!token_valid((sut_str){s.ptr + start, i - start}, i == s.len))
            return false;
        start = i + 1;
    }
    return true;
}

bool core_patterns_valid(const sut_str *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!pattern_valid(patterns[i]))
            return false;
    }
    return count > 0 && count <= SUT_GROUP_SUBJECTS;
}

bool core_wanted_read(sut_core *c, sut_str body, core_wanted *w, char *message, size_t size)
{
    wanted_body b;
    sut_arena_reset(c->arena);
    *w = (core_wanted){.start = CORE_START_END};
    if (!decode(c, &wanted_record, body, &b, message, size) || !read_start(c, body, w, message, size))
        return false;
    w->subject_count = b.subjects.count;
    for (size_t i = 0; i < b.subjects.count; i++)
        w->subjects[i] = ((const sut_str *)b.subjects.items)[i];
    w->has_group = b.has_group;
    w->group = b.group;
    w->has_key = b.has_key;
    w->key = b.key;
    w->user_id = b.has_user_id ? b.user_id : 0;
    w->credits = (uint32_t)(b.has_credits ? b.credits : b.has_group ? CREDITS_GROUP : CREDITS_EPHEMERAL);
    w->ack_wait_ms = b.has_ack_wait_ms ? (uint32_t)b.ack_wait_ms : 0;
    const char *fault = NULL;
    if (!core_patterns_valid(w->subjects, w->subject_count))
        fault = "a pattern is malformed; write subjects like user.registered, user.*, user.>";
    else if (w->has_group && !core_group_name_valid(w->group))
        fault = "the group's name is 1 to 64 of [a-z0-9_.-] and begins with a letter or digit";
    else if (w->has_group && (w->has_key || w->user_id))
        fault = "key and user_id are for ephemeral subscriptions; a group shares all its events";
    if (fault)
        (void)snprintf(message, size, "subscribe: %s", fault);
    return !fault;
}
