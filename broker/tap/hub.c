/* The loop's side: taps come and go, what passes is matched and copied, what is ready is sent. */
#include "hub.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS   2   /* for a peer whose queue is full, history without room or budget, an end without room */
#define UNTIL_MS   100 /* how exactly a live tap ends at a time */
#define BURST_PART 20  /* of a second's budget may pass at once … */
#define BURST_MIN  (64u << 10)
#define ARENA_MAX  (64u << 10)

static void on_timer(sut_timer *timer, void *arg);

/* ---- life of the hub ---- */

static void clamp_limits(sut_tap_limits *l)
{
    if (l->max_taps > SUT_TAP_MAX)
        l->max_taps = SUT_TAP_MAX;
    if (l->bytes_per_second > l->bytes_per_second_max)
        l->bytes_per_second = l->bytes_per_second_max;
}

sut_status sut_tap_hub_new(sut_tap_hub **out, sut_loop *loop, const sut_tap_ops *ops, void *app,
                           const sut_tap_limits *limits)
{
    sut_tap_hub *h = calloc(1, sizeof *h);
    if (!h)
        return SUT_TRACE(-ENOMEM, "tap hub");
    h->loop = loop;
    h->ops = *ops;
    h->app = app;
    h->generation = 1;
    h->next_event = 1;
    sut_tap_hub_set_limits(h, limits);
    sut_list_init(&h->taps);
    sut_list_init(&h->worked);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    *out = h;
    return 0;
}

void sut_tap_hub_set_limits(sut_tap_hub *h, const sut_tap_limits *limits)
{
    h->limits = *limits;
    clamp_limits(&h->limits);
}

void sut_tap_hub_appended(sut_tap_hub *h, uint64_t next)
{
    h->next_event = next > h->next_event ? next : h->next_event;
}

/* ---- life of a tap ---- */

static void count_kinds(sut_tap_hub *h)
{
    uint32_t kinds = 0;
    for (sut_node *n = h->taps.next; n != &h->taps; n = n->next)
        kinds |= SUT_CONTAINER(n, tap, node)->request.kinds;
    h->generation++;
    if (kinds != h->kinds)
        h->ops.watch(h->app, kinds);
    h->kinds = kinds;
}

/* From here on the tap is the worker's, to be freed. */
static void leave(sut_tap_hub *h, tap *t)
{
    tap_history_drop(h, t);
    sut_node_unlink(&t->node);
    h->tap_count--;
    count_kinds(h);
    sut_log(SUT_DEBUG, "tap", "tap.ended", SUT_KV("peer", t->peer), SUT_KV_U("session", t->session),
            SUT_KV_U("records", t->records_total), SUT_KV_U("lost", t->lost_total));
    atomic_store_explicit(&t->ended, true, memory_order_release);
    tap_worker_wake(h);
}

sut_tap_hub *sut_tap_hub_free(sut_tap_hub *h)
{
    if (!h)
        return NULL;
    sut_timer_stop(&h->timer);
    tap_worker_stop(h);
    for (sut_node *n = h->taps.next; n != &h->taps; n = n->next)
        tap_history_drop(h, SUT_CONTAINER(n, tap, node));
    sut_node *n;
    while ((n = sut_list_pop_front(&h->worked)))
        tap_free(SUT_CONTAINER(n, tap, worker_node));
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h);
    return NULL;
}

static tap *find(sut_tap_hub *h, uint64_t session, uint64_t id)
{
    for (sut_node *n = h->taps.next; n != &h->taps; n = n->next) {
        tap *t = SUT_CONTAINER(n, tap, node);
        if (t->session == session && t->id == id)
            return t;
    }
    return NULL;
}

static sut_status check_room(sut_tap_hub *h, uint64_t session, char *error, size_t size)
{
    pthread_mutex_lock(&h->lock);
    const bool worked_full = h->worked_count >= TAP_WORKED_MAX;
    pthread_mutex_unlock(&h->lock);
    uint32_t of_session = 0;
    for (const sut_node *n = h->taps.next; n != &h->taps; n = n->next)
        of_session += SUT_CONTAINER(n, tap, node)->session == session;
    if (of_session >= h->limits.taps_per_session)
        (void)snprintf(error, size, "this session has %u taps; no more are allowed", of_session);
    else if (h->tap_count >= h->limits.max_taps)
        (void)snprintf(error, size, "there are %u taps; no more are allowed", h->tap_count);
    else if (worked_full)
        (void)snprintf(error, size, "taps that have just ended are still let go");
    else
        return 0;
    return -ENOSPC;
}

