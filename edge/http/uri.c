/* Decodes what hygiene.c let pass; it checks again for itself, because it is called (and fuzzed) on its own too. */
#include "uri.h"

#include <errno.h>

sut_str sut_uri_decode(sut_str raw, bool plus_is_blank, sut_arena *a)
{
    char *out = sut_arena_alloc(a, raw.len + 1);
    if (!out)
        return SUT_STR_NONE;
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '%') {
            if (raw.len - i < 3 || !sut_unhex((sut_str){raw.ptr + i + 1, 2}, &c, 1))
                return SUT_STR_NONE;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0')
            return SUT_STR_NONE;
        out[n++] = c;
    }
    sut_str decoded = {out, n};
    return sut_utf8_valid(decoded, NULL) ? decoded : SUT_STR_NONE;
}

sut_status sut_uri_segments(sut_str path, sut_arena *a, sut_str out[SUT_PATH_SEGMENTS_MAX], size_t *count)
{
    *count = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return -EINVAL;
    for (size_t at = 1; at <= path.len;) {
        const char *slash = at < path.len ? memchr(path.ptr + at, '/', path.len - at) : NULL;
        size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
        if (*count == SUT_PATH_SEGMENTS_MAX)
            return -E2BIG;
        sut_str segment = sut_uri_decode((sut_str){path.ptr + at, end - at}, false, a);
        if (!segment.ptr || sut_str_is(segment, ".") || sut_str_is(segment, ".."))
            return -EINVAL;
        out[(*count)++] = segment;
        at = end + 1;
    }
    return 0;
}

sut_status sut_uri_query(sut_str query, sut_arena *a, sut_query_param out[SUT_QUERY_PARAMS_MAX], size_t *count)
{
    *count = 0;
    for (size_t at = 0; at < query.len;) {
        const char *amp = memchr(query.ptr + at, '&', query.len - at);
        sut_str piece = {query.ptr + at, amp ? (size_t)(amp - query.ptr) - at : query.len - at};
        at += piece.len + 1;
        if (piece.len == 0)
            continue;
        if (*count == SUT_QUERY_PARAMS_MAX)
            return -E2BIG;
        const char *eq = memchr(piece.ptr, '=', piece.len);
        sut_str name = {piece.ptr, eq ? (size_t)(eq - piece.ptr) : piece.len};
        sut_str value = eq ? (sut_str){eq + 1, piece.len - name.len - 1} : SUT_STR("");
        sut_query_param *p = &out[(*count)++];
        p->name = sut_uri_decode(name, true, a);
        p->value = sut_uri_decode(value, true, a);
        if (!p->name.ptr || !p->value.ptr)
            return -EINVAL;
    }
    return 0;
}
