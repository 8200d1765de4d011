/* Where a Redis is and how to log in, from its URL. Private to redis. */
#ifndef SUT_REDIS_URL_H
#define SUT_REDIS_URL_H

#include "base/str.h"

#define REDIS_HOST_MAX   253
#define REDIS_PATH_MAX   107 /* of sockaddr_un */
#define REDIS_SECRET_MAX 512

typedef struct redis_url {
    char host[REDIS_HOST_MAX + 1]; /* empty for a Unix socket */
    char path[REDIS_PATH_MAX + 1];
    int port, db;
    char user[128]; /* empty: none */
    char password[REDIS_SECRET_MAX + 1];
} redis_url;

/* On failure -EINVAL and one line in `error` that says what is wrong, without the password. */
SUT_MUST_CHECK sut_status redis_url_parse(redis_url *u, const char *text, char *error, size_t error_size);
/* host:port or the socket's path, for logs. */
void redis_url_where(const redis_url *u, char *out, size_t size);

#endif
