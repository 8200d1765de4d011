/* The daemon's data path. In: a bounded batch of messages, each one frame of envelopes, each given to the core. Out:
 * what the core emits is gathered a peer and sent once the batch is done. The core may not be called from within its
 * own outputs, so those only mark peers; sut_traffic_settle does what is due. */
#include "traffic.h"
#include "audit.h"
#include "methods.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

#define BATCH_MESSAGES 256
#define SPIN_CALLS_MAX 1
/* Then what came out of them is sent. A long row of full frames is thus passed on while the rest of it still comes in;
 * a larger batch makes callers, broker and instances work one after the other. */
#define BATCH_BYTES  (16u << 10)
#define SLOW_MS      1
#define FRAMES_AHEAD (256u << 10)          /* so much may wait for a peer before taps hold back what they have for it */
#define LOST_NS      SUT_NS_PER_MS         /* a lost connection's last messages are handed over by then */
#define GRACE_NS     (100 * SUT_NS_PER_MS) /* a last error has so long to reach a peer that is dropped */

static void doom(sut_broker *b, sut_peer *peer)
{
    if (peer->state != SUT_PEER_LIVE && peer->state != SUT_PEER_LOST)
        return;
    peer->state = SUT_PEER_DOOMED;
    sut_node_unlink(&peer->queued);
    sut_node_unlink(&peer->waiting);
    sut_outbox_deinit(&peer->out, &b->pool);
    sut_list_push_back(&b->doomed, &peer->waiting);
}

static void lose(sut_broker *b, sut_peer *peer)
{
    if (peer->state != SUT_PEER_LIVE)
        return;
    peer->state = SUT_PEER_LOST;
    peer->due_ns = sut_now_ns() + LOST_NS;
    b->stats.lost++;
    sut_node_unlink(&peer->queued);
    sut_outbox_deinit(&peer->out, &b->pool);
    sut_list_push_back(&b->lost, &peer->waiting);
}

void sut_traffic_on_gone(void *broker, void *peer)
{
    sut_peer *p = peer;

    p->fd = -1;
    lose(broker, p);
}

void sut_traffic_refused(sut_broker *b, const char *reason, const char *what, sut_str name)
{
    sut_reasons_add(&b->stats.refused, reason);
    if (sut_stats_may_log(&b->stats, sut_now_ns()))
        sut_log(SUT_WARN, "broker", "connection.refused", SUT_KV("what", what), SUT_KV("reason", reason),
                SUT_KV_S("peer", name));
}

/* ---- outputs of the core ---- */

static void queue_to(sut_broker *b, sut_peer *peer, const sut_envelope *env)
{
    sut_status r;

    if (peer->state != SUT_PEER_LIVE)
        return;
    r = sut_outbox_add(&peer->out, &b->pool, &b->limits.peer_queue, env);
    if (r != 0) {
        b->stats.overflows++;
        if (sut_stats_may_log(&b->stats, sut_now_ns()))
            sut_log(SUT_WARN, "broker", "peer.overflow", SUT_KV("peer", peer->name), SUT_KV_U("session", peer->session),
                    SUT_KV_U("bytes", peer->out.bytes), SUT_KV_I("status", r));
        doom(b, peer);
        return;
    }
    b->stats.envelopes_out++;
    if (!sut_node_linked(&peer->queued))
        sut_list_push_back(&b->ready, &peer->queued);
}

void sut_traffic_send(sut_broker *b, uint64_t session, const sut_envelope *env)
{
    sut_peer *peer = sut_peers_by_session(&b->peers, session);

    if (peer)
        queue_to(b, peer, env);
}

bool sut_traffic_send_frame(sut_broker *b, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes)
{
    sut_peer *peer = sut_peers_by_session(&b->peers, session);

    if (!peer || peer->state != SUT_PEER_LIVE || peer->out.bytes > FRAMES_AHEAD ||
        sut_outbox_add_frame(&peer->out, bytes, len, envelopes) < 0)
        return false;
    b->stats.envelopes_out += envelopes;
    if (!sut_node_linked(&peer->queued))
        sut_list_push_back(&b->ready, &peer->queued);
    sut_traffic_soon(b);
    return true;
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    sut_traffic_send(app, session, env);
}

