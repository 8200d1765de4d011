/* Puts the parts together and takes them apart in the right order: no thread may wait in a call when the bridge goes.
 */
#include "edge.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#define TICK_MS  100
#define DRAIN_MS 20

#define DESCRIPTORS_SPARE 64

/* What fails here is a setting or the file that it names, unless it is the port or the machine. */
static int exit_code(sut_status st)
{
    switch (st) {
    case -EADDRINUSE: return SUT_EXIT_UNAVAILABLE;
    case -ENOMEM: return SUT_EXIT_SOFTWARE;
    default: return SUT_EXIT_CONFIG;
    }
}

static void on_tick(sut_timer *t, void *arg)
{
    edge *e = arg;
    sut_server_tick(e->server, sut_now_ns());
    if (sut_timer_start_ms(e->loop, t, TICK_MS, on_tick, e))
        sut_log(SUT_ERROR, "edge", "tick.no_timer");
}

static void on_reload(int signo, void *arg)
{
    (void)signo;
    edge *e = arg;
    char words[SUT_KEYRING_NAMES_SIZE];
    if (sut_gate_reload(e->gate, words))
        sut_log(SUT_ERROR, "edge", "keys.kept", SUT_KV("error", words));
    else
        sut_log(SUT_INFO, "edge", "keys.loaded", SUT_KV("name", words));
}

static void on_drained(sut_timer *t, void *arg)
{
    edge *e = arg;
    unsigned busy = sut_server_busy(e->server);
    if (busy > 0 && sut_now_ns() < e->drain_end_ns && sut_timer_start_ms(e->loop, t, DRAIN_MS, on_drained, e) == 0)
        return;
    sut_log(SUT_INFO, "edge", "stop", SUT_KV_U("unfinished", busy));
    sut_loop_stop(e->loop);
}

/* New connections are refused from here on; requests in hand are answered. A second signal does not wait. */
static void on_terminate(int signo, void *arg)
{
    edge *e = arg;
    if (e->drain_end_ns) {
        sut_loop_stop(e->loop);
        return;
    }
    sut_log(SUT_INFO, "edge", "drain", SUT_KV_I("signal", signo));
    e->drain_end_ns = sut_now_ns() + (uint64_t)e->settings->drain_ms * SUT_NS_PER_MS;
    sut_api_drain(e->api);
    sut_server_drain(e->server);
    on_drained(&e->drain, e);
}

/* A descriptor a connection and some to spare: without one accept(2) fails at once, and civetweb would try again for
 * ever. */
