/* What a call costs in the broker's core alone: call in, given to an instance, reply in, answered. No sockets, no
 * codec; the outputs are only noted. Prints nanoseconds of processor time (so that a busy machine
 * changes little) a round trip for calls with and without a kept copy, with one
 * and with 1,000 outstanding, for calls that wait in the queue, and for what a tap on all
 * traffic adds to the loop's work. */
#include "base/clock.h"
#include "core/core.h"
#include "tap/tap.h"
#include "wire/msgpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS    2000000
#define INSTANCES 4
#define CALLS_MAX 1000

typedef struct given {
    uint64_t session, id;
    uint32_t attempt;
} given;

typedef struct bench {
    given ring[2 * CALLS_MAX]; /* calls given to instances and not yet answered, oldest first */
    uint32_t head, tail;
    uint64_t answered, now_ns;
    sut_loop *loop;
    sut_tap_hub *hub; /* NULL: nobody taps */
} bench;

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    bench *b = app;
    if (env->kind == SUT_CALL) {
        b->ring[b->tail] = (given){session, env->id, env->opt.attempt};
        b->tail = (b->tail + 1) % SUT_ARRAY_LEN(b->ring);
    } else if (env->kind == SUT_REPLY) {
        b->answered++;
    } else if (env->kind == SUT_ERROR_REPLY) {
        fprintf(stderr, "core_bench: a call failed\n");
        exit(SUT_EXIT_SOFTWARE);
    }
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    (void)app;
    fprintf(stderr, "core_bench: session %llu dropped: %s\n", (unsigned long long)session,
            sut_drop_reason_name(reason));
    exit(SUT_EXIT_SOFTWARE);
}

static void on_method(void *app, sut_str subject, sut_core_method *m)
{
    (void)app;
    *m = (sut_core_method){.known = true, .idempotent = sut_str_is(subject, "user.profile_get"), .timeout_ms = 3000};
}

/* ---- a tap, whose peer takes everything ---- */

static bool on_allows(void *app, uint64_t session, sut_str subject)
{
    (void)app;
    (void)session;
    (void)subject;
    return true;
}

static bool on_send(void *app, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes)
{
    (void)app;
    (void)session;
    (void)len;
    (void)envelopes;
    free(bytes);
    return true;
}

static void on_watch(void *app, uint32_t kinds)
{
    (void)app;
    (void)kinds;
}

static void on_seen(void *app, sut_sight *s)
{
    bench *b = app;
    sut_tap_hub_see(b->hub, b->now_ns, s);
}

static void open_tap(bench *b, sut_core *c)
{
    static const sut_tap_ops ops = {.allows = on_allows, .send = on_send, .watch = on_watch};
    const sut_tap_limits limits = SUT_TAP_LIMITS_DEFAULT;
    const sut_tap_request all = {.kinds = SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR | SUT_SIGHT_EVENT,
                                 .follow = true};
    char error[128];
    if (sut_loop_new(&b->loop) || sut_tap_hub_new(&b->hub, b->loop, &ops, b, &limits) ||
        sut_tap_hub_attach(b->hub, sut_now_ns(), 1, 1, SUT_STR("operator"), &all, error, sizeof(error)))
        exit(SUT_EXIT_SOFTWARE);
    sut_core_watch(c, all.kinds);
}

static sut_status add_service(sut_buf *body, uint32_t credits)
{
    sut_status st = sut_mp_add_map(body, 1);
    if (st == 0)
        st = sut_mp_add_str(body, SUT_STR("services"));
    if (st == 0)
        st = sut_mp_add_array(body, 1);
    if (st == 0)
        st = sut_mp_add_map(body, 2);
    if (st == 0)
        st = sut_mp_add_str(body, SUT_STR("name"));
    if (st == 0)
        st = sut_mp_add_str(body, SUT_STR("user"));
    if (st == 0)
        st = sut_mp_add_str(body, SUT_STR("credits"));
    return st ? st : sut_mp_add_uint(body, credits);
}

static uint64_t connect_peer(sut_core *c, sut_str name, uint32_t credits)
{
    sut_buf body;
    sut_buf_init(&body, 0);
    uint64_t session = sut_core_open(c, sut_now_ns(), name);
    if (session == 0 || (credits > 0 && add_service(&body, credits)))
        exit(SUT_EXIT_SOFTWARE);
    sut_envelope hello = {
        .version = SUT_PROTOCOL_VERSION, .kind = SUT_HELLO, .id = 1, .body = {(const char *)body.data, body.len}};
    sut_core_input(c, sut_now_ns(), session, &hello);
    sut_buf_deinit(&body);
    return session;
}

