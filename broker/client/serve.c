/* Serving: calls that the broker gives us, held until each has its one answer. An incoming owns its bytes; it may be
 * answered from any thread, at any time, also after its session or the client itself is gone. */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CREDITS_MAX 65536u

enum { CANCEL_WATCHED = 1, CANCEL_CAME = 2 };

struct sut_incoming {
    client_mail mail;
    sut_node node;           /* on serving.list while its session stands */
    client_mailbox *mailbox; /* held */
    sut_client *client;      /* valid on its thread, while the mailbox is open */
    uint64_t deadline_ns;
    client_item *answer;
    _Atomic int cancel;
    void (*cancel_fn)(void *arg);
    void *cancel_arg;
    sut_envelope env;
    char bytes[];
};

sut_incoming *client_incoming_from_mail(client_mail *m)
{
    return SUT_CONTAINER(m, sut_incoming, mail);
}

void client_incoming_free(sut_incoming *in)
{
    if (in->answer)
        client_item_free(in->answer);
    client_mailbox_drop(in->mailbox);
    free(in);
}

sut_status client_serve_init(sut_client *c)
{
    sut_list_init(&c->serving.list);
    return sut_u64map_new(&c->serving.in_hand);
}

void client_serve_deinit(sut_client *c)
{
    c->serving.in_hand = sut_u64map_free(c->serving.in_hand);
    free(c->serving.service);
    free(c->asked.service);
}

/* ---- taking a call in ---- */

static size_t bytes_needed(const sut_envelope *e)
{
    return e->subject.len + e->key.len + e->principal.session.len + e->traceparent.len + e->opt.idempotency_key.len +
           e->opt.instance.len + e->body.len + 7;
}

static void move_to(char **at, sut_str *s)
{
    if (!s->ptr)
        return;
    memcpy(*at, s->ptr, s->len);
    (*at)[s->len] = '\0';
    s->ptr = *at;
    *at += s->len + 1;
}

static sut_incoming *incoming_new(sut_client *c, const sut_envelope *env)
{
    sut_incoming *in = malloc(sizeof *in + bytes_needed(env));
    if (!in)
        return NULL;
    *in = (sut_incoming){.mail.kind = MAIL_ANSWER,
                         .mailbox = c->mailbox,
                         .client = c,
                         .deadline_ns = env->ttl_ms ? sut_now_ns() + env->ttl_ms * SUT_NS_PER_MS : SUT_NEVER,
                         .env = *env};
    char *at = in->bytes;
    sut_envelope *own = &in->env;
    move_to(&at, &own->subject);
    move_to(&at, &own->key);
    move_to(&at, &own->principal.session);
    move_to(&at, &own->traceparent);
    move_to(&at, &own->opt.idempotency_key);
    move_to(&at, &own->opt.instance);
    move_to(&at, &own->body);
    client_mailbox_hold(c->mailbox);
    return in;
}

static client_item *error_item(const sut_envelope *call, const sut_error_body *e)
{
    client_item *item = NULL;
    sut_buf body;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    if (sut_error_body_encode(&body, e) == 0) {
        sut_envelope env = {
            .version = SUT_PROTOCOL_VERSION,
            .kind = SUT_ERROR_REPLY,
            .id = call->id,
            .subject = SUT_STR(""),
            .opt = {.attempt = call->opt.attempt, .retry_after_ms = e->retry_after_ms, .http_status = e->http_status},
            .body = {(const char *)body.data, body.len}};
        if (client_item_new(&item, &env, sizeof *item) != 0)
            item = NULL;
    }
    sut_buf_deinit(&body);
    return item;
}

static client_item *platform_error_item(const sut_envelope *call, int err, const char *message)
{
    const sut_error_desc *desc = sut_platform_error(err);
    sut_error_body e = {
        .code = sut_str_from(desc->code), .message = sut_str_from(message), .http_status = (uint32_t)desc->http_status};
    return error_item(call, &e);
}

