"""Mutations of the broker's core that its simulator must catch: each is one plausible mistake, made on a copy of one file
and linked in place of the real one. A mutation that survives means that the simulator does not prove what it says.

    tests/mutations/core.py [NAME…]     (scripts/ci/mutations builds what it needs first)
"""

import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build", "release")
SEEDS = 1000  # so many must also take every rare way

# name, file of broker/core, what is there, what is there instead
MUTATIONS = [
    ("cursor_not_saved_after_an_ack", "group_deliver.c",
     "        core_window_pop(e, &g->window);\n    core_group_dirty(c, g);",
     "        core_window_pop(e, &g->window);"),
    ("done_above_the_cursor_not_saved", "group_state.c",
     "i < p->done_count && b->len - start + 24 < room; i++) {",
     "i < p->done_count && b->len - start + 24 < 0 * room; i++) {"),
    ("stale_attempt_acked", "group_deliver.c",
     "if (entry && entry->state == CORE_ENTRY_OUT && entry->member == sub && entry->attempt == attempt)",
     "if (entry && entry->state == CORE_ENTRY_OUT && entry->member == sub && attempt > 0)"),
    ("credits_ignored", "group_member.c",
     "g->heap[0]->in_flight < g->heap[0]->credits ? g->heap[0] : NULL",
     "g->heap[0]->in_flight <= g->heap[0]->credits ? g->heap[0] : NULL"),
    ("pending_dropped_on_disconnect", "subscribe.c",
     "            core_entry_failed(c, g, entry, &fault);",
     "            core_tell_delivery(c, fault.outcome, g, sub, entry, NULL);\n"
     "            core_entry_take_back(c, g, entry);\n            core_entry_done(c, g, entry);"),
    ("order_of_a_key_ignored", "group_read.c",
     "    if (entry->lane && entry->lane->first != entry) {",
     "    if (entry->lane && entry->lane->first != entry && entry->sequence % 7 == 0) {"),
    ("nack_lets_the_next_one_overtake", "group_fail.c",
     "    entry->state = CORE_ENTRY_WAITING;\n",
     "    if (entry->lane && entry->lane_next && entry->lane_next->state == CORE_ENTRY_BLOCKED)\n"
     "        core_entry_ready(c, g, entry->lane_next, false);\n    entry->state = CORE_ENTRY_WAITING;\n"),
    ("one_delivery_too_many", "group_deliver.c",
     "    if (entry->attempt - before >= c->events->limits.max_deliveries) {",
     "    if (entry->attempt - before > c->events->limits.max_deliveries) {"),
    ("ack_wait_never_over", "group_deliver.c",
     "        if (entry->due_ns > c->now_ns)\n            break;", "        if (entry->due_ns > 0)\n            break;"),
    ("dead_letter_lost_when_the_journal_fails", "group_fail.c",
     "    if (status < 0) {\n        sut_list_push_front(&g->dying", "    if (status > 0) {\n        sut_list_push_front(&g->dying"),
    ("dead_letter_not_tried_again", "group_fail.c",
     "        if (!sut_list_empty(&g->dying))\n            core_group_later(c, g, CORE_AGAIN_MS);\n        return;",
     "        return;"),
    ("retention_says_nothing", "group_retain.c",
     "    g->missed_total += to - from + 1;\n", ""),
    ("bodies_that_are_gone_are_waited_for", "group_read.c",
     "    if (f->oldest > op->from)\n        core_group_lose_below(c, g, f->oldest);\n", ""),
    ("paced_event_follows_its_key_at_once", "group_deliver.c",
     "        if (next && next->state == CORE_ENTRY_BLOCKED)",
     "        if (next && next->state == CORE_ENTRY_PACED)\n            core_entry_unlist(c, g, next);\n        if (next)"),
    ("stopped_replay_counts_as_told", "group_replay.c",
     "    if (r->is_new && stopped) {", "    if (r->is_new && stopped && r->from > r->to) {"),
    ("replay_keeps_its_generation", "group_replay.c",
     "            g->generation = r->generation_before;\n", ""),
    ("replay_forgotten_by_a_restart", "group_state.c",
     "    out->on = true;\n", ""),
    ("pause_ignored", "group_deliver.c",
     "    if (!sub || g->paused || c->draining)\n        return false;",
     "    if (!sub || c->draining)\n        return false;"),
    ("subscribed_before_it_is_on_disk", "subscribe.c",
     "    if (g->stored)\n        core_subscription_answer(c, sub);", "    core_subscription_answer(c, sub);"),
    ("redriven_one_never_forgotten", "ack.c",
     "        sut_list_push_back(&g->forgets, &entry->trouble->forget->node);\n        entry->trouble->forget = NULL;\n", ""),
    ("redriven_one_begins_to_count_anew", "redrive.c",
     "    entry->attempt = t->first_attempt;", "    entry->attempt = 0;"),
    ("slow_one_is_not_told", "ephemeral.c",
     '    gap(c, sub, sub->missed_from, c->events->next - 1, "slow");\n', ""),
    ("marker_claims_too_much", "event_out.c",
     ".opt = {.sequence = c->events->next - 1}};", ".opt = {.sequence = c->events->next}};"),
    ("slow_one_gets_more_than_its_credits", "ephemeral.c",
     "    if (!sub->slow && sub->in_flight == sub->credits) {",
     "    if (!sub->slow && sub->in_flight == sub->credits && event->sequence % 5) {"),
    ("publish_not_answered_when_the_journal_is_busy", "publish.c",
     "        core_publish_refuse(c, s, env, &why);\n        return;\n    }\n    s->publishes_pending++;",
     "        return;\n    }\n    s->publishes_pending++;"),
    ("event_of_a_batch_loses_its_principal", "publish_batch.c",
     "    if (!from->has_principal)\n        return env->principal;", "    if (from)\n        return env->principal;"),
    ("copy_of_an_event_leaks", "group_deliver.c",
     "    core_event_unref(c->events, entry->copy);\n    entry->copy = NULL;", "    entry->copy = NULL;"),
    ("window_without_a_bound", "group_read.c",
     "    if (core_window_count(&g->window) >= e->limits.group_window)\n        return false;\n", ""),
]


