/* One libpq connection in pipeline mode on the loop: connecting, statements in, results out, in order. It knows nothing
 * of pools or transactions (pg_shared.c, pg_pool.c, pg_tx.c do). Private to the kit.
 *
 * Operations are owned by the caller until handed to sut_pg_conn_send, then by the connection until `done`, which is
 * called exactly once for each, in order, also when the connection is lost. */
#ifndef SUT_KIT_PG_CONN_H
#define SUT_KIT_PG_CONN_H

#include "kit/pg.h"

#include "base/loop.h"
#include "base/map.h"

#include <libpq-fe.h>

typedef struct sut_pg_conn sut_pg_conn;
typedef struct sut_pg_op sut_pg_op;

typedef enum {
    SUT_PG_OP_OK,      /* op->result is set */
    SUT_PG_OP_ERROR,   /* PostgreSQL refused it: op->result holds the error */
    SUT_PG_OP_SKIPPED, /* not executed, since one before it in its batch failed */
    SUT_PG_OP_LOST     /* the connection went away, or could not take it */
} sut_pg_outcome;

struct sut_pg_op {
    sut_node node;
    const sut_pg_stmt *stmt; /* NULL: a sync point, which ends a batch */
    bool preparing;          /* its Parse went with it, and is answered first */
    bool sent_to_server;     /* LOST only: it may have been executed */
    sut_pg_outcome outcome;
    PGresult *result; /* the receiver of `done` takes or clears it */
    void (*done)(sut_pg_op *op, void *arg);
    void *arg;
};

typedef enum {
    SUT_PG_DOWN, /* nothing there; sut_pg_conn_connect may be called */
    SUT_PG_CONNECTING,
    SUT_PG_READY
} sut_pg_conn_state;

/* Why a connection could not be made. */
typedef enum {
    SUT_PG_FAIL_NETWORK,  /* or starting up, or shutting down: try again */
    SUT_PG_FAIL_PASSWORD, /* 28xxx, or a password is wanted */
    SUT_PG_FAIL_DATABASE  /* 3D000: it does not exist */
} sut_pg_failure;

typedef struct sut_pg_conn_events {
    void (*ready)(sut_pg_conn *c, void *arg);
    /* After all operations got LOST. The connection is DOWN; it may be freed or connected again in here. */
    void (*down)(sut_pg_conn *c, sut_pg_failure why, const char *detail, void *arg);
    void *arg;
    /* Something was notified on a channel that it listens to. NULL: it listens to none. Closes nothing. */
    void (*notified)(sut_pg_conn *c, void *arg);
} sut_pg_conn_events;

struct sut_pg_conn {
    sut_loop *loop;
    PGconn *pg;
    sut_pg_conn_state state;
    sut_watch watch;
    sut_timer connect_timer;
    sut_node ops; /* sent, unanswered */
    size_t op_count;
    uint32_t batch;       /* statements sent since the last sync point */
    sut_u64map *prepared; /* by statement's address → s_prepared */
    bool want_flush;
    bool broken; /* torn down by the loop as soon as nothing else of it runs */
    sut_pg_conn_events events;
    uint64_t generation; /* of the connection: raised at each teardown */
};

void sut_pg_conn_init(sut_pg_conn *c, sut_loop *loop, sut_pg_conn_events events);
/* keywords and values as PQconnectStartParams wants them. Ends in `ready` or `down`, never before it returns. */
SUT_MUST_CHECK sut_status sut_pg_conn_connect(sut_pg_conn *c, const char *const *keywords, const char *const *values,
                                              uint32_t timeout_ms);
/* Closes at once; operations get LOST; `down` is not called. Idempotent. */
void sut_pg_conn_close(sut_pg_conn *c);

/* Sends a statement (and its Parse, if this connection has not seen it). Nothing is answered before a sync point.
 * False: the connection cannot take it (op is not owned, `done` will not be called). Parameters are copied by libpq. */
SUT_MUST_CHECK bool sut_pg_conn_send(sut_pg_conn *c, sut_pg_op *op, sut_pg_params params);
/* Ends the batch: `op` (stmt NULL) is done when all before it is, with OK, or ERROR if COMMIT at the sync point failed.
 */
SUT_MUST_CHECK bool sut_pg_conn_sync(sut_pg_conn *c, sut_pg_op *op);
bool sut_pg_conn_idle(const sut_pg_conn *c); /* READY and nothing unanswered */

/* pg_param.c: parameters in the binary format; `memory` (from malloc) holds what is not borrowed. */
typedef struct sut_pg_encoded {
    Oid types[SUT_PG_PARAMS_MAX];
    const char *values[SUT_PG_PARAMS_MAX];
    int lengths[SUT_PG_PARAMS_MAX];
    int formats[SUT_PG_PARAMS_MAX];
    unsigned char scalars[SUT_PG_PARAMS_MAX][8];
    void *memory;
} sut_pg_encoded;
/* False: a value is over 1 GiB or memory ran out. */
SUT_MUST_CHECK bool sut_pg_encode(sut_pg_params params, sut_pg_encoded *out);
void sut_pg_encoded_deinit(sut_pg_encoded *e);
/* Server types, for PQprepare. */
Oid sut_pg_oid(sut_pg_type type);

#endif
