/* The way of a body through the record runtime, with what must hold at each step; for the targets of records. */
#ifndef SUT_FUZZ_CHAIN_H
#define SUT_FUZZ_CHAIN_H

#include "fuzz.h"

/* Bytes that no one has looked at yet: every reader of bodies takes them or refuses them, and they agree. */
void chain_body(const sut_record *desc, sut_str body, sut_arena *a);
/* Text likewise. What is taken as JSON goes the whole way. */
void chain_json(const sut_record *desc, sut_str text, sut_arena *a);
/* Redaction of anything, with and without personal fields. */
void chain_redact(const sut_record *desc, sut_str body);

#endif
