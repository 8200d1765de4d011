/* The client against a real server that each test starts for itself: answers, bounds, deadlines, scripts, logins, a
 * server that is killed, stopped, and comes back. */
#include "base/clock.h"
#include "base/health.h"
#include "redis/redis.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a private server ---- */

static char s_dir[200], s_sock[240], s_url[256];
static pid_t s_server;

/* Debian's redis-tools holds the server too, under another name. */
static void exec_server(const char *password)
{
    static const char *const binaries[] = {"/usr/bin/redis-server", "/usr/bin/redis-check-rdb"};
    const char *argv[] = {
        "redis-server", "--port", "0",         "--unixsocket", s_sock,          "--dir",  s_dir, "--save", "",
        "--daemonize",  "no",     "--logfile", "redis.log",    "--requirepass", password, NULL};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < SUT_ARRAY_LEN(binaries); i++)
        execv(binaries[i], (char **)argv);
    _exit(127);
}

static void start_server(const char *password)
{
    fflush(NULL);
    s_server = fork();
    cr_assert_geq(s_server, 0);
    if (s_server == 0)
        exec_server(password);
}

static void kill_server(void)
{
    if (s_server <= 0)
        return;
    kill(s_server, SIGKILL);
    waitpid(s_server, NULL, 0);
    s_server = 0;
}

static sut_loop *s_loop;
static sut_redis *s_redis;

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(s_dir, sizeof s_dir, "%s/sut-redis-XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(s_dir));
    snprintf(s_sock, sizeof s_sock, "%s/s", s_dir);
    snprintf(s_url, sizeof s_url, "unix://%s", s_sock);
    cr_assert_eq(sut_loop_new(&s_loop), 0);
    cr_assert_neq(signal(SIGPIPE, SIG_IGN), SIG_ERR);
}

static void teardown(void)
{
    char path[256];
    s_redis = sut_redis_free(s_redis);
    s_loop = sut_loop_free(s_loop);
    kill_server();
    unlink(s_sock);
    snprintf(path, sizeof path, "%s/redis.log", s_dir);
    unlink(path);
    rmdir(s_dir);
}

TestSuite(redis, .init = setup, .fini = teardown, .timeout = 60);

static void open_client(sut_redis_options opt)
{
    char error[256] = "";
    if (!opt.url)
        opt.url = s_url;
    cr_assert_eq(sut_redis_new(&s_redis, s_loop, &opt, error, sizeof error), 0, "%s", error);
}

/* Turns the loop until `*flag` is at least `want`; the test's own time limit is the bound. */
static void run_until(const int *flag, int want)
{
    while (*flag < want)
        cr_assert_eq(sut_loop_turn(s_loop, 100), 0);
}

static void run_until_state(sut_redis_state state)
{
    while (sut_redis_state_of(s_redis) != state)
        cr_assert_eq(sut_loop_turn(s_loop, 100), 0);
}

static void start_ready(sut_redis_options opt)
{
    start_server("");
    open_client(opt);
    run_until_state(SUT_REDIS_READY);
}

/* ---- commands for the tests ---- */

typedef struct answer {
    int calls;
    sut_redis_outcome outcome;
    sut_redis_kind kind;
    int64_t integer;
    size_t count;
    char text[256];
    size_t text_len;
} answer;

static void keep(const sut_redis_reply *reply, void *arg)
{
    answer *a = arg;
    a->calls++;
    a->outcome = reply->outcome;
    a->kind = reply->value.kind;
    a->integer = reply->value.integer;
    a->count = reply->value.count;
    a->text_len = reply->value.string.len < 255 ? reply->value.string.len : 255;
    if (a->text_len)
        memcpy(a->text, reply->value.string.ptr, a->text_len);
    a->text[a->text_len] = '\0';
}

#define SEND(a, ...)                                                                                                   \
    sut_redis_send(s_redis, &(sut_redis_request){.argv = (sut_str[]){__VA_ARGS__},                                     \
                                                 .argc = sizeof((sut_str[]){__VA_ARGS__}) / sizeof(sut_str),           \
                                                 .fn = keep,                                                           \
                                                 .arg = (a)})
