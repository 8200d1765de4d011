/* Lists: their order, pages under change, cursors, and who sees what; and cards. */
#include "fixture_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { OWNER = 32, VIEWER = 64, FANS = 25 };
#define FAN(n) (INT64_C(32) * (10 + (n)))

static void sql(sut_test_postgres *pg, const char *query)
{
    sut_test_postgres_sql(pg, query);
}

/* Fans with the ids FAN(0) …, each of whom follows the owner, two at a time. */
static void people(sut_request *rq, sut_test_postgres *pg)
{
    char name[32];
    cr_assert_eq(fix_create(rq, OWNER, "owner", NULL), 0);
    cr_assert_eq(fix_create(rq, VIEWER, "viewer", NULL), 0);
    for (int i = 0; i < FANS; i++) {
        snprintf(name, sizeof name, "fan%d", i);
        cr_assert_eq(fix_create(rq, FAN(i), name, NULL), 0);
    }
    sql(pg,
        "WITH made AS (INSERT INTO connections (user_id, other_id, kind, created_at) SELECT 32 * (10 + i), 32, "
        "'follow',"
        " timestamptz '2026-01-01' + i / 2 * interval '1 s' FROM generate_series(0, 24) i RETURNING 1) SELECT count(*)"
        " FROM made");
}

static int page_of(sut_request *rq, const sut_method *m, int64_t viewer, int64_t owner, int limit, sut_str cursor,
                   user_page *out)
{
    const sut_principal who = {.user_id = viewer, .level = 1};
    user_followers_in in = {.user_id = owner,
                            .limit = limit,
                            .has_limit = SUT_PRESENT,
                            .cursor = cursor,
                            .has_cursor = cursor.ptr ? SUT_PRESENT : SUT_ABSENT};
    cr_assert_eq(m->in->size, sizeof in);
    return sut_test_call(rq, m, viewer ? &who : NULL, &in, out, NULL);
}

static int own_page(sut_request *rq, const sut_method *m, int64_t viewer, user_page *out)
{
    const sut_principal who = {.user_id = viewer, .level = 1};
    user_blocks_in in = {0};
    cr_assert_eq(m->in->size, sizeof in);
    return sut_test_call(rq, m, viewer ? &who : NULL, &in, out, NULL);
}

static const user_card *card(const user_page *page, size_t i)
{
    cr_assert_lt(i, page->items.count);
    return ((const user_card *const *)page->items.items)[i];
}

/* ---- pages ---- */

static sut_status pages(sut_request *rq, void *arg)
{
    user_page p;
    int64_t seen[64];
    size_t count = 0;
    sut_str cursor = SUT_STR_NONE;
    people(rq, arg);
    for (int turn = 0; turn == 0 || cursor.ptr; turn++) {
        cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, cursor, &p), 0);
        cr_assert_eq(p.items.count, turn < 6 ? 4 : 1);
        for (size_t i = 0; i < p.items.count; i++)
            seen[count++] = card(&p, i)->user_id;
        cursor = p.next_cursor;
        /* what comes and goes elsewhere moves nothing */
        if (turn == 1)
            sql(arg, "WITH x AS (DELETE FROM connections WHERE user_id = 1088 RETURNING 1) SELECT count(*) FROM x");
        if (turn == 2)
            sql(arg, "INSERT INTO connections (user_id, other_id, kind) VALUES (64, 32, 'follow') RETURNING 1");
    }
    cr_assert_eq(count, FANS);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(seen[i], FAN(FANS - 1 - (int)i), "newest first, each once; %zu is %lld", i, (long long)seen[i]);
    cr_assert_eq(page_of(rq, &user_followers_method, 0, OWNER, 100, SUT_STR_NONE, &p), 0);
    cr_assert_eq(p.items.count, FANS, "with the one who came, without the one who went");
    cr_assert_null(p.next_cursor.ptr);
    cr_assert_eq(card(&p, 0)->has_relation, SUT_ABSENT, "nobody has no relations");
    cr_assert_eq(page_of(rq, &user_followers_method, FAN(3), OWNER, 25, SUT_STR_NONE, &p), 0);
    cr_assert_null(p.next_cursor.ptr, "as many as asked for, and no more");
    cr_assert(sut_str_is(card(&p, 0)->username, "viewer"));
    cr_assert_eq(card(&p, 0)->has_relation, SUT_PRESENT);
    cr_assert_eq(page_of(rq, &user_following_method, VIEWER, FAN(3), 20, SUT_STR_NONE, &p), 0);
    cr_assert_eq(p.items.count, 1);
    cr_assert_eq(card(&p, 0)->user_id, OWNER);
    cr_assert(card(&p, 0)->relation->following);
    const int wrong[] = {-1, 0, 101};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, wrong[i], SUT_STR_NONE, &p), SUT_ERR_INVALID);
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, 96, 20, SUT_STR_NONE, &p), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(list, pages_are_stable_under_change, .timeout = 40)
{
    fix_run(pages);
}

