/* Publishing: checks at the door, then with the journal until it answers. What was handed over is not taken back: when
 * its publisher goes away only the answer is dropped. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS_MAX  (1u << CORE_PUBLISH_SLOT_BITS)
#define SLOTS_KEPT 1024
#define SLOT_NONE  UINT32_MAX

#define PUBLISH_OVERHEAD 256 /* of a publish, besides its text */
#define DELAY_MAX_US     (INT64_C(366) * 24 * 3600 * 1000000)

void core_publish_refuse(sut_core *c, const core_session *s, const sut_envelope *env, const core_error *e)
{
    if (c->events)
        c->events->counts.publish_errors_total++;
    core_send_error(c, s, env->id, 0, SUT_STR_NONE, e);
}

static void refuse_right(sut_core *c, const core_session *s, const sut_envelope *env, sut_str subject, const char *what,
                         const char *message)
{
    c->counts.refused_total++;
    if (c->ops.refused)
        c->ops.refused(c->app, s->id, what, subject, SUT_ERR_FORBIDDEN);
    core_publish_refuse(c, s, env, &(core_error){SUT_ERR_FORBIDDEN, 0, message});
}

/* ---- rights ---- */

static uint32_t hash_subject(sut_str s)
{
    uint32_t h = 2166136261u; /* FNV-1a: a peer that makes its subjects collide slows down only itself */
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    return h ^ (h >> 15);
}

static void fill_route(sut_core *c, const core_session *s, core_event_route *r, sut_str subject)
{
    sut_core_event_desc desc = {.known = false};
    c->events->ops.event(c->app, subject, &desc);
    r->acl_generation = c->acl_generation;
    r->known = desc.known;
    r->named = sut_acl_allows(s->acl, SUT_RIGHT_PUBLISH, subject);
    r->allowed = desc.open || sut_acl_may_serve(s->acl, desc.service);
    r->subject_len = (uint8_t)subject.len;
    memcpy(r->subject, subject.ptr, subject.len);
}

static const core_event_route *find_route(sut_core *c, core_session *s, sut_str subject)
{
    if (!s->event_routes) {
        s->event_routes = calloc(CORE_ROUTES_OF_EVENT, sizeof(*s->event_routes));
        if (!s->event_routes)
            return NULL;
    }
    core_event_route *r = &s->event_routes[hash_subject(subject) % CORE_ROUTES_OF_EVENT];
    if (r->acl_generation != c->acl_generation || r->subject_len != subject.len ||
        memcmp(r->subject, subject.ptr, subject.len) != 0)
        fill_route(c, s, r, subject);
    return r;
}

static bool may_publish(sut_core *c, core_session *s, const sut_envelope *env, sut_str subject)
{
    const core_event_route *r = find_route(c, s, subject);
    if (!r) {
        core_publish_refuse(c, s, env,
                            &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "the broker's memory is full"});
        return false;
    }
    if (!r->named) /* first: whoever may not publish it does not learn whether it exists */
        refuse_right(c, s, env, subject, "publish", "this peer may not publish this subject");
    else if (!r->known)
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_NO_SUCH_EVENT, 0, NULL});
    else if (!r->allowed)
        refuse_right(c, s, env, subject, "publish", "only who may serve its service may publish this event");
    return r->named && r->known && r->allowed;
}

/* A source's number is remembered for ever, and a higher epoch shuts out a lower one: a tool may not do that to an
 * outbox of the platform. Its own sources bear its name. */
static bool source_is_own(const sut_core *c, const core_session *s, sut_str source)
{
    const size_t len = strlen(s->name);
    if (sut_acl_role(s->acl) != SUT_ROLE_TOOL)
        return true;
    if (source.len < len || memcmp(source.ptr, s->name, len) != 0 || (source.len > len && source.ptr[len] != '.'))
        return false;
    for (size_t i = len + 1; i <= source.len; i++) { /* a peer's name may have dots: the longest one has it */
        if ((i == source.len || source.ptr[i] == '.') && sut_acl_find(c->acl, (sut_str){source.ptr, i}))
            return false;
    }
    return true;
}

static const char *source_fault(const sut_stored_event *event)
{
    if (!event->source.ptr || event->source.len == 0)
        return event->number || event->epoch ? "number and epoch belong to a source; name it in option 10" : NULL;
    if (event->source.len > SUT_SOURCE_MAX)
        return "the source's name is too long";
    return event->number == 0 ? "a source numbers its publishes, from 1" : NULL;
}

static bool has_principal(const sut_stored_event *event)
{
    return event->principal.user_id != 0 || event->principal.level != 0 || event->principal.session.ptr;
}

bool core_publish_check(sut_core *c, core_session *s, const sut_envelope *env, const sut_stored_event *event)
{
    if (!may_publish(c, s, env, event->subject))
        return false;
    const char *fault = source_fault(event);
    if (has_principal(event) && !sut_acl_may_set_principal(s->acl))
        refuse_right(c, s, env, event->subject, "principal", "a peer of this role may not set a principal");
    else if (event->replayed && sut_acl_role(s->acl) != SUT_ROLE_OPERATOR)
        refuse_right(c, s, env, event->subject, "replayed", "only an operator may mark an event as replayed");
    else if (fault)
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_INVALID, 0, fault});
    else if (event->not_before_us > 0 && event->not_before_us - DELAY_MAX_US > c->events->ops.wall_us(c->app))
        core_publish_refuse(c, s, env, &(core_error){SUT_ERR_INVALID, 0, "not_before is more than a year ahead"});
    else if (event->source.len > 0 && !source_is_own(c, s, event->source))
        refuse_right(c, s, env, event->subject, "source", "a tool's sources are its name, or begin with it and a dot");
    else if (!core_deliverable(event))
        core_publish_refuse(
            c, s, env,
            &(core_error){SUT_ERR_PAYLOAD_TOO_LARGE, 0, "the event leaves no room for what a delivery adds to it"});
    else
        return true;
    return false;
}

