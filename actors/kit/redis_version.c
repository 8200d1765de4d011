/* Versioned upserts: one script compares and sets, so that nothing comes between. Lua's numbers are doubles: exact up
 * to 2^53, which ids and versions of ours stay below. */
#include "kit/redis.h"

#include "redis/redis.h"

#include "request.h"

#include <inttypes.h>

#define S_FIELDS_MAX  28
#define S_VERSION_MAX (INT64_C(1) << 53)

static const char s_source[] = "local old = redis.call('HGET', KEYS[1], 'version')\n"
                               "if old and tonumber(old) >= tonumber(ARGV[1]) then return 0 end\n"
                               "redis.call('DEL', KEYS[1])\n"
                               "redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 3))\n"
                               "if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
                               "return 1\n";

static sut_status s_script(const sut_redis_script **out)
{
    static sut_redis_script script;
    *out = &script;
    return script.source ? 0 : sut_redis_script_init(&script, s_source);
}

sut_status sut_kit_redis_put_newer(sut_request *rq, sut_str key, int64_t version, const sut_kit_redis_field *fields,
                                   size_t count, uint64_t ttl_ms, bool *newer)
{
    const sut_redis_script *script;
    sut_kit_redis_answer answer;
    sut_str args[3 + 2 * S_FIELDS_MAX];
    if (count > S_FIELDS_MAX || version < 0 || version > S_VERSION_MAX || s_script(&script))
        return sut_fail_internal(rq, "a versioned upsert that cannot be made");
    args[0] = key;
    args[1] = sut_request_printf(rq, "%" PRId64, version);
    args[2] = sut_request_printf(rq, "%" PRIu64, ttl_ms);
    if (!args[1].ptr || !args[2].ptr)
        return sut_fail_internal(rq, "no memory for a versioned upsert");
    for (size_t i = 0; i < count; i++) {
        args[3 + 2 * i] = fields[i].name;
        args[4 + 2 * i] = fields[i].value;
    }
    sut_status st = sut_kit_redis_eval(rq, script, 1, args, 3 + 2 * count, &answer);
    if (st == 0 && newer)
        *newer = answer.i == 1;
    return st;
}
