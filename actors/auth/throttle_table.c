/* A set-associative table: a key has AUTH_TABLE_WAYS places. The script in throttle.c counts in the same way. */
#include "throttle_table.h"

#include <math.h>
#include <string.h>

static double drained(const auth_bucket *b, const auth_bucket_rule *r, uint64_t now_ms)
{
    uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    double left = b->count - (double)passed / r->drain_ms;
    return left > 0 ? left : 0;
}

static auth_bucket *set_of(auth_throttle_table *t, const auth_bucket_key *key)
{
    uint32_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    return t->buckets[hash % AUTH_TABLE_SETS];
}

static auth_bucket *find(auth_throttle_table *t, const auth_bucket_key *key)
{
    auth_bucket *set = set_of(t, key);
    for (size_t i = 0; i < AUTH_TABLE_WAYS; i++) {
        if (set[i].count > 0 && memcmp(&set[i].key, key, sizeof *key) == 0)
            return &set[i];
    }
    return NULL;
}

/* Counts, not ages, decide who goes: whoever floods the table with fresh keys does not drive out one that is delayed.
 */
static auth_bucket *place(auth_throttle_table *t, const auth_bucket_key *key)
{
    auth_bucket *b = find(t, key), *set = set_of(t, key);
    if (b)
        return b;
    b = set;
    for (size_t i = 1; i < AUTH_TABLE_WAYS; i++) {
        if (set[i].count < b->count)
            b = &set[i];
    }
    *b = (auth_bucket){.key = *key};
    return b;
}

static uint64_t delay_ms(double count, const auth_bucket_rule *r)
{
    if (count <= r->free)
        return 0;
    double delay = r->base_ms * exp2(ceil(count - r->free) - 1);
    return delay < r->max_ms ? (uint64_t)delay : r->max_ms;
}

uint64_t auth_table_take(auth_throttle_table *t, const auth_bucket_key *keys, const auth_bucket_rule *rules, size_t n,
                         uint64_t now_ms)
{
    uint64_t wait = 0;
    for (size_t i = 0; i < n; i++) {
        const auth_bucket *b = find(t, &keys[i]);
        if (b && b->until_ms > now_ms && b->until_ms - now_ms > wait)
            wait = b->until_ms - now_ms;
    }
    for (size_t i = 0; wait == 0 && i < n; i++) {
        auth_bucket *b = place(t, &keys[i]);
        b->count = drained(b, &rules[i], now_ms) + 1;
        b->at_ms = now_ms;
        b->until_ms = now_ms + delay_ms(b->count, &rules[i]);
    }
    return wait;
}

void auth_table_refund(auth_throttle_table *t, const auth_bucket_key *keys, const auth_bucket_rule *rules, size_t n,
                       uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        auth_bucket *b = find(t, &keys[i]);
        if (!b)
            continue;
        double left = drained(b, &rules[i], now_ms) - 1;
        b->count = left > 0 ? left : 0;
        b->at_ms = now_ms;
        if (b->count <= rules[i].free)
            b->until_ms = 0;
    }
}
