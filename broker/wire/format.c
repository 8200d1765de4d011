/* The named formats of strings: what each accepts, and the words for what it refuses. */
#include "runtime.h"

/* What a character may be part of. */
enum { ALPHA = 1, DIGIT = 2, HEX = 4, LOCAL = 8, URI = 16, SCHEME = 32 };
#define ALNUM (ALPHA | DIGIT)
static const uint8_t s_class[256] = {
    ['a' ... 'f'] = ALPHA | HEX | LOCAL | URI | SCHEME,
    ['g' ... 'z'] = ALPHA | LOCAL | URI | SCHEME,
    ['A' ... 'F'] = ALPHA | HEX | LOCAL | URI | SCHEME,
    ['G' ... 'Z'] = ALPHA | LOCAL | URI | SCHEME,
    ['0' ... '9'] = DIGIT | HEX | LOCAL | URI | SCHEME,
    ['!'] = LOCAL | URI, /* RFC 5321's atext, RFC 3986's unreserved and reserved */
    ['#'] = LOCAL | URI,
    ['$'] = LOCAL | URI,
    ['&'] = LOCAL | URI,
    ['\''] = LOCAL | URI,
    ['*'] = LOCAL | URI,
    ['+'] = LOCAL | URI | SCHEME,
    ['-'] = LOCAL | URI | SCHEME,
    ['/'] = LOCAL | URI,
    ['='] = LOCAL | URI,
    ['?'] = LOCAL | URI,
    ['_'] = LOCAL | URI,
    ['~'] = LOCAL | URI,
    ['%'] = LOCAL, /* in a URI, only as an escape */
    ['^'] = LOCAL,
    ['`'] = LOCAL,
    ['{'] = LOCAL,
    ['|'] = LOCAL,
    ['}'] = LOCAL,
    ['.'] = URI | SCHEME,
    [':'] = URI,
    ['['] = URI,
    [']'] = URI,
    ['@'] = URI,
    ['('] = URI,
    [')'] = URI,
    [','] = URI,
    [';'] = URI,
};

static inline bool is(char c, unsigned classes)
{
    return s_class[(unsigned char)c] & classes;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static sut_str part(sut_str s, size_t from, size_t to)
{
    return (sut_str){s.ptr + from, to - from};
}

static size_t find(sut_str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

/* RFC 1123 host names: labels of 1 to 63 letters, digits and inner dashes, parted by dots. */
static bool host_name(sut_str s, size_t *labels)
{
    size_t start = 0;
    *labels = 0;
    if (s.len == 0 || s.len > 253)
        return false;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '.') {
            if (!is(s.ptr[i], ALNUM) && s.ptr[i] != '-')
                return false;
            continue;
        }
        if (i == start || i - start > 63 || s.ptr[start] == '-' || s.ptr[i - 1] == '-')
            return false;
        (*labels)++;
        start = i + 1;
    }
    return true;
}

/* The mailboxes of RFC 5321 that people have: a dot-atom of at most 64 bytes, and a domain of two labels or more whose
 * last one is not a number. No quoted local parts, comments or address literals. */
static bool email(sut_str s)
{
    size_t at = find(s, '@'), labels;
    if (s.len > 254 || at == 0 || at > 64 || at == s.len || s.ptr[0] == '.' || s.ptr[at - 1] == '.')
        return false;
    for (size_t i = 0; i < at; i++) {
        char c = s.ptr[i];
        if (c == '.' ? s.ptr[i + 1] == '.' : !is(c, LOCAL))
            return false;
    }
    sut_str domain = part(s, at + 1, s.len);
    if (!host_name(domain, &labels) || labels < 2)
        return false;
    size_t last = domain.len;
    while (domain.ptr[last - 1] != '.')
        last--;
    return is(domain.ptr[last], ALPHA);
}

/* Characters of RFC 3986, with whole percent escapes. */
static bool uri_chars(sut_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3 || !is(s.ptr[i + 1], HEX) || !is(s.ptr[i + 2], HEX))
                return false;
            i += 2;
        } else if (!is(c, URI)) {
            return false;
        }
    }
    return true;
}

static bool uri(sut_str s)
{
    size_t colon = find(s, ':');
    if (colon == 0 || colon == s.len || colon + 1 == s.len || !is(s.ptr[0], ALPHA))
        return false;
    for (size_t i = 1; i < colon; i++)
        if (!is(s.ptr[i], SCHEME))
            return false;
    return uri_chars(part(s, colon + 1, s.len));
}

static bool port(sut_str s)
{
    int64_t number;
    return sut_parse_i64(s, 1, 65535, &number) && is(s.ptr[0], DIGIT);
}

static bool ipv6_literal(sut_str s)
{
    size_t colons = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is(s.ptr[i], HEX) && s.ptr[i] != ':' && s.ptr[i] != '.')
            return false;
        colons += s.ptr[i] == ':';
    }
    return colons >= 2 && s.len <= 45;
}

