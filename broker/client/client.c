/* A client's life: options, its thread or the given loop, the hook that moves everything on, and the orderly end. */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES_A_TURN   16
#define BYTES_A_TURN    (8u << 10) /* then what they led to is sent, so that the peers work while we read on */
#define SCRATCH_MAX     (1u << 20)
#define LEAVE_LINGER_MS 1000 /* after bye, the last answers may still be on their way into the kernel */

void client_set_state(sut_client *c, sut_session_state state, const char *detail)
{
    pthread_mutex_lock(&c->lock);
    int before = atomic_exchange(&c->state, (int)state);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (before != (int)state && c->config.on_session && !c->closing)
        c->config.on_session(c->config.on_session_arg, state, detail);
}

sut_session_state sut_client_state(const sut_client *c)
{
    return (sut_session_state)atomic_load(&c->state);
}

/* ---- what a turn of the loop does ---- */

bool client_receive(sut_client *c)
{
    size_t bytes = 0;
    for (int i = 0; i < FRAMES_A_TURN && bytes < BYTES_A_TURN; i++) {
        client_frame frame = {.bytes = NULL};
        sut_status st = client_link_receive(&c->link, &frame);
        if (st == -EAGAIN)
            return i > 0;
        if (st != 0) {
            client_session_restart(c, "the socket gives no frame");
            return true;
        }
        bytes += frame.len;
        client_session_input(c, frame.bytes, frame.len);
        client_frame_done(&frame);
    }
    return true;
}

static void open_mail(sut_client *c, client_mail *m)
{
    switch (m->kind) {
    case MAIL_CALL: client_calls_submit(c, SUT_CONTAINER(m, client_call, mail)); break;
    case MAIL_CANCEL: {
        client_cancel_mail *cancel = SUT_CONTAINER(m, client_cancel_mail, mail);
        client_calls_cancel(c, cancel->id);
        free(cancel);
        break;
    }
    case MAIL_ANSWER: client_serve_answered(c, client_incoming_from_mail(m)); break;
    case MAIL_SERVE: client_serve_announce(c); break;
    case MAIL_BYE: client_serve_bye(c); break;
    case MAIL_TAP: client_taps_begin(c, m); break;
    case MAIL_TAP_END: client_taps_end(m); break;
    case MAIL_SUB: client_subs_begin(c, m); break;
    case MAIL_SUB_END: client_subs_end(m); break;
    case MAIL_SUB_PAUSE: client_subs_pause(m); break;
    case MAIL_DELIVERED: client_delivery_answered(c, m); break;
    case MAIL_PROGRESS: client_delivery_progress(c, m); break;
    }
}

static bool empty_mailbox(sut_client *c)
{
    client_mail *m = client_mailbox_take(c->mailbox);
    bool any = m != NULL;
    while (m) {
        client_mail *next = m->next;
        open_mail(c, m);
        m = next;
    }
    return any;
}

static bool on_turn(sut_hook *h, void *arg)
{
    (void)h;
    sut_client *c = arg;
    bool worked = empty_mailbox(c);
    worked |= client_receive(c); /* before the monitor: what came ahead of a disconnect still counts */
    for (client_link_event e; (e = client_link_next_event(&c->link)) != LINK_NOTHING; worked = true)
        client_session_link_event(c, e);
    worked |= client_calls_run_ended(c);
    client_subs_turn(c);
    worked |= client_outbox_flush(c);
    return worked || c->link.look;
}

/* First run on the loop's thread starts the client; later ones only wake the loop, whose hook does the work. */
static void on_wake(void *arg)
{
    sut_client *c = arg;
    if (c->session.phase != PHASE_STOPPED || c->closing)
        return;
    client_mailbox_bind(c->mailbox);
    (void)empty_mailbox(c);
    c->hook = (sut_hook){.fn = on_turn, .arg = c};
    sut_hook_add(c->loop, &c->hook);
    client_session_start(c);
}

/* Ends everything, on the client's thread (or when its loop runs no more). */
static void tear_down(sut_client *c)
{
    c->closing = true;
    (void)empty_mailbox(c);
    client_subs_turn(c);
    (void)client_outbox_flush(c);
    client_session_stop(c, c->serving.leaving ? LEAVE_LINGER_MS : 0);
    client_serve_session_lost(c);
    client_subs_leave(c); /* with taps, before the box is closed: from then on their owners free them themselves */
    client_taps_leave(c);
    client_mailbox_close(c->mailbox);
    (void)empty_mailbox(c);
    client_calls_end_all(c);
    sut_hook_remove(&c->hook);
    client_set_state(c, SUT_SESSION_DOWN, "closed");
}

