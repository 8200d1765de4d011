/* The actor's one database: its shared pipelines, its pool, its breaker and health. Private to the kit. */
#ifndef SUT_KIT_PG_PORT_H
#define SUT_KIT_PG_PORT_H

#include "pg_conn.h"
#include "pg_lookup.h"
#include "request.h"

#include "base/breaker.h"

typedef struct sut_pg sut_pg;
struct sut_runtime;

#define SUT_PG_CONNECT_TIMEOUT_MS 2000
#define SUT_PG_IDLE_MS            30000
#define SUT_PG_READ_TIMEOUT_MS    250
#define SUT_PG_BATCH_MAX          32   /* statements of the shared pipeline that share a sync point */
#define SUT_PG_SHARED_OPS_MAX     4096 /* unanswered, a shared connection */
#define SUT_PG_PING_MS            1000
#define SUT_PG_HUNG_MS            2000
#define SUT_PG_QUEUE_MAX          64 /* statements queued in a transaction */

/* A connection of the pool. While leased its ops belong to the lease's batch. */
typedef struct sut_pg_lease {
    sut_pg_conn conn;
    sut_node node; /* idle list */
    sut_node all;  /* of the pool's connections in any state */
    sut_pg *pg;
    sut_timer idle_timer;
    bool leased;
    sut_request *waiter;                 /* of the batch that is under way */
    sut_pg_op ops[SUT_PG_QUEUE_MAX + 4]; /* BEGIN, queued ones, one awaited, COMMIT or sync */
    unsigned used;
    PGresult *result, *error; /* of the batch: the last statement's; the first error */
    const sut_pg_stmt *error_stmt;
    bool lost, done; /* of the batch */
} sut_pg_lease;

typedef struct sut_pg_shared {
    sut_pg_conn conn;
    sut_pg *pg;
    sut_timer retry_timer;
    bool up;
    bool looking;      /* a fiber looks the server's name up */
    uint32_t failures; /* in a row: backoff */
    sut_pg_op ping;
    uint64_t pinged_ns; /* 0: no ping is under way */
} sut_pg_shared;

struct sut_pg {
    struct sut_runtime *runtime;
    sut_loop *loop;
    PQconninfoOption *url; /* parsed; owns the strings */
    char *read_options, *write_options;
    char address[SUT_PG_ADDRESS_SIZE]; /* of the host's name, looked up before each shared connection; "" so far */
    sut_breaker breaker;
    sut_hook hook; /* ends the shared pipelines' batches once a turn */
    uint32_t shared_count, shared_ready;
    sut_pg_shared *shared;
    sut_timer ping_timer;
    sut_node idle, waiters, leases;
    uint32_t lease_count, waiter_count;
    bool closing;
    sut_pg_failure last_failure;
    char last_detail[128]; /* "" while it is up */
    sut_request *booting;  /* waits for the first connection */
};

/* pg.c */
SUT_MUST_CHECK sut_status sut_pg_new(sut_pg **out, struct sut_runtime *rt, const char *url, char *error,
                                     size_t error_size);
sut_pg *sut_pg_free(sut_pg *pg);
/* keywords and values of a connection; arrays of SUT_PG_CONNINFO_MAX, NULL-terminated. */
#define SUT_PG_CONNINFO_MAX 64
void sut_pg_conninfo(const sut_pg *pg, bool shared, const char *keywords[SUT_PG_CONNINFO_MAX],
                     const char *values[SUT_PG_CONNINFO_MAX]);
/* The server's name if it has one that must be looked up, else NULL. */
const char *sut_pg_name(const sut_pg *pg);
/* 0, or UNAVAILABLE with its message: the breaker is open. Each admitted operation is reported once. */
SUT_MUST_CHECK sut_status sut_pg_admit(sut_pg *pg, sut_request *rq);
/* `status` is what it came to; a deadline says something of the database only if it left it time to answer. `away`: the
 * connection or the server was lost. */
void sut_pg_report(sut_pg *pg, uint64_t started_ns, sut_status status, bool away);
sut_status sut_pg_say_away(sut_request *rq);
/* A shared connection came up or went down: health, breaker, the waiting boot. `detail` NULL: up. */
void sut_pg_changed(sut_pg *pg, sut_pg_failure why, const char *detail);
/* Parks until a connection is up: 0; SUT_ERR_FORBIDDEN (wrong password), SUT_ERR_NOT_FOUND (no such database; both with
 * the reason in pg->last_detail), or what interrupted it. While the server is away it waits, and the log says so. */
SUT_MUST_CHECK sut_status sut_pg_wait_up(sut_pg *pg, sut_request *rq);

/* pg_shared.c */
void sut_pg_shared_start(sut_pg *pg, sut_pg_shared *s);
void sut_pg_shared_stop(sut_pg_shared *s);
bool sut_pg_shared_flush(sut_pg *pg); /* true if there was anything */
void sut_pg_shared_ping(sut_pg *pg);  /* closes what has not answered the last ping for 2 s */

/* pg_pool.c */
SUT_MUST_CHECK sut_status sut_pg_lease_take(sut_pg *pg, sut_request *rq, sut_pg_lease **out);
void sut_pg_lease_return(sut_pg_lease *l);
/* Adds a statement to the batch. False: no room, or the connection is gone. */
SUT_MUST_CHECK bool sut_pg_lease_send(sut_pg_lease *l, const sut_pg_stmt *stmt, sut_pg_params params);
/* Ends the batch and waits: 0 (look at result, error and lost), or what interrupted it: the connection is closed then.
 */
SUT_MUST_CHECK sut_status sut_pg_lease_wait(sut_pg_lease *l, sut_request *rq);
/* The same for a rollback, whose outcome nobody is told: errors are dropped. */
void sut_pg_lease_wait_quietly(sut_pg_lease *l, sut_request *rq);
void sut_pg_pool_close(sut_pg *pg);

#endif
