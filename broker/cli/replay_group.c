/* History into a group: the broker does it; we ask, look on, and stop it. */
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "progress.h"
#include "replay.h"

#include "base/clock.h"

#include <string.h>

#define LOOK_MS 200

static void set_place(json_t *in, const char *sequence, const char *time, const cli_place *p)
{
    char text[SUT_RFC3339_SIZE];
    if (p->kind == CLI_PLACE_SEQUENCE)
        cli_set(in, sequence, json_integer((json_int_t)p->sequence));
    if (p->kind == CLI_PLACE_TIME) {
        sut_rfc3339(p->time_us, text);
        cli_set(in, time, json_string(text));
    }
}

static int ask_replay(const cli_replay *r, sut_client *client, bool dry, json_t **reply)
{
    json_t *in = json_pack("{s:s, s:f, s:b}", "group", r->args->to_group, "speed", r->speed, "dry_run", dry);
    cli_set(in, "subjects", r->subjects ? json_incref(r->subjects) : NULL);
    set_place(in, "from", "from_time", &r->from);
    set_place(in, "to", "to_time", &r->to);
    int code = cli_ask(r->args, client, "broker.group_replay", in, reply, r->out);
    json_decref(in);
    return code;
}

/* The group's replay, or NULL when it is over. */
static int look(const cli_replay *r, sut_client *client, json_t **group)
{
    json_t *in = json_pack("{s:s}", "group", r->args->to_group), *reply;
    int code = cli_ask(r->args, client, "broker.groups", in, &reply, r->out);
    json_decref(in);
    *group = json_incref(json_array_get(json_object_get(reply, "groups"), 0));
    json_decref(reply);
    if (code == 0 && !*group) {
        cli_complain("the group %s is gone", r->args->to_group);
        code = CLI_EXIT_ANSWER;
    }
    return code;
}

static int stop(const cli_replay *r, sut_client *client, double to)
{
    json_t *in = json_pack("{s:s}", "group", r->args->to_group), *reply;
    int code = cli_ask(r->args, client, "broker.group_stop", in, &reply, r->out);
    json_decref(in);
    if (code != 0)
        return code;
    double at = cli_num(reply, "at");
    json_decref(reply);
    if (at >= to) {
        fprintf(stderr, "stopped at its end, %.0f; the group is paused\n", to);
        return 0;
    }
    fprintf(stderr, "stopped at %.0f of %.0f; the group is paused. To go on:\n", at, to);
    fprintf(stderr, "  sut replay --from %.0f --to %.0f%s%s --to-group %s\n", at + 1, to,
            r->args->subject ? " --subject " : "", r->args->subject ? r->args->subject : "", r->args->to_group);
    return CLI_EXIT_TEMPFAIL;
}

static int watch(const cli_replay *r, sut_client *client, double from, double to)
{
    cli_progress progress;
    int code = 0;
    bool over = false;
    cli_progress_begin(&progress, "replayed", (uint64_t)(to - from + 1));
    while (code == 0 && !over && !cli_stop_wait(LOOK_MS)) {
        json_t *group;
        code = look(r, client, &group);
        const json_t *state = json_object_get(group, "replay");
        over = code == 0 && !json_is_object(state);
        if (code == 0 && !over && cli_num(state, "at") >= from)
            cli_progress_show(&progress, (uint64_t)(cli_num(state, "at") - from + 1));
        json_decref(group);
    }
    cli_progress_end(&progress);
    return code == 0 && !over ? stop(r, client, to) : code;
}

static void conclude(const cli_replay *r, const json_t *plan, bool done)
{
    const char *group = r->args->to_group;
    if (r->args->json)
        cli_dump(plan, r->out);
    else if (done)
        fprintf(r->out, "%.0f to %.0f: replayed into %s\n", cli_num(plan, "from"), cli_num(plan, "to"), group);
    else
        fprintf(r->out, "would replay %.0f to %.0f, %.0f positions, into %s\n", cli_num(plan, "from"),
                cli_num(plan, "to"), cli_num(plan, "positions"), group);
}

static int replay(const cli_replay *r, sut_client *client)
{
    json_t *plan, *begun = NULL;
    int code = ask_replay(r, client, true, &plan);
    if (code != 0)
        return code;
    if (r->args->dry_run) {
        conclude(r, plan, false);
    } else if (!cli_confirm(r->args, "replay %.0f to %.0f, %.0f positions, into %s", cli_num(plan, "from"),
                            cli_num(plan, "to"), cli_num(plan, "positions"), r->args->to_group)) {
        code = SUT_EXIT_USAGE;
    } else {
        code = ask_replay(r, client, false, &begun);
        if (code == 0)
            code = watch(r, client, cli_num(begun, "from"), cli_num(begun, "to"));
        if (code == 0)
            conclude(r, begun, true);
    }
    json_decref(plan);
    json_decref(begun);
    return code;
}

int cli_replay_to_group(const cli_replay *r)
{
    sut_client *client;
    int code = cli_connect(r->args, &client);
    if (code != 0)
        return code;
    code = replay(r, client);
    sut_client_free(client);
    return code;
}
