/* The one asynchronous Redis client: a pipelined connection on a loop, which reconnects by itself. Commands are counted
 * strings, never formats, so that no value can become a command. Nothing is queued while Redis is away: a command is
 * refused at once, and the caller decides.
 *
 *     static void got(const sut_redis_reply *reply, void *arg) { … }
 *     sut_str argv[] = {SUT_STR("GET"), key};
 *     sut_status r = sut_redis_send(redis, &(sut_redis_request){.argv = argv, .argc = 2, .fn = got, .arg = me});
 *
 * One thread: that of its loop. SIGPIPE must be ignored (sut_program_start does it). Callbacks run in the loop, never
 * from inside sut_redis_send or sut_redis_eval; they may send, close and free. */
#ifndef SUT_REDIS_H
#define SUT_REDIS_H

#include "base/breaker.h"
#include "base/loop.h"
#include "base/str.h"

typedef struct sut_redis sut_redis;

/* Conditions of sut_redis_send and sut_redis_eval: the command was certainly not executed, its callback never comes. */
enum {
    SUT_REDIS_UNAVAILABLE = 1, /* not connected, closing, or the breaker is open */
    SUT_REDIS_OVERLOADED,      /* the bound on commands or bytes without an answer is reached */
    SUT_REDIS_EXPIRED,         /* the deadline is over already */
    SUT_REDIS_TOO_LARGE        /* more than max_command_bytes or SUT_REDIS_ARGS_MAX */
};
#define SUT_REDIS_ARGS_MAX 4096

/* What became of a command that was sent. */
typedef enum {
    SUT_REDIS_ANSWERED, /* `value` is Redis's answer, which may be of kind SUT_REDIS_ERROR */
    SUT_REDIS_TIMEOUT,  /* no answer within the deadline: it may have been executed, or will be */
    SUT_REDIS_LOST      /* the connection ended first: it may have been executed */
} sut_redis_outcome;

typedef enum {
    SUT_REDIS_NIL,
    SUT_REDIS_INT,    /* integer */
    SUT_REDIS_STRING, /* string: any bytes, with a NUL behind them */
    SUT_REDIS_STATUS, /* string, as "OK" */
    SUT_REDIS_ERROR,  /* string: Redis's text, "WRONGTYPE …"; may name keys, so not for logs that others read */
    SUT_REDIS_ARRAY   /* items, count */
} sut_redis_kind;

typedef struct sut_redis_value sut_redis_value;
struct sut_redis_value {
    sut_redis_kind kind;
    int64_t integer;
    sut_str string;
    const sut_redis_value *items;
    size_t count;
};

typedef struct sut_redis_reply {
    sut_redis_outcome outcome;
    sut_redis_value value; /* NIL unless SUT_REDIS_ANSWERED */
} sut_redis_reply;

/* The reply and all that it points to are borrowed: gone when the callback returns. Called exactly once for each
 * command that was accepted. */
typedef void (*sut_redis_fn)(const sut_redis_reply *reply, void *arg);

typedef enum {
    SUT_REDIS_CONNECTING, /* not connected yet, since the start */
    SUT_REDIS_READY,
    SUT_REDIS_DOWN,   /* away; tries again */
    SUT_REDIS_REFUSED /* reached, but it refuses us: wrong password or database. Tries again, slowly. */
} sut_redis_state;

typedef void (*sut_redis_state_fn)(sut_redis *r, sut_redis_state state, void *arg);

typedef struct sut_redis_options {
    const char *url;             /* redis://[[user]:password@]host[:port][/db], unix://[[user]:password@]/path[?db=N] */
    const char *name;            /* of its health item, and its name in CLIENT LIST; NULL: "redis" */
    bool required;               /* health: without it the process cannot do its main job */
    uint32_t timeout_ms;         /* of a command without a deadline of its own, and the most for any; 0: 3000 */
    uint32_t connect_ms;         /* for connecting and the handshake; 0: 2000 */
    uint32_t stall_ms;           /* a connection that owes answers and gives none for so long is dropped; 0: 2000 */
    uint32_t max_outstanding;    /* commands without an answer; 0: 4096 */
    uint32_t max_command_bytes;  /* one command on the wire; 0: 1 MiB. All outstanding together: 16 times that. */
    sut_breaker_options breaker; /* all zero: SUT_BREAKER_DEFAULTS */
    sut_redis_state_fn on_state; /* NULL, or called at each change, from the loop */
    void *on_state_arg;
} sut_redis_options;

/* Starts to connect and returns at once; strings of `opt` are copied. -EINVAL: the URL is wrong, and `error` has one
 * line that says what is right (never with the password). */
SUT_MUST_CHECK sut_status sut_redis_new(sut_redis **out, sut_loop *loop, const sut_redis_options *opt, char *error,
                                        size_t error_size);
/* Callbacks of what is outstanding come from within, as SUT_REDIS_LOST. Returns NULL; NULL is fine. */
sut_redis *sut_redis_free(sut_redis *r);
/* Takes no more commands, waits for the answers that are owed, at most wait_ms, and disconnects; then calls `done`
 * once, from the loop. After it only sut_redis_free. */
void sut_redis_close(sut_redis *r, uint32_t wait_ms, void (*done)(sut_redis *r, void *arg), void *arg);

sut_redis_state sut_redis_state_of(const sut_redis *r);
const char *sut_redis_state_name(sut_redis_state s);   /* "connecting", "ready", "down", "refused" */
const char *sut_redis_detail(const sut_redis *r);      /* why it is not ready, in words without secrets; "" if it is */
uint32_t sut_redis_retry_after_ms(const sut_redis *r); /* a guess for callers that were refused as unavailable */
size_t sut_redis_outstanding(const sut_redis *r);

typedef struct sut_redis_request {
    const sut_str *argv; /* command name first; copied before the call returns */
    size_t argc;
    uint64_t deadline_ns; /* monotonic; 0: now and timeout_ms */
    sut_redis_fn fn;      /* NULL: nobody wants to know */
    void *arg;
} sut_redis_request;

/* 0: sent, the callback will come. Positive: one of the conditions above. Negative: -ENOMEM, or -EINVAL for a command
 * that cannot be used on a shared connection (SUBSCRIBE and its like, MONITOR, AUTH, SELECT, HELLO, RESET, QUIT, WATCH,
 * MULTI, blocking ones …: use scripts). */
SUT_MUST_CHECK sut_status sut_redis_send(sut_redis *r, const sut_redis_request *rq);

/* A Lua script, run by its hash; its source travels only when Redis does not know it yet (after a restart, a flush). */
typedef struct sut_redis_script {
    const char *source;
    char sha1[41];
} sut_redis_script;
/* Static storage for both; once at start, then read-only and good for any client and thread. */
SUT_MUST_CHECK sut_status sut_redis_script_init(sut_redis_script *s, const char *source);
/* As sut_redis_send; argv holds the keys, then the other arguments. */
SUT_MUST_CHECK sut_status sut_redis_eval(sut_redis *r, const sut_redis_script *s, size_t key_count,
                                         const sut_redis_request *rq);

#endif
