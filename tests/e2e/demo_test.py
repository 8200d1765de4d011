"""scripts/demo: people with a graph, by REST; a second run changes nothing."""

import os
import subprocess
import unittest

import stack

PLAN = os.path.join(stack.ROOT, "scripts/lib/demo.awk")


def plan(people):
    lines = subprocess.run(["awk", "-v", f"people={people}", "-f", PLAN], check=True, text=True, capture_output=True).stdout
    return [line.split("\t") for line in lines.splitlines()]


class Demo(stack.StackTest):
    def state(self):
        return self.stack.psql("user_db", "SELECT count(*) || ' ' || (SELECT sum(followers) || ' ' || sum(following) FROM connection_counts)"
                                          " FROM user_profiles")

    def test_people_and_what_they_are_to_each_other(self):
        lines = plan(40)
        said = self.stack.script("demo", "40").stdout
        approved = {(line[2], line[1]) for line in lines if line[0] == "approve"}
        private = {line[1] for line in lines if line[0] == "person" and line[6] == "true"}
        friends = {(line[1], line[2]) for line in lines if line[0] == "accept"}
        follows = [line for line in lines if line[0] == "follow" and
                   (line[2] not in private or {(line[1], line[2]), (line[2], line[1])} & (friends | approved))]
        self.assertTrue(approved and len(private) == 2)
        before = self.state()
        people, followers, following = map(int, before.split())
        self.assertEqual((people, followers, following), (40, len(follows), len(follows)))
        name = next(line for line in lines if line[0] == "person")[2]
        self.assertIn(f"{name}@demo.example", said)
        token = self.stack.post("/api/auth/login", {"email": f"{name}@demo.example", "password": "correct horse battery"}).json["access_token"]
        self.assertTrue(self.stack.request("GET", "/api/users/requests", token=token).json["items"] is not None)
        self.stack.script("demo", "40")
        self.assertEqual(self.state(), before)

    def test_what_it_refuses(self):
        for wrong in ("7", "2001", "x", "-1"):
            done = self.stack.script("demo", wrong, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("must be a number from 8 to 2000", done.stderr)


class Plan(unittest.TestCase):
    def test_it_is_the_same_at_each_run_and_plausible(self):
        lines = plan(200)
        self.assertEqual(lines, plan(200))
        count = {kind: sum(line[0] == kind for line in lines) for kind in ("person", "follow", "friend", "accept", "approve")}
        self.assertEqual(count["person"], 200)
        self.assertEqual(len({line[2] for line in lines if line[0] == "person"}), 200)
        self.assertGreater(count["follow"], 1500)
        self.assertGreater(count["friend"], count["accept"])
        followers = {}
        for line in lines:
            if line[0] == "follow":
                followers[line[2]] = followers.get(line[2], 0) + 1
        most = max(followers.values())
        self.assertGreater(most, 2 * count["follow"] / 200, "some have many followers")


if __name__ == "__main__":
    stack.main()
