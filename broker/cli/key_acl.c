/* Reads and rewrites lines of the access list; whatever else is in the file (comments, other peers) stays as it is. */
#include "key_acl.h"

#include <errno.h>
#include <stdio.h>

#define NAME_MAX_BYTES 64

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool sut_key_name_valid(const char *name)
{
    const size_t len = strlen(name);

    if (!len || len > NAME_MAX_BYTES || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!name_char(name[i]))
            return false;
    return true;
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* One subject pattern: tokens parted by single dots, `*` for one, a last `>` for the rest. */
static bool pattern_valid(const char *p, size_t len)
{
    size_t start = 0;

    if (!len)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && p[i] != '.') {
            if (!token_char(p[i]) && p[i] != '*' && p[i] != '>')
                return false;
            continue;
        }
        if (i == start)
            return false;
        for (size_t j = start; j < i; j++)
            if ((p[j] == '*' && i - start > 1) || (p[j] == '>' && (i - start > 1 || i < len)))
                return false;
        start = i + 1;
    }
    return true;
}

bool sut_key_patterns_valid(const char *patterns)
{
    if (strcmp(patterns, "-") == 0)
        return true;
    for (;;) {
        const size_t len = strcspn(patterns, ",");

        if (!pattern_valid(patterns, len))
            return false;
        if (!patterns[len])
            return true;
        patterns += len + 1;
    }
}

static bool service_name(const char *name)
{
    for (; *name; name++)
        if (!token_char(*name))
            return false;
    return true;
}

static void set_default(const char **right, const char *value)
{
    if (!*right)
        *right = value;
}

bool sut_key_rights_default(const char *name, sut_key_rights *r, char scratch[256])
{
    if (strcmp(r->role, "actor") == 0) {
        if (!service_name(name) && !r->serve)
            return false;
        snprintf(scratch, 256, "%s.*", name);
        set_default(&r->serve, scratch);
        set_default(&r->publish,
                    ">"); /* what the schemas let its service publish; events need not begin with its name */
        set_default(&r->subscribe, ">");
    } else if (strcmp(r->role, "edge") == 0) {
        set_default(&r->subscribe, "session.revoked");
    } else if (strcmp(r->role, "operator") == 0) {
        set_default(&r->call, "broker.*,>");
        set_default(&r->subscribe, ">");
        set_default(&r->tap, ">");
    } else if (strcmp(r->role, "tool") != 0) {
        return false;
    }
    set_default(&r->call, ">"); /* which does not match broker.* */
    set_default(&r->serve, "-");
    set_default(&r->publish, "-");
    set_default(&r->subscribe, "-");
    set_default(&r->tap, "-");
    return true;
}

static sut_str take_line(sut_str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    const sut_str line = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    const size_t step = end ? line.len + 1 : line.len;

    *rest = (sut_str){rest->ptr + step, rest->len - step};
    return line;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool take_word(sut_str *line, sut_str *word)
{
    size_t i = 0, end;

    while (i < line->len && blank(line->ptr[i]))
        i++;
    if (i == line->len || line->ptr[i] == '#')
        return false;
    for (end = i; end < line->len && !blank(line->ptr[end]);)
        end++;
    *word = (sut_str){line->ptr + i, end - i};
    *line = (sut_str){line->ptr + end, line->len - end};
    return true;
}

static bool value_of(sut_str word, const char *key, sut_str *out)
{
    const size_t len = strlen(key);

    if (word.len < len || memcmp(word.ptr, key, len) != 0)
        return false;
    *out = (sut_str){word.ptr + len, word.len - len};
    return true;
}

static bool parse_row(sut_str line, sut_key_row *row)
{
    sut_str word;

    *row = (sut_key_row){SUT_STR(""), SUT_STR(""), SUT_STR(""), SUT_STR(""), SUT_STR(""), false};
    if (!take_word(&line, &row->name))
        return false;
    while (take_word(&line, &word)) {
        row->revoked |= sut_str_is(word, "revoked");
        (void)(value_of(word, "role=", &row->role) || value_of(word, "call=", &row->call) ||
               value_of(word, "serve=", &row->serve) || value_of(word, "key=", &row->key));
    }
    return true;
}

bool sut_key_next(sut_str *rest, sut_key_row *row)
{
    while (rest->len)
        if (parse_row(take_line(rest), row))
            return true;
    return false;
}

sut_key_state sut_key_find(sut_str acl, const char *name)
{
    sut_key_row row;

    while (sut_key_next(&acl, &row))
        if (sut_str_is(row.name, name))
            return row.revoked ? SUT_KEY_REVOKED : SUT_KEY_ACTIVE;
    return SUT_KEY_ABSENT;
}

static sut_status put_line(sut_buf *out, const char *name, const sut_key_rights *r)
{
    sut_status s = sut_buf_printf(out, "%s role=%s call=%s serve=%s publish=%s subscribe=%s tap=%s", name, r->role,
                                  r->call, r->serve, r->publish, r->subscribe, r->tap);

    if (s == 0 && r->replay && strcmp(r->replay, "-") != 0)
        s = sut_buf_printf(out, " replay=%s", r->replay);
    if (s == 0 && r->curve_key)
        s = sut_buf_printf(out, " key=%s", r->curve_key);
    return s < 0 ? s : sut_buf_puts(out, "\n");
}

static sut_status copy_line(sut_buf *out, sut_str line)
{
    sut_status s = sut_buf_append(out, line.ptr, line.len);

    return s < 0 ? s : sut_buf_puts(out, "\n");
}

sut_status sut_key_with(sut_str acl, const char *name, const sut_key_rights *r, sut_buf *out)
{
    bool written = false;
    sut_status s = 0;

    while (acl.len && s == 0) {
        const sut_str line = take_line(&acl);
        sut_key_row row;

        if (!parse_row(line, &row) || !sut_str_is(row.name, name)) {
            s = copy_line(out, line);
        } else if (!written) {
            written = true;
            s = put_line(out, name, r);
        }
    }
    return s < 0 || written ? s : put_line(out, name, r);
}

sut_status sut_key_without(sut_str acl, const char *name, sut_buf *out)
{
    sut_status s = 0;

    while (acl.len && s == 0) {
        sut_str line = take_line(&acl), word = {0};
        sut_key_row row;

        if (!parse_row(line, &row) || !sut_str_is(row.name, name) || row.revoked) {
            s = copy_line(out, line);
            continue;
        }
        (void)take_word(&line, &word); /* `line` is what stands behind the name now */
        s = sut_buf_printf(out, "%s revoked", name);
        if (s == 0)
            s = copy_line(out, line);
    }
    return s;
}
