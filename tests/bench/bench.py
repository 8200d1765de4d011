"""Runs the rows of docs/performance.md, each side by side with its peer in this run, and says which bars hold.

Absolute figures are this machine's, today's; only the ratios mean something elsewhere."""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import people
import stack
import volume

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(stack.ROOT, "build", "release", "bin")
ROWS = []


class Missing(Exception):
    """A peer that is not on this machine: the row is reported without a ratio."""


def row(name, ours, unit, peer=None, peer_value=None, bar=None, aim=None, at_most=False, note=""):
    ratio = ours / peer_value if peer_value else ours if bar and not peer else None
    ok = None if bar is None or ratio is None else (ratio <= bar if at_most else ratio >= bar)
    ROWS.append(dict(name=name, ours=round(ours, 3), unit=unit, peer=peer, peer_value=peer_value and round(peer_value, 3),
                     ratio=ratio and round(ratio, 3), bar=bar, aim=aim, at_most=at_most, ok=ok, note=note))
    sign = "≤" if at_most else "≥"
    verdict = {True: "ok", False: "MISSED", None: "not measured" if bar else ""}[ok]
    against = f"{peer} {peer_value:,.1f}" if peer_value else (peer or "")
    print(f"{name:<44} {ours:>12,.1f} {unit:<7} {against:<34} "
          f"{f'{ratio:.2f}' if ratio else '-':>8}  {f'{sign} {bar:g}' if bar else '':<9} {verdict} {note}", flush=True)


