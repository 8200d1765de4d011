/* When a group's place is written: a while after it changed, never two writes at once. */
#include "event_state.h"

#include <stdlib.h>

static void arm(sut_core *c, core_group *g, uint64_t at_ns)
{
    if (!sut_node_linked(&g->save_timer.node))
        core_wheel_arm(&c->wheel, &g->save_timer, at_ns);
}

void core_group_dirty(sut_core *c, core_group *g)
{
    const uint64_t pause_ns = c->draining ? 0 : c->events->limits.save_ms * SUT_NS_PER_MS;
    if (g->dirty)
        return;
    g->dirty = true;
    c->events->dirty++;
    if (!g->stored)
        core_group_wake(c, g); /* at once: who subscribed waits for it */
    else if (!g->saving)
        arm(c, g, c->now_ns + pause_ns);
}

static void clean(struct core_events *e, core_group *g)
{
    e->dirty -= g->dirty;
    g->dirty = false;
}

void core_group_save(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    sut_str value = SUT_STR_NONE; /* erased: the journal forgets it */
    if (g->saving || (!g->dirty && !g->erased))
        return;
    sut_buf_reset(&e->buf);
    core_op *op = core_op_new(e, CORE_OP_SAVE, NULL);
    sut_status st = op ? 0 : -1;
    if (st == 0 && !g->erased) {
        st = core_state_encode(e, g, &e->buf);
        value = (sut_str){(const char *)e->buf.data, e->buf.len};
    }
    if (st == 0) {
        op->group = g;
        st = e->ops.save(c->app, op->tag, core_group_name(g), value);
    }
    if (st) {
        if (op)
            core_op_free(e, op);
        arm(c, g, c->now_ns + CORE_AGAIN_MS * SUT_NS_PER_MS);
        return;
    }
    g->save_op = op;
    g->saving = true;
    e->saves++;
    g->saved_ns = c->now_ns;
    clean(e, g);
}

/* Whoever subscribed while the journal did not know the group is told now: from here on its place is kept. */
static void stored(sut_core *c, core_group *g)
{
    g->stored = true;
    for (sut_node *n = g->members.next; n != &g->members; n = n->next) {
        core_subscription *sub = SUT_CONTAINER(n, core_subscription, place_node);
        if (!sub->answered)
            core_subscription_answer(c, sub);
    }
    core_group_wake(c, g);
}

static void save_done(sut_core *c, core_group *g, sut_status status)
{
    struct core_events *e = c->events;
    g->save_op = NULL;
    g->saving = false;
    e->saves--;
    if (g->erased && status == 0) {
        e->saves--;
        core_group_free(c, g);
        return;
    }
    if (status < 0) {
        e->dirty += !g->dirty && !g->erased;
        g->dirty = !g->erased;
        arm(c, g, c->now_ns + CORE_AGAIN_MS * SUT_NS_PER_MS);
        return;
    }
    if (!g->stored)
        stored(c, g);
    if (g->dirty)
        arm(c, g, c->draining ? c->now_ns : g->saved_ns + e->limits.save_ms * SUT_NS_PER_MS);
}

/* Just read from the journal: nothing is to be written, and no place is behind the log's end. */
void core_group_restored(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    core_wheel_cancel(&c->wheel, &g->save_timer);
    clean(e, g);
    g->stored = true;
    core_group_retained(c, g, e->first);
    if (g->place.cursor < e->next)
        return;
    g->place.cursor = e->next - 1;
    core_place_free(e, &g->place);
    core_group_dirty(c, g);
}

void core_group_forget_save(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    core_wheel_cancel(&c->wheel, &g->save_timer);
    clean(e, g);
    e->saves -= g->saving;
    g->saving = false;
    if (g->save_op)
        g->save_op->group = NULL;
    g->save_op = NULL;
}

void sut_core_saved(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status)
{
    struct core_events *e = c->events;
    core_set_now(c, now_ns);
    core_op *op = e ? core_op_take(e, tag, CORE_OP_SAVE, CORE_OP_FORGET) : NULL;
    if (!op)
        return;
    core_group *g = op->group;
    if (op->kind == CORE_OP_SAVE) {
        free(op);
        if (g)
            save_done(c, g, status);
    } else if (g && status < 0) { /* asked again, by the same op */
        if (sut_u64map_put(e->operations, op->tag, op)) {
            free(op);
        } else {
            sut_list_push_back(&g->forgets, &op->node);
            core_group_later(c, g, CORE_AGAIN_MS);
        }
    } else {
        free(op);
    }
    core_groups_pump(c);
}
