/* sut journal export: the log as lines of JSON, in batches, each in a read transaction of its own. */
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "journal_cmd.h"
#include "lines.h"
#include "progress.h"
#include "times.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 16

typedef struct exporting {
    const cli_args *args;
    sut_str patterns[PATTERNS_MAX];
    size_t pattern_count;
    cli_place from, to;
    int64_t left;
    uint64_t done;
    cli_progress progress;
    FILE *out;
} exporting;

static bool print_event(exporting *x, const sut_journal_event *e)
{
    sut_envelope env = {.subject = e->subject,
                        .key = e->key,
                        .principal = e->principal,
                        .traceparent = e->traceparent,
                        .body = e->body,
                        .opt = {.sequence = e->sequence,
                                .event_id = {(const char *)e->id, SUT_EVENT_ID_LEN},
                                .published_at = e->time_us,
                                .replayed = e->replayed}};
    json_t *line = cli_event_line(&env, x->args->raw);
    cli_set(line, "publisher", e->publisher.ptr ? json_stringn(e->publisher.ptr, e->publisher.len) : NULL);
    bool printed = cli_dump(line, x->out) == 0;
    json_decref(line);
    x->done++;
    x->left--;
    return printed;
}

/* True while there is more to come. */
static bool print_batch(exporting *x, const sut_journal_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const sut_journal_event *e = &batch->events[i];
        if (x->left == 0 || (x->to.kind == CLI_PLACE_TIME && e->time_us > x->to.time_us) || !print_event(x, e))
            return false;
    }
    cli_progress_show(&x->progress, x->done);
    return x->left > 0;
}

static int export_from(exporting *x, sut_journal *j, uint64_t from)
{
    sut_journal_stats s;
    sut_status st = sut_journal_get_stats(j, &s);
    if (st != 0)
        return cli_journal_fault(j, st);
    uint64_t last = x->to.kind == CLI_PLACE_SEQUENCE && x->to.sequence < s.next ? x->to.sequence : s.next - 1;
    bool more = true;
    while (more && from <= last && !cli_stop_asked()) {
        sut_journal_batch *batch;
        sut_journal_query q = {.from = from, .to = last, .patterns = x->patterns, .pattern_count = x->pattern_count};
        st = sut_journal_read(j, &q, &batch);
        if (st != 0)
            return cli_journal_fault(j, st);
        more = print_batch(x, batch) && batch->next > from;
        from = batch->next;
        sut_journal_batch_unref(batch);
    }
    return cli_stop_asked() ? CLI_EXIT_TEMPFAIL : SUT_EXIT_OK;
}

static int begin(exporting *x, sut_journal *j)
{
    sut_journal_stats s;
    uint64_t from = 1;
    sut_status st = sut_journal_get_stats(j, &s);
    if (st == 0 && x->from.kind == CLI_PLACE_TIME)
        st = sut_journal_seek_time(j, x->from.time_us, &from);
    if (st != 0)
        return cli_journal_fault(j, st);
    if (x->from.kind == CLI_PLACE_SEQUENCE)
        from = x->from.sequence;
    if (x->from.kind == CLI_PLACE_SEQUENCE && from >= s.next) {
        cli_complain("--from %llu: the journal ends at %llu", (unsigned long long)from, (unsigned long long)s.next - 1);
        return CLI_EXIT_DATA;
    }
    if (x->from.kind == CLI_PLACE_SEQUENCE && from < s.first) {
        cli_complain("--from %llu: retention has removed that; the oldest one is %llu", (unsigned long long)from,
                     (unsigned long long)s.first);
        return CLI_EXIT_DATA;
    }
    return export_from(x, j, from < s.first ? s.first : from);
}

int cli_journal_export(const cli_args *a, sut_journal *j, FILE *out)
{
    exporting x = {.args = a, .left = INT64_MAX, .out = out};
    const json_t *v;
    size_t i;
    int code = SUT_EXIT_USAGE;
    json_t *subjects = cli_list(a->subject);
    if (json_array_size(subjects) > PATTERNS_MAX) {
        cli_complain("--subject: at most %d patterns", PATTERNS_MAX);
        json_decref(subjects);
        return code;
    }
    json_array_foreach(subjects, i, v)
    {
        const char *pattern = json_string_value(v);
        x.patterns[x.pattern_count++] = sut_str_from(pattern);
        if (!cli_patterns_valid(&pattern, 1)) {
            json_decref(subjects);
            return code;
        }
    }
    if (cli_place_option("--from", a->from, false, &x.from) && cli_place_option("--to", a->to, false, &x.to) &&
        cli_number("--limit", a->limit, 1, INT64_MAX, &x.left)) {
        cli_progress_begin(&x.progress, "exported", 0);
        code = begin(&x, j);
        cli_progress_end(&x.progress);
    }
    json_decref(subjects);
    return code;
}
