/* Fibers: switching, many of them, reuse and abandoning; and that the sanitizers see through a switch. */
#include "fiber.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define S_STACK (256u << 10)

static volatile int s_sink;
static long s_total;

__attribute__((noinline)) static int deep(int n)
{
    volatile char frame[200];
    memset((char *)(uintptr_t)frame, n, sizeof(frame));
    return n ? deep(n - 1) + frame[3] : frame[7];
}

static void work(void *arg)
{
    char kept[64];
    for (int i = 0; i < 50; i++) {
        memset(kept, i, sizeof(kept));
        s_sink += deep(20);
        sut_fiber_yield();
        s_total += kept[5] + (long)(intptr_t)arg;
    }
}

static sut_fiber *make(sut_fiber_fn fn, void *arg)
{
    sut_fiber *f = NULL;
    cr_assert_eq(sut_fiber_new(&f, S_STACK), 0);
    sut_fiber_start(f, fn, arg);
    return f;
}

static void run_to_end(sut_fiber *f)
{
    while (!sut_fiber_done(f)) {
        s_sink += deep(10);
        sut_fiber_resume(f);
    }
    sut_fiber_free(f);
}

Test(fiber, many_interleave_and_keep_their_locals, .timeout = 40)
{
    enum { COUNT = 200 };
    sut_fiber *f[COUNT];
    for (int i = 0; i < COUNT; i++)
        f[i] = make(work, (void *)(intptr_t)i);
    for (bool alive = true; alive;) {
        alive = false;
        for (int i = 0; i < COUNT; i++) {
            if (sut_fiber_done(f[i]))
                continue;
            sut_fiber_resume(f[i]);
            alive = true;
        }
    }
    for (int i = 0; i < COUNT; i++)
        sut_fiber_free(f[i]);
    cr_assert_eq(s_total, COUNT * (49 * 50 / 2) + 50L * (COUNT * (COUNT - 1) / 2));
}

Test(fiber, errno_and_current_belong_to_each_side, .timeout = 40)
{
    cr_assert_null(sut_fiber_current());
    sut_fiber *f = make(work, NULL);
    errno = EDOM;
    sut_fiber_resume(f);
    cr_assert_eq(errno, EDOM);
    cr_assert_null(sut_fiber_current());
    run_to_end(f);
}

Test(fiber, an_abandoned_stack_is_used_again, .timeout = 40)
{
    sut_fiber *f = make(work, NULL);
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < i % 7; k++)
            sut_fiber_resume(f);
        sut_fiber_start(f, work, NULL);
        sut_fiber_resume(f);
    }
    sut_fiber_free(f);
}

static void *thread_main(void *arg)
{
    run_to_end(make(work, arg));
    return NULL;
}

Test(fiber, each_thread_has_its_own, .timeout = 40)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        s_total = 0;
        cr_assert_eq(pthread_create(&t[i], NULL, thread_main, NULL), 0);
        pthread_join(t[i], NULL);
        cr_assert_eq(s_total, 49 * 50 / 2);
    }
}

/* ---- what must be found. Each runs in a child, which must not end well. ---- */

static bool child_dies(void (*fn)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(0);
        fn();
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void smash(void *arg)
{
    (void)arg;
    s_sink = deep(1000000);
}

static void smash_child(void)
{
    signal(SIGSEGV, SIG_DFL);
    run_to_end(make(smash, NULL));
}

Test(fiber, the_guard_page_stops_an_overflowing_stack, .timeout = 40)
{
    cr_assert(child_dies(smash_child));
}

#ifdef SUT_ASAN
__attribute__((noinline)) static void write_at(char *p, volatile int i)
{
    p[i] = 1;
}

static void overflow_after_park(void *arg)
{
    (void)arg;
    char b[16];
    memset(b, 0, sizeof(b));
    deep(3);
    sut_fiber_yield();
    write_at(b, 16);
    s_sink = b[0];
}

static void use_after_free(void *arg)
{
    (void)arg;
    char *volatile p = malloc(8);
    sut_fiber_yield();
    free((void *)p);
    sut_fiber_yield();
    s_sink = p[1];
}

__attribute__((noinline)) static char *dangling(void)
{
    char b[32];
    char *volatile p = b;
    memset(b, 1, sizeof(b));
    return p;
}

static void use_after_return(void *arg)
{
    (void)arg;
    char *p = dangling();
    sut_fiber_yield();
    s_sink = p[3];
}

static void overflow_child(void)
{
    run_to_end(make(overflow_after_park, NULL));
}

static void use_after_free_child(void)
{
    run_to_end(make(use_after_free, NULL));
}

static void use_after_return_child(void)
{
    run_to_end(make(use_after_return, NULL));
}

Test(fiber_asan, an_overflow_after_a_park_is_found, .timeout = 40)
{
    cr_assert(child_dies(overflow_child));
}

Test(fiber_asan, a_use_after_free_across_parks_is_found, .timeout = 40)
{
    cr_assert(child_dies(use_after_free_child));
}

static bool locals_are_on_fake_stacks(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    return options && strstr(options, "detect_stack_use_after_return=1");
}

Test(fiber_asan, a_use_after_return_is_found_where_the_option_is_on, .timeout = 40)
{
    if (!locals_are_on_fake_stacks())
        cr_skip_test("ASAN_OPTIONS lacks detect_stack_use_after_return=1");
    cr_assert(child_dies(use_after_return_child));
}

int __lsan_do_recoverable_leak_check(void);
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcriterion\n"; /* the runner's own, which a forked test inherits */
}

/* Its local has to be on the fiber's own stack: with detect_stack_use_after_return=1 it would be in a frame that ASan
 * allocates, and LeakSanitizer looks into those of the running stack only. */
__attribute__((no_sanitize("address"))) static void hold_memory(void *arg)
{
    (void)arg;
    char *volatile p = malloc(777);
    p[0] = 1;
    sut_fiber_yield();
    s_sink = p[0];
    free((void *)p);
}

/* Held by a parked fiber is reachable; after the fiber is freed it is not. */
static void held_is_no_leak_child(void)
{
    static sut_fiber *volatile f;
    f = make(hold_memory, NULL);
    sut_fiber_resume(f);
    _exit(__lsan_do_recoverable_leak_check() ? 1 : 0);
}

static void lost_is_a_leak_child(void)
{
    sut_fiber *f = make(hold_memory, NULL);
    sut_fiber_resume(f);
    sut_fiber_free(f);
    _exit(__lsan_do_recoverable_leak_check() ? 1 : 0);
}

Test(fiber_asan, memory_of_a_parked_fiber_is_no_leak, .timeout = 40)
{
    if (locals_are_on_fake_stacks())
        cr_skip_test("the leak check does not look at fake stacks of parked fibers");
    cr_assert_not(child_dies(held_is_no_leak_child));
}

Test(fiber_asan, memory_of_an_abandoned_fiber_is_a_leak, .timeout = 40)
{
    cr_assert(child_dies(lost_is_a_leak_child));
}
#endif

#ifdef SUT_TSAN
static long s_raced;

static void racer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        s_raced++;
        sut_fiber_yield();
    }
}

static void *race_thread(void *arg)
{
    (void)arg;
    run_to_end(make(racer, NULL));
    return NULL;
}

static void race_child(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, race_thread, NULL);
    pthread_create(&b, NULL, race_thread, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    exit(0); /* TSan's exit code for what it reported */
}

Test(fiber_tsan, a_race_between_fibers_of_two_threads_is_found, .timeout = 40)
{
    cr_assert(child_dies(race_child));
}
#endif
