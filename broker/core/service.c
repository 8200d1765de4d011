/* Services: which there are, who serves them, what waits for them. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#define WALK_MAX 64 /* steps that one call may take to its place in a queue */

core_service *core_service_find(const sut_core *c, sut_str name)
{
    return sut_strmap_get(c->services_by_name, name);
}

static int compare_names(sut_str a, sut_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int diff = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return diff ? diff : (a.len > b.len) - (a.len < b.len);
}

static void insert_sorted(sut_core *c, core_service *s)
{
    sut_node *n = c->services.next;
    while (n != &c->services &&
           compare_names(core_service_name(SUT_CONTAINER(n, core_service, node)), core_service_name(s)) < 0)
        n = n->next;
    sut_list_push_back(n, &s->node);
}

sut_status core_service_get(sut_core *c, sut_str name, core_service **out)
{
    *out = core_service_find(c, name);
    if (*out)
        return 0;
    if (c->service_count >= c->limits.max_services || name.len > SUT_SUBJECT_MAX)
        return -E2BIG;
    core_service *s = calloc(1, sizeof(*s));
    if (!s)
        return SUT_TRACE(-ENOMEM, "service");
    memcpy(s->name, name.ptr, name.len);
    s->name_len = (uint8_t)name.len;
    s->timer.kind = CORE_TIMER_SERVICE;
    s->rate.window_ns = c->now_ns;
    sut_list_init(&s->instances);
    sut_list_init(&s->queue);
    sut_status st = sut_strmap_put(c->services_by_name, name, s);
    if (st) {
        free(s);
        return st;
    }
    insert_sorted(c, s);
    core_wheel_arm(&c->wheel, &s->timer,
                   c->now_ns + c->limits.hold_ms * SUT_NS_PER_MS); /* until an instance is added */
    c->service_count++;
    c->service_generation++;
    *out = s;
    return 0;
}

void core_service_free(sut_core *c, core_service *s)
{
    core_wheel_cancel(&c->wheel, &s->timer);
    (void)sut_strmap_take(c->services_by_name, core_service_name(s));
    sut_node_unlink(&s->node);
    c->service_count--;
    c->service_generation++;
    free(s->heap);
    free(s);
}

/* ---- instances ---- */

static sut_status reserve_heap(core_service *s)
{
    if (s->instance_count < s->heap_cap)
        return 0;
    uint32_t cap = s->heap_cap ? s->heap_cap * 2 : 4;
    core_instance **grown = reallocarray(s->heap, cap, sizeof(core_instance *));
    if (!grown)
        return SUT_TRACE(-ENOMEM, "heap of instances");
    s->heap = grown;
    s->heap_cap = cap;
    return 0;
}

sut_status core_instance_add(sut_core *c, core_session *s, core_service *service, uint32_t credits)
{
    core_instance *inst = calloc(1, sizeof(*inst));
    if (!inst)
        return SUT_TRACE(-ENOMEM, "instance");
    sut_status st = reserve_heap(service);
    if (st) {
        free(inst);
        return st;
    }
    inst->session = s;
    inst->service = service;
    sut_list_init(&inst->pinned);
    sut_list_push_back(&s->instances, &inst->session_node);
    s->instance_count++;
    sut_list_push_back(&service->instances, &inst->service_node);
    service->instance_count++;
    service->gone = false;
    core_wheel_cancel(&c->wheel, &service->timer);
    core_heap_add(service, inst);
    return core_instance_grant(c, inst, credits);
}

sut_status core_instance_grant(sut_core *c, core_instance *inst, uint32_t credits)
{
    uint32_t room = inst->granted < c->limits.max_credits ? c->limits.max_credits - inst->granted : 0;
    if (credits > room) {
        credits = room;
        c->counts.credits_cut_total++;
    }
    sut_status st = core_hand_grow(inst->session, credits);
    if (st)
        return st;
    inst->granted += credits;
    inst->credits_free += credits;
    if (inst->heap_index != CORE_NOT_IN_HEAP)
        core_heap_fix(inst->service, inst);
    return 0;
}

core_instance *core_instance_of(const core_session *s, const core_service *service)
{
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next) {
        core_instance *inst = SUT_CONTAINER(n, core_instance, session_node);
        if (inst->service == service)
            return inst;
    }
    return NULL;
}

bool core_service_has_taker(const core_service *s)
{
    return s->heap_len > 0;
}

core_instance *core_service_most_free(const core_service *s)
{
    return s->heap_len > 0 && core_instance_can_take(s->heap[0]) ? s->heap[0] : NULL;
}

core_instance *core_service_pinned(const core_service *s, sut_str instance)
{
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next) {
        core_instance *inst = SUT_CONTAINER(n, core_instance, service_node);
        if (inst->heap_index != CORE_NOT_IN_HEAP && sut_str_is(instance, inst->session->instance))
            return inst;
    }
    return NULL;
}

