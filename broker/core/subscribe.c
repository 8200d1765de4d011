/* Subscriptions: subscribe and unsubscribe, the answers of consumers, and what becomes of them when a session ends. */
#include "event_state.h"

#include "base/arena.h"
#include "wire/msgpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void refuse(sut_core *c, const core_session *s, const sut_envelope *env, int err, uint32_t retry_after_ms,
                   const char *message)
{
    core_send_error(c, s, env->id, 0, SUT_STR_NONE, &(core_error){err, retry_after_ms, message});
}

static bool refuse_right(sut_core *c, const core_session *s, const sut_envelope *env, sut_str about,
                         const char *message)
{
    c->counts.refused_total++;
    if (c->ops.refused)
        c->ops.refused(c->app, s->id, "subscribe", about, SUT_ERR_FORBIDDEN);
    refuse(c, s, env, SUT_ERR_FORBIDDEN, 0, message);
    return false;
}

core_subscription *core_subscription_find(const core_session *s, uint64_t id)
{
    for (sut_node *n = s->subscriptions.next; n != &s->subscriptions; n = n->next) {
        core_subscription *sub = SUT_CONTAINER(n, core_subscription, session_node);
        if (sub->id == id)
            return sub;
    }
    return NULL;
}

/* ---- rights ---- */

static bool may_join(const sut_core *c, const core_session *s, sut_str group)
{
    const struct core_events *e = c->events;
    const sut_str service = e->ops.group_service ? e->ops.group_service(c->app, group) : SUT_STR_NONE;
    return !service.ptr || sut_acl_may_serve(s->acl, service);
}

bool core_subscriptions_allowed(const sut_core *c, const core_session *s)
{
    for (sut_node *n = s->subscriptions.next; n != &s->subscriptions; n = n->next) {
        const core_subscription *sub = SUT_CONTAINER(n, core_subscription, session_node);
        const core_filter *f = sub->group ? &sub->group->filter : &sub->filter;
        for (size_t i = 0; i < f->count; i++) {
            if (!sut_acl_allows_pattern(s->acl, SUT_RIGHT_SUBSCRIBE, f->patterns[i]))
                return false;
        }
        if (sub->group && !may_join(c, s, core_group_name(sub->group)))
            return false;
    }
    return true;
}

/* What it may come to hold: its ring, or what failed deliveries leave behind. */
static uint64_t weight_of(const struct core_events *e, const core_wanted *w)
{
    const uint64_t credits = w->credits < e->limits.max_event_credits ? w->credits : e->limits.max_event_credits;
    uint64_t bytes = sizeof(core_subscription) + w->key.len;
    for (size_t i = 0; i < w->subject_count; i++)
        bytes += w->subjects[i].len + 1;
    return bytes + credits * (w->has_group ? sizeof(core_trouble) : sizeof(uint64_t));
}

/* Each event is matched with all patterns that there are, and given out as often as one of them matches: one tool with
 * many sessions could slow down all the others. */
static bool tool_has_room(const sut_core *c, const core_session *s, const core_wanted *w)
{
    const struct core_events *e = c->events;
    return sut_acl_role(s->acl) != SUT_ROLE_TOOL ||
           (s->peer->subscriptions < CORE_SUBSCRIPTIONS_OF_TOOL &&
            s->peer->subscription_bytes + weight_of(e, w) <= e->limits.event_bytes / 4);
}

static bool check(sut_core *c, core_session *s, const sut_envelope *env, const core_wanted *w)
{
    const struct core_events *e = c->events;
    for (size_t i = 0; i < w->subject_count; i++) {
        if (!sut_acl_allows_pattern(s->acl, SUT_RIGHT_SUBSCRIBE, w->subjects[i]))
            return refuse_right(c, s, env, w->subjects[i], "this peer may not subscribe to all of these subjects");
    }
    if (w->has_group && !may_join(c, s, w->group))
        return refuse_right(c, s, env, w->group, "only who may serve its service may join this group");
    if (core_subscription_find(s, env->id)) {
        refuse(c, s, env, SUT_ERR_CONFLICT, 0, "a subscription with this id is there already");
        return false;
    }
    if (s->subscription_count >= e->limits.subscriptions_per_session) {
        refuse(c, s, env, SUT_ERR_OVERLOADED, 0, "too many subscriptions of this session");
        return false;
    }
    if (!tool_has_room(c, s, w)) {
        refuse(c, s, env, SUT_ERR_OVERLOADED, 0, "too many subscriptions, or credits, of this tool");
        return false;
    }
    if (w->start == CORE_START_SEQUENCE && w->start_sequence > e->next) {
        char message[128];
        (void)snprintf(message, sizeof(message), "sequence %llu is beyond the end of the journal, which is %llu",
                       (unsigned long long)w->start_sequence, (unsigned long long)(e->next - 1));
        refuse(c, s, env, SUT_ERR_INVALID, 0, message);
        return false;
    }
    return true;
}

