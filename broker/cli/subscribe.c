/* sut subscribe: events as they come, shown or given to a command. */
#include "subscribe.h"
#include "ask.h"
#include "input.h"
#include "lines.h"
#include "times.h"
#include "tty.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

typedef enum { ACK_AUTO, ACK_NONE, ACK_NACK } ack_mode;

typedef struct subscribing {
    const cli_args *args;
    FILE *out;
    ack_mode mode;
    int64_t limit, seen;
    sut_delivery **held; /* --ack none: given back at the end */
    size_t held_count, held_max;
    cli_feed feed;
} subscribing;

static void show(const subscribing *s, const json_t *line, const sut_envelope *env)
{
    char clock[CLI_CLOCK_SIZE];
    if (s->args->json) {
        cli_dump(line, s->out);
    } else {
        const char *key = cli_txt(line, "key");
        char *body = json_dumps(json_object_get(line, "body"), JSON_COMPACT | JSON_ENCODE_ANY);
        fprintf(s->out, "%s%s%s  %llu  %s%s%s", cli_dim(s->out), cli_clock(env->opt.published_at, sut_wall_us(), clock),
                cli_plain(s->out), (unsigned long long)env->opt.sequence, cli_bold(s->out), cli_txt(line, "subject"),
                cli_plain(s->out));
        if (*key)
            cli_print_clean(s->out, "  key=", key);
        if (env->opt.attempt > 1)
            fprintf(s->out, "  attempt=%u", env->opt.attempt);
        if (env->opt.replayed)
            fputs("  replayed", s->out);
        fprintf(s->out, "  %s\n", body ? body : "");
        free(body);
    }
    fflush(s->out);
}

/* By the command's exit code. */
static void run_command(const subscribing *s, sut_delivery *d, const json_t *line)
{
    char error[512] = "";
    char *text = json_dumps(line, JSON_COMPACT);
    int failed = text ? cli_exec_event(s->args->exec, text, d, error, sizeof error) : -1;
    free(text);
    if (failed == 0) {
        sut_ack(d);
        return;
    }
    if (failed < 0)
        snprintf(error, sizeof error, "the command cannot be run: %s", strerror(-failed));
    fprintf(stderr, "sut: %llu: not acknowledged: %s\n",
            (unsigned long long)json_integer_value(json_object_get(line, "sequence")), error);
    sut_nack(d, 0, SUT_STR("internal"), sut_str_from(error));
}

static void answer(subscribing *s, sut_delivery *d, const json_t *line)
{
    if (s->args->exec)
        run_command(s, d, line);
    else if (s->mode == ACK_AUTO)
        sut_ack(d);
    else if (s->mode == ACK_NACK || s->held_count == s->held_max)
        sut_nack(d, 0, SUT_STR("unavailable"), SUT_STR("refused by an operator"));
    else
        s->held[s->held_count++] = d;
}

static int take(subscribing *s, cli_news *news)
{
    int code = 0;
    if (news->delivery) {
        const sut_envelope *env = sut_delivery_envelope(news->delivery);
        json_t *line = cli_event_line(env, s->args->raw);
        if (!s->args->exec || s->args->verbose)
            show(s, line, env);
        answer(s, news->delivery, line);
        json_decref(line);
        s->seen++;
    } else {
        code = cli_say_notice(s->args, &news->notice, s->out);
    }
    free(news);
    return code;
}

static int run(subscribing *s)
{
    cli_news *news;
    int code = 0;
    while (code == 0 && s->seen < s->limit) {
        cli_got got = cli_feed_take(&s->feed, -1, &news);
        if (got == CLI_GOT_STOP)
            break;
        if (got == CLI_GOT_ITEM)
            code = take(s, news);
    }
    return code;
}

/* The end of the subscription gives back what was not answered, without counting it as failed; answers that come later
 * only free. */
static void give_back(subscribing *s)
{
    cli_feed_close(&s->feed);
    for (size_t i = 0; i < s->held_count; i++)
        sut_nack(s->held[i], 0, SUT_STR_NONE, SUT_STR_NONE);
}

/* ---- options ---- */

static bool parse_ack(const cli_args *a, ack_mode *mode)
{
    static const char *const names[] = {"auto", "none", "nack"};
    *mode = ACK_AUTO;
    for (size_t i = 0; a->ack && i < SUT_ARRAY_LEN(names); i++)
        if (strcmp(a->ack, names[i]) == 0) {
            *mode = (ack_mode)i;
            return true;
        }
    if (a->ack)
        cli_complain("--ack '%.40s': must be auto, none or nack", a->ack);
    return !a->ack;
}

