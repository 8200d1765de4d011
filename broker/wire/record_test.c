/* The record runtime over msgpack: every type, presence, default, limit and pointer. */
#include "record_fixture.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>

static sut_arena *s_arena;
static sut_buf s_buf;
static sut_field_errors s_errs;

static void setup(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 8 << 20), 0);
    sut_buf_init(&s_buf, 0);
    sut_field_errors_init(&s_errs, s_arena, 64);
}

static void teardown(void)
{
    sut_buf_deinit(&s_buf);
    s_arena = sut_arena_free(s_arena);
}

TestSuite(record, .timeout = 60, .init = setup, .fini = teardown);

static sut_str body(void)
{
    return (sut_str){(const char *)s_buf.data, s_buf.len};
}

static void must(sut_status status)
{
    cr_assert_eq(status, 0);
}

static void begin(size_t pairs)
{
    sut_buf_reset(&s_buf);
    sut_field_errors_init(&s_errs, s_arena, 64);
    must(sut_mp_add_map(&s_buf, pairs));
}

static void key(const char *name)
{
    must(sut_mp_add_str(&s_buf, sut_str_from(name)));
}

static void str(const char *name, const char *value)
{
    key(name);
    must(sut_mp_add_str(&s_buf, sut_str_from(value)));
}

static void num(const char *name, int64_t value)
{
    key(name);
    must(sut_mp_add_int(&s_buf, value));
}

/* The two fields that are required. */
static void begin_all(size_t more)
{
    begin(2 + more);
    num("id", 1);
    str("must", "m");
}

static all_rec decode_ok(sut_unknown_policy policy)
{
    all_rec out;
    sut_status status = sut_record_decode(&all_desc, body(), policy, s_arena, &out, &s_errs);
    cr_assert_eq(status, 0, "status %d, first error %.*s", status,
                 SUT_STR_FMT(s_errs.count ? s_errs.items[0].message : SUT_STR_NONE));
    return out;
}

/* Decodes, and wants exactly one error. */
static void decode_bad(const char *pointer, const char *code, const char *message)
{
    all_rec out;
    sut_status status = sut_record_decode(&all_desc, body(), SUT_UNKNOWN_REFUSE, s_arena, &out, &s_errs);
    cr_assert_eq(status, SUT_RECORD_INVALID, "%s %s: status %d", pointer, code, status);
    cr_assert_eq(s_errs.count, 1, "%s %s: %zu errors", pointer, code, s_errs.count);
    const sut_field_error *e = &s_errs.items[0];
    cr_expect(sut_str_is(e->pointer, pointer), "pointer is %.*s, not %s", SUT_STR_FMT(e->pointer), pointer);
    cr_expect(sut_str_is(e->code, code), "%s: code is %.*s, not %s", pointer, SUT_STR_FMT(e->code), code);
    if (message)
        cr_expect(sut_str_is(e->message, message), "%s: message is \"%.*s\", not \"%s\"", pointer,
                  SUT_STR_FMT(e->message), message);
}

Test(record, defaults_fill_value_and_companion)
{
    begin_all(0);
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert_eq(r.id, 1);
    cr_assert(r.flag && r.has_flag == SUT_PRESENT);
    cr_assert(r.shade == COLOR_GREEN && r.has_shade == SUT_PRESENT);
    cr_assert_eq(r.has_small, SUT_ABSENT);
    cr_assert_eq(r.has_items, SUT_ABSENT);
    cr_assert_null(r.item);
}

Test(record, null_is_kept_apart_from_absent)
{
    begin_all(2);
    key("small");
    must(sut_mp_add_nil(&s_buf));
    key("item");
    must(sut_mp_add_nil(&s_buf));
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert_eq(r.has_small, SUT_NULL);
    cr_assert_eq(r.has_item, SUT_NULL);
    sut_buf out;
    sut_buf_init(&out, 0);
    must(sut_record_encode(&all_desc, &r, &out));
    must(sut_record_decode(&all_desc, (sut_str){(char *)out.data, out.len}, SUT_UNKNOWN_REFUSE, s_arena, &r, &s_errs));
    cr_assert_eq(r.has_small, SUT_NULL);
    sut_buf_deinit(&out);
}

