/* Queue of posted tasks: many producers, one consumer, intrusive (D. Vyukov's non-blocking MPSC queue). A push is one
 * exchange and one store. Private to base. */
#ifndef SUT_BASE_LOOP_QUEUE_H
#define SUT_BASE_LOOP_QUEUE_H

#include "base/loop.h"

typedef struct task_queue {
    _Atomic(sut_task *) head; /* last pushed; producers */
    sut_task *tail;           /* next to pop; the consumer */
    sut_task stub;
} task_queue;

static inline void task_queue_init(task_queue *q)
{
    atomic_init(&q->stub.next, NULL);
    atomic_init(&q->head, &q->stub);
    q->tail = &q->stub;
}

/* Any thread. The exchange is sequentially consistent: the loop's decision to sleep depends on its order. */
static inline void task_queue_push(task_queue *q, sut_task *t)
{
    atomic_store_explicit(&t->next, NULL, memory_order_relaxed);
    sut_task *prev = atomic_exchange(&q->head, t);
    atomic_store_explicit(&prev->next, t, memory_order_release);
}

/* Consumer only. Once it said true, any push that it did not see comes later in the order of `head`. */
static inline bool task_queue_empty(task_queue *q)
{
    return q->tail == &q->stub && atomic_load(&q->head) == &q->stub;
}

/* Consumer only. NULL: empty, or a producer is between its two steps (then the queue does not say that it is empty). */
static inline sut_task *task_queue_pop(task_queue *q)
{
    sut_task *tail = q->tail, *next = atomic_load_explicit(&tail->next, memory_order_acquire);
    if (tail == &q->stub) {
        if (!next)
            return NULL;
        q->tail = tail = next;
        next = atomic_load_explicit(&tail->next, memory_order_acquire);
    }
    if (!next) {
        if (atomic_load(&q->head) != tail)
            return NULL;
        task_queue_push(q, &q->stub); /* so that the last one can be taken out from before it */
        next = atomic_load_explicit(&tail->next, memory_order_acquire);
        if (!next)
            return NULL;
    }
    q->tail = next;
    return tail;
}

#endif