#define ASK(a, ...)                                                                                                    \
    do {                                                                                                               \
        memset((a), 0, sizeof *(a));                                                                                   \
        cr_assert_eq(SEND((a), __VA_ARGS__), 0);                                                                       \
        run_until(&(a)->calls, 1);                                                                                     \
        cr_assert_eq((a)->outcome, SUT_REDIS_ANSWERED);                                                                \
    } while (0)

/* ---- answers ---- */

static void check_nested(const sut_redis_reply *reply, void *arg)
{
    const sut_redis_value *v = &reply->value;
    cr_assert_eq(v->kind, SUT_REDIS_ARRAY);
    cr_assert_eq(v->count, 4);
    cr_assert_eq(v->items[0].integer, 7);
    cr_assert(sut_str_is(v->items[1].string, "text"));
    cr_assert_eq(v->items[2].kind, SUT_REDIS_NIL);
    cr_assert_eq(v->items[3].kind, SUT_REDIS_ARRAY);
    cr_assert_eq(v->items[3].items[1].integer, 9);
    ++*(int *)arg;
}

Test(redis, every_kind_of_answer)
{
    answer a;
    start_ready((sut_redis_options){0});
    ASK(&a, SUT_STR("SET"), SUT_STR("k"), ((sut_str){"a\r\n\0b%s", 7}));
    cr_assert_eq(a.kind, SUT_REDIS_STATUS);
    cr_assert_str_eq(a.text, "OK");
    ASK(&a, SUT_STR("GET"), SUT_STR("k"));
    cr_assert_eq(a.kind, SUT_REDIS_STRING);
    cr_assert_eq(a.text_len, 7);
    cr_assert_eq(memcmp(a.text, "a\r\n\0b%s", 7), 0, "binary-safe");
    ASK(&a, SUT_STR("GET"), SUT_STR("missing"));
    cr_assert_eq(a.kind, SUT_REDIS_NIL);
    ASK(&a, SUT_STR("SET"), SUT_STR("empty"), SUT_STR_NONE);
    ASK(&a, SUT_STR("STRLEN"), SUT_STR("empty"));
    cr_assert_eq(a.kind, SUT_REDIS_INT);
    cr_assert_eq(a.integer, 0);
    ASK(&a, SUT_STR("LPUSH"), SUT_STR("k"), SUT_STR("x"));
    cr_assert_eq(a.kind, SUT_REDIS_ERROR);
    cr_assert_eq(strncmp(a.text, "WRONGTYPE", 9), 0);
    sut_redis_script s;
    int nested = 0;
    cr_assert_eq(sut_redis_script_init(&s, "return {7, 'text', false, {8, 9}}"), 0);
    cr_assert_eq(sut_redis_eval(s_redis, &s, 0, &(sut_redis_request){.fn = check_nested, .arg = &nested}), 0);
    run_until(&nested, 1);
    cr_assert_eq(sut_redis_outstanding(s_redis), 0);
}

static int s_next;

static void in_order(const sut_redis_reply *reply, void *arg)
{
    cr_assert_eq(reply->value.integer, ++s_next);
    ++*(int *)arg;
}

Test(redis, a_thousand_commands_are_pipelined_in_order)
{
    int calls = 0;
    sut_str argv[] = {SUT_STR("INCR"), SUT_STR("n")};
    start_ready((sut_redis_options){0});
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){argv, 2, 0, in_order, &calls}), 0);
    cr_assert_eq(calls, 0, "never from inside the call");
    cr_assert_eq(sut_redis_outstanding(s_redis), 1000);
    run_until(&calls, 1000);
}

Test(redis, a_value_larger_than_the_socket_takes_goes_through)
{
    answer a;
    static char large[900000];
    memset(large, 'x', sizeof large);
    start_ready((sut_redis_options){0});
    for (int i = 0; i < 10; i++) {
        ASK(&a, SUT_STR("APPEND"), SUT_STR("k"), ((sut_str){large, sizeof large}));
        cr_assert_eq(a.integer, (i + 1) * (int64_t)sizeof large);
    }
}

/* ---- what is refused ---- */

