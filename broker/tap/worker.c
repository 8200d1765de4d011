/* The hub's thread: takes records from the rings, redacts and encodes them, and hands frames to the loop. It works in
 * strides: after it found something it sleeps for some milliseconds, so that a busy broker wakes it two hundred times a
 * second at most and gets full frames; with nothing to do it sleeps until it is woken. */
#include "hub.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define STRIDE_NS       5000000
#define FRAMES_A_STRIDE 16   /* of one tap: what all of its budget may be in that time, and more */
#define RECORDS_A_FRAME 1024 /* what is shown of one takes some 200 bytes or more */

typedef struct work {
    sut_tap_hub *h;
    tap *taps[TAP_WORKED_MAX]; /* those of this turn */
    size_t count;
} work;

void tap_free(tap *t)
{
    sut_node *n;
    while ((n = sut_list_pop_front(&t->frames))) {
        tap_frame *f = SUT_CONTAINER(n, tap_frame, node);
        free(f->bytes);
        free(f);
    }
    tap_ring_deinit(&t->ring);
    t->arena = sut_arena_free(t->arena);
    free(t);
}

/* ---- frames ---- */

static void hand_over(sut_tap_hub *h, tap *t, tap_frame *f)
{
    pthread_mutex_lock(&h->lock);
    sut_list_push_back(&t->frames, &f->node);
    t->frame_bytes += f->len;
    if (!h->posted) {
        h->posted = true;
        sut_loop_post(h->loop, &h->ready, tap_hub_on_ready, h);
    }
    pthread_mutex_unlock(&h->lock);
}

static bool has_room(sut_tap_hub *h, const tap *t)
{
    pthread_mutex_lock(&h->lock);
    const bool room = t->frame_bytes < TAP_OUT_BYTES;
    pthread_mutex_unlock(&h->lock);
    return room;
}

static sut_status add(work *w, const tap *t, tap_taken *taken, sut_buf *out)
{
    taken->lost += t->unencoded;
    if (taken->is_end)
        return tap_end_append(&w->h->scratch, t->id, taken->lost, out);
    return tap_record_append(&w->h->scratch, taken, t->id, t->request.personal, out);
}

/* Takes the oldest record into the frame. False: it must wait for the next frame. */
static bool take_one(work *w, tap *t, tap_frame *f, const void *record, size_t len, sut_buf *out)
{
    const size_t before = out->len;
    tap_taken taken;
    tap_unpack(record, len, &taken);
    if (add(w, t, &taken, out)) {
        out->len = before;
        if (taken.is_end) /* without it the tap would not end: it is tried again */
            return false;
        t->unencoded = taken.lost + 1;
    } else if (out->len > SUT_FRAME_MAX && before > 0) {
        out->len = before;
        return false;
    } else {
        t->unencoded = 0;
        f->envelopes++;
        f->last = taken.is_end;
    }
    tap_ring_pop(&t->ring);
    return true;
}

/* One frame of what the ring holds; false if there is nothing more to do now. Without memory for it all stays where it
 * is. */
static bool fill_frame(work *w, tap *t)
{
    size_t len;
    const void *record = tap_ring_peek(&t->ring, &len);
    tap_frame *f = record && has_room(w->h, t) ? calloc(1, sizeof *f) : NULL;
    sut_buf out;
    if (!f)
        return false;
    sut_buf_init(&out, 0);
    for (int i = 0; i < RECORDS_A_FRAME && (record = tap_ring_peek(&t->ring, &len)); i++)
        if (!take_one(w, t, f, record, len, &out))
            break;
    f->bytes = sut_buf_steal(&out, &f->len);
    if (f->envelopes > 0) {
        hand_over(w->h, t, f);
        return true;
    }
    free(f->bytes);
    free(f);
    return false;
}

/* ---- the thread ---- */

/* The taps of this turn; ended ones are taken out and freed, for the loop has let go of them. */
static void gather(work *w)
{
    sut_tap_hub *h = w->h;
    sut_node ended, *n, *next;
    sut_list_init(&ended);
    w->count = 0;
    pthread_mutex_lock(&h->lock);
    for (n = h->worked.next; n != &h->worked; n = next) {
        next = n->next;
        tap *t = SUT_CONTAINER(n, tap, worker_node);
        if (atomic_load_explicit(&t->ended, memory_order_acquire)) {
            sut_node_unlink(n);
            sut_list_push_back(&ended, n);
            h->worked_count--;
        } else {
            w->taps[w->count++] = t;
        }
    }
    pthread_mutex_unlock(&h->lock);
    while ((n = sut_list_pop_front(&ended)))
        tap_free(SUT_CONTAINER(n, tap, worker_node));
}

/* Under the lock, after `sleeping` was set: what came before that was not announced. */
static bool has_work(sut_tap_hub *h)
{
    for (sut_node *n = h->worked.next; n != &h->worked; n = n->next) {
        tap *t = SUT_CONTAINER(n, tap, worker_node);
        if (atomic_load_explicit(&t->ended, memory_order_acquire) ||
            (tap_ring_used(&t->ring) > 0 && t->frame_bytes < TAP_OUT_BYTES))
            return true;
    }
    return false;
}

/* False: the hub ends. */
static bool rest(sut_tap_hub *h)
{
    pthread_mutex_lock(&h->lock);
    for (;;) {
        atomic_store(&h->sleeping, true);
        if (h->stopping || has_work(h))
            break;
        pthread_cond_wait(&h->wake, &h->lock);
    }
    atomic_store(&h->sleeping, false);
    const bool go_on = !h->stopping;
    pthread_mutex_unlock(&h->lock);
    return go_on;
}

static void *run(void *arg)
{
    const struct timespec stride = {.tv_nsec = STRIDE_NS};
    work w = {.h = arg};
    while (rest(w.h)) {
        gather(&w);
        for (size_t i = 0; i < w.count; i++)
            for (int k = 0; k < FRAMES_A_STRIDE && fill_frame(&w, w.taps[i]); k++)
                continue;
        nanosleep(&stride, NULL);
    }
    return NULL;
}

sut_status tap_worker_start(sut_tap_hub *h)
{
    if (h->started)
        return 0;
    sut_status st = tap_scratch_init(&h->scratch);
    const int e = st ? 0 : pthread_create(&h->worker, NULL, run, h);
    if (e)
        st = SUT_TRACE(-e, "tap thread");
    if (st) {
        tap_scratch_deinit(&h->scratch);
        return st;
    }
    h->started = true;
    return 0;
}

void tap_worker_stop(sut_tap_hub *h)
{
    if (!h->started)
        return;
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->worker, NULL);
    tap_scratch_deinit(&h->scratch);
    h->started = false;
}

/* What was put before is visible to whoever sets `sleeping` after this load: both sides fence. */
void tap_worker_wake(sut_tap_hub *h)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&h->sleeping, memory_order_relaxed) || !atomic_exchange(&h->sleeping, false))
        return; /* awake, or about to be */
    pthread_mutex_lock(&h->lock);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}
