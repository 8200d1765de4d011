/* The envelope codec: ten fixed positions, read and written in one pass over borrowed bytes (why by hand: mp.h). */
#include "mp.h"

#include <errno.h>

#define POSITIONS     10
#define USER_ID_MAX   ((UINT64_C(1) << 53) - 1) /* what JSON keeps exactly */
#define SESSION_MAX   128
#define INSTANCE_MAX  SUT_KEY_MAX
#define UNKNOWN_DEPTH (SUT_MSGPACK_DEPTH_MAX - 2) /* of a value inside the envelope and its options map */

enum { /* keys of the options map */
       OPT_IDEMPOTENCY_KEY = 1,
       OPT_INSTANCE,
       OPT_ATTEMPT,
       OPT_CREDITS,
       OPT_RETRY_AFTER,
       OPT_SEQUENCE,
       OPT_SESSION,
       OPT_HTTP_STATUS,
       OPT_EVENT_ID,
       OPT_SOURCE,
       OPT_NUMBER,
       OPT_EPOCH,
       OPT_NOT_BEFORE,
       OPT_PUBLISHED_AT,
       OPT_DEDUP,
       OPT_DUPLICATE,
       OPT_REPLAYED,
       OPT_GENERATION,
       OPT_PARENT_ID
};

const char *sut_envelope_fault_text(sut_envelope_fault f)
{
    static const char *const texts[] = {
        [SUT_ENV_OK] = "well-formed",
        [SUT_ENV_TRUNCATED] = "ends too early, or a count is larger than the bytes left",
        [SUT_ENV_NOT_ARRAY] = "is not a msgpack array",
        [SUT_ENV_BAD_COUNT] = "does not have exactly 10 positions",
        [SUT_ENV_VERSION] = "has a protocol version that is not spoken here",
        [SUT_ENV_KIND] = "has an unknown kind",
        [SUT_ENV_TYPE] = "has a value of the wrong type",
        [SUT_ENV_RANGE] = "has a value out of its range",
        [SUT_ENV_TOO_LARGE] = "is larger than an envelope may be",
        [SUT_ENV_DEPTH] = "is nested too deeply",
        [SUT_ENV_DUPLICATE_KEY] = "has a key twice in one map",
        [SUT_ENV_TAIL] = "has bytes behind its end",
        [SUT_ENV_UTF8] = "has a string that is not UTF-8",
        [SUT_ENV_SUBJECT] = "has a subject that breaks the grammar of subjects",
        [SUT_ENV_TRACEPARENT] = "has a traceparent that is not W3C Trace Context version 00",
    };
    return (size_t)f < SUT_ARRAY_LEN(texts) ? texts[f] : "has an unknown fault";
}

/* 1: may stand in a token; 2: parts tokens. */
static const uint8_t s_subject_class[256] = {
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,
    ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['_'] = 1, ['.'] = 2,
};

bool sut_subject_valid(sut_str s)
{
    unsigned before = 2;
    if (s.len == 0 || s.len > SUT_SUBJECT_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned class = s_subject_class[(unsigned char)s.ptr[i]];
        if (class == 0 || (class & before & 2))
            return false;
        before = class;
    }
    return before == 1;
}

/* Are all eight bytes lower-case hex digits? Each byte's high bit becomes the answer of one comparison: adding 0x80 - x
 * sets it for bytes from x on, adding 0x7f - x for bytes above x. */
static bool hex_word(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    uint64_t digit = (w + ones * (0x80 - '0')) & ~(w + ones * (0x7f - '9'));
    uint64_t letter = (w + ones * (0x80 - 'a')) & ~(w + ones * (0x7f - 'f'));
    return !(w & highs) && ((digit | letter) & highs) == highs;
}

/* A run of `words` times eight lower-case hex digits that are not all '0'. */
static bool hex_id(const char *p, size_t words)
{
    uint64_t other = 0;
    for (size_t i = 0; i < words; i++) {
        uint64_t w;
        memcpy(&w, p + 8 * i, 8);
        if (!hex_word(w))
            return false;
        other |= w ^ UINT64_C(0x3030303030303030);
    }
    return other != 0;
}

