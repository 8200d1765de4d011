/* Life of the Redis client: connect, log in, keep watch, back off and try again, close. */
#include "client.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NS             "redis"
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define TICK_MS        250
#define PING_IDLE_MS   1000
#define ARENA_BYTES    ((size_t)16 << 20) /* of one reply's arrays */
#define OUTSTANDING    16                 /* times max_command_bytes */

/* ---- who is on the stack ---- */

static void destroy(sut_redis *r);

bool redis_enter(sut_redis *r)
{
    bool outer = !r->busy;
    r->busy = true;
    return outer;
}

void redis_leave(sut_redis *r, bool outer)
{
    if (!outer)
        return;
    r->busy = false;
    if (r->freed)
        destroy(r);
}

/* ---- what it tells ---- */

static void tell_health(sut_redis *r)
{
    sut_health_state state = SUT_HEALTH_DOWN;
    const char *detail = r->detail;
    if (r->state == SUT_REDIS_CONNECTING) {
        state = SUT_HEALTH_UNKNOWN;
    } else if (r->state == SUT_REDIS_READY) {
        state = r->breaker.state == SUT_BREAKER_CLOSED ? SUT_HEALTH_UP : SUT_HEALTH_DOWN;
        detail = state == SUT_HEALTH_UP ? "" : "too many commands without an answer: the breaker is open";
    }
    sut_health_set(r->name, r->opt.required, state, detail);
}

static void set_state(sut_redis *r, sut_redis_state state, const char *detail)
{
    bool changed = r->state != state, said = !changed && strcmp(r->detail, detail) == 0;
    r->state = state;
    (void)snprintf(r->detail, sizeof r->detail, "%s", detail);
    if (said)
        return;
    tell_health(r);
    sut_log(state == SUT_REDIS_READY ? SUT_INFO : SUT_WARN, NS, "redis.state", SUT_KV("name", r->name),
            SUT_KV("state", sut_redis_state_name(state)), SUT_KV("where", r->where), SUT_KV("detail", r->detail));
    if (changed && r->opt.on_state && !r->freed)
        r->opt.on_state(r, state, r->opt.on_state_arg);
}

void redis_breaker_changed(sut_redis *r)
{
    sut_log(SUT_WARN, NS, "redis.breaker", SUT_KV("name", r->name),
            SUT_KV("state", sut_breaker_state_name(r->breaker.state)));
    tell_health(r);
}

/* ---- connecting ---- */

static void attempt(sut_timer *t, void *arg);

/* Full second half of the interval at random, so that many clients of one Redis do not come back together. */
static void retry_later(sut_redis *r)
{
    if (r->closing)
        return;
    r->backoff_ms = r->backoff_ms ? r->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (r->backoff_ms > BACKOFF_MAX_MS || r->refused_us)
        r->backoff_ms = BACKOFF_MAX_MS;
    uint64_t half = r->backoff_ms / 2, in_ms = half + sut_prng(&r->seed) % (half + 1);
    if (sut_timer_start_ms(r->loop, &r->retry, in_ms, attempt, r))
        sut_log(SUT_ERROR, NS, "redis.no_timer", SUT_KV("name", r->name)); /* the hook tries again */
}

void redis_link_gone(sut_redis *r, const char *why)
{
    resolver_stop(&r->resolver);
    sut_timer_stop(&r->tick);
    sut_timer_stop(&r->retry);
    retry_later(r);
    set_state(r, r->refused_us ? SUT_REDIS_REFUSED : SUT_REDIS_DOWN, why);
}

static void open_link(sut_redis *r, const char *address)
{
    if (!redis_link_open(r, address))
        return;
    char why[sizeof r->drop_why];
    (void)snprintf(why, sizeof why, "%s", r->drop_why[0] ? r->drop_why : "out of memory");
    r->drop_why[0] = '\0';
    redis_link_gone(r, why);
}

static void resolved(const char *address, const char *why, void *arg)
{
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    if (address)
        open_link(r, address);
    else
        redis_link_gone(r, why);
    redis_leave(r, outer);
}

static void connect_timeout(sut_timer *t, void *arg)
{
    (void)t;
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    if (r->link)
        redis_link_drop(r, "no answer while connecting");
    else
        redis_link_gone(r, "the host name could not be resolved in time");
    redis_leave(r, outer);
}

static void attempt(sut_timer *t, void *arg)
{
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    r->refused_us = false;
    if (sut_timer_start_ms(r->loop, t, r->opt.connect_ms, connect_timeout, r))
        redis_link_gone(r, "out of memory");
    else if (r->url.path[0])
        open_link(r, NULL);
    else if (resolve_is_numeric(r->url.host))
        open_link(r, r->url.host);
    else if (resolver_start(&r->resolver, r->loop, r->url.host, resolved, r))
        redis_link_gone(r, "the host name cannot be looked up now");
    redis_leave(r, outer);
}

