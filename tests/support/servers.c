/* Starts and stops the database servers of a test. */
#include "servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S_READY_MS 20000
#define S_ARGS_MAX 40

static _Noreturn void s_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "tests/support: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    abort();
}

static void s_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* ---- processes ---- */

static pid_t s_spawn(const char *log, const char *const *argv)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        s_die("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent)
        _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int in = open("/dev/null", O_RDONLY);
    if (fd < 0 || in < 0 || dup2(in, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    close_range(3, ~0U, 0); /* the test runner waits for the end of what it gave us */
    /* Debian's redis-tools holds the whole server: it does what its name says. */
    if (strcmp(argv[0], "redis-server") == 0 && access("/usr/bin/redis-server", X_OK) != 0)
        execv("/usr/bin/redis-check-rdb", (char *const *)(const void *)argv);
    execvp(argv[0], (char *const *)(const void *)argv);
    _exit(127);
}

static void s_run(const char *log, const char *const *argv, const char *what)
{
    int status = 0;
    pid_t pid = s_spawn(log, argv);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        s_die("%s failed: see %s", what, log);
}

static void s_reap(pid_t *pid, int signo)
{
    if (*pid <= 0)
        return;
    kill(*pid, signo);
    kill(*pid, SIGCONT);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}

static void s_make_dir(char *dir, size_t size, const char *prefix)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(dir, size, "%s/%s-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp", prefix);
    if (n < 0 || (size_t)n >= size || !mkdtemp(dir))
        s_die("no folder %s: %s", dir, strerror(errno));
}

static void s_remove_dir(const char *dir)
{
    const char *argv[] = {"rm", "-rf", dir, NULL};
    s_run("/dev/null", argv, "rm");
}

/* ---- PostgreSQL, which refuses to run as root ---- */

static const char *s_postgres_bin(const char *program, char *path, size_t size)
{
    for (int version = 20; version >= 13; version--) {
        snprintf(path, size, "/usr/lib/postgresql/%d/bin/%s", version, program);
        if (access(path, X_OK) == 0)
            return path;
    }
    return program;
}

static size_t s_as_postgres(const char **argv)
{
    if (geteuid() != 0)
        return 0;
    const char *prefix[] = {"setpriv",       "--reuid=postgres", "--regid=postgres",
                            "--init-groups", "--pdeathsig=QUIT", "--"};
    memcpy(argv, prefix, sizeof(prefix));
    return sizeof(prefix) / sizeof(prefix[0]);
}

static void s_give_to_postgres(const char *path)
{
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (geteuid() == 0 && (!pw || chown(path, pw->pw_uid, pw->pw_gid)))
        s_die("user postgres is needed to run PostgreSQL from root");
}

static void s_init_cluster(sut_test_postgres *p, const char *log)
{
    char initdb[128], data[128], password[128], pwfile[160];
    snprintf(password, sizeof(password), "%s/pw", p->dir);
    int fd = open(password, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, "secret\n", 7) != 7)
        s_die("%s: %s", password, strerror(errno));
    close(fd);
    s_give_to_postgres(password);
    snprintf(data, sizeof(data), "%s/data", p->dir);
    snprintf(pwfile, sizeof(pwfile), "--pwfile=%s", password);
    const char *argv[S_ARGS_MAX];
    size_t n = s_as_postgres(argv);
    const char *rest[] = {s_postgres_bin("initdb", initdb, sizeof(initdb)),
                          "-D",
                          data,
                          "-U",
                          "sut",
                          "-A",
                          "scram-sha-256",
                          pwfile,
                          "--no-sync",
                          "-E",
                          "UTF8",
                          "--locale=C",
                          NULL};
    memcpy(argv + n, rest, sizeof(rest));
    s_run(log, argv, "initdb");
}

