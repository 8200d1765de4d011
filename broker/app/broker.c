/* The daemon's composition: what is made in which order, what ends it, and in which order it is taken down. */
#include "broker.h"
#include "curve.h"
#include "traffic.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define HANDSHAKE_MS   2000
#define DRAIN_EXTRA_MS 300 /* after drain_ms, for frames that are still queued; and once more */
#define LINGER_MS      200

/* At EMFILE libzmq's accept spins: take all the descriptors that we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        sut_log(SUT_WARN, "broker", "rlimit.kept", SUT_KV("error", strerror(errno)));
}

/* ---- access ---- */

static void on_acl(void *arg, const sut_acl *now)
{
    sut_broker *b = arg;

    if (b->core)
        sut_core_set_acl(b->core, sut_now_ns(), now);
    if (b->taps.hub)
        sut_taps_access_changed(b);
    sut_traffic_settle(b);
}

static void on_refused(void *arg, const char *mechanism, const char *why, sut_str claimed)
{
    (void)mechanism;
    sut_traffic_refused(arg, why, "connection", claimed);
}

static void on_settle(void *arg)
{
    sut_traffic_settle(arg);
}

static int open_access(sut_broker *b, char *error, size_t error_size)
{
    const sut_broker_settings *s = b->settings;
    sut_status r = sut_access_init(&b->access, s->acl_file, s->keys_dir, error, error_size);

    if (r < 0)
        return SUT_EXIT_CONFIG;
    r = sut_access_watch(&b->access, b->loop);
    if (r == 0)
        r = sut_zap_init(&b->zap, b->zmq, b->loop, &b->access);
    if (r < 0) {
        snprintf(error, error_size, "the authentication handler cannot start: %s", strerror(-r));
        return SUT_EXIT_SOFTWARE;
    }
    b->access.on_change = on_acl;
    b->access.arg = b;
    b->zap.on_refused = on_refused;
    b->zap.on_turn = on_settle;
    b->zap.arg = b;
    return 0;
}

/* ---- ports ---- */

static bool on_hook(sut_hook *h, void *arg)
{
    sut_broker_port *port = arg;

    (void)h;
    return sut_traffic_receive(port->broker, port);
}

static int open_port(sut_broker *b, const sut_listener_options *opt, char *error, size_t error_size)
{
    const char *setting = opt->kind == SUT_LISTEN_IPC ? "SUT_BROKER_IPC" : "SUT_BROKER_TCP";
    sut_broker_port *port = &b->ports[opt->kind];
    sut_status r = sut_listener_init(&port->listener, b->zmq, opt);

    if (r == 0) {
        port->open = true;
        port->broker = b;
        port->hook = (sut_hook){.fn = on_hook, .arg = port};
        port->listener.on_gone = sut_traffic_on_gone;
        port->listener.on_monitor = on_settle;
        port->listener.arg = b;
        r = sut_listener_start(&port->listener, b->loop);
    }
    if (r < 0) {
        snprintf(error, error_size, "%s: cannot listen at %s: %s", setting, opt->endpoint, zmq_strerror(-r));
        return r == -EADDRINUSE ? SUT_EXIT_UNAVAILABLE : r == -EACCES ? SUT_EXIT_IO : SUT_EXIT_CONFIG;
    }
    sut_hook_add(b->loop, &port->hook);
    sut_log(SUT_INFO, "broker", "listening", SUT_KV("endpoint", opt->endpoint));
    return 0;
}

/* Room for newcomers beside a full house, whom the core then turns away with a word. */
static uint32_t max_connections(const sut_broker_limits *l)
{
    return l->core.max_sessions * 2 + 64;
}

