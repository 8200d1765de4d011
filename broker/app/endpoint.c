/* The ipc path. libzmq unlinks whatever is at the path before it binds, so it would silently take the peers of a living
 * broker away: a lock file beside the socket and a trial connection guard against that. */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define IPC "ipc://"
#define TCP "tcp://"

/* errno → the exit code: what cannot be written is a matter of the disk, anything else of the configuration. */
static int exit_code(int error)
{
    return error == EACCES || error == EROFS || error == ENOSPC || error == EIO || error == EPERM ? SUT_EXIT_IO
                                                                                                  : SUT_EXIT_CONFIG;
}

static int check_dir(const char *path, char *error, size_t error_size)
{
    char dir[sizeof((struct sockaddr_un *)0)->sun_path];
    const char *slash = strrchr(path, '/');
    struct stat st;

    snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        snprintf(error, error_size, "SUT_BROKER_IPC: cannot make the directory %s: %s", dir, strerror(errno));
        return exit_code(errno);
    }
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(error, error_size, "SUT_BROKER_IPC: %s is not a directory", dir);
        return SUT_EXIT_CONFIG;
    }
    if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO))) {
        snprintf(error, error_size, "SUT_BROKER_IPC: the directory %s must be ours and have mode 0700", dir);
        return SUT_EXIT_CONFIG;
    }
    if (access(dir, W_OK | X_OK) != 0) {
        snprintf(error, error_size, "SUT_BROKER_IPC: cannot write to the directory %s: %s", dir, strerror(errno));
        return SUT_EXIT_IO;
    }
    return 0;
}

static int take_lock(sut_endpoint_lock *lock, const char *path, char *error, size_t error_size)
{
    char name[sizeof((struct sockaddr_un *)0)->sun_path + 8];

    snprintf(name, sizeof name, "%s.lock", path);
    lock->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock->fd < 0) {
        snprintf(error, error_size, "SUT_BROKER_IPC: cannot write %s: %s", name, strerror(errno));
        return exit_code(errno);
    }
    lock->held = true;
    if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    snprintf(error, error_size, "SUT_BROKER_IPC: %s is served by another broker", path);
    return SUT_EXIT_UNAVAILABLE;
}

/* Somebody listens there who does not know our lock. */
static bool answered(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive;

    if (fd < 0)
        return false;
    alive = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN;
    close(fd);
    return alive;
}

static int clear_path(const struct sockaddr_un *address, char *error, size_t error_size)
{
    const char *path = address->sun_path;
    struct stat st;

    if (lstat(path, &st) != 0)
        return 0; /* binding will tell of anything but ENOENT */
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error, error_size, "SUT_BROKER_IPC: %s exists and is not a socket", path);
        return SUT_EXIT_CONFIG;
    }
    if (answered(address)) {
        snprintf(error, error_size, "SUT_BROKER_IPC: %s is served by another process", path);
        return SUT_EXIT_UNAVAILABLE;
    }
    if (unlink(path) != 0) {
        snprintf(error, error_size, "SUT_BROKER_IPC: cannot remove the old socket %s: %s", path, strerror(errno));
        return SUT_EXIT_IO;
    }
    return 0;
}

int sut_endpoint_take(sut_endpoint_lock *lock, const char *endpoint, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen(IPC);
    int code;

    *lock = (sut_endpoint_lock){.fd = -1};
    if (strncmp(endpoint, IPC, strlen(IPC)) != 0 || path[0] != '/') {
        snprintf(error, error_size, "SUT_BROKER_IPC: must be ipc:// and an absolute path, not `%.80s`", endpoint);
        return SUT_EXIT_CONFIG;
    }
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(error, error_size, "SUT_BROKER_IPC: the path is longer than %zu bytes", sizeof address.sun_path - 1);
        return SUT_EXIT_CONFIG;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    code = check_dir(path, error, error_size);
    if (code == 0)
        code = take_lock(lock, path, error, error_size);
    return code ? code : clear_path(&address, error, error_size);
}

/* The lock file stays: removing it would let two brokers lock two files of the same name. */
void sut_endpoint_release(sut_endpoint_lock *lock)
{
    if (lock->held)
        close(lock->fd);
    lock->held = false;
}

int sut_endpoint_check_tcp(const char *endpoint, char *error, size_t error_size)
{
    const char *colon = strrchr(endpoint, ':');
    bool ok = strncmp(endpoint, TCP, strlen(TCP)) == 0 && colon > endpoint + strlen(TCP) && colon[1];

    for (const char *c = colon + 1; ok && *c; c++)
        ok = *c >= '0' && *c <= '9';
    if (ok)
        return 0;
    snprintf(error, error_size, "SUT_BROKER_TCP: must be tcp://HOST:PORT, not `%.80s`", endpoint);
    return SUT_EXIT_CONFIG;
}