void sut_test_postgres_again(sut_test_postgres *p)
{
    char postgres[128], data[128], log[128], sockets[160], listen[64], port[32];
    snprintf(data, sizeof(data), "%s/data", p->dir);
    snprintf(log, sizeof(log), "%s/log", p->dir);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", p->dir);
    snprintf(listen, sizeof(listen), "listen_addresses=%s", p->port ? "localhost" : "");
    snprintf(port, sizeof(port), "port=%d", p->port ? p->port : 5432);
    const char *argv[S_ARGS_MAX];
    size_t n = s_as_postgres(argv);
    const char *rest[] = {s_postgres_bin("postgres", postgres, sizeof(postgres)),
                          "-D",
                          data,
                          "-c",
                          sockets,
                          "-c",
                          listen,
                          "-c",
                          port,
                          "-c",
                          "fsync=off",
                          "-c",
                          "shared_buffers=16MB",
                          "-c",
                          "deadlock_timeout=100ms",
                          "-c",
                          "max_connections=60",
                          NULL};
    memcpy(argv + n, rest, sizeof(rest));
    p->pid = s_spawn(log, argv);
    for (int waited = 0; PQping(p->url) != PQPING_OK; waited += 5) {
        if (waited > S_READY_MS || waitpid(p->pid, NULL, WNOHANG) == p->pid)
            s_die("PostgreSQL did not start: see %s", log);
        s_pause();
    }
}

void sut_test_postgres_start(sut_test_postgres *p)
{
    char log[128];
    *p = (sut_test_postgres){0};
    s_make_dir(p->dir, sizeof(p->dir), "sut-pg");
    s_give_to_postgres(p->dir);
    snprintf(log, sizeof(log), "%s/log", p->dir);
    close(open(log, O_WRONLY | O_CREAT, 0644));
    s_init_cluster(p, log);
    snprintf(p->url, sizeof(p->url), "postgresql://sut:secret@/postgres?host=%s", p->dir);
    sut_test_postgres_again(p);
    sut_test_postgres_sql(p, "CREATE DATABASE sut");
    snprintf(p->url, sizeof(p->url), "postgresql://sut:secret@/sut?host=%s", p->dir);
    snprintf(p->wrong_url, sizeof(p->wrong_url), "postgresql://sut:wrong@/sut?host=%s", p->dir);
}

int sut_test_postgres_port(sut_test_postgres *p)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)&any, sizeof(any)) ||
        getsockname(fd, (struct sockaddr *)(void *)&any, &len))
        s_die("no free port: %s", strerror(errno));
    close(fd);
    sut_test_postgres_stop(p);
    p->port = ntohs(any.sin_port);
    snprintf(p->url, sizeof(p->url), "postgresql://sut:secret@/sut?host=%s&port=%d", p->dir, p->port);
    sut_test_postgres_again(p);
    return p->port;
}

void sut_test_postgres_stop(sut_test_postgres *p)
{
    s_reap(&p->pid, SIGINT);
}

void sut_test_postgres_signal(sut_test_postgres *p, int signo)
{
    char command[80];
    snprintf(command, sizeof(command), "pkill -%d -P %ld || true", signo, (long)p->pid); /* its children, by its id */
    const char *argv[] = {"sh", "-c", command, NULL};
    s_run("/dev/null", argv, "signalling the backends");
    kill(p->pid, signo);
    if (signo == SIGKILL)
        s_reap(&p->pid, SIGKILL);
}

void sut_test_postgres_remove(sut_test_postgres *p)
{
    s_reap(&p->pid, SIGQUIT);
    if (p->dir[0])
        s_remove_dir(p->dir);
    p->dir[0] = 0;
}

const char *sut_test_postgres_sql(sut_test_postgres *p, const char *sql)
{
    static char value[512];
    value[0] = 0;
    PGconn *c = PQconnectdb(p->url);
    PGresult *r = PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
        s_die("%s: %s", sql, PQerrorMessage(c));
    if (PQntuples(r) > 0 && PQnfields(r) > 0)
        snprintf(value, sizeof(value), "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    PQfinish(c);
    return value;
}

/* ---- Redis ---- */

static bool s_redis_answers(const sut_test_redis *r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", r->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[8] = "";
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)(void *)&address, sizeof(address)) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, answer, sizeof(answer)) >= 5 && memcmp(answer, "+PONG", 5) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

void sut_test_redis_again(sut_test_redis *r)
{
    char socket_path[80], log[80];
    snprintf(socket_path, sizeof(socket_path), "%s/s", r->dir);
    snprintf(log, sizeof(log), "%s/log", r->dir);
    const char *argv[] = {"redis-server", "--port", "0",           "--unixsocket", socket_path, "--save", "",
                          "--dir",        r->dir,   "--daemonize", "no",           NULL};
    r->pid = s_spawn(log, argv);
    for (int waited = 0; !s_redis_answers(r); waited += 5) {
        if (waited > S_READY_MS || waitpid(r->pid, NULL, WNOHANG) == r->pid)
            s_die("Redis did not start: see %s", log);
        s_pause();
    }
}

