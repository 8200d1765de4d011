/* sut check: a copy that is kept elsewhere is compared with what it was made from, part by part, by the actor that owns
 * both. */
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "progress.h"

#include <string.h>

static const char *const s_sums[] = {"compared", "copied", "missing", "extra", "different"};

static int compare(const cli_args *a, sut_client *client, double sums[5], FILE *out)
{
    cli_progress progress;
    json_t *at = json_pack("{s:i, s:i}", "after_user", 0, "after_other", 0);
    int code = 0;
    bool more = true;
    cli_progress_begin(&progress, "compared", 0);
    while (code == 0 && more && !cli_stop_wait(0)) {
        json_t *part = NULL;
        code = cli_ask(a, client, "user.graph_check", at, &part, out);
        for (size_t i = 0; code == 0 && i < SUT_ARRAY_LEN(s_sums); i++)
            sums[i] += cli_num(part, s_sums[i]);
        more = code == 0 && json_is_true(json_object_get(part, "more"));
        if (more)
            (void)(json_object_set(at, "after_user", json_object_get(part, "after_user")) ||
                   json_object_set(at, "after_other", json_object_get(part, "after_other")));
        cli_progress_show(&progress, (uint64_t)sums[0]);
        json_decref(part);
    }
    cli_progress_end(&progress);
    json_decref(at);
    return code == 0 && more ? CLI_EXIT_TEMPFAIL : code; /* stopped: nothing is known */
}

static int conclude(const cli_args *a, const double sums[5], FILE *out)
{
    bool equal = sums[2] + sums[3] + sums[4] == 0;
    if (a->json) {
        json_t *all = json_pack("{s:b}", "equal", equal);
        for (size_t i = 0; i < SUT_ARRAY_LEN(s_sums); i++)
            cli_set(all, s_sums[i], json_integer((json_int_t)sums[i]));
        cli_dump(all, out);
        json_decref(all);
    } else {
        fprintf(out, "%s: %s", a->position[0], equal ? "equal" : "not equal");
        for (size_t i = 0; i < SUT_ARRAY_LEN(s_sums); i++)
            fprintf(out, ", %s %.0f", s_sums[i], sums[i]);
        fputc('\n', out);
    }
    return equal ? SUT_EXIT_OK : CLI_EXIT_ANSWER;
}

int cli_run_check(const cli_args *a, FILE *out)
{
    sut_client *client;
    double sums[5] = {0};
    if (strcmp(a->position[0], "social-graph") != 0) {
        cli_complain("'%.60s': must be social-graph", a->position[0]);
        return SUT_EXIT_USAGE;
    }
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = compare(a, client, sums, out);
    sut_client_free(client);
    return code != 0 ? code : conclude(a, sums, out);
}