static sut_status cursors(sut_request *rq, void *arg)
{
    user_page p;
    char text[80];
    people(rq, arg);
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, SUT_STR_NONE, &p), 0);
    sut_str good = p.next_cursor;
    cr_assert_eq(good.len, 64);
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, good, &p), 0);
    cr_assert_eq(page_of(rq, &user_following_method, VIEWER, OWNER, 4, good, &p), USER_ERR_BAD_CURSOR, "another list");
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, FAN(1), 4, good, &p), USER_ERR_BAD_CURSOR,
                 "another owner");
    cr_assert_eq(page_of(rq, &user_followers_method, OWNER, OWNER, 4, good, &p), USER_ERR_BAD_CURSOR, "another viewer");
    cr_assert_eq(page_of(rq, &user_followers_method, 0, OWNER, 4, good, &p), USER_ERR_BAD_CURSOR, "nobody");
    for (size_t i = 0; i < good.len; i++) {
        memcpy(text, good.ptr, good.len);
        text[i] = text[i] == '0' ? '1' : '0';
        cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, (sut_str){text, good.len}, &p),
                     USER_ERR_BAD_CURSOR, "tampered at %zu", i);
    }
    const char *const none[] = {"", "x", "0000000000000000"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(none); i++)
        cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, sut_str_from(none[i]), &p),
                     USER_ERR_BAD_CURSOR);
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, (sut_str){good.ptr, 63}, &p),
                 USER_ERR_BAD_CURSOR);
    return 0;
}

Test(list, a_cursor_holds_for_its_list_owner_and_viewer, .timeout = 40)
{
    fix_run(cursors);
}

/* ---- who sees what ---- */

static void privacy(sut_test_postgres *pg, const char *json)
{
    char text[256];
    snprintf(text, sizeof text, "UPDATE user_profiles SET privacy_settings = '%s' WHERE user_id = 32 RETURNING 1",
             json);
    sql(pg, text);
}

