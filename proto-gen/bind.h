/* The model's records as tables of the runtime, made in memory: so that the very code which will judge messages judges
 * the examples and defaults of the schemas, and packs the seeds. */
#ifndef PG_BIND_H
#define PG_BIND_H

#include "model.h"

/* A record with this one field, optional. All that the field refers to must be resolved. */
const sut_record *pg_bind_field(pg_context *c, const pg_field *f);
const sut_record *pg_bind_record(pg_context *c, const pg_record *r);
/* Can it be bound: is all that it refers to resolved? */
bool pg_bindable(const pg_field *f);

/* JSON → msgpack by the runtime. NULL if it is right (then `body`, if not NULL, holds the msgpack, in the context's
 * arena), else the first thing that is wrong with it. */
const char *pg_pack(pg_context *c, const sut_record *desc, const char *json, sut_str *body);

#endif
