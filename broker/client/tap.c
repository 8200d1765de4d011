/* Taps: a request, its records, its end. A tap lives on one session and is not made again by itself: what was missed
 * meanwhile is for its owner to decide. */
#include "client.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TAP_WAITING, TAP_SENT, TAP_OVER } tap_state;
enum { TAP_NEW, TAP_BEGUN, TAP_ABANDONED }; /* abandoned: ended before its mail was opened, which frees it */

struct sut_tap {
    client_mail mail, end_mail;
    sut_node node;           /* on taps.list unless it is over */
    client_mailbox *mailbox; /* held: the tap may outlive its client */
    sut_client *client;      /* valid on its thread, while the mailbox is open */
    sut_tap_options opt;
    uint64_t id;
    tap_state state;
    _Atomic int life;
    sem_t ended; /* posted when another thread's end was done */
    size_t request_len;
    char request[];
};

void client_taps_init(sut_client *c)
{
    sut_list_init(&c->taps.list);
    atomic_init(&c->taps.count, 0);
}

/* ---- on the client's thread ---- */

static sut_tap *tap_free(sut_tap *t)
{
    client_mailbox_drop(t->mailbox);
    sem_destroy(&t->ended);
    free(t);
    return NULL;
}

static void send_request(sut_tap *t)
{
    sut_client *c = t->client;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_TAP,
                        .id = t->id,
                        .subject = SUT_STR(""),
                        .body = {t->request, t->request_len}};
    t->state = TAP_SENT;
    client_outbox_control(c, &env);
}

/* The owner may end the tap within on_end: it is not touched behind it. */
static void finish(sut_tap *t, int err, sut_str code, sut_str message)
{
    t->state = TAP_OVER;
    sut_node_unlink(&t->node);
    t->opt.on_end(t->opt.arg, err, code, message);
}

static void finish_unavailable(sut_tap *t, const char *why)
{
    finish(t, SUT_ERR_UNAVAILABLE, SUT_STR("unavailable"), sut_str_from(why));
}

void client_taps_begin(sut_client *c, client_mail *m)
{
    sut_tap *t = SUT_CONTAINER(m, sut_tap, mail);
    int life = TAP_NEW;
    if (!atomic_compare_exchange_strong(&t->life, &life, TAP_BEGUN)) {
        tap_free(t);
        return;
    }
    if (c->closing) {
        t->state = TAP_OVER;
        return;
    }
    sut_list_push_back(&c->taps.list, &t->node);
    if (client_session_takes_calls(c)) /* refused: told by the next attempt, never from within sut_tap_start */
        send_request(t);
}

/* Over first: what is sent below may be one too many and end the session, which must not tell of this tap any more. */
static void end_here(sut_tap *t)
{
    sut_client *c = t->client;
    const bool was_sent = t->state == TAP_SENT;
    sut_node_unlink(&t->node);
    t->state = TAP_OVER;
    atomic_fetch_sub(&c->taps.count, 1);
    if (was_sent && client_session_takes_calls(c)) {
        sut_envelope env = {
            .version = SUT_PROTOCOL_VERSION, .kind = SUT_UNSUBSCRIBE, .id = t->id, .subject = SUT_STR("")};
        client_outbox_control(c, &env);
    }
}

void client_taps_end(client_mail *m)
{
    sut_tap *t = SUT_CONTAINER(m, sut_tap, end_mail);
    end_here(t);
    sem_post(&t->ended);
}

static sut_tap *find(sut_client *c, uint64_t id)
{
    for (sut_node *n = c->taps.list.next; n != &c->taps.list; n = n->next) {
        sut_tap *t = SUT_CONTAINER(n, sut_tap, node);
        if (t->id == id)
            return t;
    }
    return NULL;
}

static void refused(sut_client *c, sut_tap *t, const sut_envelope *env)
{
    sut_error_body e;
    sut_arena_reset(c->scratch);
    if (sut_error_body_decode(c->scratch, env->body, &e) != 0) {
        finish(t, SUT_ERR_INTERNAL, SUT_STR("internal"), SUT_STR("an error that cannot be read"));
        return;
    }
    const sut_error_desc *desc = sut_platform_error_by_code(e.code);
    finish(t, desc ? desc->err : SUT_ERR_DOMAIN_FIRST, e.code, e.message);
}

