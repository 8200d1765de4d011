/* How easily a password is guessed: zxcvbn (Wheeler, USENIX Security 2016), which knows the passwords, names and words
 * that are most used, patterns of keys, repetitions, sequences and dates, also with letters replaced by figures. */
#include "password.h"

#include "kit/work.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <zxcvbn.h>

#define OWN_WORDS_MAX 32
#define OWN_BYTES_MAX 1024
#define WORD_MIN      3 /* "jo" in a password says little of its owner */

#define SERVICE_NAME "shareuptime"

typedef enum { FINE, KNOWN, OWN, REPEATS, SEQUENCE, KEYS, DATE, SHORT, FAILED } weakness;

typedef struct estimate {
    char password[AUTH_PASSWORD_BYTES_MAX + 1];
    char words[OWN_BYTES_MAX]; /* NUL-terminated one after the other */
    size_t words_len, word_count;
    weakness found;
} estimate;

static weakness weakness_of(ZxcTypeMatch_t type)
{
    switch ((unsigned)type & ~(unsigned)MULTIPLE_MATCH) {
    case DICTIONARY_MATCH:
    case DICT_LEET_MATCH: return KNOWN;
    case USER_MATCH:
    case USER_LEET_MATCH: return OWN;
    case REPEATS_MATCH: return REPEATS;
    case SEQUENCE_MATCH: return SEQUENCE;
    case SPATIAL_MATCH: return KEYS;
    case DATE_MATCH:
    case YEAR_MATCH: return DATE;
    default: return SHORT;
    }
}

/* What most of it consists of. */
static weakness worst(const ZxcMatch_t *parts)
{
    const ZxcMatch_t *longest = NULL;
    for (const ZxcMatch_t *m = parts; m; m = m->Next) {
        if (!longest || m->Length > longest->Length)
            longest = m;
    }
    if (longest && ((unsigned)longest->Type & MULTIPLE_MATCH))
        return REPEATS;
    return longest ? weakness_of(longest->Type) : SHORT;
}

static void estimate_work(void *arg)
{
    estimate *e = arg;
    const char *words[OWN_WORDS_MAX + 1] = {NULL};
    const char *at = e->words;
    bool is_own = false;
    for (size_t i = 0; i < e->word_count; i++, at += strlen(at) + 1) {
        words[i] = at;
        is_own = is_own || strcasecmp(e->password, at) == 0; /* zxcvbn finds many bits in the capitals of a long word */
    }
    ZxcMatch_t *parts = NULL;
    double bits = ZxcvbnMatch(e->password, words, &parts);
    if (is_own)
        e->found = OWN;
    else
        e->found = bits >= AUTH_STRENGTH_BITS_MIN ? FINE : worst(parts); /* not a number: refused */
    ZxcvbnFreeInfo(parts);
}

/* What does not fit is left out: a judgement a little too mild of an absurdly long name. */
static void add_word(estimate *e, sut_str word)
{
    if (word.len < WORD_MIN || e->word_count == OWN_WORDS_MAX || word.len >= sizeof e->words - e->words_len)
        return;
    for (size_t i = 0; i < word.len; i++) /* zxcvbn compares with lower case */
        e->words[e->words_len++] = (char)tolower((unsigned char)word.ptr[i]);
    e->words[e->words_len++] = '\0';
    e->word_count++;
}

/* The whole, and its parts: of ada.lovelace@example.org also ada, lovelace, example and org. Bytes of UTF-8 beyond
 * ASCII are parts of words. */
static void add_words(estimate *e, sut_str text)
{
    size_t start = 0;
    if (!text.ptr)
        return;
    add_word(e, text);
    for (size_t i = 0; i <= text.len; i++) {
        bool in_word = i < text.len && ((unsigned char)text.ptr[i] >= 0x80 || isalnum((unsigned char)text.ptr[i]));
        if (in_word)
            continue;
        if (i - start < text.len)
            add_word(e, (sut_str){text.ptr + start, i - start});
        start = i + 1;
    }
}

static sut_status say(sut_request *rq, const char *pointer, weakness w)
{
    static const char *const words[] = {
        [KNOWN] = "This is a well-known password or word, or close to one. Take some words that do not go together.",
        [OWN] = "This is mostly your own name or address, or ours. Take something that others do not know of you.",
        [REPEATS] = "This repeats itself; what is repeated counts once. Make it longer by something else.",
        [SEQUENCE] = "This is mostly a sequence, like abcdef or 123456. Take some words instead.",
        [KEYS] = "This is mostly a row of neighbouring keys, like qwertz. Take some words instead.",
        [DATE] = "This is mostly a date, and dates are few. Add words.",
        [SHORT] = "This is too easy to guess. Make it longer: some words are better than a few odd characters.",
    };
    return sut_fail_field(rq, pointer, "too_easy", "%s", words[w]);
}

static void fill(estimate *e, sut_str password, const sut_str *own, size_t own_count)
{
    memcpy(e->password, password.ptr, password.len);
    add_words(e, SUT_STR(SERVICE_NAME));
    for (size_t i = 0; i < own_count; i++)
        add_words(e, own[i]);
}

sut_status auth_password_judge(sut_request *rq, const char *pointer, sut_str password, const sut_str *own,
                               size_t own_count)
{
    estimate e = {.found = FAILED};
    if (!password.ptr || password.len == 0 || password.len > AUTH_PASSWORD_BYTES_MAX ||
        memchr(password.ptr, '\0', password.len))
        return sut_fail_field(rq, pointer, "length", "A password is 8 characters to %d bytes, without NUL.",
                              AUTH_PASSWORD_BYTES_MAX);
    fill(&e, password, own, own_count);
    sut_status st = sut_work(rq, estimate_work, &e, sizeof e);
    explicit_bzero(&e.password, sizeof e.password);
    if (st != 0 || e.found == FINE)
        return st;
    return e.found == FAILED ? sut_fail_internal(rq, "a password was not judged") : say(rq, pointer, e.found);
}
