/* The shared part of the core's unit tests. */
#include "harness_test.h"

#include "base/arena.h"
#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <stdio.h>

harness h;

static const char acl_text[] = "edge-1 role=edge call=user.*,post.*,broker.* subscribe=user.>,broker.news\n"
                               "edge-2 role=edge call=user.*\n"
                               "tool-1 role=tool call=user.* publish=open.*,user.* subscribe=open.*\n"
                               "user-1 role=actor call=post.* serve=user publish=user.*,open.* subscribe=>\n"
                               "user-2 role=actor serve=user.> publish=user.* subscribe=>\n"
                               "user-3 role=actor serve=user.*\n"
                               "post-1 role=actor call=user.* serve=post publish=post.* subscribe=>\n"
                               "oper-1 role=operator publish=open.* subscribe=>\n"
                               "gone-1 role=tool call=user.* revoked\n";

static out *next_out(uint64_t session)
{
    cr_assert_lt(h.out_count, OUT_MAX);
    out *o = &h.outs[h.out_count++];
    *o = (out){.session = session};
    return o;
}

static void copy_text(char *to, size_t size, sut_str s)
{
    cr_assert_lt(s.len, size);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
}

static void copy_event(out *o, const sut_envelope *env)
{
    o->sequence = env->opt.sequence;
    o->published_at = env->opt.published_at;
    o->generation = env->opt.generation;
    o->replayed = env->opt.replayed;
    o->duplicate = env->opt.duplicate;
    o->dedup = (sut_dedup)env->opt.dedup;
    o->has_key = env->key.ptr != NULL;
    if (env->key.len < sizeof(o->key))
        copy_text(o->key, sizeof(o->key), env->key);
    if (env->opt.event_id.len == SUT_EVENT_ID_LEN)
        memcpy(o->event_id, env->opt.event_id.ptr, SUT_EVENT_ID_LEN);
    if (env->body.len > 0 && env->body.len <= sizeof(o->raw)) {
        memcpy(o->raw, env->body.ptr, env->body.len);
        o->raw_len = env->body.len;
    }
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    (void)app;
    out *o = next_out(session);
    o->kind = env->kind;
    o->id = env->id;
    o->attempt = env->opt.attempt;
    o->ttl_ms = env->ttl_ms;
    o->user_id = env->principal.user_id;
    o->retry_after_ms = env->opt.retry_after_ms;
    o->http_status = env->opt.http_status;
    copy_text(o->subject, sizeof(o->subject), env->subject);
    copy_event(o, env);
    if (env->body.len < sizeof(o->body) &&
        (env->kind == SUT_CALL || env->kind == SUT_REPLY || env->kind == SUT_DELIVER))
        copy_text(o->body, sizeof(o->body), env->body);
    if (env->kind != SUT_ERROR_REPLY)
        return;
    sut_arena *a = NULL;
    sut_error_body e;
    cr_assert_eq(sut_arena_new(&a, 0), 0);
    if (sut_error_body_decode(a, env->body, &e) == 0) { /* else it has no code */
        copy_text(o->code, sizeof(o->code), e.code);
        copy_text(o->message, sizeof(o->message), e.message);
    }
    sut_arena_free(a);
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    (void)app;
    out *o = next_out(session);
    o->dropped = true;
    o->reason = reason;
}

static void on_method(void *app, sut_str subject, sut_core_method *m)
{
    (void)app;
    if (sut_str_is(subject, "user.get"))
        *m = (sut_core_method){.known = true, .idempotent = true, .timeout_ms = 2000};
    else if (sut_str_is(subject, "user.put"))
        *m = (sut_core_method){.known = true, .timeout_ms = 2000};
    else if (sut_str_is(subject, "user.undo"))
        *m = (sut_core_method){.known = true, .timeout_ms = 2000, .service_only = true};
}

static void on_control(void *app, uint64_t call, uint64_t session, const sut_envelope *env)
{
    (void)app;
    (void)session;
    (void)env;
    h.control_call = call;
    if (h.control_answers_at_once)
        sut_core_control_reply(h.core, h.now, call, 0, SUT_STR("now"));
}

static uint8_t on_picks(void *app, const sut_envelope *env)
{
    (void)app;
    (void)env;
    return h.is_asked ? h.picks : 0xff;
}

static bool on_replayed(void *app, uint64_t session, const sut_envelope *env)
{
    (void)app;
    (void)session;
    h.replayed++;
    h.replayed_user = env->principal.user_id;
    return !h.cannot_journal;
}

static void on_refused(void *app, uint64_t session, const char *what, sut_str subject, int err)
{
    (void)app;
    (void)session;
    (void)subject;
    (void)err;
    h.refused++;
    copy_text(h.refused_what, sizeof(h.refused_what), sut_str_from(what));
}

static void on_finished(void *app, sut_str subject, uint64_t took_ns, int err)
{
    (void)app;
    (void)subject;
    h.finished++;
    h.finished_err = err;
    h.finished_ns = took_ns;
}

