/* The tables of options and commands. */
#include "cli.h"

#include "examples.h"

#define AT(field) offsetof(cli_args, field)

const cli_option cli_options[] = {
    {"--run", "DIR", AT(run_dir), "use the system of this run directory (its env file)"},
    {"--broker", "URL", AT(broker), "the broker's endpoint, instead of SUT_BROKER"},
    {"--name", "NAME", AT(name), "our name as a peer, instead of SUT_NAME"},
    {"--secret-file", "FILE", AT(secret_file), "the file of our secret, instead of SUT_SECRET_FILE"},
    {"--timeout", "MS", AT(timeout), "how long to wait for the answer"},
    {"--json", NULL, AT(json), "print JSON on one line, for programs"},
    {"--help", NULL, AT(help), "print help"},
    {"--idempotency-key", "KEY", AT(idempotency_key), "the same key never executes twice within 24 hours"},
    {"--key", "KEY", AT(key), "the key, which orders and selects"},
    {"--instance", "ID", AT(instance), "only this instance of the service"},
    {"--as", "USER[:LEVEL]", AT(as), "for whom (only peers with the role edge or actor may)"},
    {"--raw", NULL, AT(raw), "send and show what is given, without a schema"},
    {"--names", NULL, AT(names), "only names, one a line"},
    {"--events", NULL, AT(events), "the events instead"},
    {"--verbose", NULL, AT(verbose), "say more on standard error (-v)"},
    {"--id", "HEX", AT(id), "the event's id, 32 hex digits: again the same is no second event"},
    {"--not-before", "TIME", AT(not_before), "deliver not earlier: +5m, 18:30, 2026-01-02T03:04:05Z"},
    {"--count", "N", AT(count), "publish it N times, each with an id of its own"},
    {"--file", "FILE", AT(file), "one event a line, as subscribe --json prints them (- is standard input)"},
    {"--group", "NAME", AT(group), "the durable group"},
    {"--start", "WHERE", AT(start), "end, beginning, a sequence, or a time (10m, 18:30)"},
    {"--user", "ID", AT(user), "only for this user"},
    {"--credits", "N", AT(credits), "events in hand at a time"},
    {"--limit", "N", AT(limit), "end after so many"},
    {"--ack", "auto|none|nack", AT(ack), "what to answer: done; nothing, and give back at the end; not now"},
    {"--ack-wait", "MS", AT(ack_wait), "how long an answer may take, 100 to 600000"},
    {"--exec", "COMMAND", AT(exec), "give each event to a command on its standard input; 0 acknowledges it"},
    {"--trace", "ID", AT(trace), "only of this trace, 32 hex digits"},
    {"--kind", "KINDS", AT(kind), "of call, reply, event, error; parted by commas"},
    {"--since", "TIME", AT(since), "from then on: 10m, 18:30, 2026-01-02T03:04:05Z"},
    {"--until", "TIME", AT(until), "up to then"},
    {"--follow", NULL, AT(follow), "go on with what comes after --until or the history"},
    {"--personal", NULL, AT(personal), "show personal fields too; needs --reason, which is kept"},
    {"--reason", "TEXT", AT(reason), "why personal fields must be seen"},
    {"--subject", "PATTERNS", AT(subject), "only these subjects, parted by commas: user.*,post.>"},
    {"--all", NULL, AT(all), "all there are"},
    {"--yes", NULL, AT(yes), "do not ask (-y)"},
    {"--edit", NULL, AT(edit), "change the body in $EDITOR first"},
    {"--body", "JSON", AT(body), "this body instead: JSON, - or @FILE"},
    {"--dir", "DIR", AT(dir), "the journal's folder, instead of SUT_JOURNAL_DIR"},
    {"--from", "WHERE", AT(from), "first: a sequence, or a time"},
    {"--to", "WHERE", AT(to), "last: a sequence, or a time"},
    {"--speed", "1x|10x|max", AT(speed), "as fast as it was, ten times that, or as fast as can be (unless said)"},
    {"--to-group", "NAME", AT(to_group), "into this group, which must be new or paused"},
    {"--to-broker", "URL", AT(to_broker), "publish it at another broker"},
    {"--diff", NULL, AT(diff), "make recorded idempotent calls again and compare"},
    {"--against", "URL", AT(against), "the broker that --diff calls"},
    {"--other-name", "NAME", AT(other_name), "our name at the other broker"},
    {"--other-secret-file", "FILE", AT(other_secret_file), "our secret at the other broker"},
    {"--dry-run", NULL, AT(dry_run), "only say what would be done"},
    {"--duration", "TIME", AT(duration), "end after this time: 30s, 5m"},
    {"--interval", "TIME", AT(interval), "time between two looks; 1s unless said"},
    {"--once", NULL, AT(once), "print once and end"},
};
const size_t cli_option_count = SUT_ARRAY_LEN(cli_options);

