/* Checks one method but for its HTTP side and its errors (check.h). */
#include "check.h"

#include "keys.h"

enum { TIMEOUT_DEFAULT_MS = 3000, TIMEOUT_MAX_MS = 60000 };

static void check_level(pg_checker *k, pg_method *m)
{
    static const char *const names[] = {"PUBLIC", "USER", "FRIEND", "ADMIN"};
    const pg_node *n = m->level_node;
    if (!n) {
        if (!m->service_only)
            pg_error(k->c, m->pos, "method \"%s\" has no \"level\"; say who may call it: PUBLIC, USER, FRIEND or ADMIN",
                     m->name);
        return;
    }
    if (m->service_only) {
        pg_error(k->c, n->pos, "method \"%s\" says service: true, so it has no principal whose level could count",
                 m->name);
        return;
    }
    for (size_t i = 0; n->kind == PG_SCALAR && i < SUT_ARRAY_LEN(names); i++) {
        if (strcmp(n->text, names[i]) == 0) {
            m->level = (sut_level)i;
            return;
        }
    }
    const char *word = n->kind == PG_SCALAR ? n->text : "";
    const char *hint = pg_did_you_mean(k->c, word, names, SUT_ARRAY_LEN(names));
    pg_error(k->c, n->pos, "there is no level \"%s\"%s", word, *hint ? hint : "; use PUBLIC, USER, FRIEND or ADMIN");
}

/* `self` and `owner` name a required i64 field of the input. */
static const pg_field *user_field(pg_checker *k, const pg_method *m, const pg_node *n, const char *key)
{
    if (!n || !m->in)
        return NULL;
    if (n->kind != PG_SCALAR) {
        pg_error(k->c, n->pos, "\"%s\" must be the name of an input field, not %s", key, pg_kind_text(k->c, n));
        return NULL;
    }
    const pg_field *f = pg_find_field(m->in, n->text);
    if (!f) {
        const char **names = PG_ARRAY(k->c, m->in->count, const char *);
        for (size_t i = 0; i < m->in->count; i++)
            names[i] = m->in->fields[i].name;
        pg_error(k->c, n->pos, "\"%s\": method \"%s\" has no input field \"%s\"%s", key, m->name, n->text,
                 pg_did_you_mean(k->c, n->text, names, m->in->count));
        return NULL;
    }
    if (f->resolved && (f->type != SUT_T_I64 || !f->required || f->nullable))
        pg_error(k->c, n->pos, "\"%s\": field \"%s\" must be a required i64, a user's id", key, f->name);
    return f;
}

static void check_who(pg_checker *k, pg_method *m)
{
    m->self = user_field(k, m, m->self_node, "self");
    m->owner = user_field(k, m, m->owner_node, "owner");
    if (m->self_node && m->level == SUT_LEVEL_PUBLIC && m->level_node)
        pg_error(k->c, m->self_node->pos, "\"self\" needs a principal; raise the level to USER");
    if (m->level == SUT_LEVEL_FRIEND && !m->owner_node)
        pg_error(k->c, m->level_node->pos,
                 "level FRIEND needs \"owner\", the input field with the user whose friend the caller must be");
    if (m->owner_node && m->level != SUT_LEVEL_FRIEND)
        pg_error(k->c, m->owner_node->pos, "\"owner\" goes with level FRIEND only");
}

static pg_record *find_body(pg_checker *k, const pg_method *m, const pg_node *n, const char *suffix)
{
    if (!n || n->kind != PG_SCALAR || pg_is_null(n))
        return pg_find_record(m->domain, pg_printf(k->c, "%s_%s", m->name, suffix));
    const char *name = n->text;
    size_t prefix = strlen(PG_COMMON) + 1;
    bool shared = strncmp(name, PG_COMMON ".", prefix) == 0;
    pg_record *r = shared ? NULL : pg_find_record(m->domain, name);
    if (!r && k->common)
        r = pg_find_record(k->common, shared ? name + prefix : name);
    if (r && !r->method)
        return r;
    const pg_domain *d = m->domain;
    const char **names = PG_ARRAY(k->c, d->record_count, const char *);
    for (size_t i = 0; i < d->record_count; i++)
        names[i] = d->records[i].method ? NULL : d->records[i].name;
    pg_error(k->c, n->pos, "\"%s\" of method \"%s\": there is no record \"%s\"%s", suffix, m->name, name,
             pg_did_you_mean(k->c, name, names, d->record_count));
    return NULL;
}

static void check_rate(pg_checker *k, pg_method *m)
{
    const pg_node *n = m->rate_node;
    m->rate_class = "default";
    if (!n)
        return;
    size_t count = k->common ? k->common->rate_class_count : 0;
    const char **names = PG_ARRAY(k->c, count + 1, const char *);
    for (size_t i = 0; i < count; i++) {
        names[i] = k->common->rate_classes[i].name;
        if (n->kind == PG_SCALAR && strcmp(n->text, names[i]) == 0) {
            m->rate_class = n->text;
            return;
        }
    }
    const char *word = n->kind == PG_SCALAR ? n->text : "";
    const char *hint = pg_did_you_mean(k->c, word, names, count);
    pg_error(k->c, n->pos, "there is no rate class \"%s\"%s", word,
             *hint ? hint : "; declare it under rate_classes in " PG_COMMON ".yaml");
}

/* "MAJOR.MINOR" of plain digits. */
static bool is_version(const char *s)
{
    size_t major = strspn(s, "0123456789"), minor = s[major] == '.' ? strspn(s + major + 1, "0123456789") : 0;
    return major > 0 && major <= 4 && minor > 0 && minor <= 4 && !s[major + 1 + minor];
}

void pg_check_since(pg_checker *k, const char *since, pg_pos pos, const char *what)
{
    if (!since)
        pg_error(k->c, pos, "%s has no \"since\", and neither has its domain", what);
    else if (!is_version(since))
        pg_error(k->c, pos, "%s: \"since\" must be a version such as \"1.0\", not \"%s\"", what, since);
}

void pg_check_method(pg_checker *k, pg_method *m)
{
    int64_t timeout = TIMEOUT_DEFAULT_MS;
    if (m->timeout_node)
        (void)pg_read_number(k->c, m->timeout_node, "\"timeout_ms\"", 1, TIMEOUT_MAX_MS, &timeout);
    m->timeout_ms = (uint32_t)timeout;
    m->in = find_body(k, m, m->in_node, "in");
    m->out = find_body(k, m, m->out_node, "out");
    check_level(k, m);
    check_who(k, m);
    check_rate(k, m);
    pg_check_since(k, m->since, m->pos, pg_printf(k->c, "method \"%s\"", m->name));
    if (m->http_node)
        pg_check_http(k, m);
    pg_check_errors(k, m);
}
