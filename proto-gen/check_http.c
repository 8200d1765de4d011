/* Checks how a method is reached by HTTP: verb, path, success status, and where each input field comes from. */
#include "check.h"

#include "keys.h"

#include <ctype.h>
#include <strings.h>

static const char *const s_verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

static void check_verb(pg_checker *k, pg_method *m)
{
    const pg_node *n = m->verb_node;
    if (!n) {
        pg_error(k->c, m->http_node->pos, "\"http\" of method \"%s\" has no \"verb\"", m->name);
        return;
    }
    for (size_t i = 0; n->kind == PG_SCALAR && i < SUT_ARRAY_LEN(s_verbs); i++)
        if (strcmp(n->text, s_verbs[i]) == 0)
            m->verb = s_verbs[i];
    if (!m->verb)
        pg_error(k->c, n->pos, "there is no verb \"%s\" here; use GET, POST, PUT, PATCH or DELETE",
                 n->kind == PG_SCALAR ? n->text : "");
    else if (strcmp(m->verb, "GET") == 0 && !m->idempotent)
        pg_error(k->c, n->pos, "a GET changes nothing, so method \"%s\" is idempotent; say idempotent: true", m->name);
}

static void check_status(pg_checker *k, pg_method *m)
{
    int64_t status = 200;
    if (m->status_node && pg_read_number(k->c, m->status_node, "\"status\"", 100, 599, &status) && status != 200 &&
        status != 201 && status != 202 && status != 204)
        pg_error(k->c, m->status_node->pos, "\"status\" must be 200, 201, 202 or 204");
    m->success_status = (uint32_t)status;
    if (status == 204 && m->out && m->out->count)
        pg_error(k->c, m->status_node->pos, "status 204 has no body, but method \"%s\" answers fields", m->name);
}

static bool segment_ok(const char *s, size_t len)
{
    bool parameter = len > 1 && s[0] == ':';
    for (size_t i = parameter ? 1 : 0; i < len; i++) {
        char ch = s[i];
        bool word = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
        if (!word && (parameter || (ch != '-' && ch != '.')))
            return false;
    }
    return len > 0 && !(len == 1 && s[0] == '.') && !(len == 2 && s[0] == '.' && s[1] == '.');
}

static void check_path(pg_checker *k, pg_method *m)
{
    const pg_node *n = m->path_node;
    if (!n) {
        pg_error(k->c, m->http_node->pos, "\"http\" of method \"%s\" has no \"path\"", m->name);
        return;
    }
    if (n->kind != PG_SCALAR || strncmp(n->text, "/api/", 5) != 0) {
        pg_error(k->c, n->pos, "\"path\" must start with /api/");
        return;
    }
    for (const char *s = n->text; *s;) {
        size_t len = strcspn(++s, "/");
        if (!segment_ok(s, len)) {
            pg_error(k->c, n->pos,
                     "\"path\": \"%.*s\" is not a segment; use lower-case letters, digits, - _ . or :name", (int)len,
                     s);
            return;
        }
        s += len;
    }
    m->path = n->text;
}

/* Does the path have a `:name`? */
static bool path_has(const char *path, const char *name)
{
    size_t len = strlen(name);
    for (const char *s = strstr(path, "/:"); s; s = strstr(s + 1, "/:"))
        if (strncmp(s + 2, name, len) == 0 && (s[2 + len] == '/' || !s[2 + len]))
            return true;
    return false;
}

static bool parse_source(const char *word, sut_field_source *out)
{
    static const char *const names[] = {
        [SUT_FROM_BODY] = "body",     [SUT_FROM_PATH] = "path",     [SUT_FROM_QUERY] = "query",
        [SUT_FROM_HEADER] = "header", [SUT_FROM_CLIENT] = "client", [SUT_FROM_NOWHERE] = "nowhere"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            *out = (sut_field_source)i;
            return true;
        }
    }
    return false;
}

static void read_source(pg_checker *k, const pg_method *m, const pg_field *f, pg_source *s)
{
    const pg_node *n = f->from_node;
    bool body = strcmp(m->verb, "GET") != 0 && strcmp(m->verb, "DELETE") != 0;
    s->name = f->name;
    s->from = path_has(m->path, f->name) ? SUT_FROM_PATH : body ? SUT_FROM_BODY : SUT_FROM_QUERY;
    if (!n)
        return;
    const char *word = n->kind == PG_SCALAR ? n->text : n->kind == PG_MAPPING && n->count == 1 ? n->first->text : NULL;
    if (!word || !parse_source(word, &s->from)) {
        pg_error(k->c, n->pos,
                 "\"from\" of field \"%s\" must be path, query, header, client, body or nowhere, or one of them "
                 "with a name: `{path: id}`",
                 f->name);
        return;
    }
    if (n->kind == PG_MAPPING && n->first->value->kind == PG_SCALAR && *n->first->value->text)
        s->name = n->first->value->text;
    else if (n->kind == PG_MAPPING)
        pg_error(k->c, n->first->value->pos, "\"from\" of field \"%s\": the parameter's name is missing", f->name);
}

static void check_header(pg_checker *k, const pg_field *f, const char *name)
{
    static const char *const taken[] = {
        "Accept",      "Connection",        "Cookie",        "Host",    "Expect", "Idempotency-Key", "Origin",
        "Traceparent", "Transfer-Encoding", "If-None-Match", "If-Match"};
    bool ok = isupper((unsigned char)*name) && strncasecmp(name, "Content-", 8) != 0;
    for (size_t i = 0; i < SUT_ARRAY_LEN(taken); i++)
        ok = ok && strcasecmp(name, taken[i]) != 0;
    for (const char *s = name; *s; s++)
        ok = ok && (isalnum((unsigned char)*s) || *s == '-');
    if (!ok)
        pg_error(k->c, f->from_node->pos, "field \"%s\" needs a header of its own: `from: {header: X-Something}`",
                 f->name);
}