static bool keep(sut_arena *a, sut_str *s)
{
    if (!s->ptr)
        return true;
    *s = sut_arena_str(a, *s);
    return s->ptr != NULL;
}

static sut_status keep_request(tap *t, const sut_tap_request *r)
{
    sut_status st = sut_arena_new(&t->arena, ARENA_MAX);
    if (st)
        return st;
    t->request = *r;
    sut_str *subjects = sut_arena_array(t->arena, r->subject_count + 1, sizeof *subjects);
    bool kept = subjects && keep(t->arena, &t->request.trace) && keep(t->arena, &t->request.key) &&
                keep(t->arena, &t->request.reason);
    for (size_t i = 0; kept && i < r->subject_count; i++) {
        subjects[i] = r->subjects[i];
        kept = keep(t->arena, &subjects[i]);
    }
    t->request.subjects = subjects;
    return kept ? 0 : -ENOMEM;
}

/* A bucket is never so large that it overruns an empty ring. */
static tap_bucket bucket_of(const sut_tap_hub *h, const sut_tap_request *r, uint64_t now_ns)
{
    uint64_t rate = r->bytes_per_second ? r->bytes_per_second : h->limits.bytes_per_second;
    if (rate > h->limits.bytes_per_second_max)
        rate = h->limits.bytes_per_second_max;
    uint64_t burst = rate / BURST_PART;
    if (burst < BURST_MIN)
        burst = BURST_MIN;
    if (burst > TAP_RING_BYTES / 2)
        burst = TAP_RING_BYTES / 2;
    return tap_bucket_of(rate, burst, now_ns);
}

static uint32_t free_slot(const sut_tap_hub *h)
{
    uint32_t used = 0, slot = 0;
    for (const sut_node *n = h->taps.next; n != &h->taps; n = n->next)
        used |= UINT32_C(1) << SUT_CONTAINER(n, tap, node)->slot;
    while (used >> slot & 1)
        slot++;
    return slot;
}

static sut_status make(const sut_tap_hub *h, uint64_t now_ns, sut_str peer, const sut_tap_request *request, tap **out)
{
    tap *t = calloc(1, sizeof *t);
    if (!t)
        return SUT_TRACE(-ENOMEM, "tap");
    sut_list_init(&t->frames);
    sut_status st = keep_request(t, request);
    if (st == 0)
        st = tap_ring_init(&t->ring, TAP_RING_BYTES);
    if (st) {
        tap_free(t);
        return st;
    }
    (void)snprintf(t->peer, sizeof t->peer, "%.*s", SUT_STR_FMT(peer));
    t->slot = free_slot(h);
    t->opened_ns = now_ns;
    t->state = TAP_LIVE;
    t->position = h->next_event;
    t->bucket = bucket_of(h, request, now_ns);
    *out = t;
    return 0;
}

static void arm(sut_tap_hub *h, uint64_t ms)
{
    const uint64_t at_ns = sut_now_ns() + ms * SUT_NS_PER_MS;
    if (h->timer.loop && h->timer.at_ns <= at_ns)
        return;
    if (sut_timer_start_at(h->loop, &h->timer, at_ns, on_timer, h))
        sut_log(SUT_ERROR, "tap", "timer.failed");
}

