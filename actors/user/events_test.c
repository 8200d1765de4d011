/* What user publishes and consumes. */
#include "fixture_test.h"

#include "auth_schema.h"
#include "kit/event.h"
#include "user_service.h"

#include <criterion/criterion.h>

#define OWNER 4096

static sut_status updated(sut_request *rq, void *arg)
{
    (void)arg;
    user_user_updated event;
    sut_test_emitted_event info;
    cr_assert_eq(fix_create(rq, OWNER, "ada", NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &user_user_updated_event, 0, NULL, NULL), SUT_ERR_NOT_FOUND);
    user_profile_update_in rename = {.username = SUT_STR("lovelace"), .has_username = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &rename, NULL, NULL), 0);
    user_profile_update_in show = {.display_name = SUT_STR("Ada"), .has_display_name = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &show, NULL, NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &user_user_updated_event, 0, &event, &info), 0);
    cr_assert_eq(event.user_id, OWNER);
    cr_assert_eq(event.version, 2);
    cr_assert(sut_str_is(event.username, "lovelace"));
    cr_assert(sut_str_is(info.key, "4096"));
    cr_assert_eq(info.principal.user_id, OWNER);
    cr_assert_eq(sut_test_emitted(rq, &user_user_updated_event, 1, &event, NULL), 0);
    cr_assert_eq(event.version, 3);
    cr_assert(sut_str_is(event.display_name, "Ada"));
    return 0;
}

Test(events, a_changed_profile_is_published_with_its_version, .timeout = 40)
{
    fix_run(updated);
}

static sut_status refused(sut_request *rq, void *arg)
{
    (void)arg;
    cr_assert_eq(fix_create(rq, OWNER, "ada", NULL), 0);
    cr_assert_eq(fix_create(rq, OWNER + 32, "grace", NULL), 0);
    user_profile_update_in taken = {.username = SUT_STR("grace"), .has_username = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &taken, NULL, NULL), USER_ERR_USERNAME_TAKEN);
    cr_assert_eq(sut_test_emitted(rq, &user_user_updated_event, 0, NULL, NULL), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(events, what_did_not_happen_is_not_published, .timeout = 40)
{
    fix_run(refused);
}

static sut_status registered(sut_request *rq, void *arg)
{
    (void)arg;
    user_profile profile;
    const auth_user_registered event = {.user_id = OWNER, .username = SUT_STR("ada")};
    cr_assert_eq(sut_test_deliver(rq, fix_consumer("user.registered"), &event, NULL, NULL), 0);
    cr_assert_eq(fix_get(rq, 0, OWNER, &profile), 0);
    cr_assert(sut_str_is(profile.username, "ada"));

    user_profile_update_in rename = {.username = SUT_STR("lovelace"), .has_username = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &rename, NULL, NULL), 0);
    cr_assert_eq(sut_test_deliver(rq, fix_consumer("user.registered"), &event, NULL, NULL), 0);
    cr_assert_eq(fix_get(rq, 0, OWNER, &profile), 0);
    cr_assert(sut_str_is(profile.username, "lovelace"), "what is there stays");

    const auth_user_registered undone = {.user_id = OWNER + 32, .username = SUT_STR("grace")};
    cr_assert_eq(fix_undo(rq, OWNER + 32, NULL), 0);
    cr_assert_eq(sut_test_deliver(rq, fix_consumer("user.registered"), &undone, NULL, NULL), 0);
    cr_assert_eq(fix_get(rq, 0, OWNER + 32, &profile), SUT_ERR_NOT_FOUND, "a given-up registration is not revived");
    return 0;
}

Test(events, whoever_is_registered_has_a_profile, .timeout = 40)
{
    fix_run(registered);
}