static int open_ports(sut_broker *b, char *error, size_t error_size)
{
    const sut_broker_settings *s = b->settings;
    uint8_t secret[32];
    sut_listener_options opt = {
        .kind = SUT_LISTEN_IPC,
        .endpoint = s->ipc,
        .hwm = (int)s->hwm,
        .handshake_ms = HANDSHAKE_MS,
        .silent_ns = (uint64_t)s->silent_ms * SUT_NS_PER_MS,
        .max_connections = max_connections(&b->limits),
    };
    int code;

    if (s->tcp[0] && (code = sut_endpoint_check_tcp(s->tcp, error, error_size)) != 0)
        return code;
    if (s->tcp[0] && (code = sut_curve_load(s->keys_dir, secret, error, error_size)) != 0)
        return code;
    code = sut_endpoint_take(&b->lock, s->ipc, error, error_size);
    if (code == 0)
        code = open_port(b, &opt, error, error_size);
    if (code || !s->tcp[0])
        return code;
    opt.kind = SUT_LISTEN_TCP;
    opt.endpoint = s->tcp;
    opt.curve_secret = secret;
    code = open_port(b, &opt, error, error_size);
    explicit_bzero(secret, sizeof secret);
    return code;
}

/* ---- signals ---- */

static void on_terminate(int signo, void *arg)
{
    (void)signo;
    sut_broker_drain(arg);
}

static void on_hangup(int signo, void *arg)
{
    (void)signo;
    sut_broker_reload(arg);
}

static sut_status watch_signals(sut_broker *b)
{
    sut_status r = sut_loop_on_signal(b->loop, SIGTERM, on_terminate, b);

    if (r == 0)
        r = sut_loop_on_signal(b->loop, SIGINT, on_terminate, b);
    return r < 0 ? r : sut_loop_on_signal(b->loop, SIGHUP, on_hangup, b);
}

void sut_broker_reload(sut_broker *b)
{
    char error[512];
    sut_broker_limits fresh;

    sut_access_refresh(&b->access);
    if (b->capturing.capture)
        sut_capture_reload(b->capturing.capture);
    if (sut_broker_limits_load(b->settings->limits_file, &fresh, error, sizeof error) < 0) {
        sut_log(SUT_ERROR, "broker", "limits.unreadable", SUT_KV("error", error));
    } else {
        b->limits = fresh;
        sut_core_set_limits(b->core, &fresh.core);
        sut_core_set_event_limits(b->core, &fresh.events);
        sut_tap_hub_set_limits(b->taps.hub, &fresh.taps);
        for (size_t i = 0; i < SUT_LISTENER_KINDS; i++)
            b->ports[i].listener.opt.max_connections = max_connections(&fresh);
        sut_log(SUT_INFO, "broker", "limits.loaded", SUT_KV("file", b->settings->limits_file));
    }
    sut_traffic_settle(b);
}

static void on_drain_over(sut_timer *t, void *arg)
{
    sut_broker *b = arg;

    if (!b->overdue && sut_timer_start_ms(b->loop, t, DRAIN_EXTRA_MS, on_drain_over, b) == 0) {
        b->overdue = true; /* after a stall of this process, only now those who still wait are told */
        sut_core_tick(b->core, sut_now_ns());
        sut_traffic_settle(b);
        return;
    }
    b->exit_reason = "drain took too long";
    sut_loop_stop(b->loop);
}

void sut_broker_drain(sut_broker *b)
{
    const uint64_t limit_ms = b->limits.core.drain_ms + DRAIN_EXTRA_MS;

    if (b->draining)
        return;
    b->draining = true;
    sut_log(SUT_INFO, "broker", "drain", SUT_KV_U("pending", sut_core_pending(b->core)));
    if (sut_timer_start_ms(b->loop, &b->drain, limit_ms, on_drain_over, b) < 0)
        sut_loop_stop(b->loop);
    sut_tap_hub_end_all(b->taps.hub, "the broker is stopping"); /* a slow one would hold the drain up */
    sut_core_drain(b->core, sut_now_ns());
    sut_traffic_settle(b);
}

/* ---- life ---- */