sut_status sut_tap_hub_attach(sut_tap_hub *h, uint64_t now_ns, uint64_t session, uint64_t id, sut_str peer,
                              const sut_tap_request *request, char *error, size_t error_size)
{
    const bool wants_history = request->has_since || request->has_until;
    tap *t = NULL;
    if (find(h, session, id))
        return -EEXIST;
    sut_status st = check_room(h, session, error, error_size);
    if (st == 0)
        st = tap_worker_start(h);
    if (st == 0)
        st = make(h, now_ns, peer, request, &t);
    if (!t)
        return st;
    t->session = session;
    t->id = id;
    if (wants_history && (request->kinds & SUT_SIGHT_EVENT) && (st = tap_history_begin(h, t))) {
        tap_free(t);
        return st;
    }
    sut_list_push_back(&h->taps, &t->node);
    h->tap_count++;
    h->counts.attached_total++;
    count_kinds(h);
    pthread_mutex_lock(&h->lock);
    sut_list_push_back(&h->worked, &t->worker_node);
    h->worked_count++;
    pthread_mutex_unlock(&h->lock);
    if (t->state == TAP_LIVE && !request->follow)
        tap_begin_end(h, t);
    arm(h, 0);
    return 0;
}

bool sut_tap_hub_detach(sut_tap_hub *h, uint64_t session, uint64_t id, uint64_t *lost)
{
    tap *t = find(h, session, id);
    if (!t)
        return false;
    *lost = t->lost;
    leave(h, t);
    return true;
}

void sut_tap_hub_session_ended(sut_tap_hub *h, uint64_t session)
{
    for (sut_node *n = h->taps.next, *next; n != &h->taps; n = next) {
        next = n->next;
        tap *t = SUT_CONTAINER(n, tap, node);
        if (t->session == session)
            leave(h, t);
    }
}

void tap_fail(sut_tap_hub *h, tap *t, int err, const char *message)
{
    const uint64_t session = t->session, id = t->id;
    leave(h, t);
    h->ops.ended(h->app, session, id, err, message);
}

void sut_tap_hub_end_all(sut_tap_hub *h, const char *message)
{
    while (!sut_list_empty(&h->taps))
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each leaves the list as it ends
        tap_fail(h, SUT_CONTAINER(h->taps.next, tap, node), SUT_ERR_UNAVAILABLE, message);
}

void sut_tap_hub_recheck(sut_tap_hub *h, bool (*still)(void *app, uint64_t session, const sut_tap_request *r))
{
    h->generation++;
    for (sut_node *n = h->taps.next, *next; n != &h->taps; n = next) {
        next = n->next;
        tap *t = SUT_CONTAINER(n, tap, node);
        if (!still(h->app, t->session, &t->request))
            tap_fail(h, t, SUT_ERR_FORBIDDEN, "the right to tap was revoked");
    }
}

/* ---- what passes ---- */

bool tap_put(sut_tap_hub *h, tap *t, uint64_t now_ns, sut_sight *s)
{
    const size_t size = tap_pack_size(s);
    if (!tap_bucket_has(&t->bucket, now_ns, size))
        return false;
    if (s->at_us == 0)
        s->at_us = sut_wall_us();
    if (!tap_pack(&t->ring, s, size, t->lost))
        return false;
    tap_bucket_take(&t->bucket, size);
    t->lost = 0;
    tap_worker_wake(h);
    return true;
}

/* Does the tap take what passes now, or only what was? */
static bool is_live(const tap *t, sut_sight *s)
{
    if (t->state == TAP_ENDING || (t->state == TAP_HISTORY && !t->request.follow))
        return false;
    if (t->request.has_until && s->at_us == 0)
        s->at_us = sut_wall_us();
    if (t->request.has_until && s->at_us > t->request.until_us)
        return false;
    return s->kind != SUT_SIGHT_EVENT || (t->state == TAP_LIVE && s->sequence >= t->position);
}

static void lose(sut_tap_hub *h, tap *t)
{
    t->lost++;
    t->lost_total++;
    h->counts.lost_total++;
}

void sut_tap_hub_see(sut_tap_hub *h, uint64_t now_ns, sut_sight *s)
{
    if (!(h->kinds & s->kind))
        return;
    const uint32_t concerned = tap_subject_mask(h, s->subject);
    for (sut_node *n = h->taps.next; concerned && n != &h->taps; n = n->next) {
        tap *t = SUT_CONTAINER(n, tap, node);
        if (!(concerned >> t->slot & 1) || !tap_wants(t, s) || !is_live(t, s))
            continue;
        if (!tap_put(h, t, now_ns, s))
            lose(h, t);
    }
}

/* ---- what is sent ---- */

