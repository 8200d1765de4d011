/* What the files of the Redis client share. Private to redis.
 *
 *   client.c   life of the client: connect, handshake, back off, close; what it tells to health and log
 *   link.c     one connection: hiredis's hooks on our loop
 *   command.c  commands: bounds, deadlines, answers, scripts
 *   reply.c    hiredis's replies as ours */
#ifndef SUT_REDIS_CLIENT_H
#define SUT_REDIS_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "redis/redis.h"
#include "resolve.h"
#include "url.h"

#include <hiredis/async.h>

/* One command that waits for its answer. Belongs to its client's list until hiredis has called back for it, also when
 * its caller has been told of a timeout before. */
typedef struct redis_op {
    sut_node node;
    sut_redis *client;
    sut_timer deadline;
    sut_redis_fn fn; /* NULL: the caller has been told, or does not want to know */
    void *arg;
    size_t bytes;                   /* on the wire, for the bound */
    bool judged;                    /* counts for the breaker */
    const sut_redis_script *script; /* not NULL: EVALSHA that goes out again as EVAL if Redis does not know it */
    size_t rest_len, rest_count;    /* what follows the hash on the wire */
    uint8_t rest[];
} redis_op;

struct sut_redis {
    sut_loop *loop;
    sut_redis_options opt; /* url and name not to be used: see below */
    redis_url url;
    char name[48], where[160];

    sut_redis_state state;
    char detail[128];
    bool closing, close_pending;
    bool busy;  /* calls into hiredis or callbacks are on the stack */
    bool freed; /* sut_redis_free was called from inside one of them */

    /* the connection */
    redisAsyncContext *link;
    bool established; /* the socket is connected; not yet the handshake */
    bool dying;       /* it has failed, and its commands are being called back */
    bool writing, unflushed;
    bool broken;        /* to be dropped as soon as hiredis is not on the stack */
    char drop_why[128]; /* why we end it ourselves; empty: hiredis knows */
    sut_watch watch;
    sut_hook flush;
    resolver resolver;
    sut_timer retry; /* the next attempt, or the end of this one */
    sut_timer tick;  /* while ready: pings, stalls */
    uint32_t backoff_ms;
    uint64_t seed;
    bool refused_us;
    uint64_t heard_ns; /* when Redis last answered, or began to owe an answer */

    /* commands */
    sut_node ops;
    size_t op_count, op_bytes, max_bytes;
    sut_buf scratch;
    sut_arena *arena; /* of the reply being delivered */
    sut_breaker breaker;
    uint32_t breaker_retry_ms;

    void (*done)(sut_redis *r, void *arg);
    void *done_arg;
    sut_timer close_timer;
};

/* client.c: around everything that may call back, so that a callback may free the client. redis_leave takes what
 * redis_enter returned; the outermost one frees. */
bool redis_enter(sut_redis *r);
void redis_leave(sut_redis *r, bool outer);
void redis_link_gone(sut_redis *r, const char *why); /* link.c says: the connection is over, or never came about */
void redis_link_up(sut_redis *r);                    /* link.c says: connected, now the handshake */
void redis_breaker_changed(sut_redis *r);

/* link.c */
SUT_MUST_CHECK sut_status redis_link_open(sut_redis *r, const char *address); /* NULL: the URL's Unix socket */
void redis_link_drop(sut_redis *r, const char *why);                          /* at once; what is outstanding is LOST */
bool redis_link_flush(sut_redis *r);                                          /* true if the link was lost by it */

/* command.c */
SUT_MUST_CHECK sut_status redis_send_raw(sut_redis *r, const sut_redis_request *rq, bool judged);
void redis_ping(sut_redis *r);
void redis_judge(sut_redis *r, bool failed);

/* reply.c: false if it does not fit the arena. */
bool redis_reply_convert(sut_arena *a, const redisReply *in, sut_redis_value *out);

#endif