/* What the edge may not know (and callers on the bus need not say) cannot be required. */
static void check_client(pg_checker *k, const pg_field *f, const char *name)
{
    if (strcmp(name, "address") != 0 && strcmp(name, "user_agent") != 0)
        pg_error(k->c, f->from_node->pos,
                 "field \"%s\": of the client its address or user_agent is known: `from: {client: address}`", f->name);
    else if (f->resolved && (f->type != SUT_T_STRING || f->required || f->nullable))
        pg_error(k->c, f->pos, "field \"%s\" comes from the client: an optional string, not nullable", f->name);
}

static void check_source(pg_checker *k, const pg_method *m, const pg_field *f, pg_source *s)
{
    read_source(k, m, f, s);
    if (!f->resolved)
        return;
    bool text = f->type != SUT_T_RECORD && f->type != SUT_T_LIST && f->type != SUT_T_MAP && f->type != SUT_T_BYTES;
    if (s->from != SUT_FROM_BODY && s->from != SUT_FROM_NOWHERE && !text)
        pg_error(k->c, f->pos, "field \"%s\" of type %s can come from the body only", f->name, pg_type_name(f->type));
    if (s->from == SUT_FROM_PATH && !path_has(m->path, s->name))
        pg_error(k->c, f->pos, "field \"%s\" comes from the path, but \"%s\" has no \":%s\"", f->name, m->path,
                 s->name);
    if (s->from == SUT_FROM_PATH && (!f->required || f->nullable))
        pg_error(k->c, f->pos, "field \"%s\" comes from the path, so it is always there; say required: true", f->name);
    if (s->from == SUT_FROM_BODY && (strcmp(m->verb, "GET") == 0 || strcmp(m->verb, "DELETE") == 0))
        pg_error(k->c, f->pos, "field \"%s\": a %s has no body; take it from the query", f->name, m->verb);
    if (s->from == SUT_FROM_NOWHERE && f->required)
        pg_error(k->c, f->pos, "field \"%s\" is required, but HTTP could never give it", f->name);
    if (s->from == SUT_FROM_HEADER)
        check_header(k, f, s->name);
    if (s->from == SUT_FROM_CLIENT)
        check_client(k, f, s->name);
    if (s->from == SUT_FROM_QUERY && f->secret)
        pg_error(k->c, f->pos, "field \"%s\" is secret; a query ends up in logs, take it from the body", f->name);
}

/* Each `:name` of the path must feed exactly one field. */
static void check_path_used(pg_checker *k, const pg_method *m)
{
    for (const char *s = strstr(m->path, "/:"); s; s = strstr(s + 1, "/:")) {
        const char *name = pg_strdup(k->c, s + 2, strcspn(s + 2, "/"));
        size_t uses = 0;
        for (size_t i = 0; i < m->in->count; i++)
            uses += m->sources[i].from == SUT_FROM_PATH && strcmp(m->sources[i].name, name) == 0;
        if (uses != 1)
            pg_error(k->c, m->path_node->pos, "\"path\": %s input field takes \":%s\"; say `from: {path: %s}` at one",
                     uses ? "more than one" : "no", name, name);
    }
}

void pg_check_http(pg_checker *k, pg_method *m)
{
    if (m->service_only)
        pg_error(k->c, m->http_node->pos, "method \"%s\" says service: true, so it cannot be reached by HTTP", m->name);
    if (m->http_node->kind != PG_MAPPING)
        return;
    check_verb(k, m);
    check_path(k, m);
    check_status(k, m);
    if (!m->verb || !m->path || !m->in)
        return;
    m->sources = PG_ARRAY(k->c, m->in->count, pg_source);
    for (size_t i = 0; i < m->in->count; i++)
        check_source(k, m, &m->in->fields[i], &m->sources[i]);
    check_path_used(k, m);
}

/* Equal but for the names of parameters? */
static bool same_shape(const char *a, const char *b)
{
    while (*a && *b) {
        size_t la = strcspn(++a, "/"), lb = strcspn(++b, "/");
        bool both = *a == ':' && *b == ':';
        if (!both && (la != lb || memcmp(a, b, la) != 0))
            return false;
        a += la;
        b += lb;
    }
    return *a == *b;
}

void pg_check_routes(pg_checker *k)
{
    const pg_method **seen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < k->m->count; i++)
        count += k->m->domains[i]->method_count;
    seen = PG_ARRAY(k->c, count, const pg_method *);
    count = 0;
    for (size_t i = 0; i < k->m->count; i++) {
        const pg_domain *d = k->m->domains[i];
        for (size_t j = 0; j < d->method_count; j++) {
            const pg_method *m = &d->methods[j];
            if (!m->verb || !m->path)
                continue;
            for (size_t s = 0; s < count; s++)
                if (strcmp(seen[s]->verb, m->verb) == 0 && same_shape(seen[s]->path, m->path))
                    pg_error(k->c, m->path_node->pos, "%s %s is already the route of %s (%s:%d)", m->verb, m->path,
                             seen[s]->subject, seen[s]->path_node->pos.file, seen[s]->path_node->pos.line);
            seen[count++] = m;
        }
    }
}
