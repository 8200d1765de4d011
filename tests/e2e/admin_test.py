"""Administration against a whole system: `sut admin`, tokens at the edge, and what outlives a killed auth actor."""

import json
import threading

import stack

PASSWORD = "correct horse battery"


class Administration(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.register("root")
        cls.stack.sut("admin", "grant", "root@example.org")
        cls.token = cls.login("root").json["access_token"]

    @classmethod
    def login(cls, name):
        return cls.stack.post("/api/auth/login", {"email": f"{name}@example.org", "password": PASSWORD})

    def suspend(self, who, **more):
        return self.stack.post(f"/api/admin/users/{who['user_id']}/suspend", {"reason": "Spam.", **more}, token=self.token)

    def status(self, token):
        return self.stack.get("/api/auth/verify", token=token).status

    def refused_soon(self, token):
        stack.wait_until(lambda: self.status(token) == 401, 3, "the token to be refused")

    def seen(self, who):
        return self.stack.get(f"/api/users/profile/{who['user_id']}").status

    def seen_soon(self, who, status):
        stack.wait_until(lambda: self.seen(who) == status, 30, f"the profile to answer {status}")

    # ---- sut admin ----

    def fails(self, code, *arguments, says):
        done = self.stack.sut("admin", *arguments, check=False)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(says, done.stderr)

    def test_an_administrator_is_made_and_unmade_on_the_machine(self):
        made = self.stack.register("ina")
        before = made["access_token"]
        self.assertIn("is an administrator now", self.stack.sut("admin", "grant", "INA@example.org").stdout)
        self.refused_soon(before)
        self.assertEqual(self.stack.post("/api/auth/refresh", {"refresh_token": made["refresh_token"]}).status, 401)
        token = self.login("ina").json["access_token"]
        self.assertEqual(self.stack.get("/api/auth/verify", token=token).json["permissions"], 3)
        self.assertEqual(self.stack.get("/api/admin/users", token=token).status, 200)
        self.assertIn("already", self.stack.sut("admin", "grant", "ina@example.org").stdout)
        self.assertEqual(self.status(token), 200, "what is so already ends nothing")
        listed = json.loads(self.stack.sut("admin", "list", "--json").stdout)
        self.assertEqual([a["email"] for a in listed["items"]], ["root@example.org", "ina@example.org"])
        self.assertIn("ina@example.org", self.stack.sut("admin", "list").stdout)

        done = self.stack.sut("admin", "revoke", "ina@example.org", "--json")
        self.assertEqual(json.loads(done.stdout), {"user_id": made["user_id"], "changed": True})
        self.refused_soon(token)
        self.assertIn("is no administrator", self.stack.sut("admin", "revoke", "ina@example.org").stdout)
        token = self.login("ina").json["access_token"]
        self.assertEqual(self.stack.get("/api/admin/users", token=token).code, "forbidden")

    def test_what_is_wrong_is_said(self):
        self.fails(1, "grant", "nobody@example.org", says="There is no account with this address.")
        self.fails(1, "revoke", "nobody@example.org", says="There is no account with this address.")
        self.stack.register("slow")
        self.stack.psql("auth_db", "UPDATE users SET status = 'pending', claimed_until = now() + interval '1 h' "
                                   "WHERE username = 'slow'")
        self.fails(1, "grant", "slow@example.org", says="account_pending")
        self.fails(65, "grant", "nonsense", says="/email")
        self.fails(64, "grant", says="address is missing")
        self.fails(64, "make", "ina@example.org", says="grant, revoke or list")
        self.fails(64, "list", "more", says="nothing more")

    # ---- kill -9 ----

    def test_an_event_outlives_the_actor_that_was_killed_before_it_left(self):
        """The broker is away, so what the sweeper commits cannot be published before auth is killed."""
        who = self.stack.register("eli")
        self.assertEqual(self.suspend(who, until="2099-01-01T00:00:00Z").status, 200)
        self.seen_soon(who, 404)
        outbox = "SELECT count(*) FROM sut_outbox WHERE subject = 'user.unsuspended'"
        self.stack.sv("down", "broker")
        self.stack.psql("auth_db", f"UPDATE users SET suspended_until = now() WHERE id = {who['user_id']}")
        stack.wait_until(lambda: self.stack.psql("auth_db", outbox) == "1", 30, "the suspension to be swept")
        self.stack.kill_and_wait("auth")
        self.assertEqual(self.stack.psql("auth_db", outbox), "1", "nothing has taken it")
        self.stack.sv("up", "broker")
        self.seen_soon(who, 200)

    def test_whoever_is_suspended_is_hidden_whenever_auth_is_killed(self):
        """An answer may be lost; the account and what others see of it agree in the end."""
        people = [self.stack.register(f"crowd{i}") for i in range(12)]

        def suspend_some(some):
            for who in some:
                try:
                    self.suspend(who)
                except OSError:
                    pass  # the edge gave up, too: it is as unknown as a lost answer

        threads = [threading.Thread(target=suspend_some, args=(people[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        self.stack.kill_and_wait("auth")
        for thread in threads:
            thread.join()
        stack.wait_until(lambda: self.login("root").status == 200, 60, "auth to answer")
        sql = "SELECT string_agg(id::text, ',' ORDER BY id) FROM users WHERE suspended_at IS NOT NULL"
        suspended = self.stack.psql("auth_db", sql)
        hidden = "SELECT string_agg(user_id::text, ',' ORDER BY user_id) FROM user_profiles WHERE hidden"
        stack.wait_until(lambda: self.stack.psql("user_db", hidden) == suspended, 30, f"{suspended} to be hidden")
        for who in people:
            if str(who["user_id"]) in suspended.split(","):
                self.refused_soon(who["access_token"])
                self.assertEqual(self.stack.post("/api/auth/refresh", {"refresh_token": who["refresh_token"]}).code,
                                 "account_suspended")

    def test_an_end_by_time(self):
        who = self.stack.register("tia")
        self.assertEqual(self.suspend(who, until="2099-01-01T00:00:00Z").status, 200)
        self.seen_soon(who, 404)
        self.assertEqual(self.login("tia").code, "account_suspended")
        self.stack.psql("auth_db", f"UPDATE users SET suspended_until = now() WHERE id = {who['user_id']}")
        self.assertEqual(self.login("tia").status, 200, "by time, before anybody sweeps")
        self.seen_soon(who, 200)


if __name__ == "__main__":
    stack.main()
