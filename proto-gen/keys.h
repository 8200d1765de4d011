/* Reading a mapping whose keys are known: one table a construct, one place that checks spelling and kinds. */
#ifndef PG_KEYS_H
#define PG_KEYS_H

#include "tree.h"

typedef struct pg_key {
    const char *name;
    enum {
        PG_KEY_IS_NODE,  /* pg_node *: read later */
        PG_KEY_IS_FLAG,  /* bool */
        PG_KEY_IS_LINE,  /* const char *: one line of text */
        PG_KEY_IS_NUMBER /* uint32_t */
    } kind;
    size_t offset; /* into the target */
} pg_key;

/* Fills `target` from the mapping `node` and returns one bit for each key that was given (index in the table). `what`
 * names the construct in messages: `field "email"`. */
uint32_t pg_read_keys(pg_context *c, const pg_node *node, const char *what, const pg_key *keys, size_t count,
                      void *target);

/* Is it a usable name: lower snake case, at most 48 bytes? Notes an error otherwise. */
bool pg_check_name(pg_context *c, const pg_node *key, const char *what);
/* Is it a scalar of whole digits within the range? Notes an error otherwise. */
bool pg_read_number(pg_context *c, const pg_node *node, const char *what, int64_t min, int64_t max, int64_t *out);
/* Notes an error if there is no doc. */
void pg_need_doc(pg_context *c, const char *doc, pg_pos pos, const char *what);

#endif
