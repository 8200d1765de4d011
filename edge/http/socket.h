/* civetweb 1.15 does not tell a connection's descriptor. These find it by its addresses. The caller must own the
 * connection (be its thread, or keep that thread from leaving it), so that the descriptor cannot be another's. */
#ifndef SUT_HTTP_SOCKET_H
#define SUT_HTTP_SOCKET_H

#include "base/status.h"

#include <netinet/in.h>

/* The connected TCP socket from local port `port` to that peer; -1 if there is none. */
int sut_socket_find(in_addr_t peer, uint16_t peer_port, uint16_t port);
/* Stops listening on `port` at once; the descriptor stays valid but is never ready again. False if nobody listens. */
bool sut_socket_stop_listening(uint16_t port);
/* Wakes whoever reads from a connection that was accepted on `port`: its reads end. */
void sut_socket_end_reads(uint16_t port);
/* How many bytes were read from the socket since it was connected; 0 if that cannot be told. */
uint64_t sut_socket_bytes_read(int fd);
/* Sends what is to be sent, then takes in what the peer still sends for a moment (64 KiB, half a second), so that
 * closing does not reset the connection and lose the answer on its way. */
void sut_socket_linger(int fd);

#endif
