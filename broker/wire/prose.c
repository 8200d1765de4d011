/* The rule of texts (decision 25): what is refused of them and why, and NFC. */
#include "prose.h"

#include <errno.h>
#include <stdio.h>
#include <utf8proc.h>

#define ZWNJ       0x200c
#define ZWJ        0x200d
#define LRM        0x200e
#define RLM        0x200f
#define ALM        0x061c
#define KEYCAP     0x20e3
#define BLACK_FLAG 0x1f3f4
#define TAG(c)     (0xe0000 + (c))
#define TAG_END    0xe007f
#define VIRAMA     9 /* its combining class */

/* A walk over a text, character by character. */
typedef struct walk {
    const char *at, *end;
    int32_t c, before; /* the character, and the one before it; -1: none */
    int32_t base;      /* the last one that is no mark, joiner or selector */
    bool emoji;        /* what ends at `before` is an emoji, its selector and skin included */
    bool rtl, visible;
    int32_t rtl_mark; /* the first invisible mark of direction; 0: none */
    unsigned marks, unseen, depth;
    int32_t open[SUT_PROSE_NEST_MAX]; /* the directions begun and not yet ended */
    char *words;
} walk;

static const utf8proc_property_t *property(int32_t c)
{
    return utf8proc_get_property(c);
}

/* The character at `p` and, in *len, its bytes. -1 at the end. */
static int32_t decode(const char *p, const char *end, size_t *len)
{
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t n = p < end ? utf8proc_iterate((const utf8proc_uint8_t *)p, end - p, &c) : 0;
    *len = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : -1;
}

static int32_t next_of(const walk *w)
{
    size_t len;
    return decode(w->at, w->end, &len);
}

static const char *say(char *words, const char *before, int32_t c, const char *after)
{
    (void)snprintf(words, SUT_PROSE_WORDS_SIZE, "%s U+%04X%s", before, (unsigned)c, after);
    return words;
}

