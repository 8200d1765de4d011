"""Follows and ended sessions while PostgreSQL, Redis, the user actor or the broker is killed: what was acknowledged is so
afterwards, the counters are exact, the journal tells the same story, and an ended session stays ended."""

import json
import random
import threading
import time

import load
import stack

PEOPLE, THREADS = 24, 4


class Relations(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = [cls.stack.register(f"person{i}") for i in range(PEOPLE)]
        cls.ids = [m["user_id"] for m in made]
        cls.tokens = [m["access_token"] for m in made]

    def follows(self, seed):
        """Each thread has people of its own who follow and unfollow anybody: what a pair is follows from its own answers."""
        asked = {}

        def make(n):
            dice = random.Random(f"{seed} {n}")
            who = dice.randrange(PEOPLE // THREADS) * THREADS + n // 1000000
            whom = dice.choice([i for i in range(PEOPLE) if i != who])
            verb = dice.choice(("POST", "POST", "DELETE"))
            asked[n] = (who, whom, verb)
            return verb, f"/api/users/follow/{self.ids[whom]}", None, {"Authorization": f"Bearer {self.tokens[who]}"}

        return load.Load(self.stack, THREADS, make), asked

    def check_states(self, clients, asked):
        possible = {}
        for _, _, status, _, (n, answer) in sorted(clients.log):
            who, whom, verb = asked[n]
            wanted = verb == "POST"
            if status == 200:
                possible[who, whom] = {wanted}
                self.assertEqual(json.loads(answer)["relation"]["following"], wanted)
            else: # 503 and 504 do not say whether it was done
                possible.setdefault((who, whom), {False}).add(wanted)
        rows = self.stack.psql("user_db", "SELECT user_id || ' ' || other_id FROM connections WHERE kind = 'follow'").split("\n")
        there = {tuple(map(int, row.split())) for row in rows if row}
        wrong = [(who, whom, states) for (who, whom), states in possible.items()
                 if ((self.ids[who], self.ids[whom]) in there) not in states]
        self.assertEqual(wrong, [], "what was acknowledged is not so")
        return there

    def check_counters(self):
        off = self.stack.psql("user_db", """
            SELECT p.user_id FROM user_profiles p WHERE
              (SELECT coalesce(sum(followers), 0) FROM connection_counts c WHERE c.user_id = p.user_id) <>
              (SELECT count(*) FROM connections k WHERE k.other_id = p.user_id AND k.kind = 'follow') OR
              (SELECT coalesce(sum(following), 0) FROM connection_counts c WHERE c.user_id = p.user_id) <>
              (SELECT count(*) FROM connections k WHERE k.user_id = p.user_id AND k.kind = 'follow')""")
        self.assertEqual(off, "", "counters that do not count")

    def check_journal(self, there):
        stack.wait_until(lambda: self.stack.psql("user_db", "SELECT count(*) FROM sut_outbox") == "0", 20, "all events to be out")
        told, versions = set(), {}
        exported = self.stack.sut("journal", "export", "--dir", f"{self.stack.run}/journal", "--subject", "user.followed,user.unfollowed")
        for event in map(json.loads, exported.stdout.splitlines()):
            pair = (event["body"]["user_id"], event["body"]["other_id"])
            self.assertGreater(event["body"]["version"], versions.get(event["body"]["pair"], 0), "a pair's story is in order")
            versions[event["body"]["pair"]] = event["body"]["version"]
            (told.add if event["subject"] == "user.followed" else told.discard)(pair)
        self.assertEqual(told, there, "who hears the events knows something else")

    def killed(self, name, seed):
        self.stack.wait_healthy(60)
        clients, asked = self.follows(seed)
        dice = random.Random(seed)
        with clients:
            clients.wait_success_after(time.monotonic(), 10)
            for _ in range(3):
                before = len(clients.log)
                stack.wait_until(lambda: len(clients.log) >= before + dice.randrange(20, 60), 20, "load to go on")
                self.stack.kill_and_wait(name)
                clients.wait_success_after(time.monotonic(), 20, count=5)
        clients.assert_honest(self)
        self.stack.wait_healthy(60)
        there = self.check_states(clients, asked)
        self.assertGreater(len(there), 5)
        self.check_counters()
        self.check_journal(there)

    def test_postgres(self):
        self.killed("postgres", 1)

    def test_redis(self):
        self.killed("redis", 2)

    def test_user_actor(self):
        self.killed("user", 3)

    def test_broker(self):
        self.killed("broker", 4)


class Sessions(stack.StackTest):
    def test_an_ended_session_stays_ended_when_stores_and_edge_come_back_empty(self):
        """Redis holds a mirror of sessions and the edge a list of revocations, both in memory: neither may forget for good."""
        self.stack.wait_healthy(60)
        ended, alive = [], []
        for i in range(6):
            name = f"ada{i}"
            made = self.stack.register(name)
            again = self.stack.post("/api/auth/login", {"email": f"{name}@example.org", "password": "correct horse battery"}).json
            self.assertEqual(self.stack.post("/api/auth/logout", {}, token=again["access_token"]).status, 204)
            ended.append(again["access_token"])
            alive.append(made["access_token"])

        def answers(tokens):
            return [self.stack.get("/api/auth/sessions", token=token).status for token in tokens]

        stack.wait_until(lambda: answers(ended) == [401] * 6, 5, "the edge to know")
        stopping, seen = threading.Event(), set()

        def watch():
            while not stopping.is_set():
                for token in ended:
                    try:
                        seen.add(self.stack.get("/api/auth/sessions", token=token).status)
                    except OSError: # while the edge is away
                        time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for name in ("redis", "postgres", "auth", "broker", "edge", "redis"):
                self.stack.kill_and_wait(name)
                self.stack.wait_healthy(60)
                stack.wait_until(lambda: answers(alive) == [200] * 6, 20, f"the others to go on after {name}")
        finally:
            stopping.set()
            watcher.join(40)
        self.assertLessEqual(seen, {401, 503, 504}, "an ended session was served")
        self.assertIn(401, seen)


if __name__ == "__main__":
    stack.main()
