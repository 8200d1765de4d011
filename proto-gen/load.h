/* From YAML trees to the unchecked model: knows every key that a schema may hold. */
#ifndef PG_LOAD_H
#define PG_LOAD_H

#include "model.h"

/* Reads all files into one model, its domains, records and methods sorted by name. Notes errors and goes on; what could
 * not be read is left out. */
pg_model *pg_load(pg_context *c, char *const *paths, size_t count);

/* One field's declaration; `key` names it (NULL: the element of a list or map, whose declaration is `node`). Named
 * elements are written as `of: NAME`, others as `of: {…}`. */
void pg_load_field(pg_context *c, const pg_node *key, pg_node *node, pg_field *out);

/* Shared by the loaders of sections. The named entries of a section: NULL if it is absent or no mapping. */
const pg_node *pg_entries(pg_context *c, const pg_node *node, const char *name);
size_t pg_entry_count(const pg_node *node);
void pg_load_fields(pg_context *c, const pg_node *node, pg_record *r);

/* load_events.c. The domain's records have room for the bodies. */
void pg_load_events(pg_context *c, const pg_node *node, pg_domain *d);
void pg_load_consumers(pg_context *c, const pg_node *node, pg_domain *d);

#endif
