/* Real PostgreSQL, Redis and Neo4j servers of a test's own: private folder, Unix socket only (Neo4j: a port of
 * 127.0.0.1), gone with the test. Starting
 * returns when the server answers; whatever goes wrong aborts the test with a line on standard error. */
#ifndef SUT_TEST_SERVERS_H
#define SUT_TEST_SERVERS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct sut_test_postgres {
    char dir[64];
    char url[160];       /* postgresql://sut:secret@/sut?host=DIR */
    char wrong_url[160]; /* the same with a wrong password */
    pid_t pid;
    int port; /* 0: only the socket */
} sut_test_postgres;

/* A new cluster with scram passwords, user and database `sut`. As root it runs as user postgres. */
void sut_test_postgres_start(sut_test_postgres *p);
/* Starts the same cluster again after a stop or a kill. */
void sut_test_postgres_again(sut_test_postgres *p);
void sut_test_postgres_stop(sut_test_postgres *p);              /* fast shutdown; keeps the data */
void sut_test_postgres_signal(sut_test_postgres *p, int signo); /* the postmaster and all its backends */
void sut_test_postgres_remove(sut_test_postgres *p);            /* stops it, removes the folder */
/* Also on 127.0.0.1 and ::1, at a free port: restarts it. */
int sut_test_postgres_port(sut_test_postgres *p);
/* Runs SQL over a connection of its own; the first value of the result in a static buffer, "" if none. */
const char *sut_test_postgres_sql(sut_test_postgres *p, const char *sql);

typedef struct sut_test_redis {
    char dir[64];
    char url[96]; /* unix://DIR/s */
    pid_t pid;
} sut_test_redis;

void sut_test_redis_start(sut_test_redis *r);
void sut_test_redis_again(sut_test_redis *r);
void sut_test_redis_stop(sut_test_redis *r);
void sut_test_redis_remove(sut_test_redis *r);

typedef struct sut_test_neo4j {
    char dir[64];
    char url[64]; /* http://127.0.0.1:PORT; it asks for no password */
    pid_t pid;
} sut_test_neo4j;

/* False: this machine has no Maven or Java, which is said on standard error, and which SUT_TEST_REQUIRE_ALL=1 makes an
 * abort. Takes some seconds and 400 MB: one a suite. */
bool sut_test_neo4j_start(sut_test_neo4j *n);
void sut_test_neo4j_remove(sut_test_neo4j *n);

#endif
