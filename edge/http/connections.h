/* The connections of the server: counted, in all and by address, when they are accepted, so that one over a cap costs
 * no thread; and their descriptors, which civetweb 1.15 tells nobody. */
#ifndef SUT_HTTP_CONNECTIONS_H
#define SUT_HTTP_CONNECTIONS_H

#include "base/status.h"

#include <netinet/in.h>
#include <pthread.h>

#define SUT_CONNECTIONS_MAX 4096

typedef struct sut_connection {
    int fd;
    in_addr_t peer;
    uint16_t peer_port; /* host byte order */
    bool capped;        /* counts for its address */
} sut_connection;

typedef struct sut_connections {
    pthread_mutex_t lock;
    size_t max, per_address;
    const in_addr_t *exempt; /* addresses that the cap of an address does not hold for */
    size_t exempt_count;
    bool closed; /* no new ones */
    size_t count;
    sut_connection open[SUT_CONNECTIONS_MAX];
} sut_connections;

/* From now on the calling thread's accept(2) adds to `c` or refuses. (civetweb calls accept on a thread of its own; the
 * definition in connections.c stands before libc's. NULL ends it.) */
void sut_connections_accept_here(sut_connections *c);
/* Forgets one that is about to be closed. */
void sut_connections_remove(sut_connections *c, in_addr_t peer, uint16_t peer_port);
/* Its descriptor, or -1. The caller must be the connection's thread, or hold that thread from leaving it: else the
 * descriptor may be another's by the time it is used. */
int sut_connections_fd(sut_connections *c, in_addr_t peer, uint16_t peer_port);
/* Ends the reads of all of them: threads that wait for input go on. */
void sut_connections_end_reads(sut_connections *c);
/* Refuses all that come from now on. */
void sut_connections_close(sut_connections *c);

#endif