const char *const cli_group_titles[CLI_GROUP_COUNT] = {
    [CLI_CALLS] = "Calls",           [CLI_EVENTS] = "Events",
    [CLI_WATCHING] = "Watching",     [CLI_REPAIRS] = "Repairing and replaying",
    [CLI_SETTING_UP] = "Setting up",
};

#define LIST(...)                                                                                                      \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define NO_OPTIONS ((const char *const[]){NULL})

#define COMMAND(GROUP, NAME, POSITIONS, MIN, MAX, OPTIONS, WORDS, EXAMPLES, RUN, SUMMARY)                              \
    {                                                                                                                  \
        .group = GROUP, .name = NAME, .positions = POSITIONS, .positions_min = MIN, .positions_max = MAX,              \
        .options = OPTIONS, .words = WORDS, .examples = EXAMPLES, .run = RUN, .summary = SUMMARY                       \
    }

const cli_command cli_commands[] = {
    COMMAND(CLI_CALLS, "call", "METHOD [JSON | - | @FILE]", 1, 2,
            LIST("--idempotency-key", "--key", "--instance", "--as", "--raw"), NULL, EXAMPLES_CALL, cli_run_call,
            "call a method"),
    COMMAND(CLI_CALLS, "methods", "[NAME]", 0, 1, LIST("--names", "--events"), NULL, EXAMPLES_METHODS, cli_run_methods,
            "methods that can be called, events that can be published; the fields of one"),
    COMMAND(CLI_CALLS, "ping", "", 0, 0, NO_OPTIONS, NULL, NULL, cli_run_ping,
            "is the broker there, and how fast does it answer"),

    COMMAND(CLI_EVENTS, "publish", "[SUBJECT] [JSON | - | @FILE]", 0, 2,
            LIST("--key", "--id", "--not-before", "--count", "--file", "--raw"), NULL, EXAMPLES_PUBLISH,
            cli_run_publish, "publish events; the answer comes when they are on disk"),
    COMMAND(CLI_EVENTS, "subscribe", "[SUBJECT]...", 0, 16,
            LIST("--group", "--start", "--key", "--user", "--credits", "--limit", "--ack", "--ack-wait", "--exec",
                 "--raw", "--verbose"),
            NULL, EXAMPLES_SUBSCRIBE, cli_run_subscribe, "events as they come, or from a place in the past"),
    COMMAND(CLI_EVENTS, "groups", "[NAME | create NAME SUBJECT... | pause|resume|skip|stop|delete NAME]", 0, 18,
            LIST("--start", "--names", "--yes"), LIST("create", "pause", "resume", "stop", "delete"), EXAMPLES_GROUPS,
            cli_run_groups, "durable groups: their place, lag, members; making and stopping them"),
    COMMAND(CLI_EVENTS, "journal", "stats | verify | export | backup DIR", 0, 2,
            LIST("--dir", "--subject", "--from", "--to", "--limit", "--raw"),
            LIST("stats", "verify", "export", "backup"), EXAMPLES_JOURNAL, cli_run_journal,
            "what the journal holds; check it, print it, copy it while it runs"),

    COMMAND(CLI_WATCHING, "status", "", 0, 0, NO_OPTIONS, NULL, NULL, cli_run_status,
            "what the broker does: load, services, peers"),
    COMMAND(CLI_WATCHING, "services", "", 0, 0, NO_OPTIONS, NULL, NULL, cli_run_services,
            "services, their instances, credits, queues and latencies"),
    COMMAND(CLI_WATCHING, "peers", "", 0, 0, NO_OPTIONS, NULL, NULL, cli_run_peers, "who is connected"),
    COMMAND(CLI_WATCHING, "top", "", 0, 0, LIST("--once", "--interval"), NULL, EXAMPLES_TOP, cli_run_top,
            "the load, live: services, groups, journal"),
    COMMAND(CLI_WATCHING, "tap", "[SUBJECT]...", 0, 16,
            LIST("--user", "--trace", "--key", "--kind", "--since", "--until", "--follow", "--limit", "--raw",
                 "--personal", "--reason"),
            NULL, EXAMPLES_TAP, cli_run_tap, "watch calls, replies, errors and events pass by"),
    COMMAND(CLI_WATCHING, "why", "[TRACE]", 0, 1, LIST("--user", "--since", "--until", "--limit"), NULL, EXAMPLES_WHY,
            cli_run_why, "what one request did, from the edge to the last consumer"),
    COMMAND(CLI_WATCHING, "record", "FILE [SUBJECT]...", 1, 17,
            LIST("--user", "--kind", "--duration", "--limit", "--personal", "--reason"), NULL, EXAMPLES_RECORD,
            cli_run_record, "write what passes to a file"),

    COMMAND(CLI_REPAIRS, "dlq", "list | show ID | redrive [ID]... | drop [ID]...", 1, CLI_POSITIONS_MAX,
            LIST("--group", "--subject", "--key", "--limit", "--all", "--yes", "--edit", "--body", "--personal",
                 "--reason", "--raw"),
            LIST("list", "show", "redrive", "drop"), EXAMPLES_DLQ, cli_run_dlq,
            "dead letters: look at them, deliver them again, drop them"),
    COMMAND(CLI_REPAIRS, "replay", "", 0, 0,
            LIST("--from", "--to", "--subject", "--speed", "--to-group", "--to-broker", "--diff", "--against",
                 "--other-name", "--other-secret-file", "--user", "--personal", "--reason", "--limit", "--dry-run",
                 "--yes"),
            NULL, EXAMPLES_REPLAY, cli_run_replay, "tell history again: to a group, to another broker, or to compare"),
    COMMAND(CLI_REPAIRS, "rebuild", "PROJECTION", 1, 1, LIST("--yes"), NULL, EXAMPLES_REBUILD, cli_run_rebuild,
            "build a projection anew, compare, swap"),
    COMMAND(CLI_REPAIRS, "check", "social-graph", 1, 1, NO_OPTIONS, LIST("social-graph"), EXAMPLES_CHECK, cli_run_check,
            "compare a copy with what it was made from; 0 if they are equal"),
    COMMAND(CLI_REPAIRS, "saga", "list [SERVICE] | show SERVICE ID | retry SERVICE ID", 1, 3, LIST("--limit", "--yes"),
            LIST("list", "show", "retry"), EXAMPLES_SAGA, cli_run_saga, "sagas under way or stuck"),
    COMMAND(CLI_REPAIRS, "fixture", "FILE NAME", 1, 2, NO_OPTIONS, NULL, EXAMPLES_FIXTURE, cli_run_fixture,
            "make a test case of a recorded file"),

    COMMAND(CLI_SETTING_UP, "key", "new | revoke | list", 0, 0, NO_OPTIONS, LIST("new", "revoke", "list"), NULL, NULL,
            "add and remove peers"),
    COMMAND(CLI_SETTING_UP, "admin", "grant EMAIL | revoke EMAIL | list", 1, 2, NO_OPTIONS,
            LIST("grant", "revoke", "list"), EXAMPLES_ADMIN, cli_run_admin, "who is an administrator"),
    COMMAND(CLI_SETTING_UP, "completion", "bash | zsh", 1, 1, NO_OPTIONS, LIST("bash", "zsh"), NULL, cli_run_completion,
            "print the completion script of a shell"),
    COMMAND(CLI_SETTING_UP, "help", "[COMMAND]", 0, 1, NO_OPTIONS, NULL, NULL, cli_run_help, "print help"),
    COMMAND(CLI_SETTING_UP, "version", "", 0, 0, NO_OPTIONS, NULL, NULL, cli_run_version, "print the version"),
};
const size_t cli_command_count = SUT_ARRAY_LEN(cli_commands);
