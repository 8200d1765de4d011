/* The edge as a whole: gate, bridge, feed of revocations, API and server around one loop. */
#ifndef SUT_EDGE_EDGE_H
#define SUT_EDGE_EDGE_H

#include "base/loop.h"
#include "bridge/bridge.h"
#include "gate/feed.h"
#include "gate/gate.h"
#include "http/api.h"
#include "settings.h"

typedef struct edge {
    const edge_settings *settings;
    sut_loop *loop;
    sut_gate *gate;
    sut_bridge *bridge;
    sut_feed *feed;
    sut_api *api;
    sut_server *server;
    sut_timer tick, drain;
    uint64_t drain_end_ns;
} edge;

/* Starts everything. Returns 0, or the program's exit code with one line in `error`. */
int edge_start(edge *e, const edge_settings *settings, char *error, size_t error_size);
/* Runs until a signal and the drain that follows it. Returns the exit code. */
int edge_run(edge *e);
void edge_stop(edge *e); /* idempotent; also after a failed start */

#endif
