#include "address.h"

bool mail_address_valid(sut_str s)
{
    size_t ats = 0;
    if (s.len < 3 || s.len > 254 || s.ptr[0] == '@' || s.ptr[s.len - 1] == '@')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || strchr("<>()[]\\,;:\"", s.ptr[i]))
            return false;
        ats += s.ptr[i] == '@';
    }
    return ats == 1;
}

static sut_str trim(sut_str s)
{
    while (s.len && s.ptr[0] == ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

static bool name_valid(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f || strchr("<>\"\\", s.ptr[i]))
            return false;
    return s.len <= 100 && sut_utf8_valid(s, NULL);
}

bool mail_address_parse(sut_str s, mail_address *out)
{
    *out = (mail_address){.address = trim(s)};
    const char *open = s.len ? memchr(s.ptr, '<', s.len) : NULL;
    if (open) {
        sut_str whole = trim(s);
        size_t before = (size_t)(open - s.ptr);
        if (whole.ptr[whole.len - 1] != '>')
            return false;
        out->name = trim((sut_str){s.ptr, before});
        out->address = (sut_str){open + 1, (size_t)(whole.ptr + whole.len - 1 - (open + 1))};
        if (!name_valid(out->name))
            return false;
        if (out->name.len == 0)
            out->name = SUT_STR_NONE;
    }
    if (!mail_address_valid(out->address))
        return false;
    const char *at = memchr(out->address.ptr, '@', out->address.len);
    out->domain = (sut_str){at + 1, out->address.len - (size_t)(at + 1 - out->address.ptr)};
    return true;
}
