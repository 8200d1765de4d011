/* Buffers of generated text and their way to disk (output.h). */
#include "output.h"

#include "base/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void pg_outputs_init(pg_outputs *o)
{
    o->first = NULL;
    o->tail = &o->first;
}

void pg_outputs_deinit(pg_outputs *o)
{
    for (pg_output *f = o->first; f; f = f->next)
        sut_buf_deinit(&f->text);
    pg_outputs_init(o);
}

sut_buf *pg_output_new(pg_context *c, pg_outputs *o, const char *name)
{
    pg_output *f = PG_NEW(c, pg_output);
    f->name = name;
    sut_buf_init(&f->text, 0);
    *o->tail = f;
    o->tail = &f->next;
    return &f->text;
}

void pg_put_bytes(sut_buf *b, const void *bytes, size_t len)
{
    if (sut_buf_append(b, bytes, len) < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
}

void pg_put(sut_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    pg_put_bytes(b, text, (size_t)len);
    free(text);
}

void pg_put_c_string(sut_buf *b, const char *text)
{
    pg_put(b, "\"");
    for (const char *s = text; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\')
            pg_put(b, "\\%c", ch);
        else if (ch < 0x20 || ch == 0x7f || (ch == '?' && s[1] == '?'))
            pg_put(b, "\\%03o", ch);
        else
            pg_put_bytes(b, s, 1);
    }
    pg_put(b, "\"");
}

void pg_put_json_string(sut_buf *b, const char *text)
{
    pg_put(b, "\"");
    for (const char *s = text; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\')
            pg_put(b, "\\%c", ch);
        else if (ch < 0x20)
            pg_put(b, "\\u%04x", ch);
        else
            pg_put_bytes(b, s, 1);
    }
    pg_put(b, "\"");
}

void pg_put_comment(sut_buf *b, const char *text)
{
    for (const char *s = text; *s; s++) {
        pg_put_bytes(b, s, 1);
        if ((s[0] == '*' && s[1] == '/') || (s[0] == '/' && s[1] == '*'))
            pg_put(b, " ");
    }
}

/* Does the file hold exactly this text? */
static bool same_file(const char *path, const sut_buf *text)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    bool same = true;
    size_t at = 0;
    char chunk[4096];
    for (size_t n; same && (n = fread(chunk, 1, sizeof(chunk), f)) > 0; at += n)
        same = n <= text->len - at && memcmp(chunk, text->data + at, n) == 0;
    same = same && !ferror(f) && at == text->len;
    (void)fclose(f);
    return same;
}

static sut_status make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int rc = mkdir(path, 0777);
        int err = errno;
        *slash = '/';
        if (rc < 0 && err != EEXIST)
            return -err;
    }
    return 0;
}

static sut_status write_aside(const char *path, const sut_buf *text)
{
    char *aside = NULL;
    if (asprintf(&aside, "%s.new", path) < 0)
        return -ENOMEM;
    FILE *f = fopen(aside, "wb");
    sut_status status = f ? 0 : -errno;
    if (f) {
        if (fwrite(text->data, 1, text->len, f) != text->len)
            status = -EIO;
        if (fclose(f) != 0 && !status)
            status = -errno;
        if (!status && rename(aside, path) != 0)
            status = -errno;
        if (status)
            (void)unlink(aside);
    }
    free(aside);
    return status;
}

sut_status pg_outputs_write(const pg_outputs *o, const char *dir)
{
    for (const pg_output *f = o->first; f; f = f->next) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", dir, f->name) < 0)
            return -ENOMEM;
        sut_status status = 0;
        if (!same_file(path, &f->text)) {
            status = make_parents(path);
            if (!status)
                status = write_aside(path, &f->text);
        }
        if (status)
            (void)fprintf(stderr, "proto-gen: error: cannot write %s: %s\n", path, strerror(-status));
        free(path);
        if (status)
            return status;
    }
    return 0;
}

size_t pg_outputs_compare(const pg_outputs *o, const char *dir)
{
    size_t differing = 0;
    for (const pg_output *f = o->first; f; f = f->next) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", dir, f->name) < 0)
            sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
        if (!same_file(path, &f->text)) {
            (void)fprintf(stderr, "proto-gen: error: %s is %s\n", path,
                          access(path, F_OK) == 0 ? "not what the schemas say" : "missing");
            differing++;
        }
        free(path);
    }
    return differing;
}
