/* Subscriptions on the client's thread: asked for on each session, given back, paused, ended. A callback may end any
 * subscription, its own included: nothing of one is touched behind it. */
#include "client.h"

#include "base/log.h"

#include <stdlib.h>

#define BACKOFF_FIRST_NS (100 * SUT_NS_PER_MS)
#define BACKOFF_MAX_NS   (2 * SUT_NS_PER_S)

sut_status client_subs_init(sut_client *c)
{
    sut_list_init(&c->subs.list);
    sut_list_init(&c->subs.to_ack);
    sut_buf_init(&c->subs.acks, 0);
    return sut_u64map_new(&c->subs.by_id);
}

void client_subs_deinit(sut_client *c)
{
    sut_buf_deinit(&c->subs.acks);
    c->subs.by_id = sut_u64map_free(c->subs.by_id);
}

sut_subscription *client_sub_free(sut_subscription *s)
{
    client_mailbox_drop(s->mailbox);
    sem_destroy(&s->ended);
    free(s);
    return NULL;
}

static void tell(sut_subscription *s, const sut_sub_notice *n)
{
    if (s->opt.on_notice)
        s->opt.on_notice(s->opt.arg, n);
}

static void tell_down(sut_subscription *s, const char *why)
{
    if (!s->told_up)
        return;
    s->told_up = false;
    tell(s, &(sut_sub_notice){.news = SUT_SUB_DOWN, .text = sut_str_from(why)});
}

/* ---- asking and giving back ---- */

/* Whatever the broker still sends for this id is nobody's any more. */
static void let_go(sut_subscription *s)
{
    if (!s->id)
        return;
    (void)sut_u64map_take(s->client->subs.by_id, s->id);
    s->id = 0;
    if (!s->opt.group && s->seen)
        s->next = (sut_list_empty(&s->held) ? s->seen : client_delivery_sequence(s->held.next) - 1) + 1;
    client_deliveries_make_stale(s);
    sut_node_unlink(&s->turn_node);
    s->given = s->seen = s->acked = 0;
    s->answered = 0;
}

static void ask(sut_subscription *s)
{
    sut_client *c = s->client;
    sut_buf body;
    sut_buf_init(&body, SUT_FRAME_MAX);
    s->id = client_new_id(c);
    if (client_subscribe_encode(&body, &s->opt, s->next) != 0 || sut_u64map_put(c->subs.by_id, s->id, s) != 0) {
        s->id = 0;
        s->state = SUB_WAITING;
        client_session_restart(c, "out of memory");
    } else {
        s->state = SUB_ASKED;
        sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                            .kind = SUT_SUBSCRIBE,
                            .id = s->id,
                            .subject = SUT_STR(""),
                            .body = {(const char *)body.data, body.len}};
        client_outbox_control(c, &env);
    }
    sut_buf_deinit(&body);
}

static void ask_if_up(sut_subscription *s)
{
    s->state = SUB_WAITING;
    if (client_session_takes_calls(s->client))
        ask(s);
}

/* The acks of this turn are to be there first: what they answer is not to be given to others. Whoever calls this has
 * moved the state on: what is sent here may end the session, and that must not find a subscription that stands. */
static void give_back(sut_subscription *s)
{
    sut_client *c = s->client;
    uint64_t id = s->id;
    if (id && c->session.phase >= PHASE_UP) {
        sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_UNSUBSCRIBE, .id = id, .subject = SUT_STR("")};
        client_acks_queue(c);
        client_outbox_control(c, &env);
    }
    let_go(s);
}

static void on_timer(sut_timer *t, void *arg)
{
    (void)t;
    sut_subscription *s = arg;
    if (s->state == SUB_BACKOFF)
        ask_if_up(s);
}

/* False: out of memory; it waits for the next session. */
static bool back_off(sut_subscription *s)
{
    sut_client *c = s->client;
    uint64_t bound = BACKOFF_FIRST_NS << (s->failures < 5 ? s->failures : 5);
    if (bound > BACKOFF_MAX_NS)
        bound = BACKOFF_MAX_NS;
    s->failures++;
    s->state = s->paused ? SUB_PAUSED : SUB_BACKOFF;
    /* Half of it is chance, so that those who were refused together do not come together. */
    uint64_t at_ns = sut_now_ns() + bound / 2 + sut_prng(&c->session.prng) % (bound / 2);
    if (s->paused || sut_timer_start_at(c->loop, &s->timer, at_ns, on_timer, s) == 0)
        return true;
    s->state = SUB_WAITING;
    return false;
}

