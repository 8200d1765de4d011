/* One call to a method of broker.* that takes arguments, from its decoding to its only answer. What must ask the
 * journal first does so on its reader's thread (sut_control_query), and goes on in the loop when the answer is there.
 */
#ifndef SUT_APP_CONTROL_REQUEST_H
#define SUT_APP_CONTROL_REQUEST_H

#include "base/arena.h"
#include "control.h"
#include "core/acl.h"
#include "journal/service.h"

typedef struct sut_control_request sut_control_request;
struct sut_control_request {
    sut_node node; /* broker->requests */
    struct sut_broker *broker;
    uint64_t call, session;
    const sut_method *method;
    sut_arena *arena; /* of this request; what is answered may live in it */
    const void *in;   /* a struct of method->in */
    /* While the journal is asked: */
    sut_journal_job job;
    sut_status (*ask)(sut_control_request *rq, sut_journal *j); /* on the reader's thread */
    void (*then)(sut_control_request *rq, sut_status status);   /* in the loop */
    void *state;                                                /* the method's own, from the arena */
};

/* Decodes, validates, and runs the method. */
void sut_control_request_run(struct sut_broker *b, const sut_control_call *call);

/* Exactly one of these ends a request and frees it. `out` is a struct of method->out. */
void sut_control_reply(sut_control_request *rq, const void *out);
void sut_control_fail(sut_control_request *rq, int err, const char *fmt, ...) SUT_PRINTF(3, 4);
/* The same for a status of core or journal; `words` say what about. */
void sut_control_fail_status(sut_control_request *rq, sut_status status, const char *words);
/* Asks the journal and goes on with `then`; fails the request if it cannot be asked now. */
void sut_control_query(sut_control_request *rq, sut_status (*ask)(sut_control_request *rq, sut_journal *j),
                       void (*then)(sut_control_request *rq, sut_status status));
/* The journal has answered. */
void sut_control_request_done(sut_journal_job *job);
/* The arena is full: `err` is ENOMEM. */
void *sut_control_alloc(sut_control_request *rq, size_t bytes);
/* Of who calls; NULL if its session has ended. */
const char *sut_control_peer(const sut_control_request *rq, sut_role *role);

/* Ends those that still wait for the journal, which must have stopped. */
void sut_control_requests_drop(struct sut_broker *b);

/* control_groups.c */
void sut_control_groups(sut_control_request *rq);
void sut_control_subscriptions(sut_control_request *rq);
void sut_control_group_create(sut_control_request *rq);
void sut_control_group_pause(sut_control_request *rq);
void sut_control_group_resume(sut_control_request *rq);
void sut_control_group_delete(sut_control_request *rq);
void sut_control_group_replay(sut_control_request *rq);
void sut_control_group_skip(sut_control_request *rq);
void sut_control_group_stop(sut_control_request *rq);
/* control_dead.c, control_redrive.c */
void sut_control_dead_letters(sut_control_request *rq);
void sut_control_dead_letter(sut_control_request *rq);
void sut_control_dead_redrive(sut_control_request *rq);
void sut_control_dead_drop(sut_control_request *rq);
/* What these two had written; `index` is the letter's in its request. */
void sut_control_redrive_stored(struct sut_broker *b, uint64_t index, sut_status status);
void sut_control_drop_stored(struct sut_broker *b, sut_status status);
/* control_journal.c */
void sut_control_journal(sut_control_request *rq);
/* control_capture.c */
void sut_control_captured_calls(sut_control_request *rq);
void sut_control_trace(sut_control_request *rq);

#endif
