"""`sut` against a whole system: what people and scripts get from it, and that keys work and are cut at once."""

import json
import os
import shutil
import subprocess
import sys
import time

import stack
import zmq

sys.path.insert(0, os.path.join(stack.ROOT, "tests", "interop"))
import sut_bus  # noqa: E402


class Cli(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada = cls.stack.register("ada", display_name="Ada Lovelace")
        cls.id = cls.ada["user_id"]

    def fails(self, code, *arguments, says=(), **more):
        done = self.stack.sut(*arguments, check=False, **more)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        for text in says:
            self.assertIn(text, done.stderr)
        return done

    # ---- calls ----

    def test_a_call(self):
        reply = json.loads(self.stack.sut("call", "user.profile_get", f'{{"user_id": {self.id}}}').stdout)
        self.assertEqual((reply["username"], reply["display_name"]), ("ada", "Ada Lovelace"))
        line = self.stack.sut("call", "--json", "user.profile_get", f'{{"user_id": {self.id}}}').stdout
        self.assertEqual((line.count("\n"), json.loads(line)), (1, reply))

    def test_input_from_a_file_and_from_standard_input(self):
        path = f"{self.stack.run}/in.json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"user_id": self.id}, f)
        for arguments, more in ((("@" + path,), {}), (("-",), {"stdin": json.dumps({"user_id": self.id})})):
            reply = json.loads(self.stack.sut("call", "user.profile_get", *arguments, **more).stdout)
            self.assertEqual(reply["user_id"], self.id)
        self.fails(66, "call", "user.profile_get", "@/nowhere.json", says=["/nowhere.json"])

    def test_what_is_wrong_is_named(self):
        self.fails(64, "call", "user.profile_gett", "{}", says=["user.profile_gett"])
        self.fails(64, "call", "--raw", "user.no_such", "{}", says=["no_such_method"])
        self.fails(69, "call", "--raw", "nobody.home", "{}", says=["no_such_service"])
        self.fails(65, "call", "user.profile_get", f'{{"user_id": {self.id}, "colour": "red"}}', says=["/colour"])
        self.fails(65, "call", "user.profile_get", "{}", says=["/user_id"])
        self.fails(65, "call", "user.profile_get", '{"user_id": 1', says=["user.profile_get"])
        self.fails(65, "call", "user.profile_get", '{"user_id": "one"}', says=["/user_id"])
        self.fails(65, "call", "auth.login", "-", stdin="", says=["auth.login"])

    def test_a_projection_is_rebuilt_while_its_owner_goes_on(self):
        """What the live copy lost comes back; an update meanwhile is in the snapshot, or told again."""
        self.stack.psql("auth_db", f"UPDATE users SET username = 'wrong', username_version = 0 WHERE id = {self.id}")
        self.assertRegex(self.stack.sut("rebuild", "auth.username", "--yes").stdout, r"auth\.username: done, rows \d+, .*different 1\b")
        self.assertEqual(self.stack.psql("auth_db", f"SELECT username FROM users WHERE id = {self.id}"), "ada")
        self.stack.put("/api/users/profile", {"bio": "Again."}, token=self.ada["access_token"])
        self.assertRegex(self.stack.sut("rebuild", "auth.username", "--yes").stdout, r"missing 0, extra 0, different 0\b")
        self.fails(1, "rebuild", "auth.nothing", "--yes", says=["no such projection"])
        self.fails(64, "rebuild", "nothing", "--yes", says=["SERVICE.PROJECTION"])

    def test_errors_for_programs(self):
        done = self.fails(1, "call", "--json", "user.profile_get", '{"user_id": 9007199254740991}')
        error = json.loads(done.stdout)["error"]
        self.assertEqual((error["code"], error["http_status"]), ("not_found", 404))
        self.fails(1, "call", "user.profile_get", '{"user_id": 9007199254740991}', says=["not_found"])
        login = json.dumps({"email": "ada@example.org", "password": "not this one"})
        done = self.fails(1, "call", "--json", "auth.login", "-", stdin=login)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "bad_credentials")
        done = self.fails(77, "call", "--json", "user.profile_update", "{}")
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "unauthenticated")

    def test_a_mutating_call_may_be_made_by_nobody(self):
        done = self.stack.sut("call", "auth.login", "-",
                              stdin=json.dumps({"email": "ada@example.org", "password": "correct horse battery"}))
        self.assertEqual(json.loads(done.stdout)["user_id"], self.id)
        # for whom a call is, only edges and actors may say
        self.fails(77, "call", "--as", str(self.id), "user.profile_update", "{}", says=["forbidden"])

    # ---- pages ----

    def test_status_services_and_peers(self):
        services = {s["name"]: s for s in json.loads(self.stack.sut("services", "--json").stdout)["services"]}
        self.assertEqual(set(services), {"auth", "user"})
        peers = json.loads(self.stack.sut("peers", "--json").stdout)["sessions"]
        self.assertTrue({("edge", "edge"), ("auth", "actor"), ("user", "actor"), ("operator", "operator")} <=
                        {(p["name"], p["role"]) for p in peers}, peers)
        status = json.loads(self.stack.sut("status", "--json").stdout)
        self.assertEqual({s["name"] for s in status["services"]}, {"auth", "user"})
        for command in ("status", "services", "peers"):
            page = self.stack.sut(command).stdout
            self.assertIn("auth", page)
            self.assertIn("user", page)
        self.assertIn("sut-broker", self.stack.sut("ping").stdout)

    def test_methods(self):
        names = self.stack.sut("methods", "--names").stdout.split()
        self.assertIn("user.profile_get", names)
        self.assertIn("auth.revocations", names)
        page = self.stack.sut("methods", "auth.register").stdout
        for field in ("email", "password", "username", "display_name"):
            self.assertIn(field, page)

    def test_completion_is_shell(self):
        for shell in ("bash", "zsh"):
            script = self.stack.sut("completion", shell).stdout
            self.assertIn("_sut", script)
            if shell == "bash":
                subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=20)
        self.fails(64, "completion", "fish", says=["fish"])

    # ---- keys ----

    def test_a_new_key_works_at_once_and_a_revoked_one_never_again(self):
        s = self.stack
        s.sut("key", "new", "helper", "--role", "tool", "--call", "user.profile_get")
        secret_file = f"{s.run}/secrets/keys/helper.secret"
        self.assertEqual(os.stat(secret_file).st_mode & 0o077, 0, "a secret that others may read")
        as_helper = ("--name", "helper", "--secret-file", secret_file)
        reply = s.sut(*as_helper, "call", "user.profile_get", f'{{"user_id": {self.id}}}')
        self.assertEqual(json.loads(reply.stdout)["username"], "ada")
        self.fails(77, *as_helper, "call", "auth.revocations", "{}", says=["forbidden"])

        with open(secret_file, encoding="utf-8") as f:
            secret = f.read().strip()
        endpoint = f"ipc://{s.run}/s/broker/bus"
        bus = sut_bus.Bus(endpoint, "helper", secret)
        bus.socket.sndtimeo = 500  # a socket that was cut takes no more
        self.assertEqual(bus.call("user.profile_get", {"user_id": self.id})["username"], "ada")
        self.assertIn("helper", s.sut("peers").stdout)
        kept = f"{s.run}/kept.secret"
        shutil.copy(secret_file, kept)
        s.sut("key", "revoke", "helper")
        self.assertFalse(os.path.exists(secret_file))
        stack.wait_until(lambda: "helper" not in s.sut("peers").stdout, 2, "the session to be cut")
        with self.assertRaises((sut_bus.BusError, zmq.Again)):
            bus.call("user.profile_get", {"user_id": self.id}, timeout_ms=500)
        bus.close()
        self.fails(77, "--name", "helper", "--secret-file", kept, "ping", says=["refuses"])
        self.assertEqual(s.get(f"/api/users/profile/{self.id}").status, 200, "nobody else notices")

    def test_keys_are_listed(self):
        rows = {r["name"]: r for r in json.loads(self.stack.sut("key", "list", "--json").stdout)}
        self.assertEqual({n: rows[n]["role"] for n in ("edge", "auth", "user", "operator")},
                         {"edge": "edge", "auth": "actor", "user": "actor", "operator": "operator"})
        self.fails(64, "key", "new", "../evil", "--role", "tool")
        self.fails(64, "key", "new", "nobody", "--role", "king")

    def test_a_broker_that_is_away_is_said(self):
        started = time.monotonic()
        done = self.fails(69, "--broker", f"ipc://{self.stack.run}/nobody", "--timeout", "300", "call", "user.profile_get",
                          f'{{"user_id": {self.id}}}')
        self.assertIn("broker", done.stderr)
        self.assertLess(time.monotonic() - started, 20)


if __name__ == "__main__":
    stack.main()
