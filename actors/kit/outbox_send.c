/* A batch of the outbox: numbered, published, and what the broker's answer means.
 *
 * One statement's worth of round trip removes what was acknowledged, numbers new rows without gaps, in order of their
 * ids, and reads the next batch: one transaction, so the numbers are stored before anything is published under them.
 * After a crash the same rows have the same numbers, and the broker takes none of them twice.
 *
 * There is no cursor: ids commit out of order, so whatever is there and has no number is next.
 *
 * What a refusal means. Reasons that pass (overloaded, unavailable, storage full …): again, later. A batch is all or
 * nothing; if it is refused for what one of its events is, it is halved until that event is alone, which is then set
 * aside in sut_outbox_refused, and its number goes to the next one. A reason that somebody may be about to repair (a
 * right that lacks, a broker that does not know the event yet) is given a minute first.
 *
 * Numbers that the broker does not expect (a gap; or it claims to have had ones that were never sent; or a higher epoch
 * than the database has ever given) mean that database or journal were restored from a backup. Then the rows go out as
 * a new source, which may begin anywhere. */
#include "outbox_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>

#define S_BATCH_BYTES    (512 * 1024)
#define S_ROW_BYTES      160 /* of an envelope, besides what varies */
#define S_TIMEOUT_MS     3000
#define S_BACKOFF_MIN_MS 50
#define S_BACKOFF_MAX_MS 5000
#define S_PATIENCE_NS    (60 * SUT_NS_PER_S)
#define S_BUS_DOWN_NS    (5 * SUT_NS_PER_S)

static const sut_pg_stmt s_drop = {"sut_outbox_drop", "DELETE FROM sut_outbox WHERE number <= $1", 1};
static const sut_pg_stmt s_number = {
    "sut_outbox_number",
    "WITH src AS MATERIALIZED (SELECT last_number FROM sut_outbox_source WHERE epoch = $1 FOR UPDATE),"
    " new AS MATERIALIZED (SELECT o.id, src.last_number + row_number() OVER (ORDER BY o.id) AS number FROM (SELECT id"
    " FROM sut_outbox WHERE number IS NULL ORDER BY id LIMIT (SELECT $2 - count(*) FROM (SELECT 1 FROM sut_outbox WHERE"
    " number IS NOT NULL LIMIT $2) l)) o, src),"
    " done AS (UPDATE sut_outbox o SET number = new.number FROM new WHERE o.id = new.id RETURNING o.number)"
    " UPDATE sut_outbox_source SET last_number = d.last FROM (SELECT max(number) AS last FROM done) d"
    " WHERE d.last IS NOT NULL",
    2};
static const sut_pg_stmt s_read = {
    "sut_outbox_read",
    "SELECT number, event_id, subject, key, body, user_id, level, session, traceparent, not_before FROM (SELECT o.*,"
    " row_number() OVER w AS n, sum(octet_length(body) + octet_length(subject) + coalesce(octet_length(key), 0) + $2)"
    " OVER w AS bytes FROM (SELECT * FROM sut_outbox WHERE number IS NOT NULL ORDER BY number LIMIT $1) o"
    " WINDOW w AS (ORDER BY number)) b WHERE n = 1 OR bytes <= $3 ORDER BY number",
    3};

static const sut_pg_stmt s_set_aside = {
    "sut_outbox_set_aside",
    "INSERT INTO sut_outbox_refused (id, event_id, subject, key, body, user_id, level, session, traceparent,"
    " not_before, created_at, code, message) SELECT id, event_id, subject, key, body, user_id, level, session,"
    " traceparent, not_before, created_at, $2, $3 FROM sut_outbox WHERE number = $1",
    3};
static const sut_pg_stmt s_remove = {"sut_outbox_remove", "DELETE FROM sut_outbox WHERE number = $1", 1};
static const sut_pg_stmt s_move_up = {"sut_outbox_move_up",
                                      "UPDATE sut_outbox SET number = number - 1 WHERE number > $1", 1};
static const sut_pg_stmt s_give_back = {
    "sut_outbox_give_back", "UPDATE sut_outbox_source SET last_number = last_number - 1 WHERE epoch = $1", 1};