static bool may_hear_why(sut_drop_reason reason)
{
    return reason != SUT_DROP_SILENT && reason != SUT_DROP_REVOKED;
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    sut_broker *b = app;
    sut_peer *peer = sut_peers_by_session(&b->peers, session);
    const uint64_t now = sut_now_ns();

    sut_reasons_add(&b->stats.dropped, sut_drop_reason_name(reason));
    sut_taps_session_ended(b, session);
    if (!peer)
        return;
    if (sut_stats_may_log(&b->stats, now))
        sut_log(reason == SUT_DROP_BYE ? SUT_INFO : SUT_WARN, "broker", "peer.dropped", SUT_KV("peer", peer->name),
                SUT_KV_U("session", session), SUT_KV("reason", sut_drop_reason_name(reason)));
    sut_peers_leave(&b->peers, peer, &b->pool, may_hear_why(reason) ? now + GRACE_NS : 0);
}

static void on_method(void *app, sut_str subject, sut_core_method *out)
{
    (void)app;
    sut_methods_describe(subject, out);
}

static void on_control(void *app, uint64_t call, uint64_t session, const sut_envelope *env)
{
    sut_broker *b = app;

    if (!sut_control_queue(&b->control, call, session, env->subject, env->body))
        sut_core_control_reply(b->core, sut_now_ns(), call, SUT_ERR_OVERLOADED, SUT_STR("too many calls to broker.*"));
}

static void on_refused(void *app, uint64_t session, const char *what, sut_str subject, int err)
{
    sut_broker *b = app;
    const sut_peer *peer = sut_peers_by_session(&b->peers, session);
    const sut_error_desc *desc = sut_platform_error(err);

    sut_reasons_add(&b->stats.refused, what);
    if (sut_stats_may_log(&b->stats, sut_now_ns()))
        sut_log(SUT_WARN, "broker", "request.refused", SUT_KV("what", what), SUT_KV("peer", peer ? peer->name : ""),
                SUT_KV_U("session", session), SUT_KV_S("subject", subject),
                SUT_KV("code", desc ? desc->code : "unknown"));
}

static void on_finished(void *app, sut_str subject, uint64_t took_ns, int err)
{
    sut_broker *b = app;
    const sut_error_desc *desc = err ? sut_platform_error(err) : NULL;

    sut_stats_finished(&b->stats, subject, b->now_ns, took_ns, err ? (desc ? desc->code : "domain") : NULL);
}

static bool on_replayed(void *app, uint64_t session, const sut_envelope *env)
{
    sut_broker *b = app;
    const sut_peer *peer = sut_peers_by_session(&b->peers, session);

    return peer && sut_audit_repeated(b, peer->name, env);
}

const sut_core_ops sut_traffic_ops = {
    .emit = on_emit,
    .drop = on_drop,
    .method = on_method,
    .control = on_control,
    .refused = on_refused,
    .finished = on_finished,
    .tap = sut_taps_on_tap,
    .untap = sut_taps_on_untap,
    .seen = sut_sights_on_seen,
    .picks = sut_sights_on_picks,
    .replayed = on_replayed,
};

/* ---- in ---- */

/* A peer for whom the core has no room is told so; it never had a session. */
static void turn_away(sut_broker *b, sut_peer *peer)
{
    static const sut_error_body body = {.code = {"overloaded", 10},
                                        .message = {"the broker has no room for another session", 42},
                                        .retry_after_ms = 1000,
                                        .http_status = 503};
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_ERROR_REPLY, .opt.retry_after_ms = 1000};
    sut_buf buf;

    sut_traffic_refused(b, "max_sessions", "hello", sut_str_from(peer->name));
    sut_buf_init(&buf, 0);
    if (sut_error_body_encode(&buf, &body) == 0) {
        env.body = (sut_str){(const char *)buf.data, buf.len};
        queue_to(b, peer, &env);
    }
    sut_buf_deinit(&buf);
    sut_peers_leave(&b->peers, peer, &b->pool, sut_now_ns() + GRACE_NS);
}

