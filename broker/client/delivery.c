/* Deliveries: events that the broker gives us, held until each has its one answer. One allocation owns its bytes; it
 * may be answered from any thread, at any time, also after its session, its subscription or the client is gone. */
#include "client.h"

#include "base/log.h"
#include "wire/msgpack.h"

#include <stdlib.h>
#include <string.h>

#define ACK_WAIT_DEFAULT_MS 5000u
#define UNANSWERED_FACTOR   2 /* of the credits: then the broker gave up on some that are still in work here */
#define ACKS_BYTES          (SUT_FRAME_MAX - 128)

struct sut_delivery {
    client_mail mail;
    sut_node node;           /* on its subscription's `held` or `stale` */
    client_mailbox *mailbox; /* held */
    sut_client *client;      /* valid on its thread, while the mailbox is open */
    sut_subscription *sub;   /* client's thread; NULL: ended */
    uint64_t sub_id;         /* differs from the subscription's when it is stale */
    bool ephemeral;
    uint64_t ack_wait_ns;
    _Atomic uint64_t stale_at_ns; /* monotonic; 0: it is */
    client_item *refusal;         /* nack or term; NULL: ack */
    bool silent;                  /* its answer could not be made */
    sut_envelope env;
    char bytes[];
};

typedef struct progress_mail {
    client_mail mail;
    uint64_t sub_id, sequence;
    uint32_t attempt;
} progress_mail;

static sut_delivery *delivery_of(sut_node *n)
{
    return SUT_CONTAINER(n, sut_delivery, node);
}

uint64_t client_delivery_sequence(const sut_node *n)
{
    return SUT_CONTAINER(n, const sut_delivery, node)->env.opt.sequence;
}

static void delivery_free(sut_delivery *d)
{
    if (d->refusal)
        client_item_free(d->refusal);
    client_mailbox_drop(d->mailbox);
    free(d);
}

/* ---- taking an event in ---- */

static size_t bytes_needed(const sut_envelope *e)
{
    return e->subject.len + e->key.len + e->principal.session.len + e->traceparent.len + e->opt.event_id.len +
           e->body.len + 6;
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

static sut_delivery *delivery_new(sut_subscription *s, const sut_envelope *env)
{
    sut_delivery *d = malloc(sizeof *d + bytes_needed(env));
    if (!d)
        return NULL;
    uint32_t wait_ms = s->opt.ack_wait_ms ? s->opt.ack_wait_ms : ACK_WAIT_DEFAULT_MS;
    *d = (sut_delivery){.mail.kind = MAIL_DELIVERED,
                        .mailbox = s->mailbox,
                        .client = s->client,
                        .sub = s,
                        .sub_id = s->id,
                        .ephemeral = s->opt.group == NULL,
                        .ack_wait_ns = s->opt.group ? wait_ms * SUT_NS_PER_MS : 0,
                        .env = *env};
    /* From when its frame came: early rather than late, and one look at the clock a frame. */
    atomic_init(&d->stale_at_ns, d->ack_wait_ns ? s->client->session.last_heard_ns + d->ack_wait_ns : SUT_NEVER);
    char *at = d->bytes;
    sut_envelope *own = &d->env;
    move_to(&at, &own->subject);
    move_to(&at, &own->key);
    move_to(&at, &own->principal.session);
    move_to(&at, &own->traceparent);
    move_to(&at, &own->opt.event_id);
    move_to(&at, &own->body);
    own->opt.idempotency_key = own->opt.instance = own->opt.source = SUT_STR_NONE; /* not on a deliver */
    client_mailbox_hold(s->mailbox);
    return d;
}

void client_deliver(sut_subscription *s, const sut_envelope *env)
{
    if (s->paused)
        return; /* the broker has it back, uncounted, when we unsubscribe */
    if (s->unanswered >= (size_t)s->opt.credits * UNANSWERED_FACTOR) {
        client_sub_choke(s);
        return;
    }
    sut_delivery *d = delivery_new(s, env);
    if (!d) {
        client_session_restart(s->client, "out of memory");
        return;
    }
    sut_list_push_back(&s->held, &d->node);
    s->unanswered++;
    s->given = env->opt.sequence;
    if (s->given > s->seen)
        s->seen = s->given;
    client_count(&s->client->stats.delivered, 1);
    s->opt.on_event(s->opt.arg, d);
}

void client_deliveries_make_stale(sut_subscription *s)
{
    for (sut_node *n; (n = sut_list_pop_front(&s->held));) {
        atomic_store_explicit(&delivery_of(n)->stale_at_ns, 0, memory_order_release);
        sut_list_push_back(&s->stale, n);
    }
}

void client_deliveries_orphan(sut_subscription *s)
{
    client_deliveries_make_stale(s);
    for (sut_node *n; (n = sut_list_pop_front(&s->stale));)
        delivery_of(n)->sub = NULL;
    s->unanswered = 0;
}

const sut_envelope *sut_delivery_envelope(const sut_delivery *d)
{
    return &d->env;
}

bool sut_delivery_stale(const sut_delivery *d)
{
    uint64_t at_ns = atomic_load_explicit(&d->stale_at_ns, memory_order_acquire);
    return at_ns != SUT_NEVER && sut_now_ns() >= at_ns;
}

/* ---- acks ---- */

void client_acks_queue(sut_client *c)
{
    sut_buf *acks = &c->subs.acks;
    if (acks->len == 0)
        return;
    client_item *item = malloc(sizeof *item + acks->len);
    if (!item) {
        client_session_restart(c, "out of memory");
        return;
    }
    *item = (client_item){.bytes = (uint8_t *)(item + 1), .len = (uint32_t)acks->len};
    memcpy(item->bytes, acks->data, acks->len);
    sut_buf_reset(acks);
    client_outbox_urgent(c, item);
}

static void collect(sut_client *c, sut_kind kind, uint64_t sub_id, uint64_t sequence, uint32_t attempt)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = (uint8_t)kind,
                        .id = sub_id,
                        .subject = SUT_STR(""),
                        .opt = {.attempt = attempt, .sequence = sequence}};
    if (c->session.phase < PHASE_UP)
        return;
    if (sut_envelope_encode(&c->subs.acks, &env) != 0)
        client_session_restart(c, "out of memory");
    else if (c->subs.acks.len >= ACKS_BYTES)
        client_acks_queue(c);
}

