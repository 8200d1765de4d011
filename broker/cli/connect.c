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

static int wait_up(const cli_args *a, const char *where, sut_client **client)
{
    uint32_t timeout_ms;
    if (!cli_timeout(a, &timeout_ms))
        timeout_ms = CONNECT_MS;
    sut_status st = sut_client_wait_up(*client, timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS);
    if (st == 0)
        return 0;
    *client = sut_client_free(*client);
    if (st == -EACCES) {
        cli_complain("%s refuses this peer; is its name right, and its secret the one that `sut key` made?", where);
        return SUT_EXIT_NOPERM;
    }
    cli_complain("no answer from %s; is it up? scripts/status shows what runs", where);
    return SUT_EXIT_UNAVAILABLE;
}

int cli_connect(const cli_args *a, sut_client **out)
{
    char error[512] = "";
    uint32_t timeout_ms;
    sut_client_options opt = {.loop = NULL};
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    if (sut_client_new(out, &opt, error, sizeof error) == 0)
        return wait_up(a, "the broker", out);
    cli_complain("%s", error);
    return SUT_EXIT_CONFIG;
}

int cli_connect_other(const cli_args *a, const char *endpoint, sut_client **out)
{
    char error[512] = "";
    sut_client_options opt = {.endpoint = endpoint, .name = a->other_name, .secret_file = a->other_secret_file};
    if (sut_client_new(out, &opt, error, sizeof error) == 0)
        return wait_up(a, endpoint, out);
    cli_complain("%s: %s", endpoint, error);
    return SUT_EXIT_CONFIG;
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

static void nothing(void *arg)
{
    (void)arg;
}

sut_client *cli_leave(sut_client *client)
{
    sut_client_bye(client, nothing, NULL);
    return sut_client_free(client);
}