static bool is_noncharacter(int32_t c)
{
    return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

/* Code points that mean nothing yet, and of which the standard says that they will be invisible (DerivedCoreProperties,
 * Default_Ignorable_Code_Point): the library has no properties of what is not assigned. */
static bool is_kept_for_unseen(int32_t c)
{
    return property(c)->category == UTF8PROC_CATEGORY_CN && (c >> 16 == 0xe || c >> 4 == 0xfff || c == 0x2065);
}

/* Controls, separators of lines, and what Unicode says a reader does not see. */
static bool is_unseen(int32_t c)
{
    const utf8proc_property_t *p = property(c);
    if (is_kept_for_unseen(c))
        return true;
    return p->ignorable || p->boundclass == UTF8PROC_BOUNDCLASS_CONTROL || p->boundclass == UTF8PROC_BOUNDCLASS_CR ||
           p->boundclass == UTF8PROC_BOUNDCLASS_LF;
}

static bool is_control(int32_t c)
{
    int category = property(c)->category;
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static bool is_emoji(int32_t c)
{
    return c >= 0 && property(c)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

static bool is_virama(int32_t c)
{
    return c >= 0 && property(c)->combining_class == VIRAMA;
}

static bool is_arabic(int32_t c)
{
    return c >= 0 && property(c)->bidi_class == UTF8PROC_BIDI_CLASS_AL;
}

static bool is_mark(int32_t c)
{
    int category = property(c)->category;
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
}

/* ---- directions (UAX 9) ---- */

static const char *begin_direction(walk *w)
{
    if (w->depth == SUT_PROSE_NEST_MAX)
        return say(w->words, "must not nest directions deeper than 8 levels, as", w->c, " does");
    w->open[w->depth++] = w->c;
    return NULL;
}

static const char *end_direction(walk *w, bool isolate)
{
    int begun = w->depth ? property(w->open[w->depth - 1])->bidi_class : 0;
    bool isolated =
        begun == UTF8PROC_BIDI_CLASS_LRI || begun == UTF8PROC_BIDI_CLASS_RLI || begun == UTF8PROC_BIDI_CLASS_FSI;
    if (!begun || isolated != isolate)
        return say(w->words, "must not have", w->c, ", which ends a direction that was not begun");
    w->depth--;
    return NULL;
}

static const char *end_of_line(const walk *w)
{
    return w->depth ? say(w->words, "must end on the same line the direction that", w->open[w->depth - 1], " begins")
                    : NULL;
}

/* ---- characters that are right in some company only ---- */

static const char *check_joiner(walk *w)
{
    bool emoji = w->c == ZWJ && w->emoji && is_emoji(next_of(w));
    bool letters =
        is_virama(w->before) || is_virama(next_of(w)) || (is_arabic(w->base) && w->before != ZWJ && w->before != ZWNJ);
    if (emoji || letters)
        return NULL;
    return say(w->words, "must not have the invisible character", w->c,
               " but in emoji, between Arabic letters or beside a virama");
}

/* The selectors of how an emoji is drawn, and those of ideographs (UTS 37). */
static bool selector_fits(const walk *w)
{
    if (w->c == 0xfe0e || w->c == 0xfe0f) {
        bool key = w->before > 0 && w->before < 0x80 && strchr("0123456789#*", w->before);
        return is_emoji(w->before) || (key && next_of(w) == KEYCAP);
    }
    if (w->c < 0xe0100 || w->c > 0xe01ef || w->before < 0)
        return false;
    return property(w->before)->category == UTF8PROC_CATEGORY_LO && property(w->before)->charwidth == 2;
}

/* Behind a black flag: three to six tags of letters and digits, and the one that ends them (UTS 51: a region's flag).
 */
static void pass_flag_tags(walk *w)
{
    const char *p = w->at;
    size_t len, tags = 0;
    int32_t c = decode(p, w->end, &len);
    for (; (c >= TAG('a') && c <= TAG('z')) || (c >= TAG('0') && c <= TAG('9')); tags++) {
        p += len;
        c = decode(p, w->end, &len);
    }
    if (c == TAG_END && tags >= 3 && tags <= 6)
        w->at = p + len;
}

static const char *check_unseen(walk *w)
{
    if (++w->unseen > SUT_PROSE_UNSEEN_MAX)
        return say(w->words, "must not have more than 16 invisible characters in a row;", w->c, " is one too many");
    switch (property(w->c)->bidi_class) {
    case UTF8PROC_BIDI_CLASS_LRO:
    case UTF8PROC_BIDI_CLASS_RLO:
        return say(w->words, "must not have", w->c, ", which overrides the direction of what follows");
    case UTF8PROC_BIDI_CLASS_LRE:
    case UTF8PROC_BIDI_CLASS_RLE:
    case UTF8PROC_BIDI_CLASS_LRI:
    case UTF8PROC_BIDI_CLASS_RLI:
    case UTF8PROC_BIDI_CLASS_FSI: return begin_direction(w);
    case UTF8PROC_BIDI_CLASS_PDF: return end_direction(w, false);
    case UTF8PROC_BIDI_CLASS_PDI: return end_direction(w, true);
    default: break;
    }
    if (w->c == LRM || w->c == RLM || w->c == ALM) {
        w->rtl_mark = w->rtl_mark ? w->rtl_mark : w->c;
        return NULL;
    }
    if (w->c == ZWJ || w->c == ZWNJ)
        return check_joiner(w);
    if (selector_fits(w))
        return NULL;
    return say(w->words,
               is_control(w->c) ? "must not have the control character" : "must not have the invisible character", w->c,
               "");
}

static void note_seen(walk *w)
{
    const utf8proc_property_t *p = property(w->c);
    w->rtl = w->rtl || p->bidi_class == UTF8PROC_BIDI_CLASS_R || p->bidi_class == UTF8PROC_BIDI_CLASS_AL;
    w->visible = w->visible || p->category != UTF8PROC_CATEGORY_ZS;
    w->base = w->c;
    w->marks = w->unseen = 0;
    bool skin = w->c >= 0x1f3fb && w->c <= 0x1f3ff;
    w->emoji = is_emoji(w->c) || (skin && w->emoji);
    if (w->c == BLACK_FLAG)
        pass_flag_tags(w);
}

static const char *check_character(walk *w, uint8_t kind)
{
    if (is_noncharacter(w->c))
        return say(w->words, "must not have", w->c, ", which is no character");
    if (w->c == '\n' || w->c == '\t' || (w->c == '\r' && next_of(w) == '\n')) {
        w->base = -1;
        w->emoji = false;
        if (kind != SUT_TEXT_BLOCK)
            return say(w->words, "must be one line without tabs; has", w->c, "");
        return w->c == '\n' ? end_of_line(w) : NULL;
    }
    if (is_unseen(w->c))
        return check_unseen(w);
    if (!is_mark(w->c)) {
        note_seen(w);
        return NULL;
    }
    if (++w->marks > SUT_PROSE_MARKS_MAX)
        return say(w->words, "must not have more than 10 marks on one character;", w->c, " is one too many");
    w->emoji = false;
    return NULL;
}

const char *sut_prose_fault(uint8_t kind, sut_str s, char words[SUT_PROSE_WORDS_SIZE])
{
    if (kind != SUT_TEXT_LINE && kind != SUT_TEXT_BLOCK)
        return "is of a kind of text that this build does not know"; /* never let pass what cannot be checked */
    walk w = {.at = s.ptr, .end = s.ptr + s.len, .c = -1, .before = -1, .base = -1, .words = words};
    while (w.at < w.end) {
        size_t len;
        w.before = w.c;
        w.c = decode(w.at, w.end, &len);
        if (w.c < 0)
            return "must be UTF-8";
        w.at += len;
        const char *fault = check_character(&w, kind);
        if (fault)
            return fault;
    }
    if (w.depth)
        return end_of_line(&w);
    if (w.rtl_mark && !w.rtl)
        return say(words, "must not have the invisible character", w.rtl_mark, " without right-to-left letters");
    return s.len && kind == SUT_TEXT_LINE && !w.visible ? "must have a character that can be seen" : NULL;
}

/* ---- the normal form ---- */

/* All below U+0300 are in NFC and compose with nothing before them. */
static bool is_normal_already(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0xcc || s.ptr[i] == '\r')
            return false;
    return true;
}

static sut_status unify_lines(sut_str s, sut_arena *a, sut_str *out)
{
    char *copy = sut_arena_alloc(a, s.len + 1);
    if (!copy)
        return -ENOMEM;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '\r')
            copy[len++] = s.ptr[i];
    copy[len] = '\0';
    *out = (sut_str){copy, len};
    return 0;
}

sut_status sut_prose_normal(sut_str s, sut_arena *a, sut_str *out)
{
    const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    *out = s;
    if (is_normal_already(s))
        return 0;
    if (memchr(s.ptr, '\r', s.len)) {
        sut_status status = unify_lines(s, a, &s);
        if (status)
            return status;
        *out = s;
    }
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)s.ptr;
    utf8proc_ssize_t count = utf8proc_decompose(bytes, (utf8proc_ssize_t)s.len, NULL, 0, nfc);
    if (count < 0)
        return SUT_TRACE(-EINVAL, "a text that was checked is no UTF-8");
    utf8proc_int32_t *codes = sut_arena_alloc(a, ((size_t)count + 1) * sizeof *codes);
    if (!codes)
        return -ENOMEM;
    count = utf8proc_decompose(bytes, (utf8proc_ssize_t)s.len, codes, count, nfc);
    utf8proc_ssize_t len = count < 0 ? count : utf8proc_reencode(codes, count, nfc);
    if (len < 0)
        return SUT_TRACE(-EINVAL, "a text cannot be normalised");
    *out = (sut_str){(const char *)codes, (size_t)len};
    return 0;
}