/* ---- life ---- */

static core_subscription *new_subscription(sut_core *c, core_session *s, const sut_envelope *env, const core_wanted *w)
{
    struct core_events *e = c->events;
    core_subscription *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return NULL;
    sub->session = s;
    sub->id = env->id;
    sub->credits = w->credits < e->limits.max_event_credits ? w->credits : e->limits.max_event_credits;
    sub->weight = weight_of(e, w);
    sub->ack_wait_ms = w->ack_wait_ms ? w->ack_wait_ms : e->limits.ack_wait_ms;
    sub->timer.kind = CORE_TIMER_SUBSCRIPTION;
    sub->again.kind = CORE_TIMER_SUBSCRIPTION_READ;
    sub->heap_index = CORE_NOT_A_MEMBER;
    sub->user_id = w->user_id;
    sub->has_key = w->has_key;
    sut_list_init(&sub->hand);
    sut_list_push_back(&s->subscriptions, &sub->session_node);
    s->subscription_count++;
    s->peer->subscriptions++;
    s->peer->subscription_bytes += sub->weight;
    e->subscription_count++;
    return sub;
}

static void free_subscription(sut_core *c, core_subscription *sub)
{
    struct core_events *e = c->events;
    core_wheel_cancel(&c->wheel, &sub->timer);
    core_wheel_cancel(&c->wheel, &sub->again);
    if (sub->reading) {
        sub->reading->subscription = NULL;
        sut_node_unlink(&sub->reading->node);
    }
    sut_node_unlink(&sub->session_node);
    sut_node_unlink(&sub->place_node);
    sut_node_unlink(&sub->ahead_node);
    sub->session->subscription_count--;
    sub->session->peer->subscriptions--;
    sub->session->peer->subscription_bytes -= sub->weight;
    e->subscription_count--;
    if (sub->sent)
        core_event_discharge(e, sub->credits * sizeof(uint64_t));
    core_filter_free(&sub->filter);
    free(sub->sent);
    free(sub->key);
    free(sub);
}

void core_subscription_answer(sut_core *c, core_subscription *sub)
{
    const struct core_events *e = c->events;
    const core_group *g = sub->group;
    const uint64_t position = g ? core_group_cursor(e, g) + 1 : sub->live ? e->next : sub->position;
    sut_buf *b = &c->scratch;
    sut_buf_reset(b);
    sut_status st = sut_mp_add_map(b, g ? 3 : 2);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("subscription"));
    if (st == 0)
        st = sut_mp_add_uint(b, sub->id);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("position"));
    if (st == 0)
        st = sut_mp_add_uint(b, position);
    if (st == 0 && g)
        st = sut_mp_add_str(b, SUT_STR("group"));
    if (st == 0 && g)
        st = sut_mp_add_str(b, core_group_name(g));
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_REPLY, .id = sub->id};
    if (st == 0)
        env.body = (sut_str){(const char *)b->data, b->len};
    sub->answered = true;
    core_emit(c, sub->session, &env);
}

/* Gives back what it holds: counted as a failed attempt if its consumer was lost with it. */
static void give_back(sut_core *c, core_subscription *sub, bool lost)
{
    core_group *g = sub->group;
    const core_fault fault = {.outcome = "lost",
                              .code = SUT_STR("lost"),
                              .message = SUT_STR("its consumer's session ended"),
                              .at_once = true};
    while (!sut_list_empty(&sub->hand)) { /* the last one first: each goes to the front */
        core_entry *entry = SUT_CONTAINER(sub->hand.prev, core_entry, node);
        if (lost) {
            g->lost_total++;
            core_entry_failed(c, g, entry, &fault);
            continue;
        }
        core_entry_take_back(c, g, entry);
        entry->attempt--;
        core_entry_ready(c, g, entry, true);
    }
}