/* W3C Trace Context level 1: 00-<32 hex>-<16 hex>-<2 hex>, neither id all zero. */
static bool traceparent_valid(sut_str s)
{
    uint64_t flags = UINT64_C(0x3030303030303030);
    if (s.len != SUT_TRACEPARENT_LEN || memcmp(s.ptr, "00-", 3) != 0 || s.ptr[35] != '-' || s.ptr[52] != '-')
        return false;
    memcpy(&flags, s.ptr + 53, 2);
    return hex_id(s.ptr + 3, 4) && hex_id(s.ptr + 36, 2) && hex_word(flags);
}

static bool span_id_valid(sut_str s)
{
    return s.len == SUT_SPAN_ID_LEN && hex_id(s.ptr, 2);
}

static bool kind_known(unsigned kind)
{
    return (kind >= SUT_HELLO && kind <= SUT_BYE) || (kind >= SUT_CALL && kind <= SUT_CREDIT) ||
           (kind >= SUT_PUBLISH && kind <= SUT_MARKER) || kind == SUT_TAP;
}

/* A publish without a subject holds a batch. */
static bool kind_needs_subject(unsigned kind)
{
    return kind == SUT_CALL || kind == SUT_CREDIT || kind == SUT_DELIVER;
}

static sut_envelope_fault read_uint(sut_mp_in *in, uint64_t max, uint64_t *out)
{
    if (in->at < in->end && *in->at < 0x80) { /* most numbers of an envelope are this small */
        *out = *in->at++;
        return *out <= max ? SUT_ENV_OK : SUT_ENV_RANGE;
    }
    sut_mp_item item;
    sut_envelope_fault fault = sut_mp_next(in, &item);
    if (fault)
        return fault;
    if (item.type == SUT_MP_INT)
        return SUT_ENV_RANGE;
    if (item.type != SUT_MP_UINT)
        return SUT_ENV_TYPE;
    *out = item.v.u;
    return item.v.u <= max ? SUT_ENV_OK : SUT_ENV_RANGE;
}

static sut_envelope_fault read_u32(sut_mp_in *in, uint32_t *out)
{
    uint64_t v = 0;
    sut_envelope_fault fault = read_uint(in, UINT32_MAX, &v);
    *out = (uint32_t)v;
    return fault;
}

/* The string that comes next. All of an envelope's are short; those of up to 255 bytes are read here. */
static inline sut_envelope_fault next_str(sut_mp_in *in, sut_str *out)
{
    size_t left = (size_t)(in->end - in->at);
    if (left >= 2) {
        const uint8_t *p = in->at;
        bool fix = (*p & 0xe0) == 0xa0;
        size_t head = fix ? 1 : 2, len = fix ? *p & 0x1f : p[1];
        if ((fix || *p == 0xd9) && len <= left - head) {
            *out = (sut_str){(const char *)p + head, len};
            in->at = p + head + len;
            return SUT_ENV_OK;
        }
    }
    sut_mp_item item;
    sut_envelope_fault fault = sut_mp_next(in, &item);
    if (fault)
        return fault;
    if (item.type != SUT_MP_STR)
        return SUT_ENV_TYPE;
    *out = item.v.s;
    return SUT_ENV_OK;
}

static inline bool next_is_nil(sut_mp_in *in)
{
    bool nil = in->at < in->end && *in->at == 0xc0;
    in->at += nil;
    return nil;
}

/* A UTF-8 string of at most `max` bytes; nil leaves *out absent if `nil_ok`. */
static sut_envelope_fault read_str(sut_mp_in *in, size_t max, bool nil_ok, sut_str *out)
{
    if (nil_ok && next_is_nil(in))
        return SUT_ENV_OK;
    sut_envelope_fault fault = next_str(in, out);
    if (fault)
        return fault;
    if (out->len > max)
        return SUT_ENV_RANGE;
    return sut_mp_utf8(out->ptr, out->len) ? SUT_ENV_OK : SUT_ENV_UTF8;
}

static sut_envelope_fault read_option_str(sut_mp_in *in, size_t max, sut_str *out)
{
    sut_envelope_fault fault = read_str(in, max, false, out);
    return !fault && out->len == 0 ? SUT_ENV_RANGE : fault;
}

static sut_envelope_fault read_event_id(sut_mp_in *in, sut_str *out)
{
    sut_mp_item item;
    sut_envelope_fault fault = sut_mp_next(in, &item);
    if (fault)
        return fault;
    if (item.type != SUT_MP_BIN)
        return SUT_ENV_TYPE;
    *out = item.v.s;
    return out->len == SUT_EVENT_ID_LEN ? SUT_ENV_OK : SUT_ENV_RANGE;
}