def commands():
    listed = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "core_sim"], check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def compile_of(lines, name):
    source = os.path.join(ROOT, "broker", "core", name)
    for line in lines:
        words = shlex.split(line)
        if "-c" in words and os.path.realpath(os.path.join(BUILD, words[words.index("-c") + 1])) == os.path.realpath(source):
            return words
    raise SystemExit(f"{name} is not compiled for core_sim")


def mutant(lines, folder, mutation):
    """Makes the executable; returns its path."""
    name, file, before, after = mutation
    with open(os.path.join(ROOT, "broker", "core", file), encoding="utf-8") as f:
        text = f.read()
    if text.count(before) != 1:
        raise SystemExit(f"{name}: {file} has changed; what it replaces is there {text.count(before)} times")
    source, obj, exe = (os.path.join(folder, name + end) for end in (".c", ".o", ""))
    with open(source, "w", encoding="utf-8") as f:
        f.write(text.replace(before, after))
    words = [w for w in compile_of(lines, file) if not re.fullmatch(r"-Werror|-MD|.*ccache", w)]
    words = drop_with_value(words, ("-MT", "-MF", "-o", "-c"))
    subprocess.run(words + ["-w", "-iquote", os.path.join(ROOT, "broker", "core"), "-o", obj, "-c", source], cwd=BUILD,
                   check=True)
    link = [w for w in shlex.split(lines[-1].replace(" && :", "").replace(": && ", ""))]
    at = link.index("-o")
    link[at + 1] = exe
    subprocess.run(link[:at] + [obj] + link[at:], cwd=BUILD, check=True)
    return exe


def drop_with_value(words, options):
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in options:
            skip = True
        else:
            kept.append(word)
    return kept


def caught(lines, folder, mutation):
    exe = mutant(lines, folder, mutation)
    try:
        run = subprocess.run([exe, "--seeds", "1", str(SEEDS)], capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "it hangs"
    if run.returncode == 0:
        return None
    first = run.stderr.splitlines()
    return first[0] if first else f"ends with {run.returncode}"


def main():
    wanted = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not wanted or m[0] in wanted]
    if wanted and len(chosen) != len(wanted):
        raise SystemExit("no such mutation; there are: " + " ".join(m[0] for m in MUTATIONS))
    lines, survived = commands(), 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for mutation, how in zip(chosen, pool.map(lambda m: caught(lines, folder, m), chosen)):
            survived += how is None
            print(f"{'SURVIVED' if how is None else 'caught':8} {mutation[0]}: {how or 'no seed noticed'}", flush=True)
    print(f"{len(chosen) - survived} passed, {survived} failed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