void sut_test_redis_start(sut_test_redis *r)
{
    *r = (sut_test_redis){0};
    s_make_dir(r->dir, sizeof(r->dir), "sut-redis");
    snprintf(r->url, sizeof(r->url), "unix://%s/s", r->dir);
    sut_test_redis_again(r);
}

void sut_test_redis_stop(sut_test_redis *r)
{
    s_reap(&r->pid, SIGTERM);
}

void sut_test_redis_remove(sut_test_redis *r)
{
    s_reap(&r->pid, SIGKILL);
    if (r->dir[0])
        s_remove_dir(r->dir);
    r->dir[0] = 0;
}

/* ---- Neo4j, from Maven's libraries ---- */

#define S_NEO4J_READY_MS 120000

static int s_any_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || getsockname(fd, (struct sockaddr *)&address, &size))
        s_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

/* The folder of its libraries; false: it cannot be had here. */
static bool s_neo4j_libraries(char *out, size_t size)
{
    FILE *setup = popen(SUT_SOURCE_DIR "/tests/support/servers/neo4j/setup", "r");
    if (!setup || !fgets(out, (int)size, setup))
        *out = 0;
    int status = setup ? pclose(setup) : -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 69) {
        const char *all = getenv("SUT_TEST_REQUIRE_ALL");
        if (all && strcmp(all, "1") == 0)
            s_die("Neo4j is needed: SUT_TEST_REQUIRE_ALL");
        return false;
    }
    if (status || !*out)
        s_die("Neo4j's set-up failed");
    out[strcspn(out, "\n")] = 0;
    return true;
}

static void s_write_conf(const sut_test_neo4j *n, int port)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/neo4j.conf", n->dir);
    FILE *f = fopen(path, "w");
    if (!f)
        s_die("%s: %s", path, strerror(errno));
    fprintf(f,
            "dbms.security.auth_enabled=false\nserver.http.listen_address=127.0.0.1:%d\nserver.bolt.enabled=false\n"
            "server.memory.heap.initial_size=256m\nserver.memory.heap.max_size=512m\n"
            "server.memory.pagecache.size=64m\ndbms.usage_report.enabled=false\n",
            port);
    fclose(f);
}

static bool s_neo4j_answers(int port)
{
    static const char ask[] =
        "POST /db/neo4j/tx/commit HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 42"
        "\r\n\r\n{\"statements\":[{\"statement\":\"RETURN 42\"}]}";
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char reply[2048];
    size_t len = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(ask) - 1)
        for (ssize_t n; len < sizeof(reply) - 1 && (n = read(fd, reply + len, sizeof(reply) - 1 - len)) > 0;)
            len += (size_t)n;
    if (fd >= 0)
        close(fd);
    reply[len] = 0;
    return strstr(reply, "\"row\":[42]") != NULL;
}

bool sut_test_neo4j_start(sut_test_neo4j *n)
{
    char lib[256], classes[264], home[96], conf[96], log[96];
    *n = (sut_test_neo4j){0};
    if (!s_neo4j_libraries(lib, sizeof(lib)))
        return false;
    int port = s_any_port(), waited = 0;
    s_make_dir(n->dir, sizeof(n->dir), "sut-neo4j");
    s_write_conf(n, port);
    snprintf(n->url, sizeof(n->url), "http://127.0.0.1:%d", port);
    snprintf(classes, sizeof(classes), "%s/lib/*", lib);
    snprintf(home, sizeof(home), "--home-dir=%s", n->dir);
    snprintf(conf, sizeof(conf), "--config-dir=%s", n->dir);
    snprintf(log, sizeof(log), "%s/log", n->dir);
    const char *argv[] = {"setpriv",  "--pdeathsig=KILL",
                          "--",       "java",
                          "-Xmx512m", "-cp",
                          classes,    "org.neo4j.server.CommunityEntryPoint",
                          home,       conf,
                          NULL};
    n->pid = s_spawn(log, argv);
    for (; !s_neo4j_answers(port); waited += 5, s_pause())
        if (waited > S_NEO4J_READY_MS || waitpid(n->pid, NULL, WNOHANG) == n->pid)
            s_die("Neo4j does not start: see %s", log);
    return true;
}

void sut_test_neo4j_remove(sut_test_neo4j *n)
{
    s_reap(&n->pid, SIGKILL);
    if (n->dir[0])
        s_remove_dir(n->dir);
    n->dir[0] = 0;
}