static sut_status hidden(sut_request *rq, void *arg)
{
    user_page p;
    const int64_t fan = FAN(0), friend = FAN(1);
    people(rq, arg);
    fix_connect(arg, OWNER, friend, "friend", "NULL");
    fix_connect(arg, friend, OWNER, "friend", "NULL");
    const struct {
        const char *json;
        const sut_method *list;
        int nobody, stranger, follower, befriended;
    } cases[] = {
        {"{\"followers\": \"followers\"}", &user_followers_method, USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN, 0, 0},
        {"{\"followers\": \"friends\"}", &user_following_method, USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN,
         USER_ERR_LIST_HIDDEN, 0},
        {"{\"followers\": \"nobody\"}", &user_friends_method, 0, 0, 0, 0},
        {"{\"friends\": \"nobody\"}", &user_friends_method, USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN,
         USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN},
        {"{\"friends\": \"friends\"}", &user_mutual_friends_method, SUT_ERR_UNAUTHENTICATED, USER_ERR_LIST_HIDDEN,
         USER_ERR_LIST_HIDDEN, 0},
        {"{\"private_account\": true}", &user_followers_method, USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN, 0, 0},
        {"{\"friends\": \"of a later version\"}", &user_friends_method, USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN,
         USER_ERR_LIST_HIDDEN, USER_ERR_LIST_HIDDEN},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        privacy(arg, cases[i].json);
        const sut_method *m = cases[i].list;
        cr_assert_eq(page_of(rq, m, 0, OWNER, 4, SUT_STR_NONE, &p), cases[i].nobody, "nobody, %s", cases[i].json);
        cr_assert_eq(page_of(rq, m, VIEWER, OWNER, 4, SUT_STR_NONE, &p), cases[i].stranger, "a stranger, %s",
                     cases[i].json);
        cr_assert_eq(page_of(rq, m, fan, OWNER, 4, SUT_STR_NONE, &p), cases[i].follower, "%s", cases[i].json);
        cr_assert_eq(page_of(rq, m, friend, OWNER, 4, SUT_STR_NONE, &p), cases[i].befriended, "%s", cases[i].json);
        if (m != &user_mutual_friends_method)
            cr_assert_eq(page_of(rq, m, OWNER, OWNER, 4, SUT_STR_NONE, &p), 0, "one's own");
    }
    privacy(arg, "{}");
    fix_connect(arg, VIEWER, FAN(24), "block", "NULL");
    fix_connect(arg, FAN(23), VIEWER, "block", "NULL");
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 100, SUT_STR_NONE, &p), 0);
    for (size_t i = 0; i < p.items.count; i++)
        cr_assert(card(&p, i)->user_id != FAN(24) && card(&p, i)->user_id != FAN(23), "blocked either way");
    fix_connect(arg, OWNER, VIEWER, "block", "NULL");
    cr_assert_eq(page_of(rq, &user_followers_method, VIEWER, OWNER, 4, SUT_STR_NONE, &p), SUT_ERR_NOT_FOUND);
    cr_assert_eq(page_of(rq, &user_followers_method, OWNER, VIEWER, 4, SUT_STR_NONE, &p), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(list, privacy_and_blocks_are_kept, .timeout = 40)
{
    fix_run(hidden);
}

static sut_status own(sut_request *rq, void *arg)
{
    user_page p;
    const sut_principal viewer = {.user_id = VIEWER, .level = 1};
    people(rq, arg);
    fix_connect(arg, VIEWER, FAN(0), "block", "NULL");
    fix_connect(arg, VIEWER, FAN(1), "mute", "NULL");
    fix_connect(arg, VIEWER, FAN(2), "mute", "now() - interval '1 s'");
    fix_connect(arg, FAN(3), VIEWER, "request", "NULL");
    fix_connect(arg, VIEWER, FAN(4), "request", "NULL");
    fix_connect(arg, FAN(5), VIEWER, "follow_request", "NULL");
    fix_connect(arg, VIEWER, FAN(6), "follow_request", "NULL");
    cr_assert_eq(own_page(rq, &user_blocks_method, VIEWER, &p), 0);
    cr_assert(p.items.count == 1 && card(&p, 0)->user_id == FAN(0) && card(&p, 0)->relation->blocked);
    cr_assert_eq(own_page(rq, &user_mutes_method, VIEWER, &p), 0);
    cr_assert(p.items.count == 1 && card(&p, 0)->user_id == FAN(1) && card(&p, 0)->relation->muted, "not what ran out");
    cr_assert_eq(own_page(rq, &user_blocks_method, OWNER, &p), 0);
    cr_assert_eq(p.items.count, 0);
    cr_assert_eq(own_page(rq, &user_blocks_method, 0, &p), SUT_ERR_UNAUTHENTICATED);
    for (int i = 0; i < 4; i++) {
        user_requests_in in = {
            .kind = i / 2, .direction = i % 2, .has_kind = SUT_PRESENT, .has_direction = SUT_PRESENT};
        cr_assert_eq(sut_test_call(rq, &user_requests_method, &viewer, &in, &p, NULL), 0);
        cr_assert_eq(p.items.count, 1);
        cr_assert_eq(card(&p, 0)->user_id, FAN(3 + i));
    }
    fix_connect(arg, OWNER, FAN(7), "friend", "NULL");
    fix_connect(arg, OWNER, FAN(8), "friend", "NULL");
    fix_connect(arg, VIEWER, FAN(8), "friend", "NULL");
    cr_assert_eq(page_of(rq, &user_mutual_friends_method, VIEWER, OWNER, 20, SUT_STR_NONE, &p), 0);
    cr_assert(p.items.count == 1 && card(&p, 0)->user_id == FAN(8) && card(&p, 0)->relation->friend);
    cr_assert_eq(page_of(rq, &user_mutual_friends_method, VIEWER, VIEWER, 20, SUT_STR_NONE, &p),
                 USER_ERR_SELF_RELATION);
    return 0;
}

Test(list, ones_own_lists, .timeout = 40)
{
    fix_run(own);
}

/* ---- cards ---- */

static int cards(sut_request *rq, int64_t *ids, size_t count, int64_t viewer, user_cards_out *out)
{
    user_cards_in in = {
        .user_ids = {ids, count}, .viewer_id = viewer, .has_viewer_id = viewer ? SUT_PRESENT : SUT_ABSENT};
    return sut_test_call(rq, &user_cards_method, NULL, &in, out, NULL);
}

static sut_status batch(sut_request *rq, void *arg)
{
    user_cards_out out;
    int64_t ids[201], some[] = {FAN(1), 9999, OWNER, FAN(0), FAN(1), VIEWER};
    people(rq, arg);
    fix_connect(arg, VIEWER, OWNER, "follow", "NULL");
    fix_connect(arg, FAN(0), VIEWER, "block", "NULL");
    cr_assert_eq(cards(rq, some, SUT_ARRAY_LEN(some), VIEWER, &out), 0);
    cr_assert_eq(out.items.count, 3, "each once; not the one who blocks, not nobody");
    const user_card *const *items = out.items.items;
    cr_assert(items[0]->user_id == OWNER && items[0]->relation->following && !items[0]->relation->followed_by);
    cr_assert(items[1]->user_id == VIEWER && items[1]->has_relation == SUT_ABSENT);
    cr_assert(items[2]->user_id == FAN(1) && sut_str_is(items[2]->username, "fan1"));
    cr_assert_eq(cards(rq, some, SUT_ARRAY_LEN(some), 0, &out), 0);
    cr_assert_eq(out.items.count, 4);
    for (int i = 0; i < 201; i++)
        ids[i] = 32 * (i + 1);
    cr_assert_eq(cards(rq, ids, 200, VIEWER, &out), 0);
    cr_assert_eq(cards(rq, ids, 201, VIEWER, &out), SUT_ERR_INVALID);
    cr_assert_eq(cards(rq, ids, 0, VIEWER, &out), SUT_ERR_INVALID);
    return 0;
}

Test(list, cards_of_many, .timeout = 40)
{
    fix_run(batch);
}
