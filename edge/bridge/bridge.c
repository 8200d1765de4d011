/* Calls of HTTP threads, each behind the breaker of its service. */
#include "bridge.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "waiter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 250 /* how often a waiting thread asks whether its client is still there */

static void on_session(void *arg, sut_session_state state, const char *detail)
{
    (void)arg;
    switch (state) {
    case SUT_SESSION_UP: sut_health_set("bus", true, SUT_HEALTH_UP, NULL); return;
    case SUT_SESSION_DOWN: sut_health_set("bus", true, SUT_HEALTH_DOWN, "no session with the broker"); return;
    case SUT_SESSION_REFUSED:
        sut_health_set("bus", true, SUT_HEALTH_DOWN, "the broker refuses this edge");
        sut_log(SUT_ERROR, "edge", "bus.refused", SUT_KV("detail", detail));
        return;
    }
}

static sut_status add_service(sut_bridge *b, const char *name)
{
    if (bridge_service_find(b, name))
        return 0;
    if (b->service_count == SUT_BRIDGE_SERVICES_MAX)
        return -ENOSPC;
    bridge_service *s = &b->services[b->service_count];
    if (pthread_mutex_init(&s->lock, NULL) != 0)
        return -ENOMEM;
    b->service_count++;
    s->bridge = b;
    s->name = name;
    (void)snprintf(s->health_subject, sizeof(s->health_subject), "%s.health", name);
    sut_breaker_init(&s->breaker, SUT_BREAKER_DEFAULTS);
    return 0;
}

static sut_status add_services(sut_bridge *b)
{
    for (size_t d = 0; d < sut_domain_count; d++) {
        for (size_t i = 0; i < sut_domains[d]->method_count; i++) {
            if (!sut_domains[d]->methods[i]->http)
                continue; /* nobody asks the edge for it */
            sut_status st = add_service(b, sut_domains[d]->methods[i]->service);
            if (st)
                return st;
        }
    }
    return 0;
}

sut_status sut_bridge_new(sut_bridge **out, const sut_bridge_options *opt, char *error, size_t error_size)
{
    *out = NULL;
    (void)snprintf(error, error_size, "out of memory");
    sut_bridge *b = calloc(1, sizeof(*b));
    if (!b)
        return SUT_TRACE(-ENOMEM, "bridge");
    if (pthread_rwlock_init(&b->lock, NULL) != 0) {
        free(b);
        return SUT_TRACE(-ENOMEM, "bridge");
    }
    b->loop = opt->loop;
    sut_health_set("bus", true, SUT_HEALTH_UNKNOWN, "connecting");
    sut_status st = add_services(b);
    if (st == 0) {
        sut_client_options client = opt->client;
        client.loop = opt->loop;
        client.on_session = on_session;
        client.on_session_arg = b;
        st = sut_client_new(&b->client, &client, error, error_size);
    }
    if (st) {
        sut_bridge_free(b);
        return st;
    }
    *out = b;
    return 0;
}

void sut_bridge_close(sut_bridge *b)
{
    sut_timer_stop(&b->poll);
    (void)pthread_rwlock_wrlock(&b->lock);
    sut_client *client = b->client;
    b->client = NULL;
    (void)pthread_rwlock_unlock(&b->lock);
    sut_client_free(client);
}

sut_bridge *sut_bridge_free(sut_bridge *b)
{
    if (!b)
        return NULL;
    sut_bridge_close(b);
    (void)pthread_rwlock_destroy(&b->lock);
    for (size_t i = 0; i < b->service_count; i++)
        (void)pthread_mutex_destroy(&b->services[i].lock);
    free(b);
    return NULL;
}

sut_client *sut_bridge_client(sut_bridge *b)
{
    return b->client;
}

bridge_service *bridge_service_find(sut_bridge *b, const char *name)
{
    for (size_t i = 0; i < b->service_count; i++) {
        if (strcmp(b->services[i].name, name) == 0)
            return &b->services[i];
    }
    return NULL;
}

