/* Dates of the proleptic Gregorian calendar, and RFC 3339 times. */
#include "runtime.h"

#include "base/clock.h"

static bool digits(const char *p, int count, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        value = value * 10 + (p[i] - '0');
    }
    *out = value;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil, for years from 1 on. */
static int32_t days_from_civil(int year, int month, int day)
{
    year -= month <= 2;
    int era = year / 400, year_of_era = year - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool parse_date(const char *p, int32_t *days)
{
    int year, month, day;
    if (!digits(p, 4, &year) || p[4] != '-' || !digits(p + 5, 2, &month) || p[7] != '-' || !digits(p + 8, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

bool sut_date_parse(sut_str s, int32_t *days)
{
    return s.len == 10 && parse_date(s.ptr, days);
}

void sut_date_format(int32_t days, char out[11])
{
    char time[SUT_RFC3339_SIZE];
    if (days < SUT_DATE_MIN)
        days = SUT_DATE_MIN;
    if (days > SUT_DATE_MAX)
        days = SUT_DATE_MAX;
    sut_rfc3339(days * SUT_DAY_US, time);
    memcpy(out, time, 10);
    out[10] = '\0';
}

/* ".123456": as many digits as one likes, of which microseconds are kept. */
static size_t parse_fraction(const char *p, size_t left, int64_t *us)
{
    size_t i = 1;
    int64_t unit = 100000;
    for (; i < left && p[i] >= '0' && p[i] <= '9'; i++) {
        *us += (p[i] - '0') * unit;
        unit /= 10;
    }
    return i > 1 ? i : 0;
}

/* "Z" or "+hh:mm", to be subtracted; all of `left` bytes. */
static bool parse_zone(const char *p, size_t left, int64_t *offset_us)
{
    int hours, minutes;
    if (left == 1 && (*p == 'Z' || *p == 'z')) {
        *offset_us = 0;
        return true;
    }
    if (left != 6 || (*p != '+' && *p != '-') || p[3] != ':')
        return false;
    if (!digits(p + 1, 2, &hours) || !digits(p + 4, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t us = (hours * 60 + minutes) * INT64_C(60000000);
    *offset_us = *p == '-' ? -us : us;
    return true;
}

/* RFC 3339 section 5.6. Leap seconds are refused: no clock here has them. */
bool sut_rfc3339_parse(sut_str s, int64_t *wall_us)
{
    const char *p = s.ptr;
    int32_t days;
    int hour, minute, second;
    if (s.len < 20 || !parse_date(p, &days) || (p[10] != 'T' && p[10] != 't'))
        return false;
    if (!digits(p + 11, 2, &hour) || p[13] != ':' || !digits(p + 14, 2, &minute) || p[16] != ':' ||
        !digits(p + 17, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t us = days * SUT_DAY_US + (hour * 3600 + minute * 60 + second) * INT64_C(1000000);
    size_t at = 19;
    if (p[at] == '.') {
        size_t fraction = parse_fraction(p + at, s.len - at, &us);
        if (fraction == 0)
            return false;
        at += fraction;
    }
    int64_t offset_us;
    if (!parse_zone(p + at, s.len - at, &offset_us))
        return false;
    us -= offset_us;
    if (us < SUT_DATE_MIN * SUT_DAY_US || us >= (SUT_DATE_MAX + INT64_C(1)) * SUT_DAY_US)
        return false;
    *wall_us = us;
    return true;
}
