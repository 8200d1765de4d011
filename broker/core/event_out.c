/* Envelopes of events: deliveries, gaps, markers; and what the daemon is told of deliveries. */
#include "event_state.h"

#include "wire/msgpack.h"

static void fill_deliver(sut_envelope *env, uint64_t id, const sut_stored_event *event)
{
    *env = (sut_envelope){.version = SUT_PROTOCOL_VERSION,
                          .kind = SUT_DELIVER,
                          .id = id,
                          .subject = event->subject,
                          .key = event->key,
                          .principal = event->principal,
                          .traceparent = event->traceparent,
                          .body = event->body,
                          .opt = {.sequence = event->sequence,
                                  .event_id = {(const char *)event->id, SUT_EVENT_ID_LEN},
                                  .published_at = event->time_us > 0 ? event->time_us : 0,
                                  .replayed = event->replayed}};
}

bool core_deliverable(const sut_stored_event *event)
{
    sut_envelope env;
    fill_deliver(&env, UINT64_MAX, event);
    return core_fits(&env);
}

void core_send_deliver(sut_core *c, const core_subscription *sub, const sut_stored_event *event, uint32_t attempt)
{
    const core_group *g = sub->group;
    sut_envelope env;
    fill_deliver(&env, sub->id, event);
    env.opt.attempt = attempt;
    if (g) {
        env.opt.generation = g->generation;
        env.opt.replayed = event->replayed || g->replay.on;
    }
    c->events->counts.delivered_total++;
    core_emit(c, sub->session, &env);
}

void core_send_gap(sut_core *c, core_subscription *sub, uint64_t from, uint64_t to, const char *reason)
{
    sut_buf *b = &c->scratch;
    sut_buf_reset(b);
    sut_status st = sut_mp_add_map(b, 3);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("from"));
    if (st == 0)
        st = sut_mp_add_uint(b, from);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("to"));
    if (st == 0)
        st = sut_mp_add_uint(b, to);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("reason"));
    if (st == 0)
        st = sut_mp_add_str(b, sut_str_from(reason));
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_GAP, .id = sub->id};
    if (st == 0) /* out of memory: the gap goes out without its body rather than not at all */
        env.body = (sut_str){(const char *)b->data, b->len};
    sub->gaps_total++;
    c->events->counts.gaps_total++;
    core_emit(c, sub->session, &env);
}

void core_send_marker(sut_core *c, const core_subscription *sub)
{
    sut_envelope env = {
        .version = SUT_PROTOCOL_VERSION, .kind = SUT_MARKER, .id = sub->id, .opt = {.sequence = c->events->next - 1}};
    core_emit(c, sub->session, &env);
}

void core_tell_delivery(sut_core *c, const char *outcome, const core_group *g, const core_subscription *sub,
                        const core_entry *entry, const sut_stored_event *event)
{
    const struct core_events *e = c->events;
    if (!e->ops.delivery)
        return;
    const sut_stored_event bare = {.sequence = entry->sequence}; /* its copy had no room */
    if (!event)
        event = entry->copy ? &entry->copy->event : &bare;
    e->ops.delivery(c->app, outcome, core_group_name(g), sub ? sut_str_from(sub->session->name) : SUT_STR_NONE, event,
                    entry->attempt, entry->given_ns ? c->now_ns - entry->given_ns : 0);
}