void bridge_service_well(bridge_service *s)
{
    (void)pthread_mutex_lock(&s->lock);
    if (s->breaker.state != SUT_BREAKER_CLOSED) {
        uint64_t opened = s->breaker.opened_total, refused = s->breaker.refused_total;
        sut_breaker_init(&s->breaker, SUT_BREAKER_DEFAULTS);
        s->breaker.opened_total = opened;
        s->breaker.refused_total = refused;
        sut_log(SUT_INFO, "edge", "breaker.closed", SUT_KV("service", s->name));
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static bool admitted(bridge_service *s, uint32_t *retry_after_ms)
{
    (void)pthread_mutex_lock(&s->lock);
    bool yes = sut_breaker_allow(&s->breaker, sut_now_ns(), retry_after_ms);
    (void)pthread_mutex_unlock(&s->lock);
    return yes;
}

/* Timeouts, unavailable and internal count against the service; its own refusals and its caller's errors do not. A call
 * that the broker turned away because nobody serves is not counted either: that answer is at once and costs nobody, and
 * counting it would keep a service that returned shut for up to 30 s. */
static void account(bridge_service *s, int err)
{
    bool failed = err == SUT_ERR_DEADLINE_EXCEEDED || err == SUT_ERR_UNAVAILABLE || err == SUT_ERR_INTERNAL ||
                  err == SUT_ERR_OUTCOME_UNKNOWN;
    bool silent = err == SUT_ERR_CANCELLED || err == SUT_ERR_OVERLOADED || err == SUT_ERR_NO_SUCH_SERVICE;
    (void)pthread_mutex_lock(&s->lock);
    sut_breaker_state before = s->breaker.state;
    if (silent)
        sut_breaker_release(&s->breaker);
    else
        sut_breaker_result(&s->breaker, sut_now_ns(), failed);
    sut_breaker_state after = s->breaker.state;
    (void)pthread_mutex_unlock(&s->lock);
    if (before != after)
        sut_log(SUT_WARN, "edge", "breaker.changed", SUT_KV("service", s->name),
                SUT_KV("state", sut_breaker_state_name(after)));
}

static void fail(sut_bridge_reply *out, int err, const char *message)
{
    const sut_error_desc *desc = sut_platform_error(err);
    *out = (sut_bridge_reply){.err = err, .code = sut_str_from(desc->code), .message = sut_str_from(message)};
}

static void fired(void *arg, const sut_result *r)
{
    sut_waiter_fire(arg, r);
}

static sut_status start(sut_bridge *b, const sut_call *call, sut_waiter *w, sut_call_id *id)
{
    (void)pthread_rwlock_rdlock(&b->lock);
    sut_status st = b->client ? sut_call_start(b->client, call, fired, w, id) : -ECANCELED;
    (void)pthread_rwlock_unlock(&b->lock);
    return st;
}

static void cancel(sut_bridge *b, sut_call_id id)
{
    (void)pthread_rwlock_rdlock(&b->lock);
    if (b->client)
        sut_call_cancel(b->client, id);
    (void)pthread_rwlock_unlock(&b->lock);
}

/* Sleeps until the answer is there: libsut promises one by the deadline, so there is no time limit of our own. */
static void wait_for(sut_bridge *b, sut_waiter *w, const sut_bridge_call *call, sut_call_id id)
{
    bool cancelled = false;
    while (!sut_waiter_sleep(w, LOOK_MS)) {
        if (!cancelled && call->gone && call->gone(call->gone_arg)) {
            cancelled = true;
            cancel(b, id);
        }
    }
}

void sut_bridge_call_wait(sut_bridge *b, sut_waiter *w, const sut_bridge_call *call, sut_bridge_reply *out)
{
    bridge_service *s = bridge_service_find(b, call->method->service);
    uint32_t retry_after_ms = 0;
    if (!s) {
        fail(out, SUT_ERR_NO_SUCH_SERVICE, "no such service");
        return;
    }
    if (!admitted(s, &retry_after_ms)) {
        fail(out, SUT_ERR_UNAVAILABLE, "the service failed too often just now; it is given time to recover");
        out->retry_after_ms = retry_after_ms;
        return;
    }
    const sut_call submit = {.subject = sut_str_from(call->method->name),
                             .body = call->body,
                             .timeout_ms = call->method->timeout_ms,
                             .principal = call->principal,
                             .traceparent = call->traceparent,
                             .idempotency_key = call->idempotency_key,
                             .idempotent = call->method->idempotent};
    sut_call_id id = 0;
    sut_waiter_arm(w);
    sut_status st = start(b, &submit, w, &id);
    if (st == 0) {
        wait_for(b, w, call, id);
        *out = w->reply;
    } else if (st == -EMSGSIZE) {
        fail(out, SUT_ERR_PAYLOAD_TOO_LARGE, "the request is too large for the bus");
    } else if (st == -ECANCELED) {
        fail(out, SUT_ERR_UNAVAILABLE, "this edge is stopping");
    } else if (st == -EAGAIN) {
        fail(out, SUT_ERR_OVERLOADED, "too many requests are waiting");
    } else {
        fail(out, SUT_ERR_INTERNAL, "");
    }
    account(s, st == 0 ? out->err : SUT_ERR_OVERLOADED);
}
