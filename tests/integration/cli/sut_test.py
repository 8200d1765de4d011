"""`sut` as people and scripts run it: what it prints, and its exit codes."""

import json
import os
import subprocess
import unittest

import stack
from broker import Broker
from bus_test import Actor
from sut_bus import BusError

PROFILE = {"user_id": 4096, "username": "ada", "follower_count": 1, "following_count": 2, "post_count": 3,
           "created_at": 1767323045000000, "updated_at": 1767323045000000, "unknown_to_us": 1}


def profile_get(body):
    if body["user_id"] == 1:
        raise BusError({"code": "not_found", "message": "no such user"})
    if body["user_id"] == 2:
        raise BusError({"code": "of_its_own", "message": "a code that only this method has"})
    if body["user_id"] == 3:
        return {"user_id": "not a number"}
    return dict(PROFILE, user_id=body["user_id"])


class SutTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().__enter__()
        cls.addClassCleanup(cls.broker.__exit__)
        cls.broker.key("user", "actor")
        cls.broker.key("helper", "tool")
        cls.actor = Actor(cls.broker, {"user.profile_get": profile_get, "user.echo": lambda body: body}, name="user")
        cls.actor.__enter__()
        cls.addClassCleanup(cls.actor.__exit__)

    def fails(self, code, *arguments, says=(), name="operator", **options):
        done = self.broker.sut(*arguments, check=False, name=name, **options)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        for text in says:
            self.assertIn(text, done.stderr)
        return done

    def test_call_prints_the_reply_by_the_schema(self):
        reply = json.loads(self.broker.sut("call", "user.profile_get", '{"user_id": 4096}').stdout)
        self.assertEqual(reply["username"], "ada")
        self.assertEqual(reply["created_at"], "2026-01-02T03:04:05.000000Z")
        self.assertNotIn("unknown_to_us", reply)
        one_line = self.broker.sut("call", "user.profile_get", '{"user_id": 4096}', "--json").stdout
        self.assertEqual(one_line.count("\n"), 1)
        raw = json.loads(self.broker.sut("call", "--raw", "user.profile_get", '{"user_id": 4096}').stdout)
        self.assertEqual(raw["unknown_to_us"], 1)

    def test_input_from_standard_input_and_file(self):
        reply = json.loads(self.broker.sut("call", "user.profile_get", "-", input='{"user_id": 5}').stdout)
        self.assertEqual(reply["user_id"], 5)
        with open(f"{self.broker.dir}/in.json", "w", encoding="utf-8") as f:
            f.write('{"user_id": 6}')
        reply = json.loads(self.broker.sut("call", "user.profile_get", "@in.json").stdout)
        self.assertEqual(reply["user_id"], 6)
        self.fails(66, "call", "user.profile_get", "@absent.json", says=["absent.json"])

    def test_wrong_input_is_named_and_not_sent(self):
        self.fails(65, "call", "user.profile_get", '{"user_id": 4096, "nonsense": 1}', says=["/nonsense"])
        self.fails(65, "call", "user.profile_get", "{}", says=["/user_id", "required"])
        self.fails(65, "call", "user.profile_get", '{"user_id": "x"}', says=["/user_id"])
        self.fails(65, "call", "user.profile_get", "{nonsense", says=["user.profile_get"])
        self.fails(65, "call", "--raw", "user.echo", "[1]", says=["JSON object"])

    def test_unknown_methods(self):
        self.fails(64, "call", "user.no_such", says=["user.no_such", "--raw"])
        self.fails(64, "call", "no such", says=["no such"])
        self.fails(64, "call", "--raw", "user.no_such", says=["no_such_method"])
        self.fails(69, "call", "--raw", "nobody.home", says=["no_such_service"])

    def test_error_answers(self):
        self.fails(1, "call", "user.profile_get", '{"user_id": 1}', says=["not_found", "no such user"])
        self.fails(1, "call", "user.profile_get", '{"user_id": 2}', says=["of_its_own"])
        done = self.fails(1, "call", "--json", "user.profile_get", '{"user_id": 1}')
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "not_found")
        self.fails(70, "call", "user.profile_get", '{"user_id": 3}', says=["schema"])

    def test_rights(self):
        self.fails(77, "call", "--as", "42", "user.profile_get", '{"user_id": 5}', says=["forbidden"])
        self.fails(64, "call", "--as", "42:2", "user.profile_get", '{"user_id": 5}', says=["42:2"])
        self.fails(77, "status", name="helper", says=["forbidden"])

    def test_status_pages(self):
        self.assertIn("sut-broker", self.broker.sut("ping").stdout)
        self.assertGreater(json.loads(self.broker.sut("ping", "--json").stdout)["round_trip_us"], 0)
        page = self.broker.sut("status").stdout
        for text in ("broker ", "SERVICE", "user", "PEER", "operator"):
            self.assertIn(text, page)
        services = json.loads(self.broker.sut("services", "--json").stdout)["services"]
        self.assertEqual([s["name"] for s in services], ["user"])
        self.assertIn("actor", self.broker.sut("peers").stdout)

    def test_settings_and_connection_faults(self):
        def sut(code, *arguments, says="", **env):
            kept = {k: v for k, v in dict(self.broker.env, **env).items() if v is not None}
            done = subprocess.run([f"{self.broker.bin}/sut", *arguments], env=kept, cwd="/", text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(says, done.stderr)
        secret = f"{self.broker.dir}/keys/operator.secret"
        sut(78, "ping", says="SUT_NAME")
        sut(78, "ping", says="SUT_BROKER", SUT_BROKER=None)
        sut(78, "ping", says="SUT_SECRET_FILE", SUT_NAME="operator")
        sut(78, "ping", says="/absent", SUT_NAME="operator", SUT_SECRET_FILE="/absent")
        sut(77, "ping", says="refuses", SUT_NAME="helper", SUT_SECRET_FILE=secret)
        sut(69, "ping", "--timeout", "200", says="broker", SUT_NAME="operator", SUT_SECRET_FILE=secret,
            SUT_BROKER=f"ipc://{self.broker.dir}/nobody")
        sut(78, "ping", says="tcp", SUT_NAME="operator", SUT_SECRET_FILE=secret, SUT_BROKER="http://x")
        sut(64, "ping", "--timeout", "soon", says="--timeout", SUT_NAME="operator", SUT_SECRET_FILE=secret)
        sut(64, says="usage")
        sut(64, "nonsense", says="nonsense")

    def test_run_directory(self):
        run = f"{self.broker.dir}/run"
        os.mkdir(run, 0o700)
        with open(f"{run}/env", "w", encoding="utf-8") as f:
            f.write(f"SUT_BROKER={self.broker.endpoint}\nSUT_NAME=operator\n"
                    f"SUT_SECRET_FILE={self.broker.dir}/keys/operator.secret\n")
        os.chmod(f"{run}/env", 0o600)
        bare = {k: v for k, v in self.broker.env.items() if not k.startswith("SUT_")}
        def sut(code, *arguments, cwd="/"):
            done = subprocess.run([f"{self.broker.bin}/sut", *arguments], env=bare, cwd=cwd, text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
            return done
        sut(0, "--run", run, "ping")
        sut(0, "ping", "--run", run)
        sut(0, "ping", cwd=f"{self.broker.dir}/keys")  # found from below
        sut(78, "--run", "/nowhere", "ping")
        os.chmod(f"{run}/env", 0o644)
        self.assertIn("env", sut(78, "--run", run, "ping").stderr)

    def test_completion(self):
        script = ('PATH=%s:$PATH; eval "$(sut completion bash)"; '
                  'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _sut; echo "${COMPREPLY[@]}"; }; '
                  'try sut st; try sut call user.profile_g; try sut --run /x ser; try sut completion z' % self.broker.bin)
        done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, timeout=60)
        self.assertEqual(done.stdout.split("\n")[:4], ["status", "user.profile_get", "services", "zsh"], done.stderr)


if __name__ == "__main__":
    stack.main()
