/* Parses redis:// and unix:// URLs (RFC 3986 syntax, percent-encoding in user, password and path). */
#include "url.h"

#include <errno.h>
#include <stdio.h>

#define FORM "it must be redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]"

/* Decodes %XX into `out` with a NUL; false for a bad escape, a NUL, or more than size - 1 bytes. */
static bool decode(sut_str in, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            if (in.len - i < 3 || !sut_unhex((sut_str){in.ptr + i + 1, 2}, &c, 1))
                return false;
            i += 2;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* Cuts what is before the first `mark` off the front of *rest; false, and *rest unchanged, if there is none. */
static bool cut_front(sut_str *rest, char mark, sut_str *front)
{
    const char *at = rest->len ? memchr(rest->ptr, mark, rest->len) : NULL;
    if (!at)
        return false;
    *front = (sut_str){rest->ptr, (size_t)(at - rest->ptr)};
    *rest = (sut_str){at + 1, rest->len - front->len - 1};
    return true;
}

static const char *parse_login(redis_url *u, sut_str *rest)
{
    sut_str login, user;
    if (!cut_front(rest, '@', &login))
        return NULL;
    if (!cut_front(&login, ':', &user))
        return "a login needs a colon, as in user:password@ or :password@";
    if (!decode(user, u->user, sizeof u->user) || !decode(login, u->password, sizeof u->password))
        return "the login has a wrong percent-escape or is too long; write @ : / ? in it as %40 %3A %2F %3F";
    if (!u->password[0])
        return "the password is empty";
    return NULL;
}

static const char *parse_db(redis_url *u, sut_str text)
{
    int64_t db;
    if (!sut_parse_i64(text, 0, 65535, &db) || text.ptr[0] == '+')
        return "the database must be a number from 0 to 65535";
    u->db = (int)db;
    return NULL;
}

static const char *parse_port(redis_url *u, sut_str text)
{
    int64_t port;
    if (!sut_parse_i64(text, 1, 65535, &port) || text.ptr[0] == '+')
        return "the port must be a number from 1 to 65535";
    u->port = (int)port;
    return NULL;
}

static const char *parse_tcp(redis_url *u, sut_str rest)
{
    const char *fault = parse_login(u, &rest);
    if (fault)
        return fault;
    sut_str host = rest, tail = SUT_STR_NONE;
    if (cut_front(&rest, '/', &host))
        tail = rest;
    if (tail.len && (fault = parse_db(u, tail)))
        return fault;
    sut_str port = SUT_STR_NONE;
    if (host.len && host.ptr[0] == '[') { /* IPv6 */
        sut_str after = {host.ptr + 1, host.len - 1};
        if (!cut_front(&after, ']', &host) || (after.len && after.ptr[0] != ':'))
            return FORM;
        if (after.len)
            port = (sut_str){after.ptr + 1, after.len - 1};
    } else {
        sut_str name = host;
        if (cut_front(&name, ':', &host))
            port = name;
    }
    if (port.ptr && (fault = parse_port(u, port)))
        return fault;
    if (host.len == 0 || host.len > REDIS_HOST_MAX || !decode(host, u->host, sizeof u->host))
        return FORM;
    return NULL;
}

static const char *parse_unix(redis_url *u, sut_str rest)
{
    sut_str path = rest, query = SUT_STR_NONE;
    if (rest.len == 0 || rest.ptr[0] != '/') { /* a path may hold an '@', so a login is looked for only before it */
        const char *fault = parse_login(u, &rest);
        if (fault)
            return fault;
        path = rest;
    }
    if (cut_front(&rest, '?', &path))
        query = rest;
    if (query.ptr) {
        if (query.len < 3 || memcmp(query.ptr, "db=", 3) != 0)
            return FORM;
        const char *fault = parse_db(u, (sut_str){query.ptr + 3, query.len - 3});
        if (fault)
            return fault;
    }
    if (path.len < 2 || path.ptr[0] != '/')
        return "the socket's path must be absolute: unix:///run/redis.sock";
    if (!decode(path, u->path, sizeof u->path))
        return "the socket's path is longer than 107 bytes or has a wrong percent-escape";
    return NULL;
}

sut_status redis_url_parse(redis_url *u, const char *text, char *error, size_t error_size)
{
    const char *fault = FORM;
    *u = (redis_url){.port = 6379};
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F) {
            (void)snprintf(error, error_size, "the Redis URL holds a blank or control character");
            return -EINVAL;
        }
    if (strncmp(text, "redis://", 8) == 0)
        fault = parse_tcp(u, sut_str_from(text + 8));
    else if (strncmp(text, "unix://", 7) == 0)
        fault = parse_unix(u, sut_str_from(text + 7));
    else if (strncmp(text, "rediss://", 9) == 0)
        fault = "TLS (rediss://) is not supported by this hiredis; use a tunnel or unix://";
    if (!fault)
        return 0;
    explicit_bzero(u, sizeof *u);
    (void)snprintf(error, error_size, "the Redis URL is wrong: %s", fault);
    return -EINVAL;
}

void redis_url_where(const redis_url *u, char *out, size_t size)
{
    if (u->path[0])
        (void)snprintf(out, size, "%s", u->path);
    else
        (void)snprintf(out, size, strchr(u->host, ':') ? "[%s]:%d" : "%s:%d", u->host, u->port);
}