static void ask_later(sut_subscription *s, const sut_error_body *e)
{
    const bool waits = back_off(s);
    sut_log(SUT_WARN, CLIENT_LOG, "subscription.refused", SUT_KV_S("code", e->code), SUT_KV_S("message", e->message),
            SUT_KV_U("failures", s->failures));
    if (waits)
        tell_down(s, "refused for the moment");
    else
        client_session_restart(s->client, "out of memory");
}

/* ---- begin, end, pause ---- */

static void finish_pause(sut_subscription *s)
{
    if (s->state != SUB_OVER)
        s->state = SUB_PAUSED;
    give_back(s);
    sut_timer_stop(&s->timer);
    void (*done)(void *arg) = s->pause_done;
    s->pause_done = NULL;
    if (done)
        done(s->pause_arg);
}

void client_subs_begin(sut_client *c, client_mail *m)
{
    sut_subscription *s = SUT_CONTAINER(m, sut_subscription, mail);
    int life = SUB_NEW;
    if (!atomic_compare_exchange_strong(&s->life, &life, SUB_BEGUN)) {
        (void)client_sub_free(s);
        return;
    }
    if (c->closing) {
        s->state = SUB_OVER;
        return;
    }
    sut_list_push_back(&c->subs.list, &s->node);
    if (s->paused)
        s->state = SUB_PAUSED;
    else
        ask_if_up(s);
}

void client_sub_end_here(sut_subscription *s)
{
    s->state = SUB_OVER;
    sut_node_unlink(&s->node);
    give_back(s);
    sut_timer_stop(&s->timer);
    client_deliveries_orphan(s);
    atomic_fetch_sub(&s->client->subs.count, 1);
}

void client_subs_end(client_mail *m)
{
    sut_subscription *s = SUT_CONTAINER(m, sut_subscription, end_mail);
    client_sub_end_here(s);
    sem_post(&s->ended);
}

void client_sub_pause_here(sut_subscription *s)
{
    s->paused = true;
    if (s->state == SUB_WAITING || s->state == SUB_BACKOFF || s->state == SUB_FULL)
        s->state = SUB_PAUSED;
    if (s->unanswered == 0)
        finish_pause(s);
}

void client_subs_pause(client_mail *m)
{
    sut_subscription *s = SUT_CONTAINER(m, sut_subscription, pause_mail);
    atomic_store(&s->pause_on_its_way, false);
    if (s->ended_before_pause)
        (void)client_sub_free(s);
    else
        client_sub_pause_here(s);
}

void client_sub_choke(sut_subscription *s)
{
    sut_log(SUT_WARN, CLIENT_LOG, "subscription.unanswered", SUT_KV_U("events", s->unanswered));
    s->state = SUB_FULL;
    give_back(s);
    tell_down(s, "too many events are not answered");
}

void client_sub_answered(sut_subscription *s)
{
    if (s->paused && s->unanswered == 0)
        finish_pause(s);
    else if (s->state == SUB_FULL && s->unanswered < s->opt.credits)
        ask_if_up(s);
}

/* ---- what the broker says ---- */

static void taken(sut_subscription *s, const sut_envelope *env)
{
    if (s->state != SUB_ASKED)
        return;
    uint64_t position = client_subscribed_position(s->client->scratch, env->body);
    s->state = SUB_UP;
    s->failures = 0;
    s->told_up = true;
    /* What is published while the session is lost came after the end that was asked for. */
    if (!s->opt.group && s->opt.start == SUT_START_END && !s->next)
        s->next = position;
    tell(s, &(sut_sub_notice){.news = SUT_SUB_UP, .position = position});
}

static bool passes(int err)
{
    switch (err) {
    case SUT_ERR_UNAVAILABLE:
    case SUT_ERR_OVERLOADED:
    case SUT_ERR_RATE_LIMITED:
    case SUT_ERR_DEADLINE_EXCEEDED:
    case SUT_ERR_INTERNAL: return true;
    default: return false;
    }
}