static sut_status make_parts(sut_broker *b)
{
    sut_status r = sut_loop_new(&b->loop);

    if (r == 0)
        r = watch_signals(b); /* before libzmq starts its threads, which inherit the mask */
    if (r == 0 && !(b->zmq = zmq_ctx_new()))
        r = -errno;
    if (r == 0)
        r = sut_peers_init(&b->peers);
    if (r == 0)
        r = sut_stats_init(&b->stats, sut_now_ns());
    if (r == 0)
        r = sut_core_new(&b->core, &b->limits.core, &sut_traffic_ops, b);
    return r < 0 ? r : sut_taps_init(b);
}

static sut_broker *allocate(const sut_broker_settings *settings)
{
    sut_broker *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->settings = settings;
    b->access.inotify_fd = -1;
    sut_list_init(&b->ready);
    sut_list_init(&b->blocked);
    sut_list_init(&b->doomed);
    sut_list_init(&b->lost);
    sut_list_init(&b->requests);
    return b;
}

int sut_broker_new(sut_broker **out, const sut_broker_settings *settings, char *error, size_t error_size)
{
    sut_broker *b = *out = allocate(settings);
    sut_status r;
    int code;

    if (!b) {
        snprintf(error, error_size, "no memory");
        return SUT_EXIT_SOFTWARE;
    }
    if (sut_broker_limits_load(settings->limits_file, &b->limits, error, error_size) < 0)
        return SUT_EXIT_CONFIG;
    raise_descriptor_limit();
    r = make_parts(b);
    if (r < 0) {
        snprintf(error, error_size, "cannot start: %s", strerror(-r));
        return SUT_EXIT_SOFTWARE;
    }
    b->soon = (sut_hook){.fn = sut_traffic_on_soon, .arg = b};
    sut_hook_add(b->loop, &b->soon);
    sut_loop_set_spin_us(b->loop, (unsigned)settings->spin_us);
    code = open_access(b, error, error_size);
    if (code)
        return code;
    sut_core_set_acl(b->core, sut_now_ns(), b->access.acl);
    /* The ports first: the socket's lock tells two brokers apart in better words, and nobody is heard before the loop
     * runs. */
    code = open_ports(b, error, error_size);
    if (code == 0)
        code = sut_capturing_open(b, error, error_size);
    return code ? code : sut_events_open(b, error, error_size);
}

sut_status sut_broker_run(sut_broker *b)
{
    sut_status r;

    sut_log(SUT_INFO, "broker", "ready", SUT_KV("version", SUT_VERSION));
    sut_traffic_settle(b);
    r = sut_loop_run(b->loop);
    sut_log(SUT_INFO, "broker", "stopped", SUT_KV("reason", b->exit_reason ? b->exit_reason : "loop failed"));
    return r;
}

static void close_port(sut_broker_port *port)
{
    if (!port->open)
        return;
    sut_hook_remove(&port->hook);
    sut_listener_deinit(&port->listener, LINGER_MS);
    port->open = false;
}

/* The ZAP socket outlives the sockets that ask it, the context outlives all sockets. */
sut_broker *sut_broker_free(sut_broker *b)
{
    if (!b)
        return NULL;
    for (size_t i = 0; i < SUT_LISTENER_KINDS; i++)
        close_port(&b->ports[i]);
    sut_zap_deinit(&b->zap);
    if (b->zmq)
        zmq_ctx_term(b->zmq);
    sut_capturing_close(b);
    sut_events_close(b);
    sut_taps_deinit(b); /* behind the journal, whose reads may be its taps' */
    sut_control_deinit(&b->control);
    b->core = sut_core_free(b->core);
    sut_peers_deinit(&b->peers, &b->pool);
    sut_access_deinit(&b->access);
    sut_endpoint_release(&b->lock);
    sut_outbox_pool_deinit(&b->pool);
    sut_stats_deinit(&b->stats);
    sut_hook_remove(&b->soon);
    b->loop = sut_loop_free(b->loop);
    free(b);
    return NULL;
}
