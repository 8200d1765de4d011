/* What the journal was asked and has not answered, by tag. Whoever asked may be gone when the answer comes. */
#include "event_state.h"

#include <stdlib.h>

core_op *core_op_new(struct core_events *e, core_op_kind kind, sut_node *owner)
{
    core_op *op = calloc(1, sizeof(*op));
    if (!op)
        return NULL;
    op->kind = kind;
    op->tag = ++e->next_tag;
    if (sut_u64map_put(e->operations, op->tag, op)) {
        free(op);
        return NULL;
    }
    if (owner)
        sut_list_push_back(owner, &op->node);
    return op;
}

void core_op_free(struct core_events *e, core_op *op)
{
    (void)sut_u64map_take(e->operations, op->tag);
    sut_node_unlink(&op->node);
    free(op);
}

core_op *core_op_take(struct core_events *e, uint64_t tag, core_op_kind kind, core_op_kind or_kind)
{
    core_op *op = sut_u64map_get(e->operations, tag);
    if (!op || (op->kind != kind && op->kind != or_kind))
        return NULL;
    (void)sut_u64map_take(e->operations, tag);
    sut_node_unlink(&op->node);
    return op;
}

void core_ops_orphan(sut_node *owner)
{
    sut_node *n;
    while ((n = sut_list_pop_front(owner))) {
        core_op *op = SUT_CONTAINER(n, core_op, node);
        op->group = NULL;
        op->subscription = NULL;
        op->entry = NULL;
    }
}
