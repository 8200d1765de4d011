/* Read-only views of the core, for broker.status and for the simulator. */
#include "state.h"

static void view_session(const core_session *s, sut_core_session_view *v)
{
    *v = (sut_core_session_view){.id = s->id,
                                 .name = sut_str_from(s->name),
                                 .instance = sut_str_from(s->instance),
                                 .role = s->ready ? s->role : sut_acl_role(s->acl),
                                 .ready = s->ready,
                                 .draining = s->draining,
                                 .calls_pending = s->calls_pending,
                                 .calls_in_hand = s->in_hand,
                                 .opened_ns = s->opened_ns,
                                 .last_heard_ns = s->last_heard_ns};
}

static void view_service(const core_service *s, sut_core_service_view *v)
{
    *v = (sut_core_service_view){.name = core_service_name(s),
                                 .instances = s->heap_len,
                                 .in_flight = s->in_flight,
                                 .queued = s->queued,
                                 .queued_bytes = s->queued_bytes,
                                 .calls_total = s->calls_total,
                                 .errors_total = s->errors_total,
                                 .overloaded_total = s->overloaded_total,
                                 .failovers_total = s->failovers_total,
                                 .expired_total = s->expired_total};
    for (uint32_t i = 0; i < s->heap_len; i++)
        v->credits_free += s->heap[i]->credits_free;
}

void sut_core_each_session(const sut_core *c, void (*fn)(const sut_core_session_view *v, void *arg), void *arg)
{
    for (const sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        sut_core_session_view v;
        view_session(SUT_CONTAINER(n, core_session, node), &v);
        fn(&v, arg);
    }
}

void sut_core_each_service(const sut_core *c, void (*fn)(const sut_core_service_view *v, void *arg), void *arg)
{
    for (const sut_node *n = c->services.next; n != &c->services; n = n->next) {
        sut_core_service_view v;
        view_service(SUT_CONTAINER(n, core_service, node), &v);
        fn(&v, arg);
    }
}

uint64_t sut_core_bytes_held(const sut_core *c)
{
    return c->counts.bytes_held;
}

uint32_t sut_core_pending(const sut_core *c)
{
    return c->pending;
}

void sut_core_get_counts(const sut_core *c, sut_core_counts *out)
{
    *out = c->counts;
    out->sessions = c->session_count;
    out->services = c->service_count;
}
