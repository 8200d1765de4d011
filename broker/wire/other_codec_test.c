/* Our codec against another's: msgpack-c reads what we write, and we read what it writes. */
#include "wire/envelope.h"

#include <criterion/criterion.h>
#include <msgpack.h>

static bool is_text(msgpack_object o, const char *text)
{
    return o.type == MSGPACK_OBJECT_STR && o.via.str.size == strlen(text) &&
           memcmp(o.via.str.ptr, text, o.via.str.size) == 0;
}

Test(other_codec, reads_our_envelope, .timeout = 10)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_CALL,
                        .id = UINT64_MAX,
                        .subject = SUT_STR("user.profile_get"),
                        .ttl_ms = 3000,
                        .principal = {.user_id = 4096, .level = 1, .session = SUT_STR("s-1")},
                        .opt = {.attempt = 2},
                        .body = SUT_STR("\x81\xa1p\x01")};
    sut_buf out;
    msgpack_unpacked got;
    size_t used = 0;
    sut_buf_init(&out, 0);
    cr_assert_eq(sut_envelope_encode(&out, &env), 0);
    msgpack_unpacked_init(&got);
    cr_assert_eq(msgpack_unpack_next(&got, (const char *)out.data, out.len, &used), MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(used, out.len);
    cr_assert_eq(got.data.type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(got.data.via.array.size, 10);
    const msgpack_object *at = got.data.via.array.ptr;
    cr_assert_eq(at[1].via.u64, SUT_CALL);
    cr_assert_eq(at[2].via.u64, UINT64_MAX);
    cr_assert(is_text(at[3], "user.profile_get"));
    cr_assert_eq(at[4].type, MSGPACK_OBJECT_NIL);
    cr_assert_eq(at[6].via.array.ptr[0].via.u64, 4096);
    cr_assert(is_text(at[6].via.array.ptr[2], "s-1"));
    cr_assert_eq(at[8].via.map.ptr[0].key.via.u64, 3);
    cr_assert_eq(at[8].via.map.ptr[0].val.via.u64, 2);
    cr_assert_eq(at[9].type, MSGPACK_OBJECT_BIN);
    cr_assert_eq(at[9].via.bin.size, env.body.len);
    msgpack_unpacked_destroy(&got);
    sut_buf_deinit(&out);
}

static void pack_text(msgpack_packer *pk, const char *text)
{
    msgpack_pack_str(pk, strlen(text));
    msgpack_pack_str_body(pk, text, strlen(text));
}

Test(other_codec, is_read_by_ours, .timeout = 10)
{
    msgpack_sbuffer buffer;
    msgpack_packer pk;
    sut_envelope env;
    size_t used = 0;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 10);
    msgpack_pack_int(&pk, SUT_PROTOCOL_VERSION);
    msgpack_pack_int(&pk, SUT_CALL);
    msgpack_pack_uint64(&pk, UINT64_C(1) << 40);
    pack_text(&pk, "user.profile_get");
    pack_text(&pk, "key");
    msgpack_pack_int(&pk, 70000);
    msgpack_pack_nil(&pk);
    msgpack_pack_nil(&pk);
    msgpack_pack_map(&pk, 1);
    msgpack_pack_int(&pk, 1);
    pack_text(&pk, "once");
    msgpack_pack_bin(&pk, 1);
    msgpack_pack_bin_body(&pk, "\x80", 1);
    cr_assert_eq(sut_envelope_decode((const uint8_t *)buffer.data, buffer.size, &env, &used), SUT_ENV_OK);
    cr_assert_eq(used, buffer.size);
    cr_assert_eq(env.id, UINT64_C(1) << 40);
    cr_assert(sut_str_is(env.subject, "user.profile_get"));
    cr_assert(sut_str_is(env.key, "key"));
    cr_assert_eq(env.ttl_ms, 70000);
    cr_assert(sut_str_is(env.opt.idempotency_key, "once"));
    cr_assert_eq(env.body.len, 1);
    msgpack_sbuffer_destroy(&buffer);
}