static void *run_thread(void *arg)
{
    sut_client *c = arg;
    on_wake(c);
    sut_status st = sut_loop_run(c->loop);
    if (st != 0)
        sut_log(SUT_ERROR, CLIENT_LOG, "loop.failed", SUT_KV_I("status", st));
    tear_down(c);
    return NULL;
}

/* ---- life ---- */

static void destroy(sut_client *c)
{
    client_link_deinit(&c->link);
    client_calls_deinit(c);
    client_serve_deinit(c);
    client_subs_deinit(c);
    sut_arena_free(c->scratch);
    if (c->mailbox)
        client_mailbox_drop(c->mailbox);
    if (c->owns_loop)
        sut_loop_free(c->loop);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    client_config_deinit(&c->config);
    free(c);
}

static void init_lock(sut_client *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
}

static sut_status init_parts(sut_client *c, struct sut_loop *loop)
{
    sut_status st = 0;
    c->loop = loop;
    if (!loop) {
        st = sut_loop_new(&c->loop);
        c->owns_loop = st == 0;
    }
    if (st == 0)
        st = client_mailbox_new(&c->mailbox, c->loop, on_wake, c);
    if (st == 0)
        st = sut_arena_new(&c->scratch, SCRATCH_MAX);
    if (st == 0)
        st = client_calls_init(c);
    if (st == 0)
        st = client_serve_init(c);
    if (st == 0)
        st = client_subs_init(c);
    if (st == 0)
        st = client_link_init(&c->link);
    return st;
}

static sut_status start_thread(sut_client *c)
{
    sigset_t all, before;
    sut_loop_set_spin_us(c->loop, c->config.spin_us);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's, not ours */
    int err = pthread_create(&c->thread, NULL, run_thread, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err ? SUT_TRACE(-err, "client.thread") : 0;
}

sut_status sut_client_new(sut_client **out, const sut_client_options *opt, char *error, size_t error_size)
{
    *out = NULL;
    sut_client *c = calloc(1, sizeof *c);
    if (!c)
        return SUT_TRACE(-ENOMEM, "client.new");
    sut_status st = client_config_init(&c->config, opt, error, error_size);
    if (st != 0) {
        free(c);
        return st;
    }
    init_lock(c);
    sut_list_init(&c->outbox.urgent);
    sut_list_init(&c->outbox.calls);
    client_taps_init(c);
    atomic_init(&c->next_id, 1);
    st = init_parts(c, opt->loop);
    if (st == 0 && c->owns_loop)
        st = start_thread(c);
    if (st != 0) {
        if (error && error_size)
            snprintf(error, error_size, "cannot start a bus client: status %d", st);
        destroy(c);
        return st;
    }
    if (!c->owns_loop)
        client_mailbox_wake(c->mailbox);
    *out = c;
    return 0;
}

sut_client *sut_client_free(sut_client *c)
{
    if (!c)
        return NULL;
    if (c->owns_loop) {
        sut_loop_stop(c->loop);
        pthread_join(c->thread, NULL);
    } else {
        tear_down(c);
    }
    destroy(c);
    return NULL;
}

sut_status sut_client_wait_up(sut_client *c, uint32_t timeout_ms)
{
    if (client_on_loop(c))
        return -EDEADLK;
    uint64_t until = sut_now_ns() + timeout_ms * SUT_NS_PER_MS;
    struct timespec ts = {.tv_sec = (time_t)(until / SUT_NS_PER_S), .tv_nsec = (long)(until % SUT_NS_PER_S)};
    sut_status st = 0;
    pthread_mutex_lock(&c->lock);
    while (atomic_load(&c->state) == SUT_SESSION_DOWN && st == 0)
        st = pthread_cond_timedwait(&c->changed, &c->lock, &ts) == ETIMEDOUT ? -ETIMEDOUT : 0;
    int state = atomic_load(&c->state);
    pthread_mutex_unlock(&c->lock);
    if (state == SUT_SESSION_REFUSED)
        return -EACCES;
    return state == SUT_SESSION_UP ? 0 : st;
}

void sut_client_get_stats(sut_client *c, sut_client_stats *out)
{
    *out = (sut_client_stats){.sessions = atomic_load(&c->stats.sessions),
                              .calls = atomic_load(&c->stats.calls),
                              .replies = atomic_load(&c->stats.replies),
                              .errors = atomic_load(&c->stats.errors),
                              .retried = atomic_load(&c->stats.retried),
                              .bytes_out = atomic_load(&c->stats.bytes_out),
                              .bytes_in = atomic_load(&c->stats.bytes_in),
                              .published = atomic_load(&c->stats.published),
                              .delivered = atomic_load(&c->stats.delivered),
                              .in_flight = atomic_load(&c->accepted),
                              .serving = atomic_load(&c->stats.serving)};
}