static sut_status raise_descriptors(const edge_settings *s, char *error, size_t error_size)
{
    const rlim_t wanted = (rlim_t)s->threads + DESCRIPTORS_SPARE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -errno;
    if (limit.rlim_cur >= wanted)
        return 0;
    limit.rlim_cur = wanted;
    if (wanted <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    (void)snprintf(error, error_size, "EDGE_THREADS: needs %llu file descriptors, the limit is %llu (ulimit -n)",
                   (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    return -EINVAL;
}

static sut_status start_gate(edge *e, char *error, size_t error_size)
{
    const edge_settings *s = e->settings;
    const sut_gate_options opt = {.keys_file = s->jwt_keys,
                                  .secret = s->jwt_secret,
                                  .rules = {.issuer = s->issuer, .audience = s->audience},
                                  .rate_limits = s->rate_limits};
    return sut_gate_new(&e->gate, &opt, error, error_size);
}

static const char *or_null(const char *s)
{
    return s && *s ? s : NULL;
}

static sut_status start_bus(edge *e, char *error, size_t error_size)
{
    const edge_settings *s = e->settings;
    const sut_bridge_options opt = {.loop = e->loop,
                                    .client = {.endpoint = s->broker,
                                               .name = s->name,
                                               .secret_file = or_null(s->secret_file),
                                               .curve_file = or_null(s->curve_file),
                                               .server_key = or_null(s->server_key)}};
    sut_status st = sut_bridge_new(&e->bridge, &opt, error, error_size);
    if (st == 0)
        st = sut_bridge_watch_health(e->bridge);
    if (st)
        return st;
    const sut_feed_bus bus = sut_feed_bus_of(sut_bridge_client(e->bridge));
    return sut_feed_new(&e->feed, e->loop, &bus, sut_gate_revocations(e->gate));
}

static sut_server_options server_options(const edge *e)
{
    const edge_settings *s = e->settings;
    return (sut_server_options){.host = s->host,
                                .port = s->port,
                                .tls = s->tls,
                                .threads = (unsigned)s->threads,
                                .per_address = (unsigned)s->per_address,
                                .proxies = s->proxies,
                                .header_timeout_ms = (unsigned)s->header_timeout_ms,
                                .keep_alive_ms = (unsigned)s->keep_alive_ms,
                                .body_timeout_ms = (unsigned)s->body_timeout_ms,
                                .body_bytes = (size_t)s->body_bytes,
                                .handler = sut_api_handle,
                                .arg = e->api};
}

static sut_status start_http(edge *e, char *error, size_t error_size)
{
    const sut_api_options opt = {.gate = e->gate,
                                 .bridge = e->bridge,
                                 .cors_origins = e->settings->cors_origins,
                                 .body_bytes = (size_t)e->settings->body_bytes};
    sut_status st = sut_api_new(&e->api, &opt, error, error_size);
    if (st)
        return st;
    const sut_server_options server = server_options(e);
    st = sut_server_start(&e->server, &server, error, error_size);
    return st ? st : sut_timer_start_ms(e->loop, &e->tick, TICK_MS, on_tick, e);
}

static sut_status on_signals(edge *e)
{
    sut_status st = sut_loop_on_signal(e->loop, SIGTERM, on_terminate, e);
    if (st == 0)
        st = sut_loop_on_signal(e->loop, SIGINT, on_terminate, e);
    return st ? st : sut_loop_on_signal(e->loop, SIGHUP, on_reload, e);
}

int edge_start(edge *e, const edge_settings *settings, char *error, size_t error_size)
{
    memset(e, 0, sizeof(*e));
    e->settings = settings;
    (void)snprintf(error, error_size, "out of memory");
    const sut_server_options server = server_options(e);
    sut_status st = sut_server_check(&server, error, error_size); /* before anything is connected */
    if (st == 0)
        st = raise_descriptors(settings, error, error_size);
    if (st == 0)
        st = sut_loop_new(&e->loop);
    if (st == 0)
        st = on_signals(e); /* before any thread: they inherit the mask */
    if (st == 0)
        st = start_gate(e, error, error_size);
    if (st == 0)
        st = start_bus(e, error, error_size);
    if (st == 0)
        st = start_http(e, error, error_size);
    return st ? exit_code(st) : 0;
}

int edge_run(edge *e)
{
    sut_log(SUT_INFO, "edge", "listening", SUT_KV("host", e->settings->host),
            SUT_KV_U("port", sut_server_port(e->server)));
    return sut_loop_run(e->loop) == 0 ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

void edge_stop(edge *e)
{
    sut_timer_stop(&e->tick);
    sut_timer_stop(&e->drain);
    if (e->bridge)
        sut_bridge_close(e->bridge); /* wakes the threads that still wait: nothing else would, the loop has ended */
    e->server = sut_server_stop(e->server);
    sut_feed_stop(e->feed);
    e->bridge = sut_bridge_free(e->bridge);
    e->feed = sut_feed_free(e->feed);
    e->api = sut_api_free(e->api);
    e->gate = sut_gate_free(e->gate);
    if (e->loop)
        (void)(sut_loop_turn(e->loop, 0) == 0); /* tasks that the client's end has posted */
    e->loop = sut_loop_free(e->loop);
}
