/* civetweb's reads and writes have no time limit that a peer which trickles could not stretch without end. So the
 * worker leaves a deadline, and the server's tick shuts the socket down when it has passed: the blocked call then
 * returns.
 *
 * The word goes NONE → time (worker) → NONE (worker), or time → FIRING → FIRED (tick) → NONE (worker). While it is
 * FIRING the worker waits, so that the connection, and with it the descriptor, cannot go away under the tick. */
#include "worker.h"

#include "socket.h"

#include <sched.h>
#include <sys/socket.h>

void sut_deadline_set(sut_worker *w, uint64_t deadline_ns)
{
    atomic_store_explicit(&w->deadline_ns, deadline_ns, memory_order_release);
}

bool sut_deadline_clear(sut_worker *w)
{
    for (;;) {
        uint64_t seen = atomic_load_explicit(&w->deadline_ns, memory_order_acquire);
        if (seen == DEADLINE_FIRING) {
            (void)sched_yield();
        } else if (atomic_compare_exchange_weak(&w->deadline_ns, &seen, DEADLINE_NONE)) {
            return seen == DEADLINE_FIRED;
        }
    }
}

static void fire_if_due(sut_worker *w, uint64_t now_ns)
{
    uint64_t seen = atomic_load_explicit(&w->deadline_ns, memory_order_acquire);
    if (seen <= DEADLINE_FIRED || seen > now_ns ||
        !atomic_compare_exchange_strong(&w->deadline_ns, &seen, DEADLINE_FIRING))
        return;
    int fd = sut_worker_fd(w);
    if (fd >= 0)
        (void)shutdown(fd, w->x.answered ? SHUT_RDWR : SHUT_RD);
    atomic_store_explicit(&w->deadline_ns, DEADLINE_FIRED, memory_order_release);
}

void sut_server_tick(sut_server *s, uint64_t now_ns)
{
    sut_connections_make_room(&s->connections, now_ns);
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->worker_count; i++)
        fire_if_due(s->workers[i], now_ns);
    (void)pthread_mutex_unlock(&s->lock);
}
