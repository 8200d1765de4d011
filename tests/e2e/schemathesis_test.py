"""The OpenAPI document against what runs, by requests that schemathesis makes from it: all its checks, logged in."""

import json
import os
import re
import subprocess
import unittest

import stack

TOOL = os.path.join(stack.ROOT, "tests/support/tools/schemathesis")
PASSWORD = "correct horse battery"


class Document(unittest.TestCase):
    def test_all_checks(self):
        venv = subprocess.run([f"{TOOL}/setup"], check=True, text=True, capture_output=True).stdout.strip()
        with stack.Stack() as s:
            base = f"http://127.0.0.1:{s.port}"
            people = [s.register(f"person{i}", PASSWORD)["user_id"] for i in range(8)]
            logins = [{"email": f"{name}@example.org", "password": PASSWORD} for name in ("ada", "eve", "root")]
            made = [s.register(name, PASSWORD) for name in ("ada", "eve", "root")]
            s.sut("admin", "grant", "root@example.org")
            friend = s.register("friend", PASSWORD) # whom what only friends are told can be asked about
            s.post(f"/api/users/friend/{friend['user_id']}", token=made[0]["access_token"])
            s.put(f"/api/users/friend/{made[0]['user_id']}", token=friend["access_token"])
            done = subprocess.run(
                [f"{venv}/bin/st", "--config-file", f"{TOOL}/schemathesis.toml", "run", f"{base}/openapi.json", "--url", base],
                env=dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=TOOL, SUT_BASE=base, SUT_ME=json.dumps(logins[0]),
                         SUT_OTHER=json.dumps(logins[1]), SUT_ADMIN=json.dumps(logins[2]), SUT_PEOPLE=json.dumps(people),
                         SUT_FRIEND=str(friend["user_id"])),
                cwd=s.run, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=540)
            logged = "\n".join(line for name in ("auth", "user", "edge") for line in s.log(name).splitlines() if "level=error" in line)
            self.assertEqual(done.returncode, 0, f"{done.stdout}\n{logged}")
            self.assertRegex(done.stdout, r"[1-9]\d* passed", done.stdout)
            print(re.findall(r"(?m)^.*(?:generated|passed).*$", done.stdout)[-2:])


if __name__ == "__main__":
    stack.main()
