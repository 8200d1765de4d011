/* A tap is attached in this order: its request is read, its peer's right and role are looked at, the attachment is
 * journalled, and only then anything is shown. What is refused for lack of a right is journalled as well. */
#include "taps.h"
#include "audit.h"
#include "broker.h"
#include "traffic.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/msgpack.h"

#include <errno.h>
#include <stdio.h>

#define ARENA_MAX       (256u << 10)
#define AUDIT_MAX       (16u << 10)
#define AUDITS_A_SECOND 20 /* of a session: more than the taps that it may have */

/* ---- what peers are told ---- */

static void send_error(sut_broker *b, uint64_t session, uint64_t id, int err, const char *message)
{
    const sut_error_desc *desc = sut_platform_error(err);
    const uint32_t retry_after_ms = err == SUT_ERR_OVERLOADED ? 1000 : 0;
    const sut_error_body body = {.code = sut_str_from(desc->code),
                                 .message = sut_str_from(message),
                                 .retry_after_ms = retry_after_ms,
                                 .http_status = (uint32_t)desc->http_status};
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_ERROR_REPLY,
                        .id = id,
                        .opt = {.retry_after_ms = retry_after_ms, .http_status = body.http_status}};
    sut_buf buf SUT_CLEANUP(sut_buf_deinit);

    sut_buf_init(&buf, 0);
    if (sut_error_body_encode(&buf, &body) == 0)
        env.body = (sut_str){(const char *)buf.data, buf.len};
    sut_traffic_send(b, session, &env);
}

static void send_reply(sut_broker *b, uint64_t session, uint64_t id)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_REPLY, .id = id};
    sut_buf buf SUT_CLEANUP(sut_buf_deinit);
    sut_status st;

    sut_buf_init(&buf, 0);
    st = sut_mp_add_map(&buf, 1);
    if (st == 0)
        st = sut_mp_add_str(&buf, SUT_STR("tap"));
    if (st == 0)
        st = sut_mp_add_uint(&buf, id);
    if (st == 0)
        env.body = (sut_str){(const char *)buf.data, buf.len};
    sut_traffic_send(b, session, &env);
}

static void send_end(sut_broker *b, uint64_t session, uint64_t id, uint64_t lost)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_GAP, .id = id};
    sut_buf buf SUT_CLEANUP(sut_buf_deinit);

    sut_buf_init(&buf, 0);
    if (sut_tap_end_body(&buf, lost) == 0)
        env.body = (sut_str){(const char *)buf.data, buf.len};
    sut_traffic_send(b, session, &env);
}

/* ---- the journal's copy of who looked ---- */

typedef struct audit {
    sut_buf body;
    sut_status st;
} audit;

static void key(audit *a, const char *name)
{
    if (a->st == 0)
        a->st = sut_mp_add_str(&a->body, sut_str_from(name));
}

static void add_str(audit *a, const char *name, sut_str value)
{
    if (!value.ptr)
        return;
    key(a, name);
    if (a->st == 0)
        a->st = sut_mp_add_str(&a->body, value);
}

static void add_int(audit *a, const char *name, int64_t value)
{
    key(a, name);
    if (a->st == 0)
        a->st = sut_mp_add_int(&a->body, value);
}

static void add_list(audit *a, const char *name, const sut_str *items, size_t count)
{
    key(a, name);
    if (a->st == 0)
        a->st = sut_mp_add_array(&a->body, count);
    for (size_t i = 0; a->st == 0 && i < count; i++)
        a->st = sut_mp_add_str(&a->body, items[i]);
}

static void add_kinds(audit *a, uint32_t kinds)
{
    static const struct {
        uint32_t bit;
        sut_str name;
    } all[] = {{SUT_SIGHT_CALL, {"call", 4}},
               {SUT_SIGHT_REPLY, {"reply", 5}},
               {SUT_SIGHT_ERROR, {"error", 5}},
               {SUT_SIGHT_EVENT, {"event", 5}}};
    sut_str names[SUT_ARRAY_LEN(all)];
    size_t count = 0;

    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++)
        if (kinds & all[i].bit)
            names[count++] = all[i].name;
    add_list(a, "kinds", names, count);
}

