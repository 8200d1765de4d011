/* Tables of methods and domains, as proto-gen emits them. */
#ifndef SUT_WIRE_SCHEMA_H
#define SUT_WIRE_SCHEMA_H

#include "wire/record.h"

typedef enum { SUT_LEVEL_PUBLIC = 0, SUT_LEVEL_USER = 1, SUT_LEVEL_FRIEND = 2, SUT_LEVEL_ADMIN = 3 } sut_level;
typedef enum {
    SUT_FROM_BODY,
    SUT_FROM_PATH,
    SUT_FROM_QUERY,
    SUT_FROM_HEADER,
    SUT_FROM_CLIENT, /* what the edge itself knows of who asks: "address" or "user_agent" */
    SUT_FROM_NOWHERE
} sut_field_source;

typedef struct sut_http_source {
    const sut_field *field; /* of the method's input record */
    uint8_t source;         /* sut_field_source */
    const char *name;       /* parameter or header name, or what of the client */
} sut_http_source;

typedef struct sut_http_route {
    const char *verb; /* "GET" … upper case */
    const char *path; /* "/api/users/profile/:id": literal segments and :name, which matches one segment */
    int success_status;
    const sut_http_source *sources;
    size_t source_count;
} sut_http_route;

typedef struct sut_method {
    const char *name;    /* "user.profile_get": the subject of its calls */
    const char *service; /* "user" */
    const sut_record *in, *out;
    uint32_t timeout_ms;
    uint8_t level;          /* sut_level: what the principal must have */
    bool idempotent;        /* may be executed twice: the broker fails it over, libsut may retry it */
    bool service_only;      /* `service: true`: callable without a principal, and only by peers (never through HTTP) */
    const sut_field *self;  /* `self: FIELD`: this input field must be the principal's user_id (admins pass) */
    const sut_field *owner; /* level FRIEND: the input field naming the user whose friend the principal must be */
    const char *rate_class; /* "default", "login", "register" … */
    const char *since;      /* "1.0" */
    const char *doc;
    const sut_http_route *http;          /* NULL: not reachable by HTTP */
    const sut_error_desc *const *errors; /* domain and platform errors that it may answer */
    size_t error_count;
} sut_method;

/* ---- events ---- */

/* One event, as `events:` of a schema declares it. Events hold no secret fields; proto-gen refuses them. */
typedef struct sut_event {
    const char *subject; /* "user.registered" */
    const char *service; /* the domain that declares it, "auth": only who may serve that publishes it … */
    bool open;           /* … unless `open: true`: whoever the access list lets */
    const sut_record *body;
    const sut_field *key; /* i64 or string field of the body that orders it; NULL: unordered */
    const char *since, *doc;
} sut_event;

/* One entry of `consumes:`: an event that a service takes as one of a durable group. Entries of one service with the
 * same group are one group, told apart by subject. */
typedef struct sut_consumer {
    const char *name;    /* "user.registered_profile": domain, then the entry's name; for logs */
    const char *service; /* "user" */
    const char *group;   /* "user-profile" */
    const sut_event *event;
    uint32_t ack_wait_ms; /* 5,000 unless said */
    const char *doc;
} sut_consumer;

typedef struct sut_domain {
    const char *name;                 /* "user" */
    const sut_method *const *methods; /* sorted by name */
    size_t method_count;
    const sut_record *const *records; /* sorted by name */
    size_t record_count;
    const sut_error_desc *const *errors; /* the domain's own */
    size_t error_count;
    const sut_event *const *events; /* sorted by subject */
    size_t event_count;
    const sut_consumer *const *consumers; /* sorted by name */
    size_t consumer_count;
} sut_domain;

/* All domains, in name order; defined in the generated schema_tables library. */
extern const sut_domain *const sut_domains[];
extern const size_t sut_domain_count;
/* All methods of all domains, sorted by name: the broker's method table. */
extern const sut_method *const sut_methods[];
extern const size_t sut_method_count;
/* Those that HTTP reaches, sorted by path, then verb: the edge's route table. */
extern const sut_method *const sut_routes[];
extern const size_t sut_route_count;

/* All events, sorted by subject. */
extern const sut_event *const sut_events[];
extern const size_t sut_event_count;
/* All consumers, sorted by group, then subject: each group is one run. */
extern const sut_consumer *const sut_consumers[];
extern const size_t sut_consumer_count;

/* Look-ups over sut_domains by binary search; NULL if there is none. */
const sut_method *sut_method_find(sut_str name);
const sut_event *sut_event_find(sut_str subject);
/* The service that declares this group; NULL if no schema does: then it is a tool's. */
const char *sut_group_service(sut_str group);
const sut_record *sut_schema_record(sut_str domain, sut_str record);
/* The error by code: the method's domain first, then the platform's; NULL if unknown. `m` may be NULL. */
const sut_error_desc *sut_method_error(const sut_method *m, sut_str code);
/* By number, as handlers return it. */
const sut_error_desc *sut_method_error_number(const sut_method *m, int err);

#endif
