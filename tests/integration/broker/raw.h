/* A connection that speaks ZMTP 3.1 by hand (RFC 37), for what libzmq does not let a peer do. */
#ifndef SUT_TEST_RAW_H
#define SUT_TEST_RAW_H

#include "bus.h"

int raw_connect(const bus *b); /* a connected unix socket */
/* Greets and authenticates by PLAIN as `name`, as a DEALER. */
void raw_handshake(int fd, bus *b, const char *name);
/* Sends one frame of a message. False if the connection has ended. */
bool raw_frame(int fd, const void *bytes, size_t len, bool more);
bool raw_closed(int fd); /* reads what there is; true once the other side has closed */

#endif
