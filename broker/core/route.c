/* What a session remembers of the subjects that it calls: whether it may, which service, what the method table says. A
 * small direct-mapped cache a session, so that a call costs no walk over ACL patterns. Entries made under another ACL
 * or another set of services are made again. */
#include "state.h"

#include <stdlib.h>

static uint32_t hash_subject(sut_str s)
{
    uint32_t h = 2166136261u; /* FNV-1a: a peer that makes its subjects collide slows down only itself */
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    return h ^ (h >> 15);
}

/* The service of a subject is its first token. */
static sut_str service_part(sut_str subject)
{
    const char *dot = memchr(subject.ptr, '.', subject.len);
    return (sut_str){subject.ptr, dot ? (size_t)(dot - subject.ptr) : subject.len};
}

/* `user.*` in a tool's line is meant for what users may do, not for what actors do to each other. */
static bool may_call(const core_session *s, const core_route *r, sut_str subject)
{
    if (!sut_acl_allows(s->acl, SUT_RIGHT_CALL, subject))
        return false;
    return !r->method.service_only || sut_acl_role(s->acl) != SUT_ROLE_TOOL ||
           sut_acl_names(s->acl, SUT_RIGHT_CALL, subject);
}

static void fill(sut_core *c, const core_session *s, core_route *r, sut_str subject)
{
    static const char prefix[] = CORE_CONTROL_PREFIX;
    r->acl_generation = c->acl_generation;
    r->service_generation = c->service_generation;
    r->subject_len = (uint8_t)subject.len;
    memcpy(r->subject, subject.ptr, subject.len);
    r->control = subject.len >= sizeof(prefix) && memcmp(subject.ptr, prefix, sizeof(prefix) - 1) == 0;
    r->service = r->control ? NULL : core_service_find(c, service_part(subject));
    r->method = (sut_core_method){.known = false};
    if (c->ops.method)
        c->ops.method(c->app, subject, &r->method);
    r->allowed = may_call(s, r, subject);
}

const core_route *core_route_find(sut_core *c, core_session *s, sut_str subject)
{
    if (!s->routes) {
        s->routes = calloc(CORE_ROUTE_SLOTS, sizeof(*s->routes));
        if (!s->routes)
            return NULL;
    }
    core_route *r = &s->routes[hash_subject(subject) % CORE_ROUTE_SLOTS];
    bool same = r->acl_generation == c->acl_generation && r->service_generation == c->service_generation &&
                r->subject_len == subject.len && memcmp(r->subject, subject.ptr, subject.len) == 0;
    if (!same)
        fill(c, s, r, subject);
    return r;
}