Test(record, null_where_it_is_not_allowed)
{
    begin_all(1);
    key("flag");
    must(sut_mp_add_nil(&s_buf));
    decode_bad("/flag", "type", "must not be null");
}

Test(record, required_and_nullable_takes_null)
{
    begin(2);
    num("id", 1);
    key("must");
    must(sut_mp_add_nil(&s_buf));
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert_null(r.must.ptr);
    sut_buf_reset(&s_buf);
    must(sut_record_encode(&all_desc, &r, &s_buf));
    r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert_null(r.must.ptr);
}

Test(record, required_is_asked_for_at_its_place)
{
    begin(1);
    num("id", 1);
    decode_bad("/must", "required", "is required");
    begin_all(1);
    key("items");
    must(sut_mp_add_array(&s_buf, 2));
    must(sut_mp_add_map(&s_buf, 1));
    str("name", "a");
    must(sut_mp_add_map(&s_buf, 0));
    decode_bad("/items/1/name", "required", NULL);
}

Test(record, empty_body_is_an_empty_map)
{
    all_rec out;
    cr_assert_eq(sut_record_decode(&all_desc, SUT_STR_NONE, SUT_UNKNOWN_REFUSE, s_arena, &out, &s_errs),
                 SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 2);
}

static void fill(all_rec *r, const item_rec *item, const item_rec **items, int64_t *numbers, sut_str *keys,
                 sut_str *values)
{
    *r = (all_rec){
        .id = INT64_C(9007199254740991),
        .flag = false,
        .has_flag = SUT_PRESENT,
        .small = INT32_MIN,
        .has_small = SUT_PRESENT,
        .ratio = 0.1,
        .has_ratio = SUT_PRESENT,
        .email = SUT_STR("a@example.org"),
        .has_email = SUT_PRESENT,
        .secret = SUT_STR("correct horse"),
        .has_secret = SUT_PRESENT,
        .bytes = SUT_STR("\xff\x00\xfe"),
        .has_bytes = SUT_PRESENT,
        .at = INT64_C(1767322245678901),
        .has_at = SUT_PRESENT,
        .birth = -1,
        .has_birth = SUT_PRESENT,
        .shade = COLOR_BLUE,
        .has_shade = SUT_PRESENT,
        .item = item,
        .has_item = SUT_PRESENT,
        .items = {items, 2},
        .has_items = SUT_PRESENT,
        .numbers = {numbers, 3},
        .has_numbers = SUT_PRESENT,
        .labels = {keys, values, 2},
        .has_labels = SUT_PRESENT,
        .code = SUT_STR("abc-42"),
        .has_code = SUT_PRESENT,
        .must = SUT_STR(""),
    };
}

static all_rec s_full;
static const item_rec s_item = {.name = SUT_STR("one"), .count = 3, .has_count = SUT_PRESENT};
static const item_rec s_chain = {
    .name = SUT_STR("\xc3\xa9t\xc3\xa9"), .count = 5, .has_count = 1, .next = &s_item, .has_next = 1};
static const item_rec *s_items[] = {&s_item, &s_chain};
static int64_t s_numbers[] = {-10, 0, 10};
static sut_str s_keys[] = {SUT_STR("a/b"), SUT_STR("~c")};
static sut_str s_values[] = {SUT_STR("x"), SUT_STR("")};

