/* What the unit tests of taps share: a hub whose peers are lists of decoded envelopes, and sights in one line. */
#ifndef SUT_TAP_BENCH_TEST_H
#define SUT_TAP_BENCH_TEST_H

#include "hub.h"

#include <criterion/criterion.h>

#define GOT_MAX 8192

typedef struct got { /* one envelope that a peer was sent */
    uint64_t session, id;
    uint8_t kind;
    char subject[64], key[64], json[1024]; /* json: of the body */
    int64_t user_id;
} got;

typedef struct bench {
    sut_loop *loop;
    sut_tap_hub *hub;
    uint64_t now_ns;
    got gots[GOT_MAX];
    uint32_t got_count, taken;
    uint64_t bytes_sent;
    bool stuck;         /* the peers take nothing */
    const char *hidden; /* a subject that nobody may see */
    uint32_t kinds;     /* as ops.watch said last */
    uint64_t ended_id;
    int ended_err;
    uint32_t ended, lent, released;
    sut_tap_read read; /* the last one, of the tag */
    uint64_t read_tag;
    uint32_t reads;
    sut_status read_status;
} bench;
extern bench t;

void bench_setup(void); /* no limits but the usual ones */
void bench_teardown(void);
void bench_with(const sut_tap_limits *limits);
/* 0, or the status; the request's subjects may be NULL. */
sut_status attach(uint64_t session, uint64_t id, const sut_tap_request *r);
void must_attach(uint64_t session, uint64_t id, const sut_tap_request *r);
sut_tap_request everything(void); /* all kinds, live */
/* A call, reply, error or event of user 42 with key "k"; `body` is JSON-like msgpack made by the caller, or absent. */
sut_sight sight(sut_sight_kind kind, const char *subject, sut_str body);
void pass(const sut_sight *s);
const got *must_get(void); /* the next envelope, waited for */
void must_get_end(uint64_t lost);
void must_get_nothing(void);               /* once all that passed was worked on */
bool says(const got *g, const char *text); /* its body's JSON has this */
void turn(void);                           /* of the loop */

#endif