/* "host", "host:port", "[::1]:port". User names are refused: in a link that people are shown they only deceive. */
static bool authority(sut_str s)
{
    size_t labels, end;
    if (s.len > 0 && s.ptr[0] == '[') {
        end = find(s, ']');
        if (end == s.len || !ipv6_literal(part(s, 1, end)))
            return false;
        end++;
    } else {
        end = find(s, ':');
        if (!host_name(part(s, 0, end), &labels))
            return false;
    }
    return end == s.len || (s.ptr[end] == ':' && port(part(s, end + 1, s.len)));
}

static bool http_uri(sut_str s)
{
    size_t start = s.len >= 7 && strncasecmp(s.ptr, "http://", 7) == 0    ? 7
                   : s.len >= 8 && strncasecmp(s.ptr, "https://", 8) == 0 ? 8
                                                                          : 0;
    if (start == 0 || !uri_chars(s))
        return false;
    size_t end = start;
    while (end < s.len && !is_one_of(s.ptr[end], "/?#"))
        end++;
    return authority(part(s, start, end));
}

/* Letters, digits, '_', '.' and '-', the first and the last a letter or digit, no two signs side by side but '_'. */
static bool username(sut_str s)
{
    if (s.len == 0 || !is(s.ptr[0], ALNUM) || !(is(s.ptr[s.len - 1], ALNUM) || s.ptr[s.len - 1] == '_'))
        return false;
    for (size_t i = 1; i < s.len; i++) {
        bool sign = is_one_of(s.ptr[i], ".-");
        if (!is(s.ptr[i], ALNUM) && s.ptr[i] != '_' && !sign)
            return false;
        if (sign && is_one_of(s.ptr[i - 1], ".-"))
            return false;
    }
    return true;
}

static bool uuid(sut_str s)
{
    if (s.len != 36)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.ptr[i] != '-' : !is(s.ptr[i], HEX))
            return false;
    }
    return true;
}

static bool hex(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.ptr[i], HEX))
            return false;
    return s.len % 2 == 0;
}

static bool base64url(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.ptr[i], ALNUM) && s.ptr[i] != '-' && s.ptr[i] != '_')
            return false;
    return s.len % 4 != 1;
}

/* The shape of BCP 47: a language of 2 or 3 letters, then subtags of 1 to 8 letters and digits. */
static bool locale(sut_str s)
{
    size_t start = 0;
    if (s.len > 35)
        return false;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '-') {
            if (!(start == 0 ? is(s.ptr[i], ALPHA) : is(s.ptr[i], ALNUM)))
                return false;
            continue;
        }
        size_t len = i - start;
        if (start == 0 ? len < 2 || len > 3 : len < 1 || len > 8)
            return false;
        start = i + 1;
    }
    return true;
}

/* The shape of names in the tz database: "UTC", "Europe/Madrid", "America/Argentina/Salta", "Etc/GMT+5". */
static bool timezone_name(sut_str s)
{
    size_t start = 0, parts = 0;
    if (s.len > 64)
        return false;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '/') {
            if (!is(s.ptr[i], ALNUM) && !is_one_of(s.ptr[i], "_+-"))
                return false;
            continue;
        }
        if (i == start || !is(s.ptr[start], ALPHA) || ++parts > 3)
            return false;
        start = i + 1;
    }
    return true;
}

const char *sut_format_fault(uint8_t format, sut_str s)
{
    static const struct {
        bool (*accepts)(sut_str s);
        const char *words;
    } formats[] = {
        [SUT_FMT_EMAIL] = {email, "must be an e-mail address such as name@example.org"},
        [SUT_FMT_URI] = {uri, "must be a URI (RFC 3986)"},
        [SUT_FMT_HTTP_URI] = {http_uri, "must be a URI that begins with http:// or https:// and names a host, no user"},
        [SUT_FMT_USERNAME] = {username, "must be of letters, digits, '_', '.' and '-', and begin with a letter or "
                                        "digit; '.' and '-' may not end it nor follow each other"},
        [SUT_FMT_UUID] = {uuid, "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000"},
        [SUT_FMT_HEX] = {hex, "must be an even number of hex digits"},
        [SUT_FMT_BASE64URL] = {base64url, "must be base64url without padding (RFC 4648, section 5)"},
        [SUT_FMT_LOCALE] = {locale, "must be a language tag such as en or pt-BR (BCP 47)"},
        [SUT_FMT_TIMEZONE] = {timezone_name, "must be a time zone's name such as Europe/Madrid"},
    };
    if (format == SUT_FMT_NONE)
        return NULL;
    if (format >= SUT_ARRAY_LEN(formats) || !formats[format].accepts)
        return "has a format that this build does not know"; /* never let pass what cannot be checked */
    return formats[format].accepts(s) ? NULL : formats[format].words;
}