/* The last one that takes calls is leaving: calls wait for another one to come, for a while. */
static void start_hold(sut_core *c, core_service *s)
{
    if (c->draining)
        core_service_flush(c, s);
    core_wheel_arm(&c->wheel, &s->timer, c->now_ns + c->limits.hold_ms * SUT_NS_PER_MS);
}

void core_instance_retire(sut_core *c, core_instance *inst)
{
    if (inst->heap_index == CORE_NOT_IN_HEAP)
        return;
    core_heap_remove(inst->service, inst);
    while (!sut_list_empty(&inst->pinned)) {
        core_call *call = SUT_CONTAINER(inst->pinned.next, core_call, place_node);
        core_service_dequeue(call);
        core_call_fail(c, call,
                       &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the instance asked for is leaving"});
    }
    if (!core_service_has_taker(inst->service))
        start_hold(c, inst->service);
}

void core_instance_remove(sut_core *c, core_instance *inst)
{
    core_service *service = inst->service;
    sut_node_unlink(&inst->session_node);
    sut_node_unlink(&inst->service_node);
    inst->session->instance_count--;
    service->instance_count--;
    free(inst);
    if (service->gone && service->instance_count == 0)
        core_service_free(c, service);
}

/* ---- queue ---- */

bool core_service_queue_has_room(const sut_core *c, const core_service *s, size_t bytes)
{
    return s->queued < c->limits.queue_calls && s->queued_bytes + bytes <= c->limits.queue_bytes;
}

bool core_session_may_queue(const sut_core *c, const core_session *s, size_t bytes)
{
    if (sut_acl_role(s->acl) != SUT_ROLE_TOOL || s->queued == 0)
        return true;
    return s->queued < c->limits.queue_calls / 4 && s->queued_bytes + bytes <= c->limits.queue_bytes / 4;
}

/* New calls go last. Those of a dead instance are older than what waits, and go to the front in their own order; after
 * a few steps any place will do, for a queue may be long. */
static sut_node *place_in(sut_node *head, const core_call *call)
{
    sut_node *after = head->prev;
    if (after == head || SUT_CONTAINER(after, core_call, place_node)->sequence < call->sequence)
        return after;
    after = head;
    for (int steps = 0; steps < WALK_MAX && after->next != head; steps++) {
        if (SUT_CONTAINER(after->next, core_call, place_node)->sequence > call->sequence)
            break;
        after = after->next;
    }
    return after;
}

void core_service_enqueue(sut_core *c, core_service *s, core_call *call)
{
    sut_node *head = call->pinned ? &call->instance->pinned : &s->queue;
    if (s->queued == 0)
        core_rate_queue_begins(c, &s->rate);
    sut_list_push_front(place_in(head, call), &call->place_node);
    call->state = CORE_CALL_QUEUED;
    s->queued++;
    s->queued_bytes += call->copy->size;
    call->caller->queued++;
    call->caller->queued_bytes += call->copy->size;
}

void core_service_dequeue(core_call *call)
{
    core_service *s = call->service;
    sut_node_unlink(&call->place_node);
    s->queued--;
    s->queued_bytes -= call->copy->size;
    call->caller->queued--;
    call->caller->queued_bytes -= call->copy->size;
}

static core_call *first_of(const sut_node *queue)
{
    return sut_list_empty(queue) ? NULL : SUT_CONTAINER(queue->next, core_call, place_node);
}

/* Gives a queued call away, unless its time is over. */
static void give_queued(sut_core *c, core_instance *inst, core_call *call)
{
    if (call->deadline_ns <= c->now_ns) {
        core_call_expire(c, call);
        return;
    }
    core_service_dequeue(call);
    core_hand_give(c, inst, call, &call->copy->env);
}

void core_service_pump(sut_core *c, core_service *s)
{
    core_instance *inst;
    while (!sut_list_empty(&s->queue) && (inst = core_service_most_free(s)))
        give_queued(c, inst, first_of(&s->queue));
}

void core_instance_pump(sut_core *c, core_instance *inst)
{
    while (inst->heap_index != CORE_NOT_IN_HEAP && core_instance_can_take(inst)) {
        core_call *any = first_of(&inst->service->queue), *pinned = first_of(&inst->pinned);
        core_call *call = !any || (pinned && pinned->sequence < any->sequence) ? pinned : any;
        if (!call)
            return;
        give_queued(c, inst, call);
    }
}

void core_service_flush(sut_core *c, core_service *s)
{
    core_call *call;
    while ((call = first_of(&s->queue))) {
        core_service_dequeue(call);
        int err = core_call_never_given(call) ? SUT_ERR_UNAVAILABLE : SUT_ERR_OUTCOME_UNKNOWN;
        core_call_fail(c, call,
                       &(core_error){err, CORE_RETRY_DRAIN_MS, "the service's last instance left, and none came back"});
    }
}

void core_service_hold_over(sut_core *c, core_service *s)
{
    core_service_flush(c, s);
    s->gone = true;
    if (s->instance_count == 0)
        core_service_free(c, s);
}
