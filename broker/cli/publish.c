/* sut publish: one event, the same event many times, or a file of them. */
#include "publish.h"
#include "event_input.h"
#include "inbox.h"
#include "lines.h"
#include "progress.h"
#include "times.h"

#include <errno.h>
#include <string.h>

#define ARENA_MAX (16u << 20)
#define COUNT_MAX 100000000

typedef struct publishing {
    const cli_args *args;
    sut_client *client;
    cli_batch *batch;
    cli_published done;
    cli_progress progress;
    FILE *out;
} publishing;

static int flush(publishing *p)
{
    int code = cli_batch_send(p->args, p->client, p->batch, &p->done, p->args->json ? p->out : NULL, p->out);
    if (code == 0)
        cli_progress_show(&p->progress, p->done.count);
    return code;
}

static int add(publishing *p, const sut_publish *event)
{
    sut_status st = cli_batch_add(p->batch, event);
    if (st == -ENOSPC) {
        int code = flush(p);
        if (code != 0)
            return code;
        st = cli_batch_add(p->batch, event);
    }
    if (st == 0)
        return 0;
    cli_complain("publish: %s", strerror(-st));
    return SUT_EXIT_SOFTWARE;
}

/* What was published, in a line. Programs have had their lines already. */
static void conclude(publishing *p)
{
    const cli_published *d = &p->done;
    cli_progress_end(&p->progress);
    if (p->args->json || d->count == 0)
        return;
    if (d->count == 1 && d->last)
        fprintf(p->out, "%llu%s\n", (unsigned long long)d->last, d->duplicates ? "  (it was there before)" : "");
    else if (d->count == 1)
        fputs(d->duplicates ? "it was there before\n" : "taken, and delivered when it is due\n", p->out);
    else
        fprintf(p->out, "%zu events, %llu to %llu%s\n", d->count, (unsigned long long)d->first,
                (unsigned long long)d->last, d->duplicates ? "; some were there before" : "");
}

static int publish_file(publishing *p)
{
    cli_line_reader reader;
    sut_arena *arena;
    json_t *line;
    int code = cli_lines_open(&reader, p->args->file);
    if (code == 0 && sut_arena_new(&arena, ARENA_MAX) != 0)
        code = SUT_EXIT_SOFTWARE;
    if (code != 0) {
        cli_lines_close(&reader);
        return code;
    }
    while (!cli_stop_asked() && (code = cli_lines_next(&reader, &line)) == 0) {
        char where[256];
        sut_publish event;
        snprintf(where, sizeof where, "%s: line %zu", reader.name, reader.number);
        if (!json_object_get(line, "sut_record")) /* the head of a recorded file */
            code = cli_event_from_line(where, line, p->args->raw, arena, &event);
        if (code == 0 && !json_object_get(line, "sut_record"))
            code = add(p, &event);
        json_decref(line);
        sut_arena_reset(arena);
        if (code != 0)
            break;
    }
    if (code <= 0)
        code = flush(p);
    sut_arena_free(arena);
    cli_lines_close(&reader);
    return code;
}

static int publish_one(publishing *p, sut_publish *event, int64_t count)
{
    int code = 0;
    for (int64_t i = 0; i < count && code == 0 && !cli_stop_asked(); i++)
        code = add(p, event);
    return code == 0 ? flush(p) : code;
}

static int connect_and(const cli_args *a, sut_publish *event, int64_t count, FILE *out)
{
    publishing p = {.args = a, .out = out};
    int code = cli_stop_begin();
    if (code == 0 && cli_batch_new(&p.batch) != 0)
        code = SUT_EXIT_SOFTWARE;
    if (code == 0)
        code = cli_connect(a, &p.client);
    if (code == 0) {
        cli_progress_begin(&p.progress, "published", event ? (uint64_t)count : 0);
        code = event ? publish_one(&p, event, count) : publish_file(&p);
        conclude(&p);
        sut_client_free(p.client);
    }
    cli_batch_free(p.batch);
    return code == 0 && cli_stop_asked() ? CLI_EXIT_TEMPFAIL : code;
}

/* The event of the command line, checked before anything is sent. */
static int publish_argument(const cli_args *a, sut_arena *arena, sut_buf *body, FILE *out)
{
    sut_buf json;
    sut_str text = SUT_STR_NONE;
    uint8_t id[SUT_EVENT_ID_LEN];
    int64_t count = 1, not_before = 0;
    if (!cli_number("--count", a->count, 1, COUNT_MAX, &count) ||
        !cli_time_option("--not-before", a->not_before, &not_before) || (a->id && !cli_event_id_parse(a->id, id)))
        return SUT_EXIT_USAGE;
    if (a->id && count > 1) {
        cli_complain("--id and --count: events of one id are one event");
        return SUT_EXIT_USAGE;
    }
    sut_buf_init(&json, SUT_ENVELOPE_MAX);
    int code = cli_read_input(a->position_count > 1 ? a->position[1] : "{}", &json);
    if (code == 0 && sut_buf_str(&json, &text) != 0)
        code = SUT_EXIT_SOFTWARE;
    if (code == 0)
        code = cli_encode_event(a->position[0], a->raw, text, arena, body);
    sut_buf_deinit(&json);
    sut_publish event = {.subject = sut_str_from(a->position[0]),
                         .key = sut_str_from(a->key),
                         .body = {(const char *)body->data, body->len},
                         .event_id = a->id ? id : NULL,
                         .not_before_us = not_before};
    return code == 0 ? connect_and(a, &event, count, out) : code;
}

int cli_run_publish(const cli_args *a, FILE *out)
{
    sut_arena *arena;
    sut_buf body;
    if (a->file && (a->position_count || a->count || a->id || a->key || a->not_before)) {
        cli_complain("--file: its lines say all: subject, body, key, event_id, not_before");
        return SUT_EXIT_USAGE;
    }
    if (!a->file && !a->position_count) {
        cli_complain("too few arguments: sut publish SUBJECT [JSON | - | @FILE], or --file FILE");
        return SUT_EXIT_USAGE;
    }
    if (a->file)
        return connect_and(a, NULL, 0, out);
    if (sut_arena_new(&arena, ARENA_MAX) != 0)
        return SUT_EXIT_SOFTWARE;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    int code = publish_argument(a, arena, &body, out);
    sut_buf_deinit(&body);
    sut_arena_free(arena);
    return code;
}
