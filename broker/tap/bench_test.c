/* The shared part of the unit tests of taps. */
#include "bench_test.h"

#include "wire/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bench t;

static bool on_allows(void *app, uint64_t session, sut_str subject)
{
    (void)app;
    (void)session;
    return !t.hidden || !sut_str_is(subject, t.hidden);
}

static void copy_text(char *to, size_t size, sut_str s)
{
    cr_assert_lt(s.len, size);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
}

static void keep(uint64_t session, const sut_envelope *env)
{
    cr_assert_lt(t.got_count, GOT_MAX);
    got *g = &t.gots[t.got_count++];
    sut_buf json;
    sut_str text;
    *g = (got){.session = session, .id = env->id, .kind = env->kind, .user_id = env->principal.user_id};
    copy_text(g->subject, sizeof g->subject, env->subject);
    copy_text(g->key, sizeof g->key, env->key);
    sut_buf_init(&json, 0);
    cr_assert_eq(sut_body_scan(env->body), SUT_ENV_OK);
    cr_assert_eq(sut_msgpack_to_json(env->body, &json), 0);
    cr_assert_eq(sut_buf_str(&json, &text), 0);
    if (text.len >= sizeof g->json)
        text.len = sizeof g->json - 1;
    copy_text(g->json, sizeof g->json, text);
    sut_buf_deinit(&json);
}

static bool on_send(void *app, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes)
{
    size_t at = 0, used;
    uint32_t count = 0;
    sut_envelope env;
    (void)app;
    if (t.stuck)
        return false;
    for (; at < len; at += used, count++) {
        cr_assert_eq(sut_envelope_decode(bytes + at, len - at, &env, &used), SUT_ENV_OK);
        keep(session, &env);
    }
    cr_assert_eq(count, envelopes);
    cr_assert(len <= SUT_FRAME_MAX || count == 1);
    t.bytes_sent += len;
    free(bytes);
    return true;
}

static void on_ended(void *app, uint64_t session, uint64_t id, int err, const char *message)
{
    (void)app;
    (void)session;
    cr_assert(!err || message);
    t.ended++;
    t.ended_id = id;
    t.ended_err = err;
}

static void on_watch(void *app, uint32_t kinds)
{
    (void)app;
    t.kinds = kinds;
}

static sut_status on_read(void *app, uint64_t tag, const sut_tap_read *r)
{
    (void)app;
    t.reads++;
    if (t.read_status)
        return t.read_status;
    t.read = *r;
    t.read_tag = tag;
    return 0;
}

static void on_release(void *app, void *owner)
{
    (void)app;
    (void)owner;
    t.released++;
}

void bench_with(const sut_tap_limits *limits)
{
    const sut_tap_ops ops = {.allows = on_allows,
                             .send = on_send,
                             .ended = on_ended,
                             .watch = on_watch,
                             .read = on_read,
                             .release = on_release};
    memset(&t, 0, sizeof t);
    t.now_ns = SUT_NS_PER_S;
    cr_assert_eq(sut_loop_new(&t.loop), 0);
    cr_assert_eq(sut_tap_hub_new(&t.hub, t.loop, &ops, &t, limits), 0);
}

void bench_setup(void)
{
    const sut_tap_limits limits = SUT_TAP_LIMITS_DEFAULT;
    bench_with(&limits);
}

void bench_teardown(void)
{
    t.hub = sut_tap_hub_free(t.hub);
    t.loop = sut_loop_free(t.loop);
    cr_assert_eq(t.lent, t.released, "%u pages were lent and %u given back", t.lent, t.released);
}

sut_tap_request everything(void)
{
    return (sut_tap_request){.kinds = SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR | SUT_SIGHT_EVENT,
                             .follow = true};
}

sut_status attach(uint64_t session, uint64_t id, const sut_tap_request *r)
{
    char error[128];
    return sut_tap_hub_attach(t.hub, t.now_ns, session, id, SUT_STR("watcher"), r, error, sizeof error);
}

void must_attach(uint64_t session, uint64_t id, const sut_tap_request *r)
{
    cr_assert_eq(attach(session, id, r), 0);
}

sut_sight sight(sut_sight_kind kind, const char *subject, sut_str body)
{
    const bool call = kind != SUT_SIGHT_EVENT;
    return (sut_sight){.kind = kind,
                       .from = SUT_STR("edge"),
                       .to = call ? SUT_STR("auth") : SUT_STR_NONE,
                       .subject = sut_str_from(subject),
                       .key = SUT_STR("k"),
                       .traceparent = SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                       .principal = {.user_id = 42, .level = 1, .session = SUT_STR("session-canary")},
                       .call = call ? 7 : 0,
                       .attempt = call ? 1 : 0,
                       .sequence = call ? 0 : 1,
                       .body = body};
}

void pass(const sut_sight *s)
{
    sut_sight copy = *s;
    sut_tap_hub_see(t.hub, t.now_ns, &copy);
}

void turn(void)
{
    cr_assert_eq(sut_loop_turn(t.loop, 20), 0);
}

const got *must_get(void)
{
    for (int i = 0; i < 500 && t.taken == t.got_count; i++)
        turn();
    cr_assert_lt(t.taken, t.got_count, "nothing was sent");
    return &t.gots[t.taken++];
}

void must_get_end(uint64_t lost)
{
    char wanted[128];
    const got *g = must_get();
    (void)snprintf(wanted, sizeof wanted, "{\"from\":0,\"to\":0,\"reason\":\"end\",\"lost\":%llu}",
                   (unsigned long long)lost);
    cr_assert_eq(g->kind, SUT_GAP);
    cr_assert_str_eq(g->json, wanted);
    cr_assert_eq(t.ended, 1);
    cr_assert_eq(t.ended_id, g->id);
    cr_assert_eq(t.ended_err, 0);
}

static void look(const sut_tap_view *v, void *arg)
{
    *(uint64_t *)arg += v->waiting_bytes;
}

void must_get_nothing(void)
{
    uint64_t waiting = 1;
    for (int i = 0; i < 500 && waiting > 0; i++) {
        turn();
        waiting = 0;
        sut_tap_hub_each(t.hub, look, &waiting);
    }
    for (int i = 0; i < 3; i++)
        turn();
    cr_assert_eq(t.taken, t.got_count, "%s was sent", t.gots[t.taken].json);
}

bool says(const got *g, const char *text)
{
    return strstr(g->json, text) != NULL;
}
