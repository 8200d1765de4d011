/* Clocks, RFC 3339 times, random bytes. */
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

uint64_t sut_now_ns(void)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
        abort(); /* cannot fail on Linux */
    return (uint64_t)ts.tv_sec * SUT_NS_PER_S + (uint64_t)ts.tv_nsec;
}

int64_t sut_wall_us(void)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
        abort();
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void put_digits(char *out, unsigned value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Day number since 1970-01-01 to a date of the proleptic Gregorian calendar: H. Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms", civil_from_days. gmtime_r would take a process-wide lock for each line logged. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

void sut_rfc3339(int64_t wall_us, char out[SUT_RFC3339_SIZE])
{
    const int64_t first = INT64_C(-62167219200000000), last = INT64_C(253402300799999999); /* years 0000 and 9999 */
    if (wall_us < first)
        wall_us = first;
    if (wall_us > last)
        wall_us = last;
    const int64_t day_us = INT64_C(86400000000);
    int64_t days = wall_us / day_us, rest = wall_us % day_us;
    if (rest < 0) {
        rest += day_us;
        days--;
    }
    int64_t year;
    unsigned month, day, second = (unsigned)(rest / 1000000);
    civil_from_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000000Z", SUT_RFC3339_SIZE);
    put_digits(out, (unsigned)year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, second / 3600, 2);
    put_digits(out + 14, second / 60 % 60, 2);
    put_digits(out + 17, second % 60, 2);
    put_digits(out + 20, (unsigned)(rest % 1000000), 6);
}

void sut_random(void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* nothing that asks for unpredictable bytes may go on with others */
        }
        p += n;
        len -= (size_t)n;
    }
}

/* SplitMix64 (Steele, Lea, Flood 2014), the generator that seeds xoshiro: one word of state, full period. */
uint64_t sut_prng(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
