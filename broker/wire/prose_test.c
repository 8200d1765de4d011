/* The rule of texts: what each kind takes, what is said of what it refuses, and NFC. */
#include "prose.h"

#include <errno.h>

#include <criterion/criterion.h>

TestSuite(prose, .timeout = 60);

static const char *fault_of(sut_text_kind kind, const char *s)
{
    static char words[SUT_PROSE_WORDS_SIZE];
    return sut_prose_fault((uint8_t)kind, sut_str_from(s), words);
}

Test(prose, takes_what_people_write)
{
    static const char *const texts[] = {
        "",
        "Ada Lovelace",
        "Zoë O’Brien",
        "e\u0301",
        "王小明",
        "葛\U000E0100城", /* a variant of an ideograph */
        "نوال السعداوي",
        "می\u200cخواهم",       /* Persian needs the non-joiner */
        "ه\u200d",             /* and the joiner, for an abbreviation */
        "क्\u200dष क्\u200cष",   /* behind a virama */
        "র\u200d্যাব",          /* before one */
        "\u05d0\u05d1\u200f!", /* a mark of direction beside Hebrew */
        "\u200fשלום",
        "\u2068Ada\u2069 and \u2067עדה\u2069",     /* isolates, ended */
        "\u2067a\u2068b\u202bc\u202c\u2069\u2069", /* inside each other */
        "\U0001F469\u200d\U0001F4BB",              /* woman, joiner, computer */
        "\U0001F469\U0001F3FD\u200d\U0001F680",    /* with a skin */
        "\U0001F468\u200d\U0001F469\u200d\U0001F467",
        "\u2764\ufe0f\u200d\U0001F525", /* a heart with a selector, joined to fire */
        "\U0001F3F3\ufe0f\u200d\U0001F308",
        "\u2122\ufe0e",
        "1\ufe0f\u20e3 #\u20e3",                                                   /* keycaps */
        "\U0001F1EA\U0001F1F8",                                                    /* a country's flag */
        "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F!", /* a region's */
        "\U0001FAE8", /* of a later Unicode than the library's, or of its own */
        "\uf8ff",     /* private use */
        "ཧྐྵྨླྺྼྻྂ",          /* eight marks on one letter */
        "a\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a", /* ten */
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(texts); i++) {
        const char *line = fault_of(SUT_TEXT_LINE, texts[i]);
        cr_expect_null(line, "line %zu, %s: %s", i, texts[i], line);
        const char *block = fault_of(SUT_TEXT_BLOCK, texts[i]);
        cr_expect_null(block, "block %zu, %s: %s", i, texts[i], block);
    }
    cr_expect_null(fault_of(SUT_TEXT_BLOCK, "a\n\tb\r\n\r\nc"));
    cr_expect_null(fault_of(SUT_TEXT_BLOCK, " \n"));
}

