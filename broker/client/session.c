/* The session with the broker: backoff, socket, hello, welcome, pings, bye, and the end that starts it all over. */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>

#define BACKOFF_FIRST_NS   (10 * SUT_NS_PER_MS)
#define BACKOFF_MAX_NS     SUT_NS_PER_S
#define BACKOFF_REFUSED_NS (2 * SUT_NS_PER_S)
#define STEADY_NS          SUT_NS_PER_S /* a session that held so long ends a row of failures */
#define HELLO_TIMEOUT_NS   (2 * SUT_NS_PER_S)
#define PING_AFTER_MS      500
#define PING_AFTER_MIN_MS  20
#define PING_AFTER_MAX_MS  60000
#define PINGS_UNANSWERED   3

static void on_timer(sut_timer *t, void *arg);
static void refused(sut_client *c, const char *why);

static void start_timer(sut_client *c, uint64_t at_ns)
{
    if (sut_timer_start_at(c->loop, &c->session.timer, at_ns, on_timer, c) != 0)
        sut_log(SUT_ERROR, CLIENT_LOG, "session.timer_failed");
}

bool client_session_takes_calls(const sut_client *c)
{
    return c->session.phase == PHASE_UP;
}

bool client_session_takes_answers(const sut_client *c)
{
    return c->session.phase >= PHASE_HELLO;
}

/* Full jitter (M. Brooker, "Exponential backoff and jitter"): anywhere between now and a bound that doubles. */
static uint64_t backoff_ns(client_session *s)
{
    unsigned doublings = s->failures < 10 ? s->failures : 10;
    uint64_t bound = BACKOFF_FIRST_NS << doublings;
    s->failures++;
    return sut_prng(&s->prng) % (bound < BACKOFF_MAX_NS ? bound : BACKOFF_MAX_NS);
}

static void send_hello(sut_client *c)
{
    sut_buf body;
    sut_buf_init(&body, SUT_FRAME_MAX);
    if (client_hello_encode(c, &body) != 0) {
        sut_buf_deinit(&body);
        client_session_restart(c, "out of memory");
        return;
    }
    c->session.hello_id = client_new_id(c);
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_HELLO,
                        .id = c->session.hello_id,
                        .subject = SUT_STR(""),
                        .body = {(const char *)body.data, body.len}};
    client_outbox_control(c, &env);
    sut_buf_deinit(&body);
}

static void connect_now(sut_client *c)
{
    char error[256] = "";
    sut_status st = client_link_open(&c->link, c->loop, &c->config, error, sizeof error);
    if (st == -EACCES) {
        refused(c, error);
        return;
    }
    if (st != 0) {
        sut_log(SUT_WARN, CLIENT_LOG, "session.open_failed", SUT_KV("error", error));
        client_set_state(c, SUT_SESSION_DOWN, error);
        c->session.phase = PHASE_BACKOFF;
        start_timer(c, sut_now_ns() + backoff_ns(&c->session));
        return;
    }
    c->session.phase = PHASE_HELLO;
    c->session.number++;
    start_timer(c, sut_now_ns() + HELLO_TIMEOUT_NS);
    send_hello(c);
}

void client_session_start(sut_client *c)
{
    sut_random(&c->session.prng, sizeof c->session.prng);
    c->session.ping_after_ns = PING_AFTER_MS * SUT_NS_PER_MS;
    connect_now(c);
}

/* Closes the socket and decides what was on it. `delay_ns` later there will be a new one. */
static void end_session(sut_client *c, sut_session_state state, const char *why, uint64_t delay_ns)
{
    client_phase was = c->session.phase;
    c->session.phase = PHASE_BACKOFF;
    client_link_close(&c->link, 0);
    client_outbox_clear_urgent(c);
    start_timer(c, sut_now_ns() + delay_ns);
    if (was >= PHASE_UP)
        sut_log(SUT_WARN, CLIENT_LOG, "session.lost", SUT_KV("broker", c->config.endpoint), SUT_KV("why", why));
    else
        sut_log(SUT_DEBUG, CLIENT_LOG, "session.failed", SUT_KV("broker", c->config.endpoint), SUT_KV("why", why));
    client_serve_session_lost(c);
    client_set_state(c, state, why);
    client_calls_session_lost(c);
    client_subs_session_lost(c);
    client_taps_session_lost(c, state == SUT_SESSION_REFUSED);
    if (state == SUT_SESSION_REFUSED)
        client_calls_refuse_queued(c, "the broker refuses this peer");
}

