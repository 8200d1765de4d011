/* The table of revoked sessions: two maps under one reader-writer lock, and a queue in order of arrival for expiry. */
#include "gate/revocations.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "token/token.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct entry {
    sut_node node;
    int64_t user_id, issued_before, until_s;
    bool whole_user;
    char session[SUT_TOKEN_SID_MAX + 1]; /* key of `sessions` */
} entry;

struct sut_revocations {
    pthread_rwlock_t lock;
    sut_strmap *sessions; /* "user_id:session" → entry */
    sut_u64map *users;    /* user_id → entry with the latest issued_before */
    sut_node entries;     /* by arrival: auth tells them in order of time */
    size_t count, max;
    bool overflowed;
    _Atomic uint64_t current_ns; /* 0: never */
};

sut_status sut_revocations_new(sut_revocations **out, size_t max_entries)
{
    *out = NULL;
    sut_revocations *r = calloc(1, sizeof(*r));
    if (!r)
        return SUT_TRACE(-ENOMEM, "revocations");
    if (pthread_rwlock_init(&r->lock, NULL) != 0) {
        free(r);
        return SUT_TRACE(-ENOMEM, "revocations");
    }
    r->max = max_entries;
    sut_list_init(&r->entries);
    sut_status st = sut_strmap_new(&r->sessions);
    if (st == 0)
        st = sut_u64map_new(&r->users);
    if (st) {
        sut_revocations_free(r);
        return st;
    }
    *out = r;
    return 0;
}

sut_revocations *sut_revocations_free(sut_revocations *r)
{
    if (!r)
        return NULL;
    for (sut_node *n; (n = sut_list_pop_front(&r->entries));)
        free(SUT_CONTAINER(n, entry, node));
    sut_strmap_free(r->sessions);
    sut_u64map_free(r->users);
    (void)pthread_rwlock_destroy(&r->lock);
    free(r);
    return NULL;
}

#define SESSION_KEY_SIZE (SUT_TOKEN_SID_MAX + 24)

static sut_str session_key(int64_t user_id, sut_str session, char buffer[SESSION_KEY_SIZE])
{
    int n = snprintf(buffer, SESSION_KEY_SIZE, "%lld:%.*s", (long long)user_id, SUT_STR_FMT(session));
    return (sut_str){buffer, (size_t)n};
}

static sut_status add_session(sut_revocations *r, const sut_revocation *item, entry *e)
{
    char buffer[SESSION_KEY_SIZE];
    sut_status st = sut_strmap_put(r->sessions, session_key(item->user_id, item->session, buffer), e);
    if (st == 0)
        memcpy(e->session, item->session.ptr, item->session.len);
    return st;
}

/* One entry a user: the later of two cut-offs says all that the earlier one did. -EEXIST if an entry took it in. */
static sut_status add_user(sut_revocations *r, const sut_revocation *item, entry *e)
{
    entry *old = sut_u64map_get(r->users, (uint64_t)item->user_id);
    if (!old) {
        e->whole_user = true;
        return sut_u64map_put(r->users, (uint64_t)item->user_id, e);
    }
    if (item->issued_before > old->issued_before)
        old->issued_before = item->issued_before;
    if (e->until_s > old->until_s) {
        old->until_s = e->until_s;
        sut_node_unlink(&old->node);
        sut_list_push_back(&r->entries, &old->node);
    }
    return -EEXIST;
}

static sut_status add_locked(sut_revocations *r, const sut_revocation *item)
{
    entry *e = calloc(1, sizeof(*e));
    if (!e)
        return SUT_TRACE(-ENOMEM, "revocation");
    e->user_id = item->user_id;
    e->issued_before = item->issued_before;
    e->until_s = item->at + SUT_TOKEN_LIFETIME_S + 2 * SUT_TOKEN_LEEWAY_S;
    sut_status st = item->session.len > 0 ? add_session(r, item, e) : add_user(r, item, e);
    if (st) {
        free(e);
        return st == -EEXIST ? 0 : st;
    }
    sut_list_push_back(&r->entries, &e->node);
    r->count++;
    return 0;
}

sut_status sut_revocations_add(sut_revocations *r, const sut_revocation *item)
{
    if (item->user_id < 1 || item->session.len > SUT_TOKEN_SID_MAX)
        return -EINVAL;
    (void)pthread_rwlock_wrlock(&r->lock);
    sut_status st = r->count < r->max ? add_locked(r, item) : -ENOSPC;
    r->overflowed = r->overflowed || st < 0;
    (void)pthread_rwlock_unlock(&r->lock);
    return st;
}

void sut_revocations_reload(sut_revocations *r)
{
    (void)pthread_rwlock_wrlock(&r->lock);
    r->overflowed = false;
    (void)pthread_rwlock_unlock(&r->lock);
}

void sut_revocations_current(sut_revocations *r, uint64_t now_ns)
{
    (void)pthread_rwlock_rdlock(&r->lock);
    bool complete = !r->overflowed;
    (void)pthread_rwlock_unlock(&r->lock);
    if (complete)
        atomic_store_explicit(&r->current_ns, now_ns, memory_order_release);
}

static void drop(sut_revocations *r, entry *e)
{
    char buffer[SESSION_KEY_SIZE];
    if (e->whole_user)
        (void)sut_u64map_take(r->users, (uint64_t)e->user_id);
    else
        (void)sut_strmap_take(r->sessions, session_key(e->user_id, sut_str_from(e->session), buffer));
    sut_node_unlink(&e->node);
    free(e);
    r->count--;
}

void sut_revocations_expire(sut_revocations *r, int64_t now_s)
{
    (void)pthread_rwlock_wrlock(&r->lock);
    for (sut_node *n = r->entries.next, *next; n != &r->entries; n = next) {
        entry *e = SUT_CONTAINER(n, entry, node);
        next = n->next;
        if (e->until_s > now_s)
            break;
        drop(r, e);
    }
    (void)pthread_rwlock_unlock(&r->lock);
}

size_t sut_revocations_count(const sut_revocations *r)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&r->lock;
    (void)pthread_rwlock_rdlock(lock);
    size_t n = r->count;
    (void)pthread_rwlock_unlock(lock);
    return n;
}

sut_session_verdict sut_revocations_check(const sut_revocations *r, int64_t user_id, sut_str session,
                                          int64_t issued_at_s, uint64_t now_ns)
{
    char buffer[SESSION_KEY_SIZE];
    if (session.len > SUT_TOKEN_SID_MAX)
        return SUT_SESSION_REVOKED;
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&r->lock;
    (void)pthread_rwlock_rdlock(lock);
    bool revoked = sut_strmap_get(r->sessions, session_key(user_id, session, buffer)) != NULL;
    const entry *whole = revoked ? NULL : sut_u64map_get(r->users, (uint64_t)user_id);
    if (whole && issued_at_s <= whole->issued_before)
        revoked = true;
    (void)pthread_rwlock_unlock(lock);
    if (revoked)
        return SUT_SESSION_REVOKED;
    uint64_t current = atomic_load_explicit(&r->current_ns, memory_order_acquire);
    bool fresh = current != 0 && (now_ns <= current || now_ns - current <= SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS);
    return fresh ? SUT_SESSION_LIVE : SUT_SESSION_UNKNOWN;
}
