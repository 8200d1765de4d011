/* users.username follows the user actor, and can be built anew. */
#include "fixture_test.h"

#include "auth_service.h"
#include "kit/projection.h"
#include "user_schema.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static sut_status renamed(sut_request *rq, const auth_tokens *who, const char *name, int64_t version)
{
    const user_user_updated event = {.user_id = who->user_id, .version = version, .username = sut_str_from(name)};
    return sut_test_deliver(rq, fix_consumer("user.updated"), &event, NULL, NULL);
}

static sut_status follows(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada");
    cr_assert_eq(renamed(rq, &ada, "lovelace", 2), 0);
    cr_assert_str_eq(fix_sql(f, "SELECT username FROM users"), "lovelace");
    cr_assert_eq(renamed(rq, &ada, "countess", 4), 0);
    cr_assert_eq(renamed(rq, &ada, "byron", 3), 0, "late, and older");
    cr_assert_str_eq(fix_sql(f, "SELECT username FROM users"), "countess");
    cr_assert_str_eq(fix_sql(f, "SELECT username_version FROM users"), "4");
    return 0;
}

Test(username, follows_the_profile, .timeout = 40)
{
    fix_run(follows);
}

typedef struct owner {
    user_username_version rows[3];
    int pages;
} owner;

/* user.usernames, a row a page. */
static sut_status names(sut_request *rq, const sut_method *m, const void *in, void *out, void *arg)
{
    owner *o = arg;
    const user_usernames_in *asked = in;
    user_usernames_out *answer = out;
    cr_assert_eq(m, &user_usernames_method);
    o->pages++;
    const user_username_version **items = sut_request_alloc(rq, sizeof(*items));
    cr_assert_not_null(items);
    *answer = (user_usernames_out){.cursor = asked->after};
    for (size_t i = 0; i < SUT_ARRAY_LEN(o->rows) && answer->items.count == 0; i++) {
        if (o->rows[i].user_id <= asked->after)
            continue;
        items[0] = &o->rows[i];
        *answer = (user_usernames_out){
            .items = {items, 1}, .cursor = o->rows[i].user_id, .more = i + 1 < SUT_ARRAY_LEN(o->rows)};
    }
    return 0;
}

static sut_status rebuilt(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_projection_diff diff;
    auth_tokens ada = fix_account(rq, "ada"), grace = fix_account(rq, "grace"), joan = fix_account(rq, "joan");
    owner o = {.rows = {{ada.user_id, SUT_STR("lovelace"), 2},
                        {grace.user_id, SUT_STR("hopper"), 2},
                        {joan.user_id + 3200, SUT_STR("nobody"), 1}}};
    cr_assert_eq(renamed(rq, &grace, "admiral", 3), 0, "newer than what the owner's snapshot says");
    sut_test_on_remote(names, &o);
    cr_assert_eq(sut_test_rebuild(rq, "username", &diff), 0);
    sut_test_on_remote(NULL, NULL);
    cr_assert_eq(o.pages, 3);
    cr_assert(diff.missing == 1 && diff.extra == 1 && diff.different == 1);
    cr_assert_str_eq(fix_sql(f, "SELECT string_agg(username, ' ' ORDER BY id) FROM users"), "lovelace admiral joan");

    auth_rebuild_status_in in = {.projection = SUT_STR("username")}, other = {.projection = SUT_STR("nothing")};
    auth_rebuild_status_out out;
    cr_assert_eq(sut_test_call(rq, &auth_rebuild_status_method, NULL, &in, &out, NULL), 0);
    cr_assert(sut_str_is(out.state, "idle"));
    cr_assert_eq(sut_test_call(rq, &auth_rebuild_status_method, NULL, &other, &out, NULL), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(username, is_built_anew_from_the_profiles, .timeout = 40)
{
    fix_run(rebuilt);
}
