/* A YAML file as a tree whose every node knows its place. Only the subset that schemas need: one document, block or
 * flow mappings and sequences, scalars; no anchors, aliases, tags or duplicate keys. */
#ifndef PG_TREE_H
#define PG_TREE_H

#include "context.h"

typedef enum { PG_SCALAR, PG_SEQUENCE, PG_MAPPING } pg_kind;

typedef struct pg_node pg_node;
struct pg_node {
    pg_kind kind;
    pg_pos pos;
    const char *text; /* scalar; NUL-terminated, holds no other NUL */
    bool plain;       /* scalar without quotes: may mean a number, bool or null */
    pg_node *first;   /* sequence: items; mapping: keys */
    pg_node *value;   /* of a mapping's key */
    pg_node *next;
    size_t count;
};

/* NULL after noting errors: file unreadable, over 1 MiB, bad YAML or UTF-8, nested deeper than 16. */
pg_node *pg_tree_read(pg_context *c, const char *path);

bool pg_is_null(const pg_node *n); /* plain `null`, `~` or nothing */
bool pg_is_true(const pg_node *n); /* plain `true` */
bool pg_is_bool(const pg_node *n); /* plain `true` or `false` */
/* For messages: "a mapping", "a list", "nothing" or the scalar itself in quotes. */
const char *pg_kind_text(pg_context *c, const pg_node *n);
pg_node *pg_get(const pg_node *map, const char *key); /* value, or NULL */

#endif
