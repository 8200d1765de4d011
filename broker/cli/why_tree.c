/* One request as a tree:
 *   18:30:05.123  user.profile_get  edge → user  4.2 ms
 *   ├─ +1.0 ms    auth.verify  user → auth  0.8 ms
 *   └─ +4.0 ms    event user.updated #4711  key=42
 *      └─ +5.2 ms    → group mailer, attempt 2  1.1 ms  internal */
#include "ask.h"
#include "table.h"
#include "times.h"
#include "tty.h"
#include "why.h"

#include "base/clock.h"
#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

typedef struct node {
    const json_t *span;
    int64_t at_us;
    size_t index; /* as it came: what happened at the same time keeps its order */
    struct node *parent, *child, *last_child, *next;
} node;

static int64_t time_of(const json_t *span, const char *name)
{
    const json_t *v = json_object_get(span, name);
    int64_t us = 0;
    if (json_is_integer(v))
        return json_integer_value(v);
    return sut_rfc3339_parse(sut_str_from(json_is_string(v) ? json_string_value(v) : ""), &us) ? us : 0;
}

static int by_time(const void *a, const void *b)
{
    const node *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static node *find(node *nodes, size_t count, const char *span_id)
{
    for (size_t i = 0; *span_id && i < count; i++)
        if (strcmp(cli_txt(nodes[i].span, "span_id"), span_id) == 0)
            return &nodes[i];
    return NULL;
}

static bool is_below(const node *n, const node *top)
{
    for (; n; n = n->parent)
        if (n == top)
            return true;
    return false;
}

/* Nodes are in order of time, so children come in that order too. */
static void link_nodes(node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        node *parent = find(nodes, count, cli_txt(nodes[i].span, "parent_id"));
        if (!parent || is_below(parent, &nodes[i]))
            continue;
        nodes[i].parent = parent;
        if (parent->last_child)
            parent->last_child->next = &nodes[i];
        else
            parent->child = &nodes[i];
        parent->last_child = &nodes[i];
    }
}

static void print_what(const json_t *span, FILE *out)
{
    const char *kind = cli_txt(span, "kind"), *from = cli_txt(span, "from"), *to = cli_txt(span, "to");
    bool delivery = strcmp(kind, "delivery") == 0, event = strcmp(kind, "event") == 0;
    if (delivery) {
        cli_print_clean(out, "→ group ", cli_txt(span, "group"));
        if (*to)
            cli_print_clean(out, " at ", to);
    } else {
        fprintf(out, "%s%s%s%s", event ? "event " : "", cli_bold(out), cli_txt(span, "subject"), cli_plain(out));
    }
    if (event && json_object_get(span, "sequence"))
        fprintf(out, " #%.0f", cli_num(span, "sequence"));
    if (!delivery && (*from || *to)) {
        cli_print_clean(out, "  ", *from ? from : "-");
        if (!event)
            cli_print_clean(out, " → ", *to ? to : "-");
    }
    if (*cli_txt(span, "key") && !delivery)
        cli_print_clean(out, "  key=", cli_txt(span, "key"));
    if (json_object_get(span, "user_id") && !delivery)
        fprintf(out, "  user=%.0f", cli_num(span, "user_id"));
    if (cli_num(span, "attempt") > 1)
        fprintf(out, "  attempt %.0f", cli_num(span, "attempt"));
}

static void print_outcome(const json_t *span, FILE *out)
{
    char unit[UNIT_MAX];
    if (json_is_number(json_object_get(span, "took_us")))
        fprintf(out, "  %s", cli_micros(cli_num(span, "took_us"), unit));
    else if (strcmp(cli_txt(span, "kind"), "event") != 0 && !*cli_txt(span, "code"))
        fputs("  not answered", out);
    if (*cli_txt(span, "code")) {
        fputs(cli_red(out), out);
        cli_print_clean(out, "  ", cli_txt(span, "code"));
        fputs(cli_plain(out), out);
    }
    if (json_is_true(json_object_get(span, "replayed")))
        fputs("  replayed", out);
}

static void print_node(const node *n, int64_t began_us, const char *before, int depth, FILE *out)
{
    char unit[UNIT_MAX], clock[CLI_CLOCK_SIZE], below[4 * DEPTH_MAX + 16];
    if (n->parent)
        fprintf(out, "%s%s %s+%s%s  ", before, n->next ? "├─" : "└─", cli_dim(out),
                cli_micros((double)(n->at_us - began_us), unit), cli_plain(out));
    else
        fprintf(out, "%s%s%s  ", cli_dim(out), cli_clock(n->at_us, sut_wall_us(), clock), cli_plain(out));
    print_what(n->span, out);
    print_outcome(n->span, out);
    fputc('\n', out);
    if (depth == DEPTH_MAX) {
        if (n->child)
            fprintf(out, "%s   …\n", before);
        return;
    }
    snprintf(below, sizeof below, "%s%s", before, !n->parent ? "" : n->next ? "│  " : "   ");
    for (const node *c = n->child; c; c = c->next)
        print_node(c, began_us, below, depth + 1, out);
}

bool cli_render_trace(const json_t *spans, FILE *out)
{
    size_t count = json_array_size(spans);
    node *nodes = calloc(count + 1, sizeof *nodes);
    if (!nodes)
        return false;
    for (size_t i = 0; i < count; i++)
        nodes[i] =
            (node){.span = json_array_get(spans, i), .at_us = time_of(json_array_get(spans, i), "at"), .index = i};
    qsort(nodes, count, sizeof *nodes, by_time);
    link_nodes(nodes, count);
    for (size_t i = 0; i < count; i++)
        if (!nodes[i].parent)
            print_node(&nodes[i], nodes[i].at_us, "", 0, out);
    free(nodes);
    return true;
}
