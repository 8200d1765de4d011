/* History to another broker: read here as an ephemeral subscription, published there marked as replayed, with the ids
 * that it has, so that doing it twice does nothing twice. */
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "progress.h"
#include "publish.h"
#include "replay.h"
#include "subscribe.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CREDITS  1024
#define QUIET_MS 100 /* then what is in the batch goes */

typedef struct copying {
    const cli_replay *r;
    sut_client *here, *there;
    cli_feed feed;
    cli_batch *batch;
    sut_delivery *held[SUT_PUBLISH_MAX]; /* acknowledged when they are on the other disk */
    size_t held_count;
    cli_published done;
    uint64_t first, last, at; /* sequences here; at: all up to it are there */
    uint64_t seen_last;
    int64_t began_event_us;
    uint64_t began_ns;
    bool over;
    cli_progress progress;
} copying;

static int flush(copying *c)
{
    int code = cli_batch_send(c->r->args, c->there, c->batch, &c->done, NULL, c->r->out);
    for (size_t i = 0; i < c->held_count; i++) {
        if (code == 0)
            sut_ack(c->held[i]);
        else
            sut_nack(c->held[i], 0, SUT_STR_NONE, SUT_STR_NONE);
    }
    c->held_count = 0;
    if (code == 0)
        c->at = c->seen_last;
    if (code == 0 && c->at >= c->first)
        cli_progress_show(&c->progress, c->at - c->first + 1);
    return code;
}

/* Waits until it is the event's turn; by the times that the events have. False: stopped meanwhile. */
static bool pace(copying *c, int64_t event_us)
{
    if (c->r->speed <= 0)
        return true;
    if (!c->began_ns) {
        c->began_ns = sut_now_ns();
        c->began_event_us = event_us;
    }
    double due = (double)(event_us - c->began_event_us) * 1000.0 / c->r->speed, now = 0;
    while ((now = (double)(sut_now_ns() - c->began_ns)) < due) {
        double left_ms = (due - now) / 1e6;
        if (left_ms > QUIET_MS && c->held_count && flush(c) != 0)
            return false;
        if (cli_stop_wait(left_ms > 200 ? 200 : (uint32_t)left_ms + 1))
            return false;
    }
    return true;
}

static int add(copying *c, sut_delivery *d)
{
    const sut_envelope *env = sut_delivery_envelope(d);
    sut_publish event = {.subject = env->subject,
                         .key = env->key,
                         .body = env->body,
                         .traceparent = env->traceparent,
                         .event_id =
                             env->opt.event_id.len == SUT_EVENT_ID_LEN ? (const uint8_t *)env->opt.event_id.ptr : NULL,
                         .replayed = true};
    int code = 0;
    sut_status st = cli_batch_add(c->batch, &event);
    if (st == -ENOSPC && (code = flush(c)) == 0)
        st = cli_batch_add(c->batch, &event);
    if (code == 0 && st == 0) {
        c->held[c->held_count++] = d;
        c->seen_last = env->opt.sequence;
        return 0;
    }
    sut_nack(d, 0, SUT_STR_NONE, SUT_STR_NONE);
    return code ? code : SUT_EXIT_SOFTWARE;
}

static int take_event(copying *c, sut_delivery *d)
{
    const sut_envelope *env = sut_delivery_envelope(d);
    bool past =
        env->opt.sequence > c->last || (c->r->to.kind == CLI_PLACE_TIME && env->opt.published_at > c->r->to.time_us);
    if (past || !pace(c, env->opt.published_at)) {
        c->over = past;
        sut_nack(d, 0, SUT_STR_NONE, SUT_STR_NONE);
        return 0;
    }
    c->over = env->opt.sequence == c->last;
    return add(c, d);
}

static int take(copying *c, cli_news *news)
{
    int code = 0;
    if (news->delivery) {
        code = take_event(c, news->delivery);
    } else {
        code = cli_say_notice(c->r->args, &news->notice, c->r->out);
        if (news->notice.news == SUT_SUB_MARKER && news->notice.position >= c->last)
            c->over = true;
        if (news->notice.news == SUT_SUB_GAP) {
            cli_complain("%llu to %llu cannot be read any more", (unsigned long long)news->notice.from,
                         (unsigned long long)news->notice.to);
            code = CLI_EXIT_DATA;
        }
    }
    free(news);
    return code;
}

static int copy(copying *c)
{
    cli_news *news;
    int code = 0;
    while (code == 0 && !c->over) {
        cli_got got = cli_feed_take(&c->feed, c->held_count ? QUIET_MS : -1, &news);
        if (got == CLI_GOT_STOP)
            break;
        if (got == CLI_GOT_ITEM)
            code = take(c, news);
        else
            code = flush(c);
    }
    if (code == 0)
        return flush(c);
    for (size_t i = 0; i < c->held_count; i++)
        sut_nack(c->held[i], 0, SUT_STR_NONE, SUT_STR_NONE);
    return code;
}

