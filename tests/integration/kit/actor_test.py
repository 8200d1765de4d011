"""How an actor's process starts, suffers and ends: sut-user on a real broker and a real PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "interop"), os.path.join(ROOT, "tests", "support")]
import stack
from broker import Broker
from postgres import Postgres
from stack import wait_until


class Actor:
    """A sut-user of the case's own."""

    def __init__(self, broker, url, **settings):
        self.broker = broker
        self.log_path = f"{broker.dir}/user-{time.monotonic_ns()}.log"
        env = dict(broker.env, SUT_NAME="user", SUT_SECRET_FILE=f"{broker.dir}/keys/user.secret",
                   USER_DATABASE_URL=url, DEBUG="shareuptime:*") | settings
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([f"{broker.bin}/sut-user"], env=env, stdout=log, stderr=log)

    def log(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def ended(self, code, seconds=20):
        self.process.wait(seconds)
        if self.process.returncode != code:
            raise AssertionError(f"ended with {self.process.returncode}, not {code}: {self.log()}")
        return self.log()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def errors_of(log):
    return [line for line in log.splitlines() if line.startswith("sut-user: error:")]


class ActorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().__enter__()
        cls.broker = Broker().__enter__()
        cls.broker.key("user", "actor")
        cls.broker.key("edge", "edge")

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()
        cls.postgres.__exit__()

    def health(self):
        done = self.broker.sut("call", "user.health", "{}", "--raw", "--json", "--timeout", "1000", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_healthy(self):
        return wait_until(lambda: (self.health() or {}).get("status") == "up" and self.health(), 20, "user.health")

    def call(self, method, body, *options):
        return self.broker.sut("call", method, json.dumps(body), "--json", *options, check=False, name="edge")

    def assert_refused(self, code, method, body, *options):
        done = self.call(method, body, *options)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(code, done.stdout + done.stderr)

    def test_it_serves_and_drains(self):
        with Actor(self.broker, self.postgres.url()) as actor:
            all_up = {"broker": "up", "postgres": "up", "outbox": "up", "group:user-profile": "up", "group:user-graph": "up",
                      "group:user-accounts": "up"}

            def states(health):
                return {d["name"]: d["status"] for d in health["dependencies"]}

            self.assertLessEqual(set(states(self.wait_healthy())), set(all_up))
            health = wait_until(lambda: (seen := self.wait_healthy()) and states(seen) == all_up and seen, 20, f"{all_up}")
            self.assertIn("user.profile_get", [m["name"] for m in health["methods"]])
            created = self.call("user.profile_create", {"user_id": 32, "username": "grace"})
            self.assertEqual(created.returncode, 0, created.stderr)
            self.assertEqual(json.loads(self.call("user.profile_get", {"user_id": 32}).stdout)["username"], "grace")
            self.assert_refused("not_found", "user.profile_get", {"user_id": 64})
            self.assert_refused("unauthenticated", "user.profile_update", {"bio": "x"})
            self.assert_refused("no_such_method", "user.nothing", {}, "--raw")
            actor.process.send_signal(signal.SIGTERM)
            log = actor.ended(0)
            self.assertIn("event=drain.done", log)
            self.assertRegex(log, r"ns=kit:call event=call.served trace=[0-9a-f]{32} method=user.profile_get user=0 "
                                  r"result=ok")

    def test_a_drain_finishes_what_it_has(self):
        """Calls in hand at SIGTERM are answered; a call that waits for a row lock is such a call."""
        with Actor(self.broker, self.postgres.url()) as actor:
            self.wait_healthy()
            self.call("user.profile_create", {"user_id": 96, "username": "slow"})
            holder = subprocess.Popen(
                [*self.postgres.prefix, f"{self.postgres.bin}/psql", "-h", self.postgres.dir, "-U", "sut", "-d", "sut"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd="/",
                env=dict(os.environ, PGPASSWORD="secret"))
            holder.stdin.write("BEGIN; SELECT 1 FROM user_profiles WHERE user_id = 96 FOR UPDATE;\n")
            holder.stdin.flush()
            locked = "SELECT count(*) FROM pg_locks WHERE mode = 'RowShareLock' AND granted"
            wait_until(lambda: int(self.postgres.sql(locked)) > 0, 10, "the lock")
            env = dict(self.broker.env, SUT_NAME="edge", SUT_SECRET_FILE=f"{self.broker.dir}/keys/edge.secret")
            caller = subprocess.Popen(
                [f"{self.broker.bin}/sut", "call", "user.profile_update", '{"bio": "kept"}', "--as", "96:1", "--json"],
                env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            wait_until(lambda: int(self.postgres.sql(waiting)) > 0, 10, "the update to wait for the lock")
            actor.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "event=drain.start" in actor.log(), 10, "the drain")
            holder.communicate("COMMIT;\n")
            out, err = caller.communicate(timeout=10)
            self.assertEqual(caller.returncode, 0, err)
            self.assertEqual(json.loads(out)["bio"], "kept")
            actor.ended(0)

    def test_a_wrong_password_is_one_line(self):
        with Actor(self.broker, self.postgres.url(password="wrong")) as actor:
            log = actor.ended(77)
            self.assertEqual(len(errors_of(log)), 1, log)
            self.assertIn("USER_DATABASE_URL", errors_of(log)[0])
            self.assertNotIn("wrong", log, "no password in a log")

    def test_a_database_that_does_not_exist_is_one_line(self):
        with Actor(self.broker, self.postgres.url(database="nowhere")) as actor:
            log = actor.ended(78)
            self.assertEqual(len(errors_of(log)), 1, log)

    def test_a_malformed_url_is_one_line(self):
        with Actor(self.broker, "postgresql://u@h/db?nonsense=1") as actor:
            self.assertIn("USER_DATABASE_URL", errors_of(actor.ended(78))[0])

    def test_a_refused_name_is_one_line(self):
        with Actor(self.broker, self.postgres.url(), SUT_SECRET_FILE=f"{self.broker.dir}/keys/edge.secret") as actor:
            log = actor.ended(77)
            self.assertEqual(len(errors_of(log)), 1, log)

    def setUp(self):
        if self.postgres.process.poll() is not None:
            self.postgres.start()

    def test_a_database_that_is_down_is_waited_for(self):
        self.postgres.stop()
        with Actor(self.broker, self.postgres.url()) as actor:
            health = wait_until(self.health, 20, "an actor without its database to be announced")
            self.assertEqual(health["status"], "down")
            self.assertFalse(health["serving"])
            self.assert_refused("unavailable", "user.profile_get", {"user_id": 32})
            self.assertIn("event=pg.down", actor.log())
            self.postgres.start()
            self.wait_healthy()
            self.assert_refused("not_found", "user.profile_get", {"user_id": 1000})
            self.postgres.stop()
            wait_until(lambda: (self.health() or {}).get("status") == "down", 10, "health to say so")
            self.assert_refused("unavailable", "user.profile_get", {"user_id": 32})
            self.postgres.start()
            start = time.monotonic()
            self.wait_healthy()
            self.assert_refused("not_found", "user.profile_get", {"user_id": 1000})
            self.assertLess(time.monotonic() - start, 5, "normal within 5 s of its return")

    def test_a_drain_without_a_broker(self):
        with Broker() as broker:
            broker.key("user", "actor")
            with Actor(broker, self.postgres.url()) as actor:
                wait_until(lambda: "event=session.up" in actor.log(), 20, "the session")
                broker.kill()
                wait_until(lambda: "event=session.down" in actor.log(), 20, "the actor to miss its broker")
                actor.process.send_signal(signal.SIGTERM)
                self.assertIn("event=drain.done", actor.ended(0, 5))

    def test_it_serves_again_after_the_broker_came_back(self):
        with Broker() as broker:
            broker.key("user", "actor")
            with Actor(broker, self.postgres.url()) as actor:
                for _ in range(3):
                    wait_until(lambda: broker.sut("call", "user.health", "{}", "--raw", check=False).returncode == 0, 20,
                               "health over the bus")
                    broker.kill()
                    broker.start()
                self.assertIsNone(actor.process.poll())

    def test_a_drain_while_waiting_for_the_database(self):
        self.postgres.stop()
        try:
            with Actor(self.broker, self.postgres.url()) as actor:
                wait_until(lambda: "event=pg.down" in actor.log(), 10, "the actor to miss its database")
                actor.process.send_signal(signal.SIGTERM)
                actor.ended(0, 5)
        finally:
            self.postgres.start()


if __name__ == "__main__":
    stack.main()
