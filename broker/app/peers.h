/* The peers of the daemon: who is behind a (socket, routing id), which session of the core that is, and what is left of
 * a peer after it was dropped or lost. */
#ifndef SUT_APP_PEERS_H
#define SUT_APP_PEERS_H

#include "access.h"
#include "listener.h"
#include "outbox.h"

/* A dropped peer lives on as a tombstone until its connection is gone, because its messages may still be on their way;
 * a lost one for SUT_TOMBSTONE_NS more, because libzmq tells of the end before it hands over the last messages. */
#define SUT_TOMBSTONE_NS (SUT_NS_PER_S)

typedef enum sut_peer_state {
    SUT_PEER_LIVE,
    SUT_PEER_DOOMED,  /* our side failed it (its queue is over the bound): to be closed when the core may be called */
    SUT_PEER_LOST,    /* its connection ended: to be closed when its last messages were read */
    SUT_PEER_LEAVING, /* dropped; the connection is cut at due_ns, so that a last error can reach it */
    SUT_PEER_CUT,     /* the connection was told to end */
    SUT_PEER_GONE     /* the connection has ended; freed at due_ns */
} sut_peer_state;

typedef struct sut_peer_rate { /* how often in this second */
    uint64_t second;
    uint32_t count;
} sut_peer_rate;

typedef struct sut_peer {
    sut_listener *listener;
    uint64_t session; /* of the core; 0: none (any more) */
    uint64_t due_ns;
    uint32_t route;
    int fd; /* -1: closed */
    sut_peer_state state;
    char name[SUT_PEER_NAME_MAX + 1];
    sut_outbox out;
    sut_flight *flight;
    sut_peer_rate taps; /* requests for taps that are journalled */
    sut_node queued;    /* on the list of those with something to send, or of those whose pipe is full */
    sut_node waiting;   /* on the list of doomed, lost or leaving ones */
} sut_peer;

typedef struct sut_peers {
    sut_u64map *by_route, *by_session;
    sut_peer *last;   /* that sut_peers_by_session found: envelopes come in runs; NULL or with a session */
    sut_node leaving; /* LEAVING, CUT and GONE */
} sut_peers;

SUT_MUST_CHECK sut_status sut_peers_init(sut_peers *p);
void sut_peers_deinit(sut_peers *p, sut_outbox_pool *pool); /* frees all peers; idempotent */

/* NULL without memory. Not yet found by session. */
sut_peer *sut_peers_add(sut_peers *p, sut_listener *l, uint32_t route, int fd, sut_str name);
sut_peer *sut_peers_by_route(const sut_peers *p, const sut_listener *l, uint32_t route);
sut_peer *sut_peers_by_session(sut_peers *p, uint64_t session);
SUT_MUST_CHECK sut_status sut_peers_bind(sut_peers *p, sut_peer *peer, uint64_t session);

/* The peer has no session any more: it becomes a tombstone whose connection is cut at cut_ns (0: at once). */
void sut_peers_leave(sut_peers *p, sut_peer *peer, sut_outbox_pool *pool, uint64_t cut_ns);
/* Cuts and frees what is due. Returns when to call again, SUT_NEVER if nobody leaves. */
uint64_t sut_peers_sweep(sut_peers *p, sut_outbox_pool *pool, uint64_t now_ns);

#endif
