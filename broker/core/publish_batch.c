/* A batch of events in one publish: read by the record runtime from the tables below, checked one by one, handed to the
 * journal as one. */
#include "event_state.h"

#include "base/arena.h"
#include "wire/record.h"

#include <stdio.h>

#define FIELD_ERRORS_MAX 8

typedef struct batch_event {
    sut_str subject, key, event_id, traceparent, body;
    int64_t number, not_before;
    uint8_t has_key, has_event_id, has_traceparent, has_number, has_not_before;
} batch_event;

typedef struct batch_body {
    sut_list events;
} batch_body;

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

static bool read_batch(sut_core *c, const core_session *s, const sut_envelope *env, batch_body *body)
{
    struct core_events *e = c->events;
    sut_field_errors errors;
    char message[256] = "the batch cannot be read";
    sut_field_errors_init(&errors, e->arena, FIELD_ERRORS_MAX);
    sut_status st = sut_record_decode(&batch_record, env->body, SUT_UNKNOWN_IGNORE, e->arena, body, &errors);
    if (st == 0)
        return true;
    if (st < 0) {
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_PAYLOAD_TOO_LARGE, 0, "the batch takes too much memory"});
        return false;
    }
    if (errors.count > 0)
        (void)snprintf(message, sizeof(message), "%.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                       SUT_STR_FMT(errors.items[0].message));
    core_publish_refuse(c, s, env, &(core_error){SUT_ERR_INVALID, 0, message});
    return false;
}

static void fill(sut_core *c, const core_session *s, const sut_envelope *env, const batch_event *from,
                 sut_stored_event *to)
{
    *to = (sut_stored_event){.subject = from->subject,
                             .key = from->has_key ? from->key : SUT_STR_NONE,
                             .principal = env->principal,
                             .traceparent = from->has_traceparent ? from->traceparent : env->traceparent,
                             .source = env->opt.source.len > 0 ? env->opt.source : SUT_STR_NONE,
                             .number = from->has_number ? (uint64_t)from->number : 0,
                             .epoch = env->opt.epoch,
                             .not_before_us = from->has_not_before ? from->not_before : env->opt.not_before,
                             .replayed = env->opt.replayed != 0,
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
