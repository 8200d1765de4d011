/* The fake broker of this folder's tests. */
#include "fake_broker.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

const sut_str fake_body = {"\x81\xa1x\x01", 4};

/* RFC 27 (ZAP): the password decides. */
static void *answer_zap(void *arg)
{
    fake_broker *f = arg;
    for (;;) {
        char part[8][256];
        size_t len[8] = {0};
        int parts = 0, more = 1;
        size_t size = sizeof more;
        while (more && parts < 8) {
            int n = zmq_recv(f->zap, part[parts], sizeof part[0], 0);
            if (n < 0)
                return NULL;
            len[parts++] = (size_t)n;
            zmq_getsockopt(f->zap, ZMQ_RCVMORE, &more, &size);
        }
        bool good = parts == 8 && len[7] == 6 && memcmp(part[7], "secret", 6) == 0;
        zmq_send(f->zap, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(f->zap, part[1], len[1], ZMQ_SNDMORE);
        zmq_send(f->zap, good ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(f->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(f->zap, good ? part[6] : "", good ? len[6] : 0, ZMQ_SNDMORE);
        zmq_send(f->zap, "", 0, 0);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, 0600), 0);
}

void fake_start(fake_broker *f)
{
    *f = (fake_broker){.ping_after_ms = 10000};
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/sut-client-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(f->dir));
    snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/b", f->dir);
    snprintf(f->secret_file, sizeof f->secret_file, "%s/secret", f->dir);
    snprintf(f->wrong_file, sizeof f->wrong_file, "%s/wrong", f->dir);
    write_file(f->secret_file, "secret\n");
    write_file(f->wrong_file, "wrong\n");
    f->ctx = zmq_ctx_new();
    f->zap = zmq_socket(f->ctx, ZMQ_REP);
    cr_assert_eq(zmq_bind(f->zap, "inproc://zeromq.zap.01"), 0);
    pthread_create(&f->zap_thread, NULL, answer_zap, f);
    fake_return(f);
}

void fake_return(fake_broker *f)
{
    int one = 1, none = 0, wait = FAKE_WAIT_MS;
    f->router = zmq_socket(f->ctx, ZMQ_ROUTER);
    zmq_setsockopt(f->router, ZMQ_PLAIN_SERVER, &one, sizeof one);
    zmq_setsockopt(f->router, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    zmq_setsockopt(f->router, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(f->router, ZMQ_RCVTIMEO, &wait, sizeof wait);
    int rc;
    for (int i = 0; (rc = zmq_bind(f->router, f->endpoint)) != 0 && errno == EADDRINUSE && i < 1000; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* libzmq closes the old one in its own time */
    cr_assert_eq(rc, 0, "%s", zmq_strerror(errno));
}

void fake_crash(fake_broker *f)
{
    zmq_close(f->router);
    f->router = NULL;
    free(f->frame);
    f->frame = NULL;
    f->frame_len = f->frame_pos = 0;
}

void fake_stop(fake_broker *f)
{
    if (f->router)
        fake_crash(f);
    zmq_ctx_shutdown(f->ctx);
    pthread_join(f->zap_thread, NULL);
    int none = 0;
    zmq_setsockopt(f->zap, ZMQ_LINGER, &none, sizeof none);
    zmq_close(f->zap);
    zmq_ctx_term(f->ctx);
    unlink(f->secret_file);
    unlink(f->wrong_file);
    unlink(f->endpoint + 6);
    rmdir(f->dir);
}

sut_client *fake_client(fake_broker *f, struct sut_loop *loop, uint32_t queue_max)
{
    sut_client *c;
    char error[256] = "";
    sut_client_options opt = {.endpoint = f->endpoint,
                              .name = "tester",
                              .secret_file = f->secret_file,
                              .instance = "t1",
                              .loop = loop,
                              .queue_max = queue_max};
    cr_assert_eq(sut_client_new(&c, &opt, error, sizeof error), 0, "%s", error);
    return c;
}

static bool next_frame(fake_broker *f, int ms)
{
    zmq_pollitem_t item = {.socket = f->router, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, ms) <= 0)
        return false;
    int n = zmq_recv(f->router, f->peer, sizeof f->peer, 0);
    cr_assert_gt(n, 0);
    f->peer_len = (size_t)n;
    zmq_msg_t m;
    zmq_msg_init(&m);
    cr_assert_geq(zmq_msg_recv(&m, f->router, 0), 0);
    cr_assert_not(zmq_msg_more(&m));
    free(f->frame);
    f->frame_len = zmq_msg_size(&m);
    f->frame_pos = 0;
    f->frame = malloc(f->frame_len + 1);
    memcpy(f->frame, zmq_msg_data(&m), f->frame_len);
    zmq_msg_close(&m);
    f->frames++;
    return true;
}

bool fake_poll(fake_broker *f, int ms, sut_envelope *out)
{
    uint64_t until = sut_now_ns() + (uint64_t)ms * SUT_NS_PER_MS;
    for (;;) {
        uint64_t now = sut_now_ns();
        int left = now < until ? (int)((until - now) / SUT_NS_PER_MS) : 0;
        if (f->frame_pos >= f->frame_len && !next_frame(f, left))
            return false;
        size_t used;
        cr_assert_eq(sut_envelope_decode(f->frame + f->frame_pos, f->frame_len - f->frame_pos, out, &used), SUT_ENV_OK);
        f->frame_pos += used;
        if (out->kind != SUT_PING)
            return true;
        if (!f->mute)
            fake_send(f, &(sut_envelope){.kind = SUT_PONG, .id = out->id});
    }
}

sut_envelope fake_expect(fake_broker *f, sut_kind kind)
{
    sut_envelope env;
    cr_assert(fake_poll(f, FAKE_WAIT_MS, &env), "nothing came; kind %d was expected", (int)kind);
    cr_assert_eq(env.kind, kind, "kind %d came, %d was expected", env.kind, (int)kind);
    return env;
}

void fake_send_raw(fake_broker *f, const void *bytes, size_t len)
{
    cr_assert_geq(zmq_send(f->router, f->peer, f->peer_len, ZMQ_SNDMORE), 0);
    cr_assert_geq(zmq_send(f->router, bytes, len, 0), 0);
}

void fake_send(fake_broker *f, const sut_envelope *env)
{
    sut_envelope e = *env;
    sut_buf b;
    sut_buf_init(&b, 0);
    e.version = SUT_PROTOCOL_VERSION;
    if (!e.subject.ptr)
        e.subject = SUT_STR("");
    cr_assert_eq(sut_envelope_encode(&b, &e), 0);
    fake_send_raw(f, b.data, b.len);
    sut_buf_deinit(&b);
}

sut_envelope fake_accept(fake_broker *f)
{
    sut_envelope hello = fake_expect(f, SUT_HELLO);
    char body[] = "\x81\xadping_after_ms\xcd\0\0";
    body[16] = (char)(f->ping_after_ms >> 8);
    body[17] = (char)f->ping_after_ms;
    fake_send(f, &(sut_envelope){.kind = SUT_WELCOME, .id = hello.id, .opt.session = 7, .body = {body, 18}});
    return hello;
}

void fake_reply(fake_broker *f, uint64_t id, const char *text)
{
    char body[64] = "\x81\xa1r";
    size_t len = strlen(text);
    body[3] = (char)(0xa0 | len);
    memcpy(body + 4, text, len);
    fake_send(f, &(sut_envelope){.kind = SUT_REPLY, .id = id, .opt.attempt = 1, .body = {body, 4 + len}});
}

void fake_error(fake_broker *f, uint64_t id, const char *code, const char *message)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    sut_error_body e = {.code = sut_str_from(code), .message = sut_str_from(message)};
    cr_assert_eq(sut_error_body_encode(&b, &e), 0);
    fake_send(f, &(sut_envelope){.kind = SUT_ERROR_REPLY, .id = id, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

void fake_published(fake_broker *f, uint64_t id, uint64_t sequence, bool duplicate)
{
    fake_send(f, &(sut_envelope){.kind = SUT_PUBLISHED,
                                 .id = id,
                                 .opt = {.sequence = sequence, .dedup = SUT_DEDUP_WINDOW, .duplicate = duplicate}});
}

void fake_call(fake_broker *f, uint64_t id, const char *subject, uint32_t attempt)
{
    fake_send(f, &(sut_envelope){.kind = SUT_CALL,
                                 .id = id,
                                 .subject = sut_str_from(subject),
                                 .ttl_ms = 5000,
                                 .opt.attempt = attempt,
                                 .body = fake_body});
}

static void keep(char *to, size_t size, sut_str s)
{
    size_t len = s.len < size - 1 ? s.len : size - 1;
    if (len)
        memcpy(to, s.ptr, len);
    to[len] = '\0';
}

void fake_on_result(void *arg, const sut_result *r)
{
    fake_results *all = arg;
    pthread_mutex_lock(&all->lock);
    if (all->count < 64) {
        all->err[all->count] = r->err;
        keep(all->body[all->count], sizeof all->body[0], r->body);
        keep(all->code[all->count], sizeof all->code[0], r->code);
    }
    all->by_err[r->err < 80 ? r->err : 79]++;
    all->count++;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

void fake_wait_results(fake_results *r, unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    pthread_mutex_lock(&r->lock);
    while (r->count < count)
        cr_assert_eq(pthread_cond_timedwait(&r->changed, &r->lock, &until), 0, "%u of %u results came", r->count,
                     count);
    pthread_mutex_unlock(&r->lock);
}

sut_call fake_a_call(uint32_t timeout_ms, bool idempotent)
{
    return (sut_call){
        .subject = SUT_STR("echo.say"), .body = fake_body, .timeout_ms = timeout_ms, .idempotent = idempotent};
}
