/* Settings: what is not given stays, and what was never set has its default. */
#include "fixture_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ADA = 32, NOBODY = 64 };

static int put(sut_request *rq, int64_t me, const user_settings_update_in *in, user_settings *out)
{
    const sut_principal who = {.user_id = me, .level = 1};
    return sut_test_call(rq, &user_settings_update_method, me ? &who : NULL, in, out, NULL);
}

static user_settings get(sut_request *rq, int64_t me)
{
    user_settings out;
    const sut_principal who = {.user_id = me, .level = 1};
    cr_assert_eq(sut_test_call(rq, &user_settings_get_method, &who, &(user_settings_get_in){0}, &out, NULL), 0);
    return out;
}

static sut_status settings(sut_request *rq, void *arg)
{
    (void)arg;
    user_settings s, fresh;
    const user_settings_update_in nothing = {.has_locale = SUT_ABSENT};
    const user_notification_defaults quiet = {
        .liked = false, .has_liked = SUT_PRESENT, .by_email = true, .has_by_email = SUT_PRESENT};
    cr_assert_eq(fix_create(rq, ADA, "ada", NULL), 0);
    fresh = get(rq, ADA);
    cr_assert(sut_str_is(fresh.locale, "en") && sut_str_is(fresh.time_zone, "UTC"));
    cr_assert(fresh.notifications->liked && fresh.notifications->by_push && !fresh.notifications->by_email);
    cr_assert_eq(put(rq, ADA, &nothing, &s), 0);
    cr_assert_eq(memcmp(s.notifications, fresh.notifications, sizeof *s.notifications), 0,
                 "the row's defaults are these");
    cr_assert(sut_str_eq(s.locale, fresh.locale) && sut_str_eq(s.time_zone, fresh.time_zone));
    const user_settings_update_in some = {.time_zone = SUT_STR("Europe/London"),
                                          .has_time_zone = SUT_PRESENT,
                                          .notifications = &quiet,
                                          .has_notifications = SUT_PRESENT};
    cr_assert_eq(put(rq, ADA, &some, &s), 0);
    const user_settings_update_in more = {.locale = SUT_STR("de-AT"), .has_locale = SUT_PRESENT};
    cr_assert_eq(put(rq, ADA, &more, &s), 0);
    s = get(rq, ADA);
    cr_assert(sut_str_is(s.locale, "de-AT") && sut_str_is(s.time_zone, "Europe/London"));
    cr_assert(!s.notifications->liked && s.notifications->commented && s.notifications->by_email);
    cr_assert_eq(put(rq, NOBODY, &nothing, &s), SUT_ERR_NOT_FOUND);
    cr_assert_eq(put(rq, 0, &nothing, &s), SUT_ERR_UNAUTHENTICATED);
    const user_settings_update_in wrong[] = {{.locale = SUT_STR("x y"), .has_locale = SUT_PRESENT},
                                             {.time_zone = SUT_STR("Mars/ Olympus"), .has_time_zone = SUT_PRESENT}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_eq(put(rq, ADA, &wrong[i], &s), SUT_ERR_INVALID);
    return 0;
}

Test(settings, what_is_not_given_stays, .timeout = 40)
{
    fix_run(settings);
}
