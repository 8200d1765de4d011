/* The access list: parses its text into entries, and answers who may do what. */
#include "core/acl.h"

#include "base/map.h"
#include "wire/envelope.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ACL_ENTRIES_MAX  4096
#define ACL_PATTERNS_MAX 256 /* of one right of one peer */
#define ACL_NAME_MAX     64
#define ACL_KEY_LEN      40 /* a CURVE public key in Z85 */

typedef struct pattern_list {
    sut_str *items;
    size_t count;
} pattern_list;

struct sut_acl_entry {
    sut_str name, key;
    sut_role role;
    bool revoked;
    pattern_list rights[SUT_RIGHT_COUNT];
};

struct sut_acl {
    char *text; /* all strings of the entries point in here */
    sut_acl_entry **entries;
    size_t count, cap;
    sut_strmap *by_name, *by_key;
};

typedef struct parser {
    sut_acl *acl;
    int line;
    char *error;
    size_t error_size;
} parser;

static const char *const role_names[] = {
    [SUT_ROLE_NONE] = "none", [SUT_ROLE_EDGE] = "edge",         [SUT_ROLE_ACTOR] = "actor",
    [SUT_ROLE_TOOL] = "tool", [SUT_ROLE_OPERATOR] = "operator",
};

static const char *const right_names[] = {
    [SUT_RIGHT_CALL] = "call",           [SUT_RIGHT_SERVE] = "serve", [SUT_RIGHT_PUBLISH] = "publish",
    [SUT_RIGHT_SUBSCRIBE] = "subscribe", [SUT_RIGHT_TAP] = "tap",     [SUT_RIGHT_REPLAY] = "replay",
};

const char *sut_role_name(sut_role r)
{
    return (size_t)r < SUT_ARRAY_LEN(role_names) ? role_names[r] : "none";
}

bool sut_role_parse(sut_str s, sut_role *out)
{
    for (sut_role r = SUT_ROLE_EDGE; r <= SUT_ROLE_OPERATOR; r++) {
        if (sut_str_is(s, role_names[r])) {
            *out = r;
            return true;
        }
    }
    return false;
}

SUT_PRINTF(2, 3) static sut_status fail(parser *p, const char *fmt, ...)
{
    int used = snprintf(p->error, p->error_size, "%d: ", p->line);
    if (used > 0 && (size_t)used < p->error_size) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(p->error + used, p->error_size - (size_t)used, fmt, ap);
        va_end(ap);
    }
    return -EINVAL;
}

static bool is_name_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-' ||
           ch == '.';
}

static bool name_valid(sut_str s)
{
    if (s.len == 0 || s.len > ACL_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_name_char(s.ptr[i]))
            return false;
    }
    return true;
}

/* Z85's alphabet (ZeroMQ RFC 32). */
static bool key_valid(sut_str s)
{
    static const char alphabet[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    if (s.len != ACL_KEY_LEN)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\0' || !strchr(alphabet, s.ptr[i]))
            return false;
    }
    return true;
}

static bool token_valid(sut_str token, bool last)
{
    if (sut_str_is(token, "*") || (last && sut_str_is(token, ">")))
        return true;
    for (size_t i = 0; i < token.len; i++) {
        char ch = token.ptr[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_'))
            return false;
    }
    return token.len > 0;
}

static bool pattern_valid(sut_str s)
{
    if (s.len == 0 || s.len > SUT_SUBJECT_MAX)
        return false;
    size_t start = 0;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '.')
            continue;
        if (!token_valid((sut_str){s.ptr + start, i - start}, i == s.len))
            return false;
        start = i + 1;
    }
    return true;
}

