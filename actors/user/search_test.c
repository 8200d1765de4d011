/* Search: its steps, who is absent, the order, pages, and texts that mean mischief. */
#include "fixture_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { VIEWER = 32, ADA = 64, ADAM = 96, JOSE = 128, BIO = 160, MICHAEL = 192 };

static int find(sut_request *rq, int64_t viewer, const char *q, int limit, sut_str cursor, user_search_out *out)
{
    const sut_principal who = {.user_id = viewer, .level = 1};
    const user_search_in in = {.q = sut_str_from(q),
                               .limit = limit,
                               .has_limit = SUT_PRESENT,
                               .cursor = cursor,
                               .has_cursor = cursor.ptr ? SUT_PRESENT : SUT_ABSENT};
    return sut_test_call(rq, &user_search_method, viewer ? &who : NULL, &in, out, NULL);
}

static const user_found *hit(const user_search_out *out, size_t i)
{
    cr_assert_lt(i, out->items.count);
    return ((const user_found *const *)out->items.items)[i];
}

/* The only hit, or the first of more. */
static void expect(sut_request *rq, int64_t viewer, const char *q, int64_t user_id, user_search_match match)
{
    user_search_out out;
    cr_assert_eq(find(rq, viewer, q, 20, SUT_STR_NONE, &out), 0, "%s", q);
    cr_assert(out.complete, "%s", q);
    cr_assert_gt(out.items.count, 0, "'%s' finds nobody", q);
    cr_assert_eq(hit(&out, 0)->user_id, user_id, "'%s' finds %lld", q, (long long)hit(&out, 0)->user_id);
    cr_assert_eq(hit(&out, 0)->match, (int32_t)match, "'%s' by %d", q, (int)hit(&out, 0)->match);
}

static size_t count(sut_request *rq, int64_t viewer, const char *q)
{
    user_search_out out;
    cr_assert_eq(find(rq, viewer, q, 100, SUT_STR_NONE, &out), 0, "%s", q);
    return out.items.count;
}

static void person(sut_request *rq, int64_t id, const char *username, const char *display, const char *bio)
{
    user_profile_update_in in = {.display_name = sut_str_from(display),
                                 .has_display_name = SUT_PRESENT,
                                 .bio = sut_str_from(bio),
                                 .has_bio = SUT_PRESENT};
    cr_assert_eq(fix_create(rq, id, username, NULL), 0);
    cr_assert_eq(fix_update(rq, id, &in, NULL, NULL), 0);
}

static void people(sut_request *rq)
{
    person(rq, VIEWER, "viewer", "Vera Vogel", "");
    person(rq, ADA, "ada", "Augusta King", "First programmer.");
    person(rq, ADAM, "adam_smith", "Adam Smith", "");
    person(rq, JOSE, "pepe", "Jos\u00e9 \u00c5str\u00f6m", "");
    person(rq, BIO, "quiet", "Somebody", "Keeper of bees/hives and caf\u00e9s");
    person(rq, MICHAEL, "mjones", "Michael Jones", "");
}

static sut_status steps(sut_request *rq, void *arg)
{
    (void)arg;
    people(rq);
    expect(rq, VIEWER, "ADA", ADA, USER_SEARCH_MATCH_USERNAME);
    cr_assert_eq(count(rq, VIEWER, "ada"), 2, "the exact one first, then the other");
    expect(rq, 0, "august", ADA, USER_SEARCH_MATCH_DISPLAY_NAME);
    expect(rq, 0, "jose", JOSE, USER_SEARCH_MATCH_DISPLAY_NAME);
    expect(rq, 0, "JOSE\u0301 a\u030a", JOSE, USER_SEARCH_MATCH_DISPLAY_NAME);
    expect(rq, 0, "smith", ADAM, USER_SEARCH_MATCH_USERNAME);
    expect(rq, 0, "king", ADA, USER_SEARCH_MATCH_DISPLAY_NAME);
    expect(rq, 0, "cafes hive", BIO, USER_SEARCH_MATCH_BIO);
    expect(rq, 0, "micheal", MICHAEL, USER_SEARCH_MATCH_SIMILAR);
    cr_assert_eq(count(rq, 0, "mic"), 1);
    cr_assert_eq(count(rq, 0, "mihc"), 0, "four characters, and nobody is alike");
    return 0;
}

Test(search, goes_from_prefixes_to_words_to_what_is_alike, .timeout = 60)
{
    fix_run(steps);
}

