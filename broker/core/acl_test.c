/* The access list: who may do what, and every mistake with its line. */
#include "core/acl.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_A "0123456789abcdefghijklmnopqrstuvwxyz#$%&"

static sut_acl *parse(const char *text)
{
    sut_acl *acl = NULL;
    char error[256] = "";
    cr_assert_eq(sut_acl_parse(&acl, sut_str_from(text), error, sizeof(error)), 0, "%s", error);
    return acl;
}

Test(acl, rights_and_roles, .timeout = 10)
{
    sut_acl *acl = parse("# peers\n"
                         "\n"
                         "edge-1   role=edge\tcall=user.*,auth.login # the edge\r\n"
                         "user-1 role=actor serve=user call=post.> key=" KEY_A "\n"
                         "ops role=operator call=> tap=> publish=- subscribe=feed.updated");
    const sut_acl_entry *edge = sut_acl_find(acl, SUT_STR("edge-1"));
    const sut_acl_entry *user = sut_acl_find_key(acl, SUT_STR(KEY_A));
    const sut_acl_entry *ops = sut_acl_find(acl, SUT_STR("ops"));
    cr_assert(edge && user && ops);
    cr_assert_eq(sut_acl_role(edge), SUT_ROLE_EDGE);
    cr_assert(sut_str_is(sut_acl_name(user), "user-1"));
    cr_assert(sut_acl_allows(edge, SUT_RIGHT_CALL, SUT_STR("user.profile_get")));
    cr_assert(sut_acl_allows(edge, SUT_RIGHT_CALL, SUT_STR("auth.login")));
    cr_assert_not(sut_acl_allows(edge, SUT_RIGHT_CALL, SUT_STR("auth.logout")));
    cr_assert_not(sut_acl_allows(edge, SUT_RIGHT_SERVE, SUT_STR("user.profile_get")));
    cr_assert(sut_acl_allows(user, SUT_RIGHT_CALL, SUT_STR("post.a.b")));
    cr_assert(sut_acl_allows(ops, SUT_RIGHT_TAP, SUT_STR("anything.at_all")));
    cr_assert_not(sut_acl_allows(ops, SUT_RIGHT_PUBLISH, SUT_STR("feed.updated")));
    cr_assert(sut_acl_allows(ops, SUT_RIGHT_SUBSCRIBE, SUT_STR("feed.updated")));
    cr_assert(sut_acl_may_set_principal(edge));
    cr_assert(sut_acl_may_set_principal(user));
    cr_assert_not(sut_acl_may_set_principal(ops));
    sut_acl_free(acl);
}

Test(acl, nobody_may_do_anything, .timeout = 10)
{
    sut_acl *acl = parse("tool-1 role=tool call=> revoked\n");
    cr_assert_null(sut_acl_find(acl, SUT_STR("tool-1")));
    cr_assert_null(sut_acl_find(acl, SUT_STR("tool-2")));
    cr_assert_null(sut_acl_find(NULL, SUT_STR("tool-1")));
    cr_assert_not(sut_acl_allows(NULL, SUT_RIGHT_CALL, SUT_STR("user.get")));
    cr_assert_not(sut_acl_may_serve(NULL, SUT_STR("user")));
    cr_assert_not(sut_acl_may_set_principal(NULL));
    cr_assert_eq(sut_acl_role(NULL), SUT_ROLE_NONE);
    sut_acl_free(acl);
}

Test(acl, a_revoked_key_is_no_key, .timeout = 10)
{
    sut_acl *acl = parse("tool-1 role=tool key=" KEY_A " revoked\n");
    cr_assert_null(sut_acl_find_key(acl, SUT_STR(KEY_A)));
    sut_acl_free(acl);
}

Test(acl, to_serve_a_service_needs_the_right_to_all_of_it, .timeout = 10)
{
    sut_acl *acl = parse("a role=actor serve=user\nb role=actor serve=user.>\nc role=actor serve=user.*\n"
                         "d role=actor serve=user.profile_get\ne role=actor serve=>\nf role=actor serve=use\n"
                         "g role=actor call=user.>\n");
    static const struct {
        const char *name;
        bool may;
    } cases[] = {{"a", true}, {"b", true}, {"c", true}, {"d", false}, {"e", true}, {"f", false}, {"g", false}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++)
        cr_assert_eq(sut_acl_may_serve(sut_acl_find(acl, sut_str_from(cases[i].name)), SUT_STR("user")), cases[i].may,
                     "%s", cases[i].name);
    sut_acl_free(acl);
}

