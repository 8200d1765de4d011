/* HTTP requests from fibers, to a real server of Python's. */
#include "kit/http.h"

#include "fixture_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char s_server[] =
    "import http.server, sys, time\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    protocol_version = 'HTTP/1.1'\n"
    "    def log_message(self, *_): pass\n"
    "    def answer(self):\n"
    "        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))\n"
    "        path = self.path\n"
    "        if path == '/gone':\n"
    "            self.connection.close(); self.close_connection = True; return\n"
    "        if path == '/half':\n"
    "            self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf'); self.wfile.flush()\n"
    "            self.connection.shutdown(2); self.close_connection = True; return\n"
    "        if path == '/slow': time.sleep(30)\n"
    "        if path == '/large': out = b'x' * (2 << 20)\n"
    "        elif path == '/headers': out = '\\n'.join(f'{k}: {v}' for k, v in self.headers.items()).encode()\n"
    "        else: out = f'{self.command} {path} '.encode() + body\n"
    "        self.send_response(404 if path == '/missing' else 302 if path == '/elsewhere' else 200)\n"
    "        if path == '/elsewhere': self.send_header('Location', '/headers')\n"
    "        self.send_header('Content-Type', 'text/x-test'); self.send_header('Content-Length', str(len(out)))\n"
    "        self.end_headers()\n"
    "        try: self.wfile.write(out)\n"
    "        except OSError: pass\n"
    "    do_GET = do_POST = do_PUT = do_DELETE = answer\n"
    "http.server.ThreadingHTTPServer.handle_error = lambda *_: None\n"
    "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H); s.daemon_threads = True\n"
    "sys.stdout.write(f'{s.server_port}\\n'); sys.stdout.flush()\n"
    "s.serve_forever()\n";

typedef struct server {
    pid_t pid;
    int port;
} server;

static server server_start(void)
{
    int out[2];
    char line[16] = "";
    server s;
    cr_assert_eq(pipe(out), 0);
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        execl("/usr/bin/python3", "python3", "-c", s_server, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    for (size_t len = 0; !strchr(line, '\n') && len < sizeof(line) - 1;) { /* it may come in pieces */
        ssize_t n = read(out[0], line + len, sizeof(line) - 1 - len);
        cr_assert_gt(n, 0, "the server does not start");
        len += (size_t)n;
    }
    close(out[0]);
    s.port = atoi(line);
    return s;
}

static void server_stop(const server *s)
{
    kill(s->pid, SIGKILL);
    cr_assert_eq(waitpid(s->pid, NULL, 0), s->pid);
}

static const char *url_of(sut_request *rq, const server *s, const char *path)
{
    return sut_request_printf(rq, "http://127.0.0.1:%d%s", s->port, path).ptr;
}

static void run(sut_request_fn body)
{
    server s = server_start();
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    cr_assert_eq(sut_test_actor(&fix_options, body, &s), 0);
    server_stop(&s);
}

static sut_status exchanges(sut_request *rq, void *arg)
{
    const server *s = arg;
    sut_http_reply r;
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/a?b=c")}, &r), 0);
    cr_assert(r.status == 200 && sut_str_is(r.body, "GET /a?b=c ") && sut_str_is(r.content_type, "text/x-test"));
    sut_http_request post = {
        .method = "POST", .url = url_of(rq, s, "/p"), .content_type = "a/b", .body = SUT_STR("hello")};
    cr_assert_eq(sut_http(rq, &post, &r), 0);
    cr_assert(sut_str_is(r.body, "POST /p hello"), "%.*s", SUT_STR_FMT(r.body));
    post.method = "DELETE";
    post.body = SUT_STR("");
    cr_assert(sut_http(rq, &post, &r) == 0 && sut_str_is(r.body, "DELETE /p "));
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/missing")}, &r), 0);
    cr_assert_eq(r.status, 404, "an answer is no error");
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/elsewhere")}, &r), 0);
    cr_assert_eq(r.status, 302, "not followed");
    const sut_http_header headers[] = {{"X-One", SUT_STR("1")}, {"X-Two", SUT_STR("a b")}};
    sut_http_request with = {
        .url = url_of(rq, s, "/headers"), .headers = headers, .header_count = 2, .user = "neo", .password = "secret"};
    cr_assert_eq(sut_http(rq, &with, &r), 0);
    cr_assert(strstr(r.body.ptr, "X-One: 1\nX-Two: a b") &&
              strstr(r.body.ptr, "Authorization: Basic bmVvOnNlY3JldA=="));
    return 0;
}

Test(http, requests_and_answers, .timeout = 30)
{
    run(exchanges);
}

static sut_status refuses(sut_request *rq, void *arg)
{
    const server *s = arg;
    sut_http_reply r;
    const sut_http_header split = {"X-One", SUT_STR("1\r\nX-Two: 2")};
    const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "no url at all", ""};
    sut_http_request in = {.url = url_of(rq, s, "/"), .headers = &split, .header_count = 1};
    cr_assert_eq(sut_http(rq, &in, &r), SUT_ERR_INTERNAL);
    for (size_t i = 0; i < SUT_ARRAY_LEN(urls); i++) {
        int st = sut_http(rq, &(sut_http_request){.url = urls[i]}, &r);
        cr_assert(st == SUT_ERR_INTERNAL || st == SUT_ERR_UNAVAILABLE, "%s: %d", urls[i], st);
    }
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/large")}, &r), SUT_ERR_INTERNAL);
    in = (sut_http_request){.url = url_of(rq, s, "/large"), .max_reply = 2u << 20};
    cr_assert(sut_http(rq, &in, &r) == 0 && r.body.len == 2u << 20);
    return 0;
}

