/* A batch of events in one publish: read by the record runtime from the tables below, checked one by one, handed to the
 * journal as one. */
#include "event_state.h"

#include "base/arena.h"
#include "wire/record.h"

#include <stdio.h>

#define FIELD_ERRORS_MAX 8
#define USER_ID_MAX      ((INT64_C(1) << 53) - 1)
#define SESSION_MAX      128
#define LEVEL_FRIEND     2 /* what a method asks for, not what a caller has */

typedef struct batch_principal {
    int64_t user_id;
    int32_t level;
    sut_str session;
    uint8_t has_session;
} batch_principal;

typedef struct batch_event {
    sut_str subject, key, event_id, traceparent, body;
    int64_t number, not_before;
    const batch_principal *principal;
    bool replayed;
    uint8_t has_key, has_event_id, has_traceparent, has_number, has_not_before, has_principal, has_replayed;
} batch_event;

typedef struct batch_body {
    sut_list events;
} batch_body;

/* As the envelope's position 6; the level is looked at once more below, since no range leaves out FRIEND. */
static const sut_field principal_fields[] = {
    {.name = "user_id",
     .name_len = 7,
     .type = SUT_T_I64,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_principal, user_id),
     .has_offset = UINT16_MAX,
     .has_min = true,
     .has_max = true,
     .min_i = 1,
     .max_i = USER_ID_MAX},
    {.name = "level",
     .name_len = 5,
     .type = SUT_T_I32,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_principal, level),
     .has_offset = UINT16_MAX,
     .has_min = true,
     .has_max = true,
     .min_i = 0,
     .max_i = 3},
    {.name = "session",
     .name_len = 7,
     .type = SUT_T_STRING,
     .offset = offsetof(batch_principal, session),
     .has_offset = offsetof(batch_principal, has_session),
     .max_bytes = SESSION_MAX},
};
static const sut_record principal_record = {.name = "batch_principal",
                                            .fields = principal_fields,
                                            .count = SUT_ARRAY_LEN(principal_fields),
                                            .size = sizeof(batch_principal)};

static const sut_field event_fields[] = {
    {.name = "subject",
     .name_len = 7,
     .type = SUT_T_STRING,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_event, subject),
     .has_offset = UINT16_MAX,
     .min_bytes = 1,
     .max_bytes = SUT_SUBJECT_MAX,
     .pattern = "[a-z0-9_]+(\\.[a-z0-9_]+)*"},
    {.name = "key",
     .name_len = 3,
     .type = SUT_T_STRING,
     .offset = offsetof(batch_event, key),
     .has_offset = offsetof(batch_event, has_key),
     .max_bytes = SUT_KEY_MAX},
    {.name = "event_id",
     .name_len = 8,
     .type = SUT_T_BYTES,
     .offset = offsetof(batch_event, event_id),
     .has_offset = offsetof(batch_event, has_event_id),
     .min_bytes = SUT_EVENT_ID_LEN,
     .max_bytes = SUT_EVENT_ID_LEN},
    {.name = "number",
     .name_len = 6,
     .type = SUT_T_I64,
     .offset = offsetof(batch_event, number),
     .has_offset = offsetof(batch_event, has_number),
     .has_min = true,
     .has_max = true,
     .min_i = 1,
     .max_i = INT64_MAX},
    {.name = "not_before",
     .name_len = 10,
     .type = SUT_T_I64,
     .offset = offsetof(batch_event, not_before),
     .has_offset = offsetof(batch_event, has_not_before),
     .has_min = true,
     .has_max = true,
     .min_i = 0,
     .max_i = INT64_MAX},
    {.name = "traceparent",
     .name_len = 11,
     .type = SUT_T_STRING,
     .offset = offsetof(batch_event, traceparent),
     .has_offset = offsetof(batch_event, has_traceparent),
     .max_bytes = SUT_TRACEPARENT_LEN,
     /* W3C Trace Context: neither id is all zeros. */
     .pattern = "00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"},
    {.name = "principal",
     .name_len = 9,
     .type = SUT_T_RECORD,
     .offset = offsetof(batch_event, principal),
     .has_offset = offsetof(batch_event, has_principal),
     .record = &principal_record},
    {.name = "replayed",
     .name_len = 8,
     .type = SUT_T_BOOL,
     .offset = offsetof(batch_event, replayed),
     .has_offset = offsetof(batch_event, has_replayed)},
    {.name = "body",
     .name_len = 4,
     .type = SUT_T_BYTES,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(batch_event, body),
     .has_offset = UINT16_MAX},
};
static const sut_record event_record = {
    .name = "batch_event", .fields = event_fields, .count = SUT_ARRAY_LEN(event_fields), .size = sizeof(batch_event)};
