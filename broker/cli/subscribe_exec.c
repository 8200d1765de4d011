/* Gives an event to a command. */
#include "subscribe.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRESS_NS SUT_NS_PER_S

extern char **environ;

typedef struct child {
    pid_t pid;
    int in, err; /* our ends; -1: closed */
    const char *input;
    size_t left;
    char *said; /* the beginning of its standard error */
    size_t said_len, said_size;
} child;

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Signals that we block for ourselves must reach it. */
static int spawn(const char *command, int in, int err, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    int failed = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return -failed;
}

static int start(const char *command, child *c)
{
    int in[2], err[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) != 0) {
        int failed = -errno;
        close(in[0]);
        close(in[1]);
        return failed;
    }
    int failed = spawn(command, in[0], err[1], &c->pid);
    close(in[0]);
    close(err[1]);
    c->in = in[1];
    c->err = err[0];
    if (failed == 0 && fcntl(c->in, F_SETFL, O_NONBLOCK) != 0)
        failed = -errno;
    return failed;
}

static void feed(child *c)
{
    ssize_t n = write(c->in, c->input, c->left);
    if (n > 0) {
        c->input += n;
        c->left -= (size_t)n;
    }
    if (c->left == 0 || (n < 0 && errno != EAGAIN)) /* one that does not read all may be right all the same */
        close_end(&c->in);
}

static void listen_to(child *c)
{
    char rest[4096];
    size_t room = c->said_size - 1 - c->said_len;
    ssize_t n = read(c->err, room ? c->said + c->said_len : rest, room ? room : sizeof rest);
    if (n <= 0)
        close_end(&c->err);
    else if (room)
        c->said_len += (size_t)n;
}

static void serve(child *c, sut_delivery *d)
{
    uint64_t told = sut_now_ns();
    while (c->in >= 0 || c->err >= 0) {
        struct pollfd p[2] = {{.fd = c->in, .events = POLLOUT}, {.fd = c->err, .events = POLLIN}};
        (void)poll(p, 2, 200);
        if (p[0].revents)
            feed(c);
        if (p[1].revents)
            listen_to(c);
        if (sut_now_ns() - told > PROGRESS_NS) {
            sut_delivery_progress(d);
            told = sut_now_ns();
        }
    }
}

/* It may have closed its standard error and work on. */
static int reap(child *c, sut_delivery *d)
{
    int status;
    for (unsigned turn = 1;; turn++) {
        pid_t pid = waitpid(c->pid, &status, WNOHANG);
        if (pid == c->pid)
            return status;
        if (pid < 0 && errno != EINTR)
            return -1;
        (void)poll(NULL, 0, turn < 20 ? 1 : 50);
        if (turn % 20 == 0)
            sut_delivery_progress(d);
    }
}

int cli_exec_event(const char *command, const char *input, sut_delivery *d, char *error, size_t error_size)
{
    child c = {.input = input, .left = strlen(input), .in = -1, .err = -1, .said = error, .said_size = error_size};
    int failed = start(command, &c);
    if (failed) {
        close_end(&c.in);
        close_end(&c.err);
        return failed;
    }
    serve(&c, d);
    int status = reap(&c, d);
    error[c.said_len] = '\0';
    error[strcspn(error, "\r\n")] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (!*error && WIFSIGNALED(status))
        snprintf(error, error_size, "the command was ended by signal %d", WTERMSIG(status));
    else if (!*error)
        snprintf(error, error_size, "the command exited with %d", WEXITSTATUS(status));
    return 1;
}
