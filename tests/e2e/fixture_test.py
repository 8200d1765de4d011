"""A session of an operator: record calls, make a test case of them, run it; and see it fail when the answer is another one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import stack
from stack import wait_until

RUNNER = f"{stack.ROOT}/tests/fixtures/fixture_test.py"
SUBJECTS = ("user.profile_create", "user.profile_update", "user.profile_get")


class Fixture(stack.StackTest):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sut-fixture-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.makedirs(f"{self.dir}/tests/fixtures")

    def record(self, count, *options):
        """Starts it, and waits until it sees what passes."""
        taps = lambda: json.loads(self.stack.sut("status", "--json").stdout)["taps"]["taps"]
        before = len(taps())
        recorder = subprocess.Popen([f"{self.stack.bin}/sut", "--run", self.stack.run, "record", "calls.rec", *SUBJECTS, "--kind",
                                     "call,reply,error", "--limit", str(count), *options], cwd=self.dir, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(recorder.kill)
        wait_until(lambda: len(taps()) > before, 20, "the recorder's tap")
        return recorder

    def call(self, subject, body, *options):
        me = ("--name", "caller", "--secret-file", f"{self.stack.run}/secrets/keys/caller.secret")
        return self.stack.sut("call", subject, json.dumps(body), "--json", *options, *me, check=False)

    def make(self, name):
        return subprocess.run([f"{self.stack.bin}/sut", "fixture", "calls.rec", name], cwd=self.dir, text=True, capture_output=True)

    def run_case(self, name):
        path = f"{stack.ROOT}/tests/support:{stack.ROOT}/tests/interop"
        return subprocess.run([sys.executable, RUNNER, f"{self.dir}/tests/fixtures/{name}"], text=True, capture_output=True, timeout=120,
                              env=dict(os.environ, PYTHONPATH=path, SUT_BIN=self.stack.bin, SUT_PRESET=self.stack.preset))

    def test_recorded_calls_become_a_case_that_holds_a_new_system_to_their_answers(self):
        self.stack.sut("key", "new", "caller", "--role", "actor", "--call", "user.*")
        recorder = self.record(10, "--personal", "--reason", "a test case")
        self.call("user.profile_create", {"user_id": 4096, "username": "ada"})
        self.call("user.profile_update", {"bio": "first", "location": "London"}, "--as", "4096")
        self.call("user.profile_get", {"user_id": 4096}, "--as", "4096")
        self.call("user.profile_get", {"user_id": 8192})
        self.call("user.profile_create", {"user_id": 8192, "username": "ada"})
        out, err = recorder.communicate(timeout=20)
        self.assertEqual(recorder.returncode, 0, (out, err))
        made = self.make("profile")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("5 calls", made.stdout)
        self.assertEqual(os.listdir(f"{self.dir}/tests/fixtures/profile"), ["calls.jsonl"])
        file = f"{self.dir}/tests/fixtures/profile/calls.jsonl"
        with open(file, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(lines[1]["as"], "4096")
        self.assertEqual((lines[2]["reply"]["location"], lines[2]["reply"]["updated_at"]), ("London", "<volatile>"))
        self.assertEqual([line.get("error") for line in lines], [None, None, None, "not_found", "username_taken"])

        done = self.run_case("profile")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("5 passed, 0 failed", done.stdout)

        lines[2]["reply"]["location"] = "Paris"
        del lines[4]["error"]  # any answer will do
        with open(file, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(line) + "\n" for line in lines)
        done = self.run_case("profile")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("FAILED: line 3, user.profile_get", done.stdout)
        self.assertIn("4 passed, 1 failed", done.stdout)

    def test_what_cannot_be_made_again_is_counted_and_left_out(self):
        recorder = self.record(2)
        self.stack.register("hidden")
        out, err = recorder.communicate(timeout=20)
        self.assertEqual(recorder.returncode, 0, (out, err))
        with open(f"{self.dir}/calls.rec", "a", encoding="utf-8") as f:
            f.write(json.dumps({"kind": "call", "subject": "auth.login", "id": 1 << 40, "body": {"email": "<redacted>"}}) + "\n")
            f.write(json.dumps({"kind": "reply", "subject": "auth.login", "id": 1 << 40, "body": {}}) + "\n")
            f.write(json.dumps({"kind": "call", "subject": "no.method", "id": 2 << 40, "body": {}}) + "\n")
            f.write(json.dumps({"kind": "call", "subject": "user.profile_get", "id": 3 << 40, "body": {"user_id": 1}}) + "\n")
        made = self.make("hidden")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("3 calls were left out (1 with what was not shown, 1 without their answer, 1 of methods that no schema declares)",
                      made.stdout)
        self.assertEqual(self.make("hidden").returncode, 64, "a case that is there is not written over")


if __name__ == "__main__":
    stack.main()
