/* What a method may answer but success: what it declares, and what follows from its level, its HTTP side and the bus.
 */
#include "check.h"

#include <stdlib.h>

static const pg_domain_error *find_own(const pg_domain *d, const char *code)
{
    for (size_t i = 0; i < d->error_count; i++)
        if (strcmp(d->errors[i].name, code) == 0)
            return &d->errors[i];
    return NULL;
}

static bool has(const pg_method *m, const char *code)
{
    for (size_t i = 0; i < m->error_count; i++)
        if (strcmp(m->errors[i].code, code) == 0)
            return true;
    return false;
}

static void add_platform(pg_method *m, int err, bool edge_only)
{
    const sut_error_desc *e = sut_platform_error(err);
    if (!has(m, e->code))
        m->errors[m->error_count++] = (pg_method_error){.code = e->code,
                                                        .doc = e->doc,
                                                        .http_status = (uint32_t)e->http_status,
                                                        .platform = err,
                                                        .edge_only = edge_only};
}

static void unknown_error(pg_checker *k, const pg_method *m, const pg_node *n)
{
    const pg_domain *d = m->domain;
    const char **names = PG_ARRAY(k->c, d->error_count + SUT_ERR_PLATFORM_COUNT, const char *);
    size_t count = 0;
    for (size_t i = 0; i < d->error_count; i++)
        names[count++] = d->errors[i].name;
    for (int err = 1; err < SUT_ERR_PLATFORM_COUNT; err++)
        names[count++] = sut_platform_error(err)->code;
    const char *hint = pg_did_you_mean(k->c, n->text, names, count);
    pg_error(k->c, n->pos, "there is no error \"%s\"%s", n->text, *hint ? hint : "; declare it under errors");
}

static void add_declared(pg_checker *k, pg_method *m)
{
    const pg_node *list = m->errors_node;
    if (!list)
        return;
    if (list->kind != PG_SEQUENCE) {
        pg_error(k->c, list->pos, "\"errors\" of method \"%s\" must be a list of codes, not %s", m->name,
                 pg_kind_text(k->c, list));
        return;
    }
    for (const pg_node *n = list->first; n; n = n->next) {
        if (n->kind != PG_SCALAR) {
            pg_error(k->c, n->pos, "an error's code must be a name, not %s", pg_kind_text(k->c, n));
            continue;
        }
        const pg_domain_error *own = find_own(m->domain, n->text);
        const sut_error_desc *platform = sut_platform_error_by_code(sut_str_from(n->text));
        if (has(m, n->text))
            pg_error(k->c, n->pos, "error \"%s\" is listed twice", n->text);
        else if (own)
            m->errors[m->error_count++] =
                (pg_method_error){.code = own->name, .doc = own->doc, .http_status = own->http_status, .own = own};
        else if (platform)
            add_platform(m, platform->err, false);
        else
            unknown_error(k, m, n);
    }
}

static bool has_body(const pg_method *m)
{
    for (size_t i = 0; m->sources && i < m->in->count; i++)
        if (m->sources[i].from == SUT_FROM_BODY)
            return true;
    return false;
}

static void add_implied(pg_method *m)
{
    const bool takes_input = m->in && m->in->count;
    if (takes_input || m->http_node) /* by HTTP there is always a query, which may have too much in it */
        add_platform(m, SUT_ERR_INVALID, !takes_input);
    if (m->level > SUT_LEVEL_PUBLIC || m->http_node) /* by HTTP a bad token is refused at every level */
        add_platform(m, SUT_ERR_UNAUTHENTICATED, m->level == SUT_LEVEL_PUBLIC);
    if (m->level > SUT_LEVEL_USER || m->self)
        add_platform(m, SUT_ERR_FORBIDDEN, false);
    if (!m->idempotent)
        add_platform(m, SUT_ERR_OUTCOME_UNKNOWN, false);
    static const int always[] = {SUT_ERR_OVERLOADED,  SUT_ERR_NO_SUCH_SERVICE,   SUT_ERR_NO_SUCH_METHOD,
                                 SUT_ERR_UNAVAILABLE, SUT_ERR_DEADLINE_EXCEEDED, SUT_ERR_INTERNAL};
    for (size_t i = 0; i < SUT_ARRAY_LEN(always); i++)
        add_platform(m, always[i], false);
    if (!m->http_node)
        return;
    static const int edge[] = {SUT_ERR_BAD_REQUEST, SUT_ERR_NOT_ACCEPTABLE, SUT_ERR_URI_TOO_LONG,
                               SUT_ERR_HEADERS_TOO_LARGE, SUT_ERR_RATE_LIMITED};
    for (size_t i = 0; i < SUT_ARRAY_LEN(edge); i++)
        add_platform(m, edge[i], true);
    /* Nobody cancels a request of HTTP but an edge that stops, and it says so by 503. */
    const sut_error_desc *cancelled = sut_platform_error(SUT_ERR_CANCELLED);
    if (!has(m, cancelled->code))
        m->errors[m->error_count++] = (pg_method_error){.code = cancelled->code,
                                                        .doc = cancelled->doc,
                                                        .http_status = 503,
                                                        .platform = SUT_ERR_CANCELLED,
                                                        .edge_only = true};
    if (has_body(m)) {
        add_platform(m, SUT_ERR_PAYLOAD_TOO_LARGE, true);
        add_platform(m, SUT_ERR_UNSUPPORTED_MEDIA_TYPE, true);
    }
}

static int compare(const void *a, const void *b)
{
    const pg_method_error *x = a, *y = b;
    if (x->http_status != y->http_status)
        return x->http_status < y->http_status ? -1 : 1;
    return strcmp(x->code, y->code);
}

void pg_check_errors(pg_checker *k, pg_method *m)
{
    size_t listed = m->errors_node && m->errors_node->kind == PG_SEQUENCE ? m->errors_node->count : 0;
    m->errors = PG_ARRAY(k->c, listed + SUT_ERR_PLATFORM_COUNT, pg_method_error);
    add_declared(k, m);
    add_implied(m);
    qsort(m->errors, m->error_count, sizeof(*m->errors), compare);
}