/* All before the first that is still in work: sent when a quarter of the credits waits for it, or when nothing is in
 * work. */
void client_ack_ephemeral(sut_subscription *s)
{
    bool idle = sut_list_empty(&s->held);
    if (!s->id || s->answered == 0 || (!idle && s->answered < s->opt.credits / 4))
        return;
    uint64_t done = idle ? s->given : client_delivery_sequence(s->held.next) - 1;
    if (done <= s->acked)
        return;
    s->acked = done;
    s->answered = 0;
    collect(s->client, SUT_ACK, s->id, done, 0);
}

static void send_answer(sut_client *c, sut_delivery *d)
{
    sut_subscription *s = d->sub;
    if (d->ephemeral) {
        s->answered++;
        if (!sut_node_linked(&s->turn_node))
            sut_list_push_back(&c->subs.to_ack, &s->turn_node);
    } else if (d->refusal && c->session.phase >= PHASE_UP) {
        client_item *refusal = d->refusal;
        d->refusal = NULL;
        client_outbox_urgent(c, refusal);
    } else if (!d->refusal && !d->silent) {
        collect(c, SUT_ACK, d->sub_id, d->env.opt.sequence, d->env.opt.attempt);
    }
}

/* On the client's thread: sends the answer if its subscription still stands as it was, else drops it. */
static void answered(sut_client *c, sut_delivery *d)
{
    sut_subscription *s = d->sub;
    if (s && s->id == d->sub_id)
        send_answer(c, d);
    s = d->sub; /* a session that ended meanwhile may have led to its end, which found it on the list */
    sut_node_unlink(&d->node);
    delivery_free(d);
    if (s) {
        s->unanswered--;
        client_sub_answered(s);
    }
}

void client_delivery_answered(sut_client *c, client_mail *m)
{
    answered(c, SUT_CONTAINER(m, sut_delivery, mail));
}

/* ---- on any thread ---- */

