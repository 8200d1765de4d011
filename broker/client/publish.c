/* Publishing: what is encoded on the publisher's thread, what it came to, and the blocking form. On the client's thread
 * a publish goes the way of a call (calls.c). */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_DEFAULT_MS 3000u

/* ---- on the publisher's thread ---- */

static sut_status check(const sut_publish *events, size_t count, const sut_publish_options *opt)
{
    bool numbered = opt->source.ptr != NULL;
    if (numbered && (opt->source.len == 0 || opt->source.len > SUT_SOURCE_MAX))
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        const sut_publish *e = &events[i];
        if (!sut_subject_valid(e->subject) || e->key.len > SUT_KEY_MAX || e->not_before_us < 0 ||
            numbered != (e->number > 0) || (e->principal && e->principal->user_id < 0))
            return -EINVAL;
        if (e->traceparent.ptr && !sut_traceparent_valid(e->traceparent))
            return -EINVAL;
    }
    return 0;
}

static sut_status encode_one(const sut_envelope *base, const sut_publish *e, client_item **out)
{
    uint8_t id[SUT_EVENT_ID_LEN];
    char trace[SUT_TRACEPARENT_LEN + 1];
    sut_envelope env = *base;
    env.subject = e->subject;
    env.key = e->key;
    env.traceparent = e->traceparent;
    env.body = e->body;
    if (e->principal)
        env.principal = *e->principal;
    if (!e->traceparent.ptr) {
        sut_traceparent_make(SUT_STR_NONE, trace);
        env.traceparent = (sut_str){trace, SUT_TRACEPARENT_LEN};
    }
    if (!e->event_id)
        sut_event_id_make(id);
    env.opt.event_id = (sut_str){(const char *)(e->event_id ? e->event_id : id), SUT_EVENT_ID_LEN};
    env.opt.number = e->number;
    env.opt.not_before = e->not_before_us;
    env.opt.replayed = e->replayed;
    return client_item_new(out, &env, sizeof(client_call));
}

static sut_status encode_batch(const sut_envelope *base, const sut_publish *events, size_t count, client_item **out)
{
    sut_buf body;
    client_batch_shares shares;
    client_batch_common(events, count, &shares);
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    sut_status st = client_batch_encode(&body, events, count, &shares);
    if (st == 0) {
        sut_envelope env = *base;
        if (shares.principal && events[0].principal)
            env.principal = *events[0].principal;
        env.opt.replayed = shares.replayed && events[0].replayed;
        env.subject = SUT_STR("");
        env.body = (sut_str){(const char *)body.data, body.len};
        st = client_item_new(out, &env, sizeof(client_call));
    }
    sut_buf_deinit(&body);
    return st;
}

sut_status sut_publish_start(sut_client *c, const sut_publish *events, size_t count, const sut_publish_options *opt,
                             sut_published_fn fn, void *arg)
{
    static const sut_publish_options none = {.timeout_ms = 0};
    if (!opt)
        opt = &none;
    if (!fn || count == 0 || count > SUT_PUBLISH_MAX)
        return -EINVAL;
    sut_status st = check(events, count, opt);
    if (st != 0)
        return st;
    sut_envelope base = {.version = SUT_PROTOCOL_VERSION,
                         .kind = SUT_PUBLISH,
                         .id = client_new_id(c),
                         .opt = {.source = opt->source, .epoch = opt->epoch}};
    client_item *item;
    st = count == 1 ? encode_one(&base, events, &item) : encode_batch(&base, events, count, &item);
    if (st != 0)
        return st;
    client_call *made = SUT_CONTAINER(item, client_call, item);
    item->is_call = true;
    made->mail.kind = MAIL_CALL;
    made->id = base.id;
    made->events = (uint32_t)count;
    made->encoded_ns = sut_now_ns();
    made->deadline_ns = made->encoded_ns + (opt->timeout_ms ? opt->timeout_ms : TIMEOUT_DEFAULT_MS) * SUT_NS_PER_MS;
    made->charged_bytes = item->len;
    made->published = fn;
    made->arg = arg;
    return client_submit(c, made);
}

/* ---- on the client's thread ---- */

int client_publish_err(const client_call *call, int err)
{
    bool undecided = call->state == CALL_SENT || (call->state == CALL_QUEUED && call->resent);
    return undecided ? SUT_ERR_OUTCOME_UNKNOWN : err;
}

/* Refusals of the moment say nothing of an earlier attempt; those of the event itself met that one too. */
static bool of_the_moment(int err)
{
    return err == SUT_ERR_OVERLOADED || err == SUT_ERR_UNAVAILABLE || err == SUT_ERR_RATE_LIMITED ||
           err == SUT_ERR_STORAGE_FULL || err == SUT_ERR_INTERNAL;
}

static void tell_error(client_call *call, const sut_result *r)
{
    sut_published p = {
        .err = r->err, .code = r->code, .message = r->message, .body = r->body, .retry_after_ms = r->retry_after_ms};
    if (call->resent && of_the_moment(r->err)) {
        p.err = SUT_ERR_OUTCOME_UNKNOWN;
        p.code = SUT_STR("outcome_unknown");
    }
    call->published(call->arg, &p);
}

static void tell_unreadable(client_call *call)
{
    sut_log(SUT_ERROR, CLIENT_LOG, "publish.answer_unreadable", SUT_KV_U("events", call->events));
    sut_published p = {.err = SUT_ERR_OUTCOME_UNKNOWN,
                       .code = SUT_STR("outcome_unknown"),
                       .message = SUT_STR("the broker's answer cannot be read")};
    call->published(call->arg, &p);
}

void client_publish_tell(sut_client *c, client_call *call, const sut_result *r, const sut_envelope *answer)
{
    if (r->err != 0 || !answer) {
        tell_error(call, r);
        return;
    }
    uint64_t sequence = answer->opt.sequence;
    bool duplicate = answer->opt.duplicate != 0;
    sut_published p = {
        .sequences = &sequence, .duplicates = &duplicate, .count = 1, .dedup = (sut_dedup)answer->opt.dedup};
    sut_arena_reset(c->scratch);
    if (call->events > 1 && client_batch_answer(c->scratch, answer->body, call->events, &p) != 0) {
        tell_unreadable(call);
        return;
    }
    client_count(&c->stats.published, call->events);
    call->published(call->arg, &p);
}

/* ---- blocking ---- */

typedef struct waiter {
    sem_t done;
    int err;
    uint64_t sequence;
    char *error;
    size_t error_size;
} waiter;

static void on_published(void *arg, const sut_published *p)
{
    waiter *w = arg;
    w->err = p->err;
    if (p->err == 0)
        w->sequence = p->sequences[0];
    else if (w->error && w->error_size)
        snprintf(w->error, w->error_size, "%.*s: %.*s", SUT_STR_FMT(p->code), SUT_STR_FMT(p->message));
    sem_post(&w->done);
}

sut_status sut_publish_wait(sut_client *c, const sut_publish *event, const sut_publish_options *opt, uint64_t *sequence,
                            char *error, size_t error_size)
{
    if (client_on_loop(c))
        return -EDEADLK;
    waiter w = {.error = error, .error_size = error_size};
    sem_init(&w.done, 0, 0);
    sut_status st = sut_publish_start(c, event, 1, opt, on_published, &w);
    if (st == 0) {
        while (sem_wait(&w.done) != 0) /* EINTR; the callback comes by the deadline */
            continue;
        st = w.err;
        if (st == 0 && sequence)
            *sequence = w.sequence;
    }
    sem_destroy(&w.done);
    return st;
}
