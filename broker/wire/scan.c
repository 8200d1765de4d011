/* The scan of a body before anything parses it: structure, depth, counts, keys, UTF-8 and tail, in one pass. */
#include "mp.h"

#define KEYS_A_MAP_MAX 256
#define KEYS_OPEN_MAX  512 /* of all maps that are open at one moment: 4 KiB of stack */
#define PAIRWISE_MAX   16  /* up to so many keys, comparing each with each is the fastest */

/* One key that was seen in a map that is still open. Equal keys have equal prints; the bytes decide. */
typedef struct seen_key {
    uint32_t print;
    uint32_t at; /* where its item begins */
} seen_key;

typedef struct open_container {
    uint32_t left; /* values still to come */
    uint16_t first_key;
    bool is_map;
} open_container;

typedef struct scan {
    sut_mp_in in;
    const uint8_t *start;
    unsigned depth;
    unsigned key_count;
    open_container open[SUT_MSGPACK_DEPTH_MAX];
    seen_key keys[KEYS_OPEN_MAX];
} scan;

static uint32_t print_of(sut_str key)
{
    uint64_t head = 0, tail = 0;
    if (key.len >= 8) {
        memcpy(&head, key.ptr, 8);
        memcpy(&tail, key.ptr + key.len - 8, 8);
    } else {
        for (size_t i = 0; i < key.len; i++)
            head = head << 8 | (unsigned char)key.ptr[i];
    }
    uint64_t mixed = (head * UINT64_C(0x9e3779b97f4a7c15)) ^ (tail * UINT64_C(0xc2b2ae3d27d4eb4f)) ^ key.len;
    return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed;
}

static sut_str key_at(const scan *s, uint32_t at)
{
    sut_mp_in in = {s->start + at, s->in.end};
    sut_mp_item item;
    return sut_mp_next(&in, &item) || item.type != SUT_MP_STR ? SUT_STR_NONE : item.v.s;
}

/* A total order; 0 only for equal keys. */
static int key_order(const scan *s, seen_key a, seen_key b)
{
    if (a.print != b.print)
        return a.print < b.print ? -1 : 1;
    sut_str x = key_at(s, a.at), y = key_at(s, b.at);
    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    return x.len ? memcmp(x.ptr, y.ptr, x.len) : 0;
}

static void sift_down(const scan *s, seen_key *k, size_t root, size_t count)
{
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && key_order(s, k[child], k[child + 1]) < 0)
            child++;
        if (key_order(s, k[root], k[child]) >= 0)
            return;
        seen_key t = k[root];
        k[root] = k[child];
        k[child] = t;
        root = child;
    }
}

/* Heapsort: n log n for any keys that a peer may choose, in place (qsort(3) may allocate). */
static bool sorted_has_duplicate(const scan *s, seen_key *k, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(s, k, i, count);
    for (size_t end = count - 1; end > 0; end--) {
        seen_key t = k[0];
        k[0] = k[end];
        k[end] = t;
        sift_down(s, k, 0, end);
    }
    for (size_t i = 1; i < count; i++)
        if (key_order(s, k[i - 1], k[i]) == 0)
            return true;
    return false;
}

static bool has_duplicate(const scan *s, seen_key *k, size_t count)
{
    if (count > PAIRWISE_MAX)
        return sorted_has_duplicate(s, k, count);
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (k[i].print == k[j].print && key_order(s, k[i], k[j]) == 0)
                return true;
    return false;
}

static sut_envelope_fault scan_open(scan *s, const sut_mp_item *item)
{
    if (s->depth == SUT_MSGPACK_DEPTH_MAX)
        return SUT_ENV_DEPTH;
    bool is_map = item->type == SUT_MP_MAP;
    if (is_map && (item->v.count > KEYS_A_MAP_MAX || s->key_count + item->v.count > KEYS_OPEN_MAX))
        return SUT_ENV_RANGE;
    s->open[s->depth++] = (open_container){item->v.count, (uint16_t)s->key_count, is_map};
    return SUT_ENV_OK;
}

static sut_envelope_fault scan_key(scan *s)
{
    uint32_t at = (uint32_t)(s->in.at - s->start);
    sut_mp_item item;
    sut_envelope_fault fault = sut_mp_next(&s->in, &item);
    if (fault)
        return fault;
    if (item.type != SUT_MP_STR)
        return SUT_ENV_TYPE;
    if (!sut_mp_utf8(item.v.s.ptr, item.v.s.len))
        return SUT_ENV_UTF8;
    s->keys[s->key_count++] = (seen_key){print_of(item.v.s), at};
    return SUT_ENV_OK;
}

static sut_envelope_fault scan_value(scan *s)
{
    sut_mp_item item;
    sut_envelope_fault fault = sut_mp_next(&s->in, &item);
    if (fault)
        return fault;
    if (item.type == SUT_MP_STR)
        return sut_mp_utf8(item.v.s.ptr, item.v.s.len) ? SUT_ENV_OK : SUT_ENV_UTF8;
    if (item.type == SUT_MP_ARRAY || item.type == SUT_MP_MAP)
        return scan_open(s, &item);
    return SUT_ENV_OK;
}

static sut_envelope_fault scan_all(scan *s)
{
    while (s->depth > 0) {
        open_container *c = &s->open[s->depth - 1];
        sut_envelope_fault fault = SUT_ENV_OK;
        if (c->left > 0) {
            c->left--;
            if (c->is_map)
                fault = scan_key(s);
            if (!fault)
                fault = scan_value(s);
        } else {
            if (c->is_map && has_duplicate(s, s->keys + c->first_key, s->key_count - c->first_key))
                fault = SUT_ENV_DUPLICATE_KEY;
            s->key_count = c->is_map ? c->first_key : s->key_count;
            s->depth--;
        }
        if (fault)
            return fault;
    }
    return s->in.at == s->in.end ? SUT_ENV_OK : SUT_ENV_TAIL;
}

sut_envelope_fault sut_body_scan(sut_str body)
{
    if (body.len == 0)
        return SUT_ENV_OK;
    if (body.len > SUT_ENVELOPE_MAX)
        return SUT_ENV_TOO_LARGE;
    scan s;
    s.in = sut_mp_in_of(body);
    s.start = s.in.at;
    s.depth = 0;
    s.key_count = 0;
    sut_mp_item top;
    sut_envelope_fault fault = sut_mp_next(&s.in, &top);
    if (!fault && top.type != SUT_MP_MAP)
        fault = SUT_ENV_TYPE;
    if (!fault)
        fault = scan_open(&s, &top);
    return fault ? fault : scan_all(&s);
}