Test(acl, the_brokers_own_methods_must_be_named, .timeout = 10)
{
    sut_acl *acl = parse("a role=edge call=>\nb role=edge call=*.*\nc role=tool call=broker.*\n");
    cr_assert_not(sut_acl_allows(sut_acl_find(acl, SUT_STR("a")), SUT_RIGHT_CALL, SUT_STR("broker.status")));
    cr_assert_not(sut_acl_allows(sut_acl_find(acl, SUT_STR("b")), SUT_RIGHT_CALL, SUT_STR("broker.status")));
    cr_assert(sut_acl_allows(sut_acl_find(acl, SUT_STR("c")), SUT_RIGHT_CALL, SUT_STR("broker.status")));
    sut_acl_free(acl);
}

Test(acl, mistakes_name_their_line, .timeout = 10)
{
    static const struct {
        const char *text, *line, *says;
    } cases[] = {
        {"a role=edge\nb\n", "2: ", "role= is missing"},
        {"a role=king", "1: ", "unknown role 'king'"},
        {"a role=edge role=edge", "1: ", "role= is given twice"},
        {"a role=edge call=user.* call=post.*", "1: ", "call= is given twice"},
        {"\n\na role=edge call=user..get", "3: ", "malformed pattern 'user..get'"},
        {"a role=edge call=", "1: ", "malformed pattern ''"},
        {"a role=edge call=user.get,", "1: ", "malformed pattern ''"},
        {"a role=edge call=User.get", "1: ", "malformed pattern 'User.get'"},
        {"a role=edge call=>.get", "1: ", "malformed pattern '>.get'"},
        {"a role=edge call=us*.get", "1: ", "malformed pattern 'us*.get'"},
        {"a role=edge admin", "1: ", "unknown word 'admin'"},
        {"a role=edge color=red", "1: ", "unknown word 'color=red'"},
        {"a role=edge key=short", "1: ", "Z85"},
        {"a role=edge key=" KEY_A " key=" KEY_A, "1: ", "key= is given twice"},
        {"a role=edge key=" KEY_A "\nb role=edge key=" KEY_A, "2: ", "another peer"},
        {"a role=edge\n# c\na role=tool", "3: ", "has a line already"},
        {"a/b role=edge", "1: ", "malformed name 'a/b'"},
        {"role=edge", "1: ", "malformed name"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_acl *acl = NULL;
        char error[256] = "";
        cr_expect_eq(sut_acl_parse(&acl, sut_str_from(cases[i].text), error, sizeof(error)), -EINVAL, "%s",
                     cases[i].text);
        cr_expect_null(acl);
        cr_expect_eq(strncmp(error, cases[i].line, strlen(cases[i].line)), 0, "%s: %s", cases[i].text, error);
        cr_expect_not_null(strstr(error, cases[i].says), "%s: %s", cases[i].text, error);
    }
}

Test(acl, a_nul_byte_and_a_long_name_are_refused, .timeout = 10)
{
    sut_acl *acl = NULL;
    char error[256], text[128];
    cr_assert_eq(sut_acl_parse(&acl, (sut_str){"a role=edge\0call=>", 18}, error, sizeof(error)), -EINVAL);
    (void)snprintf(text, sizeof(text), "%065d role=edge", 7);
    cr_assert_eq(sut_acl_parse(&acl, sut_str_from(text), error, sizeof(error)), -EINVAL);
    (void)snprintf(text, sizeof(text), "%064d role=edge", 7);
    cr_assert_eq(sut_acl_parse(&acl, sut_str_from(text), error, sizeof(error)), 0);
    sut_acl_free(acl);
}

Test(acl, a_short_error_buffer_is_not_overrun, .timeout = 10)
{
    sut_acl *acl = NULL;
    char error[8] = "1234567";
    cr_assert_eq(sut_acl_parse(&acl, SUT_STR("a role=king"), error, 5), -EINVAL);
    cr_assert_eq(error[4], '\0');
    cr_assert_eq(error[5], '6');
    cr_assert_eq(sut_acl_parse(&acl, SUT_STR("a role=king"), error, 0), -EINVAL);
}

Test(acl, names_of_roles, .timeout = 10)
{
    for (sut_role r = SUT_ROLE_EDGE; r <= SUT_ROLE_OPERATOR; r++) {
        sut_role back = SUT_ROLE_NONE;
        cr_assert(sut_role_parse(sut_str_from(sut_role_name(r)), &back));
        cr_assert_eq(back, r);
    }
    sut_role none;
    cr_assert_not(sut_role_parse(SUT_STR("none"), &none));
    cr_assert_not(sut_role_parse(SUT_STR(""), &none));
}
