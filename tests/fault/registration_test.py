"""Registration spans two actors. Whatever is killed while it runs: within 30 s of all being up, no account is without
profile, no name is taken by nobody, and whoever got tokens can log in."""

import random
import time

import load
import stack

PASSWORD = "correct horse battery"


class Registration(stack.StackTest):
    def registrations(self, prefix):
        def make(n):
            name = f"user{prefix}{n}"
            return "POST", "/api/auth/register", {"email": f"{name}@example.org", "password": PASSWORD, "username": name}, {}

        return load.Load(self.stack, 4, make)

    def settled(self):
        s = self.stack
        if s.psql("auth_db", "SELECT count(*) FROM users WHERE status <> 'active'") != "0":
            return False
        accounts = set(s.psql("auth_db", "SELECT id || ' ' || lower(username) FROM users").split("\n"))
        profiles = set(s.psql("user_db", "SELECT user_id || ' ' || lower(username) FROM user_profiles").split("\n"))
        return accounts == profiles

    def check(self, prefix, victims, seed):
        s, dice = self.stack, random.Random(seed)
        with self.registrations(prefix) as clients:
            clients.wait_success_after(time.monotonic(), 10, count=5)
            for _ in range(4):
                victim = dice.choice(victims)
                before = len(clients.log)
                stack.wait_until(lambda: len(clients.log) >= before + dice.randrange(1, 12), 20, "load to go on")
                s.kill_and_wait(victim)
            s.wait_healthy(45)
            clients.wait_success_after(time.monotonic(), 20, count=5)
        clients.assert_honest(self, edge_may_go="edge" in victims)
        stack.wait_until(self.settled, 30, f"accounts and profiles to agree (seed {seed})")
        done = [e[4] for e in clients.log if e[2] == 201]
        self.assertGreater(len(done), 10)
        for number, _ in dice.sample(done, 10):
            login = s.post("/api/auth/login", {"email": f"user{prefix}{number}@example.org", "password": PASSWORD})
            self.assertEqual(login.status, 200, f"acknowledged, but {login}")

    def test_user_actor_killed(self):
        self.check("u", ["user"], 1)

    def test_auth_actor_killed(self):
        self.check("a", ["auth"], 2)

    def test_broker_killed(self):
        self.check("b", ["broker"], 3)

    def test_databases_killed(self):
        self.check("p", ["postgres", "redis"], 4)

    def test_anything_killed(self):
        self.check("x", ["user", "auth", "broker", "postgres", "redis"], 5)

    def test_a_pending_registration_is_resumed_by_the_same_words(self):
        s = self.stack
        s.sv("down", "user")
        body = {"email": "later@example.org", "password": PASSWORD, "username": "later"}
        refused = s.post("/api/auth/register", body)
        self.assertIn(refused.status, (503, 504), refused)
        early = s.post("/api/auth/login", {"email": body["email"], "password": PASSWORD})
        self.assertNotEqual(early.status, 200, "a pending account logged in")
        s.sv("up", "user")
        s.wait_healthy(45)

        def finished():
            again = s.post("/api/auth/register", body)
            return again.status == 201 or again.code == "email_taken"

        stack.wait_until(finished, 30, "the registration to be finished")
        login = s.post("/api/auth/login", {"email": body["email"], "password": PASSWORD})
        self.assertEqual(login.status, 200, login)
        self.assertEqual(s.get(f"/api/users/profile/{login.json['user_id']}").json["username"], "later")


if __name__ == "__main__":
    stack.main()