Test(redis, the_bounds_hold)
{
    static char large[2000];
    answer a = {0};
    start_ready((sut_redis_options){.max_outstanding = 3, .max_command_bytes = 1000});
    cr_assert_eq(SEND(&a, SUT_STR("SET"), SUT_STR("k"), ((sut_str){large, 1001})), SUT_REDIS_TOO_LARGE);
    static sut_str many[SUT_REDIS_ARGS_MAX + 1];
    for (size_t i = 0; i < SUT_ARRAY_LEN(many); i++)
        many[i] = SUT_STR("DEL");
    sut_redis_request rq = {.argv = many, .argc = SUT_ARRAY_LEN(many)};
    cr_assert_eq(sut_redis_send(s_redis, &rq), SUT_REDIS_TOO_LARGE);
    rq = (sut_redis_request){.argv = many, .argc = 2, .deadline_ns = sut_now_ns()};
    cr_assert_eq(sut_redis_send(s_redis, &rq), SUT_REDIS_EXPIRED);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(SEND(&a, SUT_STR("PING")), 0);
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_OVERLOADED);
    run_until(&a.calls, 3);
    ASK(&a, SUT_STR("PING"));
}

Test(redis, commands_that_would_take_the_connection_over_are_refused)
{
    static const char *const words[] = {"SUBSCRIBE", "psubscribe", "Monitor", "MULTI", "watch", "SELECT", "auth",
                                        "HELLO",     "RESET",      "QUIT",    "BLPOP", "wait",  "CLIENT", ""};
    answer a = {0};
    start_ready((sut_redis_options){0});
    for (size_t i = 0; i < SUT_ARRAY_LEN(words); i++)
        cr_assert_eq(SEND(&a, sut_str_from(words[i]), SUT_STR("x")), -EINVAL, "%s", words[i]);
    cr_assert_eq(
        SEND(&a, SUT_STR("xread"), SUT_STR("block"), SUT_STR("0"), SUT_STR("STREAMS"), SUT_STR("s"), SUT_STR("$")),
        -EINVAL);
    cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){.fn = keep, .arg = &a}), -EINVAL);
    ASK(&a, SUT_STR("XREAD"), SUT_STR("STREAMS"), SUT_STR("BLOCK"), SUT_STR("0"));
    cr_assert_eq(a.kind, SUT_REDIS_NIL, "a key may have any name");
}

/* ---- scripts ---- */

Test(redis, a_script_survives_a_flush_of_the_script_cache)
{
    answer a = {0};
    sut_redis_script s;
    sut_str argv[] = {SUT_STR("key"), SUT_STR("5")};
    start_ready((sut_redis_options){0});
    cr_assert_eq(sut_redis_script_init(&s, "return redis.call('INCRBY', KEYS[1], ARGV[1])"), 0);
    cr_assert_eq(strlen(s.sha1), 40);
    for (int i = 1; i <= 6; i++) {
        answer flush;
        if (i == 4)
            ASK(&flush, SUT_STR("SCRIPT"), SUT_STR("FLUSH"));
        cr_assert_eq(sut_redis_eval(s_redis, &s, 1, &(sut_redis_request){argv, 2, 0, keep, &a}), 0);
        run_until(&a.calls, i);
        cr_assert_eq(a.kind, SUT_REDIS_INT, "%s", a.text);
        cr_assert_eq(a.integer, 5 * i, "once each");
    }
    cr_assert_eq(sut_redis_eval(s_redis, &s, 3, &(sut_redis_request){argv, 2, 0, keep, &a}), -EINVAL);
    ASK(&a, SUT_STR("INFO"), SUT_STR("commandstats"));
    ASK(&a, SUT_STR("SCRIPT"), SUT_STR("EXISTS"), sut_str_from(s.sha1));
    cr_assert_eq(a.count, 1, "the hash is the one that Redis computes");
}

/* ---- logging in ---- */

static int s_states[4];

static void count_states(sut_redis *r, sut_redis_state state, void *arg)
{
    (void)r;
    (void)arg;
    s_states[state]++;
}

