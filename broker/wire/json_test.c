/* JSON to bodies and back: hostile texts, pointers, parameters, and what is written. */
#include "record_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static sut_arena *s_arena;
static sut_buf s_buf, s_json;
static sut_field_errors s_errs;

static void setup(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 64 << 20), 0);
    sut_buf_init(&s_buf, 0);
    sut_buf_init(&s_json, 0);
    sut_field_errors_init(&s_errs, s_arena, 64);
}

static void teardown(void)
{
    sut_buf_deinit(&s_buf);
    sut_buf_deinit(&s_json);
    s_arena = sut_arena_free(s_arena);
}

TestSuite(json, .timeout = 60, .init = setup, .fini = teardown);

#define MAX 65536

static sut_status to_body(sut_str json)
{
    char *exact = malloc(json.len ? json.len : 1); /* so that a sanitizer sees a read past the end */
    cr_assert_not_null(exact);
    memcpy(exact, json.ptr, json.len);
    sut_buf_reset(&s_buf);
    sut_field_errors_init(&s_errs, s_arena, 64);
    sut_status status =
        sut_json_to_body(&all_desc, (sut_str){exact, json.len}, MAX, SUT_UNKNOWN_REFUSE, s_arena, &s_buf, &s_errs);
    free(exact);
    return status;
}

static sut_str body(void)
{
    return (sut_str){(const char *)s_buf.data, s_buf.len};
}

static void expect_json(const sut_record *desc, sut_str from, const char *want)
{
    sut_str got;
    sut_buf_reset(&s_json);
    cr_assert_eq(desc ? sut_body_to_json(desc, from, &s_json) : sut_msgpack_to_json(from, &s_json), 0);
    cr_assert_eq(sut_buf_str(&s_json, &got), 0);
    cr_assert_str_eq(got.ptr, want);
}

static void expect_error(const char *json, const char *pointer, const char *code, const char *message)
{
    cr_assert_eq(to_body(sut_str_from(json)), SUT_RECORD_INVALID, "%s was taken", json);
    cr_assert_eq(s_errs.count, 1, "%s: %zu errors", json, s_errs.count);
    const sut_field_error *e = &s_errs.items[0];
    cr_expect(sut_str_is(e->pointer, pointer), "%s: pointer is \"%.*s\"", json, SUT_STR_FMT(e->pointer));
    cr_expect(sut_str_is(e->code, code), "%s: code is %.*s", json, SUT_STR_FMT(e->code));
    if (message)
        cr_expect(sut_str_is(e->message, message), "%s: message is \"%.*s\"", json, SUT_STR_FMT(e->message));
    cr_expect_eq(s_buf.len, 0, "%s: something is left in the buffer", json);
}

#define ALL(members) "{\"id\":1,\"must\":\"m\"," members "}"

Test(json, everything_comes_back)
{
    static const char text[] =
        "{\"id\":9007199254740991,\"flag\":false,\"small\":null,\"ratio\":0.1,\"email\":\"a@example.org\","
        "\"secret\":\"correct \\\"horse\\\"\",\"bytes\":\"/wD+\",\"at\":\"2026-01-02T02:50:45.678901Z\","
        "\"birth\":\"1969-12-31\",\"shade\":\"blue\",\"item\":{\"name\":\"\xc3\xa9t\xc3\xa9\",\"count\":5,"
        "\"next\":{\"name\":\"one\"}},\"items\":[{\"name\":\"a\"},{\"name\":\"b\",\"count\":2}],"
        "\"numbers\":[-10,0,10],\"labels\":{\"a/b\":\"x\",\"~c\":\"\"},\"code\":\"abc-42\",\"must\":null}";
    cr_assert_eq(to_body(sut_str_from(text)), 0, "%.*s",
                 SUT_STR_FMT(s_errs.count ? s_errs.items[0].message : SUT_STR_NONE));
    cr_assert_eq(sut_body_scan(body()), SUT_ENV_OK);
    expect_json(&all_desc, body(), text);
}