Test(record, everything_comes_back)
{
    fill(&s_full, &s_chain, s_items, s_numbers, s_keys, s_values);
    cr_assert_eq(sut_record_validate(&all_desc, &s_full, &s_errs), 0);
    must(sut_record_encode(&all_desc, &s_full, &s_buf));
    cr_assert_eq(sut_body_scan(body()), SUT_ENV_OK);
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert_eq(r.id, s_full.id);
    cr_assert(!r.flag && r.has_flag == SUT_PRESENT);
    cr_assert_eq(r.small, INT32_MIN);
    cr_assert_eq(r.ratio, 0.1);
    cr_assert(sut_str_eq(r.email, s_full.email) && sut_str_eq(r.secret, s_full.secret));
    cr_assert(sut_str_eq(r.bytes, s_full.bytes));
    cr_assert_eq(r.at, s_full.at);
    cr_assert_eq(r.birth, -1);
    cr_assert_eq(r.shade, COLOR_BLUE);
    cr_assert(sut_str_is(r.item->name, "\xc3\xa9t\xc3\xa9"));
    cr_assert(sut_str_is(r.item->next->name, "one"));
    cr_assert_eq(r.items.count, 2);
    const item_rec *const *items = r.items.items;
    cr_assert_eq(items[0]->count, 3);
    cr_assert_eq(items[1]->next->has_next, SUT_ABSENT);
    const int64_t *numbers = r.numbers.items;
    cr_assert(numbers[0] == -10 && numbers[1] == 0 && numbers[2] == 10);
    cr_assert_eq(r.labels.count, 2);
    cr_assert(sut_str_is(r.labels.keys[0], "a/b"));
    cr_assert(sut_str_is(((sut_str *)r.labels.values)[0], "x"));
    cr_assert_eq(r.email.ptr[r.email.len], '\0');
    cr_assert_eq(r.bytes.ptr[r.bytes.len], '\0');
    sut_buf again;
    sut_buf_init(&again, 0);
    must(sut_record_encode(&all_desc, &r, &again));
    cr_assert(again.len == s_buf.len && memcmp(again.data, s_buf.data, again.len) == 0, "equal structs, equal bytes");
    sut_buf_deinit(&again);
}

Test(record, decoded_strings_do_not_point_into_the_body)
{
    begin_all(1);
    str("code", "abc-42");
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    memset(s_buf.data, 0, s_buf.len);
    cr_assert(sut_str_is(r.code, "abc-42"));
}

Test(record, keys_may_come_in_any_order)
{
    begin(4);
    str("must", "m");
    str("code", "abc-42");
    num("id", 7);
    key("flag");
    must(sut_mp_add_bool(&s_buf, false));
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert(r.id == 7 && sut_str_is(r.code, "abc-42") && !r.flag);
}

Test(record, unknown_fields_by_policy)
{
    begin_all(1);
    key("nickname");
    must(sut_mp_add_array(&s_buf, 1));
    must(sut_mp_add_map(&s_buf, 0));
    (void)decode_ok(SUT_UNKNOWN_IGNORE);
    decode_bad("/nickname", "unknown_field", NULL);
    cr_assert_not_null(strstr(s_errs.items[0].message.ptr, "known are id, flag, small"));
    begin_all(1);
    key("items");
    must(sut_mp_add_array(&s_buf, 1));
    must(sut_mp_add_map(&s_buf, 2));
    str("name", "a");
    str("a/~b", "");
    decode_bad("/items/0/a~1~0b", "unknown_field", "is not known here; known are name, count, next");
}

Test(record, long_unknown_name_is_not_repeated)
{
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    begin_all(1);
    str(name, "x");
    decode_bad("", "unknown_field", "has a field with a name of 1999 bytes; none is so long");
}

Test(record, strings_are_trimmed_and_lowered_first)
{
    begin_all(1);
    str("email", " \t Ann@Example.ORG\r\n");
    all_rec r = decode_ok(SUT_UNKNOWN_REFUSE);
    cr_assert(sut_str_is(r.email, "ann@example.org"));
    begin_all(1);
    key("items");
    must(sut_mp_add_array(&s_buf, 1));
    must(sut_mp_add_map(&s_buf, 1));
    str("name", "   ");
    decode_bad("/items/0/name", "length", "must be at least 1 character; has 0");
}

