/* What the unit tests of events share: a journal in memory that answers when it is told to, and peers that publish,
 * subscribe and answer deliveries by one-line calls. */
#ifndef SUT_CORE_EVENT_HARNESS_TEST_H
#define SUT_CORE_EVENT_HARNESS_TEST_H

#include "core/events.h"
#include "harness_test.h"

#define J_EVENTS  4096
#define J_ASKS    1024
#define J_GROUPS  32
#define J_LETTERS 64

typedef enum ask_kind { ASK_PUBLISH, ASK_READ, ASK_SAVE, ASK_BURY, ASK_FORGET } ask_kind;

typedef struct j_event {
    sut_stored_event event;
    char subject[SUT_SUBJECT_MAX + 1], key[64], publisher[65], source[65], body[64];
} j_event;

typedef struct ask {
    ask_kind kind;
    uint64_t tag;
    uint32_t first, count;  /* publish: in staged */
    uint64_t from, dead_id; /* read; bury, forget */
    int64_t from_time_us;
    uint32_t max_events;
    char patterns[SUT_GROUP_SUBJECTS][SUT_SUBJECT_MAX + 1];
    size_t pattern_count;
    char group[SUT_GROUP_NAME_MAX + 1];
    uint8_t value[4096];
    size_t value_len;
    bool erases;
    uint64_t sequence; /* bury */
    uint32_t attempts, last_attempt;
    char consumer[65], code[65], message[600];
} ask;

typedef struct j_letter {
    uint64_t id, sequence;
    char group[SUT_GROUP_NAME_MAX + 1], consumer[65], code[65], message[600];
    uint32_t attempts, last_attempt;
} j_letter;

typedef struct j_saved {
    char group[SUT_GROUP_NAME_MAX + 1];
    uint8_t value[4096];
    size_t len;
} j_saved;

typedef struct journal {
    j_event events[J_EVENTS];
    uint64_t next, oldest;
    j_event staged[J_EVENTS];
    uint32_t staged_count;
    ask asks[J_ASKS];
    uint32_t ask_count, answered;
    j_saved saved[J_GROUPS];
    uint32_t saved_count;
    j_letter letters[J_LETTERS];
    uint32_t letter_count;
    uint64_t forgotten[J_LETTERS];
    uint32_t forgotten_count;
    bool full;                        /* everything is answered -EAGAIN */
    bool holds[ASK_FORGET + 1];       /* not answered */
    sut_status fails[ASK_FORGET + 1]; /* answered so */
    uint64_t damaged;                 /* 0: no record is */
    uint32_t reads, saves;
    uint64_t random;
    char outcome[16][64]; /* the last ones, of `delivery` */
    uint32_t outcomes;
} journal;

extern journal *j;

void events_setup(void); /* default limits */
void events_setup_with(const sut_core_event_limits *limits);
void events_teardown(void);
void broker_restarts(const sut_core_event_limits *limits); /* the journal and what was saved stay */
void journal_run(void);                                    /* answers all that is asked, and what follows */
void journal_answer(ask_kind kind);                        /* the oldest one of that kind only */
void journal_retains(uint64_t oldest);
uint32_t journal_asked(ask_kind kind); /* not answered */
void publish(uint64_t session, uint64_t id, const char *subject, const char *key, const char *body);
void must_publish(uint64_t session, const char *subject, const char *key, const char *body);
typedef struct sub_options {
    const char *subjects, *group, *start, *key; /* subjects: one, or parted by blanks; start: a word */
    uint32_t credits, ack_wait_ms;
    uint64_t sequence;
    int64_t time_us, user_id;
} sub_options;
void subscribe(uint64_t session, uint64_t id, const sub_options *o);
void must_subscribe(uint64_t session, uint64_t id, const sub_options *o);
const out *must_get_event(uint64_t session, uint64_t sequence, uint32_t attempt);
void must_get_gap(uint64_t session, uint64_t from, uint64_t to, const char *reason);
void peer_acks(uint64_t session, const out *event);
void peer_answers(uint64_t session, sut_kind kind, const out *event, uint32_t delay_ms, const char *code,
                  const char *message);
void peer_acks_up_to(uint64_t session, uint64_t id, uint64_t sequence);
sut_core_group_view group_view(const char *name);
void must_forget_markers(uint64_t session);
void pass_events_ms(uint64_t ms); /* pass_ms, and the journal answers meanwhile */

#endif
