/* Switching between a thread's own stack and fibers, with all that the sanitizers must be told.
 *
 * A switch is __builtin_setjmp here and __builtin_longjmp there: 25 ns a round trip and no system call. swapcontext
 * makes two system calls, so it serves the first entry only: a fiber whose function has returned rests, and
 * takes its next one there. libc's longjmp is no choice: it aborts under _FORTIFY_SOURCE when it jumps to another
 * stack, and it makes AddressSanitizer blind to overflows of locals that were alive across a park.
 *
 * This file is built without instrumentation, link-time optimisation and _FORTIFY_SOURCE (CMakeLists.txt); SUT_ASAN and
 * SUT_TSAN come from the build, since __has_feature would say no here. The order that the sanitizers want: leaving,
 * start_switch_fiber (ASan) and switch_to_fiber (TSan) between the setjmp and the jump; arriving, finish_switch_fiber
 * before anything else. */
#include "fiber.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef SUT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef SUT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

typedef struct s_context {
    void *env[5];      /* __builtin_setjmp's buffer */
    void *fake_stack;  /* ASan's, while switched away */
    const void *stack; /* lowest address; of a thread: learnt at the first arrival in a fiber */
    size_t stack_bytes;
    void *tsan;
} s_context;

struct sut_fiber {
    s_context context;
    void *map;
    size_t map_bytes;
    sut_fiber_fn fn;
    void *arg;
    bool fresh; /* the next resume enters it anew */
    bool done;
    bool at_rest; /* parked in s_entry, where it takes its next function without being entered anew */
};

static __thread s_context s_thread;
static __thread sut_fiber *s_running;

/* Each setjmp needs its jump in another function. */
__attribute__((noinline, noreturn)) static void s_jump(void **env)
{
    __builtin_longjmp(env, 1);
}

static inline __attribute__((always_inline)) void s_leave(s_context *from, const s_context *to, bool for_ever)
{
    (void)from;
    (void)to;
    (void)for_ever;
#ifdef SUT_ASAN
    __sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef SUT_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

static inline __attribute__((always_inline)) void s_arrive(s_context *self, s_context *from)
{
    (void)self;
    (void)from;
#ifdef SUT_ASAN
    const void *stack;
    size_t bytes;
    __sanitizer_finish_switch_fiber(self->fake_stack, &stack, &bytes);
    if (from && !from->stack) {
        from->stack = stack;
        from->stack_bytes = bytes;
    }
#endif
}

#if defined(SUT_ASAN) || defined(SUT_TSAN)
/* Each use is a fiber of its own to a sanitizer: its fake stack and shadow end with it. */
static void s_end_of_use(sut_fiber *f)
{
    s_leave(&f->context, &s_thread, true);
    s_jump(s_thread.env);
}
#else
static void s_end_of_use(sut_fiber *f)
{
    f->at_rest = true;
    sut_fiber_yield();
    f->at_rest = false;
}
#endif

static void s_entry(unsigned high, unsigned low)
{
    sut_fiber *f = (sut_fiber *)(((uintptr_t)high << 32) | low);
    f->context.fake_stack = NULL;
    s_arrive(&f->context, &s_thread);
    for (;;) {
        f->fn(f->arg);
        f->done = true;
        s_end_of_use(f);
    }
}

/* The ucontexts are a thread's: one is needed only while a fiber is entered for the first time. */
static void s_enter(sut_fiber *f)
{
    static __thread ucontext_t here, there;
    if (getcontext(&there))
        abort();
    there.uc_stack.ss_sp = (void *)(uintptr_t)f->context.stack;
    there.uc_stack.ss_size = f->context.stack_bytes;
    there.uc_link = NULL;
    makecontext(&there, (void (*)(void))s_entry, 2, (unsigned)((uintptr_t)f >> 32), (unsigned)(uintptr_t)f);
    s_leave(&s_thread, &f->context, false);
    if (swapcontext(&here, &there))
        abort();
}

__attribute__((noinline)) void sut_fiber_resume(sut_fiber *f)
{
    volatile int saved_errno = errno;
    s_running = f;
#ifdef SUT_TSAN
    s_thread.tsan = __tsan_get_current_fiber();
#endif
    if (!__builtin_setjmp(s_thread.env)) {
        if (f->fresh) {
            f->fresh = false;
            s_enter(f);
        } else {
            s_leave(&s_thread, &f->context, false);
            s_jump(f->context.env);
        }
    }
    s_arrive(&s_thread, NULL);
    s_running = NULL;
    errno = saved_errno;
}

__attribute__((noinline)) void sut_fiber_yield(void)
{
    sut_fiber *f = s_running;
    if (!__builtin_setjmp(f->context.env)) {
        s_leave(&f->context, &s_thread, false);
        s_jump(s_thread.env);
    }
    s_arrive(&s_running->context, &s_thread);
}

sut_fiber *sut_fiber_current(void)
{
    return s_running;
}

bool sut_fiber_done(const sut_fiber *f)
{
    return f->done;
}

void sut_fiber_start(sut_fiber *f, sut_fiber_fn fn, void *arg)
{
    f->fn = fn;
    f->arg = arg;
    f->done = false;
    f->fresh = !f->at_rest;
#ifdef SUT_TSAN
    if (f->context.tsan)
        __tsan_destroy_fiber(f->context.tsan);
    f->context.tsan = __tsan_create_fiber(0);
#endif
#ifdef SUT_ASAN
    __asan_unpoison_memory_region(f->context.stack, f->context.stack_bytes);
#endif
}

sut_status sut_fiber_new(sut_fiber **out, size_t stack_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    stack_bytes = (stack_bytes + page - 1) / page * page;
    sut_fiber *f = calloc(1, sizeof(*f));
    if (!f)
        return SUT_TRACE(-ENOMEM, "fiber");
    f->map_bytes = stack_bytes + page;
    f->map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE,
                  -1, 0);
    if (f->map == MAP_FAILED) {
        int error = errno;
        free(f);
        return SUT_TRACE(-error, "mmap of a fiber's stack");
    }
    if (mprotect(f->map, page, PROT_NONE)) {
        int error = errno;
        munmap(f->map, f->map_bytes);
        free(f);
        return SUT_TRACE(-error, "guard page of a fiber's stack");
    }
    f->context.stack = (char *)f->map + page;
    f->context.stack_bytes = stack_bytes;
    f->done = true;
#ifdef SUT_ASAN
    __lsan_register_root_region(f->context.stack, f->context.stack_bytes);
#endif
    *out = f;
    return 0;
}

sut_fiber *sut_fiber_free(sut_fiber *f)
{
    if (!f)
        return NULL;
#ifdef SUT_TSAN
    if (f->context.tsan)
        __tsan_destroy_fiber(f->context.tsan);
#endif
#ifdef SUT_ASAN
    __lsan_unregister_root_region(f->context.stack, f->context.stack_bytes);
    __asan_unpoison_memory_region(f->context.stack, f->context.stack_bytes);
#endif
    munmap(f->map, f->map_bytes);
    free(f);
    return NULL;
}