static sut_envelope_fault read_parent_id(sut_mp_in *in, sut_str *out)
{
    sut_envelope_fault fault = read_option_str(in, SUT_SPAN_ID_LEN, out);
    return !fault && !span_id_valid(*out) ? SUT_ENV_RANGE : fault;
}

static sut_envelope_fault read_time(sut_mp_in *in, int64_t *out)
{
    uint64_t us = 0;
    sut_envelope_fault fault = read_uint(in, INT64_MAX, &us);
    *out = (int64_t)us;
    return fault;
}

static sut_envelope_fault read_subject(sut_mp_in *in, unsigned kind, sut_str *out)
{
    sut_envelope_fault fault = next_str(in, out);
    if (fault)
        return fault;
    if (out->len == 0)
        return kind_needs_subject(kind) ? SUT_ENV_SUBJECT : SUT_ENV_OK;
    return sut_subject_valid(*out) ? SUT_ENV_OK : SUT_ENV_SUBJECT;
}

static sut_envelope_fault read_principal(sut_mp_in *in, sut_principal *out)
{
    if (next_is_nil(in))
        return SUT_ENV_OK;
    sut_mp_item item;
    uint64_t user_id = 0, level = 0;
    sut_envelope_fault fault = sut_mp_next(in, &item);
    if (fault)
        return fault;
    if (item.type != SUT_MP_ARRAY)
        return SUT_ENV_TYPE;
    if (item.v.count != 3)
        return SUT_ENV_BAD_COUNT;
    fault = read_uint(in, USER_ID_MAX, &user_id);
    if (!fault)
        fault = read_uint(in, 3, &level);
    if (!fault)
        fault = read_str(in, SESSION_MAX, true, &out->session);
    if (fault)
        return fault;
    if (user_id == 0 || level == 2) /* nobody is nil; FRIEND is what a method asks for, not what a caller has */
        return SUT_ENV_RANGE;
    out->user_id = (int64_t)user_id;
    out->level = (int32_t)level;
    return SUT_ENV_OK;
}

static sut_envelope_fault read_traceparent(sut_mp_in *in, sut_str *out)
{
    if (next_is_nil(in))
        return SUT_ENV_OK;
    sut_envelope_fault fault = next_str(in, out);
    if (fault)
        return fault;
    return traceparent_valid(*out) ? SUT_ENV_OK : SUT_ENV_TRACEPARENT;
}

static sut_envelope_fault read_option(sut_mp_in *in, uint64_t key, sut_envelope_options *o)
{
    switch (key) {
    case OPT_IDEMPOTENCY_KEY: return read_option_str(in, SUT_IDEMPOTENCY_KEY_MAX, &o->idempotency_key);
    case OPT_INSTANCE: return read_option_str(in, INSTANCE_MAX, &o->instance);
    case OPT_ATTEMPT: return read_u32(in, &o->attempt);
    case OPT_CREDITS: return read_u32(in, &o->credits);
    case OPT_RETRY_AFTER: return read_u32(in, &o->retry_after_ms);
    case OPT_SEQUENCE: return read_uint(in, UINT64_MAX, &o->sequence);
    case OPT_SESSION: return read_uint(in, UINT64_MAX, &o->session);
    case OPT_HTTP_STATUS: return read_u32(in, &o->http_status);
    case OPT_EVENT_ID: return read_event_id(in, &o->event_id);
    case OPT_SOURCE: return read_option_str(in, SUT_SOURCE_MAX, &o->source);
    case OPT_NUMBER: return read_uint(in, UINT64_MAX, &o->number);
    case OPT_EPOCH: return read_uint(in, UINT64_MAX, &o->epoch);
    case OPT_NOT_BEFORE: return read_time(in, &o->not_before);
    case OPT_PUBLISHED_AT: return read_time(in, &o->published_at);
    case OPT_DEDUP: return read_u32(in, &o->dedup);
    case OPT_DUPLICATE: return read_u32(in, &o->duplicate);
    case OPT_REPLAYED: return read_u32(in, &o->replayed);
    case OPT_GENERATION: return read_u32(in, &o->generation);
    case OPT_PARENT_ID: return read_parent_id(in, &o->parent_id);
    default: return sut_mp_skip(in, UNKNOWN_DEPTH); /* a newer peer's */
    }
}

