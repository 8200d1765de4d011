/* Reading how an account stands, and saying that it is suspended. */
#include "standing.h"

#include "base/clock.h"

auth_standing auth_standing_read(const sut_pg_result *r, int row, int col)
{
    return (auth_standing){
        .user_id = sut_pg_get_i64(r, row, col),
        .level = sut_pg_get_i32(r, row, col + 1),
        .registered = sut_pg_get_bool(r, row, col + 2),
        .suspended = sut_pg_get_bool(r, row, col + 3),
        .ran_out = sut_pg_get_bool(r, row, col + 4),
        .deactivated = sut_pg_get_bool(r, row, col + 5),
        .until_us = sut_pg_get_timestamptz(r, row, col + 6),
        .reason = sut_pg_get_text(r, row, col + 7),
    };
}

sut_status auth_standing_refuse(sut_request *rq, const auth_standing *s)
{
    char until[SUT_RFC3339_SIZE];
    if (s->until_us == 0)
        return sut_fail(rq, AUTH_ERR_ACCOUNT_SUSPENDED, "This account is suspended: %.*s", SUT_STR_FMT(s->reason));
    sut_rfc3339(s->until_us, until);
    (void)sut_fail_field_as(rq, AUTH_ERR_ACCOUNT_SUSPENDED, "/until", "suspended", "%s", until);
    return sut_fail(rq, AUTH_ERR_ACCOUNT_SUSPENDED, "This account is suspended until %s: %.*s", until,
                    SUT_STR_FMT(s->reason));
}