/* ---- handshake ---- */

static void tick(sut_timer *t, void *arg);

static void refused(sut_redis *r, sut_str words)
{
    char why[sizeof r->detail];
    (void)snprintf(why, sizeof why, "%.*s", (int)(words.len < sizeof why ? words.len : sizeof why - 1), words.ptr);
    redis_link_drop(r, why);
}

static void logged_in(const sut_redis_reply *reply, void *arg)
{
    sut_redis *r = arg;
    if (reply->outcome != SUT_REDIS_ANSWERED || reply->value.kind != SUT_REDIS_ERROR)
        return;
    r->refused_us = true;
    refused(r, reply->value.string);
}

static void greeted(const sut_redis_reply *reply, void *arg)
{
    sut_redis *r = arg;
    if (reply->outcome != SUT_REDIS_ANSWERED || r->dying || r->closing)
        return;
    if (reply->value.kind == SUT_REDIS_ERROR) { /* NOAUTH is a refusal; LOADING passes */
        sut_str words = reply->value.string;
        r->refused_us = words.len >= 2 && memcmp(words.ptr, "NO", 2) == 0;
        refused(r, words);
        return;
    }
    sut_timer_stop(&r->retry);
    r->backoff_ms = 0;
    sut_breaker_init(&r->breaker, r->opt.breaker); /* this answer is the probe */
    if (sut_timer_start_ms(r->loop, &r->tick, TICK_MS, tick, r))
        redis_link_drop(r, "out of memory");
    else
        set_state(r, SUT_REDIS_READY, "");
}

static sut_status say(sut_redis *r, sut_redis_fn fn, size_t argc, const sut_str *argv)
{
    return redis_send_raw(r, &(sut_redis_request){.argv = argv, .argc = argc, .fn = fn, .arg = r}, false);
}

void redis_link_up(sut_redis *r)
{
    char db[16];
    sut_status st = 0;
    sut_str user = sut_str_from(r->url.user), password = sut_str_from(r->url.password);
    (void)snprintf(db, sizeof db, "%d", r->url.db);
    if (user.len)
        st = say(r, logged_in, 3, (sut_str[]){SUT_STR("AUTH"), user, password});
    else if (password.len)
        st = say(r, logged_in, 2, (sut_str[]){SUT_STR("AUTH"), password});
    if (!st && r->url.db)
        st = say(r, logged_in, 2, (sut_str[]){SUT_STR("SELECT"), sut_str_from(db)});
    if (!st)
        st = say(r, NULL, 3, (sut_str[]){SUT_STR("CLIENT"), SUT_STR("SETNAME"), sut_str_from(r->name)});
    if (!st)
        st = say(r, greeted, 1, (sut_str[]){SUT_STR("PING")});
    r->broken = st != 0; /* hiredis 0.14 does not survive a free from inside its connect callback */
}

/* ---- while ready ---- */

/* Finds a Redis that has stopped answering without closing, and one that nobody asked for a while. */
static void tick(sut_timer *t, void *arg)
{
    sut_redis *r = arg;
    uint64_t now = sut_now_ns(), silent_ms = (now - r->heard_ns) / SUT_NS_PER_MS;
    bool outer = redis_enter(r);
    if (sut_timer_start_ms(r->loop, t, TICK_MS, tick, r))
        redis_link_drop(r, "out of memory");
    else if (r->op_count > 0 && silent_ms >= r->opt.stall_ms)
        redis_link_drop(r, "it owes answers and gives none");
    else if (r->op_count == 0 && silent_ms >= PING_IDLE_MS && !r->closing)
        redis_ping(r);
    redis_leave(r, outer);
}

/* ---- close ---- */

static void finish_close(sut_redis *r)
{
    r->close_pending = false;
    sut_timer_stop(&r->close_timer);
    sut_timer_stop(&r->retry);
    resolver_stop(&r->resolver);
    redis_link_drop(r, "closed");
    if (r->done && !r->freed)
        r->done(r, r->done_arg);
}

static void close_timeout(sut_timer *t, void *arg)
{
    (void)t;
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    finish_close(r);
    redis_leave(r, outer);
}

void sut_redis_close(sut_redis *r, uint32_t wait_ms, void (*done)(sut_redis *r, void *arg), void *arg)
{
    if (r->closing)
        return;
    r->closing = r->close_pending = true; /* the hook ends it when nothing is owed, the timer in any case */
    r->done = done;
    r->done_arg = arg;
    if (sut_timer_start_ms(r->loop, &r->close_timer, wait_ms, close_timeout, r))
        sut_log(SUT_ERROR, NS, "redis.no_timer", SUT_KV("name", r->name));
}

/* ---- before each sleep of the loop ---- */