/* A record of one text, judged through the decoder. */
static sut_status decode_text(const sut_field *f, sut_str text, sut_str *out)
{
    const sut_record desc = {"text", f, 1, sizeof(sut_str), "A text."};
    begin(1);
    key("text");
    must(sut_mp_add_str(&s_buf, text));
    return sut_record_decode(&desc, body(), SUT_UNKNOWN_IGNORE, s_arena, out, &s_errs);
}

Test(record, texts_are_trimmed_then_normal_then_measured)
{
    static const sut_field line = {.name = "text",
                                   .name_len = 4,
                                   .type = SUT_T_STRING,
                                   .text = SUT_TEXT_LINE,
                                   .flags = SUT_F_REQUIRED | SUT_F_TRIM,
                                   .has_offset = UINT16_MAX,
                                   .min_chars = 1,
                                   .max_chars = 4};
    sut_str out;
    cr_assert_eq(decode_text(&line, SUT_STR("\n e\u0301e\u0301e\u0301e\u0301 "), &out), 0);
    cr_expect(sut_str_is(out, "\u00e9\u00e9\u00e9\u00e9"), "four characters, of eight");
    cr_expect_eq(out.ptr[out.len], '\0');
    cr_expect_eq(decode_text(&line, SUT_STR("\u0391\u0313\u0300\u0345\u0391\u0313\u0300\u0345"), &out), 0);
    cr_expect(sut_str_is(out, "\u1f8a\u1f8a"), "%.*s", SUT_STR_FMT(out));
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"e\u0301e\u0301e\u0301e\u0301e\u0301", "must be at most 4 characters; has 5"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u200b",
         "must be at most 4 characters; has 65"},
        {"  ", "must be at least 1 character; has 0"},
        {"a\u200b", "must not have the invisible character U+200B"},
        {"a\u0344\u0344\u0344\u0344\u0344\u0344",
         "must not have more than 10 marks on one character; U+0301 is one too many"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        cr_assert_eq(decode_text(&line, sut_str_from(bad[i].text), &out), SUT_RECORD_INVALID, "case %zu", i);
        cr_assert_eq(s_errs.count, 1);
        cr_expect(sut_str_is(s_errs.items[0].message, bad[i].says), "case %zu: %.*s", i,
                  SUT_STR_FMT(s_errs.items[0].message));
    }
}

#define ITEM(name_text)                                                                                                \
    do {                                                                                                               \
        key("item");                                                                                                   \
        must(sut_mp_add_map(&s_buf, 1));                                                                               \
        str("name", name_text);                                                                                        \
    } while (0)

Test(record, string_lengths_are_exact)
{
    begin_all(1);
    ITEM("1234567890");
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    begin_all(1);
    ITEM("12345678901");
    decode_bad("/item/name", "length", "must be at most 10 characters; has 11");
    begin_all(1);
    ITEM("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"); /* 10, 20 bytes */
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    begin_all(1);
    ITEM("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"); /* 7, 21 bytes */
    decode_bad("/item/name", "length", "must be at most 20 bytes; has 21");
}

Test(record, secrets_are_never_echoed)
{
    begin_all(1);
    str("secret", "hunter2");
    decode_bad("/secret", "length", "must be at least 8 characters");
    char long_one[74];
    memset(long_one, 's', 73);
    long_one[73] = '\0';
    begin_all(1);
    str("secret", long_one);
    decode_bad("/secret", "length", "must be at most 72 bytes");
    begin_all(1);
    num("secret", 1234567890);
    decode_bad("/secret", "type", "must be a string");
}

Test(record, numbers_are_checked_at_their_limits)
{
    begin(2);
    num("id", 0);
    str("must", "m");
    decode_bad("/id", "range", "must be at least 1; is 0");
    begin_all(1);
    num("small", INT64_C(2147483648));
    decode_bad("/small", "range", "must fit 32 bits, from -2147483648 to 2147483647");
    begin_all(1);
    num("small", INT64_C(-2147483649));
    decode_bad("/small", "range", NULL);
    begin_all(1);
    num("small", 2147483647);
    cr_assert_eq(decode_ok(SUT_UNKNOWN_REFUSE).small, 2147483647);
    begin(2);
    key("id");
    must(sut_mp_add_uint(&s_buf, UINT64_C(1) << 63));
    str("must", "m");
    decode_bad("/id", "range", "must fit 64 bits, at most 9223372036854775807");
    begin(2);
    key("id");
    must(sut_mp_add_uint(&s_buf, INT64_MAX));
    str("must", "m");
    cr_assert_eq(decode_ok(SUT_UNKNOWN_REFUSE).id, INT64_MAX);
}