static const sut_pg_stmt s_rename = {"sut_outbox_rename",
                                     "UPDATE sut_outbox_source SET source = left(regexp_replace(current_database(), "
                                     "'[^A-Za-z0-9_-]', '_', 'g'), 32) || '.' ||"
                                     " left(md5(random()::text || clock_timestamp()), 12) WHERE epoch = $1"
                                     " RETURNING source",
                                     1};

static sut_metric s_sent = {
    .name = "sut_outbox_sent_total", .help = "Events that the broker has acknowledged.", .kind = SUT_COUNTER};
static sut_metric s_set_aside_total = {
    .name = "sut_outbox_refused_total", .help = "Events that were set aside since start.", .kind = SUT_COUNTER};

void sut_outbox_register_metrics(void)
{
    sut_metric_register(&s_sent);
    sut_metric_register(&s_set_aside_total);
}

/* ---- a batch ---- */

static sut_status s_next_batch(sut_outbox *o, sut_request *rq, const sut_pg_result **out)
{
    int64_t bytes = o->rt->settings.request_memory / 4;
    if (bytes > S_BATCH_BYTES)
        bytes = S_BATCH_BYTES;
    sut_status st = 0;
    if (o->acked)
        st = sut_pg_own_send(o->conn, rq, &s_drop, SUT_PG_PARAMS(sut_pg_i64(o->acked)));
    if (!st)
        st = sut_pg_own_send(o->conn, rq, &s_number,
                             SUT_PG_PARAMS(sut_pg_i64((int64_t)o->epoch), sut_pg_i64(SUT_PUBLISH_MAX)));
    if (!st)
        st = sut_pg_own_run(o->conn, rq, &s_read,
                            SUT_PG_PARAMS(sut_pg_i64((int64_t)o->batch), sut_pg_i64(S_ROW_BYTES), sut_pg_i64(bytes)),
                            out);
    if (!st)
        o->acked = 0;
    return st;
}

static bool s_fill(sut_publish *event, sut_principal *who, const sut_pg_result *r, int row)
{
    sut_str id = sut_pg_get_bytea(r, row, 1);
    *who = (sut_principal){.user_id = sut_pg_get_i64(r, row, 5),
                           .level = sut_pg_get_i32(r, row, 6),
                           .session = sut_pg_get_text(r, row, 7)};
    *event = (sut_publish){.subject = sut_pg_get_text(r, row, 2),
                           .key = sut_pg_get_text(r, row, 3),
                           .body = sut_pg_get_bytea(r, row, 4),
                           .event_id = (const uint8_t *)id.ptr,
                           .not_before_us = sut_pg_get_i64(r, row, 9),
                           .principal = who->user_id ? who : NULL,
                           .traceparent = sut_pg_get_text(r, row, 8),
                           .number = (uint64_t)sut_pg_get_i64(r, row, 0)};
    return id.len == SUT_EVENT_ID_LEN;
}

