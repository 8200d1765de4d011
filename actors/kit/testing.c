/* Running an actor in a test: the same runtime and dispatch, without a bus (kit/testing.h). */
#include "kit/testing.h"

#include "kit/projection.h"

#include "consume.h"
#include "dispatch.h"
#include "outbox.h"
#include "runtime.h"
#include "sut.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define S_DEADLINE_NS (300 * SUT_NS_PER_S) /* the test's own timeout is what ends it */

typedef struct s_test {
    sut_request_fn body;
    void *arg;
    sut_status status;
} s_test;

static sut_runtime *s_runtime; /* the one that sut_test_on_remote means */
static sut_test_remote_fn s_remote;
static void *s_remote_arg;

void sut_test_on_remote(sut_test_remote_fn fn, void *arg)
{
    s_remote = fn;
    s_remote_arg = arg;
    if (s_runtime) {
        s_runtime->remote = fn;
        s_runtime->remote_arg = arg;
    }
}

static sut_status s_run_body(sut_request *rq, void *arg)
{
    s_test *t = arg;
    t->status = t->body(rq, t->arg);
    rq->runtime->draining = true;
    return t->status;
}

static void s_on_booted(sut_runtime *rt, sut_status st)
{
    s_test *t = rt->owner;
    sut_request *rq = NULL;
    if (st || sut_runtime_acquire(rt, &rq)) {
        t->status = -EINVAL;
        fprintf(stderr, "the actor did not start: %s\n", rt->error);
        rt->draining = true;
        return;
    }
    sut_request_begin(rq, "test", sut_now_ns() + S_DEADLINE_NS, SUT_STR_NONE);
    sut_runtime_launch(rt, rq, s_run_body, t);
}

static void s_on_idle(sut_runtime *rt)
{
    if (sut_outbox_running(rt))
        sut_outbox_stop(rt);
    else
        sut_loop_stop(rt->loop);
}

static sut_status s_settings(const sut_actor_options *opt, sut_settings_table *table, char *error, size_t error_size)
{
    sut_status st = sut_settings_table_new(table, opt);
    if (!st)
        st = sut_config_load(table->items, table->count, table->values, error, error_size);
    return st;
}

sut_status sut_test_actor(const sut_actor_options *opt, sut_request_fn body, void *arg)
{
    char error[256] = "";
    sut_settings_table table = {0};
    s_test t = {.body = body, .arg = arg, .status = -EINVAL};
    (void)signal(SIGPIPE, SIG_IGN); /* as sut_program_start does */
    if (setenv("SUT_BROKER", "ipc:///nonexistent", 0) || s_settings(opt, &table, error, sizeof(error)) ||
        sut_runtime_new(&s_runtime, opt, sut_settings_table_deliver(&table, opt), error, sizeof(error))) {
        fprintf(stderr, "the actor cannot start: %s\n", error);
        sut_settings_table_deinit(&table);
        return -EINVAL;
    }
    s_runtime->owner = &t;
    s_runtime->on_booted = s_on_booted;
    s_runtime->on_idle = s_on_idle;
    s_runtime->remote = s_remote;
    s_runtime->remote_arg = s_remote_arg;
    if (sut_runtime_boot(s_runtime) || sut_loop_run(s_runtime->loop))
        t.status = -EINVAL;
    s_runtime = sut_runtime_free(s_runtime);
    sut_settings_table_deinit(&table);
    return t.status;
}

/* ---- calling its methods ---- */

/* A request of its own on the caller's fiber, as if a call had come in. */
static sut_status s_begin_inner(sut_request *rq, const sut_principal *principal, sut_request *inner)
{
    *inner = (sut_request){.runtime = rq->runtime, .fiber = rq->fiber, .owner = rq->owner};
    sut_status st = sut_arena_new(&inner->arena, (size_t)rq->runtime->settings.request_memory);
    if (st)
        return st;
    sut_request_begin(inner, "test", rq->deadline_ns, (sut_str){rq->traceparent, SUT_TRACEPARENT_LEN});
    if (principal)
        inner->principal = *principal;
    return 0;
}