static bool parse_start(const cli_args *a, sut_subscribe *opt)
{
    cli_place place;
    if (!cli_place_option("--start", a->start, true, &place))
        return false;
    opt->start = place.kind == CLI_PLACE_SEQUENCE    ? SUT_START_SEQUENCE
                 : place.kind == CLI_PLACE_TIME      ? SUT_START_TIME
                 : place.kind == CLI_PLACE_BEGINNING ? SUT_START_BEGINNING
                                                     : SUT_START_END;
    opt->start_sequence = place.sequence;
    opt->start_time_us = place.time_us;
    return true;
}

static bool options_agree(const cli_args *a)
{
    const char *wrong = NULL;
    if (a->group && (a->key || a->user))
        wrong = "--key and --user pick events of ephemeral subscriptions only, not of a group's";
    else if (!a->group && (a->ack || a->ack_wait))
        wrong = "--ack and --ack-wait are for groups: without --group nothing is kept";
    else if (a->exec && a->ack)
        wrong = "--exec and --ack: the command's exit code decides";
    else if (!a->group && a->position_count == 0)
        wrong = "too few arguments: sut subscribe SUBJECT..., or --group NAME of a group that exists";
    if (wrong)
        cli_complain("%s", wrong);
    return !wrong;
}

static bool parse(const cli_args *a, sut_subscribe *opt, subscribing *s)
{
    int64_t credits = 0, ack_wait = 0;
    *opt =
        (sut_subscribe){.subjects = a->position, .subject_count = a->position_count, .group = a->group, .key = a->key};
    s->limit = INT64_MAX;
    if (!options_agree(a) || !cli_patterns_valid(a->position, a->position_count) || !parse_ack(a, &s->mode) ||
        !parse_start(a, opt) || !cli_number("--limit", a->limit, 1, INT64_MAX, &s->limit) ||
        !cli_number("--credits", a->credits, 1, 4096, &credits) ||
        !cli_number("--ack-wait", a->ack_wait, 100, 600000, &ack_wait) ||
        !cli_number("--user", a->user, 1, (INT64_C(1) << 53) - 1, &opt->user_id))
        return false;
    /* one command at a time; and no more in hand than will be shown, as the rest would be given back as failed */
    if (a->group && !credits)
        credits = a->exec ? 1 : 64;
    if (a->group && credits > s->limit)
        credits = s->limit;
    opt->credits = (uint32_t)credits;
    opt->ack_wait_ms = (uint32_t)ack_wait;
    s->held_max = (size_t)credits;
    return true;
}

/* A group that exists knows its subjects. */
static int subjects_of_group(const cli_args *a, sut_client *client, json_t **groups, sut_subscribe *opt, FILE *out)
{
    static const char *subjects[16];
    const json_t *v;
    size_t i;
    json_t *in = json_pack("{s:s}", "group", a->group);
    int code = cli_ask(a, client, "broker.groups", in, groups, out);
    json_decref(in);
    if (code != 0)
        return code;
    const json_t *list = json_object_get(json_array_get(json_object_get(*groups, "groups"), 0), "subjects");
    opt->subjects = subjects;
    opt->subject_count = 0;
    json_array_foreach(list, i, v)
    {
        if (i < SUT_ARRAY_LEN(subjects))
            subjects[opt->subject_count++] = json_string_value(v);
    }
    return 0;
}

static int subscribe(subscribing *s, sut_subscribe *opt)
{
    sut_client *client;
    json_t *groups = NULL;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(s->args, &client);
    if (code != 0)
        return code;
    if (opt->subject_count == 0)
        code = subjects_of_group(s->args, client, &groups, opt, s->out);
    if (code == 0)
        code = cli_feed_open(&s->feed, client, opt);
    if (code == 0) {
        code = run(s);
        give_back(s);
    }
    json_decref(groups);
    cli_leave(client);
    return code;
}

int cli_run_subscribe(const cli_args *a, FILE *out)
{
    subscribing s = {.args = a, .out = out};
    sut_subscribe opt;
    if (!parse(a, &opt, &s))
        return SUT_EXIT_USAGE;
    if (s.mode == ACK_NONE)
        s.held = calloc(s.held_max ? s.held_max : 1, sizeof(sut_delivery *));
    if (s.mode == ACK_NONE && !s.held)
        return SUT_EXIT_SOFTWARE;
    int code = subscribe(&s, &opt);
    free(s.held);
    return code;
}
