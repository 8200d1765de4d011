/* Results held by a request, and what errors of PostgreSQL mean to its caller. Private to the kit. */
#ifndef SUT_KIT_PG_RESULT_H
#define SUT_KIT_PG_RESULT_H

#include "kit/pg.h"

#include <libpq-fe.h>

/* Takes `pg` (also on failure); it is cleared when the request ends. SUT_ERR_INTERNAL past the request's bound. */
SUT_MUST_CHECK sut_status sut_pg_result_keep(sut_request *rq, const sut_pg_stmt *stmt, PGresult *pg,
                                             const sut_pg_result **out);
void sut_pg_results_free(sut_request *rq);

/* What a failed statement came to. */
typedef enum {
    SUT_PG_MEANS_FAULT,    /* ours: internal */
    SUT_PG_MEANS_CONFLICT, /* a constraint */
    SUT_PG_MEANS_RETRY,    /* serialization failure, deadlock: rolled back, again from the start */
    SUT_PG_MEANS_TIMEOUT,  /* statement_timeout, lock_timeout */
    SUT_PG_MEANS_AWAY      /* the server goes away, or has no room: a connection's failure */
} sut_pg_meaning;
sut_pg_meaning sut_pg_meaning_of(const PGresult *error);

/* Notes SQLSTATE and constraint on the request, logs what is our fault, sets the message; returns the error number. */
sut_status sut_pg_fail(sut_request *rq, const sut_pg_stmt *stmt, const PGresult *error);

#endif
