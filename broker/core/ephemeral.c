/* Ephemeral subscribers: history by reading, as their credit allows, then live. One that does not keep up misses events
 * and is told which; nothing is kept for it. */
#include "event_state.h"

#include <errno.h>

static bool wants(const core_subscription *sub, const sut_stored_event *event)
{
    if (sub->user_id != 0 && event->principal.user_id != sub->user_id)
        return false;
    return !sub->has_key ||
           (event->key.ptr && sut_str_eq(event->key, (sut_str){sub->key ? sub->key : "", sub->key_len}));
}

static void send(sut_core *c, core_subscription *sub, const sut_stored_event *event)
{
    sub->sent[(sub->sent_head + sub->in_flight) % sub->credits] = event->sequence;
    sub->in_flight++;
    core_send_deliver(c, sub, event, 1);
}

static void gap(sut_core *c, core_subscription *sub, uint64_t from, uint64_t to, const char *reason)
{
    core_send_gap(c, sub, from, to, reason);
}

void core_ephemeral_arm(sut_core *c, core_subscription *sub)
{
    core_wheel_arm(&c->wheel, &sub->timer, c->now_ns + c->events->limits.marker_ms * SUT_NS_PER_MS);
}

static void marker(sut_core *c, core_subscription *sub)
{
    core_send_marker(c, sub);
    core_ephemeral_arm(c, sub);
}

void core_ephemeral_marker(sut_core *c, core_subscription *sub)
{
    if (sub->live && !sub->slow)
        marker(c, sub);
}

static void again_later(sut_core *c, core_subscription *sub)
{
    core_wheel_arm(&c->wheel, &sub->again, c->now_ns + CORE_AGAIN_MS * SUT_NS_PER_MS);
}

static void read_on(sut_core *c, core_subscription *sub)
{
    struct core_events *e = c->events;
    core_op *op = core_op_new(e, CORE_OP_READ, NULL);
    if (!op) {
        again_later(c, sub);
        return;
    }
    const sut_core_read r = {.from = sub->position,
                             .from_time_us = sub->from_time_us,
                             .patterns = sub->filter.patterns,
                             .pattern_count = sub->filter.count,
                             .max_events = sub->credits - sub->in_flight,
                             .max_bytes = CORE_READ_BYTES};
    op->subscription = sub;
    op->from = sub->position;
    if (e->ops.read(c->app, op->tag, &r)) {
        core_op_free(e, op);
        again_later(c, sub);
        return;
    }
    sub->reading = op;
}

void core_ephemeral_pump(sut_core *c, core_subscription *sub)
{
    struct core_events *e = c->events;
    if (sub->live || sub->reading || sut_node_linked(&sub->again.node))
        return;
    if (sub->position >= e->next && sub->from_time_us == 0) {
        if (sub->position > e->next) { /* it has read what the core was not told of yet */
            if (!sut_node_linked(&sub->ahead_node))
                sut_list_push_back(&e->ahead_subscriptions, &sub->ahead_node);
            return;
        }
        sub->live = true;
        marker(c, sub);
        return;
    }
    const uint32_t least = sub->credits / 4 ? sub->credits / 4 : 1;
    if (sub->credits - sub->in_flight >= least)
        read_on(c, sub);
}

static void skip_to(sut_core *c, core_subscription *sub, uint64_t oldest)
{
    gap(c, sub, sub->position, oldest - 1, "retention");
    sub->missed_total += oldest - sub->position;
    sub->position = oldest;
}

void core_ephemeral_start(sut_core *c, core_subscription *sub)
{
    if (sub->position < c->events->first)
        skip_to(c, sub, c->events->first);
    core_ephemeral_pump(c, sub);
}

void core_ephemeral_retained(sut_core *c, core_subscription *sub, uint64_t oldest)
{
    if (sub->live || sub->reading || sub->from_time_us != 0 || sub->position >= oldest)
        return;
    skip_to(c, sub, oldest);
    core_ephemeral_pump(c, sub);
}

void core_ephemeral_fall_behind(sut_core *c, core_subscription *sub, uint64_t sequence)
{
    if (!sub->live)
        return;
    sub->live = false;
    sub->position =
        sub->slow ? sub->missed_from : sequence; /* what it missed is read with the rest, as its credit allows */
    sub->slow = false;
    again_later(c, sub);
}

void core_ephemeral_offer(sut_core *c, core_subscription *sub, const sut_stored_event *event)
{
    if (!sub->live || !wants(sub, event))
        return;
    if (!sub->slow && sub->in_flight == sub->credits) {
        sub->slow = true;
        sub->missed_from = event->sequence;
    }
    if (sub->slow)
        sub->missed_total++;
    else
        send(c, sub, event);
}

static void catch_up(sut_core *c, core_subscription *sub)
{
    const uint32_t least = sub->credits / 2 ? sub->credits / 2 : 1;
    if (sub->credits - sub->in_flight < least)
        return;
    gap(c, sub, sub->missed_from, c->events->next - 1, "slow");
    sub->slow = false;
    marker(c, sub);
}

void core_ephemeral_ack(sut_core *c, core_subscription *sub, uint64_t sequence)
{
    const uint32_t before = sub->in_flight;
    while (sub->in_flight > 0 && sub->sent[sub->sent_head] <= sequence) {
        sub->sent_head = (sub->sent_head + 1) % sub->credits;
        sub->in_flight--;
    }
    c->events->counts.stale_acks_total += sub->in_flight == before;
    if (sub->slow)
        catch_up(c, sub);
    else
        core_ephemeral_pump(c, sub);
}

void core_ephemeral_read_done(sut_core *c, const core_op *op, sut_status status, const core_found *f)
{
    core_subscription *sub = op->subscription;
    const bool by_time = sub->from_time_us != 0;
    size_t i = 0;
    sub->reading = NULL;
    if (status == -EBADMSG && f->next >= sub->position && f->next > 0 && !by_time) { /* a live view goes on */
        gap(c, sub, f->next, f->next, "damaged");
        sub->missed_total++;
        sub->position = f->next + 1;
        core_ephemeral_pump(c, sub);
        return;
    }
    if (status < 0) {
        again_later(c, sub);
        return;
    }
    if (!by_time && f->oldest > sub->position)
        skip_to(c, sub, f->oldest);
    sub->from_time_us = 0;
    for (; i < f->count && sub->in_flight < sub->credits; i++) {
        const sut_stored_event *event = &f->events[i];
        if (event->sequence < sub->position)
            continue;
        if (core_filter_matches(&sub->filter, event->subject) && wants(sub, event))
            send(c, sub, event);
        sub->position = event->sequence + 1;
    }
    if (i == f->count && f->next > sub->position)
        sub->position = f->next;
    if (sub->position <= op->from && !by_time)
        again_later(c, sub); /* nothing came of it: not again at once */
    else
        core_ephemeral_pump(c, sub);
}
