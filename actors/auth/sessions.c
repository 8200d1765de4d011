/* auth.sessions_list, auth.session_end and auth.sessions_end: what a user sees of the own logins, and how to end them.
 */
#include "auth.h"
#include "auth_service.h"

#include <errno.h>

/* The one that asks is being seen now. A user has 100, or a few more while many log in at once. */
static const sut_pg_stmt s_list = {
    "auth_sessions_list",
    "SELECT id, device, address, created_at, CASE WHEN id = $2 THEN now() ELSE last_seen_at END, expires_at, "
    "id IS NOT DISTINCT FROM $2 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() "
    "ORDER BY last_seen_at DESC, id LIMIT 200",
    2};

static void fill(auth_session *s, const sut_pg_result *r, int row)
{
    *s = (auth_session){
        .id = sut_pg_get_text(r, row, 0),
        .device = sut_pg_get_text(r, row, 1),
        .has_device = sut_pg_is_null(r, row, 1) ? SUT_ABSENT : SUT_PRESENT,
        .address = sut_pg_get_text(r, row, 2),
        .has_address = sut_pg_is_null(r, row, 2) ? SUT_ABSENT : SUT_PRESENT,
        .created_at = sut_pg_get_timestamptz(r, row, 3),
        .last_seen_at = sut_pg_get_timestamptz(r, row, 4),
        .expires_at = sut_pg_get_timestamptz(r, row, 5),
        .current = sut_pg_get_bool(r, row, 6),
    };
}

sut_status auth_sessions_list(sut_request *rq, const auth_sessions_list_in *in, auth_sessions_list_out *out)
{
    (void)in;
    const sut_principal *who = sut_request_principal(rq);
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_list, SUT_PG_PARAMS(sut_pg_i64(who->user_id), sut_pg_text(who->session)), &r);
    if (st != 0)
        return st;
    size_t count = (size_t)sut_pg_rows(r);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const auth_session **items = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *items);
    auth_session *rows = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *rows);
    if (!items || !rows)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        fill(&rows[i], r, (int)i);
        items[i] = &rows[i];
    }
    out->items = (sut_list){items, count};
    out->next_cursor = SUT_STR_NONE;
    return 0;
}

typedef struct ending {
    int64_t user_id;
    sut_str session;
    size_t ended;
} ending;

static sut_status end_one(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    ending *e = arg;
    return auth_session_revoke_one(rq, tx, e->user_id, e->session, &e->ended);
}

/* Of a session of somebody else it is said that there is none, as of one that never was. */
sut_status auth_session_end(sut_request *rq, const auth_session_end_in *in, auth_session_end_out *out)
{
    (void)out;
    ending e = {.user_id = sut_request_user_id(rq), .session = in->session};
    sut_status st = sut_pg_tx_run(rq, end_one, &e);
    if (st != 0)
        return st;
    if (e.ended == 0)
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "You have no such session, or it has ended.");
    auth_mirror_drop(rq, e.user_id, e.session);
    return 0;
}

static sut_status end_others(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    ending *e = arg;
    return auth_session_revoke_others(rq, tx, e->user_id, e->session);
}

sut_status auth_sessions_end(sut_request *rq, const auth_sessions_end_in *in, auth_sessions_end_out *out)
{
    (void)in;
    (void)out;
    const sut_principal *who = sut_request_principal(rq);
    ending e = {.user_id = who->user_id, .session = who->session};
    if (!who->session.ptr)
        return sut_fail(rq, SUT_ERR_INVALID, "The caller has no session that could be kept; log out with all instead.");
    sut_status st = sut_pg_tx_run(rq, end_others, &e);
    if (st == 0)
        auth_mirror_drop(rq, e.user_id, SUT_STR_NONE); /* what the mirror lacks is looked up */
    return st;
}
