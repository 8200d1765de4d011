/* A subscription whose events are taken one by one on the main thread. */
#include "subscribe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTICES_MAX     4096 /* beside the events in hand */
#define CREDITS_LARGEST 4096

static void free_news(void *item)
{
    cli_news *n = item;
    if (n->delivery)
        sut_nack(n->delivery, 0, SUT_STR("unavailable"), SUT_STR("given back"));
    free(n);
}

/* The inbox holds more than the credits allow, so only notices can be too many: a lost marker is no loss. */
static void on_event(void *arg, sut_delivery *d)
{
    cli_feed *f = arg;
    cli_news *n = calloc(1, sizeof *n);
    if (n)
        n->delivery = d;
    if (!n || cli_inbox_put(f->inbox, n) != 0) {
        sut_nack(d, 0, SUT_STR("overloaded"), SUT_STR("no room"));
        free(n);
    }
}

static void on_notice(void *arg, const sut_sub_notice *notice)
{
    cli_feed *f = arg;
    cli_news *n = calloc(1, sizeof *n);
    if (!n)
        return;
    n->notice = *notice;
    snprintf(n->text, sizeof n->text, "%.*s", SUT_STR_FMT(notice->text));
    n->notice.text = sut_str_from(n->text);
    if (cli_inbox_put(f->inbox, n) != 0)
        free(n);
}

int cli_feed_open(cli_feed *f, sut_client *client, sut_subscribe *opt)
{
    *f = (cli_feed){.inbox = NULL};
    opt->on_event = on_event;
    opt->on_notice = on_notice;
    opt->arg = f;
    sut_status st = cli_inbox_new(&f->inbox, CREDITS_LARGEST + NOTICES_MAX, free_news);
    if (st == 0)
        st = sut_subscribe_start(client, opt, &f->subscription);
    if (st == 0)
        return 0;
    f->inbox = cli_inbox_free(f->inbox);
    cli_complain("subscribe: %s", strerror(-st));
    return st == -EINVAL ? SUT_EXIT_USAGE : SUT_EXIT_SOFTWARE;
}

cli_got cli_feed_take(cli_feed *f, int ms, cli_news **news)
{
    void *item = NULL;
    cli_got got = cli_inbox_take(f->inbox, ms, &item);
    *news = item;
    return got;
}

void cli_feed_close(cli_feed *f)
{
    if (f->subscription)
        f->subscription = sut_subscribe_end(f->subscription);
    f->inbox = cli_inbox_free(f->inbox);
}

int cli_say_notice(const cli_args *a, const sut_sub_notice *n, FILE *out)
{
    unsigned long long from = n->from, to = n->to, position = n->position;
    switch (n->news) {
    case SUT_SUB_UP:
        if (a->verbose)
            fprintf(stderr, "sut: subscribed, at %llu\n", position);
        break;
    case SUT_SUB_DOWN: fprintf(stderr, "sut: the connection is lost; goes on when it is back\n"); break;
    case SUT_SUB_GAP:
        fprintf(stderr, "sut: gap: %llu to %llu were missed: %.*s\n", from, to, SUT_STR_FMT(n->text));
        break;
    case SUT_SUB_MARKER:
        if (a->verbose)
            fprintf(stderr, "sut: current up to %llu\n", position);
        break;
    case SUT_SUB_REFUSED: {
        const sut_error_desc *e = sut_platform_error(n->err);
        sut_result r = {.err = n->err,
                        .code = sut_str_from(e ? e->code : "refused"),
                        .message = n->text,
                        .http_status = e ? (uint32_t)e->http_status : 0};
        return cli_complain_result(a, "subscribe", &r, out);
    }
    }
    return 0;
}
