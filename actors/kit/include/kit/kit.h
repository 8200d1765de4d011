/* The actor runtime: one process, one event loop, one fiber a request. A handler is straight-line C:
 *
 *     sut_status note_get(sut_request *rq, const note_get_in *in, note_get_out *out);
 *
 * It looks blocking and is not: every store call, bus call and piece of heavy work parks its fiber, and the loop runs
 * others meanwhile. So: hold no lock and keep no thread-local pointer across a call that takes `rq`, never call
 * anything that blocks the thread (use kit/work.h), and remember that other requests run between two such calls.
 *
 * What a handler returns: 0, and `*out` is the reply (all that it points to may live in the request's arena, in static
 * storage or in a store's result); or an error number above 0 (a sut_err, or the domain's own from its generated enum),
 * best made by sut_fail. Every function of the kit that takes `rq` and returns a sut_status returns such a number, with
 * message and retry-after already set, so that a handler may just return it. Negative is a fault of ours: logged,
 * answered as `internal` without details.
 *
 * A handler runs only if the call was decoded, validated and allowed (level, self, FRIEND, service-only) and its
 * deadline had not passed. */
#ifndef SUT_KIT_H
#define SUT_KIT_H

#include "base/arena.h"
#include "base/config.h"
#include "wire/envelope.h"
#include "wire/schema.h"
#include "wire/service.h"

struct sut_pg_migrations;
struct sut_saga;
typedef struct sut_projection sut_projection; /* kit/projection.h */

/* sut_request (wire/service.h): one call being served, or one run of a background function (kit/task.h). It lives until
 * its function returns, and belongs to the loop's thread. */

/* ---- what the request carries ---- */

/* Who the call is for. Never NULL; user_id 0: nobody. */
const sut_principal *sut_request_principal(const sut_request *rq);
static inline int64_t sut_request_user_id(const sut_request *rq)
{
    return sut_request_principal(rq)->user_id;
}
/* "note.get", or the background function's name. */
const char *sut_request_name(const sut_request *rq);
const sut_method *sut_request_method(const sut_request *rq); /* NULL in a background function */
uint64_t sut_request_deadline_ns(const sut_request *rq);     /* monotonic; SUT_NEVER: none */
uint32_t sut_request_remaining_ms(const sut_request *rq);    /* 0: passed */
/* W3C traceparent of this call, and the 32 hex digits of its trace id. */
const char *sut_request_traceparent(const sut_request *rq);
const char *sut_request_trace_id(const sut_request *rq);
sut_str sut_request_idempotency_key(const sut_request *rq); /* absent: ptr NULL */
uint32_t sut_request_attempt(const sut_request *rq);        /* above 1: an earlier one may have been executed */
/* The caller is gone or asked for an end. Parking functions then return SUT_ERR_CANCELLED, unless the request has a
 * transaction open, which runs on. */
bool sut_request_cancelled(const sut_request *rq);

/* ---- memory: zeroed, freed when the request ends, bounded by SUT_REQUEST_MEMORY ---- */

sut_arena *sut_request_arena(sut_request *rq);
void *sut_request_alloc(sut_request *rq, size_t bytes); /* NULL past the bound: return SUT_ERR_INTERNAL or -ENOMEM */
#define SUT_REQUEST_NEW(rq, type) ((type *)sut_request_alloc((rq), sizeof(type)))
/* Copy with a NUL behind it; ptr NULL past the bound. */
sut_str sut_request_str(sut_request *rq, sut_str s);
sut_str sut_request_printf(sut_request *rq, const char *fmt, ...) SUT_PRINTF(2, 3);

/* ---- errors: `return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such note.");` ---- */

/* Sets the message that the caller will see (no secrets, no internals) and returns `err`. */
sut_status sut_fail(sut_request *rq, int err, const char *fmt, ...) SUT_PRINTF(3, 4);
/* The same with retry_after_ms. */
sut_status sut_fail_retry(sut_request *rq, int err, uint32_t retry_after_ms, const char *fmt, ...) SUT_PRINTF(4, 5);
/* Adds an entry to errors[] (at most 16) and returns SUT_ERR_INVALID. `pointer` as in "/email"; `code` must be static.
 */
sut_status sut_fail_field(sut_request *rq, const char *pointer, const char *code, const char *fmt, ...)
    SUT_PRINTF(4, 5);
/* As sut_fail_field, but returns `err` (for example a domain's email_taken that points at "/email"). */
sut_status sut_fail_field_as(sut_request *rq, int err, const char *pointer, const char *code, const char *fmt, ...)
    SUT_PRINTF(5, 6);
/* A fault of ours: the words go to the log with the trace id; the caller gets `internal` without them. */
sut_status sut_fail_internal(sut_request *rq, const char *fmt, ...) SUT_PRINTF(2, 3);
/* Forgets message, retry-after and field errors, for a handler that goes on after a failed call. */
void sut_request_clear_error(sut_request *rq);

/* ---- time ---- */

/* Parks the fiber. 0, SUT_ERR_DEADLINE_EXCEEDED or SUT_ERR_CANCELLED. */
SUT_MUST_CHECK sut_status sut_request_sleep_ms(sut_request *rq, uint32_t ms);

/* ---- the program ---- */

typedef sut_status (*sut_request_fn)(sut_request *rq, void *arg);
/* Is `other_id` a friend of `user_id`? Sets *is_friend; returns 0 or an error number. */
typedef sut_status (*sut_friend_fn)(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend);

typedef struct sut_periodic { /* kit/task.h says how they run */
    const char *name;         /* "auth.pending_sweeper": for logs and metrics */
    sut_request_fn fn;
    void *arg;
    uint32_t every_ms;   /* from the end of one run to the start of the next, with up to a tenth of jitter */
    uint32_t timeout_ms; /* deadline of one run; 0: 30,000 */
} sut_periodic;

typedef struct sut_actor_options {
    const char *name;                 /* the service: "note" (program sut-note, methods note.*) */
    const char *summary;              /* one line for --help */
    const sut_service_entry *entries; /* gen/note_service.h: note_service_entries */
    size_t entry_count;
    const sut_consumer_entry *consumers; /* note_consumer_entries: the events that it takes (kit/event.h) */
    size_t consumer_count;
    const sut_projection *projections; /* copies of what others own, that can be built anew */
    size_t projection_count;

    const sut_setting *settings; /* the actor's own, besides the common ones */
    size_t setting_count;
    void *settings_out; /* filled before on_start */
    size_t settings_size;

    const char *database_setting; /* "NOTE_DATABASE_URL"; NULL: no PostgreSQL */
    const struct sut_pg_migrations *migrations;
    const char *redis_setting; /* "REDIS_URL"; NULL: no Redis */

    sut_request_fn on_start; /* may be NULL; a fiber, run once when the stores are up and migrated, before serving. Not
                                0: the process says so and exits. */
    void *on_start_arg;
    void (*on_reload)(void); /* may be NULL: called in the loop at each SIGHUP, after on_start; must not block long */
    const sut_periodic *periodics;
    size_t periodic_count;
    const struct sut_saga *const *sagas; /* kit/saga.h; need a database */
    size_t saga_count;
    sut_friend_fn friend_check; /* NULL: user.friend_check is called over the bus */
} sut_actor_options;

/* All of main(): settings, log, stores, migrations, serving, drain on SIGTERM or SIGINT. Returns the exit code. Strings
 * and tables must stay. */
int sut_actor_main(int argc, char **argv, const sut_actor_options *opt);

#endif
