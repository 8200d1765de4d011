/* The connection of one command: a client, its session, one call. */
#include "cli.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

#define CONNECT_MS         3000
#define TIMEOUT_DEFAULT_MS 3000
#define TIMEOUT_MAX_MS     3600000

bool cli_timeout(const cli_args *a, uint32_t *ms)
{
    int64_t v = TIMEOUT_DEFAULT_MS;
    if (a->timeout && !sut_parse_i64(sut_str_from(a->timeout), 1, TIMEOUT_MAX_MS, &v)) {
        cli_complain("--timeout '%.40s': must be milliseconds from 1 to %d", a->timeout, TIMEOUT_MAX_MS);
        return false;
    }
    *ms = (uint32_t)v;
    return true;
}

int cli_connect(const cli_args *a, sut_client **out)
{
    char error[512] = "";
    uint32_t timeout_ms;
    sut_client_options opt = {.loop = NULL};
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    sut_status st = sut_client_new(out, &opt, error, sizeof error);
    if (st != 0) {
        cli_complain("%s", error);
        return SUT_EXIT_CONFIG;
    }
    st = sut_client_wait_up(*out, timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS);
    if (st == 0)
        return 0;
    *out = sut_client_free(*out);
    if (st == -EACCES) {
        cli_complain("the broker refuses this peer; is its name right, and its secret the one that `sut key` made?");
        return SUT_EXIT_NOPERM;
    }
    cli_complain("no broker answers; is it up? scripts/status shows what runs");
    return SUT_EXIT_UNAVAILABLE;
}

int cli_call(const cli_args *a, const sut_call *call, sut_answer *answer, FILE *out)
{
    sut_client *client;
    char subject[SUT_SUBJECT_MAX + 1];
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    snprintf(subject, sizeof subject, "%.*s", SUT_STR_FMT(call->subject));
    sut_status st = sut_call_wait(client, call, answer);
    if (st != 0) {
        cli_complain("%s: %s", subject, strerror(-st));
        code = st == -EMSGSIZE ? CLI_EXIT_DATA : st == -EINVAL ? SUT_EXIT_USAGE : SUT_EXIT_SOFTWARE;
    } else if (answer->result.err != 0) {
        code = cli_complain_result(a, subject, &answer->result, out);
        sut_answer_deinit(answer);
    }
    sut_client_free(client);
    return code;
}
