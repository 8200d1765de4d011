/* What the core tells of what passes: calls and their ends, events, deliveries. Everything is borrowed from the
 * envelope or the call at hand. */
#include "event_state.h"

#define THE_BROKER SUT_STR("broker")

static sut_str title(const core_session *s)
{
    return s ? s->title : THE_BROKER;
}

/* A peer's name says enough, unless it has several sessions. */
void core_see_names(sut_core *c, sut_str name)
{
    const core_peer *p = core_peer_find(c, name);
    uint32_t count = 0;
    if (!p || p->sessions < 2) /* the only one began with its name, and keeps it */
        return;
    for (const sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        const core_session *s = SUT_CONTAINER(n, core_session, node);
        count += s->ready && sut_str_is(name, s->name);
    }
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        if (sut_str_is(name, s->name))
            s->title = sut_str_from(count > 1 && s->ready ? s->instance : s->name);
    }
}

/* ---- calls: all fields that they have are set each time; those of events stay as they are, empty ---- */

static inline sut_sight *begin(sut_core *c, sut_sight_kind kind, sut_str from, sut_str to)
{
    sut_sight *s = &c->sight;
    s->kind = kind;
    s->at_us = 0;
    s->from = from;
    s->to = to;
    return s;
}

static inline void name_call(sut_sight *s, const core_call *call)
{
    s->subject = core_call_subject(call);
    s->call = call->sequence;
    s->id = call->caller_id;
    s->attempt = call->attempt;
    s->picked = call->picked;
}

static inline void ask_of(sut_sight *s, const sut_envelope *env)
{
    s->key = env->key;
    s->traceparent = env->traceparent;
    s->parent_id = env->opt.parent_id;
    s->principal = env->principal;
}

void core_see_acceptance(sut_core *c, core_call *call, const sut_envelope *env)
{
    call->picked = c->ops.picks ? c->ops.picks(c->app, env) : 0;
    call->passed_over = c->ops.picks && !call->picked;
    if (call->passed_over || c->watched & CORE_SIGHTS_OF_ENDS)
        core_call_note_origin(c, call, env, !call->passed_over); /* a key costs an allocation */
}

bool core_tells_reply(const sut_core *c, const core_call *call)
{
    return c->watched & SUT_SIGHT_REPLY &&
           (!call->passed_over || (c->slow_ns && c->now_ns - call->accepted_ns >= c->slow_ns));
}

void core_see_call(sut_core *c, const core_call *call, const core_session *to, const sut_envelope *env)
{
    sut_sight *s = begin(c, SUT_SIGHT_CALL, title(call->caller), title(to));
    name_call(s, call);
    ask_of(s, env);
    s->took_us = 0;
    s->code = SUT_STR_NONE;
    s->body = env->body;
    c->ops.seen(c->app, s);
}

static sut_sight *end_of(sut_core *c, const core_call *call, sut_sight_kind kind, sut_str from, sut_str to)
{
    static const sut_envelope unknown;
    sut_sight *s = begin(c, kind, from, to);
    const core_origin *o = &call->origin;
    name_call(s, call);
    s->took_us = (c->now_ns - call->accepted_ns) / 1000;
    if (call->has_origin) {
        s->key = (sut_str){o->key, o->key_len};
        s->traceparent = o->traceparent_len ? (sut_str){o->traceparent, o->traceparent_len} : SUT_STR_NONE;
        s->parent_id = o->parent_id_len ? (sut_str){o->parent_id, o->parent_id_len} : SUT_STR_NONE;
        s->principal = (sut_principal){.user_id = o->user_id, .level = o->level};
    } else {
        ask_of(s, &unknown);
    }
    return s;
}

void core_see_reply(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str body)
{
    sut_sight *s = end_of(c, call, SUT_SIGHT_REPLY, title(from), title(caller));
    s->code = SUT_STR_NONE;
    s->body = body;
    c->ops.seen(c->app, s);
}

void core_see_error(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str code, sut_str body)
{
    sut_sight *s = end_of(c, call, SUT_SIGHT_ERROR, title(from), title(caller));
    s->code = code;
    s->body = body;
    c->ops.seen(c->app, s);
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
    sut_sight *s = begin(c, SUT_SIGHT_ERROR, THE_BROKER, title(caller));
    s->subject = env->subject;
    ask_of(s, env);
    s->call = ++c->next_sequence;
    s->id = env->id;
    s->attempt = 0;
    s->picked = 0;
    s->took_us = 0;
    s->code = platform_code(err);
    s->body = just_made(c);
    c->ops.seen(c->app, s);
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
