/* What the journal says of a publish, told to its publisher. */
#include "event_state.h"

#include "wire/msgpack.h"

#define SLOT_MASK ((UINT64_C(1) << CORE_PUBLISH_SLOT_BITS) - 1)

static void send_failure(sut_core *c, const core_session *s, uint64_t id, const sut_core_publish_answer *a)
{
    struct core_events *e = c->events;
    const sut_error_desc *desc = sut_platform_error(a->err);
    if (!desc)
        desc = sut_platform_error(SUT_ERR_INTERNAL);
    const bool storage =
        a->err == SUT_ERR_STORAGE_FULL || a->err == SUT_ERR_UNAVAILABLE || a->err == SUT_ERR_OUTCOME_UNKNOWN;
    const uint32_t retry = a->err == SUT_ERR_OVERLOADED ? CORE_RETRY_JOURNAL_MS : storage ? CORE_RETRY_UNKNOWN_MS : 0;
    sut_error_body body = {.code = sut_str_from(desc->code),
                           .message = a->message.len > 0 ? a->message : sut_str_from(desc->doc),
                           .retry_after_ms = retry,
                           .http_status = (uint32_t)desc->http_status,
                           .errors = a->errors,
                           .error_count = a->error_count};
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_ERROR_REPLY,
                        .id = id,
                        .opt = {.retry_after_ms = retry, .http_status = body.http_status}};
    e->counts.publish_errors_total++;
    sut_buf_reset(&e->buf);
    if (sut_error_body_encode(&e->buf, &body) == 0)
        env.body = (sut_str){(const char *)e->buf.data, e->buf.len};
    core_emit(c, s, &env);
}

static sut_status encode_positions(sut_buf *b, const sut_core_publish_answer *a)
{
    sut_status st = sut_mp_add_map(b, 2);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("sequences"));
    if (st == 0)
        st = sut_mp_add_array(b, a->count);
    for (size_t i = 0; st == 0 && i < a->count; i++)
        st = sut_mp_add_uint(b, a->positions[i].sequence);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("duplicates"));
    if (st == 0)
        st = sut_mp_add_array(b, a->count);
    for (size_t i = 0; st == 0 && i < a->count; i++)
        st = sut_mp_add_bool(b, a->positions[i].duplicate);
    return st;
}

static void count_all(struct core_events *e, const sut_core_publish_answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->positions[i].duplicate)
            e->counts.duplicates_total++;
        else
            e->counts.published_total++;
    }
}

static void send_published(sut_core *c, const core_session *s, const core_publish *p, const sut_core_publish_answer *a)
{
    struct core_events *e = c->events;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PUBLISHED, .id = p->id};
    if (p->batch) {
        sut_buf_reset(&e->buf);
        if (encode_positions(&e->buf, a)) {
            core_send_error(c, s, p->id, 0, SUT_STR_NONE,
                            &(core_error){SUT_ERR_INTERNAL, 0, "published, but the answer found no memory"});
            return;
        }
        env.body = (sut_str){(const char *)e->buf.data, e->buf.len};
    } else if (a->count > 0) {
        env.opt.sequence = a->positions[0].sequence;
        env.opt.dedup = (uint32_t)a->positions[0].dedup;
        env.opt.duplicate = a->positions[0].duplicate;
    }
    core_emit(c, s, &env);
}

void sut_core_published(sut_core *c, uint64_t now_ns, uint64_t tag, const sut_core_publish_answer *a)
{
    struct core_events *e = c->events;
    core_set_now(c, now_ns);
    const uint64_t slot = tag & SLOT_MASK;
    if (!e || tag == 0 || slot >= e->publish_slots || e->publishes[slot].tag != tag)
        return;
    const core_publish p = e->publishes[slot];
    core_publish_release(e, tag);
    if (!a->err)
        count_all(e, a);
    core_session *s = core_session_find(c, p.session);
    if (!s)
        return;
    s->publishes_pending--;
    s->publish_bytes -= p.bytes;
    s->peer->publishes_pending--;
    s->peer->publish_bytes -= p.bytes;
    if (a->err)
        send_failure(c, s, p.id, a);
    else
        send_published(c, s, &p, a);
}
