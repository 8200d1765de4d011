/* What is done to sockets beside civetweb's back. */
#ifndef SUT_HTTP_SOCKET_H
#define SUT_HTTP_SOCKET_H

#include "base/status.h"

/* Stops this process's listening on TCP port `port` at once: the kernel refuses connections from now on. The descriptor
 * stays valid but is never ready again, so that civetweb's accepting loop sleeps. False if nobody listens. */
bool sut_socket_stop_listening(uint16_t port);
/* How many bytes were read from the socket since it was connected; 0 if that cannot be told. */
uint64_t sut_socket_bytes_read(int fd);
/* Ends our side, then takes in what the peer still sends for a moment (64 KiB, half a second), so that closing does not
 * reset the connection and lose the answer on its way. */
void sut_socket_linger(int fd);

#endif
