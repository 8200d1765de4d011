/* How an account stands: its level, whether it is suspended or deactivated, and how that changes
 * (docs/decisions/0024-administration.md). */
#ifndef AUTH_STANDING_H
#define AUTH_STANDING_H

#include "auth.h"

typedef struct auth_standing { /* as the row of users says */
    int64_t user_id;
    int32_t level;
    bool registered; /* its registration is finished */
    bool suspended;  /* it has a suspension … */
    bool ran_out;    /* … whose end has passed: it holds no more, and will be swept */
    bool deactivated;
    int64_t until_us; /* of the suspension; 0: none */
    sut_str reason;   /* of the suspension */
} auth_standing;

/* Columns that auth_standing_read reads. `u` is users; its row should be locked, or what is read may be old. By the
 * clock and not by now(): a transaction that has waited for the lock is later than its begin. */
#define AUTH_STANDING_COLUMNS                                                                                          \
    "u.id, u.level, u.status = 'active', u.suspended_at IS NOT NULL, "                                                 \
    "coalesce(u.suspended_until <= clock_timestamp(), FALSE), u.deactivated_at IS NOT NULL, u.suspended_until, "       \
    "u.suspension_reason"
#define AUTH_STANDING_COLUMN_COUNT 8
auth_standing auth_standing_read(const sut_pg_result *r, int row, int col);

/* Is it suspended now? */
static inline bool auth_standing_barred(const auth_standing *s)
{
    return s->suspended && !s->ran_out;
}
/* AUTH_ERR_ACCOUNT_SUSPENDED, with reason and end. For those only who have shown that the account is theirs. */
sut_status auth_standing_refuse(sut_request *rq, const auth_standing *s);

/* ---- changes; in a transaction that has locked the account's row ---- */

/* Ends the suspension that it has and publishes user.unsuspended. `by`: the administrator; 0: it ran out. */
SUT_MUST_CHECK sut_status auth_suspension_end(sut_request *rq, sut_pg_tx *tx, const auth_standing *s, int64_t by);
/* Its owner is back: publishes user.reactivated. The account must not be suspended. */
SUT_MUST_CHECK sut_status auth_account_reactivate(sut_request *rq, sut_pg_tx *tx, int64_t user_id);

/* Periodic: ends suspensions that have run out, a bounded batch a run. */
sut_status auth_suspension_sweep(sut_request *rq, void *arg);

#endif
