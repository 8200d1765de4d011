/* From what the files say to a model that emitters can trust: names resolved, limits sane, no two things of one name.
 * Notes every error that it finds; a model is complete only if there were none. */
#ifndef PG_CHECK_H
#define PG_CHECK_H

#include "model.h"

typedef struct pg_checker {
    pg_context *c;
    pg_model *m;
    const pg_domain *common; /* NULL if there is none */
} pg_checker;

void pg_check(pg_context *c, pg_model *m);

/* check_field.c: resolves the type and everything that depends on it. `what` names it in messages. */
void pg_check_field(pg_checker *k, const pg_domain *d, pg_field *f, const char *what);
/* check_value.c: parses one YAML value as the field's type says (limits, defaults); notes an error otherwise. */
bool pg_check_scalar(pg_checker *k, const pg_field *f, const pg_node *n, const char *what, pg_scalar *out);
/* The value as JSON text, or NULL with an error noted. The field and all that it refers to must be resolved. */
const char *pg_value_json(pg_checker *k, const pg_field *f, const pg_node *n, const char *what);
/* check_examples.c: all fields must be checked already. */
void pg_check_examples(pg_checker *k);
/* The shortest text that reads back as the same number, in C and in JSON. */
const char *pg_double_text(pg_context *c, double f);
/* check_method.c and check_http.c */
void pg_check_method(pg_checker *k, pg_method *m);
void pg_check_http(pg_checker *k, pg_method *m);
void pg_check_routes(pg_checker *k); /* no two methods of one verb and path shape */
void pg_check_since(pg_checker *k, const char *since, pg_pos pos, const char *what);
/* check_events.c: all fields must be checked already. */
void pg_check_event(pg_checker *k, pg_event *e);
void pg_check_consumer(pg_checker *k, pg_consumer *u);
/* check_errors.c: the declared errors and those that follow from what the method is. */
void pg_check_errors(pg_checker *k, pg_method *m);

#endif