void core_subscription_end(sut_core *c, core_subscription *sub, bool lost)
{
    struct core_events *e = c->events;
    core_group *g = sub->group;
    if (!g) {
        e->match_generation++;
        free_subscription(c, sub);
        return;
    }
    if (sub->heap_index != CORE_NOT_A_MEMBER)
        core_member_retire(g, sub);
    give_back(c, sub, lost);
    g->member_count--;
    free_subscription(c, sub);
    core_group_wake(c, g);
}

void core_subscriptions_retire(const core_session *s)
{
    for (sut_node *n = s->subscriptions.next; n != &s->subscriptions; n = n->next) {
        core_subscription *sub = SUT_CONTAINER(n, core_subscription, session_node);
        if (sub->group && sub->heap_index != CORE_NOT_A_MEMBER)
            core_member_retire(sub->group, sub);
    }
}

void core_subscriptions_remark(sut_core *c, const core_session *s)
{
    for (sut_node *n = s->subscriptions.next; n != &s->subscriptions; n = n->next) {
        core_subscription *sub = SUT_CONTAINER(n, core_subscription, session_node);
        if (!sub->group && sub->live && !sub->slow)
            core_ephemeral_arm(c, sub);
    }
}

void core_subscription_alarm(sut_core *c, core_subscription *sub)
{
    if (sub->group)
        core_hand_alarm(c, sub);
    else
        core_ephemeral_marker(c, sub);
}

void core_subscriptions_close(sut_core *c, core_session *s)
{
    while (!sut_list_empty(&s->subscriptions))
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each leaves the list as it ends
        core_subscription_end(c, SUT_CONTAINER(s->subscriptions.next, core_subscription, session_node), !s->draining);
}

/* ---- subscribe ---- */

static bool make_ephemeral(sut_core *c, core_subscription *sub, const core_wanted *w)
{
    struct core_events *e = c->events;
    if (core_filter_set(&sub->filter, w->subjects, w->subject_count))
        return false;
    if (w->key.len > 0) {
        sub->key = malloc(w->key.len);
        if (!sub->key)
            return false;
        memcpy(sub->key, w->key.ptr, w->key.len);
    }
    sub->key_len = (uint16_t)w->key.len;
    const size_t bytes = sub->credits * sizeof(uint64_t);
    if (!core_event_room(e, bytes, sut_acl_role(sub->session->acl) == SUT_ROLE_TOOL) || !core_event_charge(e, bytes))
        return false;
    sub->sent = malloc(bytes);
    if (!sub->sent) {
        core_event_discharge(e, bytes);
        return false;
    }
    return true;
}

static void subscribe_ephemeral(sut_core *c, core_session *s, const sut_envelope *env, const core_wanted *w)
{
    struct core_events *e = c->events;
    core_subscription *sub = new_subscription(c, s, env, w);
    if (!sub || !make_ephemeral(c, sub, w)) {
        if (sub)
            free_subscription(c, sub);
        refuse(c, s, env, SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "the broker's memory is full");
        return;
    }
    switch (w->start) {
    case CORE_START_END: sub->position = e->next; break;
    case CORE_START_BEGINNING: sub->position = e->first; break;
    case CORE_START_SEQUENCE: sub->position = w->start_sequence; break;
    case CORE_START_TIME:
        sub->position = e->first;
        sub->from_time_us = w->start_time_us;
        break;
    }
    sut_list_push_back(&e->ephemeral, &sub->place_node);
    e->match_generation++;
    core_subscription_answer(c, sub);
    core_ephemeral_start(c, sub);
}

static bool is_tool(const core_session *s)
{
    return sut_acl_role(s->acl) == SUT_ROLE_TOOL;
}

/* A group stays until an operator deletes it: one tool may not use up the names of all. */
static bool has_groups_left(const struct core_events *e, const core_session *s)
{
    const uint32_t quarter = e->limits.max_groups / 4;
    uint32_t count = 0;
    if (!is_tool(s))
        return true;
    for (const sut_node *n = e->groups.next; n != &e->groups; n = n->next)
        count += strcmp(SUT_CONTAINER(n, core_group, node)->owner, s->name) == 0;
    return count < (quarter ? quarter : 1);
}

