#include "audit.h"
#include "broker.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/msgpack.h"

bool sut_audit_append(sut_broker *b, sut_str subject, sut_str body)
{
    sut_journal_event e = {.subject = subject, .publisher = SUT_STR("broker"), .body = body};
    sut_status st;

    sut_random(e.id, sizeof e.id);
    st = b->events.open ? sut_journal_service_publish(b->events.journal, SUT_TAG_OWN, &e, 1) : -1;
    if (st < 0)
        sut_log(SUT_ERROR, "broker", "audit.lost", SUT_KV_S("subject", subject), SUT_KV_I("status", st));
    return st == 0;
}

static void add(sut_buf *b, sut_status *st, const char *name, sut_str value)
{
    if (*st == 0)
        *st = sut_mp_add_str(b, sut_str_from(name));
    if (*st == 0)
        *st = sut_mp_add_str(b, value);
}

static void add_int(sut_buf *b, sut_status *st, const char *name, int64_t value)
{
    if (*st == 0)
        *st = sut_mp_add_str(b, sut_str_from(name));
    if (*st == 0)
        *st = sut_mp_add_int(b, value);
}

static bool append_shown(sut_control_request *rq, const char *peer, sut_str reason)
{
    sut_buf body SUT_CLEANUP(sut_buf_deinit);
    sut_status st;

    sut_buf_init(&body, 4096);
    st = sut_mp_add_map(&body, 4);
    add(&body, &st, "peer", sut_str_from(peer));
    add(&body, &st, "method", sut_str_from(rq->method->name));
    add(&body, &st, "reason", reason);
    add_int(&body, &st, "at", sut_wall_us());
    return st == 0 &&
           sut_audit_append(rq->broker, SUT_STR("ops.personal_shown"), (sut_str){(const char *)body.data, body.len});
}

bool sut_audit_repeated(sut_broker *b, const char *peer, const sut_envelope *env)
{
    sut_buf body SUT_CLEANUP(sut_buf_deinit);
    sut_journal_service_stats journal = {0};
    sut_status st;

    sut_buf_init(&body, 4096);
    if (!b->events.open || env->principal.user_id <= 0)
        return false;
    sut_journal_service_get_stats(b->events.journal, &journal);
    if (journal.writable < 0) /* its queue would take it, and throw it away */
        return false;
    st = sut_mp_add_map(&body, 4);
    add(&body, &st, "peer", sut_str_from(peer));
    add(&body, &st, "subject", env->subject);
    add_int(&body, &st, "user_id", env->principal.user_id);
    add_int(&body, &st, "at", sut_wall_us());
    return st == 0 && sut_audit_append(b, SUT_STR("ops.call_repeated"), (sut_str){(const char *)body.data, body.len});
}

bool sut_audit_personal(sut_control_request *rq, sut_str reason)
{
    sut_role role;
    const char *peer = sut_control_peer(rq, &role);

    if (!peer || role != SUT_ROLE_OPERATOR)
        sut_control_fail(rq, SUT_ERR_FORBIDDEN, "only operators may see personal fields");
    else if (!reason.len)
        sut_control_fail(rq, SUT_ERR_INVALID, "/reason is required to see personal fields");
    else if (!append_shown(rq, peer, reason))
        sut_control_fail(rq, SUT_ERR_UNAVAILABLE, "it cannot be journalled now, so nothing is shown");
    else
        return true;
    return false;
}