static const sut_field event_element = {
    .name = "", .type = SUT_T_RECORD, .has_offset = UINT16_MAX, .record = &event_record};
static const sut_field batch_fields[] = {{.name = "events",
                                          .name_len = 6,
                                          .type = SUT_T_LIST,
                                          .flags = SUT_F_REQUIRED,
                                          .offset = offsetof(batch_body, events),
                                          .has_offset = UINT16_MAX,
                                          .min_items = 1,
                                          .max_items = SUT_PUBLISH_BATCH_MAX,
                                          .element = &event_element}};
static const sut_record batch_record = {
    .name = "batch", .fields = batch_fields, .count = SUT_ARRAY_LEN(batch_fields), .size = sizeof(batch_body)};

static void refuse_invalid(sut_core *c, const core_session *s, const sut_envelope *env, const char *message)
{
    core_publish_refuse(c, s, env, &(core_error){SUT_ERR_INVALID, 0, message});
}

static bool levels_valid(const batch_body *body, char *message, size_t size)
{
    const batch_event *const *items = body->events.items;
    for (size_t i = 0; i < body->events.count; i++) {
        if (!items[i]->has_principal || items[i]->principal->level != LEVEL_FRIEND)
            continue;
        (void)snprintf(message, size, "/events/%zu/principal/level: a caller's level is 0, 1 or 3", i);
        return false;
    }
    return true;
}

static bool read_batch(sut_core *c, const core_session *s, const sut_envelope *env, batch_body *body)
{
    struct core_events *e = c->events;
    sut_field_errors errors;
    char message[256] = "the batch cannot be read";
    sut_field_errors_init(&errors, e->arena, FIELD_ERRORS_MAX);
    sut_status st = sut_record_decode(&batch_record, env->body, SUT_UNKNOWN_IGNORE, e->arena, body, &errors);
    if (st == 0 && levels_valid(body, message, sizeof(message)))
        return true;
    if (st < 0) {
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_PAYLOAD_TOO_LARGE, 0, "the batch takes too much memory"});
        return false;
    }
    if (errors.count > 0)
        (void)snprintf(message, sizeof(message), "%.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                       SUT_STR_FMT(errors.items[0].message));
    refuse_invalid(c, s, env, message);
    return false;
}

/* What an event says of itself counts, else what the envelope says of all. */
static sut_principal principal_of(const sut_envelope *env, const batch_event *from)
{
    if (!from->has_principal)
        return env->principal;
    const batch_principal *p = from->principal;
    return (sut_principal){
        .user_id = p->user_id, .level = p->level, .session = p->has_session ? p->session : SUT_STR_NONE};
}

static void fill(sut_core *c, const core_session *s, const sut_envelope *env, const batch_event *from,
                 sut_stored_event *to)
{
    *to = (sut_stored_event){.subject = from->subject,
                             .key = from->has_key ? from->key : SUT_STR_NONE,
                             .principal = principal_of(env, from),
                             .traceparent = from->has_traceparent ? from->traceparent : env->traceparent,
                             .source = env->opt.source.len > 0 ? env->opt.source : SUT_STR_NONE,
                             .number = from->has_number ? (uint64_t)from->number : 0,
                             .epoch = env->opt.epoch,
                             .not_before_us = from->has_not_before ? from->not_before : env->opt.not_before,
                             .replayed = from->has_replayed ? from->replayed : env->opt.replayed != 0,
                             .publisher = sut_str_from(s->name),
                             .body = from->body};
    if (from->has_event_id)
        memcpy(to->id, from->event_id.ptr, SUT_EVENT_ID_LEN);
    else
        core_publish_mint(c, to->id);
}

void core_publish_batch_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    struct core_events *e = c->events;
    batch_body body;
    sut_arena_reset(e->arena);
    if (!read_batch(c, s, env, &body))
        return;
    const batch_event *const *items = body.events.items;
    sut_stored_event *events = sut_arena_array(e->arena, body.events.count, sizeof(*events));
    if (!events) {
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_PAYLOAD_TOO_LARGE, 0, "the batch takes too much memory"});
        return;
    }
    for (size_t i = 0; i < body.events.count; i++) {
        fill(c, s, env, items[i], &events[i]);
        if (!core_publish_check(c, s, env, &events[i]))
            return;
    }
    core_publish_hand_over(c, s, env, events, body.events.count, true);
    sut_arena_reset(e->arena);
}