Test(redis, a_wrong_password_is_a_refusal_and_a_right_one_works)
{
    answer a;
    char url[300];
    start_server("hunter2");
    snprintf(url, sizeof url, "unix://:canary@%s", s_sock);
    open_client((sut_redis_options){.url = url, .name = "redis-test", .required = true, .on_state = count_states});
    run_until(&s_states[SUT_REDIS_REFUSED], 1);
    cr_assert_eq(strncmp(sut_redis_detail(s_redis), "WRONGPASS", 9), 0, "%s", sut_redis_detail(s_redis));
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN);
    memset(&a, 0, sizeof a);
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE);
    s_redis = sut_redis_free(s_redis);

    open_client((sut_redis_options){.on_state = count_states});
    run_until(&s_states[SUT_REDIS_REFUSED], 2);
    cr_assert_eq(strncmp(sut_redis_detail(s_redis), "NOAUTH", 6), 0, "%s", sut_redis_detail(s_redis));
    s_redis = sut_redis_free(s_redis);

    snprintf(url, sizeof url, "unix://default:hunter2@%s?db=99", s_sock);
    open_client((sut_redis_options){.url = url, .on_state = count_states});
    run_until(&s_states[SUT_REDIS_REFUSED], 3);
    s_redis = sut_redis_free(s_redis);

    snprintf(url, sizeof url, "unix://default:hunter2@%s?db=5", s_sock);
    open_client((sut_redis_options){.url = url, .name = "redis-test", .required = true});
    run_until_state(SUT_REDIS_READY);
    ASK(&a, SUT_STR("SET"), SUT_STR("here"), SUT_STR("1"));
    ASK(&a, SUT_STR("MOVE"), SUT_STR("here"), SUT_STR("0"));
    cr_assert_eq(a.integer, 1, "it was in another database than 0");
}

Test(redis, a_wrong_url_is_one_line)
{
    char error[256];
    sut_redis *r = NULL;
    cr_assert_eq(sut_redis_new(&r, s_loop, &(sut_redis_options){.url = "redis://u:canary@"}, error, sizeof error),
                 -EINVAL);
    cr_assert_null(r);
    cr_assert_null(strstr(error, "canary"));
    cr_assert_eq(sut_redis_new(&r, s_loop, &(sut_redis_options){0}, error, sizeof error), -EINVAL);
}

Test(redis, a_name_is_looked_up_without_blocking)
{
    open_client((sut_redis_options){.url = "redis://localhost:1", .on_state = count_states});
    run_until(&s_states[SUT_REDIS_DOWN], 1);
    cr_assert_str_eq(sut_redis_detail(s_redis), "Connection refused");
    s_redis = sut_redis_free(s_redis);
    open_client((sut_redis_options){.url = "redis://no-such-host.invalid:1", .on_state = count_states});
    s_redis = sut_redis_free(s_redis); /* before the answer */
    open_client((sut_redis_options){.url = "redis://no-such-host.invalid:1", .on_state = count_states});
    run_until(&s_states[SUT_REDIS_DOWN], 2);
    cr_assert_eq(strncmp(sut_redis_detail(s_redis), "the host name", 13), 0, "%s", sut_redis_detail(s_redis));
}

/* ---- faults ---- */

Test(redis, without_a_server_it_says_so_at_once)
{
    answer a = {0};
    open_client((sut_redis_options){.required = true});
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE);
    cr_assert_eq(sut_redis_state_of(s_redis), SUT_REDIS_CONNECTING);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN);
    run_until_state(SUT_REDIS_DOWN);
    cr_assert_str_eq(sut_redis_detail(s_redis), "No such file or directory");
    cr_assert_gt(sut_redis_retry_after_ms(s_redis), 0);
    start_server("");
    run_until_state(SUT_REDIS_READY);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP);
    cr_assert_str_eq(sut_redis_detail(s_redis), "");
    ASK(&a, SUT_STR("PING"));
}

static int s_lost, s_answered;

static void count_outcome(const sut_redis_reply *reply, void *arg)
{
    (void)arg;
    cr_assert_neq(reply->outcome, SUT_REDIS_TIMEOUT);
    if (reply->outcome == SUT_REDIS_LOST)
        s_lost++;
    else
        s_answered++;
    answer a = {0};
    if (reply->outcome == SUT_REDIS_LOST) /* a callback may send: it is refused, not lost as well */
        cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE);
}

