/* A bounded queue between the client's thread and the main one, and the signals beside it. */
#include "inbox.h"
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct cli_inbox {
    pthread_mutex_t lock;
    void **items; /* a ring */
    size_t first, count, max;
    uint64_t lost;
    int wake; /* eventfd */
    void (*free_item)(void *item);
};

static struct {
    int fd;
    bool begun, asked;
} stop = {.fd = -1};

int cli_stop_begin(void)
{
    sigset_t set;
    if (stop.begun)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) == 0)
        stop.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    stop.begun = stop.fd >= 0;
    if (stop.begun)
        return 0;
    cli_complain("signals cannot be taken: %s", strerror(errno));
    return SUT_EXIT_SOFTWARE;
}

bool cli_stop_asked(void)
{
    struct signalfd_siginfo info;
    if (!stop.asked && stop.begun)
        stop.asked = read(stop.fd, &info, sizeof info) > 0;
    return stop.asked;
}

int cli_stop_fd(void)
{
    return stop.fd;
}

bool cli_stop_wait(uint32_t ms)
{
    struct pollfd p = {.fd = stop.fd, .events = POLLIN};
    if (!cli_stop_asked())
        (void)poll(&p, 1, (int)ms);
    return cli_stop_asked();
}

sut_status cli_inbox_new(cli_inbox **out, size_t max, void (*free_item)(void *item))
{
    cli_inbox *in = calloc(1, sizeof *in);
    if (!in)
        return -ENOMEM;
    in->items = calloc(max, sizeof *in->items);
    in->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!in->items || in->wake < 0) {
        if (in->wake >= 0)
            close(in->wake);
        free(in->items);
        free(in);
        return -ENOMEM;
    }
    in->max = max;
    in->free_item = free_item;
    pthread_mutex_init(&in->lock, NULL);
    *out = in;
    return 0;
}

static void *take_first(cli_inbox *in)
{
    void *item = NULL;
    pthread_mutex_lock(&in->lock);
    if (in->count) {
        item = in->items[in->first];
        in->first = (in->first + 1) % in->max;
        in->count--;
    }
    pthread_mutex_unlock(&in->lock);
    return item;
}

cli_inbox *cli_inbox_free(cli_inbox *in)
{
    void *item;
    if (!in)
        return NULL;
    while ((item = take_first(in)))
        in->free_item(item);
    close(in->wake);
    pthread_mutex_destroy(&in->lock);
    free(in->items);
    free(in);
    return NULL;
}

sut_status cli_inbox_put(cli_inbox *in, void *item)
{
    pthread_mutex_lock(&in->lock);
    bool full = in->count == in->max;
    if (full)
        in->lost++;
    else
        in->items[(in->first + in->count++) % in->max] = item;
    pthread_mutex_unlock(&in->lock);
    if (full)
        return -EAGAIN;
    uint64_t one = 1;
    ssize_t n = write(in->wake, &one, sizeof one); /* fails only when it is awake anyway */
    (void)n;
    return 0;
}

uint64_t cli_inbox_lost(cli_inbox *in)
{
    pthread_mutex_lock(&in->lock);
    uint64_t lost = in->lost;
    in->lost = 0;
    pthread_mutex_unlock(&in->lock);
    return lost;
}

cli_got cli_inbox_take(cli_inbox *in, int ms, void **item)
{
    struct pollfd p[2] = {{.fd = in->wake, .events = POLLIN}, {.fd = stop.fd, .events = POLLIN}};
    if (cli_stop_asked())
        return CLI_GOT_STOP;
    if ((*item = take_first(in)))
        return CLI_GOT_ITEM;
    if (poll(p, 2, ms) > 0) {
        uint64_t n;
        if (read(in->wake, &n, sizeof n) > 0)
            *item = take_first(in);
        if (*item)
            return CLI_GOT_ITEM;
    }
    return cli_stop_asked() ? CLI_GOT_STOP : CLI_GOT_NOTHING;
}