bool client_taps_input(sut_client *c, const sut_envelope *env)
{
    sut_tap *t = find(c, env->id);
    if (!t || t->state != TAP_SENT)
        return false;
    switch (env->kind) {
    case SUT_TAP: t->opt.on_record(t->opt.arg, env); return true;
    case SUT_GAP: finish(t, 0, SUT_STR_NONE, SUT_STR_NONE); return true;
    case SUT_ERROR_REPLY: refused(c, t, env); return true;
    case SUT_REPLY: return true;
    default: return false;
    }
}

static sut_tap *find_waiting(sut_client *c)
{
    for (sut_node *n = c->taps.list.next; n != &c->taps.list; n = n->next) {
        sut_tap *t = SUT_CONTAINER(n, sut_tap, node);
        if (t->state == TAP_WAITING)
            return t;
    }
    return NULL;
}

/* Searched anew each time: a request may be one too many, and then an on_end may end any of them. */
void client_taps_session_up(sut_client *c)
{
    for (sut_tap *t; client_session_takes_calls(c) && (t = find_waiting(c));)
        send_request(t);
}

/* Those of now are set apart first: an on_end may end any other of them, or start one for the next session. */
void client_taps_session_lost(sut_client *c, bool is_refused)
{
    sut_node lost;
    sut_list_init(&lost);
    for (sut_node *n = c->taps.list.next, *next; n != &c->taps.list; n = next) {
        next = n->next;
        if (SUT_CONTAINER(n, sut_tap, node)->state != TAP_SENT && !is_refused)
            continue;
        sut_node_unlink(n);
        sut_list_push_back(&lost, n);
    }
    for (sut_node *n; (n = sut_list_pop_front(&lost));)
        finish_unavailable(SUT_CONTAINER(n, sut_tap, node),
                           is_refused ? "the broker refuses this peer" : "the connection was lost");
}

void client_taps_leave(sut_client *c)
{
    while (c->taps.list.next != &c->taps.list) {
        sut_tap *t = SUT_CONTAINER(c->taps.list.next, sut_tap, node);
        sut_node_unlink(&t->node);
        t->state = TAP_OVER;
    }
}

/* ---- on any thread ---- */

static sut_tap *tap_new(sut_client *c, const sut_tap_options *opt)
{
    sut_tap *t = calloc(1, sizeof *t + opt->request.len);
    if (!t)
        return NULL;
    t->mail.kind = MAIL_TAP;
    t->end_mail.kind = MAIL_TAP_END;
    t->client = c;
    t->mailbox = c->mailbox;
    client_mailbox_hold(c->mailbox);
    t->opt = *opt;
    t->id = client_new_id(c);
    t->request_len = opt->request.len;
    if (opt->request.len)
        memcpy(t->request, opt->request.ptr, opt->request.len);
    sem_init(&t->ended, 0, 0);
    return t;
}

sut_status sut_tap_start(sut_client *c, const sut_tap_options *opt, sut_tap **out)
{
    *out = NULL;
    if (!opt->on_record || !opt->on_end || sut_body_scan(opt->request) != SUT_ENV_OK)
        return -EINVAL;
    if (opt->request.len > SUT_FRAME_MAX)
        return -EMSGSIZE;
    if (atomic_fetch_add(&c->taps.count, 1) >= CLIENT_TAPS_MAX) {
        atomic_fetch_sub(&c->taps.count, 1);
        return -ENOSPC;
    }
    sut_tap *t = tap_new(c, opt);
    sut_status st = t ? 0 : -ENOMEM;
    if (t && client_on_loop(c) && !c->closing) {
        client_taps_begin(c, &t->mail);
    } else if (t && !client_mailbox_put(c->mailbox, &t->mail)) {
        tap_free(t);
        st = -ESHUTDOWN;
    }
    if (st != 0) {
        atomic_fetch_sub(&c->taps.count, 1);
        return st;
    }
    *out = t;
    return 0;
}

/* A closed box means that the client's thread has let go of the tap: then there is nobody to ask. */
sut_tap *sut_tap_end(sut_tap *t)
{
    if (!t)
        return NULL;
    if (client_mailbox_closed(t->mailbox))
        return tap_free(t);
    int life = TAP_NEW;
    if (atomic_compare_exchange_strong(&t->life, &life, TAP_ABANDONED)) {
        atomic_fetch_sub(&t->client->taps.count, 1);
        return NULL; /* so nobody waits for a loop that does not run yet */
    }
    if (client_mailbox_on_loop(t->mailbox)) {
        end_here(t);
    } else if (client_mailbox_put(t->mailbox, &t->end_mail)) {
        while (sem_wait(&t->ended) != 0) /* EINTR */
            continue;
    }
    return tap_free(t);
}