void client_session_restart(sut_client *c, const char *why)
{
    client_session *s = &c->session;
    if (s->phase < PHASE_HELLO)
        return;
    if (s->phase >= PHASE_UP && sut_now_ns() - s->up_since_ns > STEADY_NS)
        s->failures = 0;
    end_session(c, SUT_SESSION_DOWN, why, backoff_ns(s));
}

static void refused(sut_client *c, const char *why)
{
    sut_log(SUT_WARN, CLIENT_LOG, "session.refused", SUT_KV("broker", c->config.endpoint),
            SUT_KV("name", c->config.name), SUT_KV("why", why));
    end_session(c, SUT_SESSION_REFUSED, why, BACKOFF_REFUSED_NS + sut_prng(&c->session.prng) % SUT_NS_PER_S);
}

void client_session_stop(sut_client *c, int linger_ms)
{
    sut_timer_stop(&c->session.timer);
    client_link_close(&c->link, linger_ms);
    client_outbox_clear_urgent(c);
    c->session.phase = PHASE_STOPPED;
}

void client_session_link_event(sut_client *c, client_link_event event)
{
    if (c->session.phase < PHASE_HELLO)
        return;
    if (event == LINK_REFUSED)
        refused(c, "name or secret is not accepted");
    else
        client_session_restart(c, c->session.phase == PHASE_HELLO ? "no broker there" : "disconnected");
}

static void send_ping(sut_client *c, uint64_t id)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PING, .id = id, .subject = SUT_STR("")};
    client_outbox_control(c, &env);
}

/* Runs every ping interval of an open session. Reads first what has come meanwhile, so that a process that was stopped
 * itself does not take its own sleep for the broker's. */
static void check_silence(sut_client *c)
{
    client_session *s = &c->session;
    uint64_t session = s->number;
    c->link.look = true;
    client_receive(c);
    if (s->number != session || s->phase < PHASE_UP)
        return;
    uint64_t now = sut_now_ns();
    if (now - s->last_heard_ns < s->ping_after_ns) {
        start_timer(c, s->last_heard_ns + s->ping_after_ns);
        return;
    }
    if (s->pings_unanswered >= PINGS_UNANSWERED) {
        client_session_restart(c, "the broker does not answer pings");
        return;
    }
    s->pings_unanswered++;
    start_timer(c, now + s->ping_after_ns);
    send_ping(c, client_new_id(c));
}

static void on_timer(sut_timer *t, void *arg)
{
    (void)t;
    sut_client *c = arg;
    switch (c->session.phase) {
    case PHASE_BACKOFF: connect_now(c); break;
    case PHASE_HELLO: client_session_restart(c, "no answer to hello"); break;
    case PHASE_UP:
    case PHASE_LEAVING: check_silence(c); break;
    case PHASE_STOPPED: break;
    }
}

static void welcomed(sut_client *c, const sut_envelope *env)
{
    client_session *s = &c->session;
    uint32_t ping_after_ms = PING_AFTER_MS;
    if (s->phase != PHASE_HELLO || client_welcome_decode(c->scratch, env->body, &ping_after_ms) != 0) {
        client_session_restart(c, "a welcome that cannot be");
        return;
    }
    if (ping_after_ms < PING_AFTER_MIN_MS || ping_after_ms > PING_AFTER_MAX_MS)
        ping_after_ms = PING_AFTER_MS;
    s->phase = PHASE_UP;
    s->ping_after_ns = ping_after_ms * SUT_NS_PER_MS;
    s->up_since_ns = sut_now_ns();
    s->pings_unanswered = 0;
    start_timer(c, s->up_since_ns + s->ping_after_ns);
    client_count(&c->stats.sessions, 1);
    sut_log(SUT_INFO, CLIENT_LOG, "session.up", SUT_KV("broker", c->config.endpoint), SUT_KV("name", c->config.name),
            SUT_KV_U("session", env->opt.session));
    client_set_state(c, SUT_SESSION_UP, "welcome");
    client_taps_session_up(c);
    client_subs_session_up(c);
}

