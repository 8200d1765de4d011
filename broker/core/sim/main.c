/* core_sim: runs seeds of the simulator and says which fail. `core_sim --seeds 1 10000`; `core_sim --seed N --verbose`
 * replays one with a trace. Each seed may run twice (--twice) to show that equal seeds give equal outputs. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_DEFAULT 1000
#define SHOWN_MAX      10
#define COVERED_BY     1000

typedef struct settings {
    uint64_t first, count;
    uint32_t events, jobs;
    bool verbose, twice, stats;
} settings;

typedef struct totals {
    uint64_t hash, passed, failed, calls, replies, errors, failovers, executions, drops, deliveries;
    uint64_t by_error[SUT_ERR_PLATFORM_COUNT], by_drop[SIM_DROP_REASONS], paths[SIM_PATH_COUNT];
} totals;

static void usage(void)
{
    puts("core_sim: drives the broker's core through random worlds, each from one seed\n"
         "\n"
         "  core_sim [--seeds FIRST COUNT] [--seed N] [--events N] [--jobs N] [--twice] [--stats] [--verbose]\n"
         "\n"
         "  --seeds FIRST COUNT  run these seeds (default 1 1000)\n"
         "  --seed N             run one; with --verbose print a trace\n"
         "  --events N           events of a seed before the world calms down (default 1000)\n"
         "  --jobs N             processes to share the seeds (default 1)\n"
         "  --stats              say how often each rare way of events was taken\n"
         "  --twice              run each seed twice and compare all outputs");
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    int64_t v;
    if (!text || !sut_parse_i64(sut_str_from(text), 0, (int64_t)max, &v))
        return false;
    *out = (uint64_t)v;
    return true;
}

static bool parse(int argc, char **argv, settings *s)
{
    for (int i = 1; i < argc; i++) {
        sut_str arg = sut_str_from(argv[i]);
        uint64_t v = 0;
        if (sut_str_is(arg, "--verbose")) {
            s->verbose = true;
        } else if (sut_str_is(arg, "--stats")) {
            s->stats = true;
        } else if (sut_str_is(arg, "--twice")) {
            s->twice = true;
        } else if (sut_str_is(arg, "--seeds") && i + 2 < argc && number(argv[i + 1], INT64_MAX, &s->first) &&
                   number(argv[i + 2], INT64_MAX, &s->count)) {
            i += 2;
        } else if (sut_str_is(arg, "--seed") && number(argv[i + 1], INT64_MAX, &s->first)) {
            s->count = 1;
            i++;
        } else if (sut_str_is(arg, "--events") && number(argv[i + 1], 1000000, &v)) {
            s->events = (uint32_t)v;
            i++;
        } else if (sut_str_is(arg, "--jobs") && number(argv[i + 1], 64, &v) && v > 0) {
            s->jobs = (uint32_t)v;
            i++;
        } else {
            return false;
        }
    }
    return true;
}

/* The same seed in the world of events. */
static void run_events(const settings *s, uint64_t seed, sim_result *r, totals *t)
{
    sim_result events, again;
    sim_events_run(seed, &events);
    if (s->twice && events.ok) {
        sim_events_run(seed, &again);
        if (again.hash != events.hash) {
            events.ok = false;
            (void)snprintf(events.reason, sizeof(events.reason), "the same seed gave other events the second time");
        }
    }
    r->ok = events.ok;
    r->hash ^= events.hash;
    t->deliveries += events.executions;
    for (size_t i = 0; i < SIM_PATH_COUNT; i++)
        t->paths[i] += events.paths[i];
    if (!events.ok)
        (void)memcpy(r->reason, events.reason, sizeof(r->reason));
}

static void run_one(const settings *s, uint64_t seed, totals *t)
{
    sim_options options = {.seed = seed, .events = s->events, .verbose = s->verbose};
    sim_result r, again;
    sim_run(&options, &r);
    if (s->twice && r.ok) {
        sim_run(&options, &again);
        if (again.hash != r.hash) {
            r.ok = false;
            (void)snprintf(r.reason, sizeof(r.reason), "the same seed gave other outputs the second time");
        }
    }
    if (r.ok)
        run_events(s, seed, &r, t);
    t->hash += r.hash;
    t->passed += r.ok;
    t->failed += !r.ok;
    t->calls += r.calls;
    t->replies += r.replies;
    t->errors += r.errors;
    t->failovers += r.failovers;
    t->executions += r.executions;
    t->drops += r.drops;
    for (size_t i = 0; i < SUT_ERR_PLATFORM_COUNT; i++)
        t->by_error[i] += r.by_error[i];
    for (size_t i = 0; i < SIM_DROP_REASONS; i++)
        t->by_drop[i] += r.by_drop[i];
    if (!r.ok && t->failed <= SHOWN_MAX) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, r.reason);
        fprintf(stderr, "  replay: core_sim --seed %llu --events %u --verbose\n", (unsigned long long)seed, s->events);
    }
}