Test(redis, killed_under_load_every_command_gets_its_one_end_and_service_returns)
{
    answer a;
    sut_str argv[] = {SUT_STR("INCR"), SUT_STR("n")};
    start_ready((sut_redis_options){.required = true});
    for (int round = 0; round < 3; round++) {
        s_lost = s_answered = 0;
        kill(s_server, SIGSTOP); /* so that some are certainly on their way */
        for (int i = 0; i < 500; i++)
            cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){argv, 2, 0, count_outcome, NULL}), 0);
        cr_assert_eq(sut_loop_turn(s_loop, 0), 0);
        kill_server();
        run_until_state(SUT_REDIS_DOWN);
        cr_assert_eq(s_lost + s_answered, 500);
        cr_assert_eq(s_lost, 500);
        cr_assert_eq(sut_redis_outstanding(s_redis), 0);
        cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN);
        unlink(s_sock);
        start_server("");
        run_until_state(SUT_REDIS_READY);
        ASK(&a, SUT_STR("PING"));
        cr_assert_str_eq(a.text, "PONG");
    }
}

Test(redis, a_stopped_server_costs_a_deadline_and_then_the_connection)
{
    answer a = {0}, b = {0};
    start_ready((sut_redis_options){.stall_ms = 400, .connect_ms = 300});
    kill(s_server, SIGSTOP);
    uint64_t t0 = sut_now_ns();
    sut_str ping = SUT_STR("PING");
    sut_redis_request rq = {&ping, 1, t0 + 20 * SUT_NS_PER_MS, keep, &a};
    cr_assert_eq(sut_redis_send(s_redis, &rq), 0);
    cr_assert_eq(SEND(&b, SUT_STR("PING")), 0);
    run_until(&a.calls, 1);
    cr_assert_eq(a.outcome, SUT_REDIS_TIMEOUT);
    cr_assert_geq(sut_now_ns(), t0 + 20 * SUT_NS_PER_MS);
    cr_assert_eq(b.calls, 0);
    cr_assert_eq(sut_redis_outstanding(s_redis), 2, "Redis still owes both");
    run_until(&b.calls, 1);
    cr_assert_eq(b.outcome, SUT_REDIS_LOST);
    cr_assert_eq(a.calls, 1, "told once");
    run_until_state(SUT_REDIS_DOWN);
    kill(s_server, SIGCONT);
    run_until_state(SUT_REDIS_READY);
    ASK(&a, SUT_STR("PING"));
}

Test(redis, an_idle_connection_to_a_stopped_server_is_noticed)
{
    start_ready((sut_redis_options){.stall_ms = 300, .connect_ms = 300});
    kill(s_server, SIGSTOP);
    run_until_state(SUT_REDIS_DOWN);
    cr_assert_str_eq(sut_redis_detail(s_redis), "it owes answers and gives none");
    kill(s_server, SIGCONT);
    run_until_state(SUT_REDIS_READY);
}

Test(redis, a_late_answer_is_dropped)
{
    answer a = {0}, b = {0};
    sut_str sleepy[] = {SUT_STR("DEBUG"), SUT_STR("SLEEP"), SUT_STR("0.1")};
    start_ready((sut_redis_options){0});
    kill(s_server, SIGSTOP);
    cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){sleepy, 3, sut_now_ns() + SUT_NS_PER_MS, keep, &a}), 0);
    run_until(&a.calls, 1);
    cr_assert_eq(a.outcome, SUT_REDIS_TIMEOUT);
    kill(s_server, SIGCONT);
    cr_assert_eq(SEND(&b, SUT_STR("ECHO"), SUT_STR("mine")), 0);
    run_until(&b.calls, 1);
    cr_assert_str_eq(b.text, "mine", "answers stay with their commands");
    cr_assert_eq(a.calls, 1);
    cr_assert_eq(sut_redis_outstanding(s_redis), 0);
}

Test(redis, the_breaker_opens_on_timeouts_and_a_new_connection_closes_it)
{
    answer a = {0};
    sut_str ping = SUT_STR("PING");
    start_ready(
        (sut_redis_options){.stall_ms = 1500,
                            .connect_ms = 300,
                            .required = true,
                            .breaker = {.window_ms = 10000, .min_volume = 10, .error_percent = 50, .reset_ms = 20000}});
    kill(s_server, SIGSTOP);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){&ping, 1, sut_now_ns() + SUT_NS_PER_MS, keep, &a}),
                     0);
    run_until(&a.calls, 20);
    cr_assert_eq(sut_redis_state_of(s_redis), SUT_REDIS_READY);
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE);
    cr_assert_gt(sut_redis_retry_after_ms(s_redis), 15000);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN);
    run_until_state(SUT_REDIS_DOWN);
    kill(s_server, SIGCONT);
    run_until_state(SUT_REDIS_READY);
    ASK(&a, SUT_STR("PING"));
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP);
}

