/* A comparison that knows the schema. */
#include "diff.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 512

typedef struct walk {
    cli_diff_fn fn;
    void *arg;
    size_t count;
    char path[PATH_SIZE];
} walk;

static void compare(walk *w, size_t len, const sut_record *record, const sut_field *element, const json_t *was,
                    const json_t *is);

static void differ(walk *w, const json_t *was, const json_t *is)
{
    w->count++;
    w->fn(w->arg, *w->path ? w->path : "/", was, is);
}

/* Appends "/name" to the path; a path that is too long stays where it is. */
static size_t go_down(walk *w, size_t len, const char *name)
{
    int n = snprintf(w->path + len, PATH_SIZE - len, "/%s", name);
    if (n < 0 || (size_t)n >= PATH_SIZE - len) {
        w->path[len] = '\0';
        return len;
    }
    return len + (size_t)n;
}

/* What nobody was shown says nothing. */
static bool was_withheld(const sut_field *f, const json_t *was)
{
    const char *text = json_string_value(was);
    return f->flags & SUT_F_PERSONAL && text && strcmp(text, "<redacted>") == 0;
}

static void compare_member(walk *w, size_t len, const sut_record *record, const char *name, const json_t *was,
                           const json_t *is)
{
    const sut_field *f = record ? sut_record_field(record, sut_str_from(name)) : NULL;
    if (f && (f->flags & (SUT_F_VOLATILE | SUT_F_SECRET) || was_withheld(f, was)))
        return;
    const sut_record *inner = f && f->type == SUT_T_RECORD ? f->record : NULL;
    compare(w, go_down(w, len, name), inner, f && !inner ? f->element : NULL, was, is);
    w->path[len] = '\0';
}

static void compare_objects(walk *w, size_t len, const sut_record *record, const json_t *was, const json_t *is)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)was, name, v)
    {
        compare_member(w, len, record, name, v, json_object_get(is, name));
    }
    json_object_foreach((json_t *)(uintptr_t)is, name, v)
    {
        if (!json_object_get(was, name))
            compare_member(w, len, record, name, NULL, v);
    }
}

static void compare_arrays(walk *w, size_t len, const sut_field *element, const json_t *was, const json_t *is)
{
    size_t a = json_array_size(was), b = json_array_size(is);
    const sut_record *inner = element && element->type == SUT_T_RECORD ? element->record : NULL;
    for (size_t i = 0; i < a || i < b; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        compare(w, go_down(w, len, index), inner, element ? element->element : NULL, json_array_get(was, i),
                json_array_get(is, i));
        w->path[len] = '\0';
    }
}

static void compare(walk *w, size_t len, const sut_record *record, const sut_field *element, const json_t *was,
                    const json_t *is)
{
    if (json_is_object(was) && json_is_object(is))
        compare_objects(w, len, record, was, is);
    else if (json_is_array(was) && json_is_array(is))
        compare_arrays(w, len, element, was, is);
    else if (!was || !is || !json_equal(was, is))
        differ(w, was, is);
}

size_t cli_diff(const sut_record *record, const json_t *was, const json_t *is, cli_diff_fn fn, void *arg)
{
    walk w = {.fn = fn, .arg = arg};
    if (was || is)
        compare(&w, 0, record, NULL, was, is);
    return w.count;
}
