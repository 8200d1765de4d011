/* An actor's main(): from settings to the exit code. */
#include "runtime.h"

#include "consume.h"
#include "dispatch.h"
#include "outbox.h"
#include "periodic.h"
#include "sut.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define S_ANNOUNCE_MS                                                                                                  \
    2000 /* a start that takes longer (its database is away) is announced, so that it can be asked                     \
          */

typedef struct s_actor {
    sut_runtime *rt;
    char program[64];
    char instance[96];
    sut_timer announce_timer, drain_timer;
    bool ever_up, bye_done, consumers_paused;
} s_actor;

/* ---- the bus ---- */

static void s_on_session(void *arg, sut_session_state state, const char *detail)
{
    s_actor *a = arg;
    bool up = state == SUT_SESSION_UP;
    sut_health_set("broker", true, up ? SUT_HEALTH_UP : SUT_HEALTH_DOWN, up ? NULL : detail);
    if (up)
        a->ever_up = true;
    if (a->rt->draining)
        return;
    sut_log(up ? SUT_INFO : SUT_WARN, "kit", up ? "session.up" : "session.down", SUT_KV("detail", detail));
    if (state == SUT_SESSION_REFUSED && !a->ever_up) {
        a->rt->exit_code = SUT_EXIT_NOPERM;
        snprintf(a->rt->error, sizeof(a->rt->error), "the broker refuses %s: %s", a->rt->settings.name,
                 detail ? detail : "");
        sut_loop_stop(a->rt->loop);
    }
}