class Process:
    """A peer's process, ended by its pid; `ready` is a line on its standard output."""

    def __init__(self, *command, env=None, ready=None, cwd=None):
        self.p = subprocess.Popen(command, env=dict(os.environ, **(env or {})), cwd=cwd, text=True,
                                  stdout=subprocess.PIPE if ready else subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if ready and ready not in (self.p.stdout.readline() or ""):
            raise Missing(f"{command[0]} did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.terminate()
        try:
            self.p.wait(5)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def output(*command, env=None, timeout=900):
    return subprocess.run(command, env=dict(os.environ, **(env or {})), text=True, capture_output=True, check=True,
                          timeout=timeout).stdout


def need(program):
    found = shutil.which(program)
    if not found:
        raise Missing(f"{program} is not installed")
    return found


def wrk(url, connections, seconds, script=None, *arguments):
    """(requests/s, p99 in ms, errors) from one wrk thread."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *(["-s", script] if script else []), url]
    text = output(*command, *(["--", *arguments] if arguments else []))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    p99 = float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return rate, p99, int(bad.group(1)) if bad else 0


def alternately(rounds, ours, peer):
    """Runs both in turn and gives the medians, so that a drift of the machine hits both alike."""
    a, b = [], []
    for _ in range(rounds):
        a.append(ours())
        b.append(peer())
    pick = lambda v: sorted(v)[len(v) // 2]
    return pick(a), pick(b)


# ---- the bus ----

def bus_peers(s):
    keys = f"{s.run}/secrets/keys"
    for name, role, rights in (("bench-server", "actor", ["--serve", "bench.*"]), ("bench-caller", "tool", ["--call", "bench.*"])):
        s.sut("key", "new", name, "--role", role, *rights)
    env = lambda name: dict(SUT_BROKER=f"ipc://{s.run}/s/broker/bus", SUT_NAME=name, SUT_SECRET_FILE=f"{keys}/{name}.secret")
    return env("bench-server"), env("bench-caller")


def bench_bus(s, quick):
    server, caller = bus_peers(s)
    nats_server, port = need("nats-server"), stack.free_port()
    nats_bench = need(f"{BIN}/nats_bench")
    url = f"nats://127.0.0.1:{port}"
    one, many = (20000, 200000) if quick else (60000, 1000000)
    with Process(nats_server, "-a", "127.0.0.1", "-p", str(port)), Process(f"{BIN}/bus_bench", "serve", env=server, ready="ready"):
        stack.wait_until(lambda: listens(port), 5, "nats-server")
        ours = lambda n, out: [float(v) for v in output(f"{BIN}/bus_bench", "call", str(n), str(out), "200", env=caller).split()]
        peer = lambda n, out: [float(v) for v in output(nats_bench, "call", url, str(n), str(out), "200").split()]
        with Process(nats_bench, "serve", url, "1", ready="ready"):
            ours(2000, 1), peer(2000, 1)
            a, b = alternately(3, lambda: ours(one, 1)[1], lambda: peer(one, 1)[1])
            row("bus call, one outstanding, p50", a, "µs", "NATS", b, 0.65, 0.5, at_most=True)
        with Process(nats_bench, "serve", url, "1000", ready="ready"):
            a, b = alternately(3, lambda: ours(many, 1000)[0], lambda: peer(many, 1000)[0])
            row("bus calls, 1,000 outstanding", a, "calls/s", "NATS", b, 1.8, 2.5)


def bench_capture(s, quick):
    """Another system captures nothing; the load is the same. Many short turns: this machine's speed wanders by a quarter within seconds."""
    with stack.Stack(BCRYPT_COST="10", SUT_RATE_LIMITS="off", SUT_CAPTURE_DIR="") as other:
        def load(system):
            server, caller = bus_peers(system)
            process = Process(f"{BIN}/bus_bench", "serve", env=server, ready="ready")
            return process, lambda: float(output(f"{BIN}/bus_bench", "call", "150000", "1000", "200", env=caller).split()[0])
        (p, ours), (q, peer) = load(s), load(other)
        with p, q:
            ours(), peer()
            a, b = alternately(11 if quick else 41, ours, peer)
    row("bus calls, 1,000 outstanding, captured", a, "calls/s", "no capture", b, 0.97)


# ---- events ----

EVENT_BYTES = "200"  # of text; some 240 with the rest of the body


class JetStream:
    """A nats-server with a stream on disk in a folder of its own. `program` None: the pinned build; else Debian's."""

    def __init__(self, program, sync=False):
        self.program, self.port, self.dir = program, stack.free_port(), tempfile.mkdtemp(prefix="js-")
        self.url = f"nats://127.0.0.1:{self.port}"
        with open(f"{self.dir}/conf", "w") as f:
            f.write(f'listen: 127.0.0.1:{self.port}\njetstream {{ store_dir: "{self.dir}/data"{", sync_interval: always" if sync else ""} }}\n')

    def __enter__(self):
        self.process = Process(self.program, "-c", f"{self.dir}/conf")
        stack.wait_until(lambda: listens(self.port), 10, "nats-server")
        return self

    def __exit__(self, *_):
        self.process.__exit__()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *arguments):
        return [float(v) for v in output(need(f"{BIN}/jetstream_bench"), arguments[0], self.url, *map(str, arguments[1:])).split()]


def pinned_nats():
    """nats-server as tests/support/servers/nats pins it, which can sync before it acknowledges."""
    setup = subprocess.run([os.path.join(stack.ROOT, "tests/support/servers/nats/setup")], text=True, capture_output=True)
    if setup.returncode:
        raise Missing(f"the pinned nats-server could not be built: {setup.stderr.strip().splitlines()[-1:]}")
    return setup.stdout.strip()


def event_bench(s):
    s.sut("key", "new", "bench-events", "--role", "tool", "--publish", "probe.*", "--subscribe", "probe.*")
    env = dict(SUT_BROKER=f"ipc://{s.run}/s/broker/bus", SUT_NAME="bench-events",
               SUT_SECRET_FILE=f"{s.run}/secrets/keys/bench-events.secret")
    return lambda *arguments: [float(v) for v in output(f"{BIN}/event_bench", *map(str, arguments), env=env).split()]


def bench_events(s, quick):
    ours, nats = event_bench(s), pinned_nats()
    many, lone = (200000, 3000) if quick else (1000000, 10000)
    window, turn = 10000, iter(range(1000))
    publish = lambda: ours("publish", many, window, EVENT_BYTES)[0]
    with JetStream(nats) as js:
        publish()
        a, b = alternately(3, publish, lambda: js.run("async", many, window, EVENT_BYTES)[0])
        row("durable publish, pipelined", a, "ev/s", "JetStream async, unsynced", b, 1.5, 3)
        a, b = alternately(3, lambda: ours("replay", many, f"replay-{next(turn)}")[0], lambda: js.run("ordered", many)[0])
        row("replay to a group, acknowledged", a, "ev/s", "JetStream ordered consumer", b, 1, 2)
        a, b = alternately(3, lambda: ours("deliver", many, f"deliver-{next(turn)}", 4)[0], lambda: js.run("pull", many, 4)[0])
        row("delivery to four consumers with acks", a, "ev/s", "JetStream pull consumers", b, 1)
    with JetStream(nats, sync=True) as js:
        a, b = alternately(3, publish, lambda: js.run("async", 20000, window, EVENT_BYTES)[0])
        row("durable publish, pipelined", a, "ev/s", "JetStream async, synced", b, 50)
        a, b = alternately(3, lambda: ours("publish-lone", lone, EVENT_BYTES)[0], lambda: js.run("sync", lone, EVENT_BYTES)[0])
        row("durable publish, one outstanding", a, "ev/s", "JetStream sync, synced", b, 0.9, 1.5)


# ---- taps ----

# As much as a profile, with personal fields; the bus_bench that serves sends it back, and the tap reads it as both.
PROFILE = {"bio": "x" * 100, "location": "London, not far from the river", "website": "https://example.org/ada",
           "display_name": "Ada Lovelace"}


def bench_tap(s, quick):
    """On a broker of its own: the system's `user` serves the only methods that a schema knows."""
    os.environ["SUT_BIN"] = BIN
    sys.path.append(os.path.join(stack.ROOT, "tests", "interop"))
    import msgpack
    from broker import Broker
    count, tapped = 300000, []
    with Broker() as broker:
        broker.key("bench-server", "actor", "--serve", "user.*")
        broker.key("bench-caller", "tool", "--call", "user.*")
        with open(f"{broker.dir}/body", "wb") as f:
            f.write(msgpack.packb(PROFILE))
        env = lambda name: dict(broker.env, SUT_NAME=name, SUT_SECRET_FILE=f"{broker.dir}/keys/{name}.secret",
                                BENCH_METHOD="user.profile_update", BENCH_BODY=f"{broker.dir}/body")
        calls = lambda: float(output(f"{BIN}/bus_bench", "call", str(count), "1000", "0", env=env("bench-caller")).split()[0])

        def with_tap():
            tap = subprocess.Popen([f"{BIN}/tap_bench"], env=env("operator"), text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
            tap.stdout.readline()
            rate = calls()
            tapped.append([float(v) for v in tap.communicate()[0].split()])
            return rate

        with Process(f"{BIN}/bus_bench", "serve", env=env("bench-server"), ready="ready"):
            calls()
            ours, peer = alternately(5 if quick else 21, with_tap, calls)
    records, lost, seconds = sorted(tapped, key=lambda t: t[0] / t[2])[len(tapped) // 2]
    if records + lost < 0.99 * 2 * count:
        raise AssertionError(f"{records + lost} of {2 * count} records were shown or counted as lost")
    row("bus calls with a redacting tap on all", ours, "calls/s", "no tap", peer, 0.9)
    row("records that it is shown", records / seconds, "1/s", None, None, 8000,
        note=f"{100 * lost / (records + lost):.0f} % over its budget, and counted")


# ---- HTTP ----

def bench_health(s, quick):
    need("wrk")
    bare, port = need(f"{BIN}/bare_civetweb"), stack.free_port()
    seconds = 3 if quick else 8
    with Process(bare, str(port), ready="ready"):
        a, b = alternately(3, lambda: wrk(f"http://127.0.0.1:{s.port}/health", 32, seconds)[0],
                           lambda: wrk(f"http://127.0.0.1:{port}/", 32, seconds)[0])
    row("GET /health", a, "req/s", "bare civetweb", b, 0.8, 1.0)


def express(s, password, keepalive):
    node, folder = need("node"), os.path.join(HERE, "peers", "express")
    if not os.path.isdir(os.path.join(folder, "node_modules")):
        raise Missing("the Express peer's packages are not installed (npm ci)")
    user_port, gateway_port = stack.free_port(), stack.free_port()
    env = dict(PORT=str(user_port), NODE_ENV="production",
               DATABASE_URL=f"postgresql://sut_user:{password}@/user_db?host={s.pg_socket()}")
    user = Process(node, f"{folder}/user.js", env=env, ready="ready")
    gateway = Process(node, f"{folder}/gateway.js", ready="ready", env=dict(
        PORT=str(gateway_port), NODE_ENV="production", PROXY_KEEPALIVE=keepalive, JWT_SECRET="x" * 32, USER_SERVICE_URL=f"http://127.0.0.1:{user_port}"))
    return user, gateway, gateway_port


def bench_profile(s, quick):
    need("wrk")
    ada = s.register("ada", display_name="Ada Lovelace")
    s.put("/api/users/profile", {"bio": "x" * 200, "location": "London", "website": "https://example.org"}, token=ada["access_token"])
    with open(f"{s.run}/secrets/pg-sut_user") as f:
        password = f.read().strip()
    path = f"/api/users/profile/{ada['user_id']}"
    seconds = 4 if quick else 10
    compare_profile(s, path, seconds, password, "0", "Express", 12, 20, 0.1)
    compare_profile(s, path, seconds, password, "1", "Express, tuned", None, None, None)


def compare_profile(s, path, seconds, password, keepalive, peer, bar, aim, p99_bar):
    """Against the seed's stack with its libraries' defaults, which the bar is for; and with connections kept between its two
    services, which the seed does not have: to be told, not to be passed."""
    user, gateway, port = express(s, password, keepalive)
    with user, gateway:
        mine, theirs = s.get(path).json, json.loads(output("curl", "-fsS", f"http://127.0.0.1:{port}{path}"))
        if mine.get("username") != theirs.get("username") or mine.get("bio") != theirs.get("bio"):
            raise Missing(f"the Express peer answers something else: {theirs}")
        runs = [(wrk(f"http://127.0.0.1:{s.port}{path}", 32, seconds), wrk(f"http://127.0.0.1:{port}{path}", 32, seconds))
                for _ in range(3)]
    for mine, theirs in runs:
        if mine[2] or theirs[2]:
            raise AssertionError(f"errors under load: ours {mine[2]}, peer {theirs[2]}")
    mid = lambda values: sorted(values)[1]
    row("GET profile, 32 connections", mid([m[0] for m, _ in runs]), "req/s", peer, mid([t[0] for _, t in runs]), bar, aim)
    row("GET profile, 32 connections, p99", mid([m[1] for m, _ in runs]), "ms", peer, mid([t[1] for _, t in runs]), p99_bar,
        at_most=True)


REGISTER_LUA = """
local n, id = 0, tostring(os.time()) .. tostring({}):gsub('[^%w]', '')
request = function()
  n = n + 1
  local name = 'r' .. id:sub(-12) .. n
  return wrk.format('POST', '/api/auth/register', {['Content-Type'] = 'application/json'},
    string.format('{"email":"%s@example.org","password":"correct horse battery","username":"%s"}', name, name))
end
"""


def bench_register(s, quick):
    need("wrk")
    raw, cores, seconds = need(f"{BIN}/bcrypt_bench"), os.cpu_count(), 5 if quick else 15
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(REGISTER_LUA)
        script.flush()
        rates = []
        peers = []
        for _ in range(3):
            rate, _, bad = wrk(f"http://127.0.0.1:{s.port}", 8, seconds, script.name)
            rates.append(rate)
            peers.append(float(output(raw, "10", str(cores), str(seconds))))
            if bad:
                print(f"  register: {bad} answers were not 2xx", file=sys.stderr)
    row("POST register", sorted(rates)[1], "req/s", "raw bcrypt", sorted(peers)[1], 0.9)


# ---- memory ----

def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def supervisors(s):
    """runsvdir, its runsv and svlogd of this run directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                words = f.read().split("\0")
            if words[0] in ("runsvdir", "runsv", "svlogd") and os.readlink(f"/proc/{pid}/cwd").startswith(s.run):
                found.append(int(pid))
        except OSError:
            continue
    return found


def bench_idle(s, quick):
    time.sleep(2 if quick else 10)
    ours = sum(pss_kb(s.pid(name)) for name in ("broker", "auth", "user", "edge")) + sum(pss_kb(p) for p in supervisors(s))
    row("idle system without databases, PSS", ours / 1024, "MiB", None, None, 60, at_most=True)


def bench_broker_memory(s, quick, long):
    server, caller = bus_peers(s)
    seconds = 600 if long else 20 if quick else 60
    with Process(f"{BIN}/bus_bench", "serve", env=server, ready="ready"):
        warm = time.monotonic() + 15  # until what the capture remembers of late has reached its bound
        while time.monotonic() < warm:
            output(f"{BIN}/bus_bench", "call", "300000", "1000", "200", env=caller)
        start, end = rss_kb(s.pid("broker")), time.monotonic() + seconds
        while time.monotonic() < end:
            output(f"{BIN}/bus_bench", "call", "300000", "1000", "200", env=caller)
        grown = rss_kb(s.pid("broker"))
    row(f"broker memory after {seconds} s of load", grown / 1024, "MiB", "at its start", start / 1024, 1.05, at_most=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="idle bus capture events volume tap health profile register login follow search suggestions memory")
    opt = parser.parse_args()
    parts = {
        "idle": lambda: bench_idle,
        "bus": lambda: bench_bus,
        "capture": lambda: bench_capture,
        "events": lambda: bench_events,
        "volume": lambda: lambda s, quick: volume.measure(s, event_bench(s), row, quick),
        "tap": lambda: bench_tap,
        "health": lambda: bench_health,
        "profile": lambda: bench_profile,
        "register": lambda: bench_register,
        **{name: lambda name=name: lambda s, quick: getattr(people, name)(s, row, sys.modules[__name__], quick)
           for name in ("login", "follow", "search", "suggestions")},
        "memory": lambda: lambda s, quick: bench_broker_memory(s, quick, opt.long),
    }
    wrong = [name for name in opt.only if name not in parts]
    if wrong:
        parser.error(f"no such part: {', '.join(wrong)} (there are: {', '.join(parts)})")
    print(f"{'what':<44} {'ours':>12} {'unit':<7} {'peer':<34} {'ratio':>8}  bar")
    for name in opt.only or parts:
        with stack.Stack(BCRYPT_COST="10", SUT_RATE_LIMITS="off") as s:
            try:
                parts[name]()(s, opt.quick)
            except Missing as reason:
                ROWS.append(dict(name=name, ok=None, note=str(reason)))
                print(f"{name:<44} not measured: {reason}")
    with open(opt.out, "w") as f:
        json.dump(ROWS, f, indent=1, ensure_ascii=False)
    missed = [r["name"] for r in ROWS if r["ok"] is False]
    print(f"\n{len(ROWS)} rows, {len(missed)} missed; written to {os.path.relpath(opt.out)}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
