/* The two hash maps: linear probing, deletion by shifting back (no tombstones), load at most 3/4, shrinking below 1/8
 * so that a burst does not keep its memory. Both share the probing code: a slot's `hash` decides where it belongs. */
#include "base/map.h"

#include "base/clock.h"
#include "siphash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define MIN_SLOTS 16

/* Keys of the process, drawn once. */
static uint64_t s_key[2];
static pthread_once_t s_key_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    sut_random(s_key, sizeof s_key);
}

/* ---- by 64-bit key ---- */

typedef struct u64_slot {
    uint64_t key;
    void *value; /* NULL: empty */
} u64_slot;

struct sut_u64map {
    u64_slot *slots;
    size_t mask, count;
};

/* MurmurHash3's finaliser over the key and the process's secret: a bijection, so that dense ids spread evenly, and a
 * peer that picks its own ids cannot tell where they land. */
static size_t u64_hash(uint64_t key)
{
    key ^= s_key[0];
    key = (key ^ (key >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    key = ((key ^ (key >> 33)) + s_key[1]) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(key ^ (key >> 33));
}

sut_status sut_u64map_new(sut_u64map **out)
{
    (void)pthread_once(&s_key_once, draw_key);
    sut_u64map *m = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    *m = (sut_u64map){.slots = calloc(MIN_SLOTS, sizeof(u64_slot)), .mask = MIN_SLOTS - 1};
    if (!m->slots) {
        free(m);
        return -ENOMEM;
    }
    *out = m;
    return 0;
}

sut_u64map *sut_u64map_free(sut_u64map *m)
{
    if (!m)
        return NULL;
    free(m->slots);
    free(m);
    return NULL;
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t u64_find(const sut_u64map *m, uint64_t key)
{
    size_t i = u64_hash(key) & m->mask;
    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & m->mask;
    return i;
}

static sut_status u64_resize(sut_u64map *m, size_t slots)
{
    sut_u64map next = {.slots = calloc(slots, sizeof(u64_slot)), .mask = slots - 1, .count = m->count};
    if (!next.slots)
        return -ENOMEM;
    for (size_t i = 0; i <= m->mask; i++)
        if (m->slots[i].value)
            next.slots[u64_find(&next, m->slots[i].key)] = m->slots[i];
    free(m->slots);
    *m = next;
    return 0;
}

sut_status sut_u64map_put(sut_u64map *m, uint64_t key, void *value)
{
    if (!value)
        return -EINVAL;
    size_t i = u64_find(m, key);
    if (m->slots[i].value)
        return -EEXIST;
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) {
        sut_status r = u64_resize(m, (m->mask + 1) * 2);
        if (r)
            return r;
        i = u64_find(m, key);
    }
    m->slots[i] = (u64_slot){key, value};
    m->count++;
    return 0;
}

void *sut_u64map_get(const sut_u64map *m, uint64_t key)
{
    return m->slots[u64_find(m, key)].value;
}

void *sut_u64map_take(sut_u64map *m, uint64_t key)
{
    size_t hole = u64_find(m, key);
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    for (size_t i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
        size_t home = u64_hash(m->slots[i].key) & m->mask;
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->count--;
    if (m->mask + 1 > MIN_SLOTS && m->count * 8 < m->mask + 1)
        (void)u64_resize(m, (m->mask + 1) / 2); /* out of memory: the larger table serves as well */
    return value;
}

size_t sut_u64map_count(const sut_u64map *m)
{
    return m->count;
}

bool sut_u64map_next(const sut_u64map *m, size_t *pos, uint64_t *key, void **value)
{
    for (; *pos <= m->mask; (*pos)++) {
        const u64_slot *s = &m->slots[*pos];
        if (!s->value)
            continue;
        if (key)
            *key = s->key;
        if (value)
            *value = s->value;
        (*pos)++;
        return true;
    }
    return false;
}

/* ---- by byte string ---- */

typedef struct str_slot {
    uint64_t hash;
    sut_str key; /* malloc'd copy with a NUL behind it */
    void *value; /* NULL: empty */
} str_slot;

struct sut_strmap {
    str_slot *slots;
    size_t mask, count;
};

sut_status sut_strmap_new(sut_strmap **out)
{
    (void)pthread_once(&s_key_once, draw_key);
    sut_strmap *m = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    *m = (sut_strmap){.slots = calloc(MIN_SLOTS, sizeof(str_slot)), .mask = MIN_SLOTS - 1};
    if (!m->slots) {
        free(m);
        return -ENOMEM;
    }
    *out = m;
    return 0;
}

static void free_key(sut_str key)
{
    union {
        const char *shown;
        char *owned;
    } k = {key.ptr};
    free(k.owned);
}

sut_strmap *sut_strmap_free(sut_strmap *m)
{
    if (!m)
        return NULL;
    for (size_t i = 0; i <= m->mask; i++)
        if (m->slots[i].value)
            free_key(m->slots[i].key);
    free(m->slots);
    free(m);
    return NULL;
}

static uint64_t str_hash(sut_str key)
{
    return sut_siphash(s_key, key.ptr, key.len, 1, 3);
}

static size_t str_find(const sut_strmap *m, sut_str key, uint64_t hash)
{
    size_t i = hash & m->mask;
    while (m->slots[i].value && (m->slots[i].hash != hash || !sut_str_eq(m->slots[i].key, key)))
        i = (i + 1) & m->mask;
    return i;
}

static sut_status str_resize(sut_strmap *m, size_t slots)
{
    sut_strmap next = {.slots = calloc(slots, sizeof(str_slot)), .mask = slots - 1, .count = m->count};
    if (!next.slots)
        return -ENOMEM;
    for (size_t i = 0; i <= m->mask; i++)
        if (m->slots[i].value)
            next.slots[str_find(&next, m->slots[i].key, m->slots[i].hash)] = m->slots[i];
    free(m->slots);
    *m = next;
    return 0;
}

sut_status sut_strmap_put(sut_strmap *m, sut_str key, void *value)
{
    if (!value || key.len == SIZE_MAX)
        return -EINVAL;
    uint64_t hash = str_hash(key);
    size_t i = str_find(m, key, hash);
    if (m->slots[i].value)
        return -EEXIST;
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) {
        sut_status r = str_resize(m, (m->mask + 1) * 2);
        if (r)
            return r;
        i = str_find(m, key, hash);
    }
    char *copy = malloc(key.len + 1);
    if (!copy)
        return -ENOMEM;
    if (key.len)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    m->slots[i].hash = hash;
    m->slots[i].key.ptr = copy;
    m->slots[i].key.len = key.len;
    m->slots[i].value = value;
    m->count++;
    return 0;
}

void *sut_strmap_get(const sut_strmap *m, sut_str key)
{
    return m->slots[str_find(m, key, str_hash(key))].value;
}

void *sut_strmap_take(sut_strmap *m, sut_str key)
{
    size_t hole = str_find(m, key, str_hash(key));
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    free_key(m->slots[hole].key);
    for (size_t i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
        size_t home = m->slots[i].hash & m->mask;
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (str_slot){0};
    m->count--;
    if (m->mask + 1 > MIN_SLOTS && m->count * 8 < m->mask + 1)
        (void)str_resize(m, (m->mask + 1) / 2);
    return value;
}

size_t sut_strmap_count(const sut_strmap *m)
{
    return m->count;
}

bool sut_strmap_next(const sut_strmap *m, size_t *pos, sut_str *key, void **value)
{
    for (; *pos <= m->mask; (*pos)++) {
        const str_slot *s = &m->slots[*pos];
        if (!s->value)
            continue;
        if (key)
            *key = s->key;
        if (value)
            *value = s->value;
        (*pos)++;
        return true;
    }
    return false;
}
