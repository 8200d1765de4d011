/* The emitters: each turns the one checked model into files of its kind. Sorted, without times or paths, so that the
 * same schemas give the same bytes. */
#ifndef PG_EMIT_H
#define PG_EMIT_H

#include "model.h"
#include "output.h"

typedef struct pg_emitter {
    const char *name; /* for --emit */
    void (*emit)(pg_context *c, const pg_model *m, pg_outputs *o);
    const char *doc;
} pg_emitter;

extern const pg_emitter pg_emitters[];
extern const size_t pg_emitter_count;

void pg_emit_c(pg_context *c, const pg_model *m, pg_outputs *o);        /* NAME_schema.h, NAME_schema.c */
void pg_emit_service(pg_context *c, const pg_model *m, pg_outputs *o);  /* NAME_service.h, NAME_service.c */
void pg_emit_methods(pg_context *c, const pg_model *m, pg_outputs *o);  /* schema_methods.c: domains, methods by name */
void pg_emit_routes(pg_context *c, const pg_model *m, pg_outputs *o);   /* schema_routes.c: methods by path */
void pg_emit_asyncapi(pg_context *c, const pg_model *m, pg_outputs *o); /* asyncapi.json */
void pg_emit_openapi(pg_context *c, const pg_model *m, pg_outputs *o);  /* openapi.json */
void pg_emit_markdown(pg_context *c, const pg_model *m, pg_outputs *o); /* reference.md */
void pg_emit_seeds(pg_context *c, const pg_model *m, pg_outputs *o);    /* json/…, msgpack/… */
void pg_emit_roundtrip(pg_context *c, const pg_model *m, pg_outputs *o); /* schema_roundtrip_test.c */

/* Shared by the C emitters. */
void pg_c_header(const pg_domain *d, bool has_common, sut_buf *b); /* emit_c_header.c */
void pg_c_tables(pg_context *c, const pg_domain *d, sut_buf *b);   /* emit_c_tables.c */
/* emit_c_field.c; `text:` only if `is_input`: what is answered or told is not judged again. */
void pg_c_field(const char *owner_type, const pg_field *f, const char *element, bool is_input, sut_buf *b);
void pg_c_event_names(const pg_domain *d, sut_buf *b); /* emit_c_events.c */
void pg_c_event_includes(const pg_domain *d, sut_buf *b);
void pg_c_events(const pg_domain *d, sut_buf *b);
void pg_put_upper(sut_buf *b, const char *name);
void pg_banner_c(sut_buf *b, const char *what, const char *from);

#endif
