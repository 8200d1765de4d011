/* The examples that `sut help COMMAND` ends with. */
#ifndef SUT_CLI_EXAMPLES_H
#define SUT_CLI_EXAMPLES_H

#define EXAMPLES_CALL                                                                                                  \
    "  sut call user.profile_get '{\"user_id\": 4096}'\n"                                                              \
    "  sut call auth.login @login.json --json\n"                                                                       \
    "  sut call user.profile_create - --idempotency-key 7f3a < profile.json\n"
#define EXAMPLES_METHODS                                                                                               \
    "  sut methods\n"                                                                                                  \
    "  sut methods user.profile_get\n"                                                                                 \
    "  sut methods user.registered       the fields of an event\n"
#define EXAMPLES_PUBLISH                                                                                               \
    "  sut publish probe.sent '{\"lane\": \"a\", \"n\": 7}'\n"                                                         \
    "  sut publish probe.sent @body.json --id 00112233445566778899aabbccddeeff\n"                                      \
    "  sut publish probe.sent '{\"lane\": \"a\", \"n\": 7}' --not-before +5m\n"                                        \
    "  sut publish --file events.jsonl   one event a line, in batches\n"
#define EXAMPLES_SUBSCRIBE                                                                                             \
    "  sut subscribe 'user.*'            what happens from now on\n"                                                   \
    "  sut subscribe 'user.>' --start 1h --user 42 --json\n"                                                           \
    "  sut subscribe user.registered --group mailer --exec ./send_mail\n"                                              \
    "  sut subscribe --group mailer --limit 1 --ack none    look at the next one, take nothing\n"
#define EXAMPLES_GROUPS                                                                                                \
    "  sut groups\n"                                                                                                   \
    "  sut groups user-profile\n"                                                                                      \
    "  sut groups create audit 'user.>' --start beginning\n"                                                           \
    "  sut groups pause audit\n"
#define EXAMPLES_JOURNAL                                                                                               \
    "  sut journal stats\n"                                                                                            \
    "  sut journal verify\n"                                                                                           \
    "  sut journal export --subject 'user.*' --from 1h > events.jsonl\n"                                               \
    "  sut journal backup /backup/journal-monday\n"
#define EXAMPLES_TOP "  sut top\n  sut top --once\n"
#define EXAMPLES_TAP                                                                                                   \
    "  sut tap 'auth.>'\n"                                                                                             \
    "  sut tap --user 42 --kind call,error\n"                                                                          \
    "  sut tap 'user.*' --since 10m --follow --json\n"                                                                 \
    "  sut tap user.profile_get --personal --reason 'ticket 4711'\n"
#define EXAMPLES_WHY                                                                                                   \
    "  sut why 4bf92f3577b34da6a3ce929d0e0e4736\n"                                                                     \
    "  sut why --user 42 --since 5m      the requests of a user\n"
#define EXAMPLES_RECORD                                                                                                \
    "  sut record login.jsonl 'auth.>' 'user.>' --duration 30s\n"                                                      \
    "  sut record events.jsonl 'user.>' --kind event --limit 100\n"
#define EXAMPLES_DLQ                                                                                                   \
    "  sut dlq list --group user-profile\n"                                                                            \
    "  sut dlq show 17\n"                                                                                              \
    "  sut dlq redrive 17 18\n"                                                                                        \
    "  sut dlq redrive 17 --edit         change the body first\n"                                                      \
    "  sut dlq drop --group user-profile --subject 'user.*' --all\n"
#define EXAMPLES_REPLAY                                                                                                \
    "  sut replay --from 1h --subject 'user.*' --to-group audit --speed 10x\n"                                         \
    "  sut replay --from 4711 --to 5000 --to-group audit --dry-run\n"                                                  \
    "  sut replay --from 10m --to-broker ipc:///run/staging/broker.sock\n"                                             \
    "  sut replay --diff --from 10m --against ipc:///run/next/broker.sock\n"
#define EXAMPLES_REBUILD "  sut rebuild auth.username\n  sut rebuild social-graph\n"
#define EXAMPLES_CHECK   "  sut check social-graph\n"
#define EXAMPLES_SAGA                                                                                                  \
    "  sut saga list\n"                                                                                                \
    "  sut saga show auth 4096\n"                                                                                      \
    "  sut saga retry auth 4096\n"
#define EXAMPLES_ADMIN                                                                                                 \
    "  sut admin grant ada@example.org   the account must be there; it logs in again\n"                                \
    "  sut admin revoke ada@example.org\n"                                                                             \
    "  sut admin list\n"
#define EXAMPLES_FIXTURE                                                                                               \
    "  sut record events.jsonl 'probe.>' --kind event --duration 10s\n"                                                \
    "  sut fixture events.jsonl probe_burst\n"                                                                         \
    "  sut record calls.jsonl user.profile_get --personal --reason 'a test case'\n"                                    \
    "  sut fixture calls.jsonl profile\n"                                                                              \
    "  ctest --preset debug -R fixture\n"

#endif
