/* ns an operation of the wire module's hot paths: the envelope codec as the broker runs it, the body scan, and the
 * record runtime as an actor and the edge run it on a profile of twelve fields. One line a row; wire_bench [MS a row].
 */
#include "base/clock.h"
#include "wire/record.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct profile {
    int64_t user_id;
    sut_str username, display_name, bio, avatar_url, location, website;
    int32_t birth_date;
    int64_t follower_count, following_count, post_count, created_at;
    uint8_t has_birth_date;
} profile;

#define FIELD(n)    .name = #n, .name_len = sizeof(#n) - 1, .offset = offsetof(profile, n), .has_offset = UINT16_MAX
#define REQUIRED(n) FIELD(n), .flags = SUT_F_REQUIRED
static const sut_field s_fields[] = {
    {REQUIRED(user_id), .type = SUT_T_I64, .has_min = true, .min_i = 1},
    {REQUIRED(username), .type = SUT_T_STRING, .min_chars = 3, .max_chars = 50, .format = SUT_FMT_USERNAME},
    {REQUIRED(display_name), .type = SUT_T_STRING, .max_chars = 100},
    {REQUIRED(bio), .type = SUT_T_STRING, .max_chars = 1000},
    {REQUIRED(avatar_url), .type = SUT_T_STRING, .max_bytes = 500, .format = SUT_FMT_HTTP_URI},
    {REQUIRED(location), .type = SUT_T_STRING, .max_chars = 100},
    {REQUIRED(website), .type = SUT_T_STRING, .max_bytes = 200, .format = SUT_FMT_HTTP_URI},
    {.name = "birth_date",
     .name_len = 10,
     .type = SUT_T_DATE,
     .format = SUT_FMT_PAST_DATE,
     .offset = offsetof(profile, birth_date),
     .has_offset = offsetof(profile, has_birth_date)},
    {REQUIRED(follower_count), .type = SUT_T_I64, .has_min = true},
    {REQUIRED(following_count), .type = SUT_T_I64, .has_min = true},
    {REQUIRED(post_count), .type = SUT_T_I64, .has_min = true},
    {REQUIRED(created_at), .type = SUT_T_TIMESTAMP},
};
static const sut_record s_profile = {"profile", s_fields, SUT_ARRAY_LEN(s_fields), sizeof(profile), "A profile."};

static const profile s_ann = {
    .user_id = 1374752,
    .username = SUT_STR("ann.example"),
    .display_name = SUT_STR("Ann Example"),
    .bio = SUT_STR("Writes C for people who read it. Bees, bread and bicycles; \"slow\" mornings."),
    .avatar_url = SUT_STR("https://cdn.example.org/avatars/1374752/4f1c9d.webp"),
    .location = SUT_STR("M\xc3\xa1laga, Spain"),
    .website = SUT_STR("https://ann.example.org/"),
    .birth_date = 7300,
    .has_birth_date = SUT_PRESENT,
    .follower_count = 1204,
    .following_count = 311,
    .post_count = 87,
    .created_at = INT64_C(1767322245678901),
};

typedef struct state {
    sut_buf envelope_bytes, out, body, json;
    sut_envelope envelope;
    sut_arena *arena;
    size_t sink; /* keeps results alive */
} state;

static void die(const char *what)
{
    (void)fprintf(stderr, "wire_bench: %s failed\n", what);
    exit(1);
}

static sut_str str_of(const sut_buf *b)
{
    return (sut_str){(const char *)b->data, b->len};
}

static void decode_envelope(state *s)
{
    sut_envelope env;
    size_t used;
    if (sut_envelope_decode(s->envelope_bytes.data, s->envelope_bytes.len, &env, &used))
        die("decode");
    s->sink += used + env.id;
}

static void encode_envelope(state *s)
{
    sut_buf_reset(&s->out);
    if (sut_envelope_encode(&s->out, &s->envelope))
        die("encode");
    s->sink += s->out.len;
}

static void scan_body(state *s)
{
    s->sink += sut_body_scan(str_of(&s->body));
}