static sut_envelope_fault read_options(sut_mp_in *in, sut_envelope_options *o)
{
    uint64_t seen[SUT_OPTIONS_MAX];
    sut_mp_item map;
    sut_envelope_fault fault = sut_mp_next(in, &map);
    if (fault)
        return fault;
    if (map.type != SUT_MP_MAP)
        return SUT_ENV_TYPE;
    if (map.v.count > SUT_OPTIONS_MAX)
        return SUT_ENV_RANGE;
    for (uint32_t i = 0; i < map.v.count; i++) {
        fault = read_uint(in, UINT64_MAX, &seen[i]);
        if (fault)
            return fault;
        for (uint32_t j = 0; j < i; j++)
            if (seen[j] == seen[i])
                return SUT_ENV_DUPLICATE_KEY;
        fault = read_option(in, seen[i], o);
        if (fault)
            return fault;
    }
    return SUT_ENV_OK;
}

/* The body's length is judged before its bytes are awaited: an oversize claim must not look like a short read. */
static sut_envelope_fault read_body(sut_mp_in *in, const uint8_t *start, sut_str *out)
{
    const uint8_t *p = in->at;
    size_t left = (size_t)(in->end - p);
    if (left == 0)
        return SUT_ENV_TRUNCATED;
    if (*p < 0xc4 || *p > 0xc6)
        return SUT_ENV_TYPE;
    size_t head = *p == 0xc4 ? 2 : *p == 0xc5 ? 3 : 5;
    if (left < head)
        return SUT_ENV_TRUNCATED;
    size_t len = head == 2 ? p[1] : head == 3 ? sut_mp_be16(p + 1) : sut_mp_be32(p + 1);
    if ((size_t)(p - start) + head + len > SUT_ENVELOPE_MAX)
        return SUT_ENV_TOO_LARGE;
    if (len > left - head)
        return SUT_ENV_TRUNCATED;
    *out = (sut_str){(const char *)p + head, len};
    in->at = p + head + len;
    return SUT_ENV_OK;
}

static sut_envelope_fault read_start(sut_mp_in *in, sut_envelope *out)
{
    sut_mp_item item;
    uint64_t version = 0, kind = 0;
    sut_envelope_fault fault = sut_mp_next(in, &item);
    if (fault)
        return fault;
    if (item.type != SUT_MP_ARRAY)
        return SUT_ENV_NOT_ARRAY;
    if (item.v.count == 0)
        return SUT_ENV_BAD_COUNT;
    fault = read_uint(in, UINT64_MAX, &version);
    if (fault)
        return fault;
    if (version != SUT_PROTOCOL_VERSION) /* another version may have another count */
        return SUT_ENV_VERSION;
    if (item.v.count != POSITIONS)
        return SUT_ENV_BAD_COUNT;
    fault = read_uint(in, UINT64_MAX, &kind);
    if (fault)
        return fault;
    if (kind > UINT8_MAX || !kind_known((unsigned)kind))
        return SUT_ENV_KIND;
    out->version = SUT_PROTOCOL_VERSION;
    out->kind = (uint8_t)kind;
    return SUT_ENV_OK;
}

/* Field by field: of the whole struct the compiler makes a `rep stos`, which takes a fifth of the decoding. */
static inline void clear(sut_envelope *e)
{
    e->version = e->kind = 0;
    e->id = 0;
    e->subject = SUT_STR_NONE;
    e->key = SUT_STR_NONE;
    e->ttl_ms = 0;
    e->principal = (sut_principal){.user_id = 0};
    e->traceparent = SUT_STR_NONE;
    e->opt = (sut_envelope_options){.attempt = 0};
    e->body = SUT_STR_NONE;
}

