/* Reads YAML into pg_node trees from libyaml's events, which carry marks and show anchors and aliases before they could
 * become cycles (tree.h). */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

enum { FILE_MAX = 1 << 20, DEPTH_MAX = 16 };

typedef struct reader {
    pg_context *c;
    const char *file;
    const char *text;
    size_t len;
    yaml_parser_t *parser;
    bool failed; /* the parser cannot go on */
} reader;

static pg_pos pos_of(const reader *r, yaml_mark_t mark)
{
    return (pg_pos){r->file, (int)mark.line + 1, (int)mark.column + 1};
}

/* libyaml reads ahead, so where it cannot read on it knows the byte only. */
static pg_pos pos_of_byte(const reader *r, size_t offset)
{
    pg_pos pos = {r->file, 1, 1};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        pos.column = r->text[i] == '\n' ? 1 : pos.column + 1;
        pos.line += r->text[i] == '\n';
    }
    return pos;
}

static void parser_error(reader *r)
{
    const yaml_parser_t *p = r->parser;
    r->failed = true;
    if (p->error == YAML_READER_ERROR) {
        pg_error(r->c, pos_of_byte(r, p->problem_offset), "not readable as UTF-8 text: %s", p->problem);
        return;
    }
    pg_error(r->c, pos_of(r, p->problem_mark), "not valid YAML: %s%s%s", p->problem ? p->problem : "unknown problem",
             p->context ? " " : "", p->context ? p->context : "");
}

static bool next_event(reader *r, yaml_event_t *event)
{
    if (r->failed)
        return false;
    if (!yaml_parser_parse(r->parser, event)) {
        parser_error(r);
        return false;
    }
    return true;
}

static pg_node *node_new(reader *r, pg_kind kind, const yaml_event_t *e)
{
    pg_node *n = PG_NEW(r->c, pg_node);
    n->kind = kind;
    n->pos = pos_of(r, e->start_mark);
    return n;
}

static void refuse_decoration(reader *r, pg_pos pos, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        pg_error(r->c, pos, "anchors are not used in schemas; declare a named type instead");
    if (tag)
        pg_error(r->c, pos, "tags are not used in schemas; remove %s", (const char *)tag);
}

static pg_node *read_node(reader *r, const yaml_event_t *e, int depth);

static pg_node *read_scalar(reader *r, const yaml_event_t *e)
{
    pg_node *n = node_new(r, PG_SCALAR, e);
    refuse_decoration(r, n->pos, e->data.scalar.anchor, e->data.scalar.tag);
    const char *text = (const char *)e->data.scalar.value;
    if (memchr(text, 0, e->data.scalar.length))
        pg_error(r->c, n->pos, "a NUL byte is not allowed in a schema");
    n->text = pg_strdup(r->c, text, e->data.scalar.length);
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return n;
}

static pg_node *read_sequence(reader *r, const yaml_event_t *start, int depth)
{
    pg_node *n = node_new(r, PG_SEQUENCE, start), **tail = &n->first;
    refuse_decoration(r, n->pos, start->data.sequence_start.anchor, start->data.sequence_start.tag);
    yaml_event_t e;
    while (next_event(r, &e)) {
        bool end = e.type == YAML_SEQUENCE_END_EVENT;
        pg_node *item = end ? NULL : read_node(r, &e, depth + 1);
        yaml_event_delete(&e);
        if (end)
            return n;
        if (item) {
            *tail = item;
            tail = &item->next;
            n->count++;
        }
    }
    return NULL;
}

static void add_pair(reader *r, pg_node *map, pg_node ***tail, pg_node *key, pg_node *value)
{
    if (key->kind != PG_SCALAR) {
        pg_error(r->c, key->pos, "a key must be a name, not %s", pg_kind_text(r->c, key));
        return;
    }
    for (const pg_node *k = map->first; k; k = k->next) {
        if (strcmp(k->text, key->text) == 0) {
            pg_error(r->c, key->pos, "duplicate key \"%s\"; it was already given on line %d", key->text, k->pos.line);
            return;
        }
    }
    key->value = value;
    **tail = key;
    *tail = &key->next;
    map->count++;
}

