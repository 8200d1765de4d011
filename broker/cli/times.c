/* Times: what people type. Without a zone it is the local one, as that is what they read. */
#include "times.h"
#include "cli.h"

#include "base/clock.h"
#include "wire/record.h"

#include <string.h>
#include <time.h>

#define SPAN_MAX_US (INT64_C(3653) * 86400 * 1000000)

bool cli_span_parse(const char *text, int64_t *us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}, {"", 1000000}};
    int64_t n;
    size_t digits = strspn(text, "0123456789");
    if (!sut_parse_i64((sut_str){text, digits}, 0, INT64_MAX, &n))
        return false;
    for (size_t i = 0; i < SUT_ARRAY_LEN(units); i++)
        if (strcmp(text + digits, units[i].unit) == 0) {
            if (n > SPAN_MAX_US / units[i].us)
                return false;
            *us = n * units[i].us;
            return true;
        }
    return false;
}

/* "10m", "-10m", "10m ago", "+5m". A bare number is no time: it would be a sequence. */
static bool parse_relative(const char *text, int64_t now_us, int64_t *us)
{
    char span[32];
    bool later = text[0] == '+';
    if (text[0] == '+' || text[0] == '-')
        text++;
    size_t len = strlen(text);
    if (len > 4 && strcmp(text + len - 4, " ago") == 0)
        len -= 4;
    if (len == 0 || len >= sizeof span || (text[len - 1] >= '0' && text[len - 1] <= '9'))
        return false;
    memcpy(span, text, len);
    span[len] = '\0';
    int64_t n;
    if (!cli_span_parse(span, &n))
        return false;
    *us = later ? now_us + n : now_us - n;
    return true;
}

/* strptime takes more than it should (blanks, short numbers): the length decides as well. */
static bool parse_local(const char *text, int64_t now_us, int64_t *us)
{
    static const struct {
        const char *format;
        size_t len;
        bool today;
    } forms[] = {{"%Y-%m-%d", 10, false},
                 {"%Y-%m-%d %H:%M", 16, false},
                 {"%Y-%m-%d %H:%M:%S", 19, false},
                 {"%H:%M", 5, true},
                 {"%H:%M:%S", 8, true}};
    time_t now = (time_t)(now_us / 1000000);
    for (size_t i = 0; i < SUT_ARRAY_LEN(forms); i++) {
        struct tm tm = {.tm_sec = 0};
        if (strlen(text) != forms[i].len)
            continue;
        if (forms[i].today && !localtime_r(&now, &tm))
            return false;
        tm.tm_sec = 0;
        const char *end = strptime(text, forms[i].format, &tm);
        tm.tm_isdst = -1;
        if (!end || *end)
            continue;
        time_t t = mktime(&tm);
        if (t == (time_t)-1)
            return false;
        *us = (int64_t)t * 1000000;
        return true;
    }
    return false;
}

bool cli_time_parse(const char *text, int64_t now_us, int64_t *us)
{
    if (strcmp(text, "now") == 0) {
        *us = now_us;
        return true;
    }
    return parse_relative(text, now_us, us) || sut_rfc3339_parse(sut_str_from(text), us) ||
           parse_local(text, now_us, us);
}

bool cli_time_option(const char *option, const char *text, int64_t *us)
{
    if (!text || cli_time_parse(text, sut_wall_us(), us))
        return true;
    cli_complain("%s '%.40s': must be a time like 10m (ago), +5m, 18:30, '2026-01-02 18:30' or 2026-01-02T18:30:00Z",
                 option, text);
    return false;
}

bool cli_span_option(const char *option, const char *text, int64_t *us)
{
    if (!text || cli_span_parse(text, us))
        return true;
    cli_complain("%s '%.40s': must be a time like 500ms, 30s, 5m or 2h", option, text);
    return false;
}

bool cli_place_option(const char *option, const char *text, bool words, cli_place *out)
{
    int64_t n;
    *out = (cli_place){.kind = CLI_PLACE_NONE};
    if (!text)
        return true;
    if (words && strcmp(text, "end") == 0) {
        out->kind = CLI_PLACE_END;
    } else if (words && strcmp(text, "beginning") == 0) {
        out->kind = CLI_PLACE_BEGINNING;
    } else if (sut_parse_i64(sut_str_from(text), 1, INT64_MAX, &n)) {
        *out = (cli_place){.kind = CLI_PLACE_SEQUENCE, .sequence = (uint64_t)n};
    } else if (cli_time_parse(text, sut_wall_us(), &out->time_us)) {
        out->kind = CLI_PLACE_TIME;
    } else {
        cli_complain("%s '%.40s': must be %sa sequence from 1 on, or a time like 10m (ago), 18:30 or "
                     "2026-01-02T18:30:00Z",
                     option, text, words ? "end, beginning, " : "");
        return false;
    }
    return true;
}

const char *cli_clock(int64_t us, int64_t now_us, char out[CLI_CLOCK_SIZE])
{
    time_t t = (time_t)(us / 1000000), now = (time_t)(now_us / 1000000);
    struct tm tm, today;
    if (us < 0 || !localtime_r(&t, &tm) || !localtime_r(&now, &today)) {
        snprintf(out, CLI_CLOCK_SIZE, "?");
        return out;
    }
    bool same_day = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
    size_t n = strftime(out, CLI_CLOCK_SIZE, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out + n, CLI_CLOCK_SIZE - n, ".%03d", (int)(us / 1000 % 1000));
    return out;
}
