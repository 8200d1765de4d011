/* How attempts are counted in Redis: as throttle_table.c does. */
#include "throttle_script.h"

/* Both scripts: KEYS are the counts; ARGV four figures of each rule: free, base, max, drain. Redis's own clock, which
 * all instances share. A count is kept to its last bit, as in the table; one that has drained is gone by its expiry. */
#define SCRIPT_HEAD                                                                                                    \
    "local t = redis.call('TIME')\n"                                                                                   \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                                              \
    "local function rule(i) local a = 4 * (i - 1)\n"                                                                   \
    "  return tonumber(ARGV[a+1]), tonumber(ARGV[a+2]), tonumber(ARGV[a+3]), tonumber(ARGV[a+4]) end\n"                \
    "local function left(key, drain) local h = redis.call('HMGET', key, 'count', 'at')\n"                              \
    "  if not h[1] then return 0 end\n"                                                                                \
    "  return math.max(0, tonumber(h[1]) - math.max(0, now - tonumber(h[2])) / drain) end\n"                           \
    "local function keep(key, count, till, drain)\n"                                                                   \
    "  redis.call('HSET', key, 'count', string.format('%.17g', count), 'at', now, 'until', till)\n"                    \
    "  redis.call('PEXPIRE', key, math.ceil(math.max(count * drain, till - now)) + 1) end\n"

const char auth_throttle_take_source[] =
    SCRIPT_HEAD "local wait = 0\n"
                "for i, key in ipairs(KEYS) do\n"
                "  wait = math.max(wait, (tonumber(redis.call('HGET', key, 'until')) or 0) - now) end\n"
                "if wait > 0 then return wait end\n"
                "for i, key in ipairs(KEYS) do local free, base, max, drain = rule(i)\n"
                "  local count, delay = left(key, drain) + 1, 0\n"
                "  if count > free then delay = math.min(max, base * 2 ^ (math.ceil(count - free) - 1)) end\n"
                "  keep(key, count, now + delay, drain) end\n"
                "return 0\n";

const char auth_throttle_refund_source[] =
    SCRIPT_HEAD "for i, key in ipairs(KEYS) do local free, base, max, drain = rule(i)\n"
                "  if redis.call('EXISTS', key) == 1 then\n"
                "    local count = left(key, drain) - 1\n"
                "    local till = tonumber(redis.call('HGET', key, 'until')) or 0\n"
                "    if count <= 0 then redis.call('DEL', key)\n"
                "    else keep(key, count, count <= free and 0 or till, drain) end end end\n"
                "return 0\n";