static sut_status make_group(sut_core *c, const core_session *s, const core_wanted *w, core_group **out)
{
    struct core_events *e = c->events;
    core_group *g = NULL;
    if (!has_groups_left(e, s))
        return -ENOSPC;
    sut_status st = core_group_new(c, w->group, w->subjects, w->subject_count, &g);
    if (st)
        return st;
    if (is_tool(s))
        memcpy(g->owner, s->name, sizeof(g->owner));
    if (w->start == CORE_START_BEGINNING)
        g->place.cursor = e->first - 1;
    else if (w->start == CORE_START_SEQUENCE)
        g->place.cursor = w->start_sequence - 1;
    else if (w->start == CORE_START_TIME) {
        g->place.cursor = e->first - 1; /* nothing is done yet, wherever it begins */
        g->place.from_time_us = w->start_time_us;
    }
    *out = g;
    return 0;
}

/* Why this session may not have the group as it wants it; NULL: it may. */
static const char *group_fault(const core_group *g, const core_session *s, bool same)
{
    if (same)
        return NULL;
    if (g->member_count > 0 || g->window.held || g->replay.on)
        return "the group has members with other subjects";
    return is_tool(s) && strcmp(g->owner, s->name) != 0 ? "the group has other subjects, and is not this tool's" : NULL;
}

/* The group of that name, made if need be; NULL: it was refused. */
static core_group *get_group(sut_core *c, const core_session *s, const sut_envelope *env, const core_wanted *w)
{
    struct core_events *e = c->events;
    core_group *g = core_group_find(e, w->group);
    const bool same = g && core_filter_same(&g->filter, w->subjects, w->subject_count);
    if (g && g->owner[0] && is_tool(s) && strcmp(g->owner, s->name) != 0) {
        (void)refuse_right(c, s, env, w->group, "this group is another tool's");
        return NULL;
    }
    const char *fault = g ? group_fault(g, s, same) : NULL;
    if (fault) {
        refuse(c, s, env, SUT_ERR_CONFLICT, CORE_RETRY_UNKNOWN_MS, fault);
        return NULL;
    }
    if (same)
        return g;
    sut_status st;
    if (g) {
        st = core_filter_set(&g->filter, w->subjects, w->subject_count);
        e->match_generation++;
        core_group_dirty(c, g);
    } else {
        st = make_group(c, s, w, &g);
    }
    if (st == 0)
        return g;
    refuse(c, s, env, SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS,
           st == -EBUSY    ? "a group of this name is just being deleted"
           : st == -ENOSPC ? "there are too many groups, or too many of this tool"
                           : "the broker's memory is full");
    return NULL;
}

static void subscribe_group(sut_core *c, core_session *s, const sut_envelope *env, const core_wanted *w)
{
    core_group *g = get_group(c, s, env, w);
    if (!g)
        return;
    core_subscription *sub = new_subscription(c, s, env, w);
    if (!sub || core_member_add(g, sub)) {
        if (sub)
            free_subscription(c, sub);
        refuse(c, s, env, SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "the broker's memory is full");
        return;
    }
    if (g->stored)
        core_subscription_answer(c, sub);
    core_group_wake(c, g);
}

void core_subscribe_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    char message[256];
    core_wanted w;
    if (!c->events) {
        refuse(c, s, env, SUT_ERR_UNAVAILABLE, CORE_RETRY_UNKNOWN_MS, "the journal is not open yet");
    } else if (c->draining) {
        refuse(c, s, env, SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the broker is stopping");
    } else if (s->draining) {
        refuse(c, s, env, SUT_ERR_UNAVAILABLE, 0, "this session has said bye");
    } else if (!core_wanted_read(c, env->body, &w, message, sizeof(message))) {
        refuse(c, s, env, SUT_ERR_INVALID, 0, message);
    } else if (check(c, s, env, &w)) {
        if (w.has_group)
            subscribe_group(c, s, env, &w);
        else
            subscribe_ephemeral(c, s, env, &w);
    }
}

void core_unsubscribe_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    core_subscription *sub = c->events ? core_subscription_find(s, env->id) : NULL;
    if (sub)
        core_subscription_end(c, sub, false);
    else if (c->ops.untap) /* or it ended meanwhile */
        c->ops.untap(c->app, s->id, env->id);
}
