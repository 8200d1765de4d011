/* The mailbox: Treiber's stack, taken whole and turned round, with one wake-up a burst and an orderly end. */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define BOX_CLOSED 0x80000000u

struct client_mailbox {
    _Atomic(client_mail *) top;
    _Atomic uint32_t senders; /* how many are within put, and BOX_CLOSED */
    _Atomic bool woken;       /* the task is posted and has not run */
    _Atomic uint32_t owners;
    _Atomic uintptr_t loop_thread; /* 0: none yet */
    sut_loop *loop;
    sut_task task;
    void (*wake)(void *arg);
    void *arg;
};

sut_status client_mailbox_new(client_mailbox **out, sut_loop *loop, void (*wake)(void *arg), void *arg)
{
    client_mailbox *m = calloc(1, sizeof *m);
    if (!m)
        return SUT_TRACE(-ENOMEM, "client.mailbox");
    m->loop = loop;
    m->wake = wake;
    m->arg = arg;
    atomic_init(&m->owners, 1);
    *out = m;
    return 0;
}

void client_mailbox_hold(client_mailbox *m)
{
    atomic_fetch_add_explicit(&m->owners, 1, memory_order_relaxed);
}

void client_mailbox_drop(client_mailbox *m)
{
    if (atomic_fetch_sub_explicit(&m->owners, 1, memory_order_acq_rel) == 1)
        free(m);
}

bool client_mailbox_closed(const client_mailbox *m)
{
    return atomic_load_explicit(&m->senders, memory_order_acquire) & BOX_CLOSED;
}

bool client_mailbox_on_loop(const client_mailbox *m)
{
    return atomic_load_explicit(&m->loop_thread, memory_order_relaxed) == (uintptr_t)pthread_self();
}

void client_mailbox_bind(client_mailbox *m)
{
    atomic_store_explicit(&m->loop_thread, (uintptr_t)pthread_self(), memory_order_relaxed);
}

static void run_task(sut_task *t, void *arg)
{
    (void)t;
    client_mailbox *m = arg;
    /* Cleared before the box is emptied: a mail put after this posts the task again, one put before it is seen. */
    atomic_exchange_explicit(&m->woken, false, memory_order_acq_rel);
    if (!client_mailbox_closed(m))
        m->wake(m->arg);
    client_mailbox_drop(m);
}

static void post(client_mailbox *m)
{
    if (atomic_exchange_explicit(&m->woken, true, memory_order_acq_rel))
        return;
    client_mailbox_hold(m); /* the posted task is an owner */
    sut_loop_post(m->loop, &m->task, run_task, m);
}

static bool enter(client_mailbox *m)
{
    uint32_t before = atomic_fetch_add_explicit(&m->senders, 1, memory_order_acq_rel);
    if (!(before & BOX_CLOSED))
        return true;
    atomic_fetch_sub_explicit(&m->senders, 1, memory_order_release);
    return false;
}

bool client_mailbox_put(client_mailbox *m, client_mail *mail)
{
    if (!enter(m))
        return false;
    client_mail *top = atomic_load_explicit(&m->top, memory_order_relaxed);
    do {
        mail->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&m->top, &top, mail, memory_order_acq_rel, memory_order_relaxed));
    post(m);
    atomic_fetch_sub_explicit(&m->senders, 1, memory_order_release);
    return true;
}

void client_mailbox_wake(client_mailbox *m)
{
    if (!enter(m))
        return;
    post(m);
    atomic_fetch_sub_explicit(&m->senders, 1, memory_order_release);
}

client_mail *client_mailbox_take(client_mailbox *m)
{
    if (!atomic_load_explicit(&m->top, memory_order_relaxed))
        return NULL;
    client_mail *newest_first = atomic_exchange_explicit(&m->top, NULL, memory_order_acq_rel);
    client_mail *oldest_first = NULL;
    while (newest_first) {
        client_mail *next = newest_first->next;
        newest_first->next = oldest_first;
        oldest_first = newest_first;
        newest_first = next;
    }
    return oldest_first;
}

void client_mailbox_close(client_mailbox *m)
{
    atomic_fetch_or_explicit(&m->senders, BOX_CLOSED, memory_order_acq_rel);
    while (atomic_load_explicit(&m->senders, memory_order_acquire) != BOX_CLOSED)
        sched_yield(); /* put is a few instructions long */
}
