/* Where core and journal meet: what the core asks of the journal goes to its threads, what they answer goes to the
 * core. Neither the loop nor the core ever touches the disk. */
#ifndef SUT_APP_EVENTS_H
#define SUT_APP_EVENTS_H

#include "core/events.h"
#include "journal/service.h"

struct sut_broker;

#define SUT_EVENT_BODY_MAX 768000 /* so that it can also be shown as base64 in one answer */

/* Tags of what is written: the low bits say who is told when it is done. */
enum { SUT_TAG_SAVED, SUT_TAG_BURIED, SUT_TAG_REDRIVE, SUT_TAG_DROP, SUT_TAG_BITS = 2 };
#define SUT_TAG_OWN UINT64_MAX /* publishes of the broker itself, of which the core knows nothing */

typedef struct sut_event_hub {
    bool open;
    sut_journal_service *journal;
    uint64_t prng;                                    /* jitter */
    sut_status writable;                              /* as it was told last */
    uint64_t published_total, appended_total;         /* since the start */
    struct sut_control_request *redriving, *dropping; /* the one request of each kind that waits to be written */
} sut_event_hub;

/* Opens the journal (nothing if SUT_JOURNAL_DIR is empty), starts its threads and gives the core what they know: groups
 * and redriven dead letters. Returns the exit code that fits (status.h), with one line in `error`. */
int sut_events_open(struct sut_broker *b, char *error, size_t error_size);
/* Writes what is queued and closes. Idempotent. */
void sut_events_close(struct sut_broker *b);

/* event_check.c: judges an event by its schema and sets its key; on the writer's thread, and for edited dead letters.
 * 0, or a sut_err with `fault` filled in, whose strings live in `a`. */
int sut_event_check(void *app, sut_journal_event *e, struct sut_arena *a, sut_publish_fault *fault);

/* event_ops.c */
extern const sut_core_event_ops sut_event_ops;

#endif
