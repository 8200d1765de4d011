/* Texts that people write: which characters a declared text may hold, its normal form, and what is wrong with a
 * username. Pure functions over valid UTF-8, any thread; what is a letter, a mark or invisible is utf8proc's data. */
#ifndef SUT_WIRE_PROSE_H
#define SUT_WIRE_PROSE_H

#include "wire/record.h"

#define SUT_PROSE_WORDS_SIZE 128
#define SUT_PROSE_MARKS_MAX  10 /* on one character; UAX 15 calls 30 a stream's safe bound, Tibetan needs 8 */
#define SUT_PROSE_UNSEEN_MAX 16 /* invisible characters side by side, however right each of them is */
#define SUT_PROSE_NEST_MAX   8  /* directions inside each other */

/* NULL if `s` is a text of `kind` (sut_text_kind), else `words` with what is wrong: "must not …". Linear in s.len. */
const char *sut_prose_fault(uint8_t kind, sut_str s, char words[SUT_PROSE_WORDS_SIZE]);

/* *out = `s`, which has no fault, in Unicode's Normalization Form C (UAX 15), CR LF as LF; with a NUL behind it, in
 * `a`, or `s` itself where nothing changes. Takes five times s.len of `a` for most texts. 0 or -ENOMEM. */
SUT_MUST_CHECK sut_status sut_prose_normal(sut_str s, sut_arena *a, sut_str *out);

/* What a string that has not SUT_FMT_USERNAME holds that it must not, as specifically as can be said, or NULL if its
 * characters are right, and only their order is not. */
const char *sut_username_character(sut_str s, char words[SUT_PROSE_WORDS_SIZE]);

#endif
