/* A broker for the tests of this folder that does only what the test tells it: a ROUTER with PLAIN in the test's own
 * thread. Every wait ends after FAKE_WAIT_MS with a failed assertion. */
#ifndef SUT_CLIENT_FAKE_BROKER_H
#define SUT_CLIENT_FAKE_BROKER_H

#include "sut.h"

#include <pthread.h>

#define FAKE_WAIT_MS 10000

typedef struct fake_broker {
    char dir[128], endpoint[192], secret_file[192], wrong_file[192];
    void *ctx, *router, *zap;
    pthread_t zap_thread;
    uint8_t peer[64]; /* routing id of the peer that was heard last */
    size_t peer_len;
    uint8_t *frame; /* the one that is being read */
    size_t frame_len, frame_pos;
    unsigned frames;        /* received so far */
    uint32_t ping_after_ms; /* told in welcome */
    bool mute;              /* leave pings unanswered */
} fake_broker;

void fake_start(fake_broker *f);
void fake_stop(fake_broker *f);
void fake_crash(fake_broker *f);  /* the socket is gone, with what was in it */
void fake_return(fake_broker *f); /* and there again */

sut_client *fake_client(fake_broker *f, struct sut_loop *loop, uint32_t queue_max);
/* The next envelope that is not a ping; it must be of `kind`. Valid until the next call. */
sut_envelope fake_expect(fake_broker *f, sut_kind kind);
/* False if no envelope but pings comes within `ms`. */
bool fake_poll(fake_broker *f, int ms, sut_envelope *out);
void fake_send_raw(fake_broker *f, const void *bytes, size_t len);
void fake_send(fake_broker *f, const sut_envelope *env);
sut_envelope fake_accept(fake_broker *f); /* hello → welcome; the hello */
void fake_reply(fake_broker *f, uint64_t id, const char *text);
void fake_error(fake_broker *f, uint64_t id, const char *code, const char *message);
void fake_published(fake_broker *f, uint64_t id, uint64_t sequence, bool duplicate);
void fake_call(fake_broker *f, uint64_t id, const char *subject, uint32_t attempt);

/* What callbacks left behind, for the test's thread to wait for. */
typedef struct fake_results {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
    int err[64];       /* of the first 64 */
    char body[64][64]; /* the same */
    char code[64][32];
    unsigned by_err[80];
} fake_results;
#define FAKE_RESULTS_INIT                                                                                              \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }
void fake_on_result(void *arg, const sut_result *r);
void fake_wait_results(fake_results *r, unsigned count);

extern const sut_str fake_body; /* a small msgpack map */
sut_call fake_a_call(uint32_t timeout_ms, bool idempotent);

#endif