static void ratio(double v)
{
    begin_all(1);
    key("ratio");
    must(sut_mp_add_f64(&s_buf, v));
}

Test(record, reals_are_checked_at_their_limits)
{
    ratio(0.5);
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    ratio(-0.5);
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    ratio(nextafter(0.5, 1));
    decode_bad("/ratio", "range", NULL);
    ratio(-0.51);
    decode_bad("/ratio", "range", "must be at least -0.5; is -0.51");
    ratio((double)NAN);
    decode_bad("/ratio", "range", "must be a finite number");
    ratio((double)-INFINITY);
    decode_bad("/ratio", "range", NULL);
    begin_all(1);
    num("ratio", 0);
    cr_assert_eq(decode_ok(SUT_UNKNOWN_REFUSE).ratio, 0.0, "an integer is a number too");
    begin_all(1);
    key("ratio");
    must(sut_buf_append(&s_buf, "\xca\x3e\x80\x00\x00", 5)); /* float32 0.25 */
    cr_assert_eq(decode_ok(SUT_UNKNOWN_REFUSE).ratio, 0.25);
}

Test(record, bytes_times_dates_and_enums)
{
    begin_all(1);
    key("bytes");
    must(sut_mp_add_bin(&s_buf, SUT_STR("x")));
    decode_bad("/bytes", "length", "must be at least 2 bytes; has 1");
    begin_all(1);
    key("bytes");
    must(sut_mp_add_bin(&s_buf, SUT_STR("12345")));
    decode_bad("/bytes", "length", "must be at most 4 bytes; has 5");
    begin_all(1);
    str("bytes", "1234");
    decode_bad("/bytes", "type", "must be bin");
    begin_all(1);
    num("at", -1);
    decode_bad("/at", "range", "must be at least 1970-01-01T00:00:00.000000Z; is 1969-12-31T23:59:59.999999Z");
    begin_all(1);
    num("at", INT64_C(253402300800000000));
    decode_bad("/at", "range", "must be in the years from 1 to 9999");
    begin_all(1);
    num("at", INT64_C(253402300799999999));
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    begin_all(1);
    str("at", "2026-01-02T03:04:05Z");
    decode_bad("/at", "type", "must be an integer: microseconds since 1970-01-01 UTC");
    begin_all(1);
    str("birth", "2001-02-29");
    decode_bad("/birth", "format", "must be a date such as 2026-01-02");
    begin_all(1);
    str("birth", "1899-12-31");
    decode_bad("/birth", "format", "must be a date from 1900-01-01 to today");
    begin_all(1);
    str("birth", "1900-01-01");
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
    begin_all(1);
    num("birth", 5);
    decode_bad("/birth", "type", NULL);
    begin_all(1);
    str("shade", "pink");
    decode_bad("/shade", "enum", "must be one of red, green, blue");
    begin_all(1);
    num("shade", 0);
    decode_bad("/shade", "type", NULL);
}

Test(record, tomorrow_is_not_past)
{
    char day[11];
    int32_t today = (int32_t)(sut_wall_us() / INT64_C(86400000000));
    sut_date_format(today + 2, day);
    begin_all(1);
    str("birth", day);
    decode_bad("/birth", "format", NULL);
    sut_date_format(today, day);
    begin_all(1);
    str("birth", day);
    (void)decode_ok(SUT_UNKNOWN_REFUSE);
}

Test(record, pattern_is_anchored_at_both_ends)
{
    static const char *const bad[] = {"", "abc-4", "abc-421", "Abc-42", " abc-42", "abc-42\n", "xabc_42"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        begin_all(1);
        str("code", bad[i]);
        decode_bad("/code", "pattern", "must match the pattern [a-z]+-[0-9]{2}");
    }
}

