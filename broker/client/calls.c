/* Calls of ours on the client's thread: from the mailbox to the one callback. A call is queued, sent, or ended; what a
 * lost session means is decided here, call by call. Publishes go the same way; those that a session leaves undecided
 * stay on calls.sent, in order, until the next one. */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define SETTLE_NS       (2 * SUT_NS_PER_S) /* after a reconnect, services may still be on their way back */
#define SETTLE_AGAIN_NS (50 * SUT_NS_PER_MS)

static client_call *call_of(sut_node *n)
{
    return SUT_CONTAINER(n, client_call, item.node);
}

void client_call_free(client_call *call)
{
    client_item_free(&call->item);
}

/* The end of every call: nothing of the client refers to it any more when its callback runs. */
static void finish(sut_client *c, client_call *call, const sut_result *r, const sut_envelope *answer)
{
    sut_node_unlink(&call->item.node);
    client_deadlines_remove(&c->calls.deadlines, &call->deadline);
    (void)sut_u64map_take(c->calls.by_id, call->id);
    atomic_fetch_sub_explicit(&c->accepted_bytes, call->charged_bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->accepted, 1, memory_order_relaxed);
    if (call->events) {
        client_publish_tell(c, call, r, answer);
    } else {
        client_count(r->err ? &c->stats.errors : &c->stats.replies, 1);
        call->fn(call->arg, r);
    }
    client_call_free(call);
}

static void finish_err(sut_client *c, client_call *call, int err, const char *message)
{
    if (call->events)
        err = client_publish_err(call, err);
    const sut_error_desc *desc = sut_platform_error(err);
    sut_result r = {.err = err,
                    .body = SUT_STR(""),
                    .code = sut_str_from(desc ? desc->code : "internal"),
                    .message = sut_str_from(message),
                    .http_status = desc ? (uint32_t)desc->http_status : 500};
    finish(c, call, &r, NULL);
}

/* Leaves the callback to the next turn: for ends that arise within a function that the user called. */
static void end_later(sut_client *c, client_call *call, int err, const char *message)
{
    call->ended_err = call->events ? client_publish_err(call, err) : err;
    call->state = CALL_ENDED;
    call->ended_message = message;
    sut_node_unlink(&call->item.node);
    sut_list_push_back(&c->calls.ended, &call->item.node);
}

bool client_calls_run_ended(sut_client *c)
{
    bool any = false;
    for (sut_node *n; (n = sut_list_pop_front(&c->calls.ended)); any = true)
        finish_err(c, call_of(n), call_of(n)->ended_err, call_of(n)->ended_message);
    return any;
}

static void on_deadline(client_deadline *d, void *arg)
{
    sut_client *c = arg;
    client_call *call = SUT_CONTAINER(d, client_call, deadline);
    switch (call->state) {
    case CALL_QUEUED: finish_err(c, call, SUT_ERR_UNAVAILABLE, "no session with the broker in time"); break;
    case CALL_SENT: finish_err(c, call, SUT_ERR_DEADLINE_EXCEEDED, "no answer in time"); break;
    case CALL_ENDED: finish_err(c, call, call->ended_err, call->ended_message); break;
    }
}

sut_status client_calls_init(sut_client *c)
{
    sut_list_init(&c->calls.sent);
    sut_list_init(&c->calls.ended);
    sut_list_init(&c->calls.settling);
    client_deadlines_init(&c->calls.deadlines, c->loop, sut_now_ns(), on_deadline, c);
    return sut_u64map_new(&c->calls.by_id);
}

void client_calls_deinit(sut_client *c)
{
    c->calls.by_id = sut_u64map_free(c->calls.by_id);
}

void client_calls_submit(sut_client *c, client_call *call)
{
    call->state = CALL_QUEUED;
    if (!call->events)
        client_count(&c->stats.calls, 1);
    if (sut_u64map_put(c->calls.by_id, call->id, call) != 0 ||
        client_deadlines_add(&c->calls.deadlines, &call->deadline, call->deadline_ns) != 0) {
        end_later(c, call, SUT_ERR_INTERNAL, "out of memory");
        return;
    }
    if (c->closing)
        end_later(c, call, SUT_ERR_CANCELLED, "the client is closing");
    else if (atomic_load_explicit(&c->state, memory_order_relaxed) == SUT_SESSION_REFUSED)
        end_later(c, call, SUT_ERR_UNAVAILABLE, "the broker refuses this peer");
    else
        sut_list_push_back(&c->outbox.calls, &call->item.node);
}

static void tell_cancel(sut_client *c, uint64_t id)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_CANCEL, .id = id, .subject = SUT_STR("")};
    client_outbox_control(c, &env);
}

void client_calls_cancel(sut_client *c, uint64_t id)
{
    client_call *call = sut_u64map_get(c->calls.by_id, id);
    if (!call || call->events || call->state == CALL_ENDED)
        return;
    bool sent = call->state == CALL_SENT;
    end_later(c, call, SUT_ERR_CANCELLED, "cancelled by the caller");
    if (sent)
        tell_cancel(c, id);
}

static void queue_again(sut_client *c, client_call *call)
{
    sut_node_unlink(&call->item.node);
    call->state = CALL_QUEUED;
    sut_list_push_back(&c->outbox.calls, &call->item.node);
    client_count(&c->stats.retried, 1);
}

