/* Inside `sut`: what its commands share. One process, one command; output goes to `out` so that tests can read it. */
#ifndef SUT_CLI_INTERNAL_H
#define SUT_CLI_INTERNAL_H

#include "sut.h"

#include <stdio.h>

enum {                        /* besides SUT_EXIT_*, from sysexits(3) */
       CLI_EXIT_ANSWER = 1,   /* the method answered with an error of its own domain */
       CLI_EXIT_DATA = 65,    /* EX_DATAERR: the input is wrong */
       CLI_EXIT_NOINPUT = 66, /* EX_NOINPUT: the file cannot be read */
       CLI_EXIT_TEMPFAIL = 75 /* EX_TEMPFAIL: later it may work */
};

#define CLI_POSITIONS_MAX 64

typedef struct cli_args {
    const char *run_dir, *broker, *name, *secret_file; /* how to connect */
    const char *timeout, *idempotency_key, *key, *instance, *as;
    const char *id, *not_before, *count, *file;                      /* publish */
    const char *group, *start, *user, *credits, *limit, *ack, *exec; /* subscribe */
    const char *ack_wait, *trace, *kind, *since, *until, *reason;    /* tap, why, record */
    const char *subject, *body, *dir;                                /* dlq, journal */
    const char *from, *to, *speed, *to_group, *to_broker, *against;  /* replay */
    const char *other_name, *other_secret_file;                      /* how to connect to the other broker */
    const char *duration, *interval;                                 /* record, top */
    bool json, raw, names, help, verbose;
    bool events, yes, all, edit, personal, follow, dry_run, diff, once;
    const char *position[CLI_POSITIONS_MAX];
    size_t position_count;
} cli_args;

typedef struct cli_option {
    const char *name;     /* "--timeout" */
    const char *argument; /* "MS"; NULL: a switch */
    size_t offset;        /* into cli_args: const char * or bool */
    const char *doc;
} cli_option;

typedef enum { CLI_CALLS, CLI_EVENTS, CLI_WATCHING, CLI_REPAIRS, CLI_SETTING_UP, CLI_GROUP_COUNT } cli_command_group;

typedef struct cli_command {
    cli_command_group group;
    const char *name;
    const char *positions; /* as the usage line shows them */
    size_t positions_min, positions_max;
    const char *const *options; /* names of those that it knows besides the common ones; NULL-terminated */
    const char *const *words;   /* what may be the first position, for completion; NULL: anything */
    const char *summary;
    const char *examples;                     /* lines; NULL: none */
    int (*run)(const cli_args *a, FILE *out); /* an exit code; NULL: `key`, which reads its own arguments */
} cli_command;

/* commands.c */
extern const cli_command cli_commands[];
extern const size_t cli_command_count;
extern const cli_option cli_options[];
extern const size_t cli_option_count;
extern const char *const cli_group_titles[CLI_GROUP_COUNT];

/* options.c. Reads common options up to the command's name; *next is where it stands. */
const cli_command *cli_command_find(const char *name);
bool cli_option_is_common(const char *name);
SUT_MUST_CHECK bool cli_parse_common(int argc, const char *const *argv, cli_args *a, int *next, char *error,
                                     size_t error_size);
SUT_MUST_CHECK bool cli_parse(int argc, const char *const *argv, const cli_command *cmd, cli_args *a, char *error,
                              size_t error_size);

/* help.c */
void cli_help(FILE *out);
void cli_help_command(const cli_command *cmd, FILE *out);

/* environment.c: fills SUT_BROKER and so on from DIR/env, or from the run/env of the checkout around us. 0, or an exit
 * code with the reason printed. */
int cli_environment(const cli_args *a);

/* complain.c: `sut: error: …` and what to do, on standard error */
void cli_complain(const char *fmt, ...) SUT_PRINTF(1, 2);
int cli_complain_result(const cli_args *a, const char *subject, const sut_result *r, FILE *out);
int cli_exit_code(int err);
const char *cli_hint(sut_str code);

/* connect.c */
int cli_connect(const cli_args *a, sut_client **out); /* 0, or an exit code with the reason printed */
/* The same for a second broker, with --other-name and --other-secret-file where they are given. */
int cli_connect_other(const cli_args *a, const char *endpoint, sut_client **out);
/* Connects, calls, prints what went wrong. 0: `answer` is a reply. */
int cli_call(const cli_args *a, const sut_call *call, sut_answer *answer, FILE *out);
/* Sees to it that acknowledgements leave before it closes. Returns NULL. */
sut_client *cli_leave(sut_client *client);
bool cli_timeout(const cli_args *a, uint32_t *ms); /* false: complained */

/* print.c */
int cli_print_json(sut_str json, bool compact, FILE *out);

/* the commands */
int cli_run_call(const cli_args *a, FILE *out);
int cli_run_status(const cli_args *a, FILE *out);
int cli_run_services(const cli_args *a, FILE *out);
int cli_run_peers(const cli_args *a, FILE *out);
int cli_run_ping(const cli_args *a, FILE *out);
int cli_run_methods(const cli_args *a, FILE *out);
int cli_run_completion(const cli_args *a, FILE *out);
int cli_run_help(const cli_args *a, FILE *out);
int cli_run_version(const cli_args *a, FILE *out);
int cli_run_publish(const cli_args *a, FILE *out);
int cli_run_subscribe(const cli_args *a, FILE *out);
int cli_run_groups(const cli_args *a, FILE *out);
int cli_run_dlq(const cli_args *a, FILE *out);
int cli_run_journal(const cli_args *a, FILE *out);
int cli_run_tap(const cli_args *a, FILE *out);
int cli_run_why(const cli_args *a, FILE *out);
int cli_run_replay(const cli_args *a, FILE *out);
int cli_run_record(const cli_args *a, FILE *out);
int cli_run_fixture(const cli_args *a, FILE *out);
int cli_run_top(const cli_args *a, FILE *out);
int cli_run_rebuild(const cli_args *a, FILE *out);
int cli_run_check(const cli_args *a, FILE *out);
int cli_run_saga(const cli_args *a, FILE *out);
int cli_run_admin(const cli_args *a, FILE *out);

#endif
