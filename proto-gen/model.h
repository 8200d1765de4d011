/* The checked model that every emitter reads: domains with their enums, named types, records, errors and methods, in
 * the order in which they are emitted. Strings and structs live in the context's arena. Loading fills what the files
 * say (load.h); checking resolves names and fills the fields marked (checked) (check.h). */
#ifndef PG_MODEL_H
#define PG_MODEL_H

#include "tree.h"
#include "wire/schema.h"

typedef struct pg_domain pg_domain;
typedef struct pg_record pg_record;
typedef struct pg_method pg_method;
typedef struct pg_event pg_event;
typedef struct pg_field pg_field;

typedef struct pg_enum_value {
    const char *name, *doc;
    pg_node *value_node; /* NULL: one more than the value before */
    int32_t value;
    pg_pos pos;
} pg_enum_value;

typedef struct pg_enum {
    const char *name, *doc;
    pg_pos pos;
    pg_domain *domain;
    pg_enum_value *values; /* in declaration order */
    size_t count;
} pg_enum;

/* Which keys a field's declaration gave itself (one bit each, PG_SAID of its index in the loader's table). */
enum {
    PG_KEY_TYPE,
    PG_KEY_DOC,
    PG_KEY_OF,
    PG_KEY_REQUIRED,
    PG_KEY_DEFAULT,
    PG_KEY_NULLABLE,
    PG_KEY_SECRET,
    PG_KEY_PERSONAL,
    PG_KEY_TRIM,
    PG_KEY_LOWER,
    PG_KEY_VOLATILE,
    PG_KEY_MIN,
    PG_KEY_MAX,
    PG_KEY_MIN_BYTES,
    PG_KEY_MAX_BYTES,
    PG_KEY_MIN_CHARS,
    PG_KEY_MAX_CHARS,
    PG_KEY_MIN_ITEMS,
    PG_KEY_MAX_ITEMS,
    PG_KEY_PATTERN,
    PG_KEY_FORMAT,
    PG_KEY_TEXT,
    PG_KEY_EXAMPLE,
    PG_KEY_FROM,
    PG_KEY_SINCE,
    PG_KEY_COUNT
};
#define PG_SAID(key) (UINT32_C(1) << (key))

typedef union pg_scalar { /* a default or limit, read according to the field's type */
    bool b;
    int64_t i;
    double f;
    const char *s;
} pg_scalar;

struct pg_field {
    const char *name; /* "" for an element of a list or map */
    const char *doc;
    pg_pos pos;
    const pg_node *decl; /* the mapping that declares it; NULL for `of: NAME` */
    uint32_t said;       /* PG_SAID bits, those of the named type included once checked */
    pg_node *type_node, *of_node, *min_node, *max_node, *default_node, *example_node, *from_node, *pattern_node,
        *format_node, *text_node;
    bool required, nullable, secret, personal, trim, lower, is_volatile;
    uint32_t min_bytes, max_bytes, min_chars, max_chars, min_items, max_items;
    const char *pattern, *since;
    /* (checked) */
    bool resolved; /* the type was found; what follows can be relied on */
    sut_type type;
    sut_format format;
    sut_text_kind text;
    const pg_enum *enumeration;
    const pg_record *record;
    pg_field *element;
    pg_scalar min, max, def;
    const char *example_json; /* as given, in JSON; NULL if none */
    enum { PG_UNCHECKED, PG_CHECKING, PG_CHECKED } state;
};

struct pg_record {
    const char *name; /* within its domain: "tokens", "login_in" */
    const char *doc;
    pg_pos pos;
    pg_domain *domain;
    pg_field *fields; /* in declaration order */
    size_t count;
    const pg_method *method; /* whose inline `in` or `out` it is; NULL if declared by name */
    const pg_event *event;   /* whose body it is; NULL if declared by name */
    bool example_cycle;      /* (checked) */
    bool is_input;           /* (checked) callers send it, or it is inside of what they send */
};

typedef struct pg_domain_error {
    const char *name, *doc; /* the name is the code on the wire */
    uint32_t http_status;
    int number; /* from SUT_ERR_DOMAIN_FIRST, in declaration order */
    pg_pos pos;
    pg_domain *domain;
} pg_domain_error;

typedef struct pg_source { /* where HTTP has an input field */
    sut_field_source from;
    const char *name; /* of the parameter or header */
} pg_source;