static void settled(sut_timer *t, void *arg)
{
    (void)t;
    sut_client *c = arg;
    for (sut_node *n; (n = sut_list_pop_front(&c->calls.settling));)
        sut_list_push_back(&c->outbox.calls, n);
}

static void settle(sut_client *c, client_call *call)
{
    queue_again(c, call);
    sut_node_unlink(&call->item.node);
    sut_list_push_back(&c->calls.settling, &call->item.node);
    if (!c->calls.settle_timer.loop &&
        sut_timer_start_at(c->loop, &c->calls.settle_timer, sut_now_ns() + SETTLE_AGAIN_NS, settled, c) != 0)
        settled(NULL, c);
}

/* Errors that say "certainly not executed" while the broker goes, or while services are still on their way back to one
 * that has just come, are not the caller's business as long as it has time. */
static bool waits_for_broker(sut_client *c, client_call *call, int err)
{
    const client_session *s = &c->session;
    if (err == SUT_ERR_UNAVAILABLE && s->phase == PHASE_LEAVING) {
        if (call->events)
            call->state = CALL_QUEUED; /* its place among the others is kept: the session is about to end */
        else
            queue_again(c, call);
        return true;
    }
    if (call->events)
        return false;
    bool reconnected = atomic_load_explicit(&c->stats.sessions, memory_order_relaxed) > 1;
    if (err == SUT_ERR_NO_SUCH_SERVICE && reconnected && sut_now_ns() - s->up_since_ns < SETTLE_NS) {
        settle(c, call);
        return true;
    }
    return false;
}

static void error_result(sut_client *c, const sut_envelope *env, sut_result *r)
{
    sut_error_body e;
    sut_arena_reset(c->scratch);
    if (sut_error_body_decode(c->scratch, env->body, &e) != 0)
        e = (sut_error_body){.code = SUT_STR("internal"), .message = SUT_STR("an error without a readable body")};
    const sut_error_desc *desc = sut_platform_error_by_code(e.code);
    r->err = desc ? desc->err : SUT_ERR_DOMAIN_FIRST;
    r->code = e.code;
    r->message = e.message;
    r->retry_after_ms = env->opt.retry_after_ms ? env->opt.retry_after_ms : e.retry_after_ms;
    r->http_status = env->opt.http_status ? env->opt.http_status : e.http_status;
    if (!r->http_status)
        r->http_status = desc ? (uint32_t)desc->http_status : 500;
}

void client_calls_answer(sut_client *c, const sut_envelope *env)
{
    client_call *call = sut_u64map_get(c->calls.by_id, env->id);
    if (!call || call->state != CALL_SENT)
        return; /* expired or cancelled here meanwhile */
    if (env->kind != SUT_ERROR_REPLY && (env->kind == SUT_PUBLISHED) != (call->events > 0))
        return;
    sut_result r = {.body = env->body, .attempt = env->opt.attempt};
    if (env->kind == SUT_ERROR_REPLY)
        error_result(c, env, &r);
    if (r.err == SUT_ERR_HELLO_REQUIRED) {
        if (!call->events)
            queue_again(c, call);
        client_session_restart(c, "the broker has lost our session");
    } else if (!waits_for_broker(c, call, r.err)) {
        finish(c, call, &r, env);
    }
}

/* Before all that was never sent, in the order in which they were. */
static void publish_again(sut_client *c, client_call *call, sut_node **behind)
{
    call->resent |= call->state == CALL_SENT;
    call->state = CALL_QUEUED;
    sut_list_push_front(*behind, &call->item.node);
    *behind = &call->item.node;
    client_count(&c->stats.retried, 1);
}

void client_calls_session_lost(sut_client *c)
{
    sut_node lost, *behind = &c->outbox.calls;
    sut_list_init(&lost);
    for (sut_node *n; (n = sut_list_pop_front(&c->calls.sent));)
        sut_list_push_back(&lost, n);
    for (sut_node *n; (n = sut_list_pop_front(&lost));) {
        client_call *call = call_of(n);
        if (call->events) {
            publish_again(c, call, &behind);
        } else if (call->idempotent && !call->resent) {
            call->resent = true;
            queue_again(c, call);
        } else {
            finish_err(c, call, SUT_ERR_OUTCOME_UNKNOWN, "the session with the broker was lost");
        }
    }
}

void client_calls_refuse_queued(sut_client *c, const char *why)
{
    settled(NULL, c);
    for (sut_node *n; (n = sut_list_pop_front(&c->outbox.calls));)
        end_later(c, call_of(n), SUT_ERR_UNAVAILABLE, why);
}

void client_calls_end_all(sut_client *c)
{
    sut_timer_stop(&c->calls.settle_timer);
    settled(NULL, c);
    for (sut_node *n; (n = sut_list_pop_front(&c->calls.sent));)
        end_later(c, call_of(n), SUT_ERR_CANCELLED, "the client is closing");
    for (sut_node *n; (n = sut_list_pop_front(&c->outbox.calls));)
        end_later(c, call_of(n), SUT_ERR_CANCELLED, "the client is closing");
    (void)client_calls_run_ended(c);
    client_deadlines_stop(&c->calls.deadlines);
}
