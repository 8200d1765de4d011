#include "control_request.h"
#include "broker.h"
#include "traffic.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES (8u << 20)

static void request_free(sut_control_request *rq)
{
    sut_node_unlink(&rq->node);
    rq->arena = sut_arena_free(rq->arena);
    free(rq);
}

void sut_control_reply(sut_control_request *rq, const void *out)
{
    sut_buf body;

    sut_buf_init(&body, SUT_ENVELOPE_MAX - 4096);
    if (sut_record_encode(rq->method->out, out, &body) < 0)
        sut_core_control_reply(rq->broker->core, sut_now_ns(), rq->call, SUT_ERR_INTERNAL,
                               SUT_STR("the answer is too large: ask for less"));
    else
        sut_core_control_reply(rq->broker->core, sut_now_ns(), rq->call, 0,
                               (sut_str){(const char *)body.data, body.len});
    sut_buf_deinit(&body);
    request_free(rq);
}

void sut_control_fail(sut_control_request *rq, int err, const char *fmt, ...)
{
    char words[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    sut_core_control_reply(rq->broker->core, sut_now_ns(), rq->call, err, sut_str_from(words));
    request_free(rq);
}

void sut_control_fail_status(sut_control_request *rq, sut_status status, const char *words)
{
    int err = SUT_ERR_INTERNAL;

    switch (status) {
    case -ENOENT: err = SUT_ERR_NOT_FOUND; break;
    case -EEXIST:
    case -EBUSY:
    case -EALREADY: err = SUT_ERR_CONFLICT; break;
    case -EINVAL: err = SUT_ERR_INVALID; break;
    case -EAGAIN: err = SUT_ERR_OVERLOADED; break;
    case -ENOSPC: err = SUT_ERR_STORAGE_FULL; break;
    case -ENODATA: err = SUT_ERR_POSITION_GONE; break;
    default: break;
    }
    sut_control_fail(rq, err, "%s", words);
}

void *sut_control_alloc(sut_control_request *rq, size_t bytes)
{
    return sut_arena_alloc(rq->arena, bytes);
}

const char *sut_control_peer(const sut_control_request *rq, sut_role *role)
{
    const sut_peer *peer = sut_peers_by_session(&rq->broker->peers, rq->session);
    const sut_acl_entry *entry = peer ? sut_acl_find(rq->broker->access.acl, sut_str_from(peer->name)) : NULL;

    *role = entry ? sut_acl_role(entry) : SUT_ROLE_NONE;
    return peer ? peer->name : NULL;
}

/* ---- arguments ---- */

static void refuse_arguments(sut_control_request *rq, const sut_field_errors *errs)
{
    if (errs->count)
        sut_control_fail(rq, SUT_ERR_INVALID, "%.*s %.*s", SUT_STR_FMT(errs->items[0].pointer),
                         SUT_STR_FMT(errs->items[0].message));
    else
        sut_control_fail(rq, SUT_ERR_INVALID, "the arguments cannot be read");
}

static sut_control_request *request_new(sut_broker *b, const sut_control_call *call)
{
    sut_control_request *rq = calloc(1, sizeof *rq);

    if (!rq)
        return NULL;
    if (sut_arena_new(&rq->arena, ARENA_BYTES) < 0) {
        free(rq);
        return NULL;
    }
    rq->broker = b;
    rq->call = call->call;
    rq->session = call->session;
    rq->method = call->method->schema;
    sut_list_push_back(&b->requests, &rq->node);
    return rq;
}

void sut_control_request_run(sut_broker *b, const sut_control_call *call)
{
    sut_control_request *rq = request_new(b, call);
    sut_field_errors errs;
    void *in;

    if (!rq) {
        sut_core_control_reply(b->core, sut_now_ns(), call->call, SUT_ERR_OVERLOADED, SUT_STR("no memory"));
        return;
    }
    if (!b->events.open && !call->method->without_journal) {
        sut_control_fail(rq, SUT_ERR_UNAVAILABLE, "this broker keeps no journal (SUT_JOURNAL_DIR is not set)");
        return;
    }
    sut_field_errors_init(&errs, rq->arena, 4);
    if (!rq->method->in) {
        call->method->run(rq);
        return;
    }
    in = sut_arena_alloc(rq->arena, rq->method->in->size);
    if (!in || sut_record_decode(rq->method->in, call->body, SUT_UNKNOWN_IGNORE, rq->arena, in, &errs)) {
        refuse_arguments(rq, &errs);
        return;
    }
    rq->in = in;
    call->method->run(rq);
}

/* ---- the journal ---- */

static sut_status on_reader(sut_journal_job *job, sut_journal *j)
{
    sut_control_request *rq = SUT_CONTAINER(job, sut_control_request, job);

    return rq->ask(rq, j);
}

void sut_control_query(sut_control_request *rq, sut_status (*ask)(sut_control_request *rq, sut_journal *j),
                       void (*then)(sut_control_request *rq, sut_status status))
{
    rq->ask = ask;
    rq->then = then;
    rq->job = (sut_journal_job){.run = on_reader};
    if (sut_journal_service_query(rq->broker->events.journal, &rq->job) < 0)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "too many wait for the journal");
}

void sut_control_request_done(sut_journal_job *job)
{
    sut_control_request *rq = SUT_CONTAINER(job, sut_control_request, job);

    rq->then(rq, job->status);
}

void sut_control_requests_drop(sut_broker *b)
{
    for (sut_node *n; (n = sut_list_pop_front(&b->requests)) != NULL;)
        request_free(SUT_CONTAINER(n, sut_control_request, node));
}