Test(prose, refuses_and_says_why)
{
#define INVISIBLE(code) "must not have the invisible character " code
#define CONTROL(code)   "must not have the control character " code
#define JOINER(code)    INVISIBLE(code) " but in emoji, between Arabic letters or beside a virama"
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a\x01", CONTROL("U+0001")},
        {"a\x7f", CONTROL("U+007F")},
        {"a\xc2\x85", CONTROL("U+0085")},
        {"a\rb", CONTROL("U+000D")},
        {"a\r", CONTROL("U+000D")},
        {"a\u2028", CONTROL("U+2028")},
        {"a\u2029", CONTROL("U+2029")},
        {"a\u200bb", INVISIBLE("U+200B")},
        {"\ufeffa", INVISIBLE("U+FEFF")},
        {"a\u00adb", INVISIBLE("U+00AD")},
        {"a\u2060", INVISIBLE("U+2060")},
        {"a\u2063", INVISIBLE("U+2063")},
        {"a\u034f", INVISIBLE("U+034F")},
        {"\u3164", INVISIBLE("U+3164")},
        {"\u115f", INVISIBLE("U+115F")},
        {"\uffa0", INVISIBLE("U+FFA0")},
        {"a\ufff9", INVISIBLE("U+FFF9")},
        {"a\U000E0061", INVISIBLE("U+E0061")},                    /* a tag without a flag: hidden text */
        {"\U0001F3F4\U000E0067\U000E0062", INVISIBLE("U+E0067")}, /* tags that do not end */
        {"\U0001F3F4\U000E0067\U000E0067\U000E0067\U000E0067\U000E0067\U000E0067\U000E0067\U000E007F",
         INVISIBLE("U+E0067")},
        {"\U000E01FF", INVISIBLE("U+E01FF")}, /* unassigned, and invisible whatever it becomes */
        {"a\u2065", INVISIBLE("U+2065")},
        {"a\ufff0", INVISIBLE("U+FFF0")},
        {"a\ufe0f", INVISIBLE("U+FE0F")},
        {"1\ufe0f", INVISIBLE("U+FE0F")},
        {"\u2764\ufe0f\ufe0f", INVISIBLE("U+FE0F")},
        {"a\U000E0100", INVISIBLE("U+E0100")},
        {"葛\U000E0100\U000E0101", INVISIBLE("U+E0101")},
        {"a\u200db", JOINER("U+200D")},
        {"a\u200cb", JOINER("U+200C")},
        {"\u200d\U0001F680", JOINER("U+200D")},
        {"\U0001F680\u200d", JOINER("U+200D")},
        {"\U0001F680\u200c\U0001F680", JOINER("U+200C")},
        {"\U0001F680\u200d\u200d\U0001F680", JOINER("U+200D")},
        {"می\u200c\u200cخ", JOINER("U+200C")},
        {"a\u202eb", "must not have U+202E, which overrides the direction of what follows"},
        {"a\u202d", "must not have U+202D, which overrides the direction of what follows"},
        {"\u2067a", "must end on the same line the direction that U+2067 begins"},
        {"\u202aa", "must end on the same line the direction that U+202A begins"},
        {"a\u2069", "must not have U+2069, which ends a direction that was not begun"},
        {"a\u202c", "must not have U+202C, which ends a direction that was not begun"},
        {"\u2067a\u202c", "must not have U+202C, which ends a direction that was not begun"},
        {"\u202ba\u2069", "must not have U+2069, which ends a direction that was not begun"},
        {"\u2067\u2067\u2067\u2067\u2067\u2067\u2067\u2067\u2068",
         "must not nest directions deeper than 8 levels, as U+2068 does"},
        {"a\u200fb", INVISIBLE("U+200F") " without right-to-left letters"},
        {"a\u200e", INVISIBLE("U+200E") " without right-to-left letters"},
        {"a\u061c", INVISIBLE("U+061C") " without right-to-left letters"},
        {"م\u200c\u200f\u200c\u200f\u200c\u200f\u200c\u200f\u200c\u200f\u200c\u200f\u200c\u200f\u200c\u200f\u200c",
         "must not have more than 16 invisible characters in a row; U+200C is one too many"},
        {"\u05d0\U00013430", INVISIBLE("U+13430")},
        {"1\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3\u20e3",
         "must not have more than 10 marks on one character; U+20E3 is one too many"},
        {"a\ufffe", "must not have U+FFFE, which is no character"},
        {"\ufdd0", "must not have U+FDD0, which is no character"},
        {"\U0010FFFF", "must not have U+10FFFF, which is no character"},
        {"a\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b",
         "must not have more than 10 marks on one character; U+030B is one too many"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        for (int kind = SUT_TEXT_LINE; kind <= SUT_TEXT_BLOCK; kind++) {
            const char *said = fault_of((sut_text_kind)kind, cases[i].text);
            cr_expect_not_null(said, "case %zu is taken; it should be said: %s", i, cases[i].says);
            if (said)
                cr_expect_str_eq(said, cases[i].says, "case %zu: %s", i, said);
        }
    }
}

Test(prose, a_line_is_one_line_with_something_to_see)
{
    cr_expect_str_eq(fault_of(SUT_TEXT_LINE, "a\nb"), "must be one line without tabs; has U+000A");
    cr_expect_str_eq(fault_of(SUT_TEXT_LINE, "a\tb"), "must be one line without tabs; has U+0009");
    cr_expect_str_eq(fault_of(SUT_TEXT_LINE, "a\r\nb"), "must be one line without tabs; has U+000D");
    static const char *const blank[] = {" ", "\u00a0", "\u3000\u2003", "\u2068\u2069", "\u0301"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(blank); i++)
        cr_expect_str_eq(fault_of(SUT_TEXT_LINE, blank[i]), "must have a character that can be seen", "case %zu", i);
    cr_expect_str_eq(fault_of(SUT_TEXT_BLOCK, "\u2067a\n\u2069"),
                     "must end on the same line the direction that U+2067 begins");
}

Test(prose, unknown_kinds_and_broken_texts_let_nothing_pass)
{
    cr_expect_not_null(fault_of(SUT_TEXT_ANY, "a"));
    cr_expect_not_null(fault_of((sut_text_kind)9, "a"));
    cr_expect_str_eq(fault_of(SUT_TEXT_LINE, "a\xff"), "must be UTF-8");
    cr_expect_str_eq(fault_of(SUT_TEXT_LINE, "a\xe2\x80"), "must be UTF-8");
}