/* Everything that was asked for, as it was asked. False: it is not in the journal's hands. */
static bool journal(sut_broker *b, const char *subject, const char *peer, const sut_tap_request *r, const char *why)
{
    const sut_str everything = SUT_STR(">");
    const int optional = (r->user_id > 0) + (r->trace.ptr != NULL) + (r->key.ptr != NULL) + (r->reason.ptr != NULL) +
                         r->has_since + r->has_until + (why != NULL);
    audit a = {.st = 0};
    bool taken = false;

    sut_buf_init(&a.body, AUDIT_MAX);
    a.st = sut_mp_add_map(&a.body, 5 + (size_t)optional);
    add_str(&a, "peer", sut_str_from(peer));
    add_list(&a, "subjects", r->subject_count ? r->subjects : &everything, r->subject_count ? r->subject_count : 1);
    add_kinds(&a, r->kinds);
    if (r->user_id)
        add_int(&a, "user_id", r->user_id);
    add_str(&a, "trace", r->trace);
    add_str(&a, "key", r->key);
    if (r->has_since)
        add_int(&a, "since", r->since_us);
    if (r->has_until)
        add_int(&a, "until", r->until_us);
    key(&a, "personal");
    if (a.st == 0)
        a.st = sut_mp_add_bool(&a.body, r->personal);
    add_str(&a, "reason", r->reason);
    if (why)
        add_str(&a, "why", sut_str_from(why));
    add_int(&a, "at", sut_wall_us());
    if (a.st == 0)
        taken = sut_audit_append(b, sut_str_from(subject), (sut_str){(const char *)a.body.data, a.body.len});
    sut_buf_deinit(&a.body);
    if (!taken)
        b->taps.unaudited_total++;
    return taken;
}

/* A peer that asks again and again shall not fill the journal, nor hide what others do. */
static bool may_journal(sut_peer *p)
{
    const uint64_t second = sut_now_ns() / SUT_NS_PER_S;

    if (p->taps.second != second)
        p->taps = (sut_peer_rate){.second = second};
    return p->taps.count++ < AUDITS_A_SECOND;
}

/* ---- attaching ---- */

static bool may_see_all(const sut_acl_entry *e, const sut_tap_request *r)
{
    if (!r->subject_count)
        return sut_acl_allows_pattern(e, SUT_RIGHT_TAP, SUT_STR(">"));
    for (size_t i = 0; i < r->subject_count; i++)
        if (!sut_acl_allows_pattern(e, SUT_RIGHT_TAP, r->subjects[i]))
            return false;
    return true;
}

/* Why this peer may not attach that tap; NULL: it may. */
static const char *refusal(const sut_acl_entry *e, const sut_tap_request *r)
{
    if (!may_see_all(e, r))
        return "this peer may not tap all of these subjects";
    if (r->personal && sut_acl_role(e) != SUT_ROLE_OPERATOR)
        return "only operators may see personal fields";
    return NULL;
}

static void refuse(sut_broker *b, uint64_t id, sut_peer *peer, const sut_tap_request *r, const char *why)
{
    const uint64_t session = peer->session;

    b->taps.refused_total++;
    sut_reasons_add(&b->stats.refused, "tap");
    if (may_journal(peer)) {
        sut_log(SUT_WARN, "broker", "tap.refused", SUT_KV("peer", peer->name), SUT_KV_U("session", session),
                SUT_KV("reason", why));
        (void)journal(b, "ops.tap_refused", peer->name, r, why);
    }
    send_error(b, session, id, SUT_ERR_FORBIDDEN, why);
}

static void attach(sut_broker *b, uint64_t session, uint64_t id, const char *peer, const sut_tap_request *r)
{
    char why[128] = "";
    const sut_status st =
        sut_tap_hub_attach(b->taps.hub, sut_now_ns(), session, id, sut_str_from(peer), r, why, sizeof why);

    switch (st) {
    case 0: send_reply(b, session, id); break;
    case -EEXIST: send_error(b, session, id, SUT_ERR_CONFLICT, "a tap with this id is there already"); break;
    case -ENOSPC: send_error(b, session, id, SUT_ERR_OVERLOADED, why); break;
    case -ENODEV: send_error(b, session, id, SUT_ERR_UNAVAILABLE, "this broker has no journal, so no history"); break;
    default: send_error(b, session, id, SUT_ERR_OVERLOADED, "no memory for a tap"); break;
    }
}

