/* What the relay's files share. Private to them. */
#ifndef SUT_KIT_OUTBOX_STATE_H
#define SUT_KIT_OUTBOX_STATE_H

#include "outbox.h"
#include "pg_own.h"
#include "runtime.h"

#define SUT_OUTBOX_POLL_MS  250
#define SUT_OUTBOX_RENEW_MS 1000
#define SUT_OUTBOX_STALE_S  5 /* an owner that has not renewed for so long is replaced */

/* How the last publish ended. */
typedef struct sut_outbox_answer {
    bool done;
    int err;
    uint32_t retry_after_ms;
    bool duplicate; /* at least one was said to be there before */
    char code[48], message[256];
} sut_outbox_answer;

struct sut_outbox {
    sut_runtime *rt;
    sut_event_port port;
    sut_request *relay; /* the fiber's; NULL before and after */
    bool sleeping;      /* any news wakes it */
    bool pausing;       /* only the end does */
    bool woken, stopping;
    uint32_t poll_ms; /* how long it sleeps if nobody wakes it */

    sut_pg_own *conn;
    bool owner;
    char source[SUT_SOURCE_MAX + 1];
    uint64_t epoch;
    uint64_t renewed_ns;
    int64_t acked; /* rows up to this number can go */
    int64_t tried; /* the highest number that may have reached the broker */
    size_t batch;  /* how many at a time: fewer while one of them is refused */

    sut_outbox_answer answer;
    uint32_t failures;   /* in a row: backoff */
    uint64_t refused_ns; /* since when one event has been refused for a reason that may pass; 0: none is */

    sut_timer notify_timer;
    bool notifying, notify_again; /* its fiber runs; there was a commit meanwhile */
    sut_outbox_status status;
};

/* outbox_send.c: sends a batch, if anything is there (*idle: nothing was). Other than 0: this term is over. */
SUT_MUST_CHECK sut_status sut_outbox_send(sut_outbox *o, sut_request *rq, bool *idle);
/* outbox.c: keeps the lease, if it is time; other than 0: it is lost. */
SUT_MUST_CHECK sut_status sut_outbox_renew(sut_outbox *o, sut_request *rq, bool now);
/* Parks for so long, or until sut_outbox_wake if `wakeable`. Other than 0: the runtime ends. */
SUT_MUST_CHECK sut_status sut_outbox_pause(sut_outbox *o, sut_request *rq, uint32_t ms, bool wakeable);
void sut_outbox_wake(sut_outbox *o);
void sut_outbox_on_timer(sut_timer *t, void *outbox); /* wakes the fiber, whatever it waits for */
void sut_outbox_register_metrics(void);

#endif