/* The error body that the caller or the dead letter would have, in rq's memory. Returns `st`. */
static sut_status s_copy_body(sut_request *rq, sut_request *inner, sut_status st, sut_error_body *out)
{
    sut_error_body body;
    sut_reply_error_body(inner, st, &body);
    sut_buf encoded SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&encoded, 0);
    if (sut_error_body_encode(&encoded, &body))
        return -ENOMEM;
    return sut_error_body_decode(rq->arena, (sut_str){(const char *)encoded.data, encoded.len}, out) ? -EBADMSG : st;
}

static sut_status s_copy_error(sut_request *rq, sut_request *inner, sut_status st, sut_error_body *error)
{
    sut_error_body copy = {0};
    sut_status copied = s_copy_body(rq, inner, st, &copy);
    if (copied != st)
        return copied;
    if (error)
        *error = copy;
    for (size_t i = 0; i < inner->method->error_count; i++)
        if (sut_str_is(copy.code, inner->method->errors[i]->code))
            return inner->method->errors[i]->err;
    const sut_error_desc *desc = sut_method_error(inner->method, copy.code);
    return desc ? desc->err : SUT_ERR_INTERNAL;
}

static sut_status s_call(sut_request *rq, sut_request *inner, const sut_service_entry *entry, const void *in, void *out,
                         sut_error_body *error)
{
    sut_buf body SUT_CLEANUP(sut_buf_deinit), reply SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&body, 0);
    sut_buf_init(&reply, 0);
    sut_status st = sut_record_encode(entry->method->in, in, &body);
    if (st)
        return st;
    inner->method = entry->method;
    inner->name = entry->method->name;
    st = sut_dispatch_call(inner, entry, (sut_str){(const char *)body.data, body.len}, &reply);
    if (st)
        return s_copy_error(rq, inner, st, error);
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 4);
    return sut_record_decode(entry->method->out, (sut_str){(const char *)reply.data, reply.len}, SUT_UNKNOWN_IGNORE,
                             rq->arena, out, &errors);
}

sut_status sut_test_call(sut_request *rq, const sut_method *m, const sut_principal *principal, const void *in,
                         void *out, sut_error_body *error)
{
    return sut_test_call_keyed(rq, m, principal, NULL, in, out, error);
}

sut_status sut_test_call_keyed(sut_request *rq, const sut_method *m, const sut_principal *principal, const char *key,
                               const void *in, void *out, sut_error_body *error)
{
    int index = sut_dispatch_find(rq->runtime, sut_str_from(m->name));
    if (index < 0)
        return SUT_ERR_NO_SUCH_METHOD;
    sut_request inner;
    sut_status st = s_begin_inner(rq, principal, &inner);
    if (st)
        return st;
    inner.idempotency_key = sut_str_from(key);
    st = s_call(rq, &inner, &rq->runtime->opt->entries[index], in, out, error);
    sut_request_end(&inner);
    sut_arena_free(inner.arena);
    return st;
}

/* ---- events ---- */

static sut_status s_prepare_delivery(sut_request *inner, const sut_consumer_entry *entry, const sut_test_delivery *opt)
{
    sut_consuming *c = SUT_REQUEST_NEW(inner, sut_consuming);
    if (!c)
        return -ENOMEM;
    *c = (sut_consuming){.entry = entry,
                         .event = {.event = entry->consumer->event,
                                   .group = entry->consumer->group,
                                   .sequence = opt->sequence ? opt->sequence : 1,
                                   .published_us = sut_wall_us(),
                                   .attempt = opt->attempt ? opt->attempt : 1,
                                   .generation = opt->generation ? opt->generation : 1,
                                   .replayed = opt->replayed},
                         .ack_wait_ms = entry->consumer->ack_wait_ms};
    if (opt->event_id)
        memcpy(c->event.id, opt->event_id, sizeof(c->event.id));
    else
        sut_event_id_make(c->event.id);
    inner->name = entry->consumer->event->subject;
    inner->attempt = c->event.attempt;
    inner->consuming = c;
    return 0;
}

