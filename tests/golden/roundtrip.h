/* What the generated round-trip tests call: one record's values, there and back through the whole runtime. */
#ifndef SUT_TESTS_ROUNDTRIP_H
#define SUT_TESTS_ROUNDTRIP_H

#include "wire/record.h"

typedef struct roundtrip_case {
    const char *what; /* for messages */
    const char *json; /* a value that fits the record */
} roundtrip_case;

/* Criterion assertions: JSON → msgpack → struct → msgpack → JSON loses and changes nothing, and redaction leaves no
 * secret or personal value. */
void roundtrip_check(const sut_record *desc, const roundtrip_case *cases, size_t count);

#endif
