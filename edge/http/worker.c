/* What a worker thread owns, made when civetweb starts it. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#define ARENA_MAX_BYTES (8u << 20) /* of one request; a body is at most a part of it */
#define OUT_MAX_BYTES   (4u << 20)

sut_status sut_worker_new(sut_worker **out, sut_server *server)
{
    *out = NULL;
    sut_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return SUT_TRACE(-ENOMEM, "worker");
    w->server = server;
    sut_buf_init(&w->body, server->limits.body_bytes);
    sut_buf_init(&w->out, OUT_MAX_BYTES);
    sut_status st = sut_arena_new(&w->x.arena, ARENA_MAX_BYTES);
    if (st == 0)
        st = sut_waiter_new(&w->x.waiter);
    if (st) {
        sut_worker_free(w);
        return st;
    }
    *out = w;
    return 0;
}

sut_worker *sut_worker_free(sut_worker *w)
{
    if (!w)
        return NULL;
    sut_arena_free(w->x.arena);
    sut_waiter_free(w->x.waiter);
    free(w->x.health_copy);
    sut_buf_deinit(&w->body);
    sut_buf_deinit(&w->out);
    free(w);
    return NULL;
}
