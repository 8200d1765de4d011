/* sut_subscribe_start, _end and _pause: the part of a subscription that runs on its owner's thread. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECTS_MAX      16
#define CREDITS_MAX       4096u
#define CREDITS_GROUP     64u
#define CREDITS_EPHEMERAL 1024u
#define ACK_WAIT_MIN_MS   100u
#define ACK_WAIT_MAX_MS   600000u
#define GROUP_NAME_MAX    SUT_SUBJECT_MAX

static bool text_valid(const char *s, size_t max)
{
    size_t len = s ? strnlen(s, max + 1) : 0;
    return len > 0 && len <= max;
}

static bool options_valid(const sut_subscribe *o)
{
    if (!o->on_event || o->subject_count == 0 || o->subject_count > SUBJECTS_MAX || o->credits > CREDITS_MAX)
        return false;
    for (size_t i = 0; i < o->subject_count; i++)
        if (!text_valid(o->subjects[i], SUT_SUBJECT_MAX))
            return false;
    if (o->group && (!text_valid(o->group, GROUP_NAME_MAX) || o->key || o->user_id))
        return false;
    if (o->key && !text_valid(o->key, SUT_KEY_MAX))
        return false;
    if (o->ack_wait_ms && (o->ack_wait_ms < ACK_WAIT_MIN_MS || o->ack_wait_ms > ACK_WAIT_MAX_MS))
        return false;
    return o->user_id >= 0 && o->start_time_us >= 0 && (unsigned)o->start <= SUT_START_TIME;
}

static size_t text_bytes(const sut_subscribe *o)
{
    size_t bytes = (o->group ? strlen(o->group) + 1 : 0) + (o->key ? strlen(o->key) + 1 : 0);
    for (size_t i = 0; i < o->subject_count; i++)
        bytes += strlen(o->subjects[i]) + 1;
    return bytes;
}

static const char *copy_to(char **at, const char *s)
{
    if (!s)
        return NULL;
    size_t size = strlen(s) + 1;
    char *copy = memcpy(*at, s, size);
    *at += size;
    return copy;
}

/* One allocation: the subscription, the array of its subjects, and all text. */
static sut_subscription *subscription_new(sut_client *c, const sut_subscribe *o)
{
    size_t array = o->subject_count * sizeof(char *);
    sut_subscription *s = calloc(1, sizeof *s + array + text_bytes(o));
    if (!s)
        return NULL;
    s->mail.kind = MAIL_SUB;
    s->end_mail.kind = MAIL_SUB_END;
    s->pause_mail.kind = MAIL_SUB_PAUSE;
    s->client = c;
    s->mailbox = c->mailbox;
    client_mailbox_hold(c->mailbox);
    sut_list_init(&s->held);
    sut_list_init(&s->stale);
    sem_init(&s->ended, 0, 0);
    s->opt = *o;
    if (!o->credits)
        s->opt.credits = o->group ? CREDITS_GROUP : CREDITS_EPHEMERAL;
    const char **subjects = (const char **)(void *)(s + 1);
    char *at = (char *)(subjects + o->subject_count);
    for (size_t i = 0; i < o->subject_count; i++)
        subjects[i] = copy_to(&at, o->subjects[i]);
    s->opt.subjects = subjects;
    s->opt.group = copy_to(&at, o->group);
    s->opt.key = copy_to(&at, o->key);
    return s;
}

sut_status sut_subscribe_start(sut_client *c, const sut_subscribe *opt, sut_subscription **out)
{
    *out = NULL;
    if (!options_valid(opt))
        return -EINVAL;
    if (atomic_fetch_add(&c->subs.count, 1) >= CLIENT_SUBS_MAX) {
        atomic_fetch_sub(&c->subs.count, 1);
        return -ENOSPC;
    }
    sut_subscription *s = subscription_new(c, opt);
    sut_status st = s ? 0 : SUT_TRACE(-ENOMEM, "client.subscribe");
    if (s && client_on_loop(c) && !c->closing) {
        client_subs_begin(c, &s->mail);
    } else if (s && !client_mailbox_put(c->mailbox, &s->mail)) {
        (void)client_sub_free(s);
        st = -ESHUTDOWN;
    }
    if (st != 0) {
        atomic_fetch_sub(&c->subs.count, 1);
        return st;
    }
    *out = s;
    return 0;
}

/* True if its mail was not opened yet: whoever opens it frees it, and it never runs a callback. So nobody waits for a
 * loop that does not run yet. */
static bool abandon(sut_subscription *s)
{
    int life = SUB_NEW;
    return atomic_compare_exchange_strong(&s->life, &life, SUB_ABANDONED);
}

/* A closed box means that the client's thread has let go of it: then there is nobody to ask. */
sut_subscription *sut_subscribe_end(sut_subscription *s)
{
    if (!s)
        return NULL;
    if (client_mailbox_closed(s->mailbox))
        return client_sub_free(s);
    sut_client *c = s->client;
    if (abandon(s)) {
        atomic_fetch_sub(&c->subs.count, 1);
        return NULL;
    }
    if (client_mailbox_on_loop(s->mailbox)) {
        client_sub_end_here(s);
        if (atomic_load(&s->pause_on_its_way)) {
            s->ended_before_pause = true;
            return NULL;
        }
    } else if (client_mailbox_put(s->mailbox, &s->end_mail)) {
        while (sem_wait(&s->ended) != 0) /* EINTR */
            continue;
    }
    return client_sub_free(s);
}

void sut_subscribe_pause(sut_subscription *s, void (*done)(void *arg), void *arg)
{
    if (atomic_exchange(&s->pause_asked, true) || client_mailbox_closed(s->mailbox))
        return;
    s->pause_done = done;
    s->pause_arg = arg;
    if (client_mailbox_on_loop(s->mailbox)) {
        client_sub_pause_here(s);
        return;
    }
    atomic_store(&s->pause_on_its_way, true);
    (void)client_mailbox_put(s->mailbox, &s->pause_mail);
}
