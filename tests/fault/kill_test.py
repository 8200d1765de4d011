"""kill -9 and SIGSTOP of every part under load: explicit 503 or 504 by the deadline, normal within 5 s of its return."""

import os
import signal
import time
import unittest

import load
import stack


class Kill(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.stack.register("constant")
        cls.path = f"/api/users/profile/{cls.user['user_id']}"

    def setUp(self):
        self.stack.wait_healthy(45)

    def reads(self):
        return load.Load(self.stack, 4, lambda n: ("GET", self.path, None, {}))

    def killed(self, name, **more):
        with self.reads() as clients:
            clients.wait_success_after(time.monotonic(), 10)
            self.stack.kill_and_wait(name)
            clients.wait_success_after(time.monotonic(), 8)
        clients.assert_honest(self, **more)

    def test_broker(self):
        self.killed("broker")

    def test_user_actor(self):
        self.killed("user")

    def test_auth_actor(self):
        self.killed("auth")

    def test_edge(self):
        self.killed("edge", edge_may_go=True)

    def test_postgres(self):
        self.killed("postgres")

    def test_redis(self):
        self.killed("redis")

    def test_a_stopped_actor_fails_its_calls_within_two_seconds(self):
        with self.reads() as clients:
            clients.wait_success_after(time.monotonic(), 10)
            pid = self.stack.kill("user", signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                stack.wait_until(lambda: any(s is not None and s >= 500 for _, _, s, _, _ in clients.since(stopped - 3)), 6,
                                 "an error to reach the clients")
                stack.wait_until(lambda: len(clients.since(stopped + 2.5)) > 5, 6, "more requests")
            finally:
                os.kill(pid, signal.SIGCONT)
            clients.wait_success_after(time.monotonic(), 8)
        clients.assert_honest(self)
        # Later ones wait for the instance to come back, up to their deadline: assert_honest has looked at those.
        in_flight = [e for e in clients.log if stopped - 0.5 < e[0] < stopped + 1 and e[1] > 0.5]
        self.assertGreater(len(in_flight), 0)
        self.assertEqual([e[:4] for e in in_flight if e[1] > 2.6], [], "calls in flight at the stopped instance hung")

    def test_a_stopped_broker_does_not_hang_clients(self):
        with self.reads() as clients:
            clients.wait_success_after(time.monotonic(), 10)
            pid = self.stack.kill("broker", signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                stack.wait_until(lambda: sum(s is not None and s >= 500 for _, _, s, _, _ in clients.since(stopped)) > 3, 10,
                                 "errors to reach the clients")
            finally:
                os.kill(pid, signal.SIGCONT)
            clients.wait_success_after(time.monotonic(), 8)
        clients.assert_honest(self)

    def test_rolling_restart_of_actors_fails_no_request(self):
        with self.reads() as clients:
            clients.wait_success_after(time.monotonic(), 10)
            for name in ("user", "auth", "user"):
                self.stack.sv("restart", name)
                clients.wait_success_after(time.monotonic(), 8)
        failed = [e[:4] for e in clients.log if e[2] is None or e[2] >= 400]
        self.assertEqual(failed, [], "requests failed by a drain")

    def test_restart_of_the_broker_fails_no_request(self):
        with self.reads() as clients:
            clients.wait_success_after(time.monotonic(), 10)
            self.stack.sv("restart", "broker")
            clients.wait_success_after(time.monotonic(), 8)
        failed = [e[:4] for e in clients.log if e[2] is None or e[2] >= 400]
        self.assertEqual(failed, [], "requests failed by the broker's drain")


if __name__ == "__main__":
    stack.main()
