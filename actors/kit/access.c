/* Who may call what: level, self and FRIEND as the method's table declares them, for every caller, tools included.
 * Every way out that is not an explicit permission is a refusal. */
#include "dispatch.h"

#include "kit/call.h"
#include "runtime.h"

#include <stdlib.h>

static sut_status s_forbid(sut_request *rq)
{
    return sut_fail(rq, SUT_ERR_FORBIDDEN, "You may not do this.");
}

/* The user that an input field names; false if it is absent. */
static bool s_user_field(const sut_field *f, const void *in, int64_t *user_id)
{
    const unsigned char *base = in;
    if (f->type != SUT_T_I64)
        return false;
    if (f->has_offset != UINT16_MAX && base[f->has_offset] != SUT_PRESENT)
        return false;
    memcpy(user_id, base + f->offset, sizeof(*user_id));
    return true;
}

/* ---- FRIEND ---- */

static bool s_put_user(const sut_record *r, const char *name, void *in, int64_t user_id)
{
    const sut_field *f = sut_record_field(r, sut_str_from(name));
    if (!f || f->type != SUT_T_I64)
        return false;
    memcpy((unsigned char *)in + f->offset, &user_id, sizeof(user_id));
    if (f->has_offset != UINT16_MAX)
        ((unsigned char *)in)[f->has_offset] = SUT_PRESENT;
    return true;
}

/* Asks user.friend_check over the bus, through its table: the kit knows no domain's structs. */
static sut_status s_ask_user(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend)
{
    const sut_method *m = sut_method_find(SUT_STR("user.friend_check"));
    const sut_field *answer = m ? sut_record_field(m->out, SUT_STR("friend")) : NULL;
    if (!answer || answer->type != SUT_T_BOOL)
        return sut_fail_internal(rq, "user.friend_check is not as the kit knows it");
    void *in = sut_request_alloc(rq, m->in->size + 1), *out = sut_request_alloc(rq, m->out->size + 1);
    if (!in || !out || !s_put_user(m->in, "user_id", in, user_id) || !s_put_user(m->in, "other_id", in, other_id))
        return sut_fail_internal(rq, "user.friend_check cannot be called");
    sut_status st = sut_kit_call(rq, m, in, out, NULL);
    if (st)
        return st;
    memcpy(is_friend, (unsigned char *)out + answer->offset, sizeof(*is_friend));
    return 0;
}

static sut_status s_check_friend(sut_request *rq, const sut_method *m, const void *in)
{
    int64_t owner = 0;
    if (!m->owner || !s_user_field(m->owner, in, &owner))
        return s_forbid(rq);
    if (owner == rq->principal.user_id)
        return 0;
    bool is_friend = false;
    sut_friend_fn ask = rq->runtime->opt->friend_check ? rq->runtime->opt->friend_check : s_ask_user;
    sut_status st = ask(rq, owner, rq->principal.user_id, &is_friend);
    if (st)
        return st;
    return is_friend ? 0 : s_forbid(rq);
}

sut_status sut_access_check(sut_request *rq, const sut_method *m, const void *in)
{
    const sut_principal *p = &rq->principal;
    if (m->service_only) /* who may call it at all is the broker's access list's to say */
        return 0;
    if (m->level == SUT_LEVEL_PUBLIC && !m->self)
        return 0;
    if (p->user_id <= 0)
        return sut_fail(rq, SUT_ERR_UNAUTHENTICATED, "A valid access token is required.");
    if (p->level >= SUT_LEVEL_ADMIN)
        return 0;
    if (p->level < SUT_LEVEL_USER || m->level >= SUT_LEVEL_ADMIN)
        return s_forbid(rq);
    int64_t user_id = 0;
    if (m->self && (!s_user_field(m->self, in, &user_id) || user_id != p->user_id))
        return s_forbid(rq);
    return m->level == SUT_LEVEL_FRIEND ? s_check_friend(rq, m, in) : 0;
}
