"""Rows about many events: the broker's memory over ten million with a subscriber that stands still, and its start with a
journal of five gigabytes."""

import os
import signal
import subprocess
import time

import stack

BODY = "1000"  # bytes of an event: the journal is to be large soon
WINDOW = "10000"


def anonymous_kb(pid):
    """Without the journal's file, whose pages the kernel may take back as it likes."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def journal_bytes(s):
    return os.stat(f"{s.run}/journal/data.mdb").st_blocks * 512


def stopped_subscribers(s):
    """A member of a group and an ephemeral subscriber, stopped once they have subscribed."""
    environment = dict(os.environ, SUT_RUN_DIR=s.run)
    found = []
    for more in (["--group", "stands-still"], []):
        found.append(subprocess.Popen([f"{s.bin}/sut", "--run", s.run, "subscribe", "probe.sent", *more], env=environment,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    stack.wait_until(lambda: s.sut("call", "broker.subscriptions", "{}", "--json").stdout.count('"peer":"operator"') == 2, 20,
                     "the subscribers")
    for process in found:
        process.send_signal(signal.SIGSTOP)
    return found


def end(processes):
    for process in processes:
        process.kill()
        process.wait()


def flat_memory(s, ours, row, events):
    warm = max(events // 10, 1_000_000)  # until the ids that are remembered, the group's window and the capture's memory are full
    stopped = stopped_subscribers(s)
    try:
        ours("publish", warm, WINDOW, BODY)
        before = anonymous_kb(s.pid("broker"))
        for _ in range(events // warm - 1):
            ours("publish", warm, WINDOW, BODY)
        after = anonymous_kb(s.pid("broker"))
    finally:
        end(stopped)
    row(f"broker memory after {events / 1e6:g} M events", after / 1024, "MiB", f"after {warm / 1e6:g} M", before / 1024, 1.05, at_most=True,
        note="two subscribers stand still")


def start_seconds(s):
    """From the broker's exec to its first answer, the journal not in the page cache where we may empty it."""
    s.sv("stop", "broker")
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")
    except OSError:
        pass
    begun = time.monotonic()
    s.sv("start", "broker", check=False)
    while s.sut("ping", check=False).returncode:
        pass
    return time.monotonic() - begun


def measure(s, ours, row, quick):
    flat_memory(s, ours, row, 3_000_000 if quick else 10_000_000)
    least = (1 if quick else 5) * 1e9
    while journal_bytes(s) < least:
        ours("publish", 200_000, WINDOW, BODY)
    row(f"start with a journal of {journal_bytes(s) / 1e9:.1f} GB", sorted(start_seconds(s) for _ in range(3))[1], "s", None, None, 2,
        at_most=True)