/* ---- usernames ---- */

/* The ASCII character that `c` is another form of: full-width, circled, mathematical. With marks on it too if
 * `accents`. 0 if it is none. */
static int32_t ascii_of(int32_t c, bool accents)
{
    enum { MOST = 18 }; /* U+FDFA has the longest decomposition */
    utf8proc_int32_t parts[MOST];
    int last = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char(c, parts, MOST, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE, &last);
    if (n < 1 || n > MOST || parts[0] >= 0x80 || !(n == 1 || accents))
        return 0;
    for (utf8proc_ssize_t i = 1; i < n; i++)
        if (!is_mark(parts[i]))
            return 0;
    return parts[0];
}

static const char *wrong_in_username(int32_t c, bool latin, char *words)
{
    char form[] = ", another form of \" \"";
    int category = property(c)->category;
    if (is_control(c) || is_noncharacter(c))
        return say(words, "must not have the control character", c, "");
    if (is_unseen(c))
        return say(words, "must not have the invisible character", c, "");
    if (category == UTF8PROC_CATEGORY_ZS)
        return say(words, "must not have blanks; has", c, "");
    if (is_mark(c) || category == UTF8PROC_CATEGORY_MC)
        return say(words, "must be of letters without accents; has the mark", c, "");
    if (c < 0x80)
        return NULL;
    if (ascii_of(c, false)) {
        form[sizeof form - 3] = (char)ascii_of(c, false);
        return say(words, "must not have", c, form);
    }
    if (ascii_of(c, true))
        return say(words, "must be of letters without accents; has", c, "");
    bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    if (letter && latin)
        return say(words, "must not mix scripts:", c, " is none of the letters a to z");
    return say(words, "must be of the letters a to z, digits, '_', '.' and '-'; has", c, "");
}

const char *sut_username_character(sut_str s, char words[SUT_PROSE_WORDS_SIZE])
{
    bool latin = false;
    size_t len;
    for (size_t i = 0; i < s.len; i++)
        latin = latin || (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z');
    for (const char *p = s.ptr, *end = s.ptr + s.len; p < end; p += len) {
        int32_t c = decode(p, end, &len);
        const char *wrong = c < 0 ? NULL : wrong_in_username(c, latin, words);
        if (wrong)
            return wrong;
    }
    return NULL;
}