/* An error that answers no call. Before welcome it is about our hello. */
static void session_error(sut_client *c, const sut_envelope *env)
{
    sut_error_body e;
    char why[160] = "error";
    const sut_error_desc *desc = NULL;
    sut_arena_reset(c->scratch);
    if (sut_error_body_decode(c->scratch, env->body, &e) == 0) {
        snprintf(why, sizeof why, "%.*s: %.*s", SUT_STR_FMT(e.code), SUT_STR_FMT(e.message));
        desc = sut_platform_error_by_code(e.code);
    }
    bool later = desc && (desc->err == SUT_ERR_UNAVAILABLE || desc->err == SUT_ERR_OVERLOADED);
    if (c->session.phase == PHASE_HELLO && !later)
        refused(c, why);
    else
        client_session_restart(c, why);
}

static void broker_leaves(sut_client *c)
{
    if (c->session.phase != PHASE_UP)
        return;
    sut_log(SUT_INFO, CLIENT_LOG, "session.broker_leaves", SUT_KV("broker", c->config.endpoint));
    c->session.phase = PHASE_LEAVING;
    c->session.failures = 0;
}

static void pong(sut_client *c, uint64_t id)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PONG, .id = id, .subject = SUT_STR("")};
    client_outbox_control(c, &env);
}

static void dispatch(sut_client *c, const sut_envelope *env)
{
    bool up = c->session.phase >= PHASE_UP;
    switch (env->kind) {
    case SUT_WELCOME: welcomed(c, env); return;
    case SUT_PING: pong(c, env->id); return;
    case SUT_PONG:
        if (c->serving.leaving && env->id == c->serving.bye_ping_id) {
            c->serving.left = true;
            client_serve_check_left(c);
        }
        return;
    case SUT_BYE: broker_leaves(c); return;
    case SUT_ERROR_REPLY:
        if (!up || env->id == 0) {
            session_error(c, env);
            return;
        }
        if (!client_taps_input(c, env) && !client_subs_input(c, env))
            client_calls_answer(c, env);
        return;
    case SUT_REPLY:
        if (up && !client_taps_input(c, env) && !client_subs_input(c, env))
            client_calls_answer(c, env);
        return;
    case SUT_PUBLISHED:
        if (up)
            client_calls_answer(c, env);
        return;
    case SUT_CALL:
        if (up)
            client_serve_call(c, env);
        return;
    case SUT_TAP: (void)client_taps_input(c, env); return;
    case SUT_GAP:
        if (!client_taps_input(c, env))
            (void)client_subs_input(c, env);
        return;
    case SUT_DELIVER:
    case SUT_MARKER: (void)client_subs_input(c, env); return;
    case SUT_CANCEL: client_serve_cancel(c, env->id); return;
    default: return; /* a kind that this build has no use for */
    }
}

void client_session_input(sut_client *c, const uint8_t *bytes, size_t len)
{
    uint64_t session = c->session.number;
    client_count(&c->stats.bytes_in, len);
    c->session.last_heard_ns = sut_now_ns();
    c->session.pings_unanswered = 0;
    while (len && c->session.number == session && c->session.phase >= PHASE_HELLO) {
        sut_envelope env;
        size_t used = 0;
        sut_envelope_fault fault = sut_envelope_decode(bytes, len, &env, &used);
        if (fault != SUT_ENV_OK) {
            sut_log(SUT_ERROR, CLIENT_LOG, "session.bad_envelope", SUT_KV("fault", sut_envelope_fault_text(fault)));
            client_session_restart(c, "the broker sent no envelope");
            return;
        }
        dispatch(c, &env);
        bytes += used;
        len -= used;
    }
}
