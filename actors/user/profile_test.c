/* Reading and changing profiles: who sees what, and what may be written. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { OWNER = 32, VIEWER = 64, OTHER = 96 };

static const char *audience_name(user_audience a)
{
    return user_audience_enum.values[a].name;
}

static void fill(sut_request *rq)
{
    user_profile_update_in in = {.location = SUT_STR("London"),
                                 .has_location = SUT_PRESENT,
                                 .website = SUT_STR("https://example.org/"),
                                 .has_website = SUT_PRESENT,
                                 .birth_date = -8791,
                                 .has_birth_date = SUT_PRESENT};
    cr_assert_eq(fix_create(rq, OWNER, "owner", NULL), 0);
    cr_assert_eq(fix_create(rq, VIEWER, "viewer", NULL), 0);
    cr_assert_eq(fix_create(rq, OTHER, "other", NULL), 0);
    cr_assert_eq(fix_update(rq, OWNER, &in, NULL, NULL), 0);
}

static void show_to(sut_request *rq, user_audience a)
{
    user_privacy_settings p = {.birth_date = (int32_t)a,
                               .location = (int32_t)a,
                               .website = (int32_t)a,
                               .has_birth_date = SUT_PRESENT,
                               .has_location = SUT_PRESENT,
                               .has_website = SUT_PRESENT};
    user_profile_update_in in = {.privacy_settings = &p, .has_privacy_settings = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &in, NULL, NULL), 0);
}

/* Who looks, by what the connection is. */
typedef struct looker {
    const char *what;
    int64_t viewer;
    int64_t from, to;
    const char *kind;
    bool sees[4]; /* by user_audience */
} looker;

static const looker s_lookers[] = {
    {"nobody", 0, 0, 0, NULL, {true, false, false, false}},
    {"a stranger", VIEWER, 0, 0, NULL, {true, false, false, false}},
    {"a follower", VIEWER, VIEWER, OWNER, "follow", {true, true, false, false}},
    {"one who is followed", VIEWER, OWNER, VIEWER, "follow", {true, false, false, false}},
    {"one who asks", VIEWER, VIEWER, OWNER, "request", {true, false, false, false}},
    {"one who mutes", VIEWER, VIEWER, OWNER, "mute", {true, false, false, false}},
    {"a friend", VIEWER, VIEWER, OWNER, "friend", {true, true, true, false}},
    {"somebody else's friend", VIEWER, VIEWER, OTHER, "friend", {true, false, false, false}},
    {"the owner", OWNER, 0, 0, NULL, {true, true, true, true}},
};

static void check_view(const user_profile *p, const looker *l, user_audience a)
{
    uint8_t expected = l->sees[a] ? SUT_PRESENT : SUT_ABSENT;
    cr_assert_eq(p->has_location, expected, "%s, %s", l->what, audience_name(a));
    cr_assert_eq(p->has_website, expected, "%s, %s", l->what, audience_name(a));
    cr_assert_eq(p->has_birth_date, expected, "%s, %s", l->what, audience_name(a));
    if (l->sees[a]) {
        cr_assert(sut_str_is(p->location, "London"));
        cr_assert_eq(p->birth_date, -8791);
    }
    cr_assert_eq(p->has_bio, SUT_NULL, "not filled in is not hidden");
    cr_assert_eq(p->has_privacy_settings, l->viewer == OWNER ? SUT_PRESENT : SUT_ABSENT, "%s", l->what);
    cr_assert_eq(p->has_relation, l->viewer == VIEWER ? SUT_PRESENT : SUT_ABSENT, "%s", l->what);
    if (l->viewer == OWNER)
        cr_assert_eq(p->privacy_settings->location, (int32_t)a);
}

static sut_status audiences(sut_request *rq, void *arg)
{
    user_profile p;
    fill(rq);
    for (user_audience a = USER_AUDIENCE_EVERYONE; a <= USER_AUDIENCE_NOBODY; a++) {
        show_to(rq, a);
        for (size_t i = 0; i < SUT_ARRAY_LEN(s_lookers); i++) {
            const looker *l = &s_lookers[i];
            fix_disconnect(arg);
            if (l->kind) {
                fix_connect(arg, l->from, l->to, l->kind, "NULL");
            }
            cr_assert_eq(fix_get(rq, l->viewer, OWNER, &p), 0, "%s", l->what);
            check_view(&p, l, a);
        }
    }
    return 0;
}

