/* What the files of the OpenAPI emitter share. */
#ifndef PG_OPENAPI_H
#define PG_OPENAPI_H

#include "json_out.h"
#include "model.h"

/* emit_openapi_schema.c: JSON Schema (2020-12, as OpenAPI 3.1 has it) of fields and records. */
void pg_openapi_field(pg_json *j, const char *key, pg_context *c, const pg_field *f);
/* `input`: unknown fields are refused. `m` not NULL: only the fields that HTTP takes from the body of that method. */
void pg_openapi_record(pg_json *j, const char *key, pg_context *c, const pg_record *r, bool input, const pg_method *m);
const char *pg_openapi_name(pg_context *c, const pg_record *r); /* of its component */

const char *pg_openapi_pattern(sut_format f);
/* The same of a field with `text:`, as far as one character can be judged without its neighbours. */
const char *pg_openapi_text_pattern(const pg_field *f); /* ECMA-262 */

/* emit_openapi_errors.c: responses by status; those of the platform alone are shared components. */
void pg_openapi_responses(pg_json *j, pg_context *c, const pg_method *m);
void pg_openapi_shared_responses(pg_json *j, pg_context *c, const pg_method *const *methods, size_t count);
void pg_openapi_problem_schemas(pg_json *j);

/* The method takes some of its input from the body; `all`: and nothing from elsewhere. */
bool pg_body_fields(const pg_method *m, bool *all);
/* Methods reached by HTTP, sorted by path, then verb (emit_index.c). */
const pg_method **pg_http_methods(pg_context *c, const pg_model *m, size_t *count);

#endif
