/* Look-ups over the tables of the real schemas. */
#include "auth_schema.h"
#include "user_schema.h"

#include <criterion/criterion.h>

TestSuite(schema_lookup, .timeout = 10);

Test(schema_lookup, every_method_is_found_by_its_name)
{
    cr_assert_gt(sut_method_count, 0);
    for (size_t i = 0; i < sut_method_count; i++) {
        cr_expect_eq(sut_method_find(sut_str_from(sut_methods[i]->name)), sut_methods[i]);
        cr_expect(i == 0 || strcmp(sut_methods[i - 1]->name, sut_methods[i]->name) < 0, "sorted, none twice");
    }
    cr_expect_eq(sut_method_find(SUT_STR("auth.login")), &auth_login_method);
}

Test(schema_lookup, no_other_name_is_found)
{
    const char *names[] = {"", "a", "auth.logi", "auth.login2", "zzz", "auth", "auth.login\n"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(names); i++)
        cr_expect_null(sut_method_find(sut_str_from(names[i])), "%s", names[i]);
    cr_expect_null(sut_method_find(SUT_STR_NONE));
    cr_expect_null(sut_method_find((sut_str){"auth.login\0", 11}));
}

Test(schema_lookup, records)
{
    for (size_t d = 0; d < sut_domain_count; d++)
        for (size_t r = 0; r < sut_domains[d]->record_count; r++)
            cr_expect_eq(
                sut_schema_record(sut_str_from(sut_domains[d]->name), sut_str_from(sut_domains[d]->records[r]->name)),
                sut_domains[d]->records[r]);
    cr_expect_eq(sut_schema_record(SUT_STR("user"), SUT_STR("profile")), &user_profile_record);
    cr_expect_null(sut_schema_record(SUT_STR("auth"), SUT_STR("profile")));
    cr_expect_null(sut_schema_record(SUT_STR("nobody"), SUT_STR("profile")));
    cr_expect_null(sut_schema_record(SUT_STR("user"), SUT_STR_NONE));
}

Test(schema_lookup, errors_by_code)
{
    const sut_error_desc *own = sut_method_error(&auth_register_method, SUT_STR("email_taken"));
    cr_assert_not_null(own);
    cr_expect_eq(own->err, AUTH_ERR_EMAIL_TAKEN);
    cr_expect_eq(own->http_status, 409);
    cr_expect_null(sut_method_error(&user_profile_get_method, SUT_STR("email_taken")), "another domain's");
    cr_expect_eq(sut_method_error(NULL, SUT_STR("not_found")), sut_platform_error(SUT_ERR_NOT_FOUND));
    cr_expect_null(sut_method_error(&auth_register_method, SUT_STR("no such code")));
}

Test(schema_lookup, errors_by_number)
{
    for (size_t i = 0; i < auth_domain.error_count; i++)
        cr_expect_eq(sut_method_error_number(&auth_login_method, auth_domain.errors[i]->err), auth_domain.errors[i]);
    cr_expect_eq(sut_method_error_number(&auth_login_method, SUT_ERR_OVERLOADED),
                 sut_platform_error(SUT_ERR_OVERLOADED));
    cr_expect_null(sut_method_error_number(&auth_login_method, SUT_ERR_DOMAIN_FIRST + (int)auth_domain.error_count));
    cr_expect_null(sut_method_error_number(NULL, SUT_ERR_DOMAIN_FIRST));
    cr_expect_null(sut_method_error_number(&auth_login_method, -5));
}

Test(schema_lookup, routes_are_sorted_and_reach_only_what_they_may)
{
    cr_assert_gt(sut_route_count, 0);
    for (size_t i = 0; i < sut_route_count; i++) {
        const sut_method *m = sut_routes[i];
        cr_assert_not_null(m->http);
        cr_expect_not(m->service_only);
        cr_expect_eq(m->http->source_count, m->in->count);
        int order = i ? strcmp(sut_routes[i - 1]->http->path, m->http->path) : -1;
        cr_expect(order < 0 || (order == 0 && strcmp(sut_routes[i - 1]->http->verb, m->http->verb) < 0));
    }
}

Test(schema_lookup, only_tokens_and_passwords_are_secret)
{
    const sut_field *password = sut_record_field(&auth_login_in_record, SUT_STR("password"));
    cr_assert_not_null(password);
    cr_expect(password->flags & SUT_F_SECRET);
    cr_expect_eq(password->max_bytes, 72);
    cr_expect(sut_record_field(&auth_tokens_record, SUT_STR("refresh_token"))->flags & SUT_F_SECRET);
    cr_expect(sut_record_field(&auth_tokens_record, SUT_STR("email"))->flags & SUT_F_PERSONAL);
    cr_expect_not(sut_record_field(&user_profile_record, SUT_STR("username"))->flags & SUT_F_SECRET);
}

Test(schema_lookup, events_by_subject)
{
    cr_assert_gt(sut_event_count, 0);
    for (size_t i = 0; i < sut_event_count; i++) {
        const sut_event *e = sut_events[i];
        cr_expect_eq(sut_event_find(sut_str_from(e->subject)), e);
        cr_expect(i == 0 || strcmp(sut_events[i - 1]->subject, e->subject) < 0);
        cr_expect(!e->key || (e->key >= e->body->fields && e->key < e->body->fields + e->body->count));
    }
    cr_expect_null(sut_event_find(SUT_STR("user.profile_get")));
    cr_expect_null(sut_event_find(SUT_STR("")));
    cr_expect_null(sut_event_find(SUT_STR_NONE));
    cr_expect(sut_event_find(SUT_STR("probe.sent"))->open);
    cr_expect_not(sut_event_find(SUT_STR("user.registered"))->open);
}

Test(schema_lookup, groups_belong_to_services)
{
    for (size_t i = 0; i < sut_consumer_count; i++)
        cr_expect_str_eq(sut_group_service(sut_str_from(sut_consumers[i]->group)), sut_consumers[i]->service);
    cr_expect_null(sut_group_service(SUT_STR("mailer")));
    cr_expect_null(sut_group_service(SUT_STR_NONE));
}
