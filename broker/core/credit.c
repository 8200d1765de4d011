/* Credits: the heap that knows which instance of a service has most of them free, and the hand of a session: the calls
 * that it was given and has not answered. Every change of an instance's credit happens here. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#define SLOT_BITS 20 /* a given id is serial << SLOT_BITS | slot */
#define SLOT_NONE UINT32_MAX

/* ---- heap: most free first, then least recently used ---- */

static uint32_t free_of(const core_instance *inst)
{
    return inst->full ? 0 : inst->credits_free;
}

static bool before(const core_instance *a, const core_instance *b)
{
    const uint32_t x = free_of(a), y = free_of(b);
    return x != y ? x > y : a->last_used < b->last_used;
}

static void put_at(core_service *s, uint32_t i, core_instance *inst)
{
    s->heap[i] = inst;
    inst->heap_index = i;
}

void core_heap_fix(core_service *s, core_instance *inst)
{
    uint32_t i = inst->heap_index;
    while (i > 0 && before(inst, s->heap[(i - 1) / 2])) {
        put_at(s, i, s->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= s->heap_len)
            break;
        if (child + 1 < s->heap_len && before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s->heap[child], inst))
            break;
        put_at(s, i, s->heap[child]);
        i = child;
    }
    put_at(s, i, inst);
}

void core_heap_add(core_service *s, core_instance *inst)
{
    put_at(s, s->heap_len++, inst);
    core_heap_fix(s, inst);
}

void core_heap_remove(core_service *s, core_instance *inst)
{
    uint32_t i = inst->heap_index;
    core_instance *last = s->heap[--s->heap_len];
    inst->heap_index = CORE_NOT_IN_HEAP;
    if (last == inst)
        return;
    put_at(s, i, last);
    core_heap_fix(s, last);
}

/* ---- hand ---- */

sut_status core_hand_grow(core_session *s, uint32_t credits)
{
    uint64_t want = credits;
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next)
        want += SUT_CONTAINER(n, core_instance, session_node)->granted;
    if (want <= s->slot_count)
        return 0;
    if (want > (1u << SLOT_BITS))
        return -E2BIG;
    core_slot *grown = reallocarray(s->slots, (size_t)want, sizeof(*grown));
    if (!grown)
        return SUT_TRACE(-ENOMEM, "slots of given calls");
    s->slots = grown;
    for (uint32_t i = s->slot_count; i < want; i++) {
        grown[i] = (core_slot){.next_free = s->slot_free};
        s->slot_free = i;
    }
    s->slot_count = (uint32_t)want;
    return 0;
}

/* Credits count calls; the bytes are bounded here, or calls of 1 MiB would fill the instance's outbox faster than it
 * reads, and it would lose its connection for what its callers did. */
static void add_bytes(const sut_core *c, core_instance *inst, core_call *call, const sut_envelope *env)
{
    call->given_bytes = (uint32_t)sut_envelope_size_bound(env); /* SUT_ENVELOPE_MAX at most: see core_fits */
    inst->hand_bytes += call->given_bytes;
    inst->full = inst->hand_bytes >= c->limits.hand_bytes;
}

static void take_bytes_back(const sut_core *c, core_instance *inst, const core_call *call)
{
    inst->hand_bytes -= call->given_bytes;
    inst->full = inst->hand_bytes >= c->limits.hand_bytes && inst->hand_bytes > 0;
}

static void take_credit(core_instance *inst, uint64_t use)
{
    inst->credits_free--;
    inst->in_hand++;
    inst->last_used = use;
    inst->session->in_hand++;
    inst->service->in_flight++;
    core_heap_fix(inst->service, inst);
}

static uint64_t take_slot(core_session *s, core_call *call)
{
    uint32_t slot = s->slot_free;
    s->slot_free = s->slots[slot].next_free;
    s->slots[slot] = (core_slot){.call = call, .next_free = SLOT_NONE};
    return (++s->given_serial << SLOT_BITS) | slot;
}

void core_hand_give(sut_core *c, core_instance *inst, core_call *call, const sut_envelope *env)
{
    core_session *s = inst->session;
    add_bytes(c, inst, call, env);
    take_credit(inst, ++c->next_use);
    call->state = CORE_CALL_GIVEN;
    call->instance = inst;
    call->given_ns = c->now_ns;
    call->given_id = take_slot(s, call);
    call->attempt++;
    sut_list_push_back(&s->hand, &call->place_node);
    uint64_t left_ms = (call->deadline_ns - c->now_ns) / SUT_NS_PER_MS;
    sut_envelope out = *env;
    out.id = call->given_id;
    out.subject = core_call_subject(call);
    out.ttl_ms = left_ms > 0 ? (uint32_t)left_ms : 1;
    out.opt = (sut_envelope_options){.idempotency_key = env->opt.idempotency_key,
                                     .instance = env->opt.instance,
                                     .attempt = call->attempt,
                                     .replayed = env->opt.replayed};
    core_emit(c, s, &out);
    if (c->watched & SUT_SIGHT_CALL && !call->passed_over)
        core_see_call(c, call, s, env);
    if (!call->idempotent || call->pinned)
        core_call_forget_copy(c, call);
}

core_call *core_hand_find(const core_session *s, uint64_t given_id)
{
    uint64_t slot = given_id & ((1u << SLOT_BITS) - 1);
    if (slot >= s->slot_count)
        return NULL;
    core_call *call = s->slots[slot].call;
    return call && call->given_id == given_id ? call : NULL;
}

void core_hand_take_back(sut_core *c, core_call *call)
{
    core_instance *inst = call->instance;
    core_session *s = inst->session;
    uint32_t slot = (uint32_t)(call->given_id & ((1u << SLOT_BITS) - 1));
    s->slots[slot] = (core_slot){.next_free = s->slot_free};
    s->slot_free = slot;
    sut_node_unlink(&call->place_node);
    call->instance = NULL;
    call->state = CORE_CALL_QUEUED;
    inst->in_hand--;
    inst->credits_free++;
    take_bytes_back(c, inst, call);
    s->in_hand--;
    core_service *service = inst->service;
    service->in_flight--;
    if (inst->heap_index != CORE_NOT_IN_HEAP)
        core_heap_fix(service, inst);
    core_rate_answered(c, &service->rate);
}