Test(json, hostile_texts_are_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *what;
    } cases[] = {
#define CASE(lit, what) {(lit), sizeof(lit) - 1, (what)}
        CASE("", "nothing"),
        CASE(" ", "a blank"),
        CASE("{", "half an object"),
        CASE("{}{}", "two objects"),
        CASE("{} x", "a tail"),
        CASE("{}\0", "a NUL behind"),
        CASE("\xef\xbb\xbf{}", "a byte order mark"),
        CASE("\xff\xfe{\0}\0", "UTF-16"),
        CASE("// c\n{}", "a comment"),
        CASE("{/* c */}", "a comment inside"),
        CASE("{\"id\":1,}", "a trailing comma"),
        CASE("{,}", "a leading comma"),
        CASE("{\"id\":NaN}", "NaN"),
        CASE("{\"ratio\":Infinity}", "Infinity"),
        CASE("{\"ratio\":-Infinity}", "-Infinity"),
        CASE("{\"ratio\":1e400}", "a real out of range"),
        CASE("{\"id\":9223372036854775808}", "an integer out of range"),
        CASE("{\"id\":-9223372036854775809}", "a negative integer out of range"),
        CASE("{\"id\":123456789012345678901234567890}", "a huge integer"),
        CASE("{\"id\":01}", "a leading zero"),
        CASE("{\"id\":+1}", "a plus sign"),
        CASE("{\"id\":0x10}", "hex"),
        CASE("{\"id\":1.}", "a dot without digits"),
        CASE("{\"ratio\":.5}", "a dot without a zero"),
        CASE("{\"ratio\":1e}", "an exponent without digits"),
        CASE("{'id':1}", "single quotes"),
        CASE("{id:1}", "a bare key"),
        CASE("{\"id\" 1}", "no colon"),
        CASE("{\"id\":True}", "Python's True"),
        CASE("{\"id\":1,\"id\":2}", "a key twice"),
        CASE("{\"id\":1,\"\\u0069d\":2}", "a key twice by escape"),
        CASE("{\"item\":{\"name\":\"a\",\"name\":\"b\"}}", "a key twice inside"),
        CASE("{\"code\":\"\\u0000\"}", "an escaped NUL"),
        CASE("{\"co\\u0000de\":\"\"}", "an escaped NUL in a key"),
        CASE("{\"code\":\"a\0b\"}", "a bare NUL"),
        CASE("{\"code\":\"a\nb\"}", "a bare newline"),
        CASE("{\"code\":\"a\tb\"}", "a bare tab"),
        CASE("{\"code\":\"\\x41\"}", "an escape that is none"),
        CASE("{\"code\":\"\\u12\"}", "a short escape"),
        CASE("{\"code\":\"\\ud800\"}", "a lone high surrogate"),
        CASE("{\"code\":\"\\udc00\"}", "a lone low surrogate"),
        CASE("{\"code\":\"\\ud800\\u0041\"}", "a surrogate and a letter"),
        CASE("{\"code\":\"\xc0\xaf\"}", "an overlong form"),
        CASE("{\"code\":\"\xed\xa0\x80\"}", "an encoded surrogate"),
        CASE("{\"code\":\"\xf4\x90\x80\x80\"}", "past U+10FFFF"),
        CASE("{\"code\":\"\x80\"}", "a lone continuation byte"),
        CASE("{\"code\":\"\xff\"}", "a byte that UTF-8 has not"),
        CASE("{\"code\":\"abc", "no closing quote"),
        CASE("{\"code\":\"abc\\", "ends in an escape"),
#undef CASE
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_status status = to_body((sut_str){cases[i].bytes, cases[i].len});
        cr_expect_eq(status, SUT_RECORD_INVALID, "%s: status %d", cases[i].what, status);
        cr_expect_eq(s_errs.count, 1, "%s", cases[i].what);
        cr_expect(s_errs.count && sut_str_is(s_errs.items[0].code, "json") && s_errs.items[0].pointer.len == 0, "%s",
                  cases[i].what);
    }
}

Test(json, parse_errors_do_not_quote_the_text)
{
    expect_error("{\"secret\":hunter2hunter2}", "", "json", NULL);
    cr_assert_null(strstr(s_errs.items[0].message.ptr, "hunter2"));
    cr_assert_not_null(strstr(s_errs.items[0].message.ptr, "line 1"));
}

Test(json, only_objects_are_bodies)
{
    static const char *const others[] = {"[]", "1", "\"x\"", "null", "true"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(others); i++)
        expect_error(others[i], "", "type", "the body must be an object");
}