static void on_tap(void *app, uint64_t session, const sut_envelope *env)
{
    (void)app;
    (void)session;
    h.taps++;
    h.tapped = env->id;
}

static void on_untap(void *app, uint64_t session, uint64_t id)
{
    (void)app;
    (void)session;
    h.untaps++;
    h.tapped = id;
}

static void keep_text(sighted *s, size_t i, sut_str *str)
{
    if (!str->ptr)
        return;
    copy_text(s->text[i], sizeof(s->text[i]), *str);
    str->ptr = s->text[i];
}

static void on_seen(void *app, sut_sight *sight)
{
    (void)app;
    cr_assert_lt(h.sight_count, SUT_ARRAY_LEN(h.sights));
    sighted *s = &h.sights[h.sight_count++];
    s->sight = *sight;
    sut_str *const strings[] = {&s->sight.from,        &s->sight.to,        &s->sight.subject,           &s->sight.key,
                                &s->sight.traceparent, &s->sight.parent_id, &s->sight.principal.session, &s->sight.code,
                                &s->sight.group,       &s->sight.body};
    for (size_t i = 0; i < SUT_ARRAY_LEN(strings); i++)
        keep_text(s, i, strings[i]);
}

const sut_sight *must_see(sut_sight_kind kind)
{
    cr_assert_lt(h.sights_taken, h.sight_count, "nothing was seen");
    const sut_sight *s = &h.sights[h.sights_taken++].sight;
    cr_assert_eq(s->kind, kind, "kind %d instead of %d", (int)s->kind, (int)kind);
    return s;
}

void must_see_nothing(void)
{
    cr_assert_eq(h.sights_taken, h.sight_count, "more was seen");
}

void use_acl(const char *text)
{
    char error[128];
    sut_acl *old = h.acl;
    cr_assert_eq(sut_acl_parse(&h.acl, sut_str_from(text), error, sizeof(error)), 0, "%s", error);
    sut_core_set_acl(h.core, h.now, h.acl);
    sut_acl_free(old);
}

void setup_with(const sut_core_limits *limits)
{
    static const sut_core_ops ops = {.emit = on_emit,
                                     .drop = on_drop,
                                     .method = on_method,
                                     .control = on_control,
                                     .refused = on_refused,
                                     .picks = on_picks,
                                     .replayed = on_replayed,
                                     .finished = on_finished,
                                     .tap = on_tap,
                                     .untap = on_untap,
                                     .seen = on_seen};
    sut_core_free(h.core);
    sut_acl_free(h.acl);
    h = (harness){.now = SUT_NS_PER_S};
    cr_assert_eq(sut_core_new(&h.core, limits, &ops, NULL), 0);
    use_acl(acl_text);
}

void setup(void)
{
    setup_with(&SUT_CORE_LIMITS_DEFAULT);
}

static void note_session(const sut_core_session_view *v, void *arg)
{
    *(uint64_t *)arg = v->id;
}

void teardown(void)
{
    sut_core_counts counts;
    if (!h.core) /* the test has freed it */
        return;
    for (;;) {
        uint64_t session = 0;
        sut_core_each_session(h.core, note_session, &session);
        if (session == 0)
            break;
        sut_core_close(h.core, h.now, session);
    }
    pass_silently_ms(6000);
    sut_core_get_counts(h.core, &counts);
    cr_assert_eq(counts.calls, 0);
    cr_assert_eq(counts.services, 0);
    cr_assert_eq(counts.bytes_held, 0);
    cr_assert_eq(sut_core_pending(h.core), 0);
    cr_assert_eq(sut_core_next_ns(h.core), SUT_NEVER);
    h.core = sut_core_free(h.core);
    h.acl = sut_acl_free(h.acl);
}

/* ---- peers ---- */

uint64_t peer_open(const char *name)
{
    uint64_t session = sut_core_open(h.core, h.now, sut_str_from(name));
    cr_assert_neq(session, 0);
    return session;
}

void peer_says(uint64_t session, const sut_envelope *env)
{
    sut_envelope copy = *env;
    copy.version = SUT_PROTOCOL_VERSION;
    sut_core_input(h.core, h.now, session, &copy);
}

void peer_sends(uint64_t session, sut_kind kind, uint64_t id)
{
    peer_says(session, &(sut_envelope){.kind = (uint8_t)kind, .id = id});
}