/* The first message of a connection: names its peer. NULL if the message is to be thrown away. */
static sut_peer *admit(sut_broker *b, sut_listener *l, sut_received *rx, uint64_t now)
{
    sut_connection *conn = sut_listener_connection(l, &rx->body);
    const char *user = zmq_msg_gets(&rx->body, "User-Id");
    const sut_str name = sut_str_from(user ? user : "");
    sut_peer *peer;
    uint64_t session;

    if (!conn) { /* what a connection that has ended had still sent */
        b->stats.strays++;
        return NULL;
    }
    if (!name.len || !rx->route_ours) {
        sut_traffic_refused(b, name.len ? "routing_id" : "no_user_id", "connection", name);
        sut_listener_cut(l, conn->fd, NULL);
        return NULL;
    }
    peer = sut_peers_add(&b->peers, l, rx->route, conn->fd, name);
    if (!peer) {
        sut_listener_cut(l, conn->fd, NULL);
        return NULL;
    }
    sut_connection_claim(conn, peer);
    session = sut_core_open(b->core, now, name);
    if (!session) {
        turn_away(b, peer);
        return NULL;
    }
    if (sut_peers_bind(&b->peers, peer, session) < 0) {
        sut_core_close(b->core, now, session);
        sut_peers_leave(&b->peers, peer, &b->pool, 0);
        return NULL;
    }
    sut_log(SUT_DEBUG, "broker", "peer.open", SUT_KV("peer", peer->name), SUT_KV_U("session", session));
    return peer;
}

/* All envelopes of one frame. The peer may be dropped by any of them. */
static void input_frame(sut_broker *b, sut_peer *peer, const uint8_t *bytes, size_t len, uint64_t now)
{
    const uint64_t session = peer->session;

    if (!len)
        sut_core_garbage(b->core, now, session, SUT_ENV_TRUNCATED);
    while (len && peer->session == session && peer->state != SUT_PEER_DOOMED) {
        sut_envelope env;
        size_t used = 0;
        const sut_envelope_fault fault = sut_envelope_decode(bytes, len, &env, &used);

        if (fault != SUT_ENV_OK) {
            sut_log(SUT_DEBUG, "broker", "garbage", SUT_KV("peer", peer->name),
                    SUT_KV("fault", sut_envelope_fault_text(fault)));
            sut_core_garbage(b->core, now, session, fault);
            return;
        }
        b->stats.envelopes_in++;
        sut_core_input(b->core, now, session, &env);
        bytes += used;
        len -= used;
    }
}

static void input_message(sut_broker *b, sut_listener *l, sut_received *rx)
{
    const uint64_t now = b->now_ns = sut_now_ns();
    sut_peer *peer = rx->route_ours ? sut_peers_by_route(&b->peers, l, rx->route) : NULL;

    if (!peer)
        peer = admit(b, l, rx, now);
    else if (!peer->session)
        b->stats.discarded++;
    if (!peer || !peer->session)
        return;
    if (rx->multipart) { /* a message is one frame */
        sut_core_garbage(b->core, now, peer->session, SUT_ENV_TAIL);
        return;
    }
    input_frame(b, peer, zmq_msg_data(&rx->body), zmq_msg_size(&rx->body), now);
}

/* Lost peers are closed once their socket has nothing more of them. */
static void close_lost(sut_broker *b)
{
    const uint64_t now = sut_now_ns();

    while (!sut_list_empty(&b->lost)) {
        sut_peer *peer = SUT_CONTAINER(b->lost.next, sut_peer, waiting);
        const uint64_t session = peer->session;

        if (peer->due_ns > now)
            return;
        sut_log(SUT_DEBUG, "broker", "peer.lost", SUT_KV("peer", peer->name), SUT_KV_U("session", session));
        sut_taps_session_ended(b, session);
        sut_peers_leave(&b->peers, peer, &b->pool, 0);
        sut_core_close(b->core, now, session);
    }
}

bool sut_traffic_receive(sut_broker *b, sut_broker_port *port)
{
    size_t bytes = 0;
    int messages = 0;
    sut_status r = 0;

    while (messages < BATCH_MESSAGES && bytes < BATCH_BYTES) {
        sut_received rx;

        r = sut_listener_receive(&port->listener, &rx);
        if (r < 0)
            break;
        messages++;
        bytes += zmq_msg_size(&rx.body);
        input_message(b, &port->listener, &rx);
        zmq_msg_close(&rx.body);
    }
    b->stats.messages_in += (uint64_t)messages;
    b->stats.bytes_in += bytes;
    if (messages)
        sut_traffic_settle(b);
    return messages > 0;
}

/* ---- out ---- */

typedef struct sending {
    sut_broker *broker;
    sut_peer *peer;
} sending;

static sut_status send_frame(void *arg, uint8_t *bytes, size_t len, bool *taken)
{
    const sending *s = arg;
    const sut_peer *peer = s->peer;
    const sut_status r = sut_listener_send(peer->listener, peer->route, peer->flight, bytes, len, taken);

    if (r == 0) {
        s->broker->stats.messages_out++;
        s->broker->stats.bytes_out += len;
    }
    return r;
}