Test(json, depth_and_size_are_judged_before_parsing)
{
    size_t deep = 1000000;
    char *text = malloc(deep * 6);
    cr_assert_not_null(text);
    size_t len = 0;
    for (size_t i = 0; i < deep; i++)
        len += (size_t)sprintf(text + len, "{\"a\":");
    sut_buf_reset(&s_buf);
    cr_assert_eq(sut_json_to_body(&all_desc, (sut_str){text, len}, len, SUT_UNKNOWN_IGNORE, s_arena, &s_buf, &s_errs),
                 SUT_RECORD_INVALID);
    cr_assert(sut_str_is(s_errs.items[0].message, "the body must not be nested deeper than 16 levels"));
    sut_field_errors_init(&s_errs, s_arena, 4);
    cr_assert_eq(sut_json_to_body(&all_desc, (sut_str){text, 100}, 99, SUT_UNKNOWN_IGNORE, s_arena, &s_buf, &s_errs),
                 SUT_RECORD_INVALID);
    cr_assert(sut_str_is(s_errs.items[0].message, "the body must be at most 99 bytes; has 100"));
    free(text);
}

static sut_str nested(char *out, int depth)
{
    size_t len = (size_t)sprintf(out, "{\"x\":");
    for (int i = 1; i < depth; i++)
        out[len++] = '[';
    for (int i = 1; i < depth; i++)
        out[len++] = ']';
    out[len++] = '}';
    return (sut_str){out, len};
}

Test(json, depth_is_exact_and_brackets_in_strings_do_not_count)
{
    char text[128];
    cr_assert_eq(to_body(nested(text, 16)), SUT_RECORD_INVALID);
    cr_assert(sut_str_is(s_errs.items[0].code, "unknown_field"), "16 levels are parsed");
    cr_assert_eq(to_body(nested(text, 17)), SUT_RECORD_INVALID);
    cr_assert(sut_str_is(s_errs.items[0].code, "json"), "17 are not");
    expect_error(ALL("\"code\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\""), "/code", "length", NULL);
}

Test(json, types_are_strict)
{
    expect_error(ALL("\"small\":1.0"), "/small", "type", "must be an integer, without fraction or exponent");
    expect_error(ALL("\"small\":1e2"), "/small", "type", NULL);
    expect_error(ALL("\"small\":\"1\""), "/small", "type", NULL);
    expect_error(ALL("\"small\":true"), "/small", "type", NULL);
    expect_error(ALL("\"flag\":1"), "/flag", "type", "must be true or false");
    expect_error(ALL("\"flag\":\"true\""), "/flag", "type", NULL);
    expect_error(ALL("\"code\":5"), "/code", "type", "must be a string");
    expect_error(ALL("\"item\":[]"), "/item", "type", "must be an object");
    expect_error(ALL("\"items\":{}"), "/items", "type", "must be an array");
    expect_error(ALL("\"labels\":[]"), "/labels", "type", "must be an object");
    expect_error(ALL("\"ratio\":\"0.5\""), "/ratio", "type", "must be a number");
    expect_error(ALL("\"at\":5"), "/at", "type", "must be a time such as 2026-01-02T03:04:05Z (RFC 3339)");
    expect_error(ALL("\"at\":\"yesterday\""), "/at", "format",
                 "must be a time such as 2026-01-02T03:04:05Z (RFC 3339)");
    expect_error(ALL("\"at\":\"2026-01-02\""), "/at", "format", NULL);
    expect_error(ALL("\"bytes\":\"abc\""), "/bytes", "format", "must be a base64 string (RFC 4648, section 4)");
    expect_error(ALL("\"bytes\":\"YQ=\""), "/bytes", "format", NULL);
    expect_error(ALL("\"bytes\":\"YR==\""), "/bytes", "format", NULL);
    expect_error(ALL("\"bytes\":\"_wD-\""), "/bytes", "format", NULL);
    expect_error(ALL("\"bytes\":\"YQ==\""), "/bytes", "length", "must be at least 2 bytes; has 1");
    expect_error(ALL("\"shade\":\"pink\""), "/shade", "enum", "must be one of red, green, blue");
    expect_error(ALL("\"flag\":null"), "/flag", "type", "must not be null");
}

Test(json, integers_are_numbers_for_reals)
{
    cr_assert_eq(to_body(sut_str_from(ALL("\"ratio\":0"))), 0);
    expect_json(&all_desc, body(), "{\"id\":1,\"ratio\":0.0,\"must\":\"m\"}");
}

