/* Counted strings: UTF-8 check, constant-time compare, hex, decimal parse, subject globs. */
#include "base/str.h"

static bool is_continuation(uint8_t c)
{
    return (c & 0xC0) == 0x80;
}

/* Length of the well-formed sequence at p (RFC 3629 section 4, its table of byte ranges), or 0. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        return left >= 2 && is_continuation(p[1]) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF) {
        if (left < 3 || !is_continuation(p[1]) || !is_continuation(p[2]))
            return 0;
        bool overlong = c == 0xE0 && p[1] < 0xA0;
        bool surrogate = c == 0xED && p[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (left < 4 || !is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3]))
            return 0;
        bool overlong = c == 0xF0 && p[1] < 0x90;
        bool past_last = c == 0xF4 && p[1] > 0x8F;
        return overlong || past_last ? 0 : 4;
    }
    return 0;
}

bool sut_utf8_valid(sut_str s, size_t *chars)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t i = 0, count = 0;
    while (i < s.len) {
        uint64_t word;
        if (s.len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                count += sizeof word;
                continue;
            }
        }
        size_t n = utf8_sequence(p + i, s.len - i);
        if (!n)
            return false;
        i += n;
        count++;
    }
    if (chars)
        *chars = count;
    return true;
}

bool sut_secret_eq(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < len; i++)
        diff = (uint8_t)(diff | (x[i] ^ y[i]));
    return diff == 0;
}

void sut_hex(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sut_unhex(sut_str hex, void *out, size_t len)
{
    uint8_t *p = out;
    if (hex.len / 2 != len || hex.len % 2)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(hex.ptr[2 * i]), low = hex_digit(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        p[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

bool sut_parse_i64(sut_str s, int64_t min, int64_t max, int64_t *out)
{
    size_t i = 0;
    bool negative = s.len > 0 && s.ptr[0] == '-';
    if (negative || (s.len > 0 && s.ptr[0] == '+'))
        i++;
    if (i == s.len)
        return false;
    int64_t value = 0;
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        int64_t digit = s.ptr[i] - '0';
        /* Counted downwards when negative: INT64_MIN has no positive twin. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* Cuts the token up to the next '.' off the front of *rest; false when *rest is used up (ptr NULL). */
static bool next_token(sut_str *rest, sut_str *token)
{
    if (!rest->ptr)
        return false;
    const char *dot = rest->len ? memchr(rest->ptr, '.', rest->len) : NULL;
    if (!dot) {
        *token = *rest;
        *rest = SUT_STR_NONE;
        return true;
    }
    *token = (sut_str){rest->ptr, (size_t)(dot - rest->ptr)};
    *rest = (sut_str){dot + 1, rest->len - token->len - 1};
    return true;
}

bool sut_subject_match(sut_str pattern, sut_str subject)
{
    sut_str want, have;
    while (next_token(&pattern, &want)) {
        if (!next_token(&subject, &have) || have.len == 0)
            return false;
        if (want.len == 1 && want.ptr[0] == '>' && !pattern.ptr) {
            while (next_token(&subject, &have))
                if (have.len == 0)
                    return false;
            return true;
        }
        if (want.len == 1 && want.ptr[0] == '*')
            continue;
        if (!sut_str_eq(want, have))
            return false;
    }
    return !subject.ptr;
}
