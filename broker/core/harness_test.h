/* What the core's unit tests share: a core with a fixed access list, peers that speak by one-line calls, and a record
 * of all outputs, to be taken one by one. */
#ifndef SUT_CORE_HARNESS_TEST_H
#define SUT_CORE_HARNESS_TEST_H

#include "base/clock.h"
#include "core/core.h"

#define OUT_MAX 4096

typedef struct out { /* one output */
    uint64_t session;
    bool dropped;
    sut_drop_reason reason;
    uint8_t kind;
    uint64_t id;
    char subject[SUT_SUBJECT_MAX + 1];
    char code[64]; /* of an error */
    char message[256];
    char body[64];
    uint32_t attempt, ttl_ms, retry_after_ms, http_status;
    int64_t user_id;
    uint64_t sequence;
    int64_t published_at;
    uint32_t generation;
    bool replayed, duplicate, has_key;
    sut_dedup dedup;
    char key[64];
    uint8_t event_id[SUT_EVENT_ID_LEN];
    uint8_t raw[256]; /* the body, if it is short */
    size_t raw_len;
    bool taken;
} out;

typedef struct sighted { /* one sight, with what it borrowed */
    sut_sight sight;
    char text[10][512];
} sighted;

typedef struct harness {
    sut_core *core;
    sut_acl *acl;
    uint64_t now;
    out outs[OUT_MAX];
    uint32_t out_count;
    sighted sights[64];
    uint32_t sight_count, sights_taken;
    uint64_t control_call;
    bool control_answers_at_once;
    char refused_what[32];
    uint32_t refused, finished, taps, untaps;
    uint64_t tapped; /* the id of the last one */
    bool is_asked;   /* ops.picks answers `picks`; else that all are picked */
    uint8_t picks;
    bool cannot_journal; /* what ops.replayed answers */
    uint32_t replayed;
    int64_t replayed_user;
    int finished_err;
    uint64_t finished_ns;
} harness;

extern harness h;

void setup(void);                               /* default limits */
void setup_with(const sut_core_limits *limits); /* again, with other limits */
void teardown(void);                            /* closes all; nothing may be left behind */
void use_acl(const char *text);
uint64_t peer_open(const char *name);
uint64_t peer_ready(const char *name); /* open, hello without services, welcome taken */
uint64_t peer_serves(const char *name, const char *service, uint32_t credits);
void peer_hello(uint64_t session, const char *instance, const char *service, uint32_t credits);
void peer_says(uint64_t session, const sut_envelope *env);
void peer_calls(uint64_t session, uint64_t id, const char *subject); /* body "b", ttl 1,000 ms */
void peer_replies(uint64_t session, const out *call, const char *body);
void peer_fails(uint64_t session, const out *call, const char *code);
void peer_sends(uint64_t session, sut_kind kind, uint64_t id);
void pass_ms(uint64_t ms); /* in steps, as the core asks to be ticked; peers answer pings meanwhile */
void pass_silently_ms(uint64_t ms);
/* The next output to the session that was not taken; NULL if there is none. Pings are left out. */
const out *take(uint64_t session);
/* The next sight, which is of that kind. */
const sut_sight *must_see(sut_sight_kind kind);
void must_see_nothing(void);
const out *must_take(uint64_t session, sut_kind kind);
void must_get_error(uint64_t session, uint64_t id, const char *code);
void must_get_reply(uint64_t session, uint64_t id, const char *body);
void must_be_dropped(uint64_t session, sut_drop_reason reason);
void must_get_nothing(uint64_t session);
sut_core_service_view service_view(const char *name);

#endif
