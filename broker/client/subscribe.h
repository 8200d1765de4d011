/* Subscriptions of one client, and what they gave out. All of it but what says so belongs to the client's thread. */
#ifndef SUT_CLIENT_SUBSCRIBE_H
#define SUT_CLIENT_SUBSCRIBE_H

#include "mailbox.h"
#include "sut.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"

#include <semaphore.h>

#define CLIENT_SUBS_MAX 64

typedef struct client_subs {
    sut_node list;     /* all that began and were not ended */
    sut_node to_ack;   /* ephemeral ones with answers of this turn */
    sut_u64map *by_id; /* those that were asked for on this session */
    sut_buf acks;      /* encoded, of this turn */
    _Atomic uint32_t count;
} client_subs;

typedef enum {
    SUB_WAITING, /* for a session */
    SUB_ASKED,
    SUB_UP,
    SUB_BACKOFF, /* refused for the moment: the timer asks again */
    SUB_FULL,    /* too much of it is unanswered: asked for again when there is less */
    SUB_PAUSED,
    SUB_OVER /* refused for good, or the client has left */
} client_sub_state;

enum { SUB_NEW, SUB_BEGUN, SUB_ABANDONED }; /* abandoned: ended before its mail was opened, which frees it */

struct sut_subscription {
    client_mail mail, end_mail, pause_mail;
    sut_node node;           /* on subs.list */
    sut_node turn_node;      /* on subs.to_ack */
    client_mailbox *mailbox; /* held: it may outlive its client */
    sut_client *client;      /* valid on its thread, while the mailbox is open */
    sut_subscribe opt;       /* its strings are behind it */
    client_sub_state state;
    uint64_t id; /* on this session; each time it is asked for anew it is another */
    bool told_up;
    uint64_t next;        /* ephemeral: where to go on; 0: as the options say */
    uint64_t given, seen; /* the last sequence that was handed out; that is known to be behind us */
    uint64_t acked;       /* ephemeral: what the last ack said */
    uint32_t answered;    /* ephemeral: since then */
    size_t unanswered;    /* handed out, of any session */
    sut_node held;        /* the same, in order, of this `id` */
    sut_node stale;       /* the same, of earlier ones */
    sut_timer timer;
    uint32_t failures; /* in a row, for the backoff */
    bool paused;
    void (*pause_done)(void *arg);
    void *pause_arg;
    _Atomic bool pause_asked, pause_on_its_way;
    bool ended_before_pause; /* the pause's mail frees it */
    _Atomic int life;
    sem_t ended; /* posted when another thread's end was done */
};

SUT_MUST_CHECK sut_status client_subs_init(struct sut_client *c);
void client_subs_deinit(struct sut_client *c);
void client_subs_begin(struct sut_client *c, client_mail *m); /* MAIL_SUB */
void client_subs_end(client_mail *m);                         /* MAIL_SUB_END */
void client_subs_pause(client_mail *m);                       /* MAIL_SUB_PAUSE */
/* True if the envelope belonged to a subscription. */
bool client_subs_input(struct sut_client *c, const sut_envelope *env);
void client_subs_session_up(struct sut_client *c);
void client_subs_session_lost(struct sut_client *c);
void client_subs_turn(struct sut_client *c);  /* the end of a turn: queues its acks */
void client_subs_leave(struct sut_client *c); /* the client ends: nothing is called any more */

/* subscribe.c, for the functions that any thread may call */
void client_sub_end_here(sut_subscription *s);
void client_sub_pause_here(sut_subscription *s);
sut_subscription *client_sub_free(sut_subscription *s);
void client_sub_choke(sut_subscription *s);    /* gives back what is in hand and asks again later */
void client_sub_answered(sut_subscription *s); /* one more was answered: looks what waited for that */

/* subscribe_body.c */
SUT_MUST_CHECK sut_status client_subscribe_encode(sut_buf *out, const sut_subscribe *opt, uint64_t next);
/* 0 where it is not said. */
uint64_t client_subscribed_position(sut_arena *scratch, sut_str body);
/* `reason` lives in the arena. */
void client_gap_decode(sut_arena *scratch, sut_str body, sut_sub_notice *out);

/* delivery.c */
void client_deliver(sut_subscription *s, const sut_envelope *env);
void client_delivery_answered(struct sut_client *c, client_mail *m); /* MAIL_DELIVERED */
void client_delivery_progress(struct sut_client *c, client_mail *m); /* MAIL_PROGRESS */
uint64_t client_delivery_sequence(const sut_node *n);
void client_deliveries_make_stale(sut_subscription *s); /* held → stale */
void client_deliveries_orphan(sut_subscription *s);     /* none refers to it any more */
void client_acks_queue(struct sut_client *c);           /* what was collected goes behind what is queued */
void client_ack_ephemeral(sut_subscription *s);         /* if it is time to */

#endif