static void flush_list(sut_broker *b, sut_node *list)
{
    sut_node todo, *n;

    /* Moves the whole list, as a peer that is blocked goes back to one. */
    sut_list_init(&todo);
    while ((n = sut_list_pop_front(list)))
        sut_list_push_back(&todo, n);
    while ((n = sut_list_pop_front(&todo))) {
        sut_peer *peer = SUT_CONTAINER(n, sut_peer, queued);
        sending s = {b, peer};
        const sut_status r = sut_outbox_flush(&peer->out, &b->pool, send_frame, &s);

        if (r == -EAGAIN) {
            b->stats.blocked++;
            sut_list_push_back(&b->blocked, &peer->queued);
        } else if (r < 0) { /* -EHOSTUNREACH: the route is gone */
            lose(b, peer);
        }
    }
}

static void on_slow(sut_timer *t, void *arg)
{
    sut_broker *b = arg;

    (void)t;
    close_lost(b);
    flush_list(b, &b->blocked);
    sut_traffic_settle(b);
}

static void on_tick(sut_timer *t, void *arg)
{
    sut_broker *b = arg;

    (void)t;
    b->now_ns = sut_now_ns();
    sut_core_tick(b->core, b->now_ns);
    sut_traffic_settle(b);
}

static void on_sweep(sut_timer *t, void *arg)
{
    (void)t;
    sut_traffic_settle(arg);
}

static void arm(sut_broker *b, sut_timer *t, uint64_t at_ns, sut_timer_fn fn)
{
    if (at_ns == SUT_NEVER || (t->loop && t->at_ns <= at_ns))
        return; /* one that fires too early only finds nothing to do */
    if (sut_timer_start_at(b->loop, t, at_ns, fn, b) < 0) {
        b->exit_reason = "no memory for a timer";
        sut_loop_stop(b->loop);
    }
}

static void close_doomed(sut_broker *b)
{
    sut_node *n;

    while ((n = sut_list_pop_front(&b->doomed))) {
        sut_peer *peer = SUT_CONTAINER(n, sut_peer, waiting);
        const uint64_t session = peer->session;

        sut_taps_session_ended(b, session);
        sut_peers_leave(&b->peers, peer, &b->pool, 0);
        sut_core_close(b->core, sut_now_ns(), session);
    }
}

static void end_drain(sut_broker *b)
{
    if (!b->draining || !sut_core_drained(b->core) || !sut_list_empty(&b->blocked) || b->control.count)
        return;
    if (!b->leaving) {
        b->leaving = true;
        sut_core_leave(b->core, sut_now_ns());
        flush_list(b, &b->ready);
        if (!sut_core_drained(b->core))
            return;
    }
    b->exit_reason = "drained";
    sut_loop_stop(b->loop);
}

/* Looking again instead of sleeping halves the time of a lone call. With several in flight the core is worth more to
 * those who work on them, and what comes meanwhile travels together. */
static void set_spin(sut_broker *b)
{
    const bool alone = sut_core_pending(b->core) <= SPIN_CALLS_MAX;

    sut_loop_set_spin_us(b->loop, alone ? (unsigned)b->settings->spin_us : 0);
}

void sut_traffic_soon(sut_broker *b)
{
    b->settle_due = true;
}

bool sut_traffic_on_soon(sut_hook *h, void *broker)
{
    sut_broker *b = broker;

    (void)h;
    if (b->settle_due)
        sut_traffic_settle(b);
    return false;
}

void sut_traffic_settle(sut_broker *b)
{
    b->settle_due = false;
    b->now_ns = sut_now_ns();
    close_doomed(b);
    if (sut_control_answer(&b->control, b))
        close_doomed(b);
    flush_list(b, &b->ready);
    if (!sut_list_empty(&b->blocked) || !sut_list_empty(&b->lost) || b->control.count)
        arm(b, &b->slow, sut_now_ns() + SLOW_MS * SUT_NS_PER_MS, on_slow);
    if (!sut_list_empty(&b->peers.leaving))
        arm(b, &b->sweep, sut_peers_sweep(&b->peers, &b->pool, sut_now_ns()), on_sweep);
    arm(b, &b->tick, sut_core_next_ns(b->core), on_tick);
    set_spin(b);
    end_drain(b);
}
