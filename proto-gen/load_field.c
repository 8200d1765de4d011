/* Reads one field's declaration (load.h). What the values mean is checked later, when its type is known. */
#include "keys.h"
#include "load.h"

#define NODE(member)   PG_KEY_IS_NODE, offsetof(pg_field, member)
#define FLAG(member)   PG_KEY_IS_FLAG, offsetof(pg_field, member)
#define LINE(member)   PG_KEY_IS_LINE, offsetof(pg_field, member)
#define NUMBER(member) PG_KEY_IS_NUMBER, offsetof(pg_field, member)

static const pg_key s_field_keys[PG_KEY_COUNT] = {
    [PG_KEY_TYPE] = {"type", NODE(type_node)},
    [PG_KEY_DOC] = {"doc", LINE(doc)},
    [PG_KEY_OF] = {"of", NODE(of_node)},
    [PG_KEY_REQUIRED] = {"required", FLAG(required)},
    [PG_KEY_DEFAULT] = {"default", NODE(default_node)},
    [PG_KEY_NULLABLE] = {"nullable", FLAG(nullable)},
    [PG_KEY_SECRET] = {"secret", FLAG(secret)},
    [PG_KEY_PERSONAL] = {"personal", FLAG(personal)},
    [PG_KEY_TRIM] = {"trim", FLAG(trim)},
    [PG_KEY_LOWER] = {"lower", FLAG(lower)},
    [PG_KEY_VOLATILE] = {"volatile", FLAG(is_volatile)},
    [PG_KEY_MIN] = {"min", NODE(min_node)},
    [PG_KEY_MAX] = {"max", NODE(max_node)},
    [PG_KEY_MIN_BYTES] = {"min_bytes", NUMBER(min_bytes)},
    [PG_KEY_MAX_BYTES] = {"max_bytes", NUMBER(max_bytes)},
    [PG_KEY_MIN_CHARS] = {"min_chars", NUMBER(min_chars)},
    [PG_KEY_MAX_CHARS] = {"max_chars", NUMBER(max_chars)},
    [PG_KEY_MIN_ITEMS] = {"min_items", NUMBER(min_items)},
    [PG_KEY_MAX_ITEMS] = {"max_items", NUMBER(max_items)},
    [PG_KEY_PATTERN] = {"pattern", NODE(pattern_node)},
    [PG_KEY_FORMAT] = {"format", NODE(format_node)},
    [PG_KEY_TEXT] = {"text", NODE(text_node)},
    [PG_KEY_EXAMPLE] = {"example", NODE(example_node)},
    [PG_KEY_FROM] = {"from", NODE(from_node)},
    [PG_KEY_SINCE] = {"since", LINE(since)},
};

void pg_load_field(pg_context *c, const pg_node *key, pg_node *node, pg_field *out)
{
    out->name = key ? key->text : "";
    out->pos = key ? key->pos : node->pos;
    if (node->kind == PG_SCALAR && !key) { /* `of: NAME` */
        out->type_node = node;
        out->said = PG_SAID(PG_KEY_TYPE);
        return;
    }
    out->decl = node;
    const char *what = key ? pg_printf(c, "field \"%s\"", key->text) : "the element";
    out->said = pg_read_keys(c, node, what, s_field_keys, SUT_ARRAY_LEN(s_field_keys), out);
    if (!out->type_node && node->kind == PG_MAPPING)
        pg_error(c, out->pos, "%s has no \"type\"", what);
}
