/* Records that the runtime's tests share: one field of every type, and every flag. Each test file has its own copy. */
#ifndef SUT_WIRE_RECORD_FIXTURE_H
#define SUT_WIRE_RECORD_FIXTURE_H

#include "runtime.h"

typedef struct item_rec {
    sut_str name; /* required, trimmed, 1 to 10 characters, at most 20 bytes */
    int32_t count;
    uint8_t has_count; /* 1 to 5, default 1 */
    const struct item_rec *next;
    uint8_t has_next;
} item_rec;

typedef enum { COLOR_RED = 0, COLOR_GREEN = 5, COLOR_BLUE = 6 } color;

typedef struct all_rec {
    int64_t id; /* required, from 1 */
    bool flag;
    uint8_t has_flag;
    int32_t small;
    uint8_t has_small;
    double ratio;
    uint8_t has_ratio;
    sut_str email;
    uint8_t has_email;
    sut_str secret;
    uint8_t has_secret;
    sut_str bytes;
    uint8_t has_bytes;
    int64_t at;
    uint8_t has_at;
    int32_t birth;
    uint8_t has_birth;
    int32_t shade;
    uint8_t has_shade;
    const item_rec *item;
    uint8_t has_item;
    sut_list items;
    uint8_t has_items;
    sut_list numbers;
    uint8_t has_numbers;
    sut_map labels;
    uint8_t has_labels;
    sut_str code;
    uint8_t has_code;
    sut_str must; /* required and nullable */
} all_rec;

#define NAME(n)        .name = #n, .name_len = sizeof(#n) - 1
#define AT(type, n)    NAME(n), .offset = offsetof(type, n), .has_offset = offsetof(type, has_##n)
#define FIXED(type, n) NAME(n), .offset = offsetof(type, n), .has_offset = UINT16_MAX
#define ELEMENT        NAME(), .has_offset = UINT16_MAX, .flags = SUT_F_REQUIRED

static const sut_record item_desc;
static const sut_field item_fields[] = {
    {FIXED(item_rec, name), .type = SUT_T_STRING, .flags = SUT_F_REQUIRED | SUT_F_TRIM, .min_chars = 1, .max_chars = 10,
     .max_bytes = 20},
    {AT(item_rec, count), .type = SUT_T_I32, .flags = SUT_F_DEFAULT, .has_min = true, .has_max = true, .min_i = 1,
     .max_i = 5, .def.i = 1},
    {AT(item_rec, next), .type = SUT_T_RECORD, .record = &item_desc},
};
static const sut_record item_desc = {"item", item_fields, SUT_ARRAY_LEN(item_fields), sizeof(item_rec), "An item."};

static const sut_enum_value color_values[] = {
    {"red", COLOR_RED, ""}, {"green", COLOR_GREEN, ""}, {"blue", COLOR_BLUE, ""}};
static const sut_enum_desc color_desc = {"color", color_values, 3};
static const sut_field item_element = {ELEMENT, .type = SUT_T_RECORD, .record = &item_desc};
static const sut_field number_element = {ELEMENT,         .type = SUT_T_I64, .has_min = true,
                                         .has_max = true, .min_i = -10,      .max_i = 10};
static const sut_field label_element = {ELEMENT, .type = SUT_T_STRING, .max_chars = 5};

static const sut_field all_fields[] = {
    {FIXED(all_rec, id), .type = SUT_T_I64, .flags = SUT_F_REQUIRED, .has_min = true, .min_i = 1},
    {AT(all_rec, flag), .type = SUT_T_BOOL, .flags = SUT_F_DEFAULT, .def.b = true},
    {AT(all_rec, small), .type = SUT_T_I32, .flags = SUT_F_NULLABLE},
    {AT(all_rec, ratio), .type = SUT_T_F64, .has_min = true, .has_max = true, .min_f = -0.5, .max_f = 0.5},
    {AT(all_rec, email), .type = SUT_T_STRING, .format = SUT_FMT_EMAIL,
     .flags = SUT_F_TRIM | SUT_F_LOWER | SUT_F_PERSONAL, .max_bytes = 254},
    {AT(all_rec, secret), .type = SUT_T_STRING, .flags = SUT_F_SECRET, .min_chars = 8, .max_bytes = 72},
    {AT(all_rec, bytes), .type = SUT_T_BYTES, .min_bytes = 2, .max_bytes = 4},
    {AT(all_rec, at), .type = SUT_T_TIMESTAMP, .has_min = true, .min_i = 0},
    {AT(all_rec, birth), .type = SUT_T_DATE, .format = SUT_FMT_PAST_DATE, .flags = SUT_F_PERSONAL},
    {AT(all_rec, shade), .type = SUT_T_ENUM, .enumeration = &color_desc, .flags = SUT_F_DEFAULT, .def.i = COLOR_GREEN},
    {AT(all_rec, item), .type = SUT_T_RECORD, .record = &item_desc, .flags = SUT_F_NULLABLE},
    {AT(all_rec, items), .type = SUT_T_LIST, .element = &item_element, .min_items = 1, .max_items = 5},
    {AT(all_rec, numbers), .type = SUT_T_LIST, .element = &number_element},
    {AT(all_rec, labels), .type = SUT_T_MAP, .element = &label_element, .max_items = 3},
    {AT(all_rec, code), .type = SUT_T_STRING, .pattern = "[a-z]+-[0-9]{2}", .max_chars = 20},
    {FIXED(all_rec, must), .type = SUT_T_STRING, .flags = SUT_F_REQUIRED | SUT_F_NULLABLE, .max_chars = 3},
};
static const sut_record all_desc = {"all", all_fields, SUT_ARRAY_LEN(all_fields), sizeof(all_rec), "Everything."};

#endif