static sut_status s_deliver(sut_request *rq, sut_request *inner, const sut_consumer_entry *entry, const void *event,
                            const sut_test_delivery *opt, sut_error_body *error)
{
    sut_buf body SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&body, 0);
    sut_status st = s_prepare_delivery(inner, entry, opt);
    if (!st)
        st = sut_record_encode(entry->consumer->event->body, event, &body);
    if (st)
        return st;
    st = sut_consume_event(inner, (sut_str){(const char *)body.data, body.len});
    return st && error ? s_copy_body(rq, inner, st, error) : st;
}

sut_status sut_test_deliver(sut_request *rq, const sut_consumer *consumer, const void *event,
                            const sut_test_delivery *opt, sut_error_body *error)
{
    static const sut_test_delivery plain;
    const sut_actor_options *actor = rq->runtime->opt;
    const sut_consumer_entry *entry = NULL;
    for (size_t i = 0; i < actor->consumer_count; i++)
        if (actor->consumers[i].consumer == consumer)
            entry = &actor->consumers[i];
    if (!entry)
        return SUT_ERR_NOT_FOUND;
    sut_request inner;
    sut_status st = s_begin_inner(rq, opt ? opt->principal : NULL, &inner);
    if (st)
        return st;
    st = s_deliver(rq, &inner, entry, event, opt ? opt : &plain, error);
    sut_request_end(&inner);
    sut_arena_free(inner.arena);
    return st;
}

static const sut_pg_stmt s_emitted = {"sut_test_emitted",
                                      "SELECT event_id, key, body, user_id, level, session, traceparent, not_before"
                                      " FROM sut_outbox WHERE subject = $1 ORDER BY id OFFSET $2 LIMIT 1",
                                      2};

sut_status sut_test_emitted(sut_request *rq, const sut_event *event, size_t index, void *out,
                            sut_test_emitted_event *info)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(
        rq, &s_emitted, SUT_PG_PARAMS(sut_pg_text(sut_str_from(event->subject)), sut_pg_i64((int64_t)index)), &r);
    if (st)
        return st;
    sut_str id = sut_pg_rows(r) ? sut_pg_get_bytea(r, 0, 0) : SUT_STR_NONE;
    if (id.len != SUT_EVENT_ID_LEN)
        return SUT_ERR_NOT_FOUND;
    if (info) {
        *info = (sut_test_emitted_event){.key = sut_pg_get_text(r, 0, 1),
                                         .principal = {.user_id = sut_pg_get_i64(r, 0, 3),
                                                       .level = sut_pg_get_i32(r, 0, 4),
                                                       .session = sut_pg_get_text(r, 0, 5)},
                                         .traceparent = sut_pg_get_text(r, 0, 6),
                                         .not_before_us = sut_pg_get_i64(r, 0, 7)};
        memcpy(info->id, id.ptr, sizeof(info->id));
    }
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 4);
    return out ? sut_record_decode(event->body, sut_pg_get_bytea(r, 0, 2), SUT_UNKNOWN_REFUSE, rq->arena, out, &errors)
               : 0;
}

sut_status sut_test_rebuild(sut_request *rq, const char *name, sut_projection_diff *out)
{
    const sut_actor_options *actor = rq->runtime->opt;
    const sut_projection *what = NULL;
    for (size_t i = 0; i < actor->projection_count; i++)
        if (strcmp(actor->projections[i].name, name) == 0)
            what = &actor->projections[i];
    if (!what)
        return SUT_ERR_NOT_FOUND;
    sut_projection_page page = {.more = true};
    sut_status st = sut_pg_tx_run(rq, what->fresh, NULL);
    while (!st && page.more) {
        page.more = false;
        st = what->page(rq, &page);
    }
    return st ? st : sut_pg_tx_run(rq, what->swap, out);
}

sut_status sut_test_periodic(sut_request *rq, const char *name)
{
    const sut_actor_options *opt = rq->runtime->opt;
    for (size_t i = 0; i < opt->periodic_count; i++)
        if (strcmp(opt->periodics[i].name, name) == 0)
            return opt->periodics[i].fn(rq, opt->periodics[i].arg);
    return SUT_ERR_NOT_FOUND;
}
