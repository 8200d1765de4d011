/* Table-driven reading of mappings (keys.h). */
#include "keys.h"

enum { NAME_MAX_BYTES = 48, LINE_MAX_BYTES = 240, KEYS_MAX = 32 };

static void unknown_key(pg_context *c, const pg_node *key, const char *what, const pg_key *keys, size_t count)
{
    const char *names[KEYS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count && n < KEYS_MAX; i++)
        names[n++] = keys[i].name;
    const char *hint = pg_did_you_mean(c, key->text, names, n);
    if (!*hint) {
        char *all = pg_printf(c, "; it may have");
        for (size_t i = 0; i < n; i++)
            all = pg_printf(c, "%s%s %s", all, i ? "," : "", names[i]);
        hint = all;
    }
    pg_error(c, key->pos, "unknown key \"%s\" in %s%s", key->text, what, hint);
}

static void read_line(pg_context *c, const pg_node *key, const pg_node *value, const char **out)
{
    if (value->kind != PG_SCALAR || !*value->text)
        pg_error(c, value->pos, "\"%s\" must be one line of text, not %s", key->text, pg_kind_text(c, value));
    else if (strpbrk(value->text, "\r\n"))
        pg_error(c, value->pos, "\"%s\" must be one line; write it without a line break", key->text);
    else if (strlen(value->text) > LINE_MAX_BYTES)
        pg_error(c, value->pos, "\"%s\" must be at most %d bytes", key->text, (int)LINE_MAX_BYTES);
    else
        *out = value->text;
}

/* False if a number cannot be read: then it counts as not given. */
static bool read_value(pg_context *c, const pg_key *spec, pg_node *key, void *target)
{
    char *at = (char *)target + spec->offset;
    int64_t number;
    switch (spec->kind) {
    case PG_KEY_IS_NODE: *(pg_node **)(void *)at = key->value; return true;
    case PG_KEY_IS_LINE: read_line(c, key, key->value, (const char **)(void *)at); return true;
    case PG_KEY_IS_FLAG:
        if (pg_is_bool(key->value))
            *(bool *)(void *)at = pg_is_true(key->value);
        else
            pg_error(c, key->value->pos, "\"%s\" must be true or false, not %s", key->text,
                     pg_kind_text(c, key->value));
        return true;
    case PG_KEY_IS_NUMBER:
        if (!pg_read_number(c, key->value, pg_printf(c, "\"%s\"", key->text), 0, UINT32_MAX, &number))
            return false;
        *(uint32_t *)(void *)at = (uint32_t)number;
        return true;
    }
    return false;
}

uint32_t pg_read_keys(pg_context *c, const pg_node *node, const char *what, const pg_key *keys, size_t count,
                      void *target)
{
    if (node->kind != PG_MAPPING) {
        pg_error(c, node->pos, "%s must be a mapping, not %s", what, pg_kind_text(c, node));
        return 0;
    }
    uint32_t said = 0;
    for (pg_node *key = node->first; key; key = key->next) {
        size_t i = 0;
        while (i < count && strcmp(keys[i].name, key->text) != 0)
            i++;
        if (i == count) {
            unknown_key(c, key, what, keys, count);
            continue;
        }
        if (read_value(c, &keys[i], key, target))
            said |= UINT32_C(1) << i;
    }
    return said;
}

bool pg_check_name(pg_context *c, const pg_node *key, const char *what)
{
    const char *s = key->text;
    size_t len = strlen(s);
    bool ok = len > 0 && len <= NAME_MAX_BYTES && s[0] >= 'a' && s[0] <= 'z' && s[len - 1] != '_' && !strstr(s, "__");
    for (size_t i = 0; ok && i < len; i++)
        ok = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_';
    if (!ok)
        pg_error(c, key->pos, "\"%s\" is not a name for %s: use lower_snake_case, a letter first, at most %d bytes", s,
                 what, (int)NAME_MAX_BYTES);
    return ok;
}

bool pg_read_number(pg_context *c, const pg_node *node, const char *what, int64_t min, int64_t max, int64_t *out)
{
    if (node->kind == PG_SCALAR && node->plain && sut_parse_i64(sut_str_from(node->text), min, max, out))
        return true;
    pg_error(c, node->pos, "%s must be a whole number from %lld to %lld, not %s", what, (long long)min, (long long)max,
             pg_kind_text(c, node));
    return false;
}

void pg_need_doc(pg_context *c, const char *doc, pg_pos pos, const char *what)
{
    if (!doc)
        pg_error(c, pos, "%s has no \"doc\"; say in one line what it is", what);
}