/* Cuts the part before the first `sep` off the front of `rest`; false at the end. */
static bool cut(sut_str *rest, char sep, sut_str *part)
{
    if (!rest->ptr)
        return false;
    const char *at = memchr(rest->ptr, sep, rest->len);
    *part = (sut_str){rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    *rest = at ? (sut_str){at + 1, rest->len - part->len - 1} : SUT_STR_NONE;
    return true;
}

static sut_status parse_patterns(parser *p, sut_acl_entry *e, sut_right right, sut_str value)
{
    pattern_list *list = &e->rights[right];
    if (list->items)
        return fail(p, "%s= is given twice; write all patterns in one, parted by commas", right_names[right]);
    size_t count = 1;
    for (size_t i = 0; i < value.len; i++)
        count += value.ptr[i] == ',';
    if (count > ACL_PATTERNS_MAX)
        return fail(p, "%s= has %zu patterns; at most %d are allowed", right_names[right], count, ACL_PATTERNS_MAX);
    list->items = calloc(count, sizeof(*list->items));
    if (!list->items)
        return SUT_TRACE(-ENOMEM, "acl patterns");
    if (sut_str_is(value, "-"))
        return 0;
    sut_str part;
    while (cut(&value, ',', &part)) {
        if (!pattern_valid(part))
            return fail(p,
                        "%s= has the malformed pattern '%.*s'; write subjects like user.profile_get, user.*, user.> "
                        "or - for none",
                        right_names[right], SUT_STR_FMT(part));
        list->items[list->count++] = part;
    }
    return 0;
}

static sut_status parse_key(parser *p, sut_acl_entry *e, sut_str value)
{
    if (e->key.ptr)
        return fail(p, "key= is given twice");
    if (!key_valid(value))
        return fail(p, "key= must be a CURVE public key in Z85, %d characters", ACL_KEY_LEN);
    e->key = value;
    sut_status st = sut_strmap_put(p->acl->by_key, value, e);
    return st == -EEXIST ? fail(p, "this key belongs to another peer already; each peer has its own") : st;
}

static sut_status parse_word(parser *p, sut_acl_entry *e, sut_str word)
{
    if (sut_str_is(word, "revoked")) {
        e->revoked = true;
        return 0;
    }
    sut_str value = word, name;
    cut(&value, '=', &name);
    if (value.ptr && sut_str_is(name, "role")) {
        if (e->role != SUT_ROLE_NONE)
            return fail(p, "role= is given twice");
        return sut_role_parse(value, &e->role)
                   ? 0
                   : fail(p, "unknown role '%.*s'; write edge, actor, tool or operator", SUT_STR_FMT(value));
    }
    if (value.ptr && sut_str_is(name, "key"))
        return parse_key(p, e, value);
    for (sut_right r = 0; value.ptr && r < SUT_RIGHT_COUNT; r++) {
        if (sut_str_is(name, right_names[r]))
            return parse_patterns(p, e, r, value);
    }
    return fail(p,
                "unknown word '%.*s'; write role=, call=, serve=, publish=, subscribe=, tap=, replay=, key= or revoked",
                SUT_STR_FMT(word));
}

static sut_status add_entry(parser *p, sut_str name, sut_acl_entry **out)
{
    sut_acl *acl = p->acl;
    if (!name_valid(name))
        return fail(p, "malformed name '%.*s'; write 1 to %d letters, digits, '.', '_' or '-'", SUT_STR_FMT(name),
                    ACL_NAME_MAX);
    if (acl->count == ACL_ENTRIES_MAX)
        return fail(p, "more than %d peers", ACL_ENTRIES_MAX);
    if (acl->count == acl->cap) {
        size_t cap = acl->cap ? acl->cap * 2 : 16;
        sut_acl_entry **grown = reallocarray(acl->entries, cap, sizeof(sut_acl_entry *));
        if (!grown)
            return SUT_TRACE(-ENOMEM, "acl entries");
        acl->entries = grown;
        acl->cap = cap;
    }
    sut_acl_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return SUT_TRACE(-ENOMEM, "acl entry");
    e->name = name;
    acl->entries[acl->count++] = e;
    *out = e;
    sut_status st = sut_strmap_put(acl->by_name, name, e);
    return st == -EEXIST ? fail(p, "the peer '%.*s' has a line already; one line a peer", SUT_STR_FMT(name)) : st;
}

/* The next word of a line; blanks are spaces, tabs and carriage returns. `#` starts a comment only where a word would
 * start: a Z85 key may hold one. */
static bool next_word(sut_str *rest, sut_str *word)
{
    size_t i = 0;
    while (i < rest->len && strchr(" \t\r", rest->ptr[i]) && rest->ptr[i])
        i++;
    size_t start = i;
    if (i == rest->len || rest->ptr[i] == '#')
        return false;
    while (i < rest->len && !(strchr(" \t\r", rest->ptr[i]) && rest->ptr[i]))
        i++;
    *word = (sut_str){rest->ptr + start, i - start};
    *rest = (sut_str){rest->ptr + i, rest->len - i};
    return true;
}

static sut_status parse_line(parser *p, sut_str line)
{
    if (memchr(line.ptr, '\0', line.len))
        return fail(p, "a NUL byte; the file is text");
    sut_str word;
    if (!next_word(&line, &word))
        return 0;
    sut_acl_entry *e = NULL;
    sut_status st = add_entry(p, word, &e);
    if (!e)
        return st;
    while (st == 0 && next_word(&line, &word))
        st = parse_word(p, e, word);
    if (st == 0 && e->role == SUT_ROLE_NONE)
        return fail(p, "role= is missing; write role=edge, actor, tool or operator");
    return st;
}

static sut_status acl_new(sut_acl **out, sut_str text)
{
    sut_acl *acl = calloc(1, sizeof(*acl));
    if (!acl)
        return SUT_TRACE(-ENOMEM, "acl");
    acl->text = malloc(text.len + 1);
    sut_status st = acl->text ? 0 : SUT_TRACE(-ENOMEM, "acl text");
    if (st == 0)
        st = sut_strmap_new(&acl->by_name);
    if (st == 0)
        st = sut_strmap_new(&acl->by_key);
    if (st) {
        sut_acl_free(acl);
        return st;
    }
    if (text.len > 0)
        memcpy(acl->text, text.ptr, text.len);
    acl->text[text.len] = '\0';
    *out = acl;
    return 0;
}

sut_status sut_acl_parse(sut_acl **out, sut_str text, char *error, size_t error_size)
{
    parser p = {.error = error, .error_size = error_size};
    sut_status st = acl_new(&p.acl, text);
    if (!p.acl) {
        fail(&p, "out of memory");
        return st;
    }
    sut_str rest = {p.acl->text, text.len}, line;
    while (st == 0 && cut(&rest, '\n', &line)) {
        p.line++;
        st = parse_line(&p, line);
    }
    if (st) {
        sut_acl_free(p.acl);
        return st;
    }
    *out = p.acl;
    return 0;
}

sut_acl *sut_acl_free(sut_acl *acl)
{
    if (!acl)
        return NULL;
    for (size_t i = 0; i < acl->count; i++) {
        for (size_t r = 0; r < SUT_RIGHT_COUNT; r++)
            free(acl->entries[i]->rights[r].items);
        free(acl->entries[i]);
    }
    free(acl->entries);
    sut_strmap_free(acl->by_name);
    sut_strmap_free(acl->by_key);
    free(acl->text);
    free(acl);
    return NULL;
}

static const sut_acl_entry *unless_revoked(const sut_acl_entry *e)
{
    return e && !e->revoked ? e : NULL;
}

const sut_acl_entry *sut_acl_find(const sut_acl *acl, sut_str name)
{
    return acl ? unless_revoked(sut_strmap_get(acl->by_name, name)) : NULL;
}

const sut_acl_entry *sut_acl_find_key(const sut_acl *acl, sut_str z85_public_key)
{
    return acl ? unless_revoked(sut_strmap_get(acl->by_key, z85_public_key)) : NULL;
}

sut_role sut_acl_role(const sut_acl_entry *e)
{
    return e ? e->role : SUT_ROLE_NONE;
}

sut_str sut_acl_name(const sut_acl_entry *e)
{
    return e ? e->name : SUT_STR_NONE;
}

/* `*.*` and `>` are everybody's methods, not the broker's own: those must be named. */
static bool pattern_allows(sut_str pattern, sut_str subject)
{
    static const char own[] = "broker.";
    bool is_own = subject.len >= sizeof(own) - 1 && memcmp(subject.ptr, own, sizeof(own) - 1) == 0;
    bool wild_first = pattern.len > 0 && (pattern.ptr[0] == '*' || pattern.ptr[0] == '>');
    return !(is_own && wild_first) && sut_subject_match(pattern, subject);
}

bool sut_acl_allows(const sut_acl_entry *e, sut_right right, sut_str subject)
{
    if (!e || e->revoked || (size_t)right >= SUT_RIGHT_COUNT)
        return false;
    const pattern_list *list = &e->rights[right];
    for (size_t i = 0; i < list->count; i++) {
        if (pattern_allows(list->items[i], subject))
            return true;
    }
    return false;
}

/* Each subject that `inner` matches is matched by `outer`: token by token, and neither a name covers `*`, nor `*` a
 * `>`. */
static bool covers(sut_str outer, sut_str inner)
{
    sut_str want, have;
    while (cut(&inner, '.', &want)) {
        if (!cut(&outer, '.', &have))
            return false;
        if (sut_str_is(have, ">"))
            return true;
        if (sut_str_is(want, ">") || (!sut_str_is(have, "*") && !sut_str_eq(have, want)))
            return false;
    }
    return !outer.ptr;
}

bool sut_acl_allows_pattern(const sut_acl_entry *e, sut_right right, sut_str pattern)
{
    if (!e || e->revoked || (size_t)right >= SUT_RIGHT_COUNT || !pattern_valid(pattern))
        return false;
    static const char own[] = "broker.";
    const bool is_own = pattern.len >= sizeof(own) - 1 && memcmp(pattern.ptr, own, sizeof(own) - 1) == 0;
    const pattern_list *list = &e->rights[right];
    for (size_t i = 0; i < list->count; i++) {
        const char first = list->items[i].ptr[0];
        if (!(is_own && (first == '*' || first == '>')) && covers(list->items[i], pattern))
            return true;
    }
    return false;
}

bool sut_acl_names(const sut_acl_entry *e, sut_right right, sut_str subject)
{
    if (!e || e->revoked || (size_t)right >= SUT_RIGHT_COUNT)
        return false;
    const pattern_list *list = &e->rights[right];
    for (size_t i = 0; i < list->count; i++) {
        if (sut_str_eq(list->items[i], subject))
            return true;
    }
    return false;
}

bool sut_acl_may_serve(const sut_acl_entry *e, sut_str service)
{
    char all_methods[SUT_SUBJECT_MAX + 3];
    if (service.len == 0 || service.len > SUT_SUBJECT_MAX)
        return false;
    if (sut_acl_allows(e, SUT_RIGHT_SERVE, service))
        return true;
    /* Whoever may serve each of its methods may serve it: as a subject, `service.>` is matched by `service.>`,
     * `service.*` and `>`, and not by the name of one method. */
    memcpy(all_methods, service.ptr, service.len);
    memcpy(all_methods + service.len, ".>", 3);
    return sut_acl_allows(e, SUT_RIGHT_SERVE, (sut_str){all_methods, service.len + 2});
}

bool sut_acl_may_set_principal(const sut_acl_entry *e)
{
    sut_role r = sut_acl_role(e);
    return r == SUT_ROLE_EDGE || r == SUT_ROLE_ACTOR;
}
