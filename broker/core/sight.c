/* What the core tells of what passes: calls and their ends, events, deliveries. Everything is borrowed from the
 * envelope or the call at hand. */
#include "event_state.h"

#define THE_BROKER SUT_STR("broker")

/* A peer's name says enough, unless it has several sessions. */
static sut_str title(const core_session *s)
{
    if (!s)
        return THE_BROKER;
    return sut_str_from(s->several && s->instance[0] ? s->instance : s->name);
}

void core_see_names(sut_core *c, sut_str name)
{
    uint32_t count = 0;
    for (const sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        const core_session *s = SUT_CONTAINER(n, core_session, node);
        count += s->ready && sut_str_is(name, s->name);
    }
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        if (sut_str_is(name, s->name))
            s->several = count > 1;
    }
}

/* ---- calls ---- */

void core_see_call(sut_core *c, const core_call *call, const core_session *to, const sut_envelope *env)
{
    sut_sight s = {.kind = SUT_SIGHT_CALL,
                   .from = title(call->caller),
                   .to = title(to),
                   .subject = core_call_subject(call),
                   .key = env->key,
                   .traceparent = env->traceparent,
                   .parent_id = env->opt.parent_id,
                   .principal = env->principal,
                   .call = call->sequence,
                   .id = call->caller_id,
                   .attempt = call->attempt,
                   .body = env->body};
    c->ops.seen(c->app, &s);
}

static sut_sight end_of(const sut_core *c, const core_call *call, const core_session *caller, const core_session *from)
{
    sut_sight s = {.from = title(from),
                   .to = title(caller),
                   .subject = core_call_subject(call),
                   .took_us = (c->now_ns - call->accepted_ns) / 1000,
                   .call = call->sequence,
                   .id = call->caller_id,
                   .attempt = call->attempt};
    if (call->origin) {
        s.key = call->origin->key;
        s.traceparent = call->origin->traceparent;
        s.parent_id = call->origin->parent_id;
        s.principal = call->origin->principal;
    }
    return s;
}

void core_see_reply(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str body)
{
    sut_sight s = end_of(c, call, caller, from);
    s.kind = SUT_SIGHT_REPLY;
    s.body = body;
    c->ops.seen(c->app, &s);
}

void core_see_error(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str code, sut_str body)
{
    sut_sight s = end_of(c, call, caller, from);
    s.kind = SUT_SIGHT_ERROR;
    s.code = code;
    s.body = body;
    c->ops.seen(c->app, &s);
}

static sut_str platform_code(int err)
{
    const sut_error_desc *desc = sut_platform_error(err);
    return sut_str_from((desc ? desc : sut_platform_error(SUT_ERR_INTERNAL))->code);
}

static sut_str just_made(const sut_core *c)
{
    return (sut_str){(const char *)c->scratch.data, c->scratch.len};
}

void core_see_failure(sut_core *c, const core_call *call, const core_session *caller, int err)
{
    core_see_error(c, call, caller, NULL, platform_code(err), just_made(c));
}

void core_see_refusal(sut_core *c, const core_session *caller, const sut_envelope *env, int err)
{
    sut_sight s = {.kind = SUT_SIGHT_ERROR,
                   .from = THE_BROKER,
                   .to = title(caller),
                   .subject = env->subject,
                   .key = env->key,
                   .traceparent = env->traceparent,
                   .parent_id = env->opt.parent_id,
                   .principal = env->principal,
                   .call = ++c->next_sequence,
                   .id = env->id,
                   .code = platform_code(err),
                   .body = just_made(c)};
    c->ops.seen(c->app, &s);
}

/* ---- events ---- */

static void describe(sut_sight *s, const sut_stored_event *event)
{
    s->from = event->publisher;
    s->subject = event->subject;
    s->key = event->key;
    s->traceparent = event->traceparent;
    s->principal = event->principal;
    s->sequence = event->sequence;
    s->replayed = event->replayed;
    memcpy(s->event_id, event->id, SUT_EVENT_ID_LEN);
}

void core_see_event(sut_core *c, const sut_stored_event *event)
{
    sut_sight s = {.kind = SUT_SIGHT_EVENT, .at_us = event->time_us, .body = event->body};
    describe(&s, event);
    c->ops.seen(c->app, &s);
}

void core_see_delivery(sut_core *c, const core_group *g, const core_entry *entry, sut_str code)
{
    sut_sight s = {.kind = SUT_SIGHT_DELIVERY, .code = code};
    if (entry->copy)
        describe(&s, &entry->copy->event);
    s.sequence = entry->sequence;
    s.to = title(entry->member->session);
    s.group = core_group_name(g);
    s.attempt = entry->attempt;
    s.took_us = (c->now_ns - entry->given_ns) / 1000;
    s.replayed = s.replayed || g->replay.on;
    c->ops.seen(c->app, &s);
}