static pg_node *read_mapping(reader *r, const yaml_event_t *start, int depth)
{
    pg_node *n = node_new(r, PG_MAPPING, start), **tail = &n->first, *key = NULL;
    refuse_decoration(r, n->pos, start->data.mapping_start.anchor, start->data.mapping_start.tag);
    yaml_event_t e;
    while (next_event(r, &e)) {
        bool end = e.type == YAML_MAPPING_END_EVENT;
        pg_node *child = end ? NULL : read_node(r, &e, depth + 1);
        yaml_event_delete(&e);
        if (end)
            return n;
        if (!child)
            continue;
        if (!key) {
            key = child;
        } else {
            add_pair(r, n, &tail, key, child);
            key = NULL;
        }
    }
    return NULL;
}

static pg_node *read_node(reader *r, const yaml_event_t *e, int depth)
{
    if (depth > DEPTH_MAX) {
        pg_error(r->c, pos_of(r, e->start_mark), "nested deeper than %d levels", (int)DEPTH_MAX);
        r->failed = true;
        return NULL;
    }
    switch (e->type) {
    case YAML_SCALAR_EVENT: return read_scalar(r, e);
    case YAML_SEQUENCE_START_EVENT: return read_sequence(r, e, depth);
    case YAML_MAPPING_START_EVENT: return read_mapping(r, e, depth);
    case YAML_ALIAS_EVENT: {
        pg_error(r->c, pos_of(r, e->start_mark), "aliases are not used in schemas; declare a named type instead");
        pg_node *n = node_new(r, PG_SCALAR, e);
        n->text = "";
        return n;
    }
    default: pg_error(r->c, pos_of(r, e->start_mark), "unexpected YAML construct"); return NULL;
    }
}

static pg_node *read_documents(reader *r)
{
    pg_node *root = NULL;
    bool again = false;
    for (yaml_event_t e; next_event(r, &e);) {
        yaml_event_type_t type = e.type;
        if (type == YAML_DOCUMENT_START_EVENT && root && !again) {
            pg_error(r->c, pos_of(r, e.start_mark), "a second document; a schema file holds exactly one");
            again = true;
        } else if (type >= YAML_ALIAS_EVENT) {
            pg_node *n = read_node(r, &e, 0);
            root = root ? root : n;
        }
        yaml_event_delete(&e);
        if (type == YAML_STREAM_END_EVENT)
            break;
    }
    return root;
}

static char *read_file(pg_context *c, const char *path, size_t *len)
{
    pg_pos top = {path, 1, 1};
    FILE *f = fopen(path, "rb");
    if (!f) {
        pg_error(c, top, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    char *text = pg_alloc(c, FILE_MAX + 1, 1);
    *len = fread(text, 1, FILE_MAX + 1, f);
    bool failed = ferror(f);
    (void)fclose(f);
    if (failed)
        pg_error(c, top, "cannot be read");
    else if (*len > FILE_MAX)
        pg_error(c, top, "larger than 1 MiB; split the schema");
    return failed || *len > FILE_MAX ? NULL : text;
}

pg_node *pg_tree_read(pg_context *c, const char *path)
{
    size_t len;
    const char *text = read_file(c, path, &len);
    if (!text)
        return NULL;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        pg_error(c, (pg_pos){path, 1, 1}, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    reader r = {.c = c, .file = pg_strdup(c, path, strlen(path)), .text = text, .len = len, .parser = &parser};
    pg_node *root = read_documents(&r);
    yaml_parser_delete(&parser);
    if (!root && !r.failed)
        pg_error(c, (pg_pos){r.file, 1, 1}, "the file is empty; a schema starts with `domain: NAME`");
    return r.failed ? NULL : root;
}

bool pg_is_null(const pg_node *n)
{
    return n->kind == PG_SCALAR && n->plain && (!*n->text || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0);
}

bool pg_is_true(const pg_node *n)
{
    return n->kind == PG_SCALAR && n->plain && strcmp(n->text, "true") == 0;
}

bool pg_is_bool(const pg_node *n)
{
    return pg_is_true(n) || (n->kind == PG_SCALAR && n->plain && strcmp(n->text, "false") == 0);
}

const char *pg_kind_text(pg_context *c, const pg_node *n)
{
    if (n->kind == PG_MAPPING)
        return "a mapping";
    if (n->kind == PG_SEQUENCE)
        return "a list";
    return pg_is_null(n) ? "nothing" : pg_printf(c, "\"%s\"", n->text);
}

pg_node *pg_get(const pg_node *map, const char *key)
{
    for (const pg_node *k = map && map->kind == PG_MAPPING ? map->first : NULL; k; k = k->next)
        if (strcmp(k->text, key) == 0)
            return k->value;
    return NULL;
}
