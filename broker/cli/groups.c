/* sut groups: durable groups as the broker has them; making, pausing, stopping and removing them. */
#include "ask.h"
#include "input.h"
#include "render.h"
#include "times.h"

#include "base/clock.h"

#include <string.h>

static int list(const cli_args *a, FILE *out)
{
    const char *name = a->position_count ? a->position[0] : NULL;
    json_t *in = json_pack("{s:s*}", "group", name), *reply, *v;
    size_t i;
    int code = cli_ask_once(a, "broker.groups", in, &reply, out);
    json_decref(in);
    if (code != 0)
        return code;
    const json_t *groups = json_object_get(reply, "groups");
    if (name && json_array_size(groups) == 0) {
        cli_complain("there is no group '%.64s'; sut groups lists those that there are", name);
        code = CLI_EXIT_ANSWER;
    } else if (a->names) {
        json_array_foreach(groups, i, v)
        {
            fprintf(out, "%s\n", cli_txt(v, "name"));
        }
    } else if (a->json) {
        code = cli_dump(name ? json_array_get(groups, 0) : reply, out);
    } else {
        bool shown = name ? cli_render_group(json_array_get(groups, 0), out) : cli_render_groups(reply, out);
        code = shown ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
    }
    json_decref(reply);
    return code;
}

/* Where a new group begins. False: complained. */
static bool add_start(const cli_args *a, json_t *in)
{
    char text[SUT_RFC3339_SIZE];
    cli_place place;
    if (!cli_place_option("--start", a->start, true, &place))
        return false;
    if (place.kind == CLI_PLACE_BEGINNING)
        place.sequence = 1;
    if (place.sequence)
        cli_set(in, "from", json_integer((json_int_t)place.sequence));
    if (place.kind == CLI_PLACE_TIME) {
        sut_rfc3339(place.time_us, text);
        cli_set(in, "from_time", json_string(text));
    }
    return true;
}

static int create(const cli_args *a, FILE *out)
{
    json_t *in = json_object(), *subjects = json_array(), *reply = NULL;
    if (a->position_count < 3) {
        cli_complain("too few arguments: sut groups create NAME SUBJECT...");
        json_decref(in);
        json_decref(subjects);
        return SUT_EXIT_USAGE;
    }
    for (size_t i = 2; i < a->position_count; i++)
        json_array_append_new(subjects, json_string(a->position[i]));
    cli_set(in, "group", json_string(a->position[1]));
    cli_set(in, "subjects", subjects);
    int code = SUT_EXIT_USAGE;
    if (cli_patterns_valid(a->position + 2, a->position_count - 2) && add_start(a, in))
        code = cli_ask_once(a, "broker.group_create", in, &reply, out);
    if (code == 0 && a->json)
        code = cli_dump(reply, out);
    else if (code == 0)
        fprintf(out, "%s is made; its consumers may come\n", cli_txt(reply, "group"));
    json_decref(reply);
    json_decref(in);
    return code;
}

static int change(const cli_args *a, const char *subject, const char *done, FILE *out)
{
    json_t *reply;
    if (a->position_count != 2) {
        cli_complain("sut groups %s NAME takes the name of one group", a->position[0]);
        return SUT_EXIT_USAGE;
    }
    if (strcmp(a->position[0], "delete") == 0 && !cli_confirm(a, "delete the group %s and its place", a->position[1]))
        return SUT_EXIT_USAGE;
    json_t *in = json_pack("{s:s}", "group", a->position[1]);
    int code = cli_ask_once(a, subject, in, &reply, out);
    json_decref(in);
    if (code == 0 && a->json)
        code = cli_dump(reply, out);
    else if (code == 0 && json_object_get(reply, "at"))
        fprintf(out, "%s %s, at %.0f\n", cli_txt(reply, "group"), done, cli_num(reply, "at"));
    else if (code == 0)
        fprintf(out, "%s %s\n", cli_txt(reply, "group"), done);
    json_decref(reply);
    return code;
}

int cli_run_groups(const cli_args *a, FILE *out)
{
    static const struct {
        const char *verb, *subject, *done;
    } changes[] = {
        {"pause", "broker.group_pause", "is paused; sut groups resume goes on"},
        {"resume", "broker.group_resume", "goes on"},
        {"skip", "broker.group_skip", "goes on behind the damaged record"},
        {"stop", "broker.group_stop", "replays no more and is paused"},
        {"delete", "broker.group_delete", "is gone"},
    };
    const char *verb = a->position_count ? a->position[0] : "";
    if (strcmp(verb, "create") == 0)
        return create(a, out);
    for (size_t i = 0; i < SUT_ARRAY_LEN(changes); i++)
        if (strcmp(verb, changes[i].verb) == 0)
            return change(a, changes[i].subject, changes[i].done, out);
    if (a->position_count > 1) {
        cli_complain(
            "sut groups '%.40s': must be create, pause, resume, skip, stop or delete, or the name of one group", verb);
        return SUT_EXIT_USAGE;
    }
    return list(a, out);
}
