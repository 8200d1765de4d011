/* Values that fit a declaration: as the schema gives them, or made up from the limits. For documents, fuzz seeds and
 * round-trip tests. */
#ifndef PG_EXAMPLE_H
#define PG_EXAMPLE_H

#include "model.h"
#include "output.h"

/* One value of the field, as JSON. `depth` counts nested records (start with 0); optional fields of records end at
 * PG_EXAMPLE_DEPTH, so that records that hold themselves come to an end. */
#define PG_EXAMPLE_DEPTH 4
const char *pg_example(pg_context *c, const pg_field *f, int depth);
/* All fields (`only_required`: those that must be there) of the record, as one JSON object. `replace`, if not NULL, is
 * a field that gets `json` instead; json NULL leaves it out. */
const char *pg_example_record(pg_context *c, const pg_record *r, bool only_required, const pg_field *replace,
                              const char *json, int depth);

/* Values at the edges of what the field allows: at least 0, at most PG_EDGES_MAX. */
#define PG_EDGES_MAX 4
size_t pg_example_edges(pg_context *c, const pg_field *f, const char *out[PG_EDGES_MAX]);

#endif
