/* Memory of calls: call objects from slabs, copies of envelopes from the heap, both charged to limits.pending_bytes. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#define SLAB_CALLS 128

typedef struct slab {
    struct slab *next;
    core_call calls[SLAB_CALLS];
} slab;

struct core_pool {
    slab *slabs;
    sut_node free;
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

struct core_pool *core_pool_free(struct core_pool *p)
{
    if (p)
        free_slabs(p->slabs);
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
    if (!p->slabs->next)
        return;
    free_slabs(p->slabs->next);
    p->slabs->next = NULL;
    sut_list_init(&p->free);
    put_on_free_list(p, p->slabs);
}

static void forget_origin(sut_core *c, core_call *call)
{
    if (!call->has_origin || !call->origin.key)
        return;
    c->counts.bytes_held -= call->origin.key_len;
    free(call->origin.key);
    call->origin.key = NULL;
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

static void note_key(sut_core *c, core_origin *o, sut_str key)
{
    if (key.len == 0 || !charge(c, key.len))
        return;
    o->key = malloc(key.len);
    if (!o->key) {
        c->counts.bytes_held -= key.len;
        return;
    }
    memcpy(o->key, key.ptr, key.len);
    o->key_len = (uint16_t)key.len;
}

/* The envelope's decoder saw to the lengths. */
static uint8_t note_text(char *to, size_t size, sut_str s)
{
    if (s.len != size)
        return 0;
    memcpy(to, s.ptr, size);
    return (uint8_t)size;
}

void core_call_note_origin(sut_core *c, core_call *call, const sut_envelope *env, bool with_key)
{
    core_origin *o = &call->origin;
    o->traceparent_len = note_text(o->traceparent, sizeof(o->traceparent), env->traceparent);
    o->parent_id_len = note_text(o->parent_id, sizeof(o->parent_id), env->opt.parent_id);
    o->user_id = env->principal.user_id;
    o->level = (uint8_t)env->principal.level;
    o->key = NULL;
    o->key_len = 0;
    if (with_key)
        note_key(c, o, env->key);
    call->has_origin = true;
}