static bool before_sleep(sut_hook *h, void *arg)
{
    (void)h;
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    if (r->broken)
        redis_link_drop(r, "out of memory");
    if (r->state != SUT_REDIS_READY && !r->link && !r->retry.loop && r->resolver.fd < 0)
        retry_later(r);
    bool worked = redis_link_flush(r);
    if (r->close_pending && r->op_count == 0) {
        finish_close(r);
        worked = true;
    }
    redis_leave(r, outer);
    return worked;
}

/* ---- end ---- */

static void destroy(sut_redis *r)
{
    r->freed = r->closing = true;
    r->busy = true; /* what is called back from here must not come here again */
    redis_link_drop(r, "closed");
    resolver_stop(&r->resolver);
    sut_timer_stop(&r->retry);
    sut_timer_stop(&r->tick);
    sut_timer_stop(&r->close_timer);
    sut_hook_remove(&r->flush);
    sut_health_set(r->name, r->opt.required, SUT_HEALTH_DOWN, "closed");
    sut_buf_deinit(&r->scratch);
    (void)sut_arena_free(r->arena);
    explicit_bzero(&r->url, sizeof r->url);
    free(r);
}

sut_redis *sut_redis_free(sut_redis *r)
{
    if (!r || r->freed)
        return NULL;
    if (!r->busy) {
        destroy(r);
        return NULL;
    }
    r->freed = r->closing = true; /* redis_leave does the rest */
    if (!r->dying)
        redis_link_drop(r, "closed");
    return NULL;
}

/* ---- start ---- */

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static void fill_options(sut_redis *r, const sut_redis_options *opt)
{
    r->opt = *opt;
    r->opt.url = r->opt.name = NULL;
    r->opt.timeout_ms = or_default(opt->timeout_ms, 3000);
    r->opt.connect_ms = or_default(opt->connect_ms, 2000);
    r->opt.stall_ms = or_default(opt->stall_ms, 2000);
    r->opt.max_outstanding = or_default(opt->max_outstanding, 4096);
    r->opt.max_command_bytes = or_default(opt->max_command_bytes, 1 << 20);
    if (!opt->breaker.window_ms)
        r->opt.breaker = SUT_BREAKER_DEFAULTS;
    (void)snprintf(r->name, sizeof r->name, "%s", opt->name ? opt->name : "redis");
    r->max_bytes = (size_t)r->opt.max_command_bytes * OUTSTANDING;
}

sut_status sut_redis_new(sut_redis **out, sut_loop *loop, const sut_redis_options *opt, char *error, size_t error_size)
{
    sut_redis *r = calloc(1, sizeof *r);
    if (!r) {
        (void)snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    r->loop = loop;
    r->resolver = RESOLVER_INIT;
    sut_list_init(&r->ops);
    fill_options(r, opt);
    sut_random(&r->seed, sizeof r->seed);
    sut_buf_init(&r->scratch, (size_t)r->opt.max_command_bytes + 256); /* and room for a script's name and hash */
    sut_breaker_init(&r->breaker, r->opt.breaker);
    sut_status st = redis_url_parse(&r->url, opt->url ? opt->url : "", error, error_size);
    if (st) {
        free(r);
        return st;
    }
    redis_url_where(&r->url, r->where, sizeof r->where);
    st = sut_arena_new(&r->arena, ARENA_BYTES);
    if (!st)
        st = sut_timer_start_at(loop, &r->retry, 0, attempt, r);
    if (st) {
        (void)snprintf(error, error_size, "out of memory");
        (void)sut_arena_free(r->arena);
        explicit_bzero(&r->url, sizeof r->url);
        free(r);
        return st;
    }
    r->flush = (sut_hook){.fn = before_sleep, .arg = r};
    sut_hook_add(loop, &r->flush);
    tell_health(r);
    *out = r;
    return 0;
}

sut_redis_state sut_redis_state_of(const sut_redis *r)
{
    return r->state == SUT_REDIS_READY && r->dying ? SUT_REDIS_DOWN : r->state;
}

const char *sut_redis_state_name(sut_redis_state s)
{
    switch (s) {
    case SUT_REDIS_CONNECTING: return "connecting";
    case SUT_REDIS_READY: return "ready";
    case SUT_REDIS_DOWN: return "down";
    case SUT_REDIS_REFUSED: return "refused";
    }
    return "unknown";
}

const char *sut_redis_detail(const sut_redis *r)
{
    return r->detail;
}

uint32_t sut_redis_retry_after_ms(const sut_redis *r)
{
    if (r->state == SUT_REDIS_READY && !r->dying)
        return or_default(r->breaker_retry_ms, BACKOFF_MIN_MS);
    uint64_t now = sut_now_ns();
    uint64_t left = r->retry.loop && r->retry.at_ns > now ? (r->retry.at_ns - now) / SUT_NS_PER_MS : 0;
    return BACKOFF_MIN_MS + (left < BACKOFF_MAX_MS ? (uint32_t)left : BACKOFF_MAX_MS);
}

size_t sut_redis_outstanding(const sut_redis *r)
{
    return r->op_count;
}
