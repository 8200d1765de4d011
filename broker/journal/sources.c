/* A cache of the table `sources` with an undo log. The table in the file is the truth: the cache is dropped as a whole
 * when it has grown too large, which costs each source one look-up. */
#include "sources.h"

#include "base/buf.h"
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

#define CACHE_MAX 4096

typedef struct change {
    source_mark *mark;
    bool known, dirty; /* as they were */
    uint64_t epoch, number;
} change;

struct source_table {
    sut_strmap *by_name;
    sut_buf changes;
};

sut_status source_table_new(source_table **out)
{
    source_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    sut_status status = sut_strmap_new(&t->by_name);
    if (status) {
        free(t);
        return status;
    }
    sut_buf_init(&t->changes, 0);
    *out = t;
    return 0;
}

static void free_marks(sut_strmap *map)
{
    size_t pos = 0;
    sut_str name;
    void *mark;
    while (sut_strmap_next(map, &pos, &name, &mark))
        free(mark);
    sut_strmap_free(map);
}

source_table *source_table_free(source_table *t)
{
    if (t) {
        free_marks(t->by_name);
        sut_buf_deinit(&t->changes);
        free(t);
    }
    return NULL;
}

source_mark *source_table_get(source_table *t, sut_str name)
{
    return sut_strmap_get(t->by_name, name);
}

sut_status source_table_add(source_table *t, sut_str name, source_mark **out)
{
    source_mark *m = calloc(1, sizeof *m + name.len);
    if (!m)
        return -ENOMEM;
    m->name_len = name.len;
    memcpy(m->name, name.ptr, name.len);
    sut_status status = sut_strmap_put(t->by_name, name, m);
    if (status)
        free(m);
    else
        *out = m;
    return status;
}

sut_status source_table_change(source_table *t, source_mark *m, uint64_t epoch, uint64_t number)
{
    change c = {.mark = m, .known = m->known, .dirty = m->dirty, .epoch = m->epoch, .number = m->number};
    sut_status status = sut_buf_append(&t->changes, &c, sizeof c);
    if (status)
        return status;
    m->known = m->dirty = true;
    m->epoch = epoch;
    m->number = number;
    return 0;
}

static change *change_at(const source_table *t, size_t i)
{
    return (change *)(void *)t->changes.data + i;
}

size_t source_table_mark(const source_table *t)
{
    return t->changes.len / sizeof(change);
}

void source_table_undo(source_table *t, size_t mark)
{
    for (size_t i = source_table_mark(t); i-- > mark;) {
        const change *c = change_at(t, i);
        c->mark->known = c->known;
        c->mark->dirty = c->dirty;
        c->mark->epoch = c->epoch;
        c->mark->number = c->number;
    }
    t->changes.len = mark * sizeof(change);
}

source_mark *source_table_changed(const source_table *t, size_t i)
{
    return i < source_table_mark(t) ? change_at(t, i)->mark : NULL;
}

void source_table_keep(source_table *t, bool in_file)
{
    sut_strmap *fresh;
    for (size_t i = 0; i < source_table_mark(t); i++)
        change_at(t, i)->mark->dirty = false;
    t->changes.len = 0;
    if (!in_file || sut_strmap_count(t->by_name) <= CACHE_MAX || sut_strmap_new(&fresh))
        return;
    free_marks(t->by_name);
    t->by_name = fresh;
}