Test(json, pointers_lead_to_the_wrong_value)
{
    expect_error(ALL("\"items\":[{\"name\":\"a\"},{\"name\":\"b\",\"count\":9}]"), "/items/1/count", "range", NULL);
    expect_error(ALL("\"labels\":{\"a/b~\":\"123456\"}"), "/labels/a~1b~0", "length", NULL);
    expect_error(ALL("\"nick\\u006eame\":1"), "/nickname", "unknown_field", NULL);
    expect_error(ALL("\"item\":{\"name\":\"a\",\"next\":{\"nam\":1,\"name\":\"x\"}}"), "/item/next/nam",
                 "unknown_field", NULL);
    expect_error("{\"id\":1}", "/must", "required", "is required");
}

Test(json, all_errors_come_in_one_go)
{
    cr_assert_eq(to_body(sut_str_from("{\"id\":0,\"ratio\":2,\"email\":\"x\",\"code\":\"\"}")), SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 5);
}

Test(json, unknown_fields_are_ignored_if_the_policy_says_so)
{
    sut_str json = sut_str_from(ALL("\"x\":[1,{\"y\":null}]"));
    cr_assert_eq(sut_json_to_body(&all_desc, json, MAX, SUT_UNKNOWN_IGNORE, s_arena, &s_buf, &s_errs), 0);
    expect_json(&all_desc, body(), "{\"id\":1,\"must\":\"m\"}");
    expect_json(NULL, body(), "{\"id\":1,\"must\":\"m\",\"x\":[1,{\"y\":null}]}");
}

Test(json, wide_objects_are_refused)
{
    char *text = malloc(8000);
    cr_assert_not_null(text);
    size_t len = (size_t)sprintf(text, "{\"k\":0");
    for (int i = 0; i < 256; i++)
        len += (size_t)sprintf(text + len, ",\"k%d\":0", i);
    text[len++] = '}';
    cr_assert_eq(to_body((sut_str){text, len}), SUT_RECORD_INVALID);
    cr_assert(s_errs.count == 1 && sut_str_is(s_errs.items[0].code, "range"));
    free(text);
}

Test(json, the_buffer_keeps_what_was_in_it)
{
    cr_assert_eq(sut_buf_puts(&s_buf, "before"), 0);
    cr_assert_eq(sut_json_to_body(&all_desc, SUT_STR("{}"), MAX, SUT_UNKNOWN_REFUSE, s_arena, &s_buf, &s_errs),
                 SUT_RECORD_INVALID);
    cr_assert_eq(s_buf.len, 6);
    sut_str json = sut_str_from(ALL("\"small\":5"));
    cr_assert_eq(sut_json_to_body(&all_desc, json, MAX, SUT_UNKNOWN_REFUSE, s_arena, &s_buf, &s_errs), 0);
    cr_assert_eq(memcmp(s_buf.data, "before", 6), 0);
    expect_json(&all_desc, (sut_str){(char *)s_buf.data + 6, s_buf.len - 6}, "{\"id\":1,\"small\":5,\"must\":\"m\"}");
    s_buf.limit = s_buf.len + 5;
    size_t len = s_buf.len;
    cr_assert_eq(sut_json_to_body(&all_desc, json, MAX, SUT_UNKNOWN_REFUSE, s_arena, &s_buf, &s_errs), -EMSGSIZE);
    cr_assert_eq(s_buf.len, len);
}

/* ---- writing ---- */

Test(json, strings_are_escaped)
{
    static const char raw[] = "\x81\xa1k\xd9\x2d"
                              "0123456\"8\\abcdefg\x1f/\b\f\n\r\t\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 end1234567";
    expect_json(NULL, (sut_str){raw, sizeof raw - 1},
                "{\"k\":\"0123456\\\"8\\\\abcdefg\\u001f/\\b\\f\\n\\r\\t\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "
                "end1234567\"}");
}

Test(json, every_byte_at_every_offset_is_escaped_as_it_must_be)
{
    for (unsigned c = 1; c < 128; c++) {
        for (unsigned at = 0; at < 17; at++) {
            char raw[4 + 17] = "\x81\xa1k\xb1", want[64], escape[8];
            memset(raw + 4, 'x', 17);
            raw[4 + at] = (char)c;
            if (c == '"' || c == '\\')
                sprintf(escape, "\\%c", (char)c);
            else if (c >= 0x20)
                sprintf(escape, "%c", (char)c);
            else if (strchr("\b\f\n\r\t", (int)c))
                sprintf(escape, "\\%c", "btn\0fr"[c - 8]);
            else
                sprintf(escape, "\\u%04x", c);
            sprintf(want, "{\"k\":\"%.*s%s%.*s\"}", (int)at, "xxxxxxxxxxxxxxxxx", escape, (int)(16 - at),
                    "xxxxxxxxxxxxxxxxx");
            expect_json(NULL, (sut_str){raw, sizeof raw}, want);
        }
    }
}