static void put_end(sut_tap_hub *h, tap *t)
{
    t->end_put = tap_pack_end(&t->ring, t->lost);
    if (t->end_put)
        tap_worker_wake(h);
}

void tap_begin_end(sut_tap_hub *h, tap *t)
{
    tap_history_drop(h, t);
    t->state = TAP_ENDING;
    put_end(h, t);
}

static tap_frame *first_frame(sut_tap_hub *h, tap *t)
{
    pthread_mutex_lock(&h->lock);
    tap_frame *f = sut_list_empty(&t->frames) ? NULL : SUT_CONTAINER(t->frames.next, tap_frame, node);
    pthread_mutex_unlock(&h->lock);
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is on the list no more
    return f;
}

static void remove_frame(sut_tap_hub *h, tap *t, tap_frame *f)
{
    pthread_mutex_lock(&h->lock);
    sut_node_unlink(&f->node);
    t->frame_bytes -= f->len;
    pthread_mutex_unlock(&h->lock);
    free(f);
}

/* True: some wait, for the peer takes no more now. */
static bool send_frames(sut_tap_hub *h, tap *t)
{
    tap_frame *f;
    while ((f = first_frame(h, t))) {
        if (!h->ops.send(h->app, t->session, f->bytes, f->len, f->envelopes))
            return true;
        const bool last = f->last;
        t->records_total += f->envelopes - last;
        h->counts.records_total += f->envelopes - last;
        h->counts.bytes_total += f->len;
        remove_frame(h, t, f);
        if (last) {
            const uint64_t session = t->session, id = t->id;
            leave(h, t);
            h->ops.ended(h->app, session, id, 0, NULL);
            return false;
        }
    }
    tap_worker_wake(h); /* it may have waited for room */
    return false;
}

static bool is_over(const tap *t)
{
    return t->state == TAP_LIVE && t->request.has_until && sut_wall_us() > t->request.until_us;
}

/* Everything that is due; arms the timer for what must wait. */
static void pump(sut_tap_hub *h)
{
    const uint64_t now_ns = sut_now_ns();
    bool retry = false, until = false;
    for (sut_node *n = h->taps.next, *next; n != &h->taps; n = next) {
        next = n->next;
        tap *t = SUT_CONTAINER(n, tap, node);
        if (is_over(t))
            tap_begin_end(h, t);
        else if (t->state == TAP_ENDING && !t->end_put)
            put_end(h, t);
        else if (t->state == TAP_HISTORY && !tap_history_go_on(h, t, now_ns))
            continue;
        retry = retry || (t->state == TAP_HISTORY && !t->history.tag) || (t->state == TAP_ENDING && !t->end_put);
        until = until || (t->state == TAP_LIVE && t->request.has_until);
        retry = send_frames(h, t) || retry;
    }
    if (retry || until)
        arm(h, retry ? RETRY_MS : UNTIL_MS);
}

static void on_timer(sut_timer *timer, void *arg)
{
    (void)timer;
    pump(arg);
}

void tap_hub_on_ready(sut_task *task, void *hub)
{
    sut_tap_hub *h = hub;
    (void)task;
    pthread_mutex_lock(&h->lock);
    h->posted = false;
    pthread_mutex_unlock(&h->lock);
    pump(h);
}

/* ---- views ---- */

void sut_tap_hub_each(const sut_tap_hub *h, void (*fn)(const sut_tap_view *v, void *arg), void *arg)
{
    for (const sut_node *n = h->taps.next; n != &h->taps; n = n->next) {
        const tap *t = SUT_CONTAINER(n, tap, node);
        const sut_tap_view v = {.session = t->session,
                                .id = t->id,
                                .peer = sut_str_from(t->peer),
                                .request = &t->request,
                                .in_history = t->state == TAP_HISTORY,
                                .bytes_per_second = t->bucket.rate,
                                .records_total = t->records_total,
                                .lost_total = t->lost_total,
                                .waiting_bytes = tap_ring_used(&t->ring),
                                .opened_ns = t->opened_ns};
        fn(&v, arg);
    }
}

void sut_tap_hub_get_counts(const sut_tap_hub *h, sut_tap_counts *out)
{
    *out = h->counts;
    out->taps = h->tap_count;
}
