/* The broker's core, driven by a program of bytes: peers that connect, say hello, call, answer, lie and go, in an order
 * that coverage finds (the simulator finds others: it plays by rules). What must hold: everything emitted can be
 * encoded, to a session that is open; a call is answered at most once; and nothing is left when all have gone. */
#include "core/core.h"
#include "fuzz.h"

#include "base/clock.h"

#define PEERS   4
#define CALLS   1024
#define OPS_MAX 600
#define STEP_NS (20 * SUT_NS_PER_MS)
#define ACL_TEXT                                                                                                       \
    "edge role=edge call=*.*,broker.*\n"                                                                               \
    "user role=actor call=*.* serve=user,other\n"                                                                      \
    "user2 role=actor call=*.* serve=user\n"                                                                           \
    "tool role=tool call=user.a\n"

typedef struct call_seen {
    uint64_t session;
    uint8_t answers;
} call_seen;

typedef struct world {
    const uint8_t *at, *end;
    sut_core *core;
    uint64_t now;
    uint64_t sessions[PEERS];
    uint64_t handed[PEERS]; /* the id and attempt of the last call that an instance got */
    uint32_t handed_attempt[PEERS];
    bool ready[PEERS]; /* was welcomed */
    uint64_t control;  /* the last call to broker.* that was not answered yet; 0: none */
    call_seen calls[CALLS];
    size_t call_count;
    sut_buf out;
} world;

