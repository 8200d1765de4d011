#include "gate/revocations.h"

#include "base/clock.h"
#include "token/token.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

TestSuite(revocations, .timeout = 30);

#define T0 (1000 * SUT_NS_PER_S)

static sut_revocations *make(size_t max)
{
    sut_revocations *r = NULL;
    cr_assert_eq(sut_revocations_new(&r, max), 0);
    return r;
}

static sut_session_verdict check(const sut_revocations *r, int64_t user, const char *session, int64_t issued,
                                 uint64_t now)
{
    return sut_revocations_check(r, user, sut_str_from(session), issued, now);
}

Test(revocations, nothing_is_known_before_the_first_load)
{
    sut_revocations *r = make(10);
    cr_assert_eq(check(r, 1, "s", 5, T0), SUT_SESSION_UNKNOWN);
    sut_revocations_current(r, T0);
    cr_assert_eq(check(r, 1, "s", 5, T0), SUT_SESSION_LIVE);
    sut_revocations_free(r);
}

Test(revocations, news_of_three_seconds_ago_is_stale)
{
    sut_revocations *r = make(10);
    const sut_revocation item = {.user_id = 1, .session = SUT_STR("gone"), .at = 100};
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    sut_revocations_current(r, T0);
    cr_assert_eq(check(r, 1, "s", 5, T0 + 3000 * SUT_NS_PER_MS), SUT_SESSION_LIVE);
    cr_assert_eq(check(r, 1, "s", 5, T0 + 3001 * SUT_NS_PER_MS), SUT_SESSION_UNKNOWN);
    cr_assert_eq(check(r, 1, "gone", 5, T0 + 9999 * SUT_NS_PER_MS), SUT_SESSION_REVOKED);
    sut_revocations_current(r, T0 + 5000 * SUT_NS_PER_MS);
    cr_assert_eq(check(r, 1, "s", 5, T0 + 5000 * SUT_NS_PER_MS), SUT_SESSION_LIVE);
    sut_revocations_free(r);
}

Test(revocations, a_session_is_revoked_for_its_user_only)
{
    sut_revocations *r = make(10);
    const sut_revocation item = {.user_id = 1, .session = SUT_STR("s"), .at = 100};
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    sut_revocations_current(r, T0);
    cr_assert_eq(check(r, 1, "s", 5, T0), SUT_SESSION_REVOKED);
    cr_assert_eq(check(r, 1, "t", 5, T0), SUT_SESSION_LIVE);
    cr_assert_eq(check(r, 2, "s", 5, T0), SUT_SESSION_LIVE);
    cr_assert_eq(check(r, 11, "s", 5, T0), SUT_SESSION_LIVE);
    sut_revocations_free(r);
}

Test(revocations, all_of_a_user_up_to_a_second)
{
    sut_revocations *r = make(10);
    sut_revocation item = {.user_id = 1, .issued_before = 50, .at = 100};
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    item.issued_before = 40; /* an earlier one takes nothing back */
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    cr_assert_eq(sut_revocations_count(r), 1);
    sut_revocations_current(r, T0);
    cr_assert_eq(check(r, 1, "any", 50, T0), SUT_SESSION_REVOKED);
    cr_assert_eq(check(r, 1, "any", 51, T0), SUT_SESSION_LIVE);
    item.issued_before = 60;
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    cr_assert_eq(check(r, 1, "any", 51, T0), SUT_SESSION_REVOKED);
    sut_revocations_free(r);
}

Test(revocations, held_for_one_token_lifetime)
{
    sut_revocations *r = make(10);
    const sut_revocation one = {.user_id = 1, .session = SUT_STR("s"), .at = 100},
                         two = {.user_id = 2, .issued_before = 200, .at = 200};
    cr_assert_eq(sut_revocations_add(r, &one), 0);
    cr_assert_eq(sut_revocations_add(r, &two), 0);
    sut_revocations_current(r, T0);
    sut_revocations_expire(r, 100 + SUT_TOKEN_LIFETIME_S + SUT_TOKEN_LEEWAY_S);
    cr_assert_eq(check(r, 1, "s", 5, T0), SUT_SESSION_REVOKED);
    sut_revocations_expire(r, 100 + SUT_TOKEN_LIFETIME_S + 2 * SUT_TOKEN_LEEWAY_S);
    cr_assert_eq(check(r, 1, "s", 5, T0), SUT_SESSION_LIVE);
    cr_assert_eq(check(r, 2, "s", 5, T0), SUT_SESSION_REVOKED);
    sut_revocations_expire(r, INT64_C(1) << 40);
    cr_assert_eq(sut_revocations_count(r), 0);
    sut_revocations_free(r);
}

Test(revocations, one_that_does_not_fit_makes_all_stale)
{
    sut_revocations *r = make(2);
    sut_revocation item = {.user_id = 1, .session = SUT_STR("s"), .at = 100};
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    item.user_id = 2;
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    sut_revocations_current(r, T0);
    item.user_id = 3;
    cr_assert_eq(sut_revocations_add(r, &item), -ENOSPC);
    sut_revocations_current(r, T0 + SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS * 2);
    cr_assert_eq(check(r, 9, "s", 5, T0 + SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS * 2), SUT_SESSION_UNKNOWN);
    sut_revocations_expire(r, INT64_C(1) << 40);
    sut_revocations_reload(r);
    cr_assert_eq(sut_revocations_add(r, &item), 0);
    sut_revocations_current(r, T0 + SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS * 2);
    cr_assert_eq(check(r, 9, "s", 5, T0 + SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS * 2), SUT_SESSION_LIVE);
    sut_revocations_free(r);
}

Test(revocations, what_is_no_revocation)
{
    sut_revocations *r = make(2);
    char longer[SUT_TOKEN_SID_MAX + 1];
    memset(longer, 'x', sizeof(longer));
    const sut_revocation nobody = {.user_id = 0, .session = SUT_STR("s")},
                         too_long = {.user_id = 1, .session = {longer, sizeof(longer)}};
    cr_assert_eq(sut_revocations_add(r, &nobody), -EINVAL);
    cr_assert_eq(sut_revocations_add(r, &too_long), -EINVAL);
    cr_assert_eq(sut_revocations_check(r, 1, too_long.session, 5, T0), SUT_SESSION_REVOKED);
    sut_revocations_free(r);
}

static void *read_all(void *arg)
{
    for (int64_t i = 0; i < 20000; i++)
        (void)check(arg, i % 500, "s", 5, T0);
    return NULL;
}

Test(revocations, readers_beside_a_writer)
{
    sut_revocations *r = make(1000);
    pthread_t readers[3];
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_all, r), 0);
    for (int64_t i = 1; i < 500; i++) {
        const sut_revocation item = {.user_id = i, .session = SUT_STR("s"), .at = i};
        cr_assert_eq(sut_revocations_add(r, &item), 0);
        sut_revocations_expire(r, i);
    }
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(pthread_join(readers[i], NULL), 0);
    cr_assert_eq(check(r, 499, "s", 5, T0), SUT_SESSION_REVOKED);
    sut_revocations_free(r);
}