static uint64_t cpu_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* a tap's thread is not the loop's */
    return (uint64_t)t.tv_sec * SUT_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Keeps `outstanding` calls under way until `ROUNDS` are answered; returns nanoseconds a call. */
static double run(sut_core *c, bench *b, uint64_t caller, const char *subject, uint32_t outstanding)
{
    static const char body[200];
    sut_envelope call = {.version = SUT_PROTOCOL_VERSION,
                         .kind = SUT_CALL,
                         .subject = sut_str_from(subject),
                         .ttl_ms = 3000,
                         .principal = {.user_id = 42, .level = 1},
                         .body = {body, sizeof(body)}};
    sut_envelope reply = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_REPLY, .body = {body, sizeof(body)}};
    b->answered = 0;
    uint64_t now = sut_now_ns(), start = cpu_ns();
    for (uint64_t n = 0; n < ROUNDS + outstanding; n++) {
        if (n >= outstanding) {
            given g = b->ring[b->head];
            b->head = (b->head + 1) % SUT_ARRAY_LEN(b->ring);
            reply.id = g.id;
            reply.opt.attempt = g.attempt;
            sut_core_input(c, now, g.session, &reply);
        }
        if (n % 64 == 0) { /* as the daemon does: one look at the clock for a batch */
            now = b->now_ns = sut_now_ns();
            sut_core_tick(c, now);
            if (b->loop && n % 8192 == 0 && sut_loop_turn(b->loop, 0))
                exit(SUT_EXIT_SOFTWARE);
        }
        if (n < ROUNDS) {
            call.id = n + 1;
            sut_core_input(c, now, caller, &call);
        }
    }
    uint64_t took = cpu_ns() - start;
    if (b->answered != ROUNDS || sut_core_pending(c) != 0)
        exit(SUT_EXIT_SOFTWARE);
    return (double)took / ROUNDS;
}

static double bench_case(const char *subject, uint32_t outstanding, uint32_t credits, bool tapped)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop, .method = on_method, .seen = on_seen};
    static const char acl_text[] = "edge role=edge call=user.*\nuser role=actor serve=user\n";
    bench *b = calloc(1, sizeof(*b));
    sut_core *c = NULL;
    sut_acl *acl = NULL;
    char error[128];
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.ping_after_ms = 60000; /* the peers here answer no pings */
    if (!b || sut_acl_parse(&acl, SUT_STR(acl_text), error, sizeof(error)) || sut_core_new(&c, &limits, &ops, b))
        exit(SUT_EXIT_SOFTWARE);
    sut_core_set_acl(c, sut_now_ns(), acl);
    uint64_t caller = connect_peer(c, SUT_STR("edge"), 0);
    for (int i = 0; i < INSTANCES; i++)
        (void)connect_peer(c, SUT_STR("user"), credits);
    if (tapped)
        open_tap(b, c);
    double ns = run(c, b, caller, subject, outstanding);
    sut_core_free(c);
    sut_tap_hub_free(b->hub);
    sut_loop_free(b->loop);
    sut_acl_free(acl);
    free(b);
    return ns;
}

int main(void)
{
    static const struct {
        const char *name, *subject;
        uint32_t outstanding, credits;
        bool tapped;
    } cases[] = {
        {"1 outstanding", "user.profile_update", 1, 64, false},
        {"1 outstanding, idempotent (a copy is kept)", "user.profile_get", 1, 64, false},
        {"1,000 outstanding", "user.profile_update", 1000, 1000, false},
        {"1,000 outstanding, a tap on all of it", "user.profile_update", 1000, 1000, true},
        {"1,000 outstanding, idempotent", "user.profile_get", 1000, 1000, false},
        {"1,000 outstanding, 900 of them queued", "user.profile_get", 1000, 25, false},
    };
    printf("%-46s %10s\n", "one call through the core, 200-byte bodies", "ns");
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++)
        printf("%-46s %10.0f\n", cases[i].name,
               bench_case(cases[i].subject, cases[i].outstanding, cases[i].credits, cases[i].tapped));
    return SUT_EXIT_OK;
}
