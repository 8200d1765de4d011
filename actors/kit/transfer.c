/* The loop as libcurl's event loop (curl_multi_socket_action(3)): it says which descriptors to watch and when to wake
 * it, and is told what happened. */
#include "kit/transfer.h"

#include "request.h"
#include "runtime.h"
#include "transfer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define S_CONNECTIONS_MAX 32L /* the rest waits its turn, so that a crowd is not refused by a short backlog */

struct sut_transfers {
    sut_loop *loop;
    CURLM *multi;
    sut_timer timer;
    sut_node sockets; /* s_socket: all that libcurl wants watched */
    size_t running;
};

typedef struct s_socket {
    sut_node node;
    sut_watch watch;
} s_socket;

/* In the frame of the fiber that waits. */
typedef struct s_transfer {
    sut_request *rq;
    bool done;
    CURLcode code;
} s_transfer;

/* ---- libcurl → loop ---- */

static void s_collect(struct sut_transfers *t)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(t->multi, &left)) != NULL;) {
        s_transfer *transfer = NULL;
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&transfer) ||
            !transfer)
            continue;
        transfer->code = m->data.result;
        transfer->done = true;
        sut_request_wake(transfer->rq, 0);
    }
}

static void s_act(struct sut_transfers *t, curl_socket_t fd, int what)
{
    int running;
    (void)curl_multi_socket_action(t->multi, fd, what, &running); /* a transfer's own failure is in its message */
    s_collect(t);
}

static void s_on_ready(sut_watch *w, unsigned events, void *arg)
{
    int what = 0;
    if (events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    s_act(arg, w->fd, what); /* may free w */
}

static void s_on_time(sut_timer *timer, void *arg)
{
    (void)timer;
    s_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int s_want_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct sut_transfers *t = arg;
    (void)multi;
    if (timeout_ms < 0)
        sut_timer_stop(&t->timer);
    else if (sut_timer_start_ms(t->loop, &t->timer, (uint64_t)timeout_ms, s_on_time, t))
        return -1;
    return 0;
}

static void s_socket_free(s_socket *s)
{
    sut_watch_stop(&s->watch);
    sut_node_unlink(&s->node);
    free(s);
}

static int s_want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct sut_transfers *t = arg;
    s_socket *s = known;
    unsigned events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            s_socket_free(s);
        return 0;
    }
    if (s)
        return sut_watch_modify(&s->watch, events) ? -1 : 0;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    sut_list_push_back(&t->sockets, &s->node);
    if (sut_watch_start(t->loop, &s->watch, fd, events, s_on_ready, t) || curl_multi_assign(t->multi, fd, s)) {
        s_socket_free(s);
        return -1;
    }
    return 0;
}

/* ---- one process's ---- */

/* NULL: it cannot be. */
static struct sut_transfers *s_transfers_new(sut_loop *loop)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return NULL;
    struct sut_transfers *t = calloc(1, sizeof(*t));
    if (t)
        t->multi = curl_multi_init();
    if (!t || !t->multi) {
        free(t);
        return NULL;
    }
    t->loop = loop;
    sut_list_init(&t->sockets);
    if (curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, s_want_socket) ||
        curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t) ||
        curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, s_want_timer) ||
        curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t) ||
        curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, S_CONNECTIONS_MAX) || /* kept idle */
        curl_multi_setopt(t->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, S_CONNECTIONS_MAX)) {
        sut_transfers_free(t);
        return NULL;
    }
    return t;
}

struct sut_transfers *sut_transfers_free(struct sut_transfers *t)
{
    if (!t)
        return NULL;
    curl_multi_cleanup(t->multi);
    for (sut_node *node; (node = sut_list_pop_front(&t->sockets)) != NULL;) {
        s_socket *s = SUT_CONTAINER(node, s_socket, node);
        sut_watch_stop(&s->watch);
        free(s);
    }
    sut_timer_stop(&t->timer);
    free(t);
    return NULL;
}

/* ---- one transfer ---- */

static bool s_add(struct sut_transfers *t, CURL *easy, s_transfer *transfer)
{
    /* Without QUICK_EXIT, giving up a name that is being looked up would block the loop until the resolver answers. */
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_multi_add_handle(t->multi, easy) == CURLM_OK;
}

sut_status sut_transfer(sut_request *rq, void *easy, int *curl_code)
{
    sut_runtime *rt = rq->runtime;
    s_transfer transfer = {.rq = rq};
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    struct sut_transfers *t = rt->transfers ? rt->transfers : s_transfers_new(rt->loop);
    rt->transfers = t;
    if (!t)
        return sut_fail_internal(rq, "libcurl cannot be used");
    if (t->running >= SUT_TRANSFERS_MAX)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too many transfers are under way.");
    if (!s_add(t, easy, &transfer))
        return sut_fail_internal(rq, "libcurl does not take a transfer");
    t->running++;
    st = sut_request_park(rq);
    t->running--;
    (void)curl_multi_remove_handle(t->multi, easy);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
    if (!transfer.done)
        return st ? sut_request_say_interrupted(rq, st) : sut_fail_internal(rq, "a transfer's fiber woke too soon");
    *curl_code = (int)transfer.code;
    return 0;
}