/* ---- beginning and end ---- */

/* The range in sequences: what the journal has now is the end, unless --to says less. */
static int plan(copying *c)
{
    json_t *reply;
    const cli_replay *r = c->r;
    int code = cli_ask(r->args, c->here, "broker.journal", NULL, &reply, r->out);
    if (code != 0)
        return code;
    uint64_t first = (uint64_t)cli_num(reply, "first"), next = (uint64_t)cli_num(reply, "next");
    json_decref(reply);
    c->first = r->from.kind == CLI_PLACE_SEQUENCE ? r->from.sequence : first;
    c->last = r->to.kind == CLI_PLACE_SEQUENCE && r->to.sequence < next ? r->to.sequence : next - 1;
    if (c->first < first) {
        cli_complain("--from %llu: retention has removed that; the oldest one is %llu", (unsigned long long)c->first,
                     (unsigned long long)first);
        return CLI_EXIT_DATA;
    }
    if (c->first >= next && r->from.kind == CLI_PLACE_SEQUENCE) {
        cli_complain("--from %llu: the journal ends at %llu", (unsigned long long)c->first,
                     (unsigned long long)next - 1);
        return CLI_EXIT_DATA;
    }
    c->at = c->seen_last = c->first ? c->first - 1 : 0;
    c->over = next <= first || c->last < c->first;
    return 0;
}

static int open_feed(copying *c)
{
    static const char *patterns[16];
    const cli_replay *r = c->r;
    const json_t *v;
    size_t i, count = json_array_size(r->subjects);
    if (count > SUT_ARRAY_LEN(patterns)) {
        cli_complain("--subject: at most %zu patterns", SUT_ARRAY_LEN(patterns));
        return SUT_EXIT_USAGE;
    }
    json_array_foreach(r->subjects, i, v)
    {
        patterns[i] = json_string_value(v);
    }
    if (count == 0)
        patterns[count++] = ">";
    sut_subscribe opt = {.subjects = patterns,
                         .subject_count = count,
                         .credits = CREDITS,
                         .start = r->from.kind == CLI_PLACE_TIME ? SUT_START_TIME : SUT_START_SEQUENCE,
                         .start_sequence = c->first,
                         .start_time_us = r->from.time_us};
    return cli_feed_open(&c->feed, c->here, &opt);
}

static int conclude(copying *c, int code)
{
    const cli_args *a = c->r->args;
    unsigned long long n = c->done.count, twice = c->done.duplicates;
    if (code == 0 && c->over && a->json)
        fprintf(c->r->out, "{\"published\":%llu,\"duplicates\":%llu,\"from\":%llu,\"to\":%llu}\n", n, twice,
                (unsigned long long)c->first, (unsigned long long)c->at);
    else if (code == 0 && c->over)
        fprintf(c->r->out, "%llu events published at %s, %llu of them were there before\n", n, a->to_broker, twice);
    if (code == 0 && c->over)
        return 0;
    fprintf(stderr, "stopped behind %llu of %llu; %llu events are there. To go on:\n", (unsigned long long)c->at,
            (unsigned long long)c->last, n);
    fprintf(stderr, "  sut replay --from %llu --to %llu%s%s --to-broker %s\n", (unsigned long long)c->at + 1,
            (unsigned long long)c->last, a->subject ? " --subject " : "", a->subject ? a->subject : "", a->to_broker);
    return code ? code : CLI_EXIT_TEMPFAIL;
}

static int run(copying *c)
{
    const cli_args *a = c->r->args;
    int code = plan(c);
    if (code != 0)
        return code;
    if (a->dry_run) {
        fprintf(c->r->out, "would publish what matches of %llu to %llu at %s\n", (unsigned long long)c->first,
                (unsigned long long)c->last, a->to_broker);
        return 0;
    }
    if (!cli_confirm(a, "publish what matches of %llu to %llu at %s", (unsigned long long)c->first,
                     (unsigned long long)c->last, a->to_broker))
        return SUT_EXIT_USAGE;
    code = cli_connect_other(a, a->to_broker, &c->there);
    if (code != 0)
        return code;
    if (!c->over)
        code = open_feed(c);
    if (code == 0 && !c->over) {
        cli_progress_begin(&c->progress, "replayed", c->last - c->first + 1);
        code = copy(c);
        cli_progress_end(&c->progress);
    }
    if (c->feed.inbox)
        cli_feed_close(&c->feed);
    sut_client_free(c->there);
    return conclude(c, code);
}

int cli_replay_to_broker(const cli_replay *r)
{
    copying *c = calloc(1, sizeof *c);
    if (!c)
        return SUT_EXIT_SOFTWARE;
    c->r = r;
    int code = cli_batch_new(&c->batch) == 0 ? cli_connect(r->args, &c->here) : SUT_EXIT_SOFTWARE;
    if (code == 0) {
        code = run(c);
        sut_client_free(c->here);
    }
    cli_batch_free(c->batch);
    free(c);
    return code;
}