Test(redis, a_late_answer_does_not_count_as_a_success)
{
    answer a = {0};
    sut_str ping = SUT_STR("PING");
    start_ready((sut_redis_options){
        .stall_ms = 30000, .breaker = {.window_ms = 60000, .min_volume = 10, .error_percent = 90, .reset_ms = 20000}});
    for (int i = 0; i < 10; i++) {
        kill(s_server, SIGSTOP);
        cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){&ping, 1, sut_now_ns() + SUT_NS_PER_MS, keep, &a}),
                     0);
        run_until(&a.calls, i + 1);
        kill(s_server, SIGCONT);
        while (sut_redis_outstanding(s_redis) > 0)
            cr_assert_eq(sut_loop_turn(s_loop, 100), 0);
    }
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE, "ten of ten failed");
}

/* ---- ending ---- */

static void closed(sut_redis *r, void *arg)
{
    (void)r;
    ++*(int *)arg;
}

Test(redis, close_waits_for_the_answers_that_are_owed)
{
    answer a = {0};
    int done = 0;
    start_ready((sut_redis_options){0});
    for (int i = 0; i < 100; i++)
        cr_assert_eq(SEND(&a, SUT_STR("PING")), 0);
    sut_redis_close(s_redis, 5000, closed, &done);
    cr_assert_eq(SEND(&a, SUT_STR("PING")), SUT_REDIS_UNAVAILABLE);
    cr_assert_eq(done, 0);
    run_until(&done, 1);
    cr_assert_eq(a.calls, 100);
    cr_assert_eq(a.outcome, SUT_REDIS_ANSWERED);
    cr_assert_eq(sut_loop_turn(s_loop, 5), 0);
    cr_assert_eq(done, 1);
}

Test(redis, close_does_not_wait_for_ever)
{
    answer a = {0};
    int done = 0;
    start_ready((sut_redis_options){.stall_ms = 30000});
    kill(s_server, SIGSTOP);
    cr_assert_eq(SEND(&a, SUT_STR("PING")), 0);
    sut_redis_close(s_redis, 10, closed, &done);
    run_until(&done, 1);
    cr_assert_eq(a.calls, 1);
    cr_assert_eq(a.outcome, SUT_REDIS_LOST);
}

Test(redis, close_while_away_is_done_soon)
{
    int done = 0;
    open_client((sut_redis_options){0});
    sut_redis_close(s_redis, 5000, closed, &done);
    run_until(&done, 1);
}

static void free_it(const sut_redis_reply *reply, void *arg)
{
    ++((int *)arg)[reply->outcome == SUT_REDIS_LOST];
    if (reply->outcome == SUT_REDIS_ANSWERED)
        s_redis = sut_redis_free(s_redis);
}

Test(redis, a_callback_may_free_the_client)
{
    int calls[2] = {0};
    sut_str ping = SUT_STR("PING");
    start_ready((sut_redis_options){0});
    for (int i = 0; i < 10; i++)
        cr_assert_eq(sut_redis_send(s_redis, &(sut_redis_request){&ping, 1, 0, free_it, calls}), 0);
    while (s_redis)
        cr_assert_eq(sut_loop_turn(s_loop, 100), 0);
    cr_assert_eq(calls[0], 1);
    cr_assert_eq(calls[1], 9, "the others came as lost, from within");
    cr_assert_eq(sut_loop_turn(s_loop, 0), 0);
}

static void free_on_state(sut_redis *r, sut_redis_state state, void *arg)
{
    if (state == *(sut_redis_state *)arg)
        s_redis = sut_redis_free(r);
}

Test(redis, a_state_callback_may_free_the_client)
{
    sut_redis_state when[] = {SUT_REDIS_DOWN, SUT_REDIS_READY};
    for (size_t i = 0; i < SUT_ARRAY_LEN(when); i++) {
        if (when[i] == SUT_REDIS_READY)
            start_server("");
        open_client((sut_redis_options){.on_state = free_on_state, .on_state_arg = &when[i]});
        while (s_redis)
            cr_assert_eq(sut_loop_turn(s_loop, 100), 0);
    }
}
