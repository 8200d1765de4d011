/* Bodies of hello and welcome (docs/protocol.md, "Connecting"). */
#include "client.h"

#include <errno.h>
#include <msgpack.h>
#include <string.h>

static int write_to_buf(void *data, const char *bytes, size_t len)
{
    return sut_buf_append(data, bytes, len) == 0 ? 0 : -1;
}

static void pack_cstr(msgpack_packer *pk, const char *s)
{
    size_t len = strlen(s);
    msgpack_pack_str(pk, len);
    msgpack_pack_str_body(pk, s, len);
}

static void pack_text(msgpack_packer *pk, const char *key, const char *value)
{
    pack_cstr(pk, key);
    pack_cstr(pk, value);
}

static void pack_services(msgpack_packer *pk, const client_serving *s)
{
    bool serves = s->service && !s->leaving;
    pack_cstr(pk, "services");
    msgpack_pack_array(pk, serves ? 1 : 0);
    if (!serves)
        return;
    msgpack_pack_map(pk, 2);
    pack_text(pk, "name", s->service);
    pack_cstr(pk, "credits");
    msgpack_pack_uint32(pk, s->credits);
}

sut_status client_hello_encode(const sut_client *c, sut_buf *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, write_to_buf);
    size_t before = out->len;
    msgpack_pack_map(&pk, 5);
    pack_text(&pk, "name", c->config.name);
    pack_text(&pk, "instance", c->config.instance);
    pack_text(&pk, "version", "libsut/" SUT_VERSION);
    pack_cstr(&pk, "capabilities");
    msgpack_pack_array(&pk, 1);
    pack_cstr(&pk, "calls");
    pack_services(&pk, &c->serving);
    /* The packer reports no error; what was cut short by a refused append is no whole body. */
    return sut_body_scan((sut_str){(const char *)out->data + before, out->len - before}) == SUT_ENV_OK
               ? 0
               : SUT_TRACE(-ENOMEM, "client.hello");
}

static bool key_is(const msgpack_object *o, const char *name)
{
    return o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(name) &&
           memcmp(o->via.str.ptr, name, o->via.str.size) == 0;
}

sut_status client_welcome_decode(sut_str body, uint32_t *ping_after_ms)
{
    if (body.len == 0)
        return 0;
    if (sut_body_scan(body) != SUT_ENV_OK)
        return -EBADMSG;
    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    if (msgpack_unpack_next(&result, body.ptr, body.len, NULL) != MSGPACK_UNPACK_SUCCESS) {
        msgpack_unpacked_destroy(&result);
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < result.data.via.map.size; i++) {
        const msgpack_object_kv *kv = &result.data.via.map.ptr[i];
        if (key_is(&kv->key, "ping_after_ms") && kv->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
            kv->val.via.u64 <= UINT32_MAX)
            *ping_after_ms = (uint32_t)kv->val.via.u64;
    }
    msgpack_unpacked_destroy(&result);
    return 0;
}