Test(json, a_string_of_escapes_grows_the_buffer)
{
    enum { LEN = 60000 };
    char *raw = malloc(LEN + 6);
    cr_assert_not_null(raw);
    memcpy(raw, "\x81\xa1k\xda\xea\x60", 6);
    memset(raw + 6, 1, LEN);
    cr_assert_eq(sut_msgpack_to_json((sut_str){raw, LEN + 6}, &s_json), 0);
    cr_assert_eq(s_json.len, 8 + 6 * LEN);
    free(raw);
}

Test(json, numbers_are_written_exactly)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0, "1.0"},
                 {-0.0, "-0.0"},
                 {1e21, "1e+21"},
                 {5e-324, "4.94065645841247e-324"},
                 {1.0 / 3, "0.3333333333333333"},
                 {123456789.125, "123456789.125"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        char want[64];
        sut_buf_reset(&s_buf);
        cr_assert_eq(sut_mp_add_map(&s_buf, 1), 0);
        cr_assert_eq(sut_mp_add_str(&s_buf, SUT_STR("v")), 0);
        cr_assert_eq(sut_mp_add_f64(&s_buf, cases[i].v), 0);
        sprintf(want, "{\"v\":%s}", cases[i].text);
        expect_json(NULL, body(), want);
    }
    static const char ints[] = "\x83\xa1u\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1i\xd3\x80\0\0\0\0\0\0\0\xa1n\xff";
    expect_json(NULL, (sut_str){ints, sizeof ints - 1},
                "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"n\":-1}");
}

Test(json, fields_come_in_declaration_order_whatever_the_body_has)
{
    /* {"must":"m","item":{"count":2,"zzz":[1],"name":"a"},"new":{},"id":1} */
    static const char raw[] = "\x84\xa4must\xa1m\xa4item\x83\xa5"
                              "count\x02\xa3zzz\x91\x01\xa4name\xa1"
                              "a\xa3new\x80\xa2id\x01";
    expect_json(&all_desc, (sut_str){raw, sizeof raw - 1},
                "{\"id\":1,\"item\":{\"name\":\"a\",\"count\":2},\"must\":\"m\"}");
}

Test(json, bodies_that_break_their_declaration_are_not_written)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *what;
    } cases[] = {
#define CASE(lit, what) {(lit), sizeof(lit) - 1, (what)}
        CASE("\x90", "an array"),
        CASE("\x81\xa2id", "half a pair"),
        CASE("\x81\xa2id\xa1x", "a string for an integer"),
        CASE("\x81\xa2id\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "an integer past 63 bits"),
        CASE("\x81\xa4item\x90", "an array for a record"),
        CASE("\x81\xa5items\x80", "a map for a list"),
        CASE("\x81\xa6labels\x90", "an array for a map"),
        CASE("\x81\xa6labels\x81\x01\xa0", "a number for a key"),
        CASE("\x81\xa5"
             "bytes\xa1x",
             "a string for bin"),
        CASE("\x81\xa2"
             "at\xa1x",
             "a string for a timestamp"),
        CASE("\x81\xa5ratio\xcb\x7f\xf0\0\0\0\0\0\0", "infinity"),
        CASE("\x81\xa4"
             "code\xa1\xff",
             "bad UTF-8"),
        CASE("\x82\xa2id\x01\xa2id\x02", "a field twice"),
        CASE("\x80\x00", "a tail"),
        CASE("\x81\x01\x01", "a number for a field's name"),
#undef CASE
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_buf_reset(&s_json);
        cr_assert_eq(sut_buf_puts(&s_json, "x"), 0);
        cr_expect_eq(sut_body_to_json(&all_desc, (sut_str){cases[i].bytes, cases[i].len}, &s_json), -EBADMSG, "%s",
                     cases[i].what);
        cr_expect_eq(s_json.len, 1, "%s", cases[i].what);
    }
}

