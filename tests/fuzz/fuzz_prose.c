/* The rule of texts: what is taken has a normal form that stays what it is, and every fault has words. */
#include "fuzz.h"
#include "prose.h"

static void check_kind(uint8_t kind, sut_str input, sut_arena *a)
{
    char words[SUT_PROSE_WORDS_SIZE];
    const char *fault = sut_prose_fault(kind, input, words);
    sut_str normal, again;
    if (fault) {
        MUST(*fault && sut_utf8_valid(sut_str_from(fault), NULL));
        return;
    }
    MUST(sut_utf8_valid(input, NULL));
    if (sut_prose_normal(input, a, &normal) || sut_prose_normal(normal, a, &again))
        return; /* a full arena */
    MUST(sut_utf8_valid(normal, NULL) && normal.len <= input.len * 3);
    MUST(sut_str_eq(normal, again));
    fault = sut_prose_fault(kind, normal, words);
    MUST(!fault || strstr(fault, "marks")); /* one mark may be two in the normal form; the decoder looks again */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char words[SUT_PROSE_WORDS_SIZE];
    FUZZ_ARENA(a);
    const sut_str input = {(const char *)data, size};
    check_kind(SUT_TEXT_LINE, input, a);
    check_kind(SUT_TEXT_BLOCK, input, a);
    const char *said = sut_username_character(input, words);
    MUST(!said || *said);
    return 0;
}
