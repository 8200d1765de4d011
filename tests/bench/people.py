"""Rows about people: logins against raw bcrypt, follows against PostgreSQL alone, search over a million profiles, suggestions among
100,000 people with 50 follows each."""

import http.client
import json
import os
import random
import subprocess
import tempfile
import time
import urllib.parse

FIRST = 1 << 20  # ids of people who are made by SQL; far from those who registered
WHO = 64         # people who log in and follow

LOGIN_LUA = """
local n = 0
request = function()
  n = n + 1
  return wrk.format('POST', '/api/auth/login', {['Content-Type'] = 'application/json', ['X-Forwarded-For'] = '198.18.' .. n % 250 .. '.' .. n % 249 + 1},
    string.format('{"email":"bench%d@example.org","password":"correct horse battery"}', n % WHO))
end
"""

FOLLOW_LUA = """
math.randomseed(SEED)
request = function()
  return wrk.format('POST', '/api/users/follow/' .. TARGET, {['Authorization'] = 'Bearer ' .. tokens[math.random(#tokens)]})
end
"""

# Names of syllables, some far more frequent than others; texts of few words. The same for each run.
PEOPLE_SQL = """
CREATE TEMP TABLE syllable AS SELECT n - 1 AS place, a || b AS s FROM (SELECT row_number() OVER () AS n, a, b
  FROM unnest(string_to_array('b c d f g h j k l m n p r s t v w z', ' ')) a, unnest(string_to_array('a e i o u', ' ')) b) x;
CREATE FUNCTION pg_temp.dice(n bigint, k int) RETURNS double precision LANGUAGE sql IMMUTABLE AS
  'SELECT (hashint8(n * 64 + k) & 1048575) / 1048576.0';
INSERT INTO user_profiles (user_id, username, display_name, bio)
SELECT {first} + n * 32, a.s || b.s || '.' || c.s || d.s || e.s || n, initcap(a.s || b.s) || ' ' || initcap(c.s || d.s || e.s),
       (ARRAY['Mostly','Always','Slowly better at','On weekends'])[1 + (pg_temp.dice(n, 6) * 4)::int %% 4] || ' ' ||
       (ARRAY['climbing','chess','gardening','photography','jazz','cycling','astronomy','baking','poetry','rowing'])[1 + (pg_temp.dice(n, 7) * 10)::int %% 10]
  FROM generate_series(1, {people}) n
  JOIN syllable a ON a.place = floor(90 * pg_temp.dice(n, 1) ^ 2) JOIN syllable b ON b.place = floor(90 * pg_temp.dice(n, 2) ^ 1.5)
  JOIN syllable c ON c.place = floor(90 * pg_temp.dice(n, 3)) JOIN syllable d ON d.place = floor(90 * pg_temp.dice(n, 4))
  JOIN syllable e ON e.place = floor(90 * pg_temp.dice(n, 5) ^ 2);
""".replace("%%", "%")

FOLLOWS_SQL = """
INSERT INTO connections (user_id, other_id, kind)
SELECT DISTINCT a, b, 'follow' FROM (SELECT {first} + n * 32 AS a, {first} + (1 + floor({people} * random() ^ 1.5))::bigint * 32 AS b
  FROM generate_series(1, {people}) n, generate_series(1, 50)) x WHERE a <> b;
INSERT INTO connection_counts (user_id, followers, following, friends) SELECT user_id, sum(f), sum(g), 0 FROM (
  SELECT user_id, 0 AS f, 1 AS g FROM connections UNION ALL SELECT other_id, 1, 0 FROM connections) x GROUP BY 1;
"""


def admin(s, *sql):
    with open(f"{s.run}/secrets/pg-admin", encoding="ascii") as f:
        env = dict(os.environ, PGPASSWORD=f.read().strip())
    command = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", s.pg_socket(), "-U", "sut_admin", "-d", "user_db"]
    done = subprocess.run(command, input="\n".join(sql), env=env, text=True, check=False, capture_output=True, timeout=1800)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def make_people(s, count):
    """Without the indexes that search needs, which are built afterwards."""
    indexes = admin(s, "SELECT indexdef || ';' FROM pg_indexes WHERE indexname LIKE 'user_profiles_search%'")
    admin(s, "DROP INDEX user_profiles_search_name, user_profiles_search_text, user_profiles_search_similar;",
          PEOPLE_SQL.format(first=FIRST, people=count), "SET maintenance_work_mem = '512MB';", indexes,
          "ALTER TABLE user_profiles OWNER TO sut_user;", "VACUUM ANALYZE user_profiles;")


def accounts(s):
    return [s.register(f"bench{i}") for i in range(WHO)]


def login(s, row, tools, quick):
    accounts(s)
    raw, cores, seconds = tools.need(f"{tools.BIN}/bcrypt_bench"), os.cpu_count(), 5 if quick else 15
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LOGIN_LUA.replace("WHO", str(WHO)))
        script.flush()

        def ours():
            rate, _, bad = tools.wrk(f"http://127.0.0.1:{s.port}", 8, seconds, script.name)
            if bad:
                raise AssertionError(f"{bad} logins were refused")
            return rate

        mine, peer = tools.alternately(3, ours, lambda: float(tools.output(raw, "10", str(cores), str(seconds))))
    row("POST login", mine, "req/s", "raw bcrypt", peer, 0.9)