Test(profile, each_audience_sees_its_part, .timeout = 40)
{
    fix_run(audiences);
}

static sut_status unsaid(sut_request *rq, void *arg)
{
    user_profile p;
    fill(rq);
    cr_assert_eq(fix_get(rq, VIEWER, OWNER, &p), 0);
    cr_assert_eq(p.has_birth_date, SUT_ABSENT, "nobody unless said");
    cr_assert_eq(p.has_location, SUT_PRESENT);
    cr_assert_eq(p.has_website, SUT_PRESENT);
    sut_test_postgres_sql(
        arg, "UPDATE user_profiles SET privacy_settings = '{\"location\": \"of a later version\"}' RETURNING 1");
    cr_assert_eq(fix_get(rq, VIEWER, OWNER, &p), 0);
    cr_assert_eq(p.has_location, SUT_ABSENT, "what is not understood hides");
    cr_assert_eq(fix_get(rq, VIEWER, 128, &p), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_get(rq, 0, 128, &p), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(profile, what_is_not_said_is_private, .timeout = 40)
{
    fix_run(unsaid);
}

static user_relation relation(sut_request *rq, int64_t viewer, int64_t owner)
{
    user_profile p;
    cr_assert_eq(fix_get(rq, viewer, owner, &p), 0);
    cr_assert_eq(p.has_relation, SUT_PRESENT);
    return *p.relation;
}

static sut_status relations(sut_request *rq, void *arg)
{
    fill(rq);
    user_relation r = relation(rq, VIEWER, OWNER);
    cr_assert(!r.following && !r.followed_by && !r.friend && !r.blocked && !r.muted);
    cr_assert_eq(r.request, USER_REQUEST_STATE_NONE);
    cr_assert_eq(r.follow_request, USER_REQUEST_STATE_NONE);
    fix_connect(arg, VIEWER, OWNER, "follow", "NULL");
    fix_connect(arg, VIEWER, OWNER, "request", "NULL");
    fix_connect(arg, VIEWER, OWNER, "follow_request", "NULL");
    fix_connect(arg, VIEWER, OWNER, "mute", "NULL");
    fix_connect(arg, VIEWER, OTHER, "friend", "NULL");
    r = relation(rq, VIEWER, OWNER);
    cr_assert(r.following && !r.followed_by && !r.friend && !r.blocked && r.muted);
    cr_assert_eq(r.request, USER_REQUEST_STATE_SENT);
    cr_assert_eq(r.follow_request, USER_REQUEST_STATE_SENT);
    fix_disconnect(arg);
    fix_connect(arg, OWNER, VIEWER, "follow", "NULL");
    fix_connect(arg, OWNER, VIEWER, "request", "NULL");
    fix_connect(arg, OWNER, VIEWER, "follow_request", "NULL");
    fix_connect(arg, OWNER, VIEWER, "mute", "NULL");
    r = relation(rq, VIEWER, OWNER);
    cr_assert(!r.following && r.followed_by && !r.friend && !r.blocked && !r.muted, "who mutes us is not told");
    cr_assert_eq(r.request, USER_REQUEST_STATE_RECEIVED);
    cr_assert_eq(r.follow_request, USER_REQUEST_STATE_RECEIVED);
    fix_connect(arg, OWNER, VIEWER, "friend", "NULL");
    fix_connect(arg, VIEWER, OWNER, "friend", "NULL");
    cr_assert(relation(rq, VIEWER, OWNER).friend);
    cr_assert_eq(fix_get(rq, OTHER, OWNER, NULL), 0);
    fix_connect(arg, OWNER, VIEWER, "block", "now() - interval '1 s'");
    cr_assert_eq(fix_get(rq, VIEWER, OWNER, NULL), 0, "a block that has run out");
    fix_disconnect(arg);
    fix_connect(arg, OWNER, VIEWER, "block", "now() + interval '1 h'");
    cr_assert_eq(fix_get(rq, VIEWER, OWNER, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_get(rq, OWNER, VIEWER, NULL), SUT_ERR_NOT_FOUND, "each is invisible to the other");
    cr_assert_eq(fix_get(rq, 0, OWNER, NULL), 0, "whoever is not logged in is nobody in particular");
    return 0;
}

Test(profile, the_relation_is_made_of_connections, .timeout = 40)
{
    fix_run(relations);
}

static bool is_friend(sut_request *rq, int64_t user_id, int64_t other_id)
{
    user_friend_check_in in = {.user_id = user_id, .other_id = other_id};
    user_friend_check_out out;
    cr_assert_eq(sut_test_call(rq, &user_friend_check_method, NULL, &in, &out, NULL), 0);
    return out.friend;
}

static sut_status friends(sut_request *rq, void *arg)
{
    fix_connect(arg, OWNER, VIEWER, "friend", "NULL");
    fix_connect(arg, VIEWER, OWNER, "friend", "NULL");
    fix_connect(arg, OWNER, OTHER, "follow", "NULL");
    fix_connect(arg, OTHER, VIEWER, "friend", "now() - interval '1 s'");
    cr_assert(is_friend(rq, OWNER, VIEWER));
    cr_assert(is_friend(rq, VIEWER, OWNER));
    cr_assert_not(is_friend(rq, OWNER, OTHER));
    cr_assert_not(is_friend(rq, OTHER, VIEWER), "a friendship that has run out");
    cr_assert_not(is_friend(rq, OWNER, OWNER));
    cr_assert_not(is_friend(rq, 1000, 2000));
    return 0;
}

Test(profile, friend_check, .timeout = 40)
{
    fix_run(friends);
}

/* ---- changing ---- */

#define GIVE(member, value) .member = SUT_STR(value), .has_##member = SUT_PRESENT

static sut_status partly(sut_request *rq, void *arg)
{
    (void)arg;
    user_profile p;
    fill(rq);
    user_profile_update_in bio = {GIVE(bio, "First programmer.")}, nothing = {.has_bio = SUT_ABSENT};
    cr_assert_eq(fix_update(rq, OWNER, &bio, &p, NULL), 0);
    cr_assert(sut_str_is(p.bio, "First programmer."));
    cr_assert(sut_str_is(p.location, "London"), "what is not given stays");
    int64_t changed = p.updated_at;
    user_profile_update_in more = {.has_bio = SUT_NULL, GIVE(display_name, " Ada "), .has_birth_date = SUT_NULL};
    cr_assert_eq(fix_update(rq, OWNER, &more, &p, NULL), 0);
    cr_assert_eq(p.has_bio, SUT_NULL);
    cr_assert_eq(p.has_birth_date, SUT_NULL);
    cr_assert(sut_str_is(p.display_name, "Ada"), "trimmed");
    cr_assert_gt(p.updated_at, changed);
    cr_assert_eq(fix_update(rq, OWNER, &nothing, &p, NULL), 0);
    cr_assert(sut_str_is(p.display_name, "Ada"));
    cr_assert(sut_str_is(p.username, "owner"));
    cr_assert_eq(p.has_relation, SUT_ABSENT);
    cr_assert_eq(fix_update(rq, 0, &bio, NULL, NULL), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(fix_update(rq, 128, &bio, NULL, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_get(rq, 0, VIEWER, &p), 0);
    cr_assert_eq(p.has_bio, SUT_NULL, "nobody else's profile changed");
    return 0;
}

Test(profile, only_what_is_given_changes, .timeout = 40)
{
    fix_run(partly);
}

static sut_status privacy(sut_request *rq, void *arg)
{
    (void)arg;
    user_profile p;
    fill(rq);
    user_privacy_settings some = {.location = USER_AUDIENCE_FRIENDS, .has_location = SUT_PRESENT};
    user_privacy_settings other = {.website = USER_AUDIENCE_NOBODY, .has_website = SUT_PRESENT};
    user_profile_update_in one = {.privacy_settings = &some, .has_privacy_settings = SUT_PRESENT};
    user_profile_update_in two = {.privacy_settings = &other, .has_privacy_settings = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &one, NULL, NULL), 0);
    cr_assert_eq(fix_update(rq, OWNER, &two, &p, NULL), 0);
    cr_assert_eq(p.privacy_settings->location, USER_AUDIENCE_FRIENDS, "a setting that is not given stays");
    cr_assert_eq(p.privacy_settings->website, USER_AUDIENCE_NOBODY);
    cr_assert_eq(p.privacy_settings->birth_date, USER_AUDIENCE_NOBODY, "its default");
    user_privacy_settings wrong = {.website = 17, .has_website = SUT_PRESENT};
    user_profile_update_in bad = {.privacy_settings = &wrong, .has_privacy_settings = SUT_PRESENT};
    cr_assert_neq(fix_update(rq, OWNER, &bad, NULL, NULL), 0);
    return 0;
}

Test(profile, privacy_settings_change_one_by_one, .timeout = 40)
{
    fix_run(privacy);
}

static sut_status names(sut_request *rq, void *arg)
{
    (void)arg;
    user_profile p;
    sut_error_body e;
    fill(rq);
    user_profile_update_in taken = {GIVE(username, "VIEWER"), GIVE(bio, "new")}, cased = {GIVE(username, "Owner")};
    cr_assert_eq(fix_update(rq, OWNER, &taken, NULL, &e), USER_ERR_USERNAME_TAKEN);
    cr_assert_eq(e.error_count, 1);
    cr_assert(sut_str_is(e.errors[0].pointer, "/username"));
    cr_assert_eq(fix_get(rq, OWNER, OWNER, &p), 0);
    cr_assert_eq(p.has_bio, SUT_NULL, "all or nothing");
    cr_assert_eq(fix_update(rq, OWNER, &cased, &p, NULL), 0, "one's own name in another case");
    cr_assert(sut_str_is(p.username, "Owner"));
    user_profile_update_in freed = {GIVE(username, "elsewhere")}, now_free = {GIVE(username, "viewer")};
    cr_assert_eq(fix_update(rq, VIEWER, &freed, NULL, NULL), 0);
    cr_assert_eq(fix_update(rq, OWNER, &now_free, NULL, NULL), 0);
    return 0;
}

Test(profile, names_are_unique_whatever_their_case, .timeout = 40)
{
    fix_run(names);
}

/* Each text at its limit and one character over it; characters, not bytes. */
static sut_status limits(sut_request *rq, void *arg)
{
    static char at[16000], over[16000];
    (void)arg;
    fill(rq);
    const struct {
        size_t chars, offset, has;
        const char *lead, *fill;
    } fields[] = {
        {100, offsetof(user_profile_update_in, display_name), offsetof(user_profile_update_in, has_display_name), "",
         "\xf0\x9d\x84\x9e"},
        {2000, offsetof(user_profile_update_in, bio), offsetof(user_profile_update_in, has_bio), "",
         "\xf0\x9d\x84\x9e"},
        {100, offsetof(user_profile_update_in, location), offsetof(user_profile_update_in, has_location), "",
         "\xe2\x82\xac"},
        {500, offsetof(user_profile_update_in, avatar_url), offsetof(user_profile_update_in, has_avatar_url),
         "https://example.org/", "a"},
        {200, offsetof(user_profile_update_in, website), offsetof(user_profile_update_in, has_website),
         "https://example.org/", "a"},
        {50, offsetof(user_profile_update_in, username), offsetof(user_profile_update_in, has_username), "", "n"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(fields); i++) {
        snprintf(at, sizeof at, "%s", fields[i].lead);
        for (size_t n = strlen(at); n < fields[i].chars; n++)
            strcat(at, fields[i].fill);
        snprintf(over, sizeof over, "%s%s", at, fields[i].fill);
        user_profile_update_in in = {.has_bio = SUT_ABSENT};
        *(sut_str *)((char *)&in + fields[i].offset) = sut_str_from(at);
        *((uint8_t *)&in + fields[i].has) = SUT_PRESENT;
        cr_assert_eq(fix_update(rq, OWNER, &in, NULL, NULL), 0, "field %zu at its limit", i);
        *(sut_str *)((char *)&in + fields[i].offset) = sut_str_from(over);
        cr_assert_eq(fix_update(rq, OWNER, &in, NULL, NULL), SUT_ERR_INVALID, "field %zu over its limit", i);
    }
    const char *const bad[] = {"javascript:alert(1)", "example.org", "ftp://example.org/"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        user_profile_update_in in = {.website = sut_str_from(bad[i]), .has_website = SUT_PRESENT};
        cr_assert_eq(fix_update(rq, OWNER, &in, NULL, NULL), SUT_ERR_INVALID, "%s", bad[i]);
    }
    user_profile_update_in tomorrow = {.birth_date = 100000, .has_birth_date = SUT_PRESENT};
    cr_assert_eq(fix_update(rq, OWNER, &tomorrow, NULL, NULL), SUT_ERR_INVALID, "born in the future");
    return 0;
}

Test(profile, what_is_over_its_limit_is_refused_not_cut, .timeout = 40)
{
    fix_run(limits);
}
