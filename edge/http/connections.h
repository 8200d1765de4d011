/* The connections of the server: counted, in all and by address, when they are accepted, so that one over a cap costs
 * no thread; and their descriptors, which civetweb 1.15 tells nobody. */
#ifndef SUT_HTTP_CONNECTIONS_H
#define SUT_HTTP_CONNECTIONS_H

#include "base/status.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#define SUT_CONNECTIONS_MAX 4096

typedef struct sut_connection {
    int fd; /* -1: the slot is free */
    in_addr_t peer;
    uint16_t peer_port;                /* host byte order */
    bool capped;                       /* counts for its address */
    _Atomic uint64_t waiting_since_ns; /* for (the rest of) a head, or a step of a body; 0: a request is in work, or it
                                          was ended to make room */
} sut_connection;

typedef struct sut_connections {
    pthread_mutex_t lock;
    size_t max, per_address;
    const in_addr_t *exempt; /* addresses that the cap of an address does not hold for */
    size_t exempt_count;
    bool closed;       /* no new ones */
    size_t count, top; /* used slots; all of them are below `top` */
    sut_connection slots[SUT_CONNECTIONS_MAX];
} sut_connections;

/* From now on the calling thread's accept(2) adds to `c` or refuses. (civetweb calls accept on a thread of its own; the
 * definition in connections.c stands before libc's. NULL ends it.) */
void sut_connections_accept_here(sut_connections *c);
/* The slot of one: valid until it is removed. NULL if there is none. The caller must be the connection's thread, or
 * hold that thread from leaving it: else slot and descriptor may be another's by the time they are used. */
sut_connection *sut_connections_find(sut_connections *c, in_addr_t peer, uint16_t peer_port);
/* Forgets one that is about to be closed. */
void sut_connections_remove(sut_connections *c, in_addr_t peer, uint16_t peer_port);
/* When more than three quarters of what may be open is, those that have been idle, or at sending a head or 4 KiB of a
 * body, for more than a second are ended, and for more than 100 ms when nobody can come in any more: so slow clients
 * make room for others instead of locking them out. */
void sut_connections_make_room(sut_connections *c, uint64_t now_ns);
/* Ends the reads of all of them: threads that wait for input go on. */
void sut_connections_end_reads(sut_connections *c);
/* Refuses all that come from now on. */
void sut_connections_close(sut_connections *c);

#endif