static void refuse_call(sut_client *c, const sut_envelope *env, int err, const char *message)
{
    client_item *item = platform_error_item(env, err, message);
    if (item)
        client_outbox_urgent(c, item);
    else
        client_session_restart(c, "out of memory");
}

void client_serve_call(sut_client *c, const sut_envelope *env)
{
    client_serving *s = &c->serving;
    if (!s->fn) {
        refuse_call(c, env, SUT_ERR_NO_SUCH_METHOD, "this peer serves nothing");
        return;
    }
    if (sut_u64map_count(s->in_hand) >= s->credits) {
        refuse_call(c, env, SUT_ERR_OVERLOADED, "more calls than credits");
        return;
    }
    sut_incoming *in = incoming_new(c, env);
    if (!in || sut_u64map_put(s->in_hand, env->id, in) != 0) {
        if (in)
            client_incoming_free(in);
        refuse_call(c, env, SUT_ERR_OVERLOADED, "out of memory, or an id that is in use");
        return;
    }
    sut_list_push_back(&s->list, &in->node);
    s->unanswered++;
    atomic_fetch_add_explicit(&c->stats.serving, 1, memory_order_relaxed);
    s->fn(s->arg, in);
}

/* ---- cancelling ---- */

static void cancel_incoming(sut_incoming *in)
{
    int before = atomic_fetch_or_explicit(&in->cancel, CANCEL_CAME, memory_order_acq_rel);
    if (before == CANCEL_WATCHED)
        in->cancel_fn(in->cancel_arg);
}

void client_serve_cancel(sut_client *c, uint64_t id)
{
    sut_incoming *in = sut_u64map_get(c->serving.in_hand, id);
    if (in)
        cancel_incoming(in);
}

/* Nobody waits for these answers any more: the broker gives the calls to others, or has told their callers. */
void client_serve_session_lost(sut_client *c)
{
    for (sut_node *n; (n = sut_list_pop_front(&c->serving.list));) {
        sut_incoming *in = SUT_CONTAINER(n, sut_incoming, node);
        (void)sut_u64map_take(c->serving.in_hand, in->env.id);
        cancel_incoming(in);
    }
    if (c->serving.leaving &&
        !c->serving.left) { /* nothing can be on its way any more, nor will be: see add_services */
        c->serving.left = true;
        client_serve_check_left(c);
    }
}

bool sut_incoming_cancelled(const sut_incoming *in)
{
    return atomic_load_explicit(&in->cancel, memory_order_acquire) & CANCEL_CAME;
}

void sut_incoming_on_cancel(sut_incoming *in, void (*fn)(void *arg), void *arg)
{
    in->cancel_fn = fn;
    in->cancel_arg = arg;
    int before = atomic_fetch_or_explicit(&in->cancel, CANCEL_WATCHED, memory_order_acq_rel);
    if (before & CANCEL_CAME)
        fn(arg);
}

/* ---- answering ---- */

const sut_envelope *sut_incoming_envelope(const sut_incoming *in)
{
    return &in->env;
}

uint64_t sut_incoming_deadline_ns(const sut_incoming *in)
{
    return in->deadline_ns;
}

/* On the client's thread: sends the answer if its session still stands, else drops it. */
void client_serve_answered(sut_client *c, sut_incoming *in)
{
    client_serving *s = &c->serving;
    s->unanswered--;
    atomic_fetch_sub_explicit(&c->stats.serving, 1, memory_order_relaxed);
    if (sut_node_linked(&in->node)) {
        sut_node_unlink(&in->node);
        (void)sut_u64map_take(s->in_hand, in->env.id);
        if (in->answer) {
            client_item *answer = in->answer;
            in->answer = NULL;
            client_outbox_urgent(c, answer);
        }
    }
    client_incoming_free(in);
    client_serve_check_left(c);
}

