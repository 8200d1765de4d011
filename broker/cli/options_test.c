/* The command line's parser, JSON without a schema, and the offline commands. */
#include "input.h"

#include "wire/record.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

TestSuite(options, .timeout = 20);

#define ARGV(...)                                                                                                      \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static bool parse(const char *command, int argc, const char *const *argv, cli_args *a, char error[256])
{
    *a = (cli_args){.json = false};
    error[0] = '\0';
    const cli_command *cmd = cli_command_find(command);
    cr_assert_not_null(cmd);
    return cli_parse(argc, argv, cmd, a, error, 256);
}

Test(options, options_and_positions_mix)
{
    cli_args a;
    char error[256];
    cr_assert(parse("call", 6, ARGV("--timeout", "50", "user.x", "--json", "{}", "--key=k"), &a, error), "%s", error);
    cr_assert_str_eq(a.timeout, "50");
    cr_assert_str_eq(a.key, "k");
    cr_assert(a.json);
    cr_assert_eq(a.position_count, 2);
    cr_assert_str_eq(a.position[1], "{}");
    cr_assert(parse("call", 2, ARGV("user.x", "-"), &a, error)); /* a lone dash is standard input */
    cr_assert_str_eq(a.position[1], "-");
    cr_assert(parse("call", 3, ARGV("--", "user.x", "--json"), &a, error));
    cr_assert_str_eq(a.position[1], "--json");
}

Test(options, what_is_wrong_is_named)
{
    static const struct {
        const char *command, *argument, *must_name;
        int argc;
        const char *argv[4];
    } cases[] = {
        {"call", "", "--nonsense", 2, {"user.x", "--nonsense"}},
        {"status", "", "--raw", 1, {"--raw"}}, /* known, but not to this command */
        {"call", "", "--timeout", 2, {"user.x", "--timeout"}},
        {"call", "", "--key", 2, {"user.x", "--key="}},
        {"call", "", "--json", 2, {"user.x", "--json=yes"}},
        {"call", "", "too few", 0, {NULL}},
        {"status", "", "surplus", 1, {"surplus"}},
        {"call", "", "third", 3, {"user.x", "{}", "third"}},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        cli_args a;
        char error[256];
        cr_assert_not(parse(cases[i].command, cases[i].argc, cases[i].argv, &a, error));
        cr_assert_not_null(strstr(error, cases[i].must_name), "'%s' does not name %s", error, cases[i].must_name);
    }
}

Test(options, common_ones_come_before_the_command_too)
{
    cli_args a = {.json = false};
    char error[256];
    int next;
    cr_assert(cli_parse_common(5, ARGV("sut", "--run", "/x", "--json", "status"), &a, &next, error, sizeof error));
    cr_assert_eq(next, 4);
    cr_assert_str_eq(a.run_dir, "/x");
    cr_assert(a.json);
    cr_assert_not(cli_parse_common(3, ARGV("sut", "--raw", "call"), &a, &next, error, sizeof error));
}

Test(options, every_command_has_a_help_page_that_names_its_options)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        cli_help_command(&cli_commands[i], out);
        fclose(out);
        cr_assert_not_null(strstr(text, cli_commands[i].summary));
        for (size_t k = 0; cli_commands[i].options[k]; k++)
            cr_assert_not_null(strstr(text, cli_commands[i].options[k]));
        free(text);
    }
}

static const char *convert(const char *json, char out[256])
{
    sut_buf body, text;
    sut_str s;
    char error[256] = "";
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    sut_buf_init(&text, SUT_ENVELOPE_MAX);
    if (cli_json_to_msgpack(sut_str_from(json), &body, error, sizeof error) != 0) {
        snprintf(out, 256, "%s", error);
    } else {
        cr_assert_eq(sut_body_scan((sut_str){(const char *)body.data, body.len}), SUT_ENV_OK);
        cr_assert_eq(sut_msgpack_to_json((sut_str){(const char *)body.data, body.len}, &text), 0);
        cr_assert_eq(sut_buf_str(&text, &s), 0);
        snprintf(out, 256, "%.*s", SUT_STR_FMT(s));
    }
    sut_buf_deinit(&body);
    sut_buf_deinit(&text);
    return out;
}

