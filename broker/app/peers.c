/* Peer objects, their two indexes, and tombstones. */
#include "peers.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t route_key(const sut_listener *l, uint32_t route)
{
    return (UINT64_C(1) + (uint64_t)l->opt.kind) << 32 | route;
}

sut_status sut_peers_init(sut_peers *p)
{
    sut_status r;

    *p = (sut_peers){0};
    sut_list_init(&p->leaving);
    r = sut_u64map_new(&p->by_route);
    return r < 0 ? r : sut_u64map_new(&p->by_session);
}

static void peer_free(sut_peer *peer, sut_outbox_pool *pool)
{
    sut_node_unlink(&peer->queued);
    sut_node_unlink(&peer->waiting);
    sut_outbox_deinit(&peer->out, pool);
    peer->flight = sut_flight_release(peer->flight);
    free(peer);
}

void sut_peers_deinit(sut_peers *p, sut_outbox_pool *pool)
{
    size_t pos = 0;
    uint64_t key;
    void *v;

    if (p->by_route)
        while (sut_u64map_next(p->by_route, &pos, &key, &v))
            peer_free(v, pool);
    p->last = NULL;
    p->by_route = sut_u64map_free(p->by_route);
    p->by_session = sut_u64map_free(p->by_session);
    sut_list_init(&p->leaving);
}

sut_peer *sut_peers_add(sut_peers *p, sut_listener *l, uint32_t route, int fd, sut_str name)
{
    sut_peer *peer = name.len <= SUT_PEER_NAME_MAX ? calloc(1, sizeof *peer) : NULL;

    if (!peer)
        return NULL;
    peer->listener = l;
    peer->route = route;
    peer->fd = fd;
    memcpy(peer->name, name.ptr, name.len);
    sut_outbox_init(&peer->out);
    peer->flight = sut_flight_new();
    if (!peer->flight || sut_u64map_put(p->by_route, route_key(l, route), peer) < 0) {
        sut_flight_release(peer->flight);
        free(peer);
        return NULL;
    }
    return peer;
}

sut_peer *sut_peers_by_route(const sut_peers *p, const sut_listener *l, uint32_t route)
{
    return sut_u64map_get(p->by_route, route_key(l, route));
}

sut_peer *sut_peers_by_session(sut_peers *p, uint64_t session)
{
    if (!p->last || p->last->session != session)
        p->last = sut_u64map_get(p->by_session, session);
    return p->last;
}

sut_status sut_peers_bind(sut_peers *p, sut_peer *peer, uint64_t session)
{
    sut_status r = sut_u64map_put(p->by_session, session, peer);

    if (r == 0)
        peer->session = session;
    return r;
}

/* A descriptor of -1 says that the monitor has already told of the connection's end. */
static void cut(sut_peer *peer, uint64_t now_ns)
{
    peer->state = SUT_PEER_CUT;
    sut_listener_cut(peer->listener, peer->fd, peer);
    if (peer->fd < 0) {
        peer->state = SUT_PEER_GONE;
        peer->due_ns = now_ns + SUT_TOMBSTONE_NS;
    }
}

void sut_peers_leave(sut_peers *p, sut_peer *peer, sut_outbox_pool *pool, uint64_t cut_ns)
{
    if (peer->session)
        sut_u64map_take(p->by_session, peer->session);
    peer->session = 0;
    if (p->last == peer)
        p->last = NULL;
    sut_node_unlink(&peer->waiting);
    sut_list_push_back(&p->leaving, &peer->waiting);
    if (cut_ns && peer->fd >= 0) {
        peer->state = SUT_PEER_LEAVING;
        peer->due_ns = cut_ns;
        return;
    }
    sut_node_unlink(&peer->queued);
    sut_outbox_deinit(&peer->out, pool);
    cut(peer, sut_now_ns());
}

/* True when the peer was freed. */
static bool sweep_one(sut_peers *p, sut_peer *peer, sut_outbox_pool *pool, uint64_t now_ns)
{
    if (peer->state == SUT_PEER_LEAVING && (peer->due_ns <= now_ns || peer->fd < 0)) {
        sut_node_unlink(&peer->queued);
        sut_outbox_deinit(&peer->out, pool);
        cut(peer, now_ns);
    } else if (peer->state == SUT_PEER_CUT && peer->fd < 0) {
        peer->state = SUT_PEER_GONE;
        peer->due_ns = now_ns + SUT_TOMBSTONE_NS;
    } else if (peer->state == SUT_PEER_GONE && peer->due_ns <= now_ns) {
        sut_u64map_take(p->by_route, route_key(peer->listener, peer->route));
        peer_free(peer, pool);
        return true;
    }
    return false;
}

uint64_t sut_peers_sweep(sut_peers *p, sut_outbox_pool *pool, uint64_t now_ns)
{
    uint64_t next = SUT_NEVER;
    sut_node *n = p->leaving.next, *after;

    for (; n != &p->leaving; n = after) {
        sut_peer *peer = SUT_CONTAINER(n, sut_peer, waiting);
        uint64_t due;

        after = n->next;
        if (sweep_one(p, peer, pool, now_ns))
            continue;
        /* One that was cut waits for the monitor; look again by and by. */
        due = peer->state == SUT_PEER_CUT ? now_ns + 100 * SUT_NS_PER_MS : peer->due_ns;
        if (due < next)
            next = due;
    }
    return next;
}