static const char *s_given(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* Connects and serves. Once. */
static void s_announce(s_actor *a)
{
    sut_runtime *rt = a->rt;
    sut_timer_stop(&a->announce_timer);
    if (rt->client || rt->draining)
        return;
    const sut_kit_settings *set = &rt->settings;
    sut_client_options options = {.endpoint = set->broker,
                                  .name = set->name,
                                  .secret_file = s_given(set->secret_file),
                                  .curve_file = s_given(set->curve_file),
                                  .server_key = s_given(set->server_key),
                                  .instance = set->instance,
                                  .loop = rt->loop,
                                  .on_session = s_on_session,
                                  .on_session_arg = a,
                                  .spin_us = (uint32_t)set->spin_us};
    sut_status st = sut_client_new(&rt->client, &options, rt->error, sizeof(rt->error));
    if (!st)
        st = sut_serve(rt->client, rt->opt->name, (uint32_t)set->concurrency, sut_dispatch_incoming, rt);
    if (st) {
        rt->exit_code = st == -EINVAL ? SUT_EXIT_CONFIG : SUT_EXIT_SOFTWARE;
        if (!rt->error[0])
            snprintf(rt->error, sizeof(rt->error), "cannot join the bus: %s", strerror(-st));
        sut_loop_stop(rt->loop);
    }
}

static void s_on_announce_timer(sut_timer *t, void *arg)
{
    (void)t;
    s_announce(arg);
}

/* What needs both the bus and the database. */
static void s_start_events(s_actor *a)
{
    sut_runtime *rt = a->rt;
    if (!rt->client || rt->draining)
        return;
    const sut_event_port port = sut_event_port_of(rt->client);
    sut_status st = sut_outbox_start(rt, &port);
    static sut_delivery_port deliveries;
    deliveries = sut_delivery_port_of(rt->client);
    rt->deliveries = &deliveries;
    if (!st)
        st = sut_consumers_start(rt, &deliveries);
    if (st) {
        rt->exit_code = SUT_EXIT_SOFTWARE;
        snprintf(rt->error, sizeof(rt->error), "cannot publish or consume events: %s", strerror(-st));
        sut_loop_stop(rt->loop);
    }
}

static void s_on_booted(sut_runtime *rt, sut_status st)
{
    s_actor *a = rt->owner;
    if (st && rt->error[0])
        sut_loop_stop(rt->loop);
    else if (!st) {
        s_announce(a);
        s_start_events(a);
    }
}

/* ---- the end ---- */

static void s_check_drained(s_actor *a)
{
    sut_runtime *rt = a->rt;
    bool relaying = sut_outbox_running(rt);
    if (!a->bye_done || !a->consumers_paused || rt->running_count > (relaying ? 1 : 0))
        return;
    if (relaying) /* it sends what the last calls left, and ends */
        sut_outbox_stop(rt);
    else
        sut_loop_stop(rt->loop);
}

static void s_on_idle(sut_runtime *rt)
{
    s_check_drained(rt->owner);
}

static void s_on_bye(void *arg)
{
    s_actor *a = arg;
    a->bye_done = true;
    s_check_drained(a);
}

static void s_on_consumers_paused(void *arg)
{
    s_actor *a = arg;
    a->consumers_paused = true;
    s_check_drained(a);
}

static void s_on_drain_timeout(sut_timer *t, void *arg)
{
    (void)t;
    s_actor *a = arg;
    sut_log(SUT_WARN, "kit", "drain.timeout", SUT_KV_U("running", a->rt->running_count));
    _Exit(SUT_EXIT_OK); /* fibers that still wait cannot be unwound */
}

static void s_on_signal(int signo, void *arg)
{
    s_actor *a = arg;
    sut_runtime *rt = a->rt;
    if (rt->draining)
        return;
    rt->draining = true;
    sut_log(SUT_INFO, "kit", "drain.start", SUT_KV("signal", strsignal(signo)), SUT_KV_U("running", rt->running_count));
    sut_timer_stop(&a->announce_timer);
    sut_periodics_stop(rt);
    if (rt->boot)
        sut_request_cancel(rt->boot);
    if (sut_timer_start_ms(rt->loop, &a->drain_timer, (uint64_t)rt->settings.drain_ms, s_on_drain_timeout, a))
        _Exit(SUT_EXIT_SOFTWARE);
    sut_consumers_pause(rt, s_on_consumers_paused, a);
    if (rt->client)
        sut_client_bye(rt->client, s_on_bye, a);
    else
        s_on_bye(a);
}

/* What on_start has not read yet, it will read as it is now. */
static void s_on_hangup(int signo, void *arg)
{
    (void)signo;
    s_actor *a = arg;
    if (a->rt->serving)
        a->rt->opt->on_reload();
}

/* ---- main ---- */

static void s_name_instance(s_actor *a)
{
    sut_kit_settings *set = &a->rt->settings;
    if (!s_given(set->name))
        set->name = a->rt->opt->name;
    if (s_given(set->instance))
        return;
    uint32_t random;
    sut_random(&random, sizeof(random));
    snprintf(a->instance, sizeof(a->instance), "%s-%ld-%08x", a->rt->opt->name, (long)getpid(), random);
    set->instance = a->instance;
}

static sut_status s_prepare(s_actor *a)
{
    sut_runtime *rt = a->rt;
    rt->owner = a;
    rt->on_booted = s_on_booted;
    rt->on_idle = s_on_idle;
    s_name_instance(a);
    sut_health_set("broker", true, SUT_HEALTH_UNKNOWN, "not connected yet");
    sut_status st = sut_loop_on_signal(rt->loop, SIGTERM, s_on_signal, a);
    if (!st)
        st = sut_loop_on_signal(rt->loop, SIGINT, s_on_signal, a);
    if (!st && rt->opt->on_reload)
        st = sut_loop_on_signal(rt->loop, SIGHUP, s_on_hangup, a);
    if (!st)
        st = sut_timer_start_ms(rt->loop, &a->announce_timer, S_ANNOUNCE_MS, s_on_announce_timer, a);
    return st ? st : sut_runtime_boot(rt);
}

static int s_finish(s_actor *a, sut_status st)
{
    sut_runtime *rt = a->rt;
    if (rt->error[0])
        sut_program_die(rt->exit_code, "%s", rt->error);
    if (st)
        sut_program_die(SUT_EXIT_SOFTWARE, "the event loop failed: %s", strerror(-st));
    sut_timer_stop(&a->drain_timer);
    sut_consumers_free(rt);
    rt->client = sut_client_free(rt->client);
    sut_log(SUT_INFO, "kit", "drain.done");
    sut_runtime_free(rt);
    return SUT_EXIT_OK;
}

int sut_actor_main(int argc, char **argv, const sut_actor_options *opt)
{
    static s_actor actor;
    static sut_settings_table table;
    s_actor *a = &actor;
    snprintf(a->program, sizeof(a->program), "sut-%s", opt->name);
    if (sut_settings_table_new(&table, opt))
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    sut_program_start(argc, argv, a->program, opt->summary, table.items, table.count, table.values);
    const sut_kit_settings *settings = sut_settings_table_deliver(&table, opt);
    char error[256];
    sut_status st = sut_runtime_new(&a->rt, opt, settings, error, sizeof(error));
    if (st)
        sut_program_die(st == -EINVAL ? SUT_EXIT_CONFIG : SUT_EXIT_SOFTWARE, "%s", error);
    st = s_prepare(a);
    if (st)
        sut_program_die(SUT_EXIT_SOFTWARE, "cannot start: %s", strerror(-st));
    st = sut_loop_run(a->rt->loop);
    int code = s_finish(a, st);
    sut_settings_table_deinit(&table);
    return code;
}
