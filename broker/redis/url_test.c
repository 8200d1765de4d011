/* Redis URLs: what they may say, and the line that a wrong one gets. */
#include "url.h"

#include <criterion/criterion.h>

static redis_url s_url;
static char s_error[256];

static sut_status parse(const char *text)
{
    s_error[0] = '\0';
    return redis_url_parse(&s_url, text, s_error, sizeof s_error);
}

Test(redis_url, tcp, .timeout = 5)
{
    cr_assert_eq(parse("redis://localhost"), 0);
    cr_assert_str_eq(s_url.host, "localhost");
    cr_assert_eq(s_url.port, 6379);
    cr_assert_eq(s_url.db, 0);
    cr_assert_str_eq(s_url.path, "");
    cr_assert_str_eq(s_url.password, "");
    cr_assert_eq(parse("redis://app:p%40s%3As%25@10.0.0.1:7000/15"), 0, "%s", s_error);
    cr_assert_str_eq(s_url.user, "app");
    cr_assert_str_eq(s_url.password, "p@s:s%");
    cr_assert_str_eq(s_url.host, "10.0.0.1");
    cr_assert_eq(s_url.port, 7000);
    cr_assert_eq(s_url.db, 15);
    cr_assert_eq(parse("redis://:secret@[::1]:7001"), 0, "%s", s_error);
    cr_assert_str_eq(s_url.user, "");
    cr_assert_str_eq(s_url.password, "secret");
    cr_assert_str_eq(s_url.host, "::1");
    char where[160];
    redis_url_where(&s_url, where, sizeof where);
    cr_assert_str_eq(where, "[::1]:7001");
    cr_assert_eq(parse("redis://[::1]/"), 0);
    cr_assert_eq(s_url.port, 6379);
}

Test(redis_url, unix_sockets, .timeout = 5)
{
    cr_assert_eq(parse("unix:///run/redis@home.sock?db=3"), 0, "%s", s_error);
    cr_assert_str_eq(s_url.path, "/run/redis@home.sock");
    cr_assert_eq(s_url.db, 3);
    cr_assert_str_eq(s_url.host, "");
    cr_assert_eq(parse("unix://app:secret@/run/r.sock"), 0, "%s", s_error);
    cr_assert_str_eq(s_url.path, "/run/r.sock");
    cr_assert_str_eq(s_url.password, "secret");
    char where[160];
    redis_url_where(&s_url, where, sizeof where);
    cr_assert_str_eq(where, "/run/r.sock");
}

Test(redis_url, each_mistake_is_named_without_the_password, .timeout = 5)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "it must be redis://"},
        {"localhost:6379", "it must be redis://"},
        {"http://localhost", "it must be redis://"},
        {"rediss://canary@h", "TLS"},
        {"redis://", "it must be redis://"},
        {"redis://:6379", "it must be redis://"},
        {"redis://host:0", "the port must be"},
        {"redis://host:65536", "the port must be"},
        {"redis://host:", "the port must be"},
        {"redis://host:+1", "the port must be"},
        {"redis://host/x", "the database must be"},
        {"redis://host/-1", "the database must be"},
        {"redis://[::1", "it must be redis://"},
        {"redis://[::1]x", "it must be redis://"},
        {"redis://canary@host", "a login needs a colon"},
        {"redis://u:@host", "the password is empty"},
        {"redis://u:canary%4@host", "wrong percent-escape"},
        {"redis://u:canary%zz@host", "wrong percent-escape"},
        {"redis://u:canary%00@host", "wrong percent-escape"},
        {"redis://u:canary x@host", "blank or control"},
        {"redis://u:canary\n@host", "blank or control"},
        {"unix://run/redis.sock", "must be absolute"},
        {"unix://", "must be absolute"},
        {"unix:///", "must be absolute"},
        {"unix:///a?database=1", "it must be redis://"},
        {"unix:///a?db=", "the database must be"},
        {"unix:///aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
         "longer than 107"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        cr_assert_lt(parse(cases[i].text), 0, "case %zu was taken", i);
        cr_assert_not_null(strstr(s_error, cases[i].says), "case %zu: %s", i, s_error);
        cr_assert_null(strstr(s_error, "canary"), "case %zu: %s", i, s_error);
        cr_assert_str_eq(s_url.password, "", "nothing is left behind");
    }
}
