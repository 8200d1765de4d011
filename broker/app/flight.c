/* Counting the bytes that libzmq holds for a peer. Shared by the loop's thread and libzmq's: atomics only. */
#include "flight.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct sut_flight {
    _Atomic size_t bytes;
    _Atomic size_t holders; /* the peer, and each frame in flight */
};

typedef struct flying {
    sut_flight *flight;
    size_t len;
} flying;

sut_flight *sut_flight_new(void)
{
    sut_flight *f = calloc(1, sizeof *f);

    if (f)
        atomic_init(&f->holders, 1);
    return f;
}

sut_flight *sut_flight_release(sut_flight *f)
{
    if (f && atomic_fetch_sub(&f->holders, 1) == 1)
        free(f);
    return NULL;
}

bool sut_flight_has_room(const sut_flight *f, size_t len)
{
    const size_t bytes = atomic_load_explicit(&f->bytes, memory_order_relaxed);

    return bytes == 0 || bytes + len <= SUT_FLIGHT_MAX;
}

/* On libzmq's thread. */
static void landed(void *data, void *hint)
{
    flying *g = hint;

    atomic_fetch_sub(&g->flight->bytes, g->len);
    sut_flight_release(g->flight);
    free(g);
    free(data);
}

sut_status sut_flight_message(sut_flight *f, zmq_msg_t *msg, uint8_t *bytes, size_t len)
{
    flying *g = malloc(sizeof *g);

    if (!g)
        return -ENOMEM;
    *g = (flying){f, len};
    atomic_fetch_add(&f->holders, 1);
    atomic_fetch_add(&f->bytes, len);
    if (zmq_msg_init_data(msg, bytes, len, landed, g) == 0)
        return 0;
    atomic_fetch_sub(&f->bytes, len);
    sut_flight_release(f);
    free(g);
    return -ENOMEM;
}
