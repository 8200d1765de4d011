/* The broker's process and directory. */
#include "bus.h"
#include "peer.h"

#include "wire/record.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENV_MAX 32

extern char **environ;

typedef struct bus_env {
    char text[ENV_MAX][256];
    char *list[ENV_MAX + 1];
    size_t count;
} bus_env;

uint64_t bus_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void bus_nap(void)
{
    nanosleep(&(struct timespec){0, 2000000}, NULL);
}

static void env_set(bus_env *e, const char *pair)
{
    const size_t name = strcspn(pair, "=") + 1;
    size_t i = 0;

    while (i < e->count && strncmp(e->text[i], pair, name) != 0)
        i++;
    cr_assert_lt(i, (size_t)ENV_MAX);
    snprintf(e->text[i], sizeof e->text[i], "%s", pair);
    e->list[i] = e->text[i];
    if (i == e->count)
        e->list[++e->count] = NULL;
}

static void env_setf(bus_env *e, const char *format, ...)
{
    char pair[256];
    va_list args;

    va_start(args, format);
    vsnprintf(pair, sizeof pair, format, args);
    va_end(args);
    env_set(e, pair);
}

static void env_of(bus *b, bus_env *e)
{
    static const char *const inherited[] = {"PATH",         "ASAN_OPTIONS",      "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                            "LSAN_OPTIONS", "LLVM_PROFILE_FILE", "DEBUG"};

    *e = (bus_env){0};
    for (size_t i = 0; i < SUT_ARRAY_LEN(inherited); i++)
        if (getenv(inherited[i]))
            env_setf(e, "%s=%s", inherited[i], getenv(inherited[i]));
    env_setf(e, "SUT_BROKER_IPC=%s", b->ipc);
    env_setf(e, "SUT_BROKER_TCP=%s", b->tcp);
    env_setf(e, "SUT_ACL_FILE=%s/acl", b->dir);
    env_setf(e, "SUT_KEYS_DIR=%s/keys", b->dir);
    env_setf(e, "SUT_LIMITS_FILE=%s", b->limits);
    env_setf(e, "SUT_JOURNAL_DIR=%s/journal", b->dir);
    if (b->silent_ms)
        env_setf(e, "SUT_BROKER_SILENT_MS=%d", b->silent_ms);
}

/* The child's side: only calls that are safe after fork. It dies with the test, also when that crashes or fails. */
_Noreturn static void become(const char *path, char *const *argv, char *const *env, const char *log)
{
    sigset_t none;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    sigemptyset(&none);
    if (fd >= 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2 && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
        execve(path, argv, env);
    _exit(127);
}

static pid_t spawn(bus *b, const char *program, char *const *argv, bus_env *env, const char *output)
{
    char path[512], log[128];
    pid_t pid;

    snprintf(path, sizeof path, "%s/%s", SUT_BIN_DIR, program);
    snprintf(log, sizeof log, "%s/%s", b->dir, output);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        become(path, argv, env->list, log);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        cr_assert_eq(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int bus_key(bus *b, ...)
{
    static char program[] = "sut", command[] = "key";
    char *argv[16] = {program, command};
    bus_env env;
    va_list args;
    size_t n = 2;

    va_start(args, b);
    while ((argv[n] = va_arg(args, char *)))
        cr_assert_lt(++n, SUT_ARRAY_LEN(argv) - 1);
    va_end(args);
    env_of(b, &env);
    return wait_for(spawn(b, "sut", argv, &env, "key.log"));
}

void bus_make(bus *b)
{
    *b = (bus){0};
    snprintf(b->dir, sizeof b->dir, "%s/sut-bus-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    cr_assert_not_null(mkdtemp(b->dir));
    snprintf(b->ipc, sizeof b->ipc, "ipc://%s/s/bus", b->dir);
    b->zmq = zmq_ctx_new();
    cr_assert_not_null(b->zmq);
    cr_assert_eq(bus_key(b, "new", "operator", "--role", "operator", NULL), 0);
    cr_assert_eq(bus_key(b, "new", "edge", "--role", "edge", NULL), 0);
    cr_assert_eq(bus_key(b, "new", "tool", "--role", "tool", NULL), 0);
    cr_assert_eq(bus_key(b, "new", "echo", "--role", "actor", NULL), 0);
}

void bus_start(bus *b)
{
    static char program[] = "sut-broker";
    char *argv[] = {program, NULL};
    char log[96];
    bus_env env;

    env_of(b, &env);
    snprintf(log, sizeof log, "%s/log", b->dir);
    (void)unlink(log); /* of an earlier start */
    b->pid = spawn(b, "sut-broker", argv, &env, "log");
    WAIT_UNTIL(waitpid(b->pid, NULL, WNOHANG) == 0 && bus_logged(b, "event=ready"));
}

int bus_try(bus *b, const char *const *env_pairs, char *said, size_t said_size)
{
    static char program[] = "sut-broker";
    char *argv[] = {program, NULL}, *text;
    bus_env env;
    pid_t pid;
    int code;

    env_of(b, &env);
    for (; env_pairs && *env_pairs; env_pairs++)
        env_set(&env, *env_pairs);
    pid = spawn(b, "sut-broker", argv, &env, "try");
    code = wait_for(pid);
    text = bus_read(b, "try");
    snprintf(said, said_size, "%s", text);
    free(text);
    return code;
}

int bus_wait(bus *b)
{
    const pid_t pid = b->pid;

    b->pid = 0;
    return wait_for(pid);
}

int bus_stop(bus *b, int signal_number)
{
    kill(b->pid, signal_number);
    return bus_wait(b);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void bus_free(bus *b)
{
    if (b->pid)
        bus_stop(b, SIGKILL);
    zmq_ctx_term(b->zmq);
    nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *bus_read(bus *b, const char *name)
{
    char path[192], *text = calloc(1, 1 << 20);
    FILE *f;

    cr_assert_not_null(text);
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    f = fopen(path, "r");
    if (f) {
        (void)!fread(text, 1, (1 << 20) - 1, f);
        fclose(f);
    }
    return text;
}

bool bus_logged(bus *b, const char *text)
{
    char *log = bus_read(b, "log");
    const bool found = strstr(log, text) != NULL;

    free(log);
    return found;
}

void bus_write_limits(bus *b, const char *text)
{
    FILE *f;

    snprintf(b->limits, sizeof b->limits, "%s/limits", b->dir);
    f = fopen(b->limits, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

void bus_use_tcp(bus *b)
{
    cr_assert_eq(bus_key(b, "broker", NULL), 0);
    snprintf(b->tcp, sizeof b->tcp, "tcp://127.0.0.1:%d", free_port());
}

long bus_resident_kib(const bus *b)
{
    char path[64];
    long pages = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)b->pid);
    f = fopen(path, "r");
    cr_assert_not_null(f);
    cr_assert_eq(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

json_t *bus_status(bus *b)
{
    peer operator;
    sut_envelope env;
    sut_buf text;
    json_t *root;

    peer_join(&operator, b, "operator", NULL, 0);
    peer_call(&operator, "broker.status", 5000, SUT_STR_NONE);
    peer_expect(&operator, SUT_REPLY, &env);
    sut_buf_init(&text, 0);
    cr_assert_eq(sut_msgpack_to_json(env.body, &text), 0);
    root = json_loadb((const char *)text.data, text.len, 0, NULL);
    cr_assert_not_null(root);
    sut_buf_deinit(&text);
    peer_close(&operator);
    return root;
}

long long bus_number(bus *b, const char *path)
{
    json_t *root = bus_status(b), *at = root;
    char copy[128], *save = NULL;
    long long value;

    snprintf(copy, sizeof copy, "%s", path);
    for (char *word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save))
        at = json_object_get(at, word);
    value = json_integer_value(at);
    json_decref(root);
    return value;
}

void bus_wait_number(bus *b, const char *path, long long at_least)
{
    WAIT_UNTIL(bus_number(b, path) >= at_least);
}
