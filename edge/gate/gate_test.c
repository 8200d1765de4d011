#include "gate/gate.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(gate, .timeout = 30);

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_S  1800000000
#define NOW_NS (1000 * SUT_NS_PER_S)

static const sut_method public_method = {.name = "t.public", .level = SUT_LEVEL_PUBLIC, .rate_class = "default"};
static const sut_method user_method = {.name = "t.user", .level = SUT_LEVEL_USER, .rate_class = "default"};
static const sut_method friend_method = {.name = "t.friend", .level = SUT_LEVEL_FRIEND, .rate_class = "default"};
static const sut_method admin_method = {.name = "t.admin", .level = SUT_LEVEL_ADMIN, .rate_class = "default"};

static sut_gate *make_with(const sut_gate_options *opt)
{
    char error[256];
    sut_gate *g = NULL;
    cr_assert_eq(sut_gate_new(&g, opt, error, sizeof(error)), 0, "%s", error);
    return g;
}

static sut_gate *make(const char *limits)
{
    sut_gate *g = make_with(&(sut_gate_options){.secret = SECRET, .rate_limits = limits});
    sut_revocations_current(sut_gate_revocations(g), NOW_NS);
    return g;
}

static char *sign(const char *key, const char *kid, int64_t user_id, int64_t level, int64_t issued)
{
    static char header[8192];
    jwt_t *jwt = NULL;
    cr_assert_eq(jwt_new(&jwt), 0);
    cr_assert_eq(jwt_add_grant_int(jwt, "user_id", user_id), 0);
    cr_assert_eq(jwt_add_grant_int(jwt, "permissions", level), 0);
    cr_assert_eq(jwt_add_grant_int(jwt, "iat", issued), 0);
    cr_assert_eq(jwt_add_grant_int(jwt, "exp", issued + 900), 0);
    cr_assert_eq(jwt_add_grant(jwt, "sid", "s1"), 0);
    cr_assert_eq(jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key, (int)strlen(key)), 0);
    if (kid)
        cr_assert_eq(jwt_add_header(jwt, "kid", kid), 0);
    char *text = jwt_encode_str(jwt);
    (void)snprintf(header, sizeof(header), "Bearer %s", text);
    free(text);
    jwt_free(jwt);
    return header;
}

static sut_gate_verdict ask_at(sut_gate *g, const sut_method *m, const char *authorization, int64_t now_s)
{
    sut_gate_verdict v;
    const sut_gate_request rq = {.method = m,
                                 .authorization = sut_str_from(authorization),
                                 .client = SUT_STR("10.0.0.1"),
                                 .now_ns = NOW_NS,
                                 .now_s = now_s};
    sut_gate_check(g, &rq, &v);
    return v;
}

static sut_gate_verdict ask(sut_gate *g, const sut_method *m, const char *authorization)
{
    return ask_at(g, m, authorization, NOW_S);
}

Test(gate, levels)
{
    sut_gate *g = make("off");
    const char *nobody = NULL;
    char user[4096], admin[4096];
    (void)snprintf(user, sizeof(user), "%s", sign(SECRET, NULL, 7, 1, NOW_S));
    (void)snprintf(admin, sizeof(admin), "%s", sign(SECRET, "0", 8, 3, NOW_S));
    cr_assert_eq(ask(g, &public_method, nobody).err, 0);
    cr_assert_eq(ask(g, &user_method, nobody).err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &friend_method, nobody).err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &admin_method, nobody).err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &public_method, user).claims.user_id, 7);
    cr_assert_eq(ask(g, &user_method, user).err, 0);
    cr_assert_eq(ask(g, &friend_method, user).err, 0);
    sut_gate_verdict v = ask(g, &admin_method, user);
    cr_assert_eq(v.err, SUT_ERR_FORBIDDEN);
    cr_assert_eq(v.claims.user_id, 0, "what was refused names nobody");
    v = ask(g, &admin_method, admin);
    cr_assert_eq(v.err, 0);
    cr_assert_eq(v.claims.level, 3);
    cr_assert_str_eq(v.claims.session, "s1");
    sut_gate_free(g);
}

