/* Reads User-Agents by their marks. The first mark found wins: browsers carry the names of those that they descend from
 * (Edge says Chrome and Safari, Chrome says Safari), and Android says Linux. */
#include "device.h"

#include <ctype.h>
#include <string.h>

#define PRODUCT_MAX 32

typedef struct mark {
    const char *text, *name;
} mark;

static const mark s_programs[] = {
    {"Edg/", "Edge"},          {"EdgA/", "Edge"},       {"EdgiOS/", "Edge"},
    {"OPR/", "Opera"},         {"Vivaldi/", "Vivaldi"}, {"SamsungBrowser/", "Samsung Internet"},
    {"FxiOS/", "Firefox"},     {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"},
    {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},   {"Safari/", "Safari"},
};

static const mark s_systems[] = {
    {"iPhone", "iPhone"},   {"iPad", "iPad"},      {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
    {"Macintosh", "a Mac"}, {"Mac OS X", "a Mac"}, {"FreeBSD", "FreeBSD"}, {"Linux", "Linux"},
};

static const char *find(sut_str agent, const mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memmem(agent.ptr, agent.len, marks[i].text, strlen(marks[i].text)))
            return marks[i].name;
    }
    return NULL;
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* The first product's name ("curl" of curl/7.88.1), unless it is one that says nothing or is no name. */
static sut_str product(sut_request *rq, sut_str agent)
{
    size_t len = 0;
    while (len < agent.len && in_name(agent.ptr[len]))
        len++;
    sut_str name = {agent.ptr, len};
    if (len == 0 || len > PRODUCT_MAX || sut_str_is(name, "Mozilla") ||
        (len < agent.len && agent.ptr[len] != '/' && agent.ptr[len] != ' '))
        return SUT_STR_NONE;
    return sut_request_str(rq, name);
}

sut_str auth_device_words(sut_request *rq, sut_str user_agent)
{
    if (!user_agent.ptr)
        return SUT_STR_NONE;
    const char *program = find(user_agent, s_programs, SUT_ARRAY_LEN(s_programs));
    const char *system = find(user_agent, s_systems, SUT_ARRAY_LEN(s_systems));
    if (program && system)
        return sut_request_printf(rq, "%s on %s", program, system);
    sut_str name = product(rq, user_agent);
    if (name.ptr && system)
        return sut_request_printf(rq, "%.*s on %s", SUT_STR_FMT(name), system);
    if (name.ptr)
        return name;
    return program ? sut_str_from(program) : system ? sut_request_printf(rq, "A program on %s", system) : SUT_STR_NONE;
}
