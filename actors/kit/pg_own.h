/* A connection that one long-lived fiber keeps for itself, outside of the pool, since what it stands for (a session
 * lock, LISTEN) is the connection's. Private to the kit.
 *
 * Statements that are sent before one wait are one transaction: all of them or none. After any failure the connection
 * is of no more use: close it. */
#ifndef SUT_KIT_PG_OWN_H
#define SUT_KIT_PG_OWN_H

#include "pg_port.h"

typedef struct sut_pg_own sut_pg_own;

/* On the loop: something was notified, or the connection was lost. It must not close the connection. */
typedef void (*sut_pg_own_fn)(void *arg);

/* Parks until it is connected: 0, UNAVAILABLE, or what interrupted it. */
SUT_MUST_CHECK sut_status sut_pg_own_open(sut_pg *pg, sut_request *rq, sut_pg_own_fn on_news, void *arg,
                                          sut_pg_own **out);
sut_pg_own *sut_pg_own_close(sut_pg_own *own); /* NULL is fine. Returns NULL. */
bool sut_pg_own_up(const sut_pg_own *own);
SUT_MUST_CHECK sut_status sut_pg_own_send(sut_pg_own *own, sut_request *rq, const sut_pg_stmt *stmt,
                                          sut_pg_params params);
/* Sends this one too, and parks for its result. `out` may be NULL. */
SUT_MUST_CHECK sut_status sut_pg_own_run(sut_pg_own *own, sut_request *rq, const sut_pg_stmt *stmt,
                                         sut_pg_params params, const sut_pg_result **out);

#endif
