/* auth.admin_users: accounts, the newest first, page by page. Ids grow with time, so they are order and place. */
#include "admin.h"

#include "auth_service.h"
#include "kit/cursor.h"

/* $1: before this id; $2: state; $3, $4: how address and lower-case name begin, for LIKE; NULL: whatever. A suspension
 * that has run out is none. */
#define SUSPENDED "(u.suspended_at IS NOT NULL AND coalesce(u.suspended_until > now(), TRUE))"
static const sut_pg_stmt s_list = {
    "auth_admin_users",
    "SELECT " AUTH_MANAGED_COLUMNS " FROM users u WHERE u.id < $1 "
    "AND ($2::text IS NULL OR $2 = CASE WHEN u.status <> 'active' THEN 'pending' WHEN " SUSPENDED " THEN 'suspended' "
    "WHEN u.deactivated_at IS NOT NULL THEN 'deactivated' ELSE 'active' END) "
    "AND ($3::text IS NULL OR u.email LIKE $3) AND ($4::text IS NULL OR lower(u.username) LIKE $4) "
    "ORDER BY u.id DESC LIMIT $5",
    5};

/* `prefix` as a pattern of LIKE, in which it means itself. Absent stays absent. Usernames are of ASCII. */
static sut_status pattern(sut_request *rq, uint8_t has, sut_str prefix, sut_str *out)
{
    size_t n = 0;
    *out = SUT_STR_NONE;
    if (has != SUT_PRESENT)
        return 0;
    char *text = sut_request_alloc(rq, 2 * prefix.len + 2);
    if (!text)
        return SUT_ERR_INTERNAL;
    for (size_t i = 0; i < prefix.len; i++) {
        char c = prefix.ptr[i];
        if (c == '%' || c == '_' || c == '\\')
            text[n++] = '\\';
        text[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    text[n++] = '%';
    *out = (sut_str){text, n};
    return 0;
}

static sut_str state_name(const auth_admin_users_in *in)
{
    for (size_t i = 0; in->has_state == SUT_PRESENT && i < auth_account_state_enum.count; i++)
        if (auth_account_state_enum.values[i].value == in->state)
            return sut_str_from(auth_account_state_enum.values[i].name);
    return SUT_STR_NONE;
}

/* A pattern ends with its only bare %, so no two filters read alike. */
static sut_status page(sut_request *rq, const auth_admin_users_in *in, auth_admin_users_out *out, sut_str email,
                       sut_str username)
{
    const sut_pg_result *r;
    sut_str state = state_name(in);
    sut_cursor at = SUT_CURSOR_FIRST;
    const sut_cursor_scope scope = {.list = "admin_users",
                                    .viewer_id = sut_request_user_id(rq),
                                    .filter = sut_request_printf(rq, "%.*s\n%.*s\n%.*s", SUT_STR_FMT(state),
                                                                 SUT_STR_FMT(email), SUT_STR_FMT(username))};
    if (!scope.filter.ptr)
        return SUT_ERR_INTERNAL;
    if (in->has_cursor == SUT_PRESENT && !sut_cursor_read(&scope, in->cursor, &at))
        return sut_fail(rq, AUTH_ERR_BAD_CURSOR, "This cursor is not one that this list gave to you.");
    sut_status st = sut_pg_run(rq, &s_list,
                               SUT_PG_PARAMS(sut_pg_i64(at.id), sut_pg_text(state), sut_pg_text(email),
                                             sut_pg_text(username), sut_pg_i64(in->limit + 1)),
                               &r);
    if (st != 0)
        return st;
    bool more = sut_pg_rows(r) > in->limit;
    int count = more ? in->limit : sut_pg_rows(r);
    st = auth_managed_list(rq, r, (size_t)count, &out->items);
    if (st != 0 || !more)
        return st;
    at = (sut_cursor){.at_us = 0, .id = sut_pg_get_i64(r, count - 1, 0)};
    out->next_cursor = sut_cursor_make(rq, &scope, &at);
    return out->next_cursor.ptr ? 0 : sut_fail_internal(rq, "a cursor could not be made");
}

sut_status auth_admin_users(sut_request *rq, const auth_admin_users_in *in, auth_admin_users_out *out)
{
    sut_str email, username;
    sut_status st = pattern(rq, in->has_email, in->email, &email);
    if (st == 0)
        st = pattern(rq, in->has_username, in->username, &username);
    return st != 0 ? st : page(rq, in, out, email, username);
}
