/* A relay of bytes on a thread of its own. */
#include "held_commit_test.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAIRS_MAX 32

typedef struct pair {
    int client, server;
    bool held;
} pair;

static int unix_socket(const char *dir, struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(to->sun_path, sizeof(to->sun_path), "%s/.s.PGSQL.5432", dir);
    return fd;
}

static void drop(pair *p)
{
    close(p->client);
    close(p->server);
    *p = (pair){-1, -1, false};
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void accept_one(const held_commit *h, pair *pairs)
{
    struct sockaddr_un to;
    int client = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = unix_socket(h->server_dir, &to);
    for (int i = 0; i < PAIRS_MAX; i++) {
        if (pairs[i].client >= 0)
            continue;
        if (connect(server, (struct sockaddr *)&to, sizeof(to)) == 0) {
            pairs[i] = (pair){client, server, false};
            return;
        }
        break;
    }
    close(client);
    close(server);
}

static void forward(const held_commit *h, pair *p, bool from_client)
{
    char bytes[16384];
    ssize_t n = recv(from_client ? p->client : p->server, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        drop(p);
        return;
    }
    if (from_client && *h->armed && memmem(bytes, (size_t)n, "sut_commit", 10))
        p->held = true;
    if (!from_client && p->held)
        return;
    if (!send_all(from_client ? p->server : p->client, bytes, (size_t)n))
        drop(p);
}

static void *run(void *arg)
{
    held_commit *h = arg;
    pair pairs[PAIRS_MAX];
    struct pollfd fds[2 + 2 * PAIRS_MAX];
    for (int i = 0; i < PAIRS_MAX; i++)
        pairs[i] = (pair){-1, -1, false};
    for (;;) {
        fds[0] = (struct pollfd){.fd = h->wake[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = h->listener, .events = POLLIN};
        for (int i = 0; i < PAIRS_MAX; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = pairs[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = pairs[i].server, .events = POLLIN};
        }
        if (poll(fds, 2 + 2 * PAIRS_MAX, -1) < 0 || fds[0].revents)
            break;
        for (int i = 0; i < PAIRS_MAX; i++) {
            if (fds[2 + 2 * i].revents)
                forward(h, &pairs[i], true);
            if (pairs[i].client >= 0 && fds[3 + 2 * i].revents)
                forward(h, &pairs[i], false);
        }
        if (fds[1].revents)
            accept_one(h, pairs);
    }
    for (int i = 0; i < PAIRS_MAX; i++)
        if (pairs[i].client >= 0)
            drop(&pairs[i]);
    return NULL;
}

void held_commit_start(held_commit *h, const char *server_dir, _Atomic bool *armed)
{
    struct sockaddr_un at;
    h->server_dir = server_dir;
    h->armed = armed;
    snprintf(h->dir, sizeof(h->dir), "/tmp/sut-held-XXXXXX");
    cr_assert_not_null(mkdtemp(h->dir));
    snprintf(h->url, sizeof(h->url), "postgresql://sut:secret@/sut?host=%s", h->dir);
    h->listener = unix_socket(h->dir, &at);
    cr_assert_eq(bind(h->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(h->listener, 16), 0);
    cr_assert_eq(pipe(h->wake), 0);
    cr_assert_eq(pthread_create(&h->thread, NULL, run, h), 0);
}

void held_commit_stop(held_commit *h)
{
    char path[128];
    cr_assert_eq(write(h->wake[1], "x", 1), 1);
    pthread_join(h->thread, NULL);
    close(h->listener);
    close(h->wake[0]);
    close(h->wake[1]);
    snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", h->dir);
    (void)unlink(path);
    (void)rmdir(h->dir);
}
