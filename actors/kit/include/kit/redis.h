/* Redis for fibers, over broker/redis: one pipelined connection a process. Arguments are counted strings (never a
 * format), so that no value can become a command.
 *
 *     sut_kit_redis_answer a;
 *     sut_status st = SUT_KIT_REDIS(rq, &a, SUT_STR("GET"), key);
 *
 * Errors: SUT_ERR_UNAVAILABLE (away or breaker open, certainly not sent), SUT_ERR_OUTCOME_UNKNOWN (lost on its way),
 * SUT_ERR_OVERLOADED, SUT_ERR_DEADLINE_EXCEEDED, SUT_ERR_CANCELLED; SUT_ERR_INTERNAL if Redis answers with an error
 * (logged without arguments). */
#ifndef SUT_KIT_REDIS_H
#define SUT_KIT_REDIS_H

#include "kit/kit.h"

typedef enum {
    SUT_KIT_REDIS_NIL,
    SUT_KIT_REDIS_INT,
    SUT_KIT_REDIS_STRING, /* also status: "OK" */
    SUT_KIT_REDIS_ARRAY
} sut_kit_redis_answer_type;

/* Strings and arrays live in the request's arena. */
typedef struct sut_kit_redis_answer sut_kit_redis_answer;
struct sut_kit_redis_answer {
    sut_kit_redis_answer_type type;
    int64_t i;
    sut_str s;
    const sut_kit_redis_answer *items;
    size_t count;
};

/* At most 64 arguments. `out` may be NULL. */
SUT_MUST_CHECK sut_status sut_kit_redis(sut_request *rq, const sut_str *args, size_t count, sut_kit_redis_answer *out);
#define SUT_KIT_REDIS(rq, out, ...)                                                                                    \
    sut_kit_redis((rq), (const sut_str[]){__VA_ARGS__}, sizeof((const sut_str[]){__VA_ARGS__}) / sizeof(sut_str), (out))

/* A Lua script (sut_redis_script_init of redis/redis.h, at start): `args` are `keys` keys, then the other arguments. */
struct sut_redis_script;
SUT_MUST_CHECK sut_status sut_kit_redis_eval(sut_request *rq, const struct sut_redis_script *script, size_t keys,
                                             const sut_str *args, size_t count, sut_kit_redis_answer *out);

/* A versioned upsert, for consumers whose store has no transactions: sets the hash `key` to exactly these fields (pairs
 * of name and value) and its version (field "version"; 0 to 2^53), unless it has this version or a higher one already.
 * So the same event again, or an older one that comes late, changes nothing. Without fields the thing is gone, but its
 * version stays for as long as ttl_ms says, and keeps older news out. ttl_ms 0: for ever. `*newer` (may be NULL) tells
 * whether it was set. At most 28 fields. */
typedef struct sut_kit_redis_field {
    sut_str name, value;
} sut_kit_redis_field;
SUT_MUST_CHECK sut_status sut_kit_redis_put_newer(sut_request *rq, sut_str key, int64_t version,
                                                  const sut_kit_redis_field *fields, size_t count, uint64_t ttl_ms,
                                                  bool *newer);

#endif