static void s_copy(char *out, size_t size, sut_str s)
{
    size_t len = s.len < size - 1 ? s.len : size - 1;
    while (len < s.len && len > 0 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
        len--;
    if (len)
        memcpy(out, s.ptr, len);
    out[len] = 0;
}

static void s_on_published(void *arg, const sut_published *p)
{
    sut_outbox *o = arg;
    o->answer = (sut_outbox_answer){.done = true, .err = p->err, .retry_after_ms = p->retry_after_ms};
    for (size_t i = 0; p->duplicates && i < p->count; i++)
        o->answer.duplicate = o->answer.duplicate || p->duplicates[i];
    s_copy(o->answer.code, sizeof(o->answer.code), p->code);
    s_copy(o->answer.message, sizeof(o->answer.message), p->message);
    if (o->relay)
        sut_request_wake(o->relay, 0);
}

/* Waits for the broker's answer, and keeps the lease meanwhile. */
static sut_status s_await(sut_outbox *o, sut_request *rq)
{
    sut_status lost = 0;
    while (!o->answer.done) {
        sut_timer timer = {0};
        sut_status st = sut_timer_start_ms(o->rt->loop, &timer, SUT_OUTBOX_RENEW_MS, sut_outbox_on_timer, o);
        if (!st)
            st = sut_request_park(rq);
        sut_timer_stop(&timer);
        if (st)
            return st;
        if (!o->answer.done && !lost)
            lost = sut_outbox_renew(o, rq, false);
    }
    return lost;
}

static sut_status s_publish(sut_outbox *o, sut_request *rq, const sut_pg_result *r, size_t count)
{
    sut_publish *events = sut_arena_array(rq->arena, count, sizeof(*events));
    sut_principal *who = sut_arena_array(rq->arena, count, sizeof(*who));
    if (!events || !who)
        return sut_fail_internal(rq, "no memory for a batch of the outbox");
    for (size_t i = 0; i < count; i++)
        if (!s_fill(&events[i], &who[i], r, (int)i))
            return sut_fail_internal(rq, "an event in the outbox has no id of %d bytes", SUT_EVENT_ID_LEN);
    const sut_publish_options opt = {.timeout_ms = S_TIMEOUT_MS, .source = sut_str_from(o->source), .epoch = o->epoch};
    o->answer = (sut_outbox_answer){0};
    sut_status st = o->port.publish(o->port.bus, events, count, &opt, s_on_published, o);
    if (!st)
        return s_await(o, rq);
    o->answer = (sut_outbox_answer){.done = true, .err = SUT_ERR_UNAVAILABLE};
    if (st == -EMSGSIZE || st == -EINVAL) {
        o->answer.err = SUT_ERR_INVALID;
        snprintf(o->answer.message, sizeof(o->answer.message), "it cannot be sent: %s", strerror(-st));
    }
    return 0;
}

/* ---- what the answer means ---- */

static sut_status s_back_off(sut_outbox *o, sut_request *rq)
{
    uint32_t ms = (uint32_t)S_BACKOFF_MIN_MS << (o->failures < 7 ? o->failures : 7);
    if (ms < o->answer.retry_after_ms)
        ms = o->answer.retry_after_ms;
    if (ms > S_BACKOFF_MAX_MS)
        ms = S_BACKOFF_MAX_MS;
    if (o->failures++ == 0 || ms == S_BACKOFF_MAX_MS)
        sut_log(SUT_WARN, "kit", "outbox.waits", SUT_KV("code", o->answer.code), SUT_KV("message", o->answer.message),
                SUT_KV_U("ms", ms));
    sut_status st = 0;
    while (ms > 0 && !st && !o->stopping) {
        uint32_t part = ms < SUT_OUTBOX_RENEW_MS ? ms : SUT_OUTBOX_RENEW_MS;
        ms -= part;
        st = sut_outbox_pause(o, rq, part, false);
        if (!st)
            st = sut_outbox_renew(o, rq, false);
    }
    return st;
}

static sut_status s_new_source(sut_outbox *o, sut_request *rq, const char *why)
{
    const sut_pg_result *r;
    sut_status st = sut_outbox_renew(o, rq, true); /* is the source still ours to say this of? */
    if (!st)
        st = sut_pg_own_run(o->conn, rq, &s_rename, SUT_PG_PARAMS(sut_pg_i64((int64_t)o->epoch)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_FENCED, "Another instance has taken the outbox over.");
    sut_log(SUT_ERROR, "kit", "outbox.new_source", SUT_KV("why", why), SUT_KV("was", o->source),
            SUT_KV_S("is", sut_pg_get_text(r, 0, 0)), SUT_KV("message", o->answer.message));
    s_copy(o->source, sizeof(o->source), sut_pg_get_text(r, 0, 0));
    return 0;
}

/* The one event of the batch goes to sut_outbox_refused, and its number to the next. */
static sut_status s_refuse(sut_outbox *o, sut_request *rq, const sut_pg_result *batch)
{
    int64_t number = sut_pg_get_i64(batch, 0, 0);
    sut_status st = sut_pg_own_send(o->conn, rq, &s_set_aside,
                                    SUT_PG_PARAMS(sut_pg_i64(number), sut_pg_text(sut_str_from(o->answer.code)),
                                                  sut_pg_text(sut_str_from(o->answer.message))));
    if (!st)
        st = sut_pg_own_send(o->conn, rq, &s_remove, SUT_PG_PARAMS(sut_pg_i64(number)));
    if (!st)
        st = sut_pg_own_send(o->conn, rq, &s_move_up, SUT_PG_PARAMS(sut_pg_i64(number)));
    if (!st)
        st = sut_pg_own_run(o->conn, rq, &s_give_back, SUT_PG_PARAMS(sut_pg_i64((int64_t)o->epoch)), NULL);
    if (st)
        return st;
    o->tried = number - 1;
    o->refused_ns = 0;
    sut_metric_add(&s_set_aside_total, 1);
    sut_log(SUT_ERROR, "kit", "outbox.refused", SUT_KV_S("subject", sut_pg_get_text(batch, 0, 2)),
            SUT_KV("code", o->answer.code), SUT_KV("message", o->answer.message));
    return 0;
}

/* The batch was refused for what is in it. */
static sut_status s_narrow_down(sut_outbox *o, sut_request *rq, const sut_pg_result *batch, size_t count, bool may_pass)
{
    if (count > 1) {
        o->batch = count / 2;
        return 0;
    }
    if (!may_pass)
        return s_refuse(o, rq, batch);
    uint64_t now = sut_now_ns();
    if (o->refused_ns == 0)
        o->refused_ns = now;
    if (now - o->refused_ns >= S_PATIENCE_NS)
        return s_refuse(o, rq, batch);
    return s_back_off(o, rq);
}

static sut_status s_taken(sut_outbox *o, sut_request *rq, int64_t last, size_t count, bool fresh, bool sent_once)
{
    if (o->answer.duplicate && fresh && sent_once)
        return s_new_source(o, rq, "the broker claims numbers that were never sent");
    o->acked = last;
    o->failures = 0;
    o->refused_ns = 0;
    o->status.sent += (int64_t)count;
    sut_metric_add(&s_sent, (int64_t)count);
    o->batch = o->batch < SUT_PUBLISH_MAX / 2 ? o->batch * 2 : SUT_PUBLISH_MAX;
    return 0;
}

static sut_status s_settle(sut_outbox *o, sut_request *rq, const sut_pg_result *batch, size_t count)
{
    switch (o->answer.err) {
    case SUT_ERR_INVALID:
    case SUT_ERR_BAD_REQUEST:
    case SUT_ERR_PAYLOAD_TOO_LARGE: return s_narrow_down(o, rq, batch, count, false);
    case SUT_ERR_FORBIDDEN:
    case SUT_ERR_NO_SUCH_EVENT: return s_narrow_down(o, rq, batch, count, true);
    case SUT_ERR_SOURCE_GAP: return s_new_source(o, rq, "the broker expects another number");
    case SUT_ERR_FENCED: return s_new_source(o, rq, "the broker knows a higher epoch than the database");
    default: return s_back_off(o, rq);
    }
}

/* Who cannot reach the broker lets others try. */
static sut_status s_wait_for_bus(sut_outbox *o, sut_request *rq)
{
    uint64_t since = sut_now_ns();
    while (!o->port.up(o->port.bus) && !o->stopping) {
        if (sut_now_ns() - since >= S_BUS_DOWN_NS)
            return sut_fail(rq, SUT_ERR_UNAVAILABLE, "The broker cannot be reached.");
        sut_status st = sut_outbox_pause(o, rq, SUT_OUTBOX_POLL_MS, false);
        if (!st)
            st = sut_outbox_renew(o, rq, false);
        if (st)
            return st;
    }
    return 0;
}

sut_status sut_outbox_send(sut_outbox *o, sut_request *rq, bool *idle)
{
    const sut_pg_result *batch;
    sut_status st = s_next_batch(o, rq, &batch);
    if (st)
        return st;
    size_t count = (size_t)sut_pg_rows(batch);
    *idle = count == 0;
    if (*idle)
        return 0;
    st = s_wait_for_bus(o, rq);
    if (st || !o->port.up(o->port.bus)) {
        *idle = true; /* the end: what is left is the next owner's */
        return st;
    }
    int64_t first = sut_pg_get_i64(batch, 0, 0), last = sut_pg_get_i64(batch, (int)count - 1, 0);
    bool fresh = first > o->tried;
    uint64_t sessions = o->port.sessions(o->port.bus);
    if (last > o->tried)
        o->tried = last;
    st = s_publish(o, rq, batch, count);
    if (st)
        return st;
    if (o->answer.err == 0)
        return s_taken(o, rq, last, count, fresh, o->port.sessions(o->port.bus) == sessions);
    if (o->stopping)
        *idle = true;
    return s_settle(o, rq, batch, count);
}