Test(json, empty_bodies_are_empty_objects)
{
    expect_json(&all_desc, SUT_STR_NONE, "{}");
    expect_json(NULL, SUT_STR_NONE, "{}");
    expect_json(&all_desc, SUT_STR("\x80"), "{}");
}

Test(json, unordered_records_inside_each_other_do_not_explode)
{
    /* item.next.next…: at each level "next" comes before "name", which is the worst case */
    sut_buf_reset(&s_buf);
    cr_assert_eq(sut_mp_add_map(&s_buf, 1), 0);
    cr_assert_eq(sut_mp_add_str(&s_buf, SUT_STR("item")), 0);
    for (int i = 0; i < 15; i++) {
        cr_assert_eq(sut_mp_add_map(&s_buf, i < 14 ? 2 : 1), 0);
        if (i < 14)
            cr_assert_eq(sut_mp_add_str(&s_buf, SUT_STR("next")), 0);
    }
    for (int i = 0; i < 15; i++) {
        cr_assert_eq(sut_mp_add_str(&s_buf, SUT_STR("name")), 0);
        cr_assert_eq(sut_mp_add_str(&s_buf, SUT_STR("a")), 0);
    }
    cr_assert_eq(sut_body_to_json(&all_desc, body(), &s_json), 0);
    cr_assert_eq(memcmp(s_json.data, "{\"item\":{\"name\":\"a\",\"next\":{\"name\"", 34), 0);
}

Test(json, a_limit_of_the_buffer_is_kept)
{
    cr_assert_eq(to_body(sut_str_from(ALL("\"small\":5"))), 0);
    s_json.limit = 28;
    cr_assert_eq(sut_body_to_json(&all_desc, body(), &s_json), -EMSGSIZE);
    cr_assert_eq(s_json.len, 0);
    s_json.limit = 29;
    cr_assert_eq(sut_body_to_json(&all_desc, body(), &s_json), 0);
}

/* ---- parameters ---- */

static const sut_field *field(const char *name)
{
    const sut_field *f = sut_record_field(&all_desc, sut_str_from(name));
    cr_assert_not_null(f);
    return f;
}

