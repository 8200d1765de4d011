/* Memory of calls: call objects from slabs, copies of envelopes from the heap, both charged to limits.pending_bytes. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#define SLAB_CALLS 128

typedef struct slab {
    struct slab *next;
    core_call calls[SLAB_CALLS];
} slab;

#define SPARES_MAX 4096

struct core_pool {
    slab *slabs;
    sut_node free;
    core_origin *spares; /* each of CORE_ORIGIN_BYTES */
    uint32_t spare_count;
};

sut_status core_pool_new(struct core_pool **out)
{
    struct core_pool *p = calloc(1, sizeof(*p));
    if (!p)
        return SUT_TRACE(-ENOMEM, "core pool");
    sut_list_init(&p->free);
    *out = p;
    return 0;
}

static void free_slabs(slab *s)
{
    while (s) {
        slab *next = s->next;
        free(s);
        s = next;
    }
}

static void free_spares(struct core_pool *p)
{
    while (p->spares) {
        core_origin *next = p->spares->next_free;
        free(p->spares);
        p->spares = next;
    }
    p->spare_count = 0;
}

struct core_pool *core_pool_free(struct core_pool *p)
{
    if (p) {
        free_slabs(p->slabs);
        free_spares(p);
    }
    free(p);
    return NULL;
}

static void put_on_free_list(struct core_pool *p, slab *s)
{
    for (size_t i = 0; i < SLAB_CALLS; i++)
        sut_list_push_back(&p->free, &s->calls[i].place_node);
}

static bool charge(sut_core *c, size_t bytes)
{
    if (c->counts.bytes_held + bytes > c->limits.pending_bytes)
        return false;
    c->counts.bytes_held += bytes;
    if (c->counts.bytes_held > c->counts.pending_bytes_max)
        c->counts.pending_bytes_max = c->counts.bytes_held;
    return true;
}

core_call *core_call_new(sut_core *c)
{
    struct core_pool *p = c->pool;
    if (!charge(c, sizeof(core_call)))
        return NULL;
    if (sut_list_empty(&p->free)) {
        slab *s = calloc(1, sizeof(*s));
        if (!s) {
            c->counts.bytes_held -= sizeof(core_call);
            return NULL;
        }
        s->next = p->slabs;
        p->slabs = s;
        put_on_free_list(p, s);
    }
    core_call *call = SUT_CONTAINER(sut_list_pop_front(&p->free), core_call, place_node);
    memset(call, 0, offsetof(core_call, subject));
    call->timer.kind = CORE_TIMER_CALL;
    c->counts.calls++;
    return call;
}

/* After a burst the slabs go back, once nothing is in use; the first one stays. */
static void trim(struct core_pool *p)
{
    free_spares(p);
    if (!p->slabs->next)
        return;
    free_slabs(p->slabs->next);
    p->slabs->next = NULL;
    sut_list_init(&p->free);
    put_on_free_list(p, p->slabs);
}

static void forget_origin(sut_core *c, core_call *call)
{
    core_origin *o = call->origin;
    struct core_pool *p = c->pool;
    if (!o)
        return;
    c->counts.bytes_held -= o->size;
    call->origin = NULL;
    if (o->size == sizeof(core_origin) + CORE_ORIGIN_BYTES && p->spare_count < SPARES_MAX) {
        o->next_free = p->spares;
        p->spares = o;
        p->spare_count++;
    } else {
        free(o);
    }
}

static core_origin *take_origin(struct core_pool *p, size_t size)
{
    core_origin *o = p->spares;
    if (size != sizeof(core_origin) + CORE_ORIGIN_BYTES || !o)
        return malloc(size);
    p->spares = o->next_free;
    p->spare_count--;
    return o;
}

void core_call_free(sut_core *c, core_call *call)
{
    core_call_forget_copy(c, call);
    forget_origin(c, call);
    core_wheel_cancel(&c->wheel, &call->timer);
    sut_list_push_front(&c->pool->free, &call->place_node);
    c->counts.bytes_held -= sizeof(core_call);
    if (--c->counts.calls == 0)
        trim(c->pool);
}

static sut_str keep_str(char **at, sut_str s)
{
    if (!s.ptr)
        return SUT_STR_NONE;
    char *to = *at;
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
    *at += s.len + 1;
    return (sut_str){to, s.len};
}

bool core_call_keep(sut_core *c, core_call *call, const sut_envelope *env)
{
    if (call->copy)
        return true;
    size_t bytes = env->key.len + env->principal.session.len + env->traceparent.len + env->opt.idempotency_key.len +
                   env->opt.instance.len + env->opt.parent_id.len + env->body.len + 7;
    size_t size = sizeof(core_copy) + bytes;
    if (!charge(c, size))
        return false;
    core_copy *copy = malloc(size);
    if (!copy) {
        c->counts.bytes_held -= size;
        return false;
    }
    char *at = copy->bytes;
    copy->size = size;
    copy->env = *env;
    copy->env.subject = core_call_subject(call);
    copy->env.key = keep_str(&at, env->key);
    copy->env.principal.session = keep_str(&at, env->principal.session);
    copy->env.traceparent = keep_str(&at, env->traceparent);
    copy->env.opt.idempotency_key = keep_str(&at, env->opt.idempotency_key);
    copy->env.opt.instance = keep_str(&at, env->opt.instance);
    copy->env.opt.parent_id = keep_str(&at, env->opt.parent_id);
    copy->env.body = keep_str(&at, env->body);
    call->copy = copy;
    return true;
}

void core_call_forget_copy(sut_core *c, core_call *call)
{
    if (!call->copy)
        return;
    c->counts.bytes_held -= call->copy->size;
    free(call->copy);
    call->copy = NULL;
}

void core_call_note_origin(sut_core *c, core_call *call, const sut_envelope *env)
{
    const size_t bytes = env->key.len + env->principal.session.len + env->traceparent.len + env->opt.parent_id.len + 4;
    const size_t size = sizeof(core_origin) + (bytes < CORE_ORIGIN_BYTES ? CORE_ORIGIN_BYTES : bytes);
    if (!charge(c, size))
        return;
    core_origin *o = take_origin(c->pool, size);
    if (!o) {
        c->counts.bytes_held -= size;
        return;
    }
    char *at = o->bytes;
    o->size = size;
    o->principal = env->principal;
    o->principal.session = keep_str(&at, env->principal.session);
    o->key = keep_str(&at, env->key);
    o->traceparent = keep_str(&at, env->traceparent);
    o->parent_id = keep_str(&at, env->opt.parent_id);
    call->origin = o;
}
