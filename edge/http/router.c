/* The tree: literal children sorted by name, one parameter child, one route a verb. */
#include "router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct node {
    char *name; /* literal; NULL for the parameter and the root */
    struct node **literals;
    size_t literal_count;
    struct node *parameter;
    sut_route *routes[SUT_VERB_COUNT];
} node;

struct sut_router {
    node *root;
};

static const char *const verb_names[SUT_VERB_COUNT] = {
    [SUT_GET] = "GET", [SUT_POST] = "POST", [SUT_PUT] = "PUT", [SUT_DELETE] = "DELETE", [SUT_PATCH] = "PATCH"};

static node *node_free(node *n)
{
    if (!n)
        return NULL;
    for (size_t i = 0; i < n->literal_count; i++)
        node_free(n->literals[i]);
    node_free(n->parameter);
    for (size_t i = 0; i < SUT_VERB_COUNT; i++)
        free(n->routes[i]);
    free(n->literals);
    free(n->name);
    free(n);
    return NULL;
}

sut_status sut_router_new(sut_router **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return SUT_TRACE(-ENOMEM, "router");
    (*out)->root = calloc(1, sizeof(node));
    if (!(*out)->root) {
        *out = sut_router_free(*out);
        return SUT_TRACE(-ENOMEM, "router");
    }
    return 0;
}

sut_router *sut_router_free(sut_router *r)
{
    if (r) {
        node_free(r->root);
        free(r);
    }
    return NULL;
}

static int compare(sut_str a, const char *b)
{
    size_t len = strlen(b);
    int order = memcmp(a.ptr, b, a.len < len ? a.len : len);
    return order ? order : (a.len > len) - (a.len < len);
}

/* The literal child of that name; NULL, and in *at where it would have to be inserted, if there is none. */
static node *literal_child(const node *n, sut_str name, size_t *at)
{
    size_t low = 0, high = n->literals ? n->literal_count : 0;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = compare(name, n->literals[mid]->name);
        if (order == 0)
            return n->literals[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    *at = low;
    return NULL;
}

static node *child_literal(node *n, sut_str name)
{
    size_t at = 0;
    node *known = literal_child(n, name, &at);
    if (known)
        return known;
    node **grown = realloc(n->literals, (n->literal_count + 1) * sizeof(node *));
    if (!grown)
        return NULL;
    n->literals = grown;
    node *fresh = calloc(1, sizeof(node));
    if (!fresh || !(fresh->name = strndup(name.ptr, name.len))) {
        free(fresh);
        return NULL;
    }
    memmove(grown + at + 1, grown + at, (n->literal_count - at) * sizeof(node *));
    grown[at] = fresh;
    n->literal_count++;
    return fresh;
}

static node *child_parameter(node *n)
{
    if (!n->parameter)
        n->parameter = calloc(1, sizeof(node));
    return n->parameter;
}

static int verb_of(sut_str verb)
{
    for (int v = 0; v < SUT_VERB_COUNT; v++) {
        if (sut_str_is(verb, verb_names[v]))
            return v;
    }
    return -1;
}

/* Notes for each source of the method that it comes from path parameter number `index`. */
static bool bind_parameter(sut_route *route, sut_str name, uint8_t index)
{
    bool bound = false;
    const sut_http_route *http = route->method ? route->method->http : NULL;
    for (size_t i = 0; http && i < http->source_count; i++) {
        if (http->sources[i].source == SUT_FROM_PATH && sut_str_is(name, http->sources[i].name)) {
            route->param_of[i] = index;
            bound = true;
        }
    }
    return bound;
}

/* Walks the path, making nodes, and binds its parameters. NULL with *st set on failure. */
static node *walk(sut_router *r, const char *path, sut_route *route, sut_status *st)
{
    node *n = r->root;
    uint8_t params = 0;
    *st = -EINVAL;
    if (path[0] != '/')
        return NULL;
    for (const char *at = path + 1;;) {
        sut_str segment = {at, strcspn(at, "/")};
        if (segment.len > 0 && at[0] == ':') {
            sut_str name = {at + 1, segment.len - 1};
            if (params == SUT_ROUTE_PARAMS_MAX || !bind_parameter(route, name, params++))
                return NULL;
            n = child_parameter(n);
        } else {
            n = child_literal(n, segment);
        }
        if (!n) {
            *st = SUT_TRACE(-ENOMEM, "route");
            return NULL;
        }
        at += segment.len;
        if (*at == '\0')
            break;
        at++;
    }
    *st = 0;
    return n;
}

sut_status sut_router_add(sut_router *r, const char *verb, const char *path, const sut_method *method, sut_page page)
{
    int v = verb_of(sut_str_from(verb));
    if (v < 0 || (method && method->http && method->http->source_count > SUT_ROUTE_SOURCES_MAX))
        return -EINVAL;
    sut_route *route = calloc(1, sizeof(*route));
    if (!route)
        return SUT_TRACE(-ENOMEM, "route");
    route->method = method;
    route->page = page;
    sut_status st;
    node *n = walk(r, path, route, &st);
    if (n && n->routes[v])
        st = -EEXIST;
    if (!n || st) {
        free(route);
        return st;
    }
    n->routes[v] = route;
    return 0;
}

sut_status sut_router_add_schemas(sut_router *r, char *error, size_t error_size)
{
    for (size_t d = 0; d < sut_domain_count; d++) {
        for (size_t i = 0; i < sut_domains[d]->method_count; i++) {
            const sut_method *m = sut_domains[d]->methods[i];
            if (!m->http || m->service_only)
                continue;
            sut_status st = sut_router_add(r, m->http->verb, m->http->path, m, SUT_PAGE_NONE);
            if (st) {
                (void)snprintf(error, error_size, "%s: %s %s: %s", m->name, m->http->verb, m->http->path,
                               st == -EEXIST ? "another method has this verb and path" : "the route cannot be made");
                return st;
            }
        }
    }
    return 0;
}

static const node *find(const node *n, const sut_str *segments, size_t count, sut_route_match *out)
{
    if (count == 0) {
        for (size_t v = 0; v < SUT_VERB_COUNT; v++)
            out->verbs |= n->routes[v] ? 1u << v : 0;
        return out->verbs ? n : NULL;
    }
    size_t at;
    const node *literal = literal_child(n, segments[0], &at);
    const node *end = literal ? find(literal, segments + 1, count - 1, out) : NULL;
    if (end)
        return end;
    if (!n->parameter || segments[0].len == 0 || out->param_count == SUT_ROUTE_PARAMS_MAX)
        return NULL;
    out->params[out->param_count++] = segments[0];
    end = find(n->parameter, segments + 1, count - 1, out);
    if (!end)
        out->param_count--;
    return end;
}

void sut_router_find(const sut_router *r, sut_str verb, const sut_str *segments, size_t count, sut_route_match *out)
{
    memset(out, 0, sizeof(*out));
    const node *n = find(r->root, segments, count, out);
    int v = sut_str_is(verb, "HEAD") ? SUT_GET : verb_of(verb);
    if (n && v >= 0)
        out->route = n->routes[v];
}

void sut_router_allow(unsigned verbs, char out[SUT_ALLOW_SIZE])
{
    size_t n = 0;
    for (unsigned v = 0; v < SUT_VERB_COUNT; v++) {
        if (verbs & (1u << v))
            n += (size_t)snprintf(out + n, SUT_ALLOW_SIZE - n, "%s, %s", verb_names[v], v == SUT_GET ? "HEAD, " : "");
    }
    (void)snprintf(out + n, SUT_ALLOW_SIZE - n, "OPTIONS");
}