Test(json, text_becomes_the_type_of_its_field)
{
    static const struct {
        const char *field, *text, *json;
    } cases[] = {
        {"id", "42", "{\"id\":42}"},
        {"flag", "true", "{\"flag\":true}"},
        {"flag", "false", "{\"flag\":false}"},
        {"small", "-7", "{\"small\":-7}"},
        {"ratio", "-2.5e-1", "{\"ratio\":-0.25}"},
        {"email", " A@Example.org ", "{\"email\":\" A@Example.org \"}"},
        {"bytes", "/wD+", "{\"bytes\":\"/wD+\"}"},
        {"at", "2026-01-02T03:04:05+01:00", "{\"at\":\"2026-01-02T02:04:05.000000Z\"}"},
        {"birth", "2000-02-29", "{\"birth\":\"2000-02-29\"}"},
        {"shade", "red", "{\"shade\":\"red\"}"},
        {"numbers", "1,-2,3", "{\"numbers\":[1,-2,3]}"},
        {"numbers", "", "{\"numbers\":[]}"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_buf_reset(&s_buf);
        cr_assert_eq(sut_mp_add_map(&s_buf, 1), 0);
        cr_assert_eq(sut_field_from_text(field(cases[i].field), sut_str_from(cases[i].text), s_arena, &s_buf, &s_errs),
                     0, "%s=%s: %.*s", cases[i].field, cases[i].text,
                     SUT_STR_FMT(s_errs.count ? s_errs.items[0].message : SUT_STR_NONE));
        expect_json(&all_desc, body(), cases[i].json);
    }
}

Test(json, text_that_does_not_parse_is_refused)
{
    static const struct {
        const char *field, *text, *code;
    } cases[] = {
        {"id", "", "type"},
        {"id", "1x", "type"},
        {"id", " 1", "type"},
        {"id", "0", "range"},
        {"id", "1.0", "type"},
        {"id", "99999999999999999999", "type"},
        {"small", "2147483648", "range"},
        {"flag", "yes", "type"},
        {"flag", "1", "type"},
        {"ratio", "0x1p-3", "type"},
        {"ratio", "nan", "type"},
        {"ratio", "1e999", "type"},
        {"ratio", "01", "type"},
        {"ratio", ".5", "type"},
        {"ratio", "1", "range"},
        {"bytes", "YQ", "format"},
        {"at", "now", "format"},
        {"birth", "2001-02-30", "format"},
        {"shade", "RED", "enum"},
        {"numbers", "1,,2", "type"},
        {"numbers", "1,11", "range"},
        {"code", "\xff", "format"},
        {"item", "x", "type"},
        {"email", "x", "format"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_buf_reset(&s_buf);
        sut_field_errors_init(&s_errs, s_arena, 4);
        sut_status status =
            sut_field_from_text(field(cases[i].field), sut_str_from(cases[i].text), s_arena, &s_buf, &s_errs);
        cr_expect_eq(status, SUT_RECORD_INVALID, "%s=%s", cases[i].field, cases[i].text);
        cr_expect(s_errs.count == 1 && sut_str_is(s_errs.items[0].code, cases[i].code), "%s=%s: %.*s", cases[i].field,
                  cases[i].text, SUT_STR_FMT(s_errs.count ? s_errs.items[0].code : SUT_STR_NONE));
        cr_expect_eq(s_buf.len, 0);
    }
}

static sut_status request(const char *json, const sut_text_value *values, size_t count)
{
    sut_buf_reset(&s_buf);
    sut_field_errors_init(&s_errs, s_arena, 8);
    return sut_request_to_body(&all_desc, sut_str_from(json), values, count, MAX, s_arena, &s_buf, &s_errs);
}

Test(json, a_request_is_merged_and_checked_as_a_whole)
{
    const sut_text_value id = {field("id"), SUT_STR("42")};
    cr_assert_eq(request("{\"must\":\"m\",\"flag\":false}", &id, 1), 0);
    expect_json(&all_desc, body(), "{\"id\":42,\"flag\":false,\"must\":\"m\"}");
    const sut_text_value both[] = {{field("id"), SUT_STR("42")}, {field("must"), SUT_STR("x")}};
    cr_assert_eq(request(NULL, both, 2), 0);
    expect_json(&all_desc, body(), "{\"id\":42,\"must\":\"x\"}");
    cr_assert_eq(request(NULL, both, 1), SUT_RECORD_INVALID);
    cr_assert(s_errs.count == 1 && sut_str_is(s_errs.items[0].pointer, "/must"));
    cr_assert_eq(request("", both, 2), SUT_RECORD_INVALID, "an empty body is not no body");
}

Test(json, a_field_given_twice_is_an_error)
{
    const sut_text_value twice[] = {{field("id"), SUT_STR("42")}, {field("id"), SUT_STR("42")}};
    cr_assert_eq(request("{\"must\":\"m\",\"id\":42}", twice, 1), SUT_RECORD_INVALID);
    cr_assert(s_errs.count == 1 && sut_str_is(s_errs.items[0].pointer, "/id"));
    cr_assert(sut_str_is(s_errs.items[0].code, "duplicate"));
    cr_assert_eq(request("{\"must\":\"m\"}", twice, 2), SUT_RECORD_INVALID);
    cr_assert(sut_str_is(s_errs.items[0].code, "duplicate"));
    cr_assert_eq(s_buf.len, 0);
}

Test(json, a_parameter_that_is_not_given_may_not_come_in_the_body_instead)
{
    const sut_text_value absent = {field("flag"), SUT_STR_NONE};
    cr_assert_eq(request("{\"id\":1,\"must\":\"m\"}", &absent, 1), 0);
    cr_assert_eq(request("{\"id\":1,\"must\":\"m\",\"flag\":true}", &absent, 1), SUT_RECORD_INVALID);
    cr_assert(s_errs.count == 1 && sut_str_is(s_errs.items[0].pointer, "/flag"));
    cr_assert(sut_str_is(s_errs.items[0].code, "unknown_field"));
}

Test(json, one_wrong_parameter_is_one_error)
{
    const sut_text_value bad = {field("id"), SUT_STR("me")};
    cr_assert_eq(request("{\"must\":\"m\"}", &bad, 1), SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 1);
    cr_assert(sut_str_is(s_errs.items[0].pointer, "/id"));
    const sut_text_value worse = {field("id"), SUT_STR("\xff")};
    cr_assert_eq(request("{\"must\":\"m\"}", &worse, 1), SUT_RECORD_INVALID);
    cr_assert_eq(s_errs.count, 1);
}
