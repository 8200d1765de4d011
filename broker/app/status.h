/* Bodies of the replies to broker.*: what the daemon knows of itself. docs/protocol.md has the fields. */
#ifndef SUT_APP_STATUS_H
#define SUT_APP_STATUS_H

#include "base/buf.h"

struct sut_broker;

SUT_MUST_CHECK sut_status sut_status_write_ping(const struct sut_broker *b, sut_buf *body);
SUT_MUST_CHECK sut_status sut_status_write_status(const struct sut_broker *b, sut_buf *body);
SUT_MUST_CHECK sut_status sut_status_write_services(const struct sut_broker *b, sut_buf *body);
SUT_MUST_CHECK sut_status sut_status_write_peers(const struct sut_broker *b, sut_buf *body);
SUT_MUST_CHECK sut_status sut_status_write_methods(const struct sut_broker *b, sut_buf *body);

#endif