static void hand_in(sut_incoming *in, client_item *answer)
{
    if (!answer)
        answer = platform_error_item(&in->env, SUT_ERR_INTERNAL, "the answer could not be encoded");
    in->answer = answer;
    if (client_mailbox_closed(in->mailbox)) {
        client_incoming_free(in);
    } else if (client_mailbox_on_loop(in->mailbox)) {
        client_serve_answered(in->client, in);
    } else if (!client_mailbox_put(in->mailbox, &in->mail)) {
        client_incoming_free(in);
    }
}

void sut_reply(sut_incoming *in, sut_str body)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_REPLY,
                        .id = in->env.id,
                        .subject = SUT_STR(""),
                        .opt = {.attempt = in->env.opt.attempt},
                        .body = body};
    client_item *item = NULL;
    sut_status st = client_item_new(&item, &env, sizeof *item);
    if (st == -EMSGSIZE)
        item = platform_error_item(&in->env, SUT_ERR_PAYLOAD_TOO_LARGE, "the reply is over the envelope's limit");
    hand_in(in, item);
}

void sut_reply_error(sut_incoming *in, const sut_error_body *e)
{
    hand_in(in, error_item(&in->env, e));
}

/* ---- announcing and leaving ---- */

sut_status sut_serve(sut_client *c, const char *service, uint32_t credits, sut_incoming_fn fn, void *arg)
{
    if (!service || !*service || strlen(service) > SUT_SUBJECT_MAX || credits == 0 || credits > CREDITS_MAX || !fn)
        return -EINVAL;
    if (atomic_exchange(&c->serve_asked, true))
        return -EALREADY;
    char *name = strdup(service);
    if (!name)
        return SUT_TRACE(-ENOMEM, "client.serve");
    c->asked.service = name;
    c->asked.credits = credits;
    c->asked.fn = fn;
    c->asked.arg = arg;
    c->serve_mail.kind = MAIL_SERVE;
    if (client_on_loop(c))
        client_serve_announce(c);
    else if (!client_mailbox_put(c->mailbox, &c->serve_mail))
        return -ESHUTDOWN;
    return 0;
}

/* A hello tells what a peer serves, so a session that is already open gives way to a new one. */
void client_serve_announce(sut_client *c)
{
    c->serving.service = c->asked.service;
    c->asked.service = NULL;
    c->serving.credits = c->asked.credits;
    c->serving.arg = c->asked.arg;
    c->serving.fn = c->asked.fn;
    client_session_restart(c, "a service is to be announced");
}

/* After bye comes a ping: once its pong is here, every call that the broker had sent before it read the bye is too. */
void client_serve_bye(sut_client *c)
{
    client_serving *s = &c->serving;
    s->leaving = true;
    s->left = c->session.phase < PHASE_UP;
    if (!s->left) {
        sut_envelope bye = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_BYE, .id = 0, .subject = SUT_STR("")};
        client_outbox_control(c, &bye);
        s->bye_ping_id = client_new_id(c);
        sut_envelope ping = {
            .version = SUT_PROTOCOL_VERSION, .kind = SUT_PING, .id = s->bye_ping_id, .subject = SUT_STR("")};
        client_outbox_control(c, &ping);
    }
    client_serve_check_left(c);
}

void client_serve_check_left(sut_client *c)
{
    client_serving *s = &c->serving;
    if (!s->leaving || !s->left || s->unanswered || !s->bye_done)
        return;
    void (*done)(void *arg) = s->bye_done;
    s->bye_done = NULL;
    done(s->bye_arg);
}

void sut_client_bye(sut_client *c, void (*done)(void *arg), void *arg)
{
    if (atomic_exchange(&c->bye_asked, true))
        return;
    c->serving.bye_done = done;
    c->serving.bye_arg = arg;
    c->bye_mail.kind = MAIL_BYE;
    if (client_on_loop(c))
        client_serve_bye(c);
    else
        (void)client_mailbox_put(c->mailbox, &c->bye_mail);
}
