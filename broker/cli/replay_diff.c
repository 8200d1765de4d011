/* sut replay --diff: recorded calls that may be repeated are made again at another broker, and the replies compared by
 * field. What the schemas mark volatile counts for nothing. */
#include "ask.h"
#include "captured.h"
#include "diff.h"
#include "inbox.h"
#include "input.h"
#include "lines.h"
#include "progress.h"
#include "replay.h"
#include "tty.h"

#include "base/clock.h"
#include "wire/schema.h"

#include <stdlib.h>
#include <string.h>

#define PAGE      100
#define ARENA_MAX (16u << 20)

typedef struct comparing {
    const cli_replay *r;
    sut_client *here, *there;
    uint64_t made, same, different, skipped;
    int64_t limit;
    cli_progress progress;
} comparing;

/* ---- one call ---- */

static void note(void *arg, const char *path, const json_t *was, const json_t *is)
{
    json_t *d = json_pack("{s:s}", "path", path);
    cli_set(d, "was", was ? json_deep_copy(was) : NULL);
    cli_set(d, "is", is ? json_deep_copy(is) : NULL);
    json_array_append_new(arg, d);
}

static void print_side(FILE *out, const char *path, const char *colour, char sign, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    fprintf(out, "  %-24s %s%c %s%s\n", path, colour, sign, text ? text : "(absent)", cli_plain(out));
    free(text);
}

static void report(const comparing *c, const cli_captured *call, const json_t *differences)
{
    const json_t *d;
    size_t i;
    FILE *out = c->r->out;
    char at[SUT_RFC3339_SIZE];
    sut_rfc3339(call->at_us, at);
    if (c->r->args->json) {
        json_t *o = json_pack("{s:s%, s:s%, s:s, s:O}", "subject", call->subject.ptr, call->subject.len, "trace_id",
                              call->trace_id.ptr, call->trace_id.len, "at", at, "differences", differences);
        cli_dump(o, out);
        json_decref(o);
        return;
    }
    fprintf(out, "%s%.*s%s  %s  %.*s\n", cli_bold(out), SUT_STR_FMT(call->subject), cli_plain(out), at,
            SUT_STR_FMT(call->trace_id));
    json_array_foreach(differences, i, d)
    {
        print_side(out, cli_txt(d, "path"), cli_red(out), '-', json_object_get(d, "was"));
        print_side(out, "", cli_green(out), '+', json_object_get(d, "is"));
    }
}

/* Both answers as objects: a reply's body, or {error: code}, so that one of each kind differs too. */
static json_t *answer_json(sut_str subject, bool is_error, sut_str code, sut_str body, bool raw)
{
    if (is_error)
        return json_pack("{s:s%}", "error", code.ptr ? code.ptr : "", code.len);
    return cli_body_json(subject, CLI_BODY_REPLY, body, raw);
}

/* What is redacted may be of another type than the schema says: then both sides are read without it. */
static bool fits_schema(const sut_method *m, sut_str body)
{
    sut_buf json SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&json, 0);
    return !m->out || !body.len || sut_body_to_json(m->out, body, &json) == 0;
}

static void compare(comparing *c, const sut_method *m, const cli_captured *call, const sut_result *now)
{
    const bool raw = !fits_schema(m, call->reply);
    json_t *was = answer_json(call->subject, call->code.len > 0, call->code, call->reply, raw);
    json_t *is = answer_json(call->subject, now->err != 0, now->code, now->body, raw);
    json_t *differences = json_array();
    c->made++;
    if (cli_diff(call->code.len || now->err ? NULL : m->out, was, is, note, differences) == 0) {
        c->same++;
    } else {
        c->different++;
        cli_progress_end(&c->progress);
        report(c, call, differences);
    }
    json_decref(differences);
    json_decref(was);
    json_decref(is);
}

/* Only what may be done twice, whose input was recorded whole and whose answer is known. */
static const sut_method *repeatable(const cli_captured *call)
{
    const sut_method *m = sut_method_find(call->subject);
    return m && m->idempotent && !call->withheld && (call->has_reply || call->code.len) ? m : NULL;
}

static int repeat(comparing *c, const cli_captured *call)
{
    const sut_method *m = repeatable(call);
    sut_answer answer;
    if (!m) {
        c->skipped++;
        return 0;
    }
    if (c->r->args->dry_run) {
        c->made++;
        return 0;
    }
    sut_principal who = {.user_id = call->user_id, .level = call->level};
    sut_call again = {.subject = call->subject,
                      .key = call->key,
                      .body = call->body,
                      .timeout_ms = m->timeout_ms,
                      .principal = call->user_id ? &who : NULL,
                      .idempotent = true,
                      .replayed = true};
    sut_status st = sut_call_wait(c->there, &again, &answer);
    if (st != 0) {
        cli_complain("%.*s: %s", SUT_STR_FMT(call->subject), strerror(-st));
        return SUT_EXIT_SOFTWARE;
    }
    int err = answer.result.err, code = 0;
    if (err == SUT_ERR_FORBIDDEN || err == SUT_ERR_NO_SUCH_SERVICE || err == SUT_ERR_UNAVAILABLE) /* not the build's */
        code = cli_complain_result(c->r->args, m->name, &answer.result, c->r->out);
    else
        compare(c, m, call, &answer.result);
    sut_answer_deinit(&answer);
    return code;
}

