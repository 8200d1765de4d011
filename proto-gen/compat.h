/* Would users of the old schemas still work with the new ones? Fields, methods, records, errors and enum values are
 * only ever added. */
#ifndef PG_COMPAT_H
#define PG_COMPAT_H

#include "model.h"

/* Notes one error for each breaking change, placed in the new schemas where it can be undone. Both models must be
 * checked and free of errors. */
void pg_compare(pg_context *c, const pg_model *old_model, const pg_model *new_model);

/* compat_record.c: which ways a record's values travel decides what may change in it. */
enum { PG_USED_IN = 1, PG_USED_OUT = 2 };
void pg_compare_record(pg_context *c, const pg_record *was, const pg_record *is, unsigned used);
/* How the record is used by the methods of the model, a combination of PG_USED_IN and PG_USED_OUT; both if by none. */
unsigned pg_record_use(const pg_model *m, const pg_record *r);
/* The same of the methods that HTTP reaches; 0 if by none. */
unsigned pg_record_http_use(const pg_model *m, const pg_record *r);

#endif
