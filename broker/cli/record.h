/* The file that `sut record` writes: a head {sut_record: VERSION, sut, protocol, begun_at, subjects, …}, then a line a
 * record: events as cli_event_line has them with kind "event", the others as cli_tap_line has them. */
#ifndef SUT_CLI_RECORD_H
#define SUT_CLI_RECORD_H

#include "cli.h"

#define CLI_RECORD_VERSION 1

#endif