static void decode_record(state *s)
{
    profile p;
    sut_field_errors errs;
    sut_arena_reset(s->arena);
    sut_field_errors_init(&errs, s->arena, 16);
    if (sut_record_decode(&s_profile, str_of(&s->body), SUT_UNKNOWN_IGNORE, s->arena, &p, &errs))
        die("record decode");
    s->sink += (size_t)p.user_id;
}

static void encode_record(state *s)
{
    sut_buf_reset(&s->out);
    if (sut_record_encode(&s_profile, &s_ann, &s->out))
        die("record encode");
    s->sink += s->out.len;
}

static void body_to_json(state *s)
{
    sut_buf_reset(&s->out);
    if (sut_body_to_json(&s_profile, str_of(&s->body), &s->out))
        die("body to JSON");
    s->sink += s->out.len;
}

static void json_to_body(state *s)
{
    sut_field_errors errs;
    sut_arena_reset(s->arena);
    sut_buf_reset(&s->out);
    sut_field_errors_init(&errs, s->arena, 16);
    if (sut_json_to_body(&s_profile, str_of(&s->json), 65536, SUT_UNKNOWN_REFUSE, s->arena, &s->out, &errs))
        die("JSON to body");
    s->sink += s->out.len;
}

static void redact(state *s)
{
    sut_buf_reset(&s->out);
    if (sut_record_redact(&s_profile, str_of(&s->body), true, &s->out))
        die("redact");
    s->sink += s->out.len;
}

/* The best of five rounds: what the code costs, and not what else the machine did meanwhile. */
static void row(const char *name, void (*fn)(state *s), state *s, uint64_t ms)
{
    double best = 0;
    for (int round = 0; round < 5; round++) {
        uint64_t start = sut_now_ns(), end = start + ms * SUT_NS_PER_MS / 5, now, count = 0;
        do {
            for (int i = 0; i < 1000; i++)
                fn(s);
            count += 1000;
            now = sut_now_ns();
        } while (now < end);
        double each = (double)(now - start) / (double)count;
        best = round == 0 || each < best ? each : best;
    }
    (void)printf("%-28s %8.1f ns\n", name, best);
}

static void prepare(state *s)
{
    static char filler[128];
    sut_buf_init(&s->envelope_bytes, 0);
    sut_buf_init(&s->out, 0);
    sut_buf_init(&s->body, 0);
    sut_buf_init(&s->json, 0);
    s->envelope = (sut_envelope){
        .version = SUT_PROTOCOL_VERSION,
        .kind = SUT_CALL,
        .id = 123456789,
        .subject = SUT_STR("user.profile_get"),
        .ttl_ms = 2987,
        .principal = {.user_id = 1374752, .level = 1, .session = SUT_STR("4f1c9d2ab77e")},
        .traceparent = SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .opt = {.attempt = 1},
        .body = {filler, 127},
    };
    if (sut_arena_new(&s->arena, 0) || sut_envelope_encode(&s->envelope_bytes, &s->envelope) ||
        sut_record_encode(&s_profile, &s_ann, &s->body) || sut_body_to_json(&s_profile, str_of(&s->body), &s->json))
        die("preparation");
    (void)printf("envelope %zu bytes, profile %zu bytes of msgpack, %zu of JSON\n", s->envelope_bytes.len, s->body.len,
                 s->json.len);
}

int main(int argc, char **argv)
{
    state s = {.sink = 0};
    uint64_t ms = argc > 1 ? strtoul(argv[1], NULL, 10) : 500;
    prepare(&s);
    row("envelope decode", decode_envelope, &s, ms);
    row("envelope encode", encode_envelope, &s, ms);
    row("body scan", scan_body, &s, ms);
    row("record decode and check", decode_record, &s, ms);
    row("record encode", encode_record, &s, ms);
    row("body to JSON", body_to_json, &s, ms);
    row("JSON to body and check", json_to_body, &s, ms);
    row("redact", redact, &s, ms);
    sut_buf_deinit(&s.envelope_bytes);
    sut_buf_deinit(&s.out);
    sut_buf_deinit(&s.body);
    sut_buf_deinit(&s.json);
    s.arena = sut_arena_free(s.arena);
    return s.sink == 0;
}