sut_envelope_fault sut_envelope_decode(const uint8_t *bytes, size_t len, sut_envelope *out, size_t *used)
{
    sut_mp_in in = {bytes, bytes + len};
    clear(out);
    *used = 0;
    sut_envelope_fault fault = read_start(&in, out);
    if (!fault)
        fault = read_uint(&in, UINT64_MAX, &out->id);
    if (!fault)
        fault = read_subject(&in, out->kind, &out->subject);
    if (!fault)
        fault = read_str(&in, SUT_KEY_MAX, true, &out->key);
    if (!fault)
        fault = read_u32(&in, &out->ttl_ms);
    if (!fault)
        fault = read_principal(&in, &out->principal);
    if (!fault)
        fault = read_traceparent(&in, &out->traceparent);
    if (!fault)
        fault = read_options(&in, &out->opt);
    if (!fault)
        fault = read_body(&in, bytes, &out->body);
    if (!fault)
        *used = (size_t)(in.at - bytes);
    return fault;
}

/* ---- encoding ---- */

/* All that is not the bytes of a string: 195 bytes at most, rounded up. */
#define FIXED_BOUND 224

size_t sut_envelope_size_bound(const sut_envelope *env)
{
    return FIXED_BOUND + env->subject.len + env->key.len + env->principal.session.len + env->traceparent.len +
           env->opt.idempotency_key.len + env->opt.instance.len + env->opt.source.len + env->opt.event_id.len +
           env->opt.parent_id.len + env->body.len;
}

static bool str_encodable(sut_str s, size_t max)
{
    return s.len == 0 || (s.len <= max && sut_mp_utf8(s.ptr, s.len));
}

static int option_count(const sut_envelope_options *o)
{
    return (o->idempotency_key.len > 0) + (o->instance.len > 0) + (o->attempt > 0) + (o->credits > 0) +
           (o->retry_after_ms > 0) + (o->sequence > 0) + (o->session > 0) + (o->http_status > 0) +
           (o->event_id.len > 0) + (o->source.len > 0) + (o->number > 0) + (o->epoch > 0) + (o->not_before > 0) +
           (o->published_at > 0) + (o->dedup > 0) + (o->duplicate > 0) + (o->replayed > 0) + (o->generation > 0) +
           (o->parent_id.len > 0);
}

static bool options_encodable(const sut_envelope_options *o)
{
    return str_encodable(o->source, SUT_SOURCE_MAX) && o->not_before >= 0 && o->published_at >= 0 &&
           (o->event_id.len == 0 || o->event_id.len == SUT_EVENT_ID_LEN) &&
           (o->parent_id.len == 0 || span_id_valid(o->parent_id)) && option_count(o) < SUT_OPTIONS_MAX;
}

static bool encodable(const sut_envelope *e)
{
    if (!kind_known(e->kind) || e->principal.user_id < 0 || (uint64_t)e->principal.user_id > USER_ID_MAX)
        return false;
    if (e->subject.len == 0 ? kind_needs_subject(e->kind) : !sut_subject_valid(e->subject))
        return false;
    if (e->principal.level < 0 || e->principal.level > 3 || e->principal.level == 2)
        return false;
    if (e->traceparent.len > 0 && !traceparent_valid(e->traceparent))
        return false;
    return str_encodable(e->key, SUT_KEY_MAX) && str_encodable(e->principal.session, SESSION_MAX) &&
           str_encodable(e->opt.idempotency_key, SUT_IDEMPOTENCY_KEY_MAX) &&
           str_encodable(e->opt.instance, INSTANCE_MAX) && options_encodable(&e->opt);
}

static uint8_t *put_str_or_nil(uint8_t *p, sut_str s)
{
    return s.ptr ? sut_mp_put_str(p, s) : sut_mp_put_nil(p);
}

static uint8_t *put_principal(uint8_t *p, const sut_principal *pr)
{
    if (pr->user_id == 0)
        return sut_mp_put_nil(p);
    *p++ = 0x93;
    p = sut_mp_put_uint(p, (uint64_t)pr->user_id);
    p = sut_mp_put_uint(p, (uint64_t)pr->level);
    return put_str_or_nil(p, pr->session);
}

static uint8_t *put_option_str(uint8_t *p, uint8_t key, sut_str s, uint8_t *head)
{
    if (s.len == 0)
        return p;
    (*head)++;
    *p++ = key;
    return sut_mp_put_str(p, s);
}

static uint8_t *put_option_uint(uint8_t *p, uint8_t key, uint64_t v, uint8_t *head)
{
    if (v == 0)
        return p;
    (*head)++;
    *p++ = key;
    return sut_mp_put_uint(p, v);
}

