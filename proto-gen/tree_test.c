/* Trees and places of what is read; goldens hold the messages for what is not. */
#include "tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pg_context s_context;

static void start(void)
{
    pg_context_init(&s_context);
}

static void stop(void)
{
    pg_context_deinit(&s_context);
}

TestSuite(tree, .init = start, .fini = stop, .timeout = 10);

static pg_node *read_text(const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/sut-tree-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    pg_node *n = pg_tree_read(&s_context, path);
    unlink(path);
    return n;
}

Test(tree, every_node_knows_its_place)
{
    const pg_node *n = read_text("a: 1\nb:\n  c: [x, 'true']\n  d: {e: true}\n");
    cr_assert_not_null(n);
    cr_expect_eq(n->count, 2);
    const pg_node *c = pg_get(pg_get(n, "b"), "c");
    cr_assert_not_null(c);
    cr_expect_eq(c->kind, PG_SEQUENCE);
    cr_expect_eq(c->pos.line, 3);
    cr_expect_eq(c->pos.column, 6);
    cr_expect_eq(c->first->next->pos.column, 10);
    cr_expect_not(pg_is_true(c->first->next), "quoted, it is text");
    const pg_node *e = pg_get(pg_get(pg_get(n, "b"), "d"), "e");
    cr_expect(pg_is_true(e) && pg_is_bool(e));
    cr_expect_null(pg_get(n, "z"));
    cr_expect_null(pg_get(c, "x"), "a list has no keys");
    cr_expect_eq(s_context.error_count, 0);
}

Test(tree, nothing_null_and_text)
{
    const pg_node *n = read_text("a:\nb: ~\nc: null\nd: 'null'\ne: ''\n");
    cr_assert_not_null(n);
    cr_expect(pg_is_null(pg_get(n, "a")) && pg_is_null(pg_get(n, "b")) && pg_is_null(pg_get(n, "c")));
    cr_expect_not(pg_is_null(pg_get(n, "d")) || pg_is_null(pg_get(n, "e")));
    cr_expect_str_eq(pg_kind_text(&s_context, pg_get(n, "a")), "nothing");
    cr_expect_str_eq(pg_kind_text(&s_context, pg_get(n, "d")), "\"null\"");
    cr_expect_str_eq(pg_kind_text(&s_context, n), "a mapping");
}

Test(tree, an_alias_never_makes_a_circle)
{
    cr_assert_not_null(read_text("a: &x [*x, *x]\n"));
    cr_expect_eq(s_context.error_count, 3);
}

Test(tree, too_large)
{
    char *text = malloc((1u << 20) + 2);
    memset(text, ' ', (1u << 20) + 1);
    text[(1u << 20) + 1] = 0;
    cr_expect_null(read_text(text));
    cr_expect_eq(s_context.error_count, 1);
    free(text);
}
