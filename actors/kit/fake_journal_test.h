/* A broker's journal for the outbox's tests, in memory that outlives a killed process: takes batches by the rules of
 * docs/protocol.md (numbers without gaps, epochs, all or nothing), and answers a little later. */
#ifndef SUT_KIT_FAKE_JOURNAL_TEST_H
#define SUT_KIT_FAKE_JOURNAL_TEST_H

#include "fixture_test.h"
#include "outbox.h"

#include <stdatomic.h>

#define FAKE_EVENTS_MAX  65536
#define FAKE_SOURCES_MAX 8

typedef struct fake_event {
    uint8_t id[SUT_EVENT_ID_LEN];
    int64_t user_id, n; /* of the body */
    int64_t principal;
    uint32_t source;
    uint64_t number;
    char key[24];
} fake_event;

typedef struct fake_source {
    char name[SUT_SOURCE_MAX + 1];
    uint64_t last; /* set by a test: what the journal believes; 0: what it holds */
    uint64_t epoch;
} fake_source;

typedef struct fake_journal {
    _Atomic uint32_t count; /* the one thing that commits a batch: a kill leaves all of it or nothing */
    uint32_t since;         /* what is before it is of an earlier journal */
    fake_event events[FAKE_EVENTS_MAX];
    fake_source sources[FAKE_SOURCES_MAX];
    uint32_t source_count;
    _Atomic uint32_t batches, gaps, fenced, duplicates;
    /* what the tests set */
    _Atomic int fail_with;  /* a sut_err for the next fail_times publishes */
    _Atomic int fail_times; /* -1: all */
    _Atomic bool down;
    _Atomic bool lose_answer; /* takes the next batch, and answers outcome_unknown */
    uint32_t delay_ms;
    /* of one process */
    sut_loop *loop;
} fake_journal;

fake_journal *fake_journal_new(void); /* shared with children */
fake_journal *fake_journal_free(fake_journal *j);
/* Starts the runtime's outbox on it. */
void fake_journal_attach(fake_journal *j, sut_request *rq);
/* Parks until it holds so many. */
void fake_journal_until(sut_request *rq, fake_journal *j, uint32_t count);

#endif
