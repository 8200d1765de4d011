/* libcurl on the loop: what ends a transfer, and what is left behind when its fiber leaves. */
#include "kit/transfer.h"

#include "fixture_test.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port of a server that accepts (the kernel does) and never says a word; *fd to close. */
static int silent_port(int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(*fd >= 0 && bind(*fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(*fd, 1024) == 0);
    cr_assert_eq(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

static sut_status get(sut_request *rq, int port, long timeout_ms, int *code)
{
    char url[64];
    CURL *easy = curl_easy_init();
    cr_assert_not_null(easy);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    sut_status st = sut_transfer(rq, easy, code);
    curl_easy_cleanup(easy);
    return st;
}

static sut_status ends(sut_request *rq, void *arg)
{
    int fd, code = -1, port = silent_port(&fd);
    (void)arg;
    cr_assert_eq(get(rq, port, 20, &code), 0);
    cr_assert_eq(code, CURLE_OPERATION_TIMEDOUT, "%d", code);
    close(fd);
    cr_assert_eq(get(rq, port, 20000, &code), 0);
    cr_assert_eq(code, CURLE_COULDNT_CONNECT, "%d", code);
    return 0;
}

Test(transfer, its_own_end_is_told, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, ends, NULL), 0);
}

typedef struct waiter {
    int port;
    bool done;
    sut_status status;
} waiter;

static sut_status wait_for_silence(sut_request *rq, void *arg)
{
    waiter *w = *(waiter **)arg;
    int code;
    w->status = get(rq, w->port, 0, &code);
    w->done = true;
    return 0;
}

static sut_status leaves(sut_request *rq, void *arg)
{
    int fd, code, port = silent_port(&fd);
    waiter w[8], *each;
    (void)arg;
    for (int i = 0; i < 8; i++) {
        w[i] = (waiter){.port = port};
        each = &w[i];
        cr_assert_eq(sut_background(rq, "waiter", wait_for_silence, &each, sizeof each, 50), 0);
    }
    for (int i = 0; i < 8; i++) {
        fix_until(rq, &w[i].done);
        cr_assert_eq(w[i].status, SUT_ERR_DEADLINE_EXCEEDED);
    }
    cr_assert_eq(get(rq, port, 20, &code), 0, "others go on");
    cr_assert_eq(code, CURLE_OPERATION_TIMEDOUT);
    close(fd);
    return 0;
}

Test(transfer, a_fiber_whose_deadline_passes_leaves_nothing, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, leaves, NULL), 0);
}

static sut_status bounded(sut_request *rq, void *arg)
{
    enum { COUNT = SUT_BACKGROUND_MAX };
    int fd, code, port = silent_port(&fd), left = COUNT;
    static waiter w[COUNT];
    _Static_assert(COUNT == SUT_TRANSFERS_MAX, "as many fibers as transfers");
    (void)arg;
    for (int i = 0; i < COUNT; i++) {
        w[i] = (waiter){.port = port};
        waiter *each = &w[i];
        cr_assert_eq(sut_background(rq, "waiter", wait_for_silence, &each, sizeof each, 1000), 0);
    }
    cr_assert_eq(sut_request_sleep_ms(rq, 0), 0); /* they begin */
    cr_assert_eq(get(rq, port, 1, &code), SUT_ERR_OVERLOADED);
    for (int i = 0; i < COUNT; i++, left--)
        fix_until(rq, &w[i].done);
    cr_assert_eq(left, 0);
    cr_assert_eq(get(rq, port, 20, &code), 0, "there is room again");
    close(fd);
    return 0;
}

Test(transfer, are_bounded, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, bounded, NULL), 0);
}
