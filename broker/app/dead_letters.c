#include "dead_letters.h"

#include <errno.h>

typedef struct copying {
    sut_arena *arena;
    sut_dead_list *list;
    bool heads_only;
    sut_status status;
} copying;

/* Absent stays absent. */
static sut_str copy_str(copying *c, sut_str s)
{
    sut_str copy = s.ptr ? sut_arena_str(c->arena, s) : SUT_STR_NONE;

    if (s.ptr && !copy.ptr)
        c->status = -ENOMEM;
    return copy;
}

static void copy_event(copying *c, sut_stored_event *e)
{
    e->subject = copy_str(c, e->subject);
    e->key = copy_str(c, e->key);
    e->principal.session = copy_str(c, e->principal.session);
    e->traceparent = copy_str(c, e->traceparent);
    e->source = copy_str(c, e->source);
    e->publisher = copy_str(c, e->publisher);
    e->body = c->heads_only ? SUT_STR_NONE : copy_str(c, e->body);
}

static void copy_attempts(copying *c, sut_dead_letter *d)
{
    sut_dead_attempt *copy = sut_arena_array(c->arena, d->attempt_count, sizeof *copy);

    if (!copy && d->attempt_count) {
        c->status = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < d->attempt_count; i++) {
        copy[i] = d->attempts[i];
        copy[i].consumer = copy_str(c, copy[i].consumer);
        copy[i].code = copy_str(c, copy[i].code);
        copy[i].message = copy_str(c, copy[i].message);
    }
    d->attempts = copy;
}

static bool copy_letter(void *arg, const sut_dead_letter *d)
{
    copying *c = arg;
    sut_dead_letter *copy;

    if (c->list->count == c->list->max) {
        c->list->more = true;
        return false;
    }
    copy = sut_arena_alloc(c->arena, sizeof *copy);
    if (!copy) {
        c->status = -ENOMEM;
        return false;
    }
    *copy = *d;
    copy->group = copy_str(c, d->group);
    copy_event(c, &copy->event);
    copy_attempts(c, copy);
    if (c->status < 0)
        return false;
    c->list->items[c->list->count++] = copy;
    return true;
}

static sut_status fill_by_ids(copying *c, sut_journal *j, const sut_dead_pick *pick)
{
    for (size_t i = 0; i < pick->id_count; i++) {
        const sut_status st = sut_journal_dead_get(j, (uint64_t)pick->ids[i], copy_letter, c);

        if (st == -ENOENT)
            c->list->missing[c->list->missing_count++] = &pick->ids[i];
        else if (st < 0)
            return st;
        if (c->status < 0)
            return c->status;
    }
    return 0;
}

sut_status sut_dead_list_fill(sut_control_request *rq, sut_journal *j, const sut_dead_pick *pick, size_t max,
                              sut_dead_list *out)
{
    copying c = {.arena = rq->arena, .list = out, .heads_only = pick->heads_only};
    sut_dead_query q = pick->filter;
    sut_status st;

    *out = (sut_dead_list){.max = max};
    out->items = sut_arena_array(rq->arena, max, sizeof(void *));
    out->missing = sut_arena_array(rq->arena, pick->id_count + 1, sizeof *out->missing);
    if (!out->items || !out->missing)
        return -ENOMEM;
    if (pick->id_count)
        return fill_by_ids(&c, j, pick);
    q.max = max + 1; /* one more tells whether there is another page */
    st = sut_journal_dead_each(j, &q, copy_letter, &c);
    return st < 0 ? st : c.status;
}
