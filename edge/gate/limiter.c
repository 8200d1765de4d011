/* GCRA over a set-associative table: each set has a lock of its own and its longest idle entry gives way. */
#include "gate/limiter.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SETS       4096u
#define WAYS       8u
#define LOCKS      64u
#define CLASS_SIZE 32u

typedef struct rule {
    char klass[CLASS_SIZE];
    uint32_t limit;
    uint64_t interval_ns; /* between requests at the sustained rate */
} rule;

typedef struct way {
    uint64_t key;    /* 0: free */
    uint64_t due_ns; /* GCRA's theoretical arrival time */
} way;

struct sut_limiter {
    rule rules[SUT_LIMIT_CLASSES_MAX];
    size_t count;
    uint64_t seed[2];
    pthread_mutex_t locks[LOCKS];
    way table[SETS][WAYS];
};

static const char *parse_rule(sut_str text, rule *out)
{
    const char *eq = memchr(text.ptr, '=', text.len);
    const char *slash = memchr(text.ptr, '/', text.len);
    if (!eq || !slash || slash < eq || eq == text.ptr || (size_t)(eq - text.ptr) >= CLASS_SIZE)
        return "a rule reads: class=requests/seconds";
    int64_t limit, seconds;
    sut_str n = {eq + 1, (size_t)(slash - eq) - 1}, s = {slash + 1, text.len - (size_t)(slash - text.ptr) - 1};
    if (!sut_parse_i64(n, 1, 1000000, &limit) || !sut_parse_i64(s, 1, 86400, &seconds))
        return "requests go from 1 to 1000000, seconds from 1 to 86400";
    memset(out, 0, sizeof(*out));
    memcpy(out->klass, text.ptr, (size_t)(eq - text.ptr));
    out->limit = (uint32_t)limit;
    out->interval_ns = (uint64_t)seconds * SUT_NS_PER_S / (uint64_t)limit;
    return NULL;
}

static const char *parse_rules(sut_limiter *l, const char *rules)
{
    if (strcmp(rules, "off") == 0)
        return NULL;
    for (const char *at = rules; *at;) {
        size_t len = strcspn(at, ",");
        if (l->count == SUT_LIMIT_CLASSES_MAX)
            return "there are more than 16 classes";
        const char *why = parse_rule((sut_str){at, len}, &l->rules[l->count]);
        if (why)
            return why;
        for (size_t i = 0; i < l->count; i++) {
            if (strcmp(l->rules[i].klass, l->rules[l->count].klass) == 0)
                return "a class is there twice";
        }
        l->count++;
        at += len + (at[len] == ',');
    }
    return l->count > 0 ? NULL : "empty; write off to have no limits";
}

sut_status sut_limiter_new(sut_limiter **out, const char *rules, char *error, size_t error_size)
{
    *out = NULL;
    sut_limiter *l = calloc(1, sizeof(*l));
    if (!l) {
        (void)snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&l->locks[i], NULL);
    sut_random(l->seed, sizeof(l->seed));
    const char *why = parse_rules(l, rules);
    if (why) {
        (void)snprintf(error, error_size, "SUT_RATE_LIMITS: %s", why);
        sut_limiter_free(l);
        return -EINVAL;
    }
    *out = l;
    return 0;
}

sut_limiter *sut_limiter_free(sut_limiter *l)
{
    if (l) {
        for (size_t i = 0; i < LOCKS; i++)
            (void)pthread_mutex_destroy(&l->locks[i]);
        free(l);
    }
    return NULL;
}

static const rule *rule_of(const sut_limiter *l, const char *klass)
{
    const rule *fallback = NULL;
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->rules[i].klass, klass) == 0)
            return &l->rules[i];
        if (strcmp(l->rules[i].klass, "default") == 0)
            fallback = &l->rules[i];
    }
    return fallback;
}

/* A keyed mix (splitmix64's finaliser a word), so that clients cannot aim at one set. Never 0. */
static uint64_t hash(const sut_limiter *l, size_t klass, sut_str client)
{
    uint64_t h = l->seed[0] ^ klass;
    for (size_t i = 0; i < client.len || i == 0; i += 8) {
        uint64_t word = 0;
        size_t n = client.len - i < 8 ? client.len - i : 8;
        if (n > 0)
            memcpy(&word, client.ptr + i, n);
        h = (h ^ word) + l->seed[1];
        h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
        h ^= h >> 31;
    }
    h += client.len;
    return h ? h : 1;
}

static way *find_way(way *set, uint64_t key)
{
    way *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].due_ns < oldest->due_ns)
            oldest = &set[i];
    }
    *oldest = (way){.key = key};
    return oldest;
}

static sut_limit_verdict schedule(way *w, const rule *r, uint64_t now_ns)
{
    uint64_t burst_ns = r->interval_ns * r->limit;
    uint64_t due = w->due_ns > now_ns ? w->due_ns : now_ns;
    uint64_t next = due + r->interval_ns;
    sut_limit_verdict v = {.limit = r->limit, .allowed = next - now_ns <= burst_ns};
    if (v.allowed)
        w->due_ns = due = next;
    else
        v.retry_after_ms = (uint32_t)((next - now_ns - burst_ns + SUT_NS_PER_MS - 1) / SUT_NS_PER_MS);
    v.remaining = (uint32_t)((burst_ns - (due - now_ns)) / r->interval_ns);
    v.reset_s = (uint32_t)((due - now_ns + SUT_NS_PER_S - 1) / SUT_NS_PER_S);
    return v;
}

sut_limit_verdict sut_limiter_take(sut_limiter *l, const char *klass, sut_str client, uint64_t now_ns)
{
    const rule *r = rule_of(l, klass ? klass : "default");
    if (!r)
        return (sut_limit_verdict){.allowed = true};
    uint64_t key = hash(l, (size_t)(r - l->rules), client);
    size_t set = key % SETS;
    pthread_mutex_t *lock = &l->locks[set % LOCKS];
    (void)pthread_mutex_lock(lock);
    sut_limit_verdict v = schedule(find_way(l->table[set], key), r, now_ns);
    (void)pthread_mutex_unlock(lock);
    return v;
}