Test(options, raw_json_keeps_what_it_looks_like)
{
    char out[256];
    static const char text[] = "{\"a\":1,\"b\":-7,\"c\":\"x\\u00fc\",\"d\":[true,false,null],\"e\":{\"f\":1.5}}";
    cr_assert_str_eq(convert(text, out), "{\"a\":1,\"b\":-7,\"c\":\"xü\",\"d\":[true,false,null],\"e\":{\"f\":1.5}}");
    cr_assert_str_eq(convert("{}", out), "{}");
    cr_assert_str_eq(convert("[1]", out), "must be a JSON object");
    cr_assert_not_null(strstr(convert("{\"a\":1,\"a\":2}", out), "duplicate"));
    cr_assert_not_null(strstr(convert("{\"a\":", out), "line 1"));
    char deep[200] = "{\"a\":";
    memset(deep + 5, '[', 20);
    memset(deep + 25, ']', 20);
    strcpy(deep + 45, "}");
    cr_assert_str_eq(convert(deep, out), "is nested too deeply");
}

static char *run(int (*command)(const cli_args *a, FILE *out), const cli_args *a, int expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(command(a, out), expected);
    fclose(out);
    return text;
}

Test(options, methods_come_from_the_schemas)
{
    char *text = run(cli_run_methods, &(cli_args){.names = true}, 0);
    cr_assert_not_null(strstr(text, "user.profile_get\n"));
    free(text);
    text = run(cli_run_methods, &(cli_args){.position = {"user.profile_get"}, .position_count = 1}, 0);
    cr_assert_not_null(strstr(text, "GET /api/users/profile/:id answers 200"));
    cr_assert_not_null(strstr(text, "user_id"));
    free(text);
    text = run(cli_run_methods, &(cli_args){.position = {"auth.login"}, .position_count = 1, .json = true}, 0);
    cr_assert_not_null(strstr(text, "\"secret\":true"));
    free(text);
    cr_redirect_stderr();
    free(run(cli_run_methods, &(cli_args){.position = {"no.such"}, .position_count = 1}, SUT_EXIT_USAGE));
}

Test(options, completions_are_scripts_that_their_shell_can_read)
{
    char *text = run(cli_run_completion, &(cli_args){.position = {"bash"}, .position_count = 1}, 0);
    FILE *bash = popen("bash -n", "w");
    cr_assert_not_null(bash);
    fputs(text, bash);
    cr_assert_eq(pclose(bash), 0);
    cr_assert_not_null(strstr(text, "--idempotency-key"));
    free(text);
    text = run(cli_run_completion, &(cli_args){.position = {"zsh"}, .position_count = 1}, 0);
    cr_assert_not_null(strstr(text, "#compdef sut"));
    free(text);
    cr_redirect_stderr();
    free(run(cli_run_completion, &(cli_args){.position = {"fish"}, .position_count = 1}, SUT_EXIT_USAGE));
}

Test(options, each_platform_error_has_an_exit_code_that_says_failure)
{
    for (int err = 1; err < SUT_ERR_PLATFORM_COUNT; err++)
        cr_assert_neq(cli_exit_code(err), 0);
    cr_assert_eq(cli_exit_code(SUT_ERR_DOMAIN_FIRST), CLI_EXIT_ANSWER);
    cr_assert_eq(cli_exit_code(SUT_ERR_FORBIDDEN), SUT_EXIT_NOPERM);
    cr_assert_not_null(cli_hint(SUT_STR("outcome_unknown")));
    cr_assert_null(cli_hint(SUT_STR("email_taken")));
}
