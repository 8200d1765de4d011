/* A damaged page, or a disk that cannot read one, ends the process in words. LMDB believes what its pages say of
 * themselves and follows it inside the mapped file: a bad length or a page that cannot be read is then SIGSEGV, SIGBUS
 * or SIGFPE, and a structure that cannot be is an assertion of LMDB's. Going on is not possible (the writer may have
 * been in the middle of a page), but dying without a word is not needed either: the handlers say which file, where and
 * what to do, and exit as after any other I/O error. Signals that have nothing to do with a journal go where they went
 * before. */
#include "lmdb_engine.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
#include <unistd.h>

#define GUARDED_MAX 16
#define NEAR_BYTES  (1u << 20) /* how far outside of the map a bad length may lead */

typedef struct guarded {
    const engine *_Atomic of; /* NULL: free; set last, cleared first */
    atomic_uintptr_t start;   /* 0: not known yet */
    size_t bytes, page_size;
    char path[256];
} guarded;

static guarded s_guarded[GUARDED_MAX];
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static const int s_signals[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction s_before[SUT_ARRAY_LEN(s_signals)];
static bool s_installed;
static uintptr_t s_code_start, s_code_end; /* of LMDB */

/* Only what signal-safety(7) allows. */
static void put(char *line, size_t *len, size_t size, const char *text)
{
    while (*text && *len < size)
        line[(*len)++] = *text++;
}

static void put_number(char *line, size_t *len, size_t size, size_t n)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = 0;
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    put(line, len, size, digits + i);
}

static void say(const char *path, const char *what, size_t page)
{
    char line[768];
    size_t len = 0;
    put(line, &len, sizeof line, "error: the journal in ");
    put(line, &len, sizeof line, path);
    put(line, &len, sizeof line, " is damaged, or its disk cannot be read: ");
    put(line, &len, sizeof line, what);
    if (page) {
        put(line, &len, sizeof line, " near page ");
        put_number(line, &len, sizeof line, page);
    }
    put(line, &len, sizeof line, "; nothing was changed. `sut journal verify --dir ");
    put(line, &len, sizeof line, path);
    put(line, &len, sizeof line, "` tells more; docs/operations.md, A damaged journal, tells what to do\n");
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}

static const guarded *find(uintptr_t at, bool any)
{
    for (size_t i = 0; i < GUARDED_MAX; i++) {
        const guarded *g = &s_guarded[i];
        uintptr_t start = atomic_load(&g->start);
        if (atomic_load(&g->of) && (any || (start && at + NEAR_BYTES >= start && at < start + g->bytes + NEAR_BYTES)))
            return g;
    }
    return NULL;
}

static bool in_code(uintptr_t at)
{
    return at >= s_code_start && at < s_code_end;
}

/* Was it LMDB's own code, or memcpy called from there? A node that claims to be of another kind makes it follow
 * pointers that were never set, a page that claims to be longer than it is makes it copy too much. */
static bool in_lmdb(const void *context)
{
    const ucontext_t *c = context;
#if defined __x86_64__
    const uintptr_t sp = (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
    uintptr_t caller;
    memcpy(&caller, (const void *)sp, sizeof caller); // NOLINT(performance-no-int-to-ptr): a leaf function's return
    return in_code((uintptr_t)c->uc_mcontext.gregs[REG_RIP]) || in_code(caller);
#elif defined __aarch64__
    return in_code((uintptr_t)c->uc_mcontext.pc) || in_code((uintptr_t)c->uc_mcontext.regs[30]);
#else
    (void)c;
    return false;
#endif
}

static int find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    const uintptr_t known = (uintptr_t)mdb_env_open;
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD || known < start || known >= start + info->dlpi_phdr[i].p_memsz)
            continue;
        s_code_start = start;
        s_code_end = start + info->dlpi_phdr[i].p_memsz;
        return 1;
    }
    return 0;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *before = &s_before[signo == SIGBUS ? 1 : signo == SIGFPE ? 2 : 0];
    const uintptr_t at = (uintptr_t)info->si_addr;
    const guarded *g = find(at, in_lmdb(context));
    if (g) {
        uintptr_t start = atomic_load(&g->start);
        say(g->path, signo == SIGBUS ? "a page is not there" : "a page leads nowhere",
            at > start && at < start + g->bytes ? (at - start) / g->page_size : 0);
        _exit(SUT_EXIT_IO);
    }
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signo, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signo);
    } else {
        (void)sigaction(signo, before, NULL); /* the instruction is run again, and ends the process as it would have */
    }
}

static void on_assert(MDB_env *env, const char *message)
{
    const char *path = "?";
    char what[256];
    (void)mdb_env_get_path(env, &path);
    snprintf(what, sizeof what, "%.200s", message);
    what[strcspn(what, "\n")] = 0;
    say(path, what, 0);
    _exit(SUT_EXIT_IO);
}

static void install(void)
{
    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (s_installed)
        return;
    s_installed = true;
    (void)dl_iterate_phdr(find_code, NULL);
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_signals); i++)
        (void)sigaction(s_signals[i], &act, &s_before[i]);
}

void engine_guard(const engine *e, const char *path)
{
    (void)mdb_env_set_assert(e->env, on_assert);
    pthread_mutex_lock(&s_lock);
    install();
    for (size_t i = 0; i < GUARDED_MAX; i++) {
        guarded *g = &s_guarded[i];
        if (atomic_load(&g->of))
            continue;
        snprintf(g->path, sizeof g->path, "%s", path);
        atomic_store(&g->of, e);
        break;
    }
    pthread_mutex_unlock(&s_lock);
}

static guarded *slot_of(const engine *e)
{
    for (size_t i = 0; i < GUARDED_MAX; i++)
        if (atomic_load(&s_guarded[i].of) == e)
            return &s_guarded[i];
    return NULL;
}

void engine_guard_map(const engine *e)
{
    pthread_mutex_lock(&s_lock);
    guarded *g = slot_of(e);
    if (g) {
        g->bytes = e->map_bytes;
        g->page_size = e->page_size;
        atomic_store(&g->start, (uintptr_t)e->map);
    }
    pthread_mutex_unlock(&s_lock);
}

void engine_unguard(const engine *e)
{
    pthread_mutex_lock(&s_lock);
    guarded *g = slot_of(e);
    if (g) {
        atomic_store(&g->of, NULL);
        atomic_store(&g->start, 0);
    }
    pthread_mutex_unlock(&s_lock);
}
