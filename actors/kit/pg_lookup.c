/* getaddrinfo on a worker thread. */
#include "pg_lookup.h"

#include "kit/work.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

typedef struct s_job {
    char host[SUT_PG_HOST_SIZE], address[SUT_PG_ADDRESS_SIZE];
    int error;
} s_job;

bool sut_pg_is_name(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return host && host[0] && host[0] != '/' && host[0] != '@' && !strchr(host, ',') &&
           inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
}

static void s_look_up(void *arg)
{
    s_job *job = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    job->error = getaddrinfo(job->host, NULL, &hints, &found);
    if (job->error == 0)
        job->error =
            getnameinfo(found->ai_addr, found->ai_addrlen, job->address, sizeof(job->address), NULL, 0, NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
}

sut_status sut_pg_lookup(sut_request *rq, const char *host, char address[SUT_PG_ADDRESS_SIZE])
{
    s_job job = {0};
    if (strlen(host) >= sizeof(job.host))
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "the host's name is too long");
    memcpy(job.host, host, strlen(host) + 1);
    sut_status st = sut_work(rq, s_look_up, &job, sizeof(job));
    if (st)
        return st;
    if (job.error)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "host %s: %s", host, gai_strerror(job.error));
    memcpy(address, job.address, sizeof(job.address));
    return 0;
}
