/* Exact routing over the generated tables: a tree of path segments, literals before parameters. Built at start, then
 * immutable and shared by all threads. */
#ifndef SUT_HTTP_ROUTER_H
#define SUT_HTTP_ROUTER_H

#include "uri.h"
#include "wire/schema.h"

#define SUT_ROUTE_PARAMS_MAX  8
#define SUT_ROUTE_SOURCES_MAX 64

typedef enum sut_verb { SUT_GET, SUT_POST, SUT_PUT, SUT_DELETE, SUT_PATCH, SUT_VERB_COUNT } sut_verb;

typedef enum sut_page { SUT_PAGE_NONE, SUT_PAGE_HEALTH, SUT_PAGE_OPENAPI } sut_page;

typedef struct sut_route {
    const sut_method *method; /* a call on the bus; or NULL and … */
    sut_page page;            /* … what the edge answers itself */
    /* for each of method->http->sources: which path parameter it is; meaningless for other sources */
    uint8_t param_of[SUT_ROUTE_SOURCES_MAX];
} sut_route;

typedef struct sut_router sut_router;

SUT_MUST_CHECK sut_status sut_router_new(sut_router **out);
sut_router *sut_router_free(sut_router *r);
/* Adds one. -EEXIST: verb and path are taken (paths that differ only in parameter names are the same). -EINVAL: an
 * unknown verb, a malformed path, or a path parameter without a source. */
SUT_MUST_CHECK sut_status sut_router_add(sut_router *r, const char *verb, const char *path, const sut_method *method,
                                         sut_page page);
/* Adds every method of the schemas that can be reached by HTTP. `error` gets one line that names what is wrong. */
SUT_MUST_CHECK sut_status sut_router_add_schemas(sut_router *r, char *error, size_t error_size);

typedef struct sut_route_match {
    const sut_route *route; /* NULL: the path exists, but not with this verb */
    unsigned verbs;         /* bit 1 << sut_verb for each that the path has; 0: no such path */
    sut_str params[SUT_ROUTE_PARAMS_MAX];
    size_t param_count;
} sut_route_match;

/* HEAD finds what GET finds. */
void sut_router_find(const sut_router *r, sut_str verb, const sut_str *segments, size_t count, sut_route_match *out);
/* "GET, HEAD, PUT, OPTIONS" */
#define SUT_ALLOW_SIZE 64
void sut_router_allow(unsigned verbs, char out[SUT_ALLOW_SIZE]);

#endif
