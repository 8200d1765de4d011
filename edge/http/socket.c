/* Walks /proc/self/fd: a handful of system calls, on paths that are not hot (a deadline passed, a connection refused).
 */
#include "socket.h"

#include "base/clock.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_BYTES (64u << 10)
#define LINGER_MS    500

static bool listens_on(int fd, uint16_t port)
{
    struct sockaddr_in local = {0};
    socklen_t len = sizeof(local), size = sizeof(int);
    int listening = 0;
    return getsockname(fd, (struct sockaddr *)&local, &len) == 0 && len == sizeof(local) &&
           local.sin_family == AF_INET && ntohs(local.sin_port) == port &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int find_listener(uint16_t port)
{
    DIR *dir = opendir("/proc/self/fd");
    int found = -1;
    for (const struct dirent *e; dir && found < 0 && (e = readdir(dir));) {
        char *end;
        long fd = strtol(e->d_name, &end, 10);
        if (end != e->d_name && *end == '\0' && listens_on((int)fd, port))
            found = (int)fd;
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

bool sut_socket_stop_listening(uint16_t port)
{
    int fd = find_listener(port);
    if (fd < 0)
        return false;
    /* shutdown makes the kernel refuse connections from now on and wakes civetweb's accept loop; the descriptor that it
     * goes on polling becomes one that is never ready, or that loop would spin */
    (void)shutdown(fd, SHUT_RDWR);
    int quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (quiet >= 0) {
        (void)dup2(quiet, fd);
        (void)close(quiet);
    }
    return true;
}

uint64_t sut_socket_bytes_read(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    int unread = 0;
    memset(&info, 0, sizeof(info));
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received) ||
        ioctl(fd, SIOCINQ, &unread) != 0 || unread < 0)
        return 0;
    return (uint64_t)info.tcpi_bytes_received - (uint64_t)unread;
}

void sut_socket_linger(int fd)
{
    (void)shutdown(fd, SHUT_WR);
    const uint64_t end = sut_now_ns() + LINGER_MS * SUT_NS_PER_MS;
    char scrap[4096];
    for (size_t taken = 0; taken < LINGER_BYTES;) {
        uint64_t now = sut_now_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)((end - now) / SUT_NS_PER_MS) + 1) <= 0)
            return;
        ssize_t n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
        if (n <= 0)
            return;
        taken += (size_t)n;
    }
}