static void hand_in(sut_delivery *d)
{
    if (client_mailbox_closed(d->mailbox))
        delivery_free(d);
    else if (client_mailbox_on_loop(d->mailbox))
        answered(d->client, d);
    else if (!client_mailbox_put(d->mailbox, &d->mail))
        delivery_free(d);
}

void sut_ack(sut_delivery *d)
{
    hand_in(d);
}

static sut_status reason_encode(sut_buf *b, sut_str code, sut_str message)
{
    sut_status st = sut_mp_add_map(b, 2);
    if (!st)
        st = sut_mp_add_str(b, SUT_STR("code"));
    if (!st)
        st = sut_mp_add_str(b, code);
    if (!st)
        st = sut_mp_add_str(b, SUT_STR("message"));
    return st ? st : sut_mp_add_str(b, message);
}

/* A reason that cannot be sent (text that is no UTF-8, say) is left out: the answer itself counts. Out of memory the
 * broker gets none, and takes the event back when its time is over. */
static void refuse(sut_delivery *d, sut_kind kind, uint32_t delay_ms, sut_str code, sut_str message)
{
    sut_buf reason;
    sut_buf_init(&reason, SUT_FRAME_MAX);
    sut_envelope env = {
        .version = SUT_PROTOCOL_VERSION,
        .kind = (uint8_t)kind,
        .id = d->sub_id,
        .subject = SUT_STR(""),
        .opt = {.attempt = d->env.opt.attempt, .sequence = d->env.opt.sequence, .retry_after_ms = delay_ms}};
    if (code.len && reason_encode(&reason, code, message) == 0)
        env.body = (sut_str){(const char *)reason.data, reason.len};
    if (sut_body_scan(env.body) != SUT_ENV_OK)
        env.body = SUT_STR_NONE;
    sut_status st = d->ephemeral ? 0 : client_item_new(&d->refusal, &env, sizeof *d->refusal);
    sut_buf_deinit(&reason);
    if (st != 0) {
        sut_log(SUT_ERROR, CLIENT_LOG, "delivery.answer_lost", SUT_KV_I("status", st));
        d->silent = true;
    }
    hand_in(d);
}

void sut_nack(sut_delivery *d, uint32_t delay_ms, sut_str code, sut_str message)
{
    refuse(d, SUT_NACK, delay_ms, code, message);
}

void sut_term(sut_delivery *d, sut_str code, sut_str message)
{
    refuse(d, SUT_TERM, 0, code, message);
}

/* ---- progress ---- */

static void progress(sut_client *c, uint64_t sub_id, uint64_t sequence, uint32_t attempt)
{
    if (sut_u64map_get(c->subs.by_id, sub_id))
        collect(c, SUT_PROGRESS, sub_id, sequence, attempt);
}

void client_delivery_progress(sut_client *c, client_mail *m)
{
    progress_mail *p = SUT_CONTAINER(m, progress_mail, mail);
    progress(c, p->sub_id, p->sequence, p->attempt);
    free(p);
}

static bool hand_in_progress(sut_delivery *d)
{
    if (client_mailbox_on_loop(d->mailbox)) {
        progress(d->client, d->sub_id, d->env.opt.sequence, d->env.opt.attempt);
        return true;
    }
    progress_mail *p = malloc(sizeof *p);
    if (!p)
        return false;
    *p = (progress_mail){.mail.kind = MAIL_PROGRESS,
                         .sub_id = d->sub_id,
                         .sequence = d->env.opt.sequence,
                         .attempt = d->env.opt.attempt};
    if (client_mailbox_put(d->mailbox, &p->mail))
        return true;
    free(p);
    return false;
}

void sut_delivery_progress(sut_delivery *d)
{
    if (d->ephemeral || client_mailbox_closed(d->mailbox) || sut_delivery_stale(d))
        return;
    uint64_t was_ns = atomic_load_explicit(&d->stale_at_ns, memory_order_acquire);
    uint64_t now_ns = sut_now_ns();
    /* Once stale it stays so: the exchange loses against the client's thread. */
    if (hand_in_progress(d) && was_ns != 0)
        (void)atomic_compare_exchange_strong(&d->stale_at_ns, &was_ns, now_ns + d->ack_wait_ns);
}
