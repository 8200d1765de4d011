/* Which counts an attempt belongs to, and where they are kept. */
#include "throttle.h"

#include "auth.h"
#include "throttle_script.h"

#include "base/clock.h"
#include "base/log.h"
#include "kit/redis.h"
#include "kit/task.h"
#include "redis/redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define ACCOUNT_DRAIN_MS 600000
#define NETWORK_DRAIN_MS 30000

static auth_throttle_table s_table;

void auth_network_of(sut_str address, char out[AUTH_NETWORK_SIZE])
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    out[0] = '\0';
    if (!address.ptr || address.len >= sizeof text)
        return;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) {
        (void)inet_ntop(AF_INET, &v4, out, AUTH_NETWORK_SIZE);
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            (void)inet_ntop(AF_INET, &v6.s6_addr[12], out, AUTH_NETWORK_SIZE);
            return;
        }
        memset(&v6.s6_addr[8], 0, 8);
        (void)inet_ntop(AF_INET6, &v6, out, AUTH_NETWORK_SIZE);
    }
}

/* A hash, so that neither Redis nor a dump of it holds addresses in the clear. No part contains the sign that parts
 * them.
 */
static bool key_of(sut_request *rq, const char *kind, sut_str who, const char *network, auth_bucket_key *out)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    sut_str text = sut_request_printf(rq, "%s\n%.*s\n%s", kind, SUT_STR_FMT(who), network);
    if (!text.ptr)
        return false;
    SHA256((const uint8_t *)text.ptr, text.len, digest);
    memcpy(out->bytes, digest, sizeof out->bytes);
    return true;
}

static const sut_pg_stmt s_known = {"auth_throttle_known",
                                    "SELECT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id "
                                    "WHERE u.email = $1 AND s.network = $2)",
                                    2};

static auth_bucket_rule rule_of(int64_t free_attempts, uint32_t drain_ms)
{
    return (auth_bucket_rule){.free = (uint32_t)free_attempts,
                              .base_ms = (uint32_t)(auth_config.login_delay_s * 1000),
                              .max_ms = (uint32_t)(auth_config.login_delay_max_s * 1000),
                              .drain_ms = drain_ms};
}

/* Strangers to an account share one count of it. A network from where somebody has logged in to it has one of its own,
 * so that strangers cannot keep its owner out. */
static sut_status identify(sut_request *rq, sut_str email, const char *network, auth_attempt *out)
{
    const sut_pg_result *r;
    sut_status st =
        sut_pg_read(rq, &s_known, SUT_PG_PARAMS(sut_pg_text(email), sut_pg_text(sut_str_from(network))), &r);
    if (st != 0)
        return st;
    bool known = *network && sut_pg_get_bool(r, 0, 0);
    out->rules[0] = rule_of(auth_config.login_free_account, ACCOUNT_DRAIN_MS);
    out->rules[1] = rule_of(auth_config.login_free_network, NETWORK_DRAIN_MS);
    bool made =
        known ? key_of(rq, "known", email, network, &out->keys[0]) : key_of(rq, "account", email, "", &out->keys[0]);
    if (!made || !key_of(rq, "network", SUT_STR(""), network, &out->keys[1]))
        return -ENOMEM;
    return 0;
}

/* 0, or what sut_kit_redis_eval returned, with the request's error cleared. */
static sut_status eval(sut_request *rq, sut_redis_script *script, const char *source, const auth_attempt *a,
                       sut_kit_redis_answer *answer)
{
    sut_str args[2 + 2 * AUTH_SCRIPT_ARGS_A_RULE];
    size_t n = 0;
    char hex[2 * AUTH_BUCKET_KEY + 1];
    if (!script->source && sut_redis_script_init(script, source) != 0)
        return SUT_ERR_INTERNAL;
    for (size_t i = 0; i < SUT_ARRAY_LEN(a->keys); i++) {
        sut_hex(a->keys[i].bytes, sizeof a->keys[i].bytes, hex);
        args[n++] = sut_request_printf(rq, "login:attempts:%s", hex);
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(a->rules); i++) {
        const auth_bucket_rule *r = &a->rules[i];
        const uint32_t figures[AUTH_SCRIPT_ARGS_A_RULE] = {r->free, r->base_ms, r->max_ms, r->drain_ms};
        for (size_t j = 0; j < AUTH_SCRIPT_ARGS_A_RULE; j++)
            args[n++] = sut_request_printf(rq, "%" PRIu32, figures[j]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!args[i].ptr)
            return SUT_ERR_INTERNAL;
    }
    sut_status st = sut_kit_redis_eval(rq, script, SUT_ARRAY_LEN(a->keys), args, n, answer);
    if (st != 0)
        sut_request_clear_error(rq);
    return st;
}

static uint64_t now_ms(void)
{
    return sut_now_ns() / 1000000;
}

sut_status auth_throttle_take(sut_request *rq, sut_str email, const char *network, auth_attempt *out)
{
    static sut_redis_script script;
    sut_kit_redis_answer answer = {.i = 0};
    sut_status st = identify(rq, email, network, out);
    if (st != 0)
        return st;
    uint64_t wait = auth_table_take(&s_table, out->keys, out->rules, SUT_ARRAY_LEN(out->keys), now_ms());
    if (wait == 0 && eval(rq, &script, auth_throttle_take_source, out, &answer) == 0 && answer.i > 0) {
        wait = (uint64_t)answer.i;
        auth_table_refund(&s_table, out->keys, out->rules, SUT_ARRAY_LEN(out->keys), now_ms());
    }
    if (wait == 0)
        return 0;
    return sut_fail_retry(rq, AUTH_ERR_TOO_MANY_ATTEMPTS, wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX,
                          "There were too many attempts to log in; wait %" PRIu64 " seconds.", (wait + 999) / 1000);
}

/* In Redis. */
static sut_status refund(sut_request *rq, void *arg)
{
    static sut_redis_script script;
    sut_kit_redis_answer answer;
    sut_status st = eval(rq, &script, auth_throttle_refund_source, arg, &answer);
    if (st != 0) /* then this attempt drains like one that failed */
        sut_log(SUT_DEBUG, "auth", "throttle.refund_skipped", SUT_KV_I("err", st));
    return 0;
}

void auth_throttle_refund(sut_request *rq, auth_attempt *attempt)
{
    auth_table_refund(&s_table, attempt->keys, attempt->rules, SUT_ARRAY_LEN(attempt->keys), now_ms());
    (void)refund(rq, attempt);
}

/* Behind the answer: the request has an error to tell, and perhaps no time left. */
sut_status auth_throttle_unlooked(sut_request *rq, const auth_attempt *attempt, sut_status st)
{
    auth_table_refund(&s_table, attempt->keys, attempt->rules, SUT_ARRAY_LEN(attempt->keys), now_ms());
    sut_status begun = sut_background(rq, "auth.throttle_refund", refund, attempt, sizeof *attempt, 5000);
    return begun == SUT_ERR_OVERLOADED ? begun : st;
}
