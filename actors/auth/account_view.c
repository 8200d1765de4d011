/* Accounts as administrators see them. */
#include "admin.h"

#include <errno.h>

enum { /* in the order of AUTH_MANAGED_COLUMNS */
       ID,
       EMAIL,
       USERNAME,
       REGISTERED,
       LEVEL,
       IS_VERIFIED,
       CREATED_AT,
       SUSPENDED_AT,
       SUSPENDED_UNTIL,
       SUSPENSION_REASON,
       DEACTIVATED_AT,
       RAN_OUT
};

static auth_account_state state_of(const auth_managed_account *a, bool registered)
{
    if (!registered)
        return AUTH_ACCOUNT_STATE_PENDING;
    if (a->has_suspended_at == SUT_PRESENT)
        return AUTH_ACCOUNT_STATE_SUSPENDED;
    return a->has_deactivated_at == SUT_PRESENT ? AUTH_ACCOUNT_STATE_DEACTIVATED : AUTH_ACCOUNT_STATE_ACTIVE;
}

static uint8_t presence(bool present)
{
    return present ? SUT_PRESENT : SUT_ABSENT;
}

auth_managed_account auth_managed_read(const sut_pg_result *r, int row)
{
    bool suspended = !sut_pg_is_null(r, row, SUSPENDED_AT) && !sut_pg_get_bool(r, row, RAN_OUT);
    auth_managed_account a = {
        .user_id = sut_pg_get_i64(r, row, ID),
        .email = sut_pg_get_text(r, row, EMAIL),
        .username = sut_pg_get_text(r, row, USERNAME),
        .level = sut_pg_get_i32(r, row, LEVEL),
        .is_verified = sut_pg_get_bool(r, row, IS_VERIFIED),
        .created_at = sut_pg_get_timestamptz(r, row, CREATED_AT),
        .suspended_at = sut_pg_get_timestamptz(r, row, SUSPENDED_AT),
        .has_suspended_at = presence(suspended),
        .suspended_until = sut_pg_get_timestamptz(r, row, SUSPENDED_UNTIL),
        .has_suspended_until = presence(suspended && !sut_pg_is_null(r, row, SUSPENDED_UNTIL)),
        .suspension_reason = sut_pg_get_text(r, row, SUSPENSION_REASON),
        .has_suspension_reason = presence(suspended),
        .deactivated_at = sut_pg_get_timestamptz(r, row, DEACTIVATED_AT),
        .has_deactivated_at = presence(!sut_pg_is_null(r, row, DEACTIVATED_AT)),
    };
    a.state = (int32_t)state_of(&a, sut_pg_get_bool(r, row, REGISTERED));
    return a;
}

sut_status auth_managed_list(sut_request *rq, const sut_pg_result *r, size_t count, sut_list *out)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const auth_managed_account **items = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *items);
    auth_managed_account *rows = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *rows);
    if (!items || !rows)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        rows[i] = auth_managed_read(r, (int)i);
        items[i] = &rows[i];
    }
    *out = (sut_list){items, count};
    return 0;
}
