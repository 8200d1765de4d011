/* One connection: hiredis's asynchronous context on our loop.
 *
 * Commands of one turn go out together: hiredis's wish to write is met by the hook before the loop's sleep, with one
 * write(2) and without touching epoll; EPOLLOUT is asked for only while connecting and when the socket is full. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

/* Adds and removes interest; the watch exists as long as the context does. */
static void want(sut_redis *r, unsigned add, unsigned remove)
{
    if (!r->watch.loop)
        return;
    if (sut_watch_modify(&r->watch, (r->watch.events | add) & ~remove))
        r->broken = true;
}

static void add_read(void *arg)
{
    want(arg, EPOLLIN, 0);
}

static void del_read(void *arg)
{
    want(arg, 0, EPOLLIN);
}

static void add_write(void *arg)
{
    sut_redis *r = arg;
    if (r->established && !r->writing)
        r->unflushed = true;
    else
        want(r, EPOLLOUT, 0);
}

static void del_write(void *arg)
{
    want(arg, 0, EPOLLOUT);
}

/* hiredis frees the context, whoever asked for it; what was outstanding has been called back before. */
static void cleanup(void *arg)
{
    sut_redis *r = arg;
    char why[sizeof r->detail];
    if (r->drop_why[0])
        (void)snprintf(why, sizeof why, "%s", r->drop_why);
    else
        (void)snprintf(why, sizeof why, "%s", r->link->errstr ? r->link->errstr : "the connection ended");
    sut_watch_stop(&r->watch);
    r->link = NULL;
    r->drop_why[0] = '\0';
    r->established = r->unflushed = r->broken = false;
    redis_link_gone(r, why);
}

static void connected(const redisAsyncContext *link, int status)
{
    sut_redis *r = link->data;
    if (status != REDIS_OK)
        return; /* cleanup follows */
    r->established = true;
    redis_link_up(r);
}

static void write_out(sut_redis *r)
{
    r->writing = true;
    redisAsyncHandleWrite(r->link);
    r->writing = false;
}

static void socket_ready(sut_watch *w, unsigned events, void *arg)
{
    (void)w;
    sut_redis *r = arg;
    bool outer = redis_enter(r);
    if (r->established && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        redisAsyncHandleRead(r->link);
    else
        write_out(r);
    if (r->link && r->established && (r->watch.events & events & EPOLLOUT))
        write_out(r);
    redis_leave(r, outer);
}

bool redis_link_flush(sut_redis *r)
{
    if (!r->unflushed)
        return false;
    r->unflushed = false;
    write_out(r);
    return r->link == NULL; /* lost: its callbacks may have made work for hooks that ran before this one */
}

sut_status redis_link_open(sut_redis *r, const char *address)
{
    redisAsyncContext *link = address ? redisAsyncConnect(address, r->url.port) : redisAsyncConnectUnix(r->url.path);
    if (!link)
        return -ENOMEM;
    r->dying = false;
    if (link->err) {
        (void)snprintf(r->drop_why, sizeof r->drop_why, "%s", link->errstr);
        redisAsyncFree(link);
        return -ECONNREFUSED;
    }
    sut_status st = sut_watch_start(r->loop, &r->watch, link->c.fd, EPOLLOUT, socket_ready, r);
    if (st) {
        (void)snprintf(r->drop_why, sizeof r->drop_why, "the connection cannot be watched");
        redisAsyncFree(link);
        return st;
    }
    link->data = link->ev.data = r;
    link->ev.addRead = add_read;
    link->ev.delRead = del_read;
    link->ev.addWrite = add_write;
    link->ev.delWrite = del_write;
    link->ev.cleanup = cleanup;
    r->link = link;
    (void)redisAsyncSetConnectCallback(link, connected); /* fails only if set before */
    return 0;
}

void redis_link_drop(sut_redis *r, const char *why)
{
    if (!r->link)
        return;
    if (!r->drop_why[0])
        (void)snprintf(r->drop_why, sizeof r->drop_why, "%s", why);
    r->dying = true;
    bool outer = redis_enter(r);
    redisAsyncFree(r->link); /* from inside a callback of hiredis: when that returns */
    redis_leave(r, outer);
}
