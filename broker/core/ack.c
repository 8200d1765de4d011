/* What consumers say of the events that they hold: ack, nack, progress, term. What names no event in this hand is
 * stale: its ack wait was over, or it came twice. */
#include "event_state.h"

#include "base/arena.h"

static void stale(sut_core *c, core_subscription *sub)
{
    core_group *g = sub->group;
    c->events->counts.stale_acks_total++;
    g->stale_total++;
    if (sub->overdue == 0)
        return;
    sub->overdue--; /* late, but it is alive */
    core_member_fix(g, sub);
}

static void acked(sut_core *c, core_group *g, core_entry *entry)
{
    g->acked_total++;
    core_tell_delivery(c, "acked", g, entry->member, entry, NULL);
    if (c->watched & SUT_SIGHT_DELIVERY)
        core_see_delivery(c, g, entry, SUT_STR("acked"));
    core_entry_take_back(c, g, entry);
    if (entry->trouble && entry->trouble->forget) { /* redriven: it is a dead letter no more */
        sut_list_push_back(&g->forgets, &entry->trouble->forget->node);
        entry->trouble->forget = NULL;
    }
    core_entry_done(c, g, entry);
}

static void failed(sut_core *c, core_group *g, core_entry *entry, const sut_envelope *env)
{
    const bool term = env->kind == SUT_TERM;
    core_fault f = {.outcome = term ? "termed" : "nacked",
                    .code = term ? SUT_STR("term") : SUT_STR("nack"),
                    .delay_ms = env->opt.retry_after_ms,
                    .never_again = term,
                    .by_consumer = true};
    sut_error_body body;
    sut_arena_reset(c->arena);
    if (env->body.len > 0 && sut_error_body_decode(c->arena, env->body, &body) == 0) {
        f.code = body.code;
        f.message = body.message;
    }
    g->nacked_total += !term;
    core_entry_failed(c, g, entry, &f);
}

static void progress(sut_core *c, core_subscription *sub, core_entry *entry)
{
    entry->due_ns = c->now_ns + sub->ack_wait_ms * SUT_NS_PER_MS;
    sut_node_unlink(&entry->node);
    sut_list_push_back(&sub->hand, &entry->node);
}

void core_ack_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    core_subscription *sub = c->events ? core_subscription_find(s, env->id) : NULL;
    if (!sub) {
        if (c->events)
            c->events->counts.stale_acks_total++;
        return;
    }
    if (!sub->group) {
        if (env->kind == SUT_ACK)
            core_ephemeral_ack(c, sub, env->opt.sequence);
        return;
    }
    core_entry *entry = core_hand_entry(sub, env->opt.sequence, env->opt.attempt);
    if (!entry)
        stale(c, sub);
    else if (env->kind == SUT_ACK)
        acked(c, sub->group, entry);
    else if (env->kind == SUT_PROGRESS)
        progress(c, sub, entry);
    else
        failed(c, sub->group, entry, env);
}
