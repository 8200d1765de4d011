/* base64 as RFC 4648 section 4 has it: with padding, and on decoding nothing but the canonical form. */
#include "runtime.h"

static const char s_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint8_t *sut_base64_encode(const void *bytes, size_t len, uint8_t *out)
{
    const uint8_t *in = bytes;
    for (; len >= 3; len -= 3, in += 3) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = (uint8_t)s_alphabet[v >> shift & 63];
    }
    if (len == 0)
        return out;
    uint32_t v = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
    *out++ = (uint8_t)s_alphabet[v >> 18];
    *out++ = (uint8_t)s_alphabet[v >> 12 & 63];
    *out++ = len == 2 ? (uint8_t)s_alphabet[v >> 6 & 63] : '=';
    *out++ = '=';
    return out;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool sut_base64_decode(sut_str s, uint8_t *out, size_t *len)
{
    if (s.len % 4 != 0)
        return false;
    size_t pad = 0;
    while (pad < 2 && pad < s.len && s.ptr[s.len - 1 - pad] == '=')
        pad++;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < s.len - pad; i++) {
        int v = value_of(s.ptr[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    *len = n;
    return (bits & ((1u << have) - 1)) == 0; /* else two texts would stand for the same bytes */
}