static unsigned next(world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

static int peer_of(const world *w, uint64_t session)
{
    for (int i = 0; i < PEERS; i++)
        if (w->sessions[i] == session)
            return i;
    return -1;
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    world *w = app;
    int peer = peer_of(w, session);
    MUST(peer >= 0);
    sut_buf_reset(&w->out);
    MUST(sut_envelope_encode(&w->out, env) == 0);
    w->ready[peer] = w->ready[peer] || env->kind == SUT_WELCOME;
    if (env->kind == SUT_CALL) {
        w->handed[peer] = env->id;
        w->handed_attempt[peer] = env->opt.attempt;
    }
    if (env->kind != SUT_REPLY && env->kind != SUT_ERROR_REPLY)
        return;
    if (env->kind == SUT_ERROR_REPLY) {
        sut_arena *a SUT_CLEANUP(fuzz_arena_free) = NULL;
        sut_error_body error;
        MUST(sut_arena_new(&a, 1 << 16) == 0);
        sut_status status = sut_error_body_decode(a, env->body, &error); /* an instance may have sent anything */
        MUST(status || error.code.ptr);
    }
    if (env->id > 0 && env->id <= w->call_count && w->calls[env->id - 1].session == session)
        MUST(++w->calls[env->id - 1].answers <= 1);
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    world *w = app;
    int peer = peer_of(w, session);
    MUST(peer >= 0 && sut_drop_reason_name(reason));
    w->sessions[peer] = 0;
}

static void on_method(void *app, sut_str subject, sut_core_method *out)
{
    (void)app;
    *out = (sut_core_method){.known = subject.len % 2, .idempotent = subject.len % 3 == 0, .timeout_ms = 500};
}

static void on_control(void *app, uint64_t call, uint64_t session, const sut_envelope *env)
{
    world *w = app;
    MUST(peer_of(w, session) >= 0 && env->kind == SUT_CALL);
    if (w->control)
        return;
    w->control = call;
}

static void on_refused(void *app, uint64_t session, const char *what, sut_str subject, int err)
{
    (void)app, (void)session, (void)subject;
    MUST(what && sut_platform_error(err));
}

static void on_finished(void *app, sut_str subject, uint64_t took_ns, int err)
{
    (void)app, (void)took_ns, (void)err;
    MUST(sut_subject_valid(subject));
}

/* Everything that a sight names can be read. */
static void on_seen(void *app, sut_sight *s)
{
    const sut_str strings[] = {s->from,      s->to,   s->subject, s->key,  s->traceparent,
                               s->parent_id, s->code, s->group,   s->body, s->principal.session};
    unsigned sum = 0;
    (void)app;
    for (size_t i = 0; i < SUT_ARRAY_LEN(strings); i++)
        for (size_t k = 0; strings[i].ptr && k < strings[i].len; k++)
            sum += (unsigned char)strings[i].ptr[k];
    MUST(s->kind && s->from.ptr && s->call && sum);
}

static sut_str subject_of(unsigned number)
{
    static const char *const subjects[] = {"user.a",        "user.bb", "other.c", "nobody.d",
                                           "broker.status", "user",    "",        "a.b.c"};
    return sut_str_from(subjects[number % SUT_ARRAY_LEN(subjects)]);
}

static sut_str hello_body(world *w, unsigned peer, sut_buf *b)
{
    if (next(w) % 4 == 0) { /* anything */
        size_t len = next(w) % 64, left = (size_t)(w->end - w->at);
        len = len < left ? len : left;
        MUST(sut_buf_append(b, w->at, len) == 0);
        w->at += len;
        return fuzz_str(b);
    }
    bool serves = peer == 1 || peer == 2;
    MUST(sut_mp_add_map(b, serves ? 1 : 0) == 0);
    if (serves) {
        MUST(sut_mp_add_str(b, SUT_STR("services")) == 0 && sut_mp_add_array(b, 1) == 0 && sut_mp_add_map(b, 2) == 0);
        MUST(sut_mp_add_str(b, SUT_STR("name")) == 0 && sut_mp_add_str(b, SUT_STR("user")) == 0);
        MUST(sut_mp_add_str(b, SUT_STR("credits")) == 0 && sut_mp_add_int(b, next(w) % 4) == 0);
    }
    return fuzz_str(b);
}

/* Any envelope that can be on the wire, with numbers from where they matter. */
static void send(world *w, unsigned peer)
{
    static const uint8_t kinds[] = {SUT_CALL, SUT_CALL, SUT_REPLY, SUT_REPLY, SUT_ERROR_REPLY, SUT_CANCEL, SUT_CREDIT,
                                    SUT_PONG, SUT_PING, SUT_BYE,   SUT_HELLO, SUT_HELLO,       SUT_HELLO,  SUT_WELCOME};
    FUZZ_BUF(body);
    unsigned flags = next(w);
    sut_envelope env = {.version = 1, .kind = kinds[next(w) % SUT_ARRAY_LEN(kinds)], .subject = subject_of(next(w))};
    bool answers = env.kind == SUT_REPLY || env.kind == SUT_ERROR_REPLY;
    env.ttl_ms = flags & 1 ? next(w) * 8 : 0;
    env.opt.credits = flags & 2 ? next(w) : 0;
    env.opt.attempt = answers && !(flags & 4) ? w->handed_attempt[peer] : next(w) % 4;
    env.principal = (sut_principal){.user_id = flags & 8 ? 7 : 0, .level = flags & 8 ? 1 : 0};
    env.opt.instance = flags & 16 ? SUT_STR("user") : SUT_STR_NONE;
    if (env.kind == SUT_HELLO)
        env.body = hello_body(w, peer, &body);
    if (env.kind == SUT_CALL && w->call_count < CALLS && !(flags & 32)) {
        w->calls[w->call_count++] = (call_seen){.session = w->sessions[peer]};
        env.id = w->call_count;
    } else if (env.kind == SUT_CALL) {
        env.id = UINT64_C(1) << 32 | next(w) % 4; /* one that is perhaps in use */
    } else {
        env.id = answers && !(flags & 4) ? w->handed[peer] : next(w);
        if (!w->ready[peer] || !(answers || env.kind == SUT_CANCEL))
            env.id |= UINT64_C(1) << 40; /* an error that echoes it is no answer to a call */
    }
    sut_buf_reset(&w->out);
    if (sut_envelope_encode(&w->out, &env) == 0) /* else no wire could have carried it */
        sut_core_input(w->core, w->now, w->sessions[peer], &env);
}

static void step(world *w)
{
    static const char *const names[PEERS] = {"edge", "user", "user2", "tool"};
    unsigned op = next(w), peer = op >> 4 & 3;
    switch (op & 15) {
    case 0:
        if (w->sessions[peer])
            break;
        w->sessions[peer] = sut_core_open(w->core, w->now, sut_str_from(names[peer]));
        w->ready[peer] = false;
        break;
    case 1:
        sut_core_close(w->core, w->now, w->sessions[peer]);
        w->sessions[peer] = 0;
        break;
    case 2: sut_core_garbage(w->core, w->now, w->sessions[peer], (sut_envelope_fault)(1 + next(w) % 14)); break;
    case 3:
    case 4:
        w->now += STEP_NS * (1 + next(w) % 64);
        sut_core_tick(w->core, w->now);
        break;
    case 5:
        if (w->control)
            sut_core_control_reply(w->core, w->now, w->control, next(w) % 2 ? SUT_ERR_FORBIDDEN : 0, SUT_STR("\x80"));
        w->control = 0;
        break;
    case 6:
        if (next(w) == 77)
            sut_core_drain(w->core, w->now);
        break;
    default: send(w, peer); break;
    }
}

static void finish(world *w)
{
    sut_core_counts counts;
    for (int i = 0; i < PEERS; i++) {
        sut_core_close(w->core, w->now, w->sessions[i]);
        w->sessions[i] = 0;
    }
    for (int i = 0; i < 10; i++) {
        w->now += 30 * SUT_NS_PER_S;
        sut_core_tick(w->core, w->now);
    }
    sut_core_get_counts(w->core, &counts);
    MUST(counts.sessions == 0 && sut_core_pending(w->core) == 0);
    MUST(counts.calls == 0 && sut_core_bytes_held(w->core) == 0);
}

static uint8_t on_picks(void *app, const sut_envelope *env)
{
    (void)app;
    return (uint8_t)(env->id % 3);
}

static bool on_replayed(void *app, uint64_t session, const sut_envelope *env)
{
    (void)app;
    MUST(env->principal.user_id > 0 && env->opt.replayed);
    return session % 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sut_core_ops ops = {on_emit, on_drop, on_method, on_control, on_refused, on_finished,
                                     NULL,    NULL,    on_seen,   on_picks,   on_replayed};
    static world w; /* large */
    static sut_acl *acl;
    char error[200];
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_calls = 4;
    limits.pending_calls_per_peer = 8;
    limits.queue_bytes = limits.pending_bytes = 4096;
    if (!acl)
        MUST(sut_acl_parse(&acl, SUT_STR(ACL_TEXT), error, sizeof error) == 0);
    memset(&w, 0, sizeof w);
    w.at = data;
    w.end = data + size;
    w.now = SUT_NS_PER_S;
    sut_buf_init(&w.out, 0);
    MUST(sut_core_new(&w.core, &limits, &ops, &w) == 0);
    sut_core_set_acl(w.core, w.now, acl);
    sut_core_watch(w.core, SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR);
    for (int i = 0; i < OPS_MAX && w.at < w.end; i++)
        step(&w);
    finish(&w);
    w.core = sut_core_free(w.core);
    sut_buf_deinit(&w.out);
    return 0;
}
