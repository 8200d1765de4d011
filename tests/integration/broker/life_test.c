/* Start, drain, reload and takeover; and every way in which a start must fail, with one line that says why. */
#include "peer.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(life, .timeout = 60);

Test(life, a_drain_lets_a_call_in_flight_finish)
{
    bus b;
    peer caller, actor;
    sut_envelope call, env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_call(&caller, "echo.say", 10000, SUT_STR_NONE);
    peer_expect(&actor, SUT_CALL, &call);
    const uint64_t id = call.id;
    kill(b.pid, SIGTERM);
    peer_expect(&actor, SUT_BYE, &env);
    peer_expect(&caller, SUT_BYE, &env);
    peer_reply(&actor, &(sut_envelope){.id = id, .subject = SUT_STR("echo.say"), .opt.attempt = 1}, SUT_STR("\x80"));
    peer_expect(&caller, SUT_REPLY, &env);
    cr_assert_eq(bus_wait(&b), 0);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

Test(life, a_drain_ends_although_an_actor_never_answers)
{
    bus b;
    peer caller, actor;
    sut_envelope env;
    uint64_t begin;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_call(&caller, "echo.say", 20000, SUT_STR_NONE);
    peer_expect(&actor, SUT_CALL, &env);
    begin = bus_now_ms();
    kill(b.pid, SIGTERM);
    do { /* both keep their sessions alive by answering pings */
        (void)peer_receive(&actor, &env, 20);
        if (!peer_receive(&caller, &env, 20))
            env.kind = 0;
    } while (env.kind != SUT_ERROR_REPLY && bus_now_ms() - begin < 8000);
    cr_assert_eq(env.kind, SUT_ERROR_REPLY);
    cr_assert_str_eq(peer_error_code(&env), "outcome_unknown");
    cr_assert_eq(bus_wait(&b), 0);
    cr_assert_lt(bus_now_ms() - begin, 5000);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

/* Stopped by the machine for longer than the whole drain: all its timers are due at once when it goes on. */
Test(life, a_drain_that_was_held_up_still_tells_who_waits)
{
    bus b;
    peer caller, actor;
    sut_envelope env;

    bus_make(&b);
    bus_write_limits(&b, "drain_ms = 100\n");
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_call(&caller, "echo.say", 20000, SUT_STR_NONE);
    peer_expect(&actor, SUT_CALL, &env);
    kill(b.pid, SIGTERM);
    peer_expect(&caller, SUT_BYE, &env);
    kill(b.pid, SIGSTOP);
    const uint64_t stopped = bus_now_ms();
    while (bus_now_ms() - stopped < 600)
        (void)peer_receive(&actor, &env, 20);
    kill(b.pid, SIGCONT);
    peer_expect(&caller, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "outcome_unknown");
    cr_assert_eq(bus_wait(&b), 0);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

Test(life, an_idle_broker_stops_at_once_and_can_be_started_again)
{
    bus b;
    uint64_t begin;

    bus_make(&b);
    for (int i = 0; i < 3; i++) {
        bus_start(&b);
        begin = bus_now_ms();
        cr_assert_eq(bus_stop(&b, i == 1 ? SIGINT : SIGTERM), 0);
        cr_assert_lt(bus_now_ms() - begin, 1500);
    }
    bus_free(&b);
}

Test(life, hangup_reloads_the_limits_and_keeps_the_old_ones_if_they_are_wrong)
{
    bus b;

    bus_make(&b);
    bus_write_limits(&b, "# for the test\nmax_ttl_ms = 50000\n");
    bus_start(&b);
    cr_assert_eq(bus_number(&b, "limits.max_ttl_ms"), 50000);
    bus_write_limits(&b, "max_ttl_ms = 40000\nqueue_calls=17\n");
    kill(b.pid, SIGHUP);
    WAIT_UNTIL(bus_number(&b, "limits.max_ttl_ms") == 40000);
    cr_assert_eq(bus_number(&b, "limits.queue_calls"), 17);
    bus_write_limits(&b, "max_ttl_ms = many\n");
    kill(b.pid, SIGHUP);
    WAIT_UNTIL(bus_logged(&b, "event=limits.unreadable"));
    cr_assert_eq(bus_number(&b, "limits.max_ttl_ms"), 40000);
    bus_free(&b);
}

Test(life, a_second_broker_leaves_the_first_alone)
{
    char said[512];
    bus b;
    peer p;

    bus_make(&b);
    bus_start(&b);
    peer_join(&p, &b, "tool", NULL, 0);
    cr_assert_eq(bus_try(&b, NULL, said, sizeof said), SUT_EXIT_UNAVAILABLE);
    cr_assert_not_null(strstr(said, "is served by another broker"), "%s", said);
    cr_assert_eq(strchr(said, '\n'), said + strlen(said) - 1, "more than one line: %s", said);
    cr_assert_not(peer_ended(&p));
    cr_assert_gt(bus_number(&b, "uptime_ms"), -1);
    peer_close(&p);
    bus_free(&b);
}

Test(life, the_socket_of_a_killed_broker_is_taken_over)
{
    bus b;

    bus_make(&b);
    bus_start(&b);
    cr_assert_eq(bus_stop(&b, SIGKILL), -SIGKILL);
    bus_start(&b);
    cr_assert_gt(bus_number(&b, "sessions_total"), 0);
    bus_free(&b);
}

Test(life, a_path_that_another_program_serves_is_left_alone)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char said[512];
    bus b;
    int fd;

    bus_make(&b);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", b.dir);
    cr_assert_eq(mkdir(address.sun_path, 0700), 0);
    cr_assert_lt(snprintf(address.sun_path, sizeof address.sun_path, "%s", b.ipc + strlen("ipc://")),
                 (int)sizeof address.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(bus_try(&b, NULL, said, sizeof said), SUT_EXIT_UNAVAILABLE);
    cr_assert_not_null(strstr(said, "is served by another process"), "%s", said);
    close(fd);
    bus_free(&b);
}

typedef struct wrong {
    const char *env;
    int code;
    const char *says;
} wrong;

Test(life, wrong_settings_are_named_in_one_line)
{
    static const wrong cases[] = {
        {"SUT_BROKER_IPC=", SUT_EXIT_CONFIG, "SUT_BROKER_IPC"},
        {"SUT_BROKER_IPC=tcp://127.0.0.1:1", SUT_EXIT_CONFIG, "SUT_BROKER_IPC"},
        {"SUT_BROKER_IPC=ipc://relative/path", SUT_EXIT_CONFIG, "SUT_BROKER_IPC"},
        {"SUT_BROKER_IPC=ipc:///tmp/bus-in-a-public-directory", SUT_EXIT_CONFIG, "mode 0700"},
        {"SUT_BROKER_IPC=ipc:///dev/null/bus", SUT_EXIT_CONFIG, "SUT_BROKER_IPC"},
        {"SUT_BROKER_IPC=ipc:///sys/sut-nothing-here/bus", SUT_EXIT_IO, "SUT_BROKER_IPC"},
        {"SUT_BROKER_IPC=ipc:///tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         SUT_EXIT_CONFIG, "107 bytes"},
        {"SUT_BROKER_SPIN_US=fast", SUT_EXIT_CONFIG, "SUT_BROKER_SPIN_US"},
        {"SUT_BROKER_HWM=0", SUT_EXIT_CONFIG, "SUT_BROKER_HWM"},
        {"SUT_ACL_FILE=/nowhere/acl", SUT_EXIT_CONFIG, "SUT_ACL_FILE"},
        {"SUT_ACL_FILE=/etc/passwd", SUT_EXIT_CONFIG, "SUT_ACL_FILE"},
        {"SUT_LIMITS_FILE=/nowhere/limits", SUT_EXIT_CONFIG, "SUT_LIMITS_FILE"},
        {"SUT_BROKER_TCP=127.0.0.1:9", SUT_EXIT_CONFIG, "SUT_BROKER_TCP"},
        {"SUT_BROKER_TCP=tcp://127.0.0.1:9", SUT_EXIT_CONFIG, "sut key broker"}, /* tcp without a certificate */
    };
    bus b;

    bus_make(&b);
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        const char *env[] = {cases[i].env, NULL};
        char said[1024], path[96];

        snprintf(path, sizeof path, "%s/try", b.dir);
        unlink(path);
        cr_expect_eq(bus_try(&b, env, said, sizeof said), cases[i].code, "%s: %s", cases[i].env, said);
        cr_expect_not_null(strstr(said, cases[i].says), "%s: %s", cases[i].env, said);
        cr_expect(strncmp(said, "sut-broker: error: ", 19) == 0, "%s: %s", cases[i].env, said);
    }
    bus_free(&b);
}

Test(life, a_wrong_limit_is_named)
{
    static const char *const texts[] = {"queue_call = 5\n", "queue_calls = 0\n", "queue_calls\n",
                                        "max_ttl_ms = 10\ndefault_ttl_ms = 3000\n"};
    bus b;

    bus_make(&b);
    for (size_t i = 0; i < SUT_ARRAY_LEN(texts); i++) {
        char said[1024];

        bus_write_limits(&b, texts[i]);
        cr_expect_eq(bus_try(&b, NULL, said, sizeof said), SUT_EXIT_CONFIG);
        cr_expect_not_null(strstr(said, "SUT_LIMITS_FILE"), "%s", said);
    }
    bus_free(&b);
}

Test(life, the_socket_is_for_us_alone)
{
    struct stat st;
    char path[128];
    bus b;

    bus_make(&b);
    bus_start(&b);
    cr_assert_eq(stat(b.ipc + strlen("ipc://"), &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
    snprintf(path, sizeof path, "%s/s", b.dir);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    bus_free(&b);
}

/* Processor time of the broker's main thread. */
static unsigned long long busy_ns(const bus *b)
{
    unsigned long long ns = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)b->pid);
    f = fopen(path, "r");
    cr_assert_not_null(f);
    cr_assert_eq(fscanf(f, "%llu", &ns), 1);
    fclose(f);
    return ns;
}

/* Spinning is for the moment after a message only. */
Test(life, an_idle_broker_sleeps)
{
    unsigned long long before;
    uint64_t begin;
    bus b;

    bus_make(&b);
    bus_start(&b);
    before = busy_ns(&b);
    begin = bus_now_ms();
    WAIT_UNTIL(bus_now_ms() - begin >= 500);
    cr_assert_lt(busy_ns(&b) - before, 100000000ULL);
    bus_free(&b);
}