/* ---- pending ---- */

static bool grow(struct core_events *e)
{
    const uint32_t count = e->publish_slots ? e->publish_slots * 2 : 64;
    if (count > SLOTS_MAX)
        return false;
    core_publish *grown = reallocarray(e->publishes, count, sizeof(*grown));
    if (!grown)
        return false;
    for (uint32_t i = e->publish_slots; i < count; i++) {
        grown[i] = (core_publish){.next_free = e->publish_free};
        e->publish_free = i;
    }
    e->publishes = grown;
    e->publish_slots = count;
    return true;
}

static core_publish *take_slot(struct core_events *e)
{
    if (e->publish_free == SLOT_NONE && !grow(e))
        return NULL;
    const uint32_t slot = e->publish_free;
    core_publish *p = &e->publishes[slot];
    e->publish_free = p->next_free;
    *p = (core_publish){.tag = (++e->next_tag << CORE_PUBLISH_SLOT_BITS) | slot};
    e->publish_count++;
    return p;
}

void core_publish_release(struct core_events *e, uint64_t tag)
{
    const uint32_t slot = (uint32_t)(tag & (SLOTS_MAX - 1));
    e->publishes[slot] = (core_publish){.next_free = e->publish_free};
    e->publish_free = slot;
    if (--e->publish_count > 0 || e->publish_slots <= SLOTS_KEPT)
        return;
    free(e->publishes); /* after a burst the slots go back */
    e->publishes = NULL;
    e->publish_slots = 0;
    e->publish_free = SLOT_NONE;
}

/* What the journal's queue holds for a publish, roughly. */
static uint32_t bytes_of(const sut_envelope *env)
{
    return (uint32_t)(env->body.len + env->key.len + env->subject.len + env->principal.session.len) + PUBLISH_OVERHEAD;
}

/* A tool's sessions share what a session of others has: or it could fill the journal's queue for all. */
static bool has_room(sut_core *c, const core_session *s, const sut_envelope *env)
{
    const sut_core_event_limits *l = &c->events->limits;
    const bool tool = sut_acl_role(s->acl) == SUT_ROLE_TOOL;
    const uint32_t count = tool ? s->peer->publishes_pending : s->publishes_pending;
    const uint64_t bytes = tool ? s->peer->publish_bytes : s->publish_bytes;
    if (count < l->publishes_per_peer && (count == 0 || bytes + bytes_of(env) <= l->publish_bytes_per_peer))
        return true;
    core_publish_refuse(
        c, s, env, &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_JOURNAL_MS, "too many publishes of this peer wait"});
    return false;
}

void core_publish_hand_over(sut_core *c, core_session *s, const sut_envelope *env, const sut_stored_event *events,
                            size_t count, bool batch)
{
    struct core_events *e = c->events;
    if (!has_room(c, s, env))
        return;
    core_publish *p = take_slot(e);
    if (!p) {
        core_publish_refuse(c, s, env,
                            &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_JOURNAL_MS, "too many publishes wait"});
        return;
    }
    p->session = s->id;
    p->id = env->id;
    p->bytes = bytes_of(env);
    p->count = (uint32_t)count;
    p->batch = batch;
    sut_status st = e->ops.publish(c->app, p->tag, events, count);
    if (st) {
        core_publish_release(e, p->tag);
        core_error why = {SUT_ERR_OVERLOADED, CORE_RETRY_JOURNAL_MS, "the journal's queue is full"};
        if (st != -EAGAIN)
            why = (core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_UNKNOWN_MS, "the journal takes nothing"};
        core_publish_refuse(c, s, env, &why);
        return;
    }
    s->publishes_pending++;
    s->peer->publishes_pending++;
    s->publish_bytes += p->bytes;
    s->peer->publish_bytes += p->bytes;
}

void core_publish_mint(sut_core *c, uint8_t id[SUT_EVENT_ID_LEN])
{
    for (size_t i = 0; i < SUT_EVENT_ID_LEN; i += sizeof(uint64_t)) {
        uint64_t word = c->events->ops.random(c->app);
        memcpy(id + i, &word, sizeof(word));
    }
}

void core_publish_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    if (!c->events) {
        core_publish_refuse(c, s, env,
                            &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_UNKNOWN_MS, "the journal is not open yet"});
        return;
    }
    if (c->draining) {
        core_publish_refuse(c, s, env,
                            &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the broker is stopping"});
        return;
    }
    if (env->subject.len == 0) {
        core_publish_batch_input(c, s, env);
        return;
    }
    sut_stored_event event = {.subject = env->subject,
                              .key = env->key,
                              .principal = env->principal,
                              .traceparent = env->traceparent,
                              .source = env->opt.source.len > 0 ? env->opt.source : SUT_STR_NONE,
                              .number = env->opt.number,
                              .epoch = env->opt.epoch,
                              .not_before_us = env->opt.not_before,
                              .replayed = env->opt.replayed != 0,
                              .publisher = sut_str_from(s->name),
                              .body = env->body};
    if (!core_publish_check(c, s, env, &event))
        return;
    if (env->opt.event_id.len == SUT_EVENT_ID_LEN)
        memcpy(event.id, env->opt.event_id.ptr, SUT_EVENT_ID_LEN);
    else
        core_publish_mint(c, event.id);
    core_publish_hand_over(c, s, env, &event, 1, false);
}
