/* The seed's `session:<user_id>` in Redis: a hash of session id → when it ends. A mirror for fast answers, never the
 * record: what it does not have is looked up in PostgreSQL, and what it cannot take is only logged. So a hash that has
 * gathered more than a user can have in use is started anew. */
#include "auth.h"

#include "base/log.h"
#include "kit/redis.h"

#include <inttypes.h>

#define FIELDS_MAX 200

static sut_str key_of(sut_request *rq, int64_t user_id)
{
    return sut_request_printf(rq, "session:%" PRId64, user_id);
}

static void settle(sut_request *rq, sut_status st, const char *what)
{
    if (st == 0)
        return;
    sut_log(SUT_WARN, "auth", "mirror.skipped", SUT_KV("what", what), SUT_KV_I("err", st));
    sut_request_clear_error(rq);
}

void auth_mirror_put(sut_request *rq, int64_t user_id, const char *session_id, int64_t expires_s)
{
    sut_str key = key_of(rq, user_id), value = sut_request_printf(rq, "%" PRId64, expires_s);
    sut_str ttl = sut_request_printf(rq, "%" PRId64, auth_config.refresh_ttl_s);
    if (!key.ptr || !value.ptr || !ttl.ptr)
        return;
    sut_kit_redis_answer count = {.i = 0};
    sut_status st = SUT_KIT_REDIS(rq, &count, SUT_STR("HLEN"), key);
    if (st == 0 && count.i >= FIELDS_MAX)
        st = SUT_KIT_REDIS(rq, NULL, SUT_STR("DEL"), key);
    if (st == 0)
        st = SUT_KIT_REDIS(rq, NULL, SUT_STR("HSET"), key, sut_str_from(session_id), value);
    if (st == 0)
        st = SUT_KIT_REDIS(rq, NULL, SUT_STR("EXPIRE"), key, ttl);
    settle(rq, st, "put");
}

void auth_mirror_drop(sut_request *rq, int64_t user_id, sut_str session_id)
{
    sut_str key = key_of(rq, user_id);
    if (!key.ptr)
        return;
    settle(rq,
           session_id.ptr ? SUT_KIT_REDIS(rq, NULL, SUT_STR("HDEL"), key, session_id)
                          : SUT_KIT_REDIS(rq, NULL, SUT_STR("DEL"), key),
           "drop");
}
