/* sut_emit: an event becomes a row of its cause's transaction. */
#include "kit/event.h"

#include "outbox.h"
#include "runtime.h"
#include "sut.h"

#include <inttypes.h>
#include <stdio.h>

#define S_ENVELOPE_ROOM 4096 /* of an envelope, for all but the body */

static const sut_pg_stmt s_insert = {"sut_outbox_insert",
                                     "INSERT INTO sut_outbox (event_id, subject, key, body, user_id, level, session,"
                                     " traceparent, not_before) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                                     9};

/* The relay holds a batch in a request's memory, so an event has a share of it at most. */
static size_t s_body_max(const sut_request *rq)
{
    size_t share = (size_t)rq->runtime->settings.request_memory / 4, room = SUT_ENVELOPE_MAX - S_ENVELOPE_ROOM;
    return share < room ? share : room;
}

static sut_status s_check(sut_request *rq, const sut_event *event, const void *body)
{
    sut_field_errors errors;
    if (!event->open && strcmp(event->service, rq->runtime->opt->name) != 0)
        return sut_fail_internal(rq, "%s is an event of %s, not of this actor", event->subject, event->service);
    sut_field_errors_init(&errors, rq->arena, 4);
    sut_status st = sut_record_validate(event->body, body, &errors);
    if (st == SUT_RECORD_INVALID && errors.count)
        return sut_fail_internal(rq, "event %s breaks its schema: %.*s: %.*s", event->subject,
                                 SUT_STR_FMT(errors.items[0].pointer), SUT_STR_FMT(errors.items[0].message));
    return st ? sut_fail_internal(rq, "event %s cannot be validated (%d)", event->subject, st) : 0;
}

/* The key's text, as the broker would read it from the body; absent if the event has none. */
static sut_status s_key(sut_request *rq, const sut_event *event, const void *body, sut_str *out)
{
    const sut_field *f = event->key;
    const unsigned char *base = body;
    *out = SUT_STR_NONE;
    if (!f || (f->has_offset != UINT16_MAX && base[f->has_offset] != SUT_PRESENT))
        return 0;
    if (f->type == SUT_T_I64) {
        int64_t number;
        memcpy(&number, base + f->offset, sizeof(number));
        *out = sut_request_printf(rq, "%" PRId64, number);
    } else {
        memcpy(out, base + f->offset, sizeof(*out));
    }
    if (!out->ptr || out->len > SUT_KEY_MAX)
        return sut_fail_internal(rq, "the key of event %s cannot be used", event->subject);
    return 0;
}

static sut_status s_queue(sut_request *rq, sut_pg_tx *tx, const sut_event *event, sut_str key, sut_str body,
                          int64_t not_before_us)
{
    uint8_t id[SUT_EVENT_ID_LEN];
    const sut_principal *who = &rq->principal;
    sut_event_id_make(id);
    return sut_pg_queue(tx, &s_insert,
                        SUT_PG_PARAMS(sut_pg_bytea((sut_str){(const char *)id, sizeof(id)}),
                                      sut_pg_text(sut_str_from(event->subject)), sut_pg_text(key), sut_pg_bytea(body),
                                      sut_pg_i64(who->user_id), sut_pg_i32(who->level), sut_pg_text(who->session),
                                      sut_pg_text((sut_str){rq->traceparent, SUT_TRACEPARENT_LEN}),
                                      sut_pg_i64(not_before_us)));
}

sut_status sut_emit(sut_request *rq, sut_pg_tx *tx, const sut_event *event, const void *body,
                    const sut_emit_options *opt)
{
    sut_str key;
    sut_buf encoded SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&encoded, s_body_max(rq));
    sut_status st = s_check(rq, event, body);
    if (!st)
        st = s_key(rq, event, body, &key);
    if (st)
        return st;
    st = sut_record_encode(event->body, body, &encoded);
    if (st)
        return sut_fail_internal(rq, "event %s cannot be encoded, or is too large (%d)", event->subject, st);
    st = s_queue(rq, tx, event, key, (sut_str){(const char *)encoded.data, encoded.len}, opt ? opt->not_before_us : 0);
    rq->emitted = rq->emitted || st == 0;
    return st;
}
