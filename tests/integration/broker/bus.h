/* A broker of the test's own: its directory, keys and limits, its process, and what it says of itself. Every function
 * fails the test by itself when it cannot do what it says. */
#ifndef SUT_TEST_BUS_H
#define SUT_TEST_BUS_H

#include "base/str.h"

#include <jansson.h>
#include <sys/types.h>

typedef struct bus {
    char dir[64];
    char ipc[96], tcp[64]; /* endpoints; tcp "" until bus_use_tcp */
    char limits[96];       /* "" or the path of the limits file */
    int silent_ms;         /* 0: the broker's default */
    pid_t pid;             /* 0: not running */
    void *zmq;
} bus;

/* Makes directory and keys: `operator`, `edge` (call >), `tool` (call >), and the actor `echo`, which serves echo.*. */
void bus_make(bus *b);
void bus_start(bus *b);                  /* starts it and waits until it listens */
int bus_stop(bus *b, int signal_number); /* signals, waits, and returns the exit code, or -signal */
int bus_wait(bus *b);                    /* waits for its end; as bus_stop */
void bus_free(bus *b);                   /* kills it if it runs, and removes the directory */

/* Starts one that is expected not to start: returns its exit code; what it wrote on standard error is in `said`. `env`:
 * NAME=VALUE to add or replace, NULL-terminated. */
int bus_try(bus *b, const char *const *env, char *said, size_t said_size);

int bus_key(bus *b, ...) __attribute__((sentinel)); /* runs `sut key …` with these arguments; its exit code */
void bus_write_limits(bus *b, const char *text);
void bus_use_tcp(bus *b);                 /* makes the broker's certificate and picks a free port */
char *bus_read(bus *b, const char *name); /* a file of the directory, or "" ; free() it */
bool bus_logged(bus *b, const char *text);
long bus_resident_kib(const bus *b);

/* Calls broker.status as the operator. json_decref it. */
json_t *bus_status(bus *b);
/* A number of broker.status by its path, e.g. "refused.call"; 0 if it is not there. */
long long bus_number(bus *b, const char *path);
void bus_wait_number(bus *b, const char *path, long long at_least);

/* Tries until it holds, at most 10 s; then fails the test. */
#define WAIT_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        const uint64_t wait_end_ = bus_now_ms() + 10000;                                                               \
        while (!(condition)) {                                                                                         \
            cr_assert_lt(bus_now_ms(), wait_end_, "gave up waiting for " #condition);                                  \
            bus_nap();                                                                                                 \
        }                                                                                                              \
    } while (0)
uint64_t bus_now_ms(void);
void bus_nap(void); /* 2 ms */

#endif