Test(http, what_cannot_be_asked_or_taken_is_refused, .timeout = 30)
{
    run(refuses);
}

static sut_status is_lost(sut_request *rq, void *arg)
{
    server *s = arg;
    sut_http_reply r;
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/gone")}, &r), SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/half")}, &r), SUT_ERR_OUTCOME_UNKNOWN);
    sut_http_request slow = {.url = url_of(rq, s, "/slow"), .timeout_ms = 100};
    cr_assert_eq(sut_http(rq, &slow, &r), SUT_ERR_DEADLINE_EXCEEDED);
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = "http://127.0.0.1:1/"}, &r), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = "http://no.such.host.invalid/"}, &r), SUT_ERR_UNAVAILABLE);
    server_stop(s); /* with a connection of ours kept */
    int st = sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/")}, &r);
    cr_assert_eq(st, SUT_ERR_UNAVAILABLE, "%d", st);
    *s = server_start();
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/")}, &r), 0);
    return 0;
}

Test(http, a_server_that_goes_is_told_apart, .timeout = 30)
{
    run(is_lost);
}

typedef struct asking {
    const server *s;
    int n;
} asking;

static sut_status ask(sut_request *rq, void *arg)
{
    const asking *a = arg;
    sut_http_reply r;
    sut_str path = sut_request_printf(rq, "/%d", a->n), want = sut_request_printf(rq, "GET /%d ", a->n);
    cr_assert_eq(sut_http(rq, &(sut_http_request){.url = url_of(rq, a->s, path.ptr)}, &r), 0);
    cr_assert(r.status == 200 && sut_str_eq(r.body, want));
    return 0;
}

static sut_status many(sut_request *rq, void *arg)
{
    asking a[200];
    for (int i = 0; i < 200; i++)
        a[i] = (asking){arg, i};
    fix_all(rq, ask, a, 200, sizeof(a[0]));
    return 0;
}

Test(http, many_at_once_each_get_their_own, .timeout = 60)
{
    run(many);
}

static sut_status cancelled(sut_request *rq, void *arg)
{
    const server *s = *(const server *const *)arg;
    sut_http_reply r;
    int st = sut_http(rq, &(sut_http_request){.url = url_of(rq, s, "/slow")}, &r);
    cr_assert(st == SUT_ERR_DEADLINE_EXCEEDED || st == SUT_ERR_UNAVAILABLE, "%d", st); /* before or after it was sent */
    return 0;
}

static sut_status cut_off(sut_request *rq, void *arg)
{
    cr_assert_eq(sut_background(rq, "cut", cancelled, &arg, sizeof(arg), 50), 0);
    cr_assert_eq(sut_request_sleep_ms(rq, 200), 0);
    asking a = {arg, 1};
    return ask(rq, &a);
}

Test(http, a_fiber_that_leaves_takes_its_transfer_with_it, .timeout = 30)
{
    run(cut_off);
}