Test(record, nul_in_a_string_is_refused)
{
    begin_all(1);
    key("code");
    must(sut_mp_add_str(&s_buf, SUT_STR("ab\0c")));
    decode_bad("/code", "format", "must not contain the character U+0000");
}

Test(record, lists_and_maps_are_bounded)
{
    begin_all(1);
    key("items");
    must(sut_mp_add_array(&s_buf, 0));
    decode_bad("/items", "length", "must be at least 1 item; has 0");
    begin_all(1);
    key("items");
    must(sut_mp_add_array(&s_buf, 6));
    for (int i = 0; i < 6; i++)
        must(sut_mp_add_map(&s_buf, 0));
    decode_bad("/items", "length", "must be at most 5 items; has 6");
    begin_all(1);
    key("numbers");
    must(sut_mp_add_array(&s_buf, 10001));
    for (int i = 0; i < 10001; i++)
        must(sut_mp_add_int(&s_buf, 0));
    decode_bad("/numbers", "length", "must be at most 10000 items; has 10001");
    begin_all(1);
    key("labels");
    must(sut_mp_add_map(&s_buf, 4));
    str("a", "");
    str("b", "");
    str("c", "");
    str("d", "");
    decode_bad("/labels", "length", "must be at most 3 members; has 4");
}

Test(record, errors_in_elements_have_their_index_and_key)
{
    begin_all(1);
    key("numbers");
    must(sut_mp_add_array(&s_buf, 3));
    must(sut_mp_add_int(&s_buf, 1));
    must(sut_mp_add_int(&s_buf, 2));
    must(sut_mp_add_int(&s_buf, 11));
    decode_bad("/numbers/2", "range", "must be at most 10; is 11");
    begin_all(1);
    key("labels");
    must(sut_mp_add_map(&s_buf, 1));
    str("a/b", "123456");
    decode_bad("/labels/a~1b", "length", NULL);
    begin_all(1);
    key("item");
    must(sut_mp_add_map(&s_buf, 2));
    str("name", "a");
    key("next");
    must(sut_mp_add_map(&s_buf, 2));
    str("name", "b");
    num("count", 6);
    decode_bad("/item/next/count", "range", "must be at most 5; is 6");
}

Test(record, wrong_types_are_named_and_stepped_over)
{
    begin_all(3);
    str("items", "no");
    key("item");
    must(sut_mp_add_array(&s_buf, 1));
    must(sut_mp_add_map(&s_buf, 0));
    key("flag");
    must(sut_mp_add_map(&s_buf, 1));
    num("x", 1);
    all_rec out;
    cr_assert_eq(sut_record_decode(&all_desc, body(), SUT_UNKNOWN_REFUSE, s_arena, &out, &s_errs), SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 3);
    cr_assert(sut_str_is(s_errs.items[0].message, "must be an array"));
    cr_assert(sut_str_is(s_errs.items[1].message, "must be a map"));
    cr_assert(sut_str_is(s_errs.items[2].message, "must be true or false"));
}

Test(record, errors_beyond_the_bound_are_counted)
{
    begin(0);
    sut_field_errors few;
    all_rec out;
    sut_field_errors_init(&few, s_arena, 1);
    cr_assert_eq(sut_record_decode(&all_desc, body(), SUT_UNKNOWN_REFUSE, s_arena, &out, &few), SUT_RECORD_INVALID);
    cr_assert(few.count == 1 && few.dropped == 1);
    sut_field_errors_init(&few, s_arena, 0);
    cr_assert_eq(sut_record_decode(&all_desc, body(), SUT_UNKNOWN_REFUSE, s_arena, &out, &few), SUT_RECORD_INVALID);
    cr_assert(few.count == 0 && few.dropped == 2);
}