void sut_taps_on_tap(void *broker, uint64_t session, const sut_envelope *env)
{
    sut_broker *b = broker;
    sut_peer *peer = sut_peers_by_session(&b->peers, session);
    sut_tap_request r;
    char error[256] = "";
    const char *why;

    if (!peer)
        return;
    sut_arena_reset(b->taps.arena);
    if (!sut_tap_request_read(env->body, b->taps.arena, &r, error, sizeof error)) {
        send_error(b, session, env->id, SUT_ERR_INVALID, error);
        return;
    }
    why = refusal(sut_acl_find(b->access.acl, sut_str_from(peer->name)), &r);
    if (why)
        refuse(b, env->id, peer, &r, why);
    else if (!may_journal(peer))
        send_error(b, session, env->id, SUT_ERR_OVERLOADED, "this session attaches too many taps in a second");
    else if (!journal(b, "ops.tap_attached", peer->name, &r, NULL) && r.personal)
        send_error(b, session, env->id, SUT_ERR_UNAVAILABLE, "it cannot be journalled now, so nothing is shown");
    else
        attach(b, session, env->id, peer->name, &r);
}

void sut_taps_on_untap(void *broker, uint64_t session, uint64_t id)
{
    sut_broker *b = broker;
    uint64_t lost = 0;

    if (sut_tap_hub_detach(b->taps.hub, session, id, &lost))
        send_end(b, session, id, lost);
}

void sut_taps_session_ended(sut_broker *b, uint64_t session)
{
    sut_tap_hub_session_ended(b->taps.hub, session);
}

/* ---- the hub's ops ---- */

static bool on_allows(void *app, uint64_t session, sut_str subject)
{
    sut_broker *b = app;
    const sut_peer *peer = sut_peers_by_session(&b->peers, session);

    return peer && sut_acl_allows(sut_acl_find(b->access.acl, sut_str_from(peer->name)), SUT_RIGHT_TAP, subject);
}

static bool still_allowed(void *app, uint64_t session, const sut_tap_request *r)
{
    sut_broker *b = app;
    const sut_peer *peer = sut_peers_by_session(&b->peers, session);

    return peer && !refusal(sut_acl_find(b->access.acl, sut_str_from(peer->name)), r);
}

void sut_taps_access_changed(sut_broker *b)
{
    sut_tap_hub_recheck(b->taps.hub, still_allowed);
}

static bool on_send(void *app, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes)
{
    return sut_traffic_send_frame(app, session, bytes, len, envelopes);
}

static void on_ended(void *app, uint64_t session, uint64_t id, int err, const char *message)
{
    sut_broker *b = app;

    if (err)
        send_error(b, session, id, err, message);
    sut_traffic_soon(b);
}

static void on_watch(void *app, uint32_t kinds)
{
    sut_sights_watch(app, SUT_WATCHER_TAPS, kinds);
}

static sut_status on_read(void *app, uint64_t tag, const sut_tap_read *r)
{
    sut_broker *b = app;
    const sut_journal_query q = {
        .from = r->from,
        .from_time_us = r->from_time_us,
        .patterns = r->patterns,
        .pattern_count = r->pattern_count,
        .max_events = 256,
        .max_scan = 8192, /* a short read transaction */
        .max_bytes = 256u << 10,
    };

    return b->events.journal ? sut_journal_service_read(b->events.journal, tag | SUT_TAP_READ_TAG, &q) : -ENODEV;
}

static void on_release(void *app, void *owner)
{
    (void)app;
    sut_journal_batch_unref(owner);
}

void sut_taps_read_done(sut_broker *b, uint64_t tag, sut_status status, sut_journal_batch *batch)
{
    tag &= ~SUT_TAP_READ_TAG;
    if (status < 0)
        sut_tap_hub_read_done(b->taps.hub, tag, status, NULL, 0, 0, 0, NULL);
    else
        sut_tap_hub_read_done(b->taps.hub, tag, 0, batch->events, batch->count, batch->next, batch->oldest,
                              sut_journal_batch_ref(batch));
}

/* ---- life ---- */

sut_status sut_taps_init(sut_broker *b)
{
    const sut_tap_ops ops = {
        .allows = on_allows,
        .send = on_send,
        .ended = on_ended,
        .watch = on_watch,
        .read = b->settings->journal_dir[0] ? on_read : NULL,
        .release = on_release,
    };
    sut_status st = sut_arena_new(&b->taps.arena, ARENA_MAX);

    return st < 0 ? st : sut_tap_hub_new(&b->taps.hub, b->loop, &ops, b, &b->limits.taps);
}

void sut_taps_deinit(sut_broker *b)
{
    b->taps.hub = sut_tap_hub_free(b->taps.hub);
    b->taps.arena = sut_arena_free(b->taps.arena);
}