void peer_hello(uint64_t session, const char *instance, const char *service, uint32_t credits)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    int st = sut_mp_add_map(&b, 2) || sut_mp_add_str(&b, SUT_STR("instance")) ||
             sut_mp_add_str(&b, sut_str_from(instance)) || sut_mp_add_str(&b, SUT_STR("services")) ||
             sut_mp_add_array(&b, service ? 1 : 0);
    if (service)
        st = st || sut_mp_add_map(&b, 2) || sut_mp_add_str(&b, SUT_STR("name")) ||
             sut_mp_add_str(&b, sut_str_from(service)) || sut_mp_add_str(&b, SUT_STR("credits")) ||
             sut_mp_add_uint(&b, credits);
    cr_assert_eq(st, 0);
    peer_says(session, &(sut_envelope){.kind = SUT_HELLO, .id = 1, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

uint64_t peer_serves(const char *name, const char *service, uint32_t credits)
{
    uint64_t session = peer_open(name);
    peer_hello(session, name, service, credits);
    cr_assert_not_null(must_take(session, SUT_WELCOME));
    return session;
}

uint64_t peer_ready(const char *name)
{
    return peer_serves(name, NULL, 0);
}

void peer_calls(uint64_t session, uint64_t id, const char *subject)
{
    peer_says(session,
              &(sut_envelope){
                  .kind = SUT_CALL, .id = id, .subject = sut_str_from(subject), .ttl_ms = 1000, .body = SUT_STR("b")});
}

void peer_replies(uint64_t session, const out *call, const char *body)
{
    peer_says(session,
              &(sut_envelope){
                  .kind = SUT_REPLY, .id = call->id, .opt = {.attempt = call->attempt}, .body = sut_str_from(body)});
}

void peer_fails(uint64_t session, const out *call, const char *code)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_error_body_encode(&b, &(sut_error_body){.code = sut_str_from(code), .message = SUT_STR("m")}), 0);
    peer_says(session, &(sut_envelope){.kind = SUT_ERROR_REPLY,
                                       .id = call->id,
                                       .opt = {.attempt = call->attempt, .http_status = 409},
                                       .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

static void answer_pings(uint32_t from)
{
    for (uint32_t i = from; i < h.out_count; i++) {
        if (!h.outs[i].dropped && h.outs[i].kind == SUT_PING)
            peer_sends(h.outs[i].session, SUT_PONG, h.outs[i].id);
    }
}

static void pass(uint64_t ms, bool answer)
{
    uint64_t end = h.now + ms * SUT_NS_PER_MS;
    while (sut_core_next_ns(h.core) <= end) {
        uint32_t before = h.out_count;
        h.now = sut_core_next_ns(h.core) > h.now ? sut_core_next_ns(h.core) : h.now;
        sut_core_tick(h.core, h.now);
        if (answer)
            answer_pings(before);
    }
    h.now = end;
    sut_core_tick(h.core, h.now);
}

void pass_ms(uint64_t ms)
{
    pass(ms, true);
}

void pass_silently_ms(uint64_t ms)
{
    pass(ms, false);
}

/* ---- what came out ---- */

const out *take(uint64_t session)
{
    for (uint32_t i = 0; i < h.out_count; i++) {
        out *o = &h.outs[i];
        if (o->session != session || o->taken || (!o->dropped && o->kind == SUT_PING))
            continue;
        o->taken = true;
        return o;
    }
    return NULL;
}

const out *must_take(uint64_t session, sut_kind kind)
{
    const out *o = take(session);
    cr_assert_not_null(o, "session %llu gets nothing instead of kind %d", (unsigned long long)session, (int)kind);
    cr_assert(!o->dropped, "dropped as %s", sut_drop_reason_name(o->reason));
    cr_assert_eq(o->kind, kind, "kind %d instead of %d: %s %s", o->kind, (int)kind, o->code, o->message);
    return o;
}

void must_get_error(uint64_t session, uint64_t id, const char *code)
{
    const out *o = must_take(session, SUT_ERROR_REPLY);
    cr_assert_str_eq(o->code, code, "%s: %s", o->code, o->message);
    cr_assert_eq(o->id, id);
}

void must_get_reply(uint64_t session, uint64_t id, const char *body)
{
    const out *o = must_take(session, SUT_REPLY);
    cr_assert_eq(o->id, id);
    cr_assert_str_eq(o->body, body);
}

void must_be_dropped(uint64_t session, sut_drop_reason reason)
{
    const out *o = take(session);
    cr_assert_not_null(o);
    cr_assert(o->dropped, "kind %d instead of a drop: %s", o->kind, o->code);
    cr_assert_eq(o->reason, reason, "%s", sut_drop_reason_name(o->reason));
}

void must_get_nothing(uint64_t session)
{
    const out *o = take(session);
    cr_assert_null(o, "kind %d, dropped %d, %s", o->kind, o->dropped, o->code);
}

typedef struct wanted {
    const char *name;
    sut_core_service_view view;
} wanted;

static void find_service(const sut_core_service_view *v, void *arg)
{
    wanted *w = arg;
    if (sut_str_is(v->name, w->name))
        w->view = *v;
}

sut_core_service_view service_view(const char *name)
{
    wanted w = {.name = name};
    sut_core_each_service(h.core, find_service, &w);
    return w.view;
}