Test(record, long_messages_are_cut_between_characters)
{
    char text[801];
    for (size_t i = 0; i < 800; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[800] = '\0';
    sut_field_errors_add(&s_errs, SUT_STR("/x"), "pattern", "%s", text);
    sut_field_errors_add(&s_errs, SUT_STR("/x"), "pattern", "x%s", text);
    cr_assert_eq(s_errs.count, 2);
    cr_assert_eq(s_errs.items[0].message.len, 398);
    cr_assert_eq(s_errs.items[1].message.len, 399);
    cr_assert(sut_utf8_valid(s_errs.items[0].message, NULL) && sut_utf8_valid(s_errs.items[1].message, NULL));
}

Test(record, hostile_bodies_are_refused_before_decoding)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"\x90", 1}, {"\x82\xa2id\x01\xa2id\x01", 9}, {"\x81\xa2id\x01\x00", 6}, {"\x81\xa2id", 4}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        all_rec out;
        sut_field_errors_init(&s_errs, s_arena, 4);
        cr_assert_eq(sut_record_decode(&all_desc, (sut_str){bad[i].bytes, bad[i].len}, SUT_UNKNOWN_IGNORE, s_arena,
                                       &out, &s_errs),
                     SUT_RECORD_INVALID);
        cr_assert(sut_str_is(s_errs.items[0].code, "msgpack") && s_errs.items[0].pointer.len == 0);
    }
}

Test(record, a_full_arena_is_no_memory_and_not_a_wrong_field)
{
    sut_arena *tiny;
    all_rec out;
    must(sut_arena_new(&tiny, 64));
    begin_all(1);
    str("code", "abcdefghijklmn-42");
    for (int i = 0; i < 40; i++)
        (void)sut_arena_alloc(tiny, 16);
    cr_assert_eq(sut_record_decode(&all_desc, body(), SUT_UNKNOWN_REFUSE, tiny, &out, &s_errs), -ENOMEM);
    tiny = sut_arena_free(tiny);
}

Test(record, our_own_faults_do_not_encode)
{
    all_rec r = {.id = 1, .must = SUT_STR("m")};
    must(sut_record_encode(&all_desc, &r, &s_buf));
    size_t before = s_buf.len;
    r.shade = 1;
    r.has_shade = SUT_PRESENT;
    cr_assert_eq(sut_record_encode(&all_desc, &r, &s_buf), -EINVAL);
    r.has_shade = SUT_ABSENT;
    r.has_email = SUT_PRESENT; /* a string that is said to be there and is not */
    cr_assert_eq(sut_record_encode(&all_desc, &r, &s_buf), -EINVAL);
    r.has_email = SUT_ABSENT;
    r.has_item = SUT_PRESENT;
    cr_assert_eq(sut_record_encode(&all_desc, &r, &s_buf), -EINVAL);
    r.has_item = SUT_ABSENT;
    r.birth = INT32_MAX;
    r.has_birth = SUT_PRESENT;
    cr_assert_eq(sut_record_encode(&all_desc, &r, &s_buf), -EINVAL);
    cr_assert_eq(s_buf.len, before, "a failed encoding leaves nothing behind");
}

Test(record, validate_sees_what_decode_sees)
{
    fill(&s_full, &s_chain, s_items, s_numbers, s_keys, s_values);
    s_numbers[2] = 11;
    s_full.small = 1;
    s_full.has_flag = SUT_NULL;
    s_keys[1] = s_keys[0];
    cr_assert_eq(sut_record_validate(&all_desc, &s_full, &s_errs), SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 3);
    cr_assert(sut_str_is(s_errs.items[0].pointer, "/flag"));
    cr_assert(sut_str_is(s_errs.items[1].pointer, "/numbers/2"));
    cr_assert(sut_str_is(s_errs.items[2].code, "duplicate"));
}

Test(record, fields_are_found_by_name)
{
    cr_assert_eq(sut_record_field(&all_desc, SUT_STR("labels")), &all_fields[13]);
    cr_assert_null(sut_record_field(&all_desc, SUT_STR("label")));
    cr_assert_null(sut_record_field(&all_desc, SUT_STR("")));
}
