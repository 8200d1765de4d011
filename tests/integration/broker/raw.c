/* ZMTP 3.0/3.1 with PLAIN by hand: greeting, HELLO, INITIATE, frames (rfc.zeromq.org/spec/37 and /24). */
#include "raw.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 };

int raw_connect(const bus *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", b->ipc + strlen("ipc://"));
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_frame(int fd, uint8_t flags, const void *bytes, size_t len)
{
    uint8_t head[9];
    size_t size = 2;

    head[0] = flags;
    head[1] = (uint8_t)len;
    if (len > 255) {
        head[0] |= FLAG_LONG;
        for (size_t i = 0; i < 8; i++)
            head[1 + i] = (uint8_t)(len >> (56 - 8 * i));
        size = 9;
    }
    return send_all(fd, head, size) && send_all(fd, bytes, len);
}

bool raw_frame(int fd, const void *bytes, size_t len, bool more)
{
    return send_frame(fd, more ? FLAG_MORE : 0, bytes, len);
}

static void read_exactly(int fd, void *out, size_t len)
{
    char *at = out;

    while (len) {
        const ssize_t n = recv(fd, at, len, 0);

        cr_assert_gt(n, 0);
        at += n;
        len -= (size_t)n;
    }
}

/* Reads one command and checks its name. */
static void expect_command(int fd, const char *name)
{
    uint8_t head[2], body[256];

    read_exactly(fd, head, sizeof head);
    cr_assert_eq(head[0], FLAG_COMMAND);
    read_exactly(fd, body, head[1]);
    cr_assert_eq(body[0], strlen(name));
    cr_assert_eq(memcmp(body + 1, name, strlen(name)), 0);
}

void raw_handshake(int fd, bus *b, const char *name)
{
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'P', 'L', 'A', 'I', 'N'}, theirs[64];
    static const char initiate[] = "\x08INITIATE\x0bSocket-Type\0\0\0\x06"
                                   "DEALER";
    char file[96], *secret, hello[256];
    int len;

    snprintf(file, sizeof file, "keys/%s.secret", name);
    secret = bus_read(b, file);
    secret[strcspn(secret, "\n")] = '\0';
    cr_assert(send_all(fd, greeting, sizeof greeting));
    read_exactly(fd, theirs, sizeof theirs);
    len = snprintf(hello, sizeof hello, "\x05HELLO%c%s%c%s", (char)strlen(name), name, (char)strlen(secret), secret);
    free(secret);
    cr_assert(send_frame(fd, FLAG_COMMAND, hello, (size_t)len));
    expect_command(fd, "WELCOME");
    cr_assert(send_frame(fd, FLAG_COMMAND, initiate, sizeof initiate - 1));
    expect_command(fd, "READY");
}

bool raw_closed(int fd)
{
    char sink[4096];
    ssize_t n;

    while ((n = recv(fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}
