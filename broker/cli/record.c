/* sut record: what passes, into a file of JSON lines. Events are subscribed to, so that their bodies are whole and can
 * be published again; calls, replies and errors are tapped, without what may not be shown. */
#include "record.h"
#include "ask.h"
#include "input.h"
#include "lines.h"
#include "progress.h"
#include "subscribe.h"
#include "tap_feed.h"
#include "times.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 50

typedef struct recording {
    const cli_args *args;
    FILE *file, *out;
    cli_feed events;
    cli_tap_feed taps;
    bool has_events, has_taps;
    int64_t limit, duration_us, user;
    uint64_t seen, lost;
    cli_progress progress;
} recording;

static int write_head(const recording *r)
{
    char now[SUT_RFC3339_SIZE];
    const cli_args *a = r->args;
    sut_rfc3339(sut_wall_us(), now);
    json_t *subjects = json_array();
    for (size_t i = 1; i < a->position_count; i++)
        json_array_append_new(subjects, json_string(a->position[i]));
    json_t *head = json_pack("{s:i, s:s, s:i, s:s, s:o, s:s*, s:s*}", "sut_record", CLI_RECORD_VERSION, "sut",
                             SUT_VERSION, "protocol", SUT_PROTOCOL_VERSION, "begun_at", now, "subjects", subjects,
                             "kinds", a->kind, "user", a->user);
    int code = cli_dump(head, r->file);
    json_decref(head);
    return code;
}

static void write_line(recording *r, json_t *line)
{
    cli_dump(line, r->file);
    r->seen++;
    cli_progress_show(&r->progress, r->seen);
}

static int take_event(recording *r)
{
    cli_news *news;
    int code = 0;
    if (!r->has_events || cli_feed_take(&r->events, 0, &news) != CLI_GOT_ITEM)
        return -1;
    if (news->delivery) {
        const sut_envelope *env = sut_delivery_envelope(news->delivery);
        json_t *line = cli_event_line(env, false);
        cli_set(line, "kind", json_string("event"));
        write_line(r, line);
        json_decref(line);
        sut_ack(news->delivery);
    } else {
        if (news->notice.news == SUT_SUB_GAP)
            r->lost += news->notice.to - news->notice.from + 1;
        code = cli_say_notice(r->args, &news->notice, r->out);
    }
    free(news);
    return code;
}

static int take_record(recording *r)
{
    cli_tapped *t;
    int code = 0;
    if (!r->has_taps || cli_tap_take(&r->taps, 0, &t) != CLI_GOT_ITEM)
        return -1;
    r->lost += cli_tap_lost(&r->taps);
    if (t->line) {
        r->lost += (uint64_t)cli_num(t->line, "lost");
        write_line(r, t->line);
    } else {
        code = cli_tap_ended(r->args, t, r->out);
        if (code == 0) {
            cli_complain("the tap has ended");
            code = SUT_EXIT_UNAVAILABLE;
        }
    }
    cli_tapped_free(t);
    return code;
}

static int run(recording *r)
{
    uint64_t end = r->duration_us ? sut_now_ns() + (uint64_t)r->duration_us * SUT_NS_PER_US : SUT_NEVER;
    while (r->seen < (uint64_t)r->limit && sut_now_ns() < end) {
        int event = take_event(r), record = r->seen < (uint64_t)r->limit ? take_record(r) : -1;
        if (event > 0 || record > 0)
            return event > 0 ? event : record;
        if (cli_stop_asked() || (event < 0 && record < 0 && cli_stop_wait(TURN_MS)))
            break;
    }
    return 0;
}

/* ---- beginning ---- */

static bool wants(const cli_args *a, bool events)
{
    bool wanted = !a->kind;
    const json_t *v;
    size_t i;
    json_t *list = cli_list(a->kind);
    json_array_foreach(list, i, v)
    {
        wanted = wanted || (strcmp(json_string_value(v), "event") == 0) == events;
    }
    json_decref(list);
    return wanted;
}

static int open_events(recording *r, sut_client *client)
{
    static const char *const all[] = {">"};
    const cli_args *a = r->args;
    bool said = a->position_count > 1;
    sut_subscribe opt = {.subjects = said ? a->position + 1 : all,
                         .subject_count = said ? a->position_count - 1 : 1,
                         .credits = 4096,
                         .start = SUT_START_END,
                         .user_id = r->user};
    int code = cli_feed_open(&r->events, client, &opt);
    r->has_events = code == 0;
    return code;
}

static int open_taps(recording *r, sut_client *client)
{
    json_t *request = cli_tap_request(r->args, 1), *kinds, *v;
    size_t i;
    if (!request)
        return SUT_EXIT_USAGE;
    kinds = json_object_get(request, "kinds");
    if (!kinds) {
        kinds = json_pack("[s,s,s]", "call", "reply", "error");
        json_object_set_new(request, "kinds", kinds);
    }
    json_array_foreach(kinds, i, v)
    {
        if (strcmp(json_string_value(v), "event") != 0)
            continue;
        json_array_remove(kinds, i);
        break;
    }
    int code = cli_tap_open(&r->taps, client, request, false);
    r->has_taps = code == 0;
    json_decref(request);
    return code;
}

static int record(recording *r)
{
    sut_client *client;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(r->args, &client);
    if (code != 0)
        return code;
    code = write_head(r);
    if (code == 0 && wants(r->args, true))
        code = open_events(r, client);
    if (code == 0 && wants(r->args, false))
        code = open_taps(r, client);
    cli_progress_begin(&r->progress, "recorded", 0);
    if (code == 0)
        code = run(r);
    cli_progress_end(&r->progress);
    if (r->has_events)
        cli_feed_close(&r->events);
    if (r->has_taps)
        cli_tap_close(&r->taps);
    sut_client_free(client);
    return code;
}

/* A file that is there is never written over: it may be the only record of what happened. */
static int open_file(recording *r)
{
    const char *name = r->args->position[0];
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (r->file)
        return 0;
    cli_complain("%s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return SUT_EXIT_IO;
}

int cli_run_record(const cli_args *a, FILE *out)
{
    recording r = {.args = a, .out = out, .limit = INT64_MAX};
    json_t *checked = cli_tap_request(a, 1); /* what is wrong with the filters is said before a file is made */
    json_decref(checked);
    if (!checked || !cli_number("--limit", a->limit, 1, INT64_MAX, &r.limit) ||
        !cli_number("--user", a->user, 1, (INT64_C(1) << 53) - 1, &r.user) ||
        !cli_span_option("--duration", a->duration, &r.duration_us))
        return SUT_EXIT_USAGE;
    int code = open_file(&r);
    if (code != 0)
        return code;
    code = record(&r);
    bool written = fflush(r.file) == 0 && !ferror(r.file) && fclose(r.file) == 0;
    if (!written) {
        cli_complain("%s: %s", a->position[0], strerror(errno));
        return SUT_EXIT_IO;
    }
    if (code != 0 && r.seen == 0)
        unlink(a->position[0]);
    else if (a->json)
        fprintf(out, "{\"records\":%llu,\"lost\":%llu}\n", (unsigned long long)r.seen, (unsigned long long)r.lost);
    else
        fprintf(out, "%llu records in %s%s\n", (unsigned long long)r.seen, a->position[0],
                r.lost ? ", some were lost" : "");
    return code;
}