typedef struct pg_method_error { /* one error that a method may answer */
    const char *code, *doc;
    uint32_t http_status;
    const pg_domain_error *own; /* NULL: the platform's */
    int platform;               /* sut_err, if not own */
    bool edge_only;             /* answered by the edge, never by the bus */
} pg_method_error;

struct pg_method {
    const char *name;    /* "login" */
    const char *subject; /* "auth.login" */
    const char *doc, *since, *rate_class;
    pg_pos pos;
    pg_domain *domain;
    uint32_t timeout_ms; /* (checked) */
    bool idempotent, service_only;
    pg_node *timeout_node, *level_node, *in_node, *out_node, *errors_node, *self_node, *owner_node, *rate_node,
        *http_node;
    /* HTTP, if verb is not NULL */
    const char *verb, *path;
    pg_node *verb_node, *path_node, *status_node;
    uint32_t success_status;
    /* (checked) */
    sut_level level;
    pg_record *in, *out;
    const pg_field *self, *owner;
    pg_source *sources;      /* one a field of `in`, if it is reached by HTTP */
    pg_method_error *errors; /* sorted by HTTP status, then code */
    size_t error_count;
};

struct pg_event {
    const char *subject; /* "user.registered" */
    const char *name;    /* in C, and its body's: "user_registered" */
    const char *doc, *since;
    pg_pos pos;
    pg_domain *domain; /* who publishes it */
    bool open;
    pg_node *key_node, *fields_node;
    pg_record *body; /* (checked) */
    const pg_field *key;
};

typedef struct pg_consumer {
    const char *name; /* "registered": the handler is user_on_registered */
    const char *doc, *group;
    pg_pos pos;
    pg_domain *domain; /* who consumes */
    pg_node *event_node, *group_node, *ack_wait_node;
    const pg_event *event; /* (checked) */
    uint32_t ack_wait_ms;
} pg_consumer;

typedef struct pg_named_type { /* a scalar type with its limits, for use as `type: NAME` */
    const char *name;
    pg_domain *domain;
    pg_field field;
} pg_named_type;

typedef struct pg_rate_class {
    const char *name, *doc;
    pg_pos pos;
} pg_rate_class;

struct pg_domain {
    const char *name, *doc, *since;
    const char *file; /* base name, for banners: "auth.yaml" */
    pg_pos pos;
    pg_node *domain_node;
    pg_enum *enums;
    pg_named_type *types;
    pg_record *records; /* sorted by name; inline ones of methods included */
    pg_domain_error *errors;
    pg_method *methods;
    pg_event *events;       /* sorted by subject */
    pg_consumer *consumers; /* sorted by name */
    pg_rate_class *rate_classes;
    size_t enum_count, type_count, record_count, error_count, method_count, event_count, consumer_count,
        rate_class_count;
};

typedef struct pg_model {
    pg_domain **domains; /* sorted by name */
    size_t count;
} pg_model;

#define PG_COMMON "common" /* the domain whose types, enums and records all others may use */

const char *pg_type_name(sut_type t); /* "i64" … as schemas write it */
bool pg_type_parse(const char *name, sut_type *out);
const char *pg_format_name(sut_format f); /* "email" …; NULL for SUT_FMT_NONE */
bool pg_format_parse(const char *name, sut_format *out);
const char *const *pg_type_names(size_t *count);
const char *const *pg_format_names(size_t *count);
const char *pg_level_name(sut_level l); /* "PUBLIC" … */

pg_domain *pg_find_domain(const pg_model *m, const char *name);
pg_record *pg_find_record(const pg_domain *d, const char *name);
pg_enum *pg_find_enum(const pg_domain *d, const char *name);
pg_named_type *pg_find_type(const pg_domain *d, const char *name);
const pg_field *pg_find_field(const pg_record *r, const char *name);
const pg_method *pg_find_method(const pg_domain *d, const char *name);
const pg_event *pg_find_event(const pg_model *m, const char *subject); /* of any domain */
/* All of the model, sorted: events by subject, consumers by group, then subject. */
const pg_event **pg_all_events(pg_context *c, const pg_model *m, size_t *count);
const pg_consumer **pg_all_consumers(pg_context *c, const pg_model *m, size_t *count);
/* Where its declaration has that key; where the field is, if a named type has it. */
pg_pos pg_key_pos(const pg_field *f, const char *key);
/* Does it have a has_NAME companion in its C struct? */
bool pg_has_presence(const pg_field *f);

#endif
