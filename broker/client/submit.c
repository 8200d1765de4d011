/* sut_call_start and sut_call_cancel: the part of a call that runs on its caller's thread. The envelope is encoded
 * here, so that callers share that work, and the client's thread only copies bytes. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>

#define TIMEOUT_DEFAULT_MS 3000u
#define SPAN_AT            36           /* in a traceparent */
#define ACCEPTED_BYTES_MAX (256u << 20) /* of all calls that a client holds */

static sut_status build(sut_client *c, const sut_call *call, client_call **out)
{
    char trace[SUT_TRACEPARENT_LEN + 1];
    sut_envelope env = {
        .version = SUT_PROTOCOL_VERSION,
        .kind = SUT_CALL,
        .id = client_new_id(c),
        .subject = call->subject,
        .key = call->key,
        .ttl_ms = call->timeout_ms ? call->timeout_ms : TIMEOUT_DEFAULT_MS,
        .traceparent = call->traceparent,
        .opt = {.idempotency_key = call->idempotency_key, .instance = call->instance, .replayed = call->replayed},
        .body = call->body};
    if (call->principal)
        env.principal = *call->principal;
    if (!call->traceparent.ptr) {
        sut_traceparent_make(call->parent, trace);
        env.traceparent = (sut_str){trace, SUT_TRACEPARENT_LEN};
        if (sut_traceparent_valid(call->parent))
            env.opt.parent_id = (sut_str){call->parent.ptr + SPAN_AT, SUT_SPAN_ID_LEN};
    }
    client_item *item;
    sut_status st = client_item_new(&item, &env, sizeof(client_call));
    if (st != 0)
        return st;
    client_call *made = SUT_CONTAINER(item, client_call, item);
    item->is_call = true;
    made->mail.kind = MAIL_CALL;
    made->id = env.id;
    made->encoded_ns = sut_now_ns();
    made->deadline_ns = made->encoded_ns + env.ttl_ms * SUT_NS_PER_MS;
    made->charged_bytes = item->len;
    made->idempotent = call->idempotent;
    *out = made;
    return 0;
}

static void uncharge(sut_client *c, uint32_t bytes)
{
    atomic_fetch_sub_explicit(&c->accepted_bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->accepted, 1, memory_order_relaxed);
}

static bool charge(sut_client *c, uint32_t bytes)
{
    uint32_t count = atomic_fetch_add_explicit(&c->accepted, 1, memory_order_relaxed);
    uint64_t held = atomic_fetch_add_explicit(&c->accepted_bytes, bytes, memory_order_relaxed);
    if (count < c->config.queue_max && held + bytes <= ACCEPTED_BYTES_MAX)
        return true;
    uncharge(c, bytes);
    return false;
}

sut_status client_submit(sut_client *c, client_call *call)
{
    uint32_t bytes = call->charged_bytes;
    if (!charge(c, bytes)) {
        client_call_free(call);
        return -EAGAIN;
    }
    if (client_on_loop(c) && !c->closing) {
        client_calls_submit(c, call);
    } else if (!client_mailbox_put(c->mailbox, &call->mail)) {
        uncharge(c, bytes);
        client_call_free(call);
        return -ESHUTDOWN;
    }
    return 0;
}

sut_status sut_call_start(sut_client *c, const sut_call *call, sut_result_fn fn, void *arg, sut_call_id *id)
{
    if (!fn || !sut_subject_valid(call->subject))
        return -EINVAL;
    client_call *made;
    sut_status st = build(c, call, &made);
    if (st != 0)
        return st;
    made->fn = fn;
    made->arg = arg;
    uint64_t made_id = made->id; /* once it is put, it may be over before we return */
    st = client_submit(c, made);
    if (st == 0 && id)
        *id = made_id;
    return st;
}

void sut_call_cancel(sut_client *c, sut_call_id id)
{
    if (client_on_loop(c)) {
        client_calls_cancel(c, id);
        return;
    }
    client_cancel_mail *m = malloc(sizeof *m);
    if (!m)
        return; /* the deadline ends the call */
    *m = (client_cancel_mail){.mail.kind = MAIL_CANCEL, .id = id};
    if (!client_mailbox_put(c->mailbox, &m->mail))
        free(m);
}