static totals run_share(const settings *s, uint32_t share)
{
    totals t = {0};
    for (uint64_t i = share; i < s->count; i += s->jobs)
        run_one(s, s->first + i, &t);
    return t;
}

static void add(totals *sum, const totals *t)
{
    sum->hash += t->hash;
    sum->passed += t->passed;
    sum->failed += t->failed;
    sum->calls += t->calls;
    sum->replies += t->replies;
    sum->errors += t->errors;
    sum->failovers += t->failovers;
    sum->executions += t->executions;
    sum->drops += t->drops;
    sum->deliveries += t->deliveries;
    for (size_t i = 0; i < SIM_PATH_COUNT; i++)
        sum->paths[i] += t->paths[i];
    for (size_t i = 0; i < SUT_ERR_PLATFORM_COUNT; i++)
        sum->by_error[i] += t->by_error[i];
    for (size_t i = 0; i < SIM_DROP_REASONS; i++)
        sum->by_drop[i] += t->by_drop[i];
}

/* Shares of all but the first process come back through a pipe; one that crashes counts as a failed seed. */
static bool run_all(const settings *s, totals *sum)
{
    int pipes[64][2];
    pid_t children[64];
    for (uint32_t i = 1; i < s->jobs; i++) {
        if (pipe(pipes[i]))
            return false;
        children[i] = fork();
        if (children[i] < 0)
            return false;
        if (children[i] == 0) {
            totals t = run_share(s, i);
            _exit(write(pipes[i][1], &t, sizeof(t)) == (ssize_t)sizeof(t) ? 0 : 1);
        }
        close(pipes[i][1]);
    }
    *sum = run_share(s, 0);
    for (uint32_t i = 1; i < s->jobs; i++) {
        totals t = {0};
        int status = 0;
        if (read(pipes[i][0], &t, sizeof(t)) != (ssize_t)sizeof(t))
            t = (totals){.failed = 1};
        close(pipes[i][0]);
        while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
            continue;
        add(sum, &t);
    }
    return true;
}

/* What was seen: a rule that nothing exercised shows as a missing name. */
static void print_totals(const settings *s, const totals *t)
{
    printf("seeds %llu to %llu: %llu calls, %llu replies, %llu errors, %llu failovers, %llu executions\n",
           (unsigned long long)s->first, (unsigned long long)(s->first + s->count - 1), (unsigned long long)t->calls,
           (unsigned long long)t->replies, (unsigned long long)t->errors, (unsigned long long)t->failovers,
           (unsigned long long)t->executions);
    printf("errors:");
    for (int i = 1; i < SUT_ERR_PLATFORM_COUNT; i++) {
        if (t->by_error[i] > 0)
            printf(" %s %llu", sut_platform_error(i)->code, (unsigned long long)t->by_error[i]);
    }
    printf("\ndrops:");
    for (size_t i = 0; i < SIM_DROP_REASONS; i++)
        printf(" %s %llu", sut_drop_reason_name((sut_drop_reason)i), (unsigned long long)t->by_drop[i]);
    printf("\nevents: %llu deliveries", (unsigned long long)t->deliveries);
    for (size_t i = 0; s->stats && i < SIM_PATH_COUNT; i++)
        printf(" %s %llu", sim_path_names[i], (unsigned long long)t->paths[i]);
    printf("\noutputs: %016llx\n%llu passed, %llu failed\n", (unsigned long long)t->hash, (unsigned long long)t->passed,
           (unsigned long long)t->failed);
}

/* So many seeds take every way, or the world has changed and proves less than it says. */
static bool all_covered(const totals *t)
{
    bool all = true;
    for (size_t i = 0; i < SIM_PATH_COUNT; i++) {
        if (t->paths[i] > 0)
            continue;
        fprintf(stderr, "no seed took the way '%s'\n", sim_path_names[i]);
        all = false;
    }
    return all;
}

int main(int argc, char **argv)
{
    settings s = {.first = 1, .count = 1000, .events = EVENTS_DEFAULT, .jobs = 1};
    totals t;
    if (!parse(argc, argv, &s)) {
        usage();
        return argc == 2 && sut_str_is(sut_str_from(argv[1]), "--help") ? SUT_EXIT_OK : SUT_EXIT_USAGE;
    }
    if (!run_all(&s, &t)) {
        perror("core_sim");
        return SUT_EXIT_SOFTWARE;
    }
    print_totals(&s, &t);
    if (s.count >= COVERED_BY && !all_covered(&t))
        return SUT_EXIT_SOFTWARE;
    return t.failed ? SUT_EXIT_SOFTWARE : SUT_EXIT_OK;
}
