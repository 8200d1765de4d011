/* Name look-up in a detached thread. The thread owns its job and the pipe's writing end; when nobody reads any more,
 * its write fails and it ends all the same. */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct answer {
    char address[RESOLVED_SIZE]; /* empty: not found */
    char why[128];
} answer;

typedef struct job {
    int fd;
    char host[];
} job;

bool resolve_is_numeric(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static void look_up(const char *host, answer *a)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);
    if (!r)
        r = getnameinfo(list->ai_addr, list->ai_addrlen, a->address, sizeof a->address, NULL, 0, NI_NUMERICHOST);
    if (r) {
        a->address[0] = '\0';
        (void)snprintf(a->why, sizeof a->why, "the host name cannot be resolved: %s", gai_strerror(r));
    }
    if (list)
        freeaddrinfo(list);
}

static void *resolve_main(void *arg)
{
    job *j = arg;
    answer a = {0};
    look_up(j->host, &a);
    ssize_t n;
    do
        n = write(j->fd, &a, sizeof a); /* less than PIPE_BUF: whole or not at all */
    while (n < 0 && errno == EINTR);
    (void)close(j->fd);
    free(j);
    return NULL;
}

/* All signals stay with the threads that ask for them. */
static bool start_thread(job *j)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr))
        return false;
    (void)sigfillset(&all);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = 0 == pthread_create(&thread, &attr, resolve_main, j);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return started;
}

static void resolved(sut_watch *w, unsigned events, void *arg)
{
    (void)events;
    resolver *r = arg;
    answer a;
    ssize_t n = read(w->fd, &a, sizeof a);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    resolver_stop(r);
    if (n != (ssize_t)sizeof a)
        r->fn(NULL, "the host name cannot be resolved", r->arg);
    else if (a.address[0])
        r->fn(a.address, NULL, r->arg);
    else
        r->fn(NULL, a.why, r->arg);
}

sut_status resolver_start(resolver *r, sut_loop *loop, const char *host, resolve_fn fn, void *arg)
{
    int fds[2];
    size_t size = strlen(host) + 1;
    if (r->fd >= 0)
        return -EALREADY;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return SUT_TRACE(-errno, "pipe2");
    job *j = malloc(sizeof *j + size);
    sut_status st = j ? sut_watch_start(loop, &r->watch, fds[0], EPOLLIN, resolved, r) : -ENOMEM;
    if (!st) {
        r->fd = fds[0];
        r->fn = fn;
        r->arg = arg;
        j->fd = fds[1];
        memcpy(j->host, host, size);
        if (start_thread(j))
            return 0; // NOLINT(clang-analyzer-unix.Malloc): j is the thread's
        st = -EAGAIN;
        sut_watch_stop(&r->watch);
        r->fd = -1;
    }
    free(j);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return SUT_TRACE(st, "resolver");
}

void resolver_stop(resolver *r)
{
    if (r->fd < 0)
        return;
    sut_watch_stop(&r->watch);
    (void)close(r->fd);
    r->fd = -1;
}
