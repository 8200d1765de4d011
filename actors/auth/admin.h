/* What administrators do, and who is one. */
#ifndef AUTH_ADMIN_H
#define AUTH_ADMIN_H

#include "standing.h"

/* A row of the record of all acts, in the transaction of the act. */
typedef struct auth_act {
    const char *act;  /* grant, revoke, suspend or unsuspend */
    int64_t by;       /* 0: somebody on the machine */
    int64_t user_id;  /* whom it concerns */
    sut_str reason;   /* may be absent */
    int64_t until_us; /* 0: none */
} auth_act;
SUT_MUST_CHECK sut_status auth_act_note(sut_pg_tx *tx, const auth_act *act);

/* ---- account_view.c: an account as administrators see it ---- */

/* Columns that auth_managed_read reads; `u` is users. */
#define AUTH_MANAGED_COLUMNS                                                                                           \
    "u.id, u.email, u.username, u.status = 'active', u.level, u.is_verified, u.created_at, u.suspended_at, "           \
    "u.suspended_until, u.suspension_reason, u.deactivated_at, "                                                       \
    "coalesce(u.suspended_until <= clock_timestamp(), FALSE)"
/* A suspension that has run out is not shown, swept or not. */
auth_managed_account auth_managed_read(const sut_pg_result *r, int row);
/* All rows of a page, its first `count`. */
SUT_MUST_CHECK sut_status auth_managed_list(sut_request *rq, const sut_pg_result *r, size_t count, sut_list *out);

#endif