static void refused(sut_subscription *s, const sut_envelope *env)
{
    sut_client *c = s->client;
    sut_error_body e;
    sut_arena_reset(c->scratch);
    if (sut_error_body_decode(c->scratch, env->body, &e) != 0)
        e = (sut_error_body){.code = SUT_STR("internal"), .message = SUT_STR("an error without a readable body")};
    const sut_error_desc *desc = sut_platform_error_by_code(e.code);
    int err = desc ? desc->err : SUT_ERR_DOMAIN_FIRST;
    if (err == SUT_ERR_HELLO_REQUIRED) {
        client_session_restart(c, "the broker has lost our session");
        return;
    }
    let_go(s);
    if (passes(err)) {
        ask_later(s, &e);
        return;
    }
    s->state = SUB_OVER;
    s->told_up = false;
    tell(s, &(sut_sub_notice){.news = SUT_SUB_REFUSED, .err = err, .text = e.message});
}

static void gap(sut_subscription *s, const sut_envelope *env)
{
    sut_sub_notice n;
    client_gap_decode(s->client->scratch, env->body, &n);
    if (s->opt.group && sut_str_is(n.text, "deleted")) { /* the subscription ended with its group */
        let_go(s);
        s->told_up = false;
        if (!back_off(s)) {
            client_session_restart(s->client, "out of memory");
            return;
        }
    } else if (n.to > s->seen) {
        s->seen = n.to;
    }
    tell(s, &n);
}

static void marker(sut_subscription *s, const sut_envelope *env)
{
    if (env->opt.sequence > s->seen)
        s->seen = env->opt.sequence;
    tell(s, &(sut_sub_notice){.news = SUT_SUB_MARKER, .position = env->opt.sequence});
}

bool client_subs_input(sut_client *c, const sut_envelope *env)
{
    sut_subscription *s = sut_u64map_get(c->subs.by_id, env->id);
    if (!s)
        return false;
    switch (env->kind) {
    case SUT_REPLY: taken(s, env); return true;
    case SUT_ERROR_REPLY: refused(s, env); return true;
    case SUT_DELIVER: client_deliver(s, env); return true;
    case SUT_GAP: gap(s, env); return true;
    case SUT_MARKER: marker(s, env); return true;
    default: return false;
    }
}

/* ---- sessions, turns, and the end ---- */

static sut_subscription *find_waiting(sut_client *c)
{
    for (sut_node *n = c->subs.list.next; n != &c->subs.list; n = n->next) {
        sut_subscription *s = SUT_CONTAINER(n, sut_subscription, node);
        if (s->state == SUB_WAITING)
            return s;
    }
    return NULL;
}

/* The list is searched anew each time here and below: what one of them leads to may change it. */
void client_subs_session_up(sut_client *c)
{
    for (sut_subscription *s; client_session_takes_calls(c) && (s = find_waiting(c));)
        ask(s);
}

static sut_subscription *find_lost(sut_client *c)
{
    for (sut_node *n = c->subs.list.next; n != &c->subs.list; n = n->next) {
        sut_subscription *s = SUT_CONTAINER(n, sut_subscription, node);
        if (s->state == SUB_ASKED || s->state == SUB_UP)
            return s;
    }
    return NULL;
}

void client_subs_session_lost(sut_client *c)
{
    sut_buf_reset(&c->subs.acks);
    for (sut_subscription *s; (s = find_lost(c));) {
        let_go(s);
        s->state = s->paused ? SUB_PAUSED : SUB_WAITING;
        tell_down(s, "the session with the broker was lost");
    }
}

void client_subs_turn(sut_client *c)
{
    for (sut_node *n; (n = sut_list_pop_front(&c->subs.to_ack));)
        client_ack_ephemeral(SUT_CONTAINER(n, sut_subscription, turn_node));
    client_acks_queue(c);
}

void client_subs_leave(sut_client *c)
{
    for (sut_node *n; (n = sut_list_pop_front(&c->subs.list));) {
        sut_subscription *s = SUT_CONTAINER(n, sut_subscription, node);
        let_go(s);
        sut_timer_stop(&s->timer);
        client_deliveries_orphan(s);
        s->state = SUB_OVER;
    }
}
