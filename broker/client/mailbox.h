/* The way into a client from other threads: a lock-free stack of mails, emptied by the client's thread, which is woken
 * once a burst. Senders may outlive the client: an incoming call that is answered late finds the box closed. */
#ifndef SUT_CLIENT_MAILBOX_H
#define SUT_CLIENT_MAILBOX_H

#include "base/loop.h"

#include <stdatomic.h>

typedef enum {
    MAIL_CALL,
    MAIL_CANCEL,
    MAIL_ANSWER,
    MAIL_SERVE,
    MAIL_BYE,
    MAIL_TAP,
    MAIL_TAP_END,
    MAIL_SUB,
    MAIL_SUB_END,
    MAIL_SUB_PAUSE,
    MAIL_DELIVERED,
    MAIL_PROGRESS
} client_mail_kind;

typedef struct client_mail { /* embedded in what is sent */
    struct client_mail *next;
    client_mail_kind kind;
} client_mail;

typedef struct client_cancel_mail {
    client_mail mail;
    uint64_t id;
} client_cancel_mail;

typedef struct client_mailbox client_mailbox;

/* `wake` runs on the loop's thread some time after mails were put into an empty box, unless it is closed by then. */
SUT_MUST_CHECK sut_status client_mailbox_new(client_mailbox **out, sut_loop *loop, void (*wake)(void *arg), void *arg);
void client_mailbox_hold(client_mailbox *m); /* one more owner */
void client_mailbox_drop(client_mailbox *m); /* one owner less; the last one frees */
/* Any thread. False if the box is closed: the mail stays the caller's. */
bool client_mailbox_put(client_mailbox *m, client_mail *mail);
bool client_mailbox_closed(const client_mailbox *m);
/* Is the calling thread the one that client_mailbox_bind was last called on? */
bool client_mailbox_on_loop(const client_mailbox *m);
void client_mailbox_bind(client_mailbox *m);
void client_mailbox_wake(client_mailbox *m); /* makes `wake` run although nothing was put */
/* Loop's thread: all mails, oldest first, or NULL. */
client_mail *client_mailbox_take(client_mailbox *m);
/* After this nothing comes in any more, and no sender is within put. What is in the box can still be taken. */
void client_mailbox_close(client_mailbox *m);

#endif