Test(prose, normal_form)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"plain", "plain"},
        {"Zo\u00eb", "Zo\u00eb"},
        {"Zoe\u0308", "Zo\u00eb"},
        {"q\u0307\u0323", "q\u0323\u0307"}, /* marks in their order */
        {"\u1e0b\u0323", "\u1e0d\u0307"},
        {"\u212b\u2126", "\u00c5\u03a9"},       /* one character for another */
        {"\u1112\u1161\u11ab", "\ud55c"},       /* Hangul */
        {"\u0958", "\u0915\u093c"},             /* excluded from composition */
        {"\uff41", "\uff41"},                   /* the canonical form, not the compatible one */
        {"\u03b1\u0313\u0300\u0345", "\u1f82"}, /* four that are one */
        {"a\r\n\r\nb", "a\n\nb"},
        {"e\u0301\r\n", "\u00e9\n"},
    };
    sut_arena *a = NULL;
    cr_assert_eq(sut_arena_new(&a, 1 << 16), 0);
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_str out, again;
        cr_assert_eq(sut_prose_normal(sut_str_from(cases[i].from), a, &out), 0);
        cr_expect(sut_str_is(out, cases[i].to), "case %zu: %.*s", i, SUT_STR_FMT(out));
        cr_assert_eq(sut_prose_normal(out, a, &again), 0);
        cr_expect(sut_str_eq(out, again), "case %zu is not stable", i);
    }
    sut_arena_free(a);
}

Test(prose, memory_is_the_arenas)
{
    static char text[6000];
    sut_arena *a = NULL;
    sut_str out;
    for (size_t i = 0; i + 3 <= sizeof text - 1; i += 3)
        memcpy(text + i, "e\xcc\x81", 3);
    cr_assert_eq(sut_arena_new(&a, 4096), 0);
    cr_assert_eq(sut_prose_normal(sut_str_from(text), a, &out), -ENOMEM);
    sut_arena_free(a);
}

Test(prose, usernames_are_told_what_is_wrong)
{
    static const struct {
        const char *name, *says; /* NULL: only the order is wrong */
    } cases[] = {
        {"p\u0430ypal", "must not mix scripts: U+0430 is none of the letters a to z"},
        {"\u0440\u0430\u0443", "must be of the letters a to z, digits, '_', '.' and '-'; has U+0440"},
        {"王小明", "must be of the letters a to z, digits, '_', '.' and '-'; has U+738B"},
        {"gr\u00f8n", "must not mix scripts: U+00F8 is none of the letters a to z"},
        {"zo\u00eb", "must be of letters without accents; has U+00EB"},
        {"zoe\u0308", "must be of letters without accents; has the mark U+0308"},
        {"\uff41da", "must not have U+FF41, another form of \"a\""},
        {"ad\u24d0", "must not have U+24D0, another form of \"a\""},
        {"\U0001D41Ada", "must not have U+1D41A, another form of \"a\""},
        {"a\u200bda", "must not have the invisible character U+200B"},
        {"ada\u200d", "must not have the invisible character U+200D"},
        {"ada\u200f", "must not have the invisible character U+200F"},
        {"\u202eada", "must not have the invisible character U+202E"},
        {"\u2066ada\u2069", "must not have the invisible character U+2066"},
        {"ad\u00ada", "must not have the invisible character U+00AD"},
        {"ada\ufe0f", "must not have the invisible character U+FE0F"},
        {"ada\u2028", "must not have the control character U+2028"},
        {"ada\x1b", "must not have the control character U+001B"},
        {"ada love", "must not have blanks; has U+0020"},
        {"ada\u00a0love", "must not have blanks; has U+00A0"},
        {"ada\U0001F600", "must be of the letters a to z, digits, '_', '.' and '-'; has U+1F600"},
        {"ada\u0661", "must be of the letters a to z, digits, '_', '.' and '-'; has U+0661"},
        {"ada@home", NULL},
        {"ada..b", NULL},
    };
    char words[SUT_PROSE_WORDS_SIZE];
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        const char *said = sut_username_character(sut_str_from(cases[i].name), words);
        if (cases[i].says && said)
            cr_expect_str_eq(said, cases[i].says, "case %zu: %s", i, said);
        else
            cr_expect(!said == !cases[i].says, "case %zu: %s", i, said ? said : "nothing is said");
    }
}
