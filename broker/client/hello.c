/* Bodies of hello and welcome (docs/protocol.md, "Hello and welcome"). */
#include "client.h"

#include "wire/msgpack.h"
#include "wire/record.h"

#include <errno.h>

#define FIELD_ERRORS_MAX 1

static sut_status add_text(sut_buf *out, const char *key, const char *value)
{
    sut_status st = sut_mp_add_str(out, sut_str_from(key));
    return st ? st : sut_mp_add_str(out, sut_str_from(value));
}

static sut_status add_service(sut_buf *out, const client_serving *s)
{
    sut_status st = sut_mp_add_map(out, 2);
    if (!st)
        st = add_text(out, "name", s->service);
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("credits"));
    return st ? st : sut_mp_add_uint(out, s->credits);
}

static sut_status add_services(sut_buf *out, const client_serving *s)
{
    bool serves = s->service && !s->leaving;
    sut_status st = sut_mp_add_str(out, SUT_STR("services"));
    if (!st)
        st = sut_mp_add_array(out, serves ? 1 : 0);
    return st || !serves ? st : add_service(out, s);
}

sut_status client_hello_encode(const sut_client *c, sut_buf *out)
{
    sut_status st = sut_mp_add_map(out, 5);
    if (!st)
        st = add_text(out, "name", c->config.name);
    if (!st)
        st = add_text(out, "instance", c->config.instance);
    if (!st)
        st = add_text(out, "version", "libsut/" SUT_VERSION);
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("capabilities"));
    if (!st)
        st = sut_mp_add_array(out, 1);
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("calls"));
    return st ? st : add_services(out, &c->serving);
}

typedef struct welcome_body {
    int64_t ping_after_ms;
    uint8_t has_ping_after_ms;
} welcome_body;

static const sut_field welcome_fields[] = {
    {.name = "ping_after_ms",
     .name_len = 13,
     .type = SUT_T_I64,
     .offset = offsetof(welcome_body, ping_after_ms),
     .has_offset = offsetof(welcome_body, has_ping_after_ms),
     .has_min = true,
     .has_max = true,
     .min_i = 1,
     .max_i = UINT32_MAX,
     .doc = "Silence after which a peer pings."},
};
static const sut_record welcome_record = {
    .name = "welcome", .fields = welcome_fields, .count = SUT_ARRAY_LEN(welcome_fields), .size = sizeof(welcome_body)};

sut_status client_welcome_decode(sut_arena *scratch, sut_str body, uint32_t *ping_after_ms)
{
    welcome_body welcome;
    sut_field_errors errors;
    sut_arena_reset(scratch);
    sut_field_errors_init(&errors, scratch, FIELD_ERRORS_MAX);
    if (sut_record_decode(&welcome_record, body, SUT_UNKNOWN_IGNORE, scratch, &welcome, &errors) != 0)
        return -EBADMSG;
    if (welcome.has_ping_after_ms == SUT_PRESENT)
        *ping_after_ms = (uint32_t)welcome.ping_after_ms;
    return 0;
}
