/* The daemon: one loop that joins sockets, access list and core. Which file does what:
 *   broker.c   starts and stops it, signals          traffic.c  messages in, envelopes out, lost and dropped peers
 *   listener.c, connections.c  the ROUTER sockets     control.c, status.c  broker.*
 *   events.c, event_ops.c  core ↔ journal             control_*.c  broker.* that take arguments
 *   zap.c, access.c  who may connect                  outbox.c, peers.c, stats.c  what they say
 *   sights.c, taps.c  what passes, and who is shown it
 *   capturing.c  what is kept of it */
#ifndef SUT_APP_BROKER_H
#define SUT_APP_BROKER_H

#include "access.h"
#include "capturing.h"
#include "control.h"
#include "endpoint.h"
#include "events.h"
#include "listener.h"
#include "peers.h"
#include "settings.h"
#include "sights.h"
#include "stats.h"
#include "taps.h"
#include "zap.h"

typedef struct sut_broker sut_broker;

typedef struct sut_broker_port {
    sut_broker *broker;
    sut_listener listener;
    sut_hook hook;
    bool open;
} sut_broker_port;

struct sut_broker {
    const sut_broker_settings *settings;
    sut_broker_limits limits;
    sut_loop *loop;
    void *zmq;
    sut_core *core;
    sut_access access;
    sut_zap zap;
    sut_endpoint_lock lock;
    sut_broker_port ports[SUT_LISTENER_KINDS];
    sut_peers peers;
    sut_outbox_pool pool;
    sut_stats stats;
    sut_control control;
    sut_node requests; /* to broker.*, not answered yet */
    sut_event_hub events;
    sut_sights sights;
    sut_taps taps;
    sut_capturing capturing;
    sut_node ready;   /* peers with something to send */
    sut_node blocked; /* peers whose pipe is full: tried again by `slow` */
    sut_node doomed, lost;
    sut_timer tick, slow, sweep, drain;
    sut_hook soon; /* settles once after what the journal's threads have posted */
    bool settle_due;
    uint64_t now_ns; /* of the message or timer that is being worked on */
    bool draining, leaving, overdue;
    const char *exit_reason;
};

/* Makes all of it and listens. On failure returns the exit code that fits (status.h) and one line in `error`; the
 * broker must still be given to sut_broker_free. */
int sut_broker_new(sut_broker **out, const sut_broker_settings *settings, char *error, size_t error_size);
SUT_MUST_CHECK sut_status sut_broker_run(sut_broker *b); /* until a drain has ended */
sut_broker *sut_broker_free(sut_broker *b);
/* Says bye, lets finish what is in flight, and then ends sut_broker_run. */
void sut_broker_drain(sut_broker *b);
/* Reads limits and access list again; what is wrong in them is logged and the old ones stay. */
void sut_broker_reload(sut_broker *b);

#endif
