/* A dead letter goes to its group again, beside the window: it may come after later events of its key. */
#include "event_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_ATTEMPT_MAX (1u << 30) /* those that follow are counted on from it */

static bool is_out(const core_group *g, uint64_t dead_id)
{
    for (sut_node *n = g->redrives.next; n != &g->redrives; n = n->next) {
        if (SUT_CONTAINER(n, core_trouble, node)->dead_id == dead_id)
            return true;
    }
    return false;
}

static core_entry *new_entry(sut_core *c, core_group *g, const sut_stored_event *event)
{
    struct core_events *e = c->events;
    core_entry *entry = calloc(1, sizeof(*entry));
    core_event *copy = entry ? core_event_keep(e, event, false, false) : NULL;
    core_trouble *t = copy ? core_trouble_of(c, g, entry) : NULL;
    core_op *op = t ? core_op_new(e, CORE_OP_FORGET, NULL) : NULL;
    if (!op) {
        if (entry)
            core_trouble_free(c, entry);
        core_event_unref(e, copy);
        free(entry);
        return NULL;
    }
    core_event_charge_always(e, sizeof(*entry));
    entry->sequence = event->sequence;
    entry->copy = copy;
    entry->taken_ns = c->now_ns;
    g->window_bytes += copy->size;
    t->forget = op;
    op->group = g;
    return entry;
}

sut_status sut_core_redrive(sut_core *c, uint64_t now_ns, sut_str group, uint64_t dead_id,
                            const sut_stored_event *event, const sut_core_attempt *attempts, size_t attempt_count,
                            char *error, size_t error_size)
{
    core_set_now(c, now_ns);
    core_group *g = c->events ? core_group_find(c->events, group) : NULL;
    if (!g) {
        (void)snprintf(error, error_size, "there is no group '%.*s'", SUT_STR_FMT(group));
        return -ENOENT;
    }
    if (g->replay.on) { /* its consumers would take it for one of the replay's generation */
        (void)snprintf(error, error_size, "a replay of this group runs; redrive when it is over");
        return -EBUSY;
    }
    if (is_out(g, dead_id)) {
        (void)snprintf(error, error_size, "the dead letter %llu was given to its group already",
                       (unsigned long long)dead_id);
        return -EALREADY;
    }
    core_entry *entry = g->redrive_count < CORE_REDRIVES_MAX ? new_entry(c, g, event) : NULL;
    if (!entry) {
        (void)snprintf(error, error_size, "too many dead letters are out; try again when some are answered");
        return -EAGAIN;
    }
    core_trouble *t = entry->trouble;
    t->dead_id = t->forget->dead_id = dead_id;
    for (size_t i = 0; i < attempt_count; i++) {
        core_trouble_note(c, t, attempts[i].attempt, attempts[i].time_us, attempts[i].consumer, attempts[i].code,
                          attempts[i].message);
        t->first_attempt = attempts[i].attempt > t->first_attempt ? attempts[i].attempt : t->first_attempt;
    }
    if (t->first_attempt > FIRST_ATTEMPT_MAX)
        t->first_attempt = FIRST_ATTEMPT_MAX;
    entry->attempt = t->first_attempt;
    sut_list_push_back(&g->redrives, &t->node);
    g->redrive_count++;
    core_entry_ready(c, g, entry, true);
    core_groups_pump(c);
    return 0;
}