/* ---- all of them ---- */

static json_t *request(const comparing *c, int64_t after)
{
    char text[SUT_RFC3339_SIZE];
    const cli_replay *r = c->r;
    json_t *in = json_pack("{s:I, s:i}", "after", (json_int_t)after, "limit", PAGE);
    cli_set(in, "subjects", r->subjects ? json_incref(r->subjects) : NULL);
    if (r->args->personal) {
        cli_set(in, "personal", json_true());
        cli_set(in, "reason", json_string(r->args->reason));
    }
    if (r->args->user)
        cli_set(in, "user_id", json_integer(strtoll(r->args->user, NULL, 10)));
    if (r->from.kind == CLI_PLACE_TIME) {
        sut_rfc3339(r->from.time_us, text);
        cli_set(in, "since", json_string(text));
    }
    if (r->to.kind == CLI_PLACE_TIME) {
        sut_rfc3339(r->to.time_us, text);
        cli_set(in, "until", json_string(text));
    }
    return in;
}

static int run_page(comparing *c, sut_arena *arena, int64_t *after)
{
    cli_captured_page page;
    sut_answer answer;
    json_t *in = request(c, *after);
    int code = cli_ask_answer(c->r->args, c->here, "broker.captured_calls", in, &answer, c->r->out);
    json_decref(in);
    if (code != 0)
        return code;
    *after = 0;
    if (cli_captured_decode(answer.result.body, arena, &page) == 0) {
        for (size_t i = 0; i < page.count && code == 0 && c->limit > 0 && !cli_stop_asked(); i++, c->limit--) {
            code = repeat(c, &page.calls[i]);
            cli_progress_show(&c->progress, c->made);
        }
        *after = page.after;
    } else {
        cli_complain("broker.captured_calls: the answer cannot be read");
        code = SUT_EXIT_SOFTWARE;
    }
    sut_answer_deinit(&answer);
    return code;
}

static int conclude(const comparing *c)
{
    const cli_args *a = c->r->args;
    unsigned long long made = c->made, same = c->same, different = c->different, skipped = c->skipped;
    if (a->json)
        fprintf(c->r->out, "{\"made\":%llu,\"same\":%llu,\"different\":%llu,\"skipped\":%llu}\n", made, same, different,
                skipped);
    else if (a->dry_run)
        fprintf(c->r->out, "would make %llu calls at %s; %llu others may not be repeated\n", made, a->against, skipped);
    else
        fprintf(c->r->out, "%llu calls made again: %llu the same, %llu different; %llu others may not be repeated\n",
                made, same, different, skipped);
    if (cli_stop_asked())
        return CLI_EXIT_TEMPFAIL;
    return different ? CLI_EXIT_ANSWER : SUT_EXIT_OK;
}

static int run(comparing *c)
{
    sut_arena *arena;
    int64_t after = 0;
    int code = 0;
    if (sut_arena_new(&arena, ARENA_MAX) != 0)
        return SUT_EXIT_SOFTWARE;
    cli_progress_begin(&c->progress, "calls compared", 0);
    do {
        sut_arena_reset(arena);
        code = run_page(c, arena, &after);
    } while (code == 0 && after && c->limit > 0 && !cli_stop_asked());
    cli_progress_end(&c->progress);
    sut_arena_free(arena);
    return code ? code : conclude(c);
}

static bool ranges_are_times(const cli_replay *r)
{
    if (r->from.kind != CLI_PLACE_SEQUENCE && r->to.kind != CLI_PLACE_SEQUENCE)
        return true;
    cli_complain("--diff: calls have no sequences; --from and --to must be times like 10m or 18:30");
    return false;
}

int cli_replay_diff(const cli_replay *r)
{
    comparing c = {.r = r, .limit = INT64_MAX};
    int64_t user;
    if (!ranges_are_times(r) || !cli_number("--limit", r->args->limit, 1, INT64_MAX, &c.limit) ||
        !cli_number("--user", r->args->user, 1, (INT64_C(1) << 53) - 1, &user))
        return SUT_EXIT_USAGE;
    int code = cli_connect(r->args, &c.here);
    if (code != 0)
        return code;
    if (!r->args->dry_run)
        code = cli_connect_other(r->args, r->args->against, &c.there);
    if (code == 0)
        code = run(&c);
    sut_client_free(c.there);
    sut_client_free(c.here);
    return code;
}
