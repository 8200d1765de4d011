/* A batch of events: one envelope, one answer, all or none. */
#include "publish.h"

#include "base/arena.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES (512u << 10) /* bodies; well below an envelope */
#define EVENT_EXTRA 512          /* of an event besides its body, at most */

struct cli_batch {
    sut_arena *arena;
    sut_publish events[SUT_PUBLISH_MAX];
    size_t count, bytes;
};

sut_status cli_batch_new(cli_batch **out)
{
    cli_batch *b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    sut_status st = sut_arena_new(&b->arena, 16u << 20);
    if (st != 0) {
        free(b);
        return st;
    }
    *out = b;
    return 0;
}

cli_batch *cli_batch_free(cli_batch *b)
{
    if (b)
        sut_arena_free(b->arena);
    free(b);
    return NULL;
}

size_t cli_batch_count(const cli_batch *b)
{
    return b->count;
}

static bool copy(sut_arena *arena, sut_str *s)
{
    if (!s->ptr)
        return true;
    *s = sut_arena_str(arena, *s);
    return s->ptr != NULL;
}

sut_status cli_batch_add(cli_batch *b, const sut_publish *event)
{
    size_t bytes = event->body.len + EVENT_EXTRA;
    if (b->count == SUT_PUBLISH_MAX || (b->count && b->bytes + bytes > BATCH_BYTES))
        return -ENOSPC;
    sut_publish *e = &b->events[b->count];
    *e = *event;
    if (!copy(b->arena, &e->subject) || !copy(b->arena, &e->key) || !copy(b->arena, &e->body) ||
        !copy(b->arena, &e->traceparent))
        return -ENOMEM;
    uint8_t *id = sut_arena_alloc(b->arena, SUT_EVENT_ID_LEN);
    if (!id)
        return -ENOMEM;
    if (event->event_id)
        memcpy(id, event->event_id, SUT_EVENT_ID_LEN);
    else
        sut_event_id_make(id);
    e->event_id = id;
    if (event->principal) {
        sut_principal *who = SUT_ARENA_NEW(b->arena, sut_principal);
        if (!who)
            return -ENOMEM;
        *who = *event->principal;
        if (!copy(b->arena, &who->session))
            return -ENOMEM;
        e->principal = who;
    }
    b->count++;
    b->bytes += bytes;
    return 0;
}

/* ---- sending ---- */

typedef struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_ended;
    const cli_args *args;
    const cli_batch *batch;
    cli_published *done;
    FILE *lines, *out;
    int code;
} waiting;

static void print_sequences(const waiting *w, const sut_published *p)
{
    for (size_t i = 0; i < p->count; i++) {
        char id[2 * SUT_EVENT_ID_LEN + 1];
        sut_hex(w->batch->events[i].event_id, SUT_EVENT_ID_LEN, id);
        fprintf(w->lines, "{\"sequence\":%llu,\"event_id\":\"%s\",\"duplicate\":%s}\n",
                (unsigned long long)p->sequences[i], id, p->duplicates[i] ? "true" : "false");
    }
}

static void note(cli_published *done, const sut_published *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->sequences[i] && !done->first)
            done->first = p->sequences[i];
        if (p->sequences[i])
            done->last = p->sequences[i];
        done->duplicates += p->duplicates[i];
    }
    done->count += p->count;
}

static void on_published(void *arg, const sut_published *p)
{
    waiting *w = arg;
    if (p->err) {
        sut_result r = {.err = p->err,
                        .code = p->code,
                        .message = p->message,
                        .body = p->body,
                        .retry_after_ms = p->retry_after_ms};
        char what[SUT_SUBJECT_MAX + 32];
        snprintf(what, sizeof what, w->batch->count == 1 ? "%.*s" : "%.*s and %zu more",
                 SUT_STR_FMT(w->batch->events[0].subject), w->batch->count - 1);
        w->code = cli_complain_result(w->args, what, &r, w->out);
    } else {
        note(w->done, p);
        if (w->lines)
            print_sequences(w, p);
    }
    pthread_mutex_lock(&w->lock);
    w->is_ended = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
}

static int start_and_wait(sut_client *client, waiting *w)
{
    uint32_t timeout_ms;
    if (!cli_timeout(w->args, &timeout_ms))
        return SUT_EXIT_USAGE;
    sut_publish_options opt = {.timeout_ms = timeout_ms};
    sut_status st = sut_publish_start(client, w->batch->events, w->batch->count, &opt, on_published, w);
    if (st != 0) {
        cli_complain("publish: %s", strerror(-st));
        return st == -EMSGSIZE ? CLI_EXIT_DATA : st == -EINVAL ? SUT_EXIT_USAGE : SUT_EXIT_SOFTWARE;
    }
    pthread_mutex_lock(&w->lock);
    while (!w->is_ended)
        pthread_cond_wait(&w->ended, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return w->code;
}

int cli_batch_send(const cli_args *a, sut_client *client, cli_batch *b, cli_published *done, FILE *lines, FILE *out)
{
    if (b->count == 0)
        return 0;
    waiting w = {.args = a, .batch = b, .done = done, .lines = lines, .out = out};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.ended, NULL);
    int code = start_and_wait(client, &w);
    pthread_cond_destroy(&w.ended);
    pthread_mutex_destroy(&w.lock);
    b->count = b->bytes = 0;
    sut_arena_reset(b->arena);
    return code;
}
