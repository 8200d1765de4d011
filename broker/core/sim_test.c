/* A few hundred seeds of the simulator with every build (core_sim runs ten thousand), and that it is deterministic. */
#include "sim.h"

#include <criterion/criterion.h>

Test(sim, the_rules_hold_over_many_seeds, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        sim_result r;
        cr_expect(sim_run(&(sim_options){.seed = seed, .events = 1000}, &r), "seed %llu: %s", (unsigned long long)seed,
                  r.reason);
    }
}

Test(sim, equal_seeds_give_equal_outputs, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_result a, b;
        cr_assert(sim_run(&(sim_options){.seed = seed, .events = 500}, &a), "%s", a.reason);
        cr_assert(sim_run(&(sim_options){.seed = seed, .events = 500}, &b), "%s", b.reason);
        cr_assert_eq(a.hash, b.hash);
    }
}

Test(sim, the_rules_of_events_hold_over_many_seeds, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sim_result r;
        cr_expect(sim_events_run(seed, &r), "seed %llu: %s", (unsigned long long)seed, r.reason);
    }
}

Test(sim, equal_seeds_give_equal_events, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_result a, b;
        cr_assert(sim_events_run(seed, &a), "%s", a.reason);
        cr_assert(sim_events_run(seed, &b), "%s", b.reason);
        cr_assert_eq(a.hash, b.hash);
    }
}
