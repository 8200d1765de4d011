/* The listener's map of accepted descriptors, kept right by the socket monitor. Private to the listener. */
#ifndef SUT_APP_CONNECTIONS_H
#define SUT_APP_CONNECTIONS_H

#include "listener.h"

void sut_connections_read_monitor(sut_listener *l);
void sut_connections_free(sut_listener *l);

#endif