def follow(s, row, tools, quick):
    tokens = [a["access_token"] for a in accounts(s)]
    people, seconds = 100_000, 5 if quick else 15
    make_people(s, people)
    admin(s, "CREATE TABLE bench_outbox (LIKE sut_outbox INCLUDING ALL);", "VACUUM ANALYZE;")
    pgbench = tools.need("/usr/lib/postgresql/15/bin/pgbench")
    with open(f"{s.run}/secrets/pg-admin", encoding="ascii") as f:
        env = {"PGPASSWORD": f.read().strip()}

    def measure(name, target, first, among, bar):
        seed = 0

        def ours():
            nonlocal seed
            seed += 1
            with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
                script.write("tokens = {" + ",".join(f'"{t}"' for t in tokens) + "}\n" +
                             FOLLOW_LUA.replace("SEED", str(seed)).replace("TARGET", target))
                script.flush()
                rate, _, bad = tools.wrk(f"http://127.0.0.1:{s.port}", 32, seconds, script.name)
            if bad:
                raise AssertionError(f"{bad} follows were refused")
            return rate

        def theirs():
            seed_of_peer = seed + 1000
            text = tools.output(pgbench, "-h", s.pg_socket(), "-U", "sut_admin", "-n", "-M", "prepared", "-c", "32", "-j", "1", "-T", str(seconds),
                                f"--random-seed={seed_of_peer}", "-D", f"first={first}", "-D", f"people={among}", "-f",
                                os.path.join(tools.HERE, "follow.sql"), "user_db", env=env)
            return float(next(line for line in text.splitlines() if line.startswith("tps")).split()[2])

        mine, peer = tools.alternately(3, ours, theirs)
        row(name, mine, "req/s", "pgbench", peer, bar)

    measure("POST follow, keys spread, 32 connections", f"{FIRST} + 32 * math.random({people})", FIRST, people, 0.35)
    measure("POST follow, all the same person", str(FIRST + 32), FIRST, 1, None)


def p95_ms(s, paths, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    took, found = [], 0
    for path in paths:
        start = time.perf_counter()
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        body = reply.read()
        took.append((time.perf_counter() - start) * 1000)
        if reply.status != 200:
            raise AssertionError(f"{path}: {reply.status} {body[:300]}")
        found += bool(json.loads(body)["items"])
    took = sorted(took[len(took) // 10:])  # the first tenth warms caches
    return took[len(took) * 95 // 100], found / len(paths)


def search(s, row, tools, quick):
    make_people(s, 100_000 if quick else 1_000_000)
    dice = random.Random(3)
    token = s.register("ada")["access_token"]
    size = 100_000 if quick else 1_000_000
    ids = [FIRST + 32 * dice.randrange(1, size) for _ in range(400)]
    names = admin(s, f"SELECT display_name FROM user_profiles WHERE user_id IN ({','.join(map(str, ids))}) ORDER BY user_id").split("\n")
    names = [name for name in names if name]
    path = lambda q: f"/api/users/search?q={urllib.parse.quote(q)}"

    def misspelt(name):
        at = dice.randrange(1, len(name) - 1)
        return name[:at] + name[at + 1] + name[at] + name[at + 2:] if dice.random() < 0.5 else name[:at] + name[at + 1:]

    value, _ = p95_ms(s, [path(name[:dice.randrange(2, 9)]) for name in names], token)
    row(f"search by prefix, {size // 1000:,} k profiles, p95", value, "ms", bar=20, at_most=True)
    value, found = p95_ms(s, [path(misspelt(name)) for name in names], token)
    row(f"search, misspelt, {size // 1000:,} k profiles, p95", value, "ms", bar=150, at_most=True, note=f"{found:.0%} found somebody")


def suggestions(s, row, tools, quick):
    people = 10_000 if quick else 100_000
    make_people(s, people)
    admin(s, "SET random_page_cost = 1.1;", "SELECT setseed(0.5);", FOLLOWS_SQL.format(first=FIRST, people=people), "VACUUM ANALYZE;")
    tokens, dice = [], random.Random(4)
    for i in range(20): # each becomes one of them: follows what somebody follows
        made = s.register(f"bench{i}")
        admin(s, f"INSERT INTO connections (user_id, other_id, kind) SELECT {made['user_id']}, other_id, 'follow' FROM connections "
                 f"WHERE user_id = {FIRST + 32 * dice.randrange(1, people)};")
        tokens.append(made["access_token"])
    values = []
    for token in tokens:
        value, found = p95_ms(s, ["/api/users/suggestions"] * 20, token)
        if found < 1:
            raise AssertionError("nobody was suggested")
        values.append(value)
    row(f"suggestions, {people // 1000} k people with 50 follows, p95", sorted(values)[len(values) * 95 // 100], "ms", bar=30, at_most=True)