static uint8_t *put_event_id(uint8_t *p, sut_str id, uint8_t *head)
{
    if (id.len == 0)
        return p;
    (*head)++;
    *p++ = OPT_EVENT_ID;
    p = sut_mp_put_bin_head(p, id.len);
    return sut_mp_put_bytes(p, id);
}

static uint8_t *put_event_options(uint8_t *p, const sut_envelope_options *o, uint8_t *head)
{
    p = put_event_id(p, o->event_id, head);
    p = put_option_str(p, OPT_SOURCE, o->source, head);
    p = put_option_uint(p, OPT_NUMBER, o->number, head);
    p = put_option_uint(p, OPT_EPOCH, o->epoch, head);
    p = put_option_uint(p, OPT_NOT_BEFORE, (uint64_t)o->not_before, head);
    p = put_option_uint(p, OPT_PUBLISHED_AT, (uint64_t)o->published_at, head);
    p = put_option_uint(p, OPT_DEDUP, o->dedup, head);
    p = put_option_uint(p, OPT_DUPLICATE, o->duplicate, head);
    p = put_option_uint(p, OPT_REPLAYED, o->replayed, head);
    p = put_option_uint(p, OPT_GENERATION, o->generation, head);
    return put_option_str(p, OPT_PARENT_ID, o->parent_id, head);
}

static uint8_t *put_options(uint8_t *p, const sut_envelope_options *o)
{
    uint8_t *head = p++;
    *head = 0x80; /* a fixmap: fewer than 16 of them are set, see encodable() */
    p = put_option_str(p, OPT_IDEMPOTENCY_KEY, o->idempotency_key, head);
    p = put_option_str(p, OPT_INSTANCE, o->instance, head);
    p = put_option_uint(p, OPT_ATTEMPT, o->attempt, head);
    p = put_option_uint(p, OPT_CREDITS, o->credits, head);
    p = put_option_uint(p, OPT_RETRY_AFTER, o->retry_after_ms, head);
    p = put_option_uint(p, OPT_SEQUENCE, o->sequence, head);
    p = put_option_uint(p, OPT_SESSION, o->session, head);
    p = put_option_uint(p, OPT_HTTP_STATUS, o->http_status, head);
    return put_event_options(p, o, head);
}

static uint8_t *put_envelope(uint8_t *p, const sut_envelope *e)
{
    *p++ = 0x90 | POSITIONS;
    *p++ = SUT_PROTOCOL_VERSION;
    p = sut_mp_put_uint(p, e->kind);
    p = sut_mp_put_uint(p, e->id);
    p = sut_mp_put_str(p, e->subject);
    p = put_str_or_nil(p, e->key);
    p = sut_mp_put_uint(p, e->ttl_ms);
    p = put_principal(p, &e->principal);
    p = e->traceparent.len ? sut_mp_put_str(p, e->traceparent) : sut_mp_put_nil(p);
    p = put_options(p, &e->opt);
    p = sut_mp_put_bin_head(p, e->body.len);
    return sut_mp_put_bytes(p, e->body);
}

/* Near a limit the bound may not fit although the envelope does: then it is encoded aside and appended. */
static sut_status encode_tight(sut_buf *out, const sut_envelope *env, size_t bound)
{
    sut_buf aside;
    sut_buf_init(&aside, 0);
    sut_status status = sut_buf_reserve(&aside, bound);
    if (!status) {
        aside.len = (size_t)(put_envelope(aside.data, env) - aside.data);
        status = aside.len > SUT_ENVELOPE_MAX ? -EMSGSIZE : sut_buf_append(out, aside.data, aside.len);
    }
    sut_buf_deinit(&aside);
    return status;
}

sut_status sut_envelope_encode(sut_buf *out, const sut_envelope *env)
{
    if (!encodable(env))
        return SUT_TRACE(-EINVAL, "an envelope that its receiver would refuse");
    if (env->body.len > SUT_ENVELOPE_MAX)
        return -EMSGSIZE;
    size_t bound = sut_envelope_size_bound(env);
    if (bound > SUT_ENVELOPE_MAX)
        return encode_tight(out, env, bound);
    sut_status status = sut_buf_reserve(out, bound);
    if (status == -EMSGSIZE)
        return encode_tight(out, env, bound);
    if (status)
        return status;
    out->len = (size_t)(put_envelope(out->data + out->len, env) - out->data);
    return 0;
}