static sut_status absent(sut_request *rq, void *arg)
{
    people(rq);
    fix_connect(arg, VIEWER, ADA, "block", "NULL");
    fix_connect(arg, ADAM, VIEWER, "block", "NULL");
    sut_test_postgres_sql(arg, "UPDATE user_profiles SET hidden = true WHERE user_id = 192 RETURNING 1");
    cr_assert_eq(count(rq, VIEWER, "ada"), 0, "either blocks the other");
    cr_assert_eq(count(rq, VIEWER, "programmer"), 0);
    cr_assert_eq(count(rq, VIEWER, "adsm_smith"), 0);
    cr_assert_eq(count(rq, JOSE, "ada"), 2);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(count(rq, JOSE, ((const char *[]){"mjones", "jones", "micheal"})[i]), 0, "hidden");
    return 0;
}

Test(search, blocked_and_hidden_people_are_absent, .timeout = 60)
{
    fix_run(absent);
}

static sut_status mischief(sut_request *rq, void *arg)
{
    (void)arg;
    people(rq);
    const char *nobody[] = {"%",  "_",      "\\",     "a%a",    "a_a",     "...",
                            "!?", "' & :*", "\u0301", "\u200f", "a\u202e", "\U0001f984"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(nobody); i++)
        cr_assert_eq(count(rq, 0, nobody[i]), 0, "%zu", i);
    user_search_out out;
    cr_assert_eq(find(rq, 0, "ada' | 'pepe", 20, SUT_STR_NONE, &out), 0);
    for (size_t i = 0; i < out.items.count; i++)
        cr_assert_eq(hit(&out, i)->match, (int32_t)USER_SEARCH_MATCH_SIMILAR,
                     "words are all sought, never one or the other");
    const char *refused[] = {"", "   ", "\t\n"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(refused); i++)
        cr_assert_eq(find(rq, 0, refused[i], 20, SUT_STR_NONE, &out), SUT_ERR_INVALID);
    char text[102];
    memset(text, 'x', 101);
    text[101] = '\0';
    cr_assert_eq(find(rq, 0, text, 20, SUT_STR_NONE, &out), SUT_ERR_INVALID);
    cr_assert_eq(find(rq, 0, text + 1, 20, SUT_STR_NONE, &out), 0);
    return 0;
}

Test(search, wildcards_and_signs_mean_nothing, .timeout = 60)
{
    fix_run(mischief);
}

static sut_status order(sut_request *rq, void *arg)
{
    char name[32];
    user_search_out out;
    cr_assert_eq(fix_create(rq, VIEWER, "viewer", NULL), 0);
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "kim%d", i);
        cr_assert_eq(fix_create(rq, 32 * (1 + i), name, NULL), 0);
    }
    fix_connect(arg, VIEWER, 32 * 10, "friend", "NULL"); /* kim9 is a friend, kim8 followed, kim7 a friend of kim9 */
    fix_connect(arg, 32 * 10, VIEWER, "friend", "NULL");
    fix_connect(arg, VIEWER, 32 * 9, "follow", "NULL");
    fix_connect(arg, 32 * 10, 32 * 8, "friend", "NULL");
    fix_connect(arg, 32 * 8, 32 * 10, "friend", "NULL");
    sut_test_postgres_sql(arg, "INSERT INTO connection_counts (user_id, followers) VALUES (224, 3) RETURNING 1");
    const int64_t expected[] = {320, 288, 256, 224, 64, 96, 128, 160, 192};
    sut_str cursor = SUT_STR_NONE;
    for (size_t i = 0; i < 9; i += 2) {
        cr_assert_eq(find(rq, VIEWER, "kim", 2, cursor, &out), 0);
        cr_assert_eq(out.items.count, i < 8 ? 2 : 1);
        for (size_t j = 0; j < out.items.count; j++)
            cr_assert_eq(hit(&out, j)->user_id, expected[i + j], "%zu is %lld", i + j,
                         (long long)hit(&out, j)->user_id);
        cursor = out.next_cursor.ptr ? sut_request_str(rq, out.next_cursor) : SUT_STR_NONE;
        cr_assert_eq(cursor.ptr == NULL, i == 8);
        if (i == 0) {
            user_search_out other;
            cr_assert_eq(find(rq, VIEWER, "ki", 2, cursor, &other), USER_ERR_BAD_CURSOR, "of another text");
            cr_assert_eq(find(rq, 0, "kim", 2, cursor, &other), USER_ERR_BAD_CURSOR, "of another viewer");
        }
    }
    cr_assert_eq(find(rq, VIEWER, "kim5", 1, SUT_STR_NONE, &out), 0);
    cr_assert_eq(hit(&out, 0)->user_id, 192, "the exact one");
    return 0;
}

Test(search, exact_then_close_then_followed, .timeout = 60)
{
    fix_run(order);
}
