/* Inside of the bridge: services with their breakers, shared by calls (any thread) and health polls (the loop). */
#ifndef SUT_BRIDGE_PRIVATE_H
#define SUT_BRIDGE_PRIVATE_H

#include "base/breaker.h"
#include "bridge/bridge.h"

#include <pthread.h>

#define SUT_BRIDGE_SERVICES_MAX 16

typedef struct bridge_service {
    sut_bridge *bridge;
    const char *name;
    char health_subject[SUT_SUBJECT_MAX];
    pthread_mutex_t lock; /* guards `breaker` */
    sut_breaker breaker;
    bool asking; /* a health call is out; the loop's thread only */
} bridge_service;

struct sut_bridge {
    sut_loop *loop;
    pthread_rwlock_t lock; /* guards `client` against its end: callers hold it for reading */
    sut_client *client;    /* NULL once closed */
    sut_timer poll;
    bridge_service services[SUT_BRIDGE_SERVICES_MAX];
    size_t service_count;
};

bridge_service *bridge_service_find(sut_bridge *b, const char *name); /* NULL if there is none */
/* The service said that it is well: an open breaker lets calls through again. */
void bridge_service_well(bridge_service *s);

#endif
