/* Statuses that every function of ours returns, and the attribute that makes callers look at them.
 *
 * 0 is success. Negative is fatal for the operation: a negated errno, traced once where it arose (SUT_TRACE) and
 * forwarded untouched. Positive is a condition of the called module's own enum, handled by its caller and never passed
 * on to another module. (The convention is dbus-broker's.) */
#ifndef SUT_BASE_STATUS_H
#define SUT_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int sut_status;

#define SUT_MUST_CHECK   __attribute__((warn_unused_result))
#define SUT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define SUT_CLEANUP(fn)  __attribute__((cleanup(fn)))
#define SUT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Exit codes of every executable, from sysexits(3). */
enum {
    SUT_EXIT_OK = 0,
    SUT_EXIT_USAGE = 64,       /* EX_USAGE: the command line is wrong */
    SUT_EXIT_UNAVAILABLE = 69, /* EX_UNAVAILABLE: a dependency cannot be had (port taken, broker gone) */
    SUT_EXIT_SOFTWARE = 70,    /* EX_SOFTWARE: an invariant of ours broke */
    SUT_EXIT_IO = 74,          /* EX_IOERR: disk unwritable */
    SUT_EXIT_NOPERM = 77,      /* EX_NOPERM: refused by the peer (wrong password, no right) */
    SUT_EXIT_CONFIG = 78       /* EX_CONFIG: a setting is missing or malformed */
};

/* Logs where a fatal status arose (namespace "trace", at debug level) and returns it unchanged. */
sut_status sut_trace(sut_status status, const char *file, int line, const char *what);
#define SUT_TRACE(status, what) sut_trace((status), __FILE__, __LINE__, (what))

#endif