Test(gate, self)
{
    sut_gate_verdict v = {.claims = {.user_id = 7, .level = 1}};
    cr_assert(sut_gate_self(&v, 7));
    cr_assert_not(sut_gate_self(&v, 8));
    v.claims.level = 3;
    cr_assert(sut_gate_self(&v, 8));
}

Test(gate, a_bad_token_is_refused_where_none_is_needed)
{
    sut_gate *g = make("off");
    cr_assert_eq(ask(g, &public_method, "Bearer x.y.z").err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &public_method, "").err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &public_method, "Basic eDp5").err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &public_method, sign("another key of thirty-two bytes!", NULL, 7, 1, NOW_S)).err,
                 SUT_ERR_UNAUTHENTICATED);
    sut_gate_free(g);
}

Test(gate, a_verified_token_is_still_held_to_its_time_and_to_revocations)
{
    sut_gate *g = make("off");
    const char *token = sign(SECRET, NULL, 7, 1, NOW_S);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask(g, &user_method, token).err, 0);
    cr_assert_eq(ask_at(g, &user_method, token, NOW_S + 904).err, 0);
    cr_assert_eq(ask_at(g, &user_method, token, NOW_S + 905).err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &user_method, token).err, 0);
    const sut_revocation item = {.user_id = 7, .session = SUT_STR("s1"), .at = NOW_S};
    cr_assert_eq(sut_revocations_add(sut_gate_revocations(g), &item), 0);
    cr_assert_eq(ask(g, &user_method, token).err, SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(ask(g, &public_method, token).err, SUT_ERR_UNAUTHENTICATED);
    sut_gate_free(g);
}

Test(gate, without_news_level_1_is_closed_and_level_0_sees_nobody)
{
    sut_gate *g = make_with(&(sut_gate_options){.secret = SECRET, .rate_limits = "off"});
    const char *token = sign(SECRET, NULL, 7, 1, NOW_S);
    cr_assert_eq(ask(g, &user_method, token).err, SUT_ERR_UNAVAILABLE);
    cr_assert_eq(ask(g, &admin_method, token).err, SUT_ERR_UNAVAILABLE);
    sut_gate_verdict v = ask(g, &public_method, token);
    cr_assert_eq(v.err, 0);
    cr_assert_eq(v.claims.user_id, 0);
    sut_gate_free(g);
}

Test(gate, the_limiter_comes_first)
{
    sut_gate *g = make("default=1/60");
    cr_assert_eq(ask(g, &user_method, "Bearer x").err, SUT_ERR_UNAUTHENTICATED);
    sut_gate_verdict v = ask(g, &user_method, "Bearer x");
    cr_assert_eq(v.err, SUT_ERR_RATE_LIMITED);
    cr_assert_gt(v.limit.retry_after_ms, 0);
    sut_gate_free(g);
}

static void write_keys(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_gt(fprintf(f, "%s", text), 0);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(chmod(path, 0600), 0);
}

#define HEX_OF_SECRET "3031323334353637383961626364656630313233343536373839616263646566"

Test(gate, a_reload_takes_a_key_and_its_verified_tokens_away)
{
    char path[128], words[SUT_KEYRING_NAMES_SIZE];
    (void)snprintf(path, sizeof path, "%s/sut-gate-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    write_keys(path, "k1 " HEX_OF_SECRET "\n");
    sut_gate *g = make_with(&(sut_gate_options){.keys_file = path, .rate_limits = "off"});
    sut_revocations_current(sut_gate_revocations(g), NOW_NS);
    const char *token = sign(SECRET, "k1", 7, 1, NOW_S);
    cr_assert_eq(ask(g, &user_method, token).err, 0);
    write_keys(path, "nonsense\n");
    cr_assert_neq(sut_gate_reload(g, words), 0);
    cr_assert_eq(ask(g, &user_method, token).err, 0, "a bad file keeps the old keys");
    write_keys(path, "k2 " HEX_OF_SECRET "\n");
    cr_assert_eq(sut_gate_reload(g, words), 0, "%s", words);
    cr_assert_str_eq(words, "k2");
    cr_assert_eq(ask(g, &user_method, token).err, SUT_ERR_UNAUTHENTICATED);
    sut_gate_free(g);
    (void)unlink(path);
}
