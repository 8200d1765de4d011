/* One shared rendering under a lock, a version number beside it, and a copy a thread. */
#include "health_page.h"

#include "base/clock.h"
#include "base/health.h"
#include "wire/msgpack.h"
#include "wire/record.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define FRESH_NS      (100 * SUT_NS_PER_MS)
#define HEAD_SIZE     512
#define PAGE_SIZE     16384
#define TIMESTAMP_LEN 24 /* milliseconds, as Date.toISOString() of the seed writes them */

typedef struct rendering {
    uint64_t version; /* 0: none yet */
    size_t head_len, body_len;
    char head[HEAD_SIZE], body[PAGE_SIZE];
} rendering;

struct sut_health_page {
    pthread_mutex_t lock;
    rendering shared;
    _Atomic uint64_t version, rendered_ns;
    uint64_t started_ns;
    atomic_bool draining;
    sut_buf packed, json;
};

sut_status sut_health_page_new(sut_health_page **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return SUT_TRACE(-ENOMEM, "health page");
    (void)pthread_mutex_init(&(*out)->lock, NULL);
    sut_buf_init(&(*out)->packed, PAGE_SIZE);
    sut_buf_init(&(*out)->json, PAGE_SIZE);
    (*out)->started_ns = sut_now_ns();
    return 0;
}

sut_health_page *sut_health_page_free(sut_health_page *p)
{
    if (p) {
        (void)pthread_mutex_destroy(&p->lock);
        sut_buf_deinit(&p->packed);
        sut_buf_deinit(&p->json);
        free(p);
    }
    return NULL;
}

void sut_health_page_drain(sut_health_page *p)
{
    atomic_store(&p->draining, true);
    atomic_store(&p->rendered_ns, 0);
}

static sut_status add_text(sut_buf *b, const char *key, sut_str value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(key));
    return st ? st : sut_mp_add_str(b, value);
}

static sut_status add_dependency(sut_buf *b, const sut_health_item *it)
{
    char since[SUT_RFC3339_SIZE];
    sut_rfc3339(it->since_us, since);
    sut_status st = sut_mp_add_str(b, sut_str_from(it->name));
    if (st == 0)
        st = sut_mp_add_map(b, it->detail[0] ? 4 : 3);
    if (st == 0)
        st = add_text(b, "status", sut_str_from(sut_health_state_name(it->state)));
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("required"));
    if (st == 0)
        st = sut_mp_add_bool(b, it->required);
    if (st == 0)
        st = add_text(b, "since", sut_str_from(since));
    if (st == 0 && it->detail[0])
        st = add_text(b, "detail", sut_str_from(it->detail));
    return st;
}

/* The milliseconds of a time with microseconds: "…05.678901Z" → "…05.678Z". */
static sut_str timestamp(char text[SUT_RFC3339_SIZE])
{
    sut_rfc3339(sut_wall_us(), text);
    text[TIMESTAMP_LEN - 1] = 'Z';
    return (sut_str){text, TIMESTAMP_LEN};
}

static sut_status pack(sut_health_page *p, sut_buf *b, const char *status)
{
    sut_health_item items[SUT_HEALTH_MAX];
    size_t count = sut_health_list(items);
    char now[SUT_RFC3339_SIZE];
    uint64_t uptime_ms = (sut_now_ns() - p->started_ns) / SUT_NS_PER_MS;
    sut_status st = sut_mp_add_map(b, 5);
    if (st == 0)
        st = add_text(b, "status", sut_str_from(status));
    if (st == 0)
        st = add_text(b, "timestamp", timestamp(now));
    if (st == 0)
        st = add_text(b, "version", SUT_STR(SUT_VERSION));
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("uptime"));
    if (st == 0)
        st = sut_mp_add_f64(b, (double)uptime_ms / 1000);
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("dependencies"));
    if (st == 0)
        st = sut_mp_add_map(b, count);
    for (size_t i = 0; i < count && st == 0; i++)
        st = add_dependency(b, &items[i]);
    return st;
}

static void render(sut_health_page *p, uint64_t now_ns)
{
    bool draining = atomic_load(&p->draining);
    sut_health_state state = sut_health_overall();
    bool usable = !draining && (state == SUT_HEALTH_UP || state == SUT_HEALTH_DEGRADED);
    const char *status = draining                       ? "draining"
                         : state == SUT_HEALTH_UP       ? "healthy"
                         : state == SUT_HEALTH_DEGRADED ? "degraded"
                                                        : "unhealthy";
    sut_buf_reset(&p->packed);
    sut_buf_reset(&p->json);
    sut_status st = pack(p, &p->packed, status);
    if (st == 0)
        st = sut_msgpack_to_json((sut_str){(const char *)p->packed.data, p->packed.len}, &p->json);
    if (st || p->json.len > PAGE_SIZE) {
        usable = false;
        sut_buf_reset(&p->json);
    }
    rendering *r = &p->shared;
    r->body_len = p->json.len;
    if (r->body_len > 0)
        memcpy(r->body, p->json.data, r->body_len);
    int n =
        snprintf(r->head, sizeof(r->head),
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n%s",
                 usable ? "200 OK" : "503 Service Unavailable", r->body_len, usable ? "" : "Retry-After: 1\r\n");
    r->head_len = n > 0 ? (size_t)n : 0;
    r->version++;
    atomic_store_explicit(&p->rendered_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&p->version, r->version, memory_order_release);
}

static void copy(const rendering *from, rendering *to)
{
    to->version = from->version;
    to->head_len = from->head_len;
    to->body_len = from->body_len;
    memcpy(to->head, from->head, from->head_len);
    memcpy(to->body, from->body, from->body_len);
}

static bool is_stale(const sut_health_page *p, uint64_t now_ns)
{
    return now_ns >= atomic_load_explicit(&p->rendered_ns, memory_order_relaxed) + FRESH_NS;
}

void sut_health_page_answer(sut_health_page *p, sut_exchange *x)
{
    rendering *mine = x->health_copy;
    if (!mine)
        mine = x->health_copy = calloc(1, sizeof(*mine));
    if (!mine) {
        sut_exchange_send(x, &(sut_response){.status = 503, .retry_after_ms = 1000});
        return;
    }
    if (is_stale(p, x->begun_ns) || mine->version != atomic_load_explicit(&p->version, memory_order_acquire)) {
        (void)pthread_mutex_lock(&p->lock);
        if (is_stale(p, x->begun_ns))
            render(p, x->begun_ns);
        copy(&p->shared, mine);
        (void)pthread_mutex_unlock(&p->lock);
    }
    sut_exchange_send_rendered(x, (sut_str){mine->head, mine->head_len}, (sut_str){mine->body, mine->body_len});
}
