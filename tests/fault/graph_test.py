"""Neo4j killed and started again under load: the graph is read all the while, and afterwards the copy is equal."""

import os
import random
import unittest

import load
import neo4j
import stack


class Graph(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        try:
            cls.neo4j = neo4j.Neo4j()
        except neo4j.Missing as missing:
            if os.environ.get("SUT_TEST_REQUIRE_ALL") == "1":
                raise
            raise unittest.SkipTest(f"left out: {missing}") from missing
        cls.enterClassContext(cls.neo4j)
        cls.settings = {"NEO4J_URL": cls.neo4j.url, "NEO4J_PASSWORD": cls.neo4j.password}
        super().setUpClass()

    def state(self):
        return self.stack.sut("call", "user.health", "{}", "--raw").stdout

    def equal(self):
        return self.stack.sut("check", "social-graph", check=False)

    def copied(self):
        return self.neo4j.query("MATCH ()-[r:FOLLOWS|FRIENDS_WITH]->() RETURN count(r)")[0][0]

    def good(self):
        return self.stack.psql("user_db", "SELECT dirty = clean FROM graph_copy") == "t"

    def test_killed_and_back_under_load(self):
        people = [self.stack.register(f"person{i}") for i in range(24)]
        stack.wait_until(self.good, 60, "the first copy")
        chance = random.Random(5)

        def make(_):
            who, whom = chance.sample(people, 2)
            verb, path = chance.choice([("POST", "follow"), ("DELETE", "follow"), ("POST", "friend"), ("DELETE", "friend"),
                                        *[("GET", "path"), ("GET", "suggestions")] * 8])
            target = {"path": f"/api/users/{whom['user_id']}/path", "suggestions": "/api/users/suggestions"}.get(
                path, f"/api/users/{path}/{whom['user_id']}")
            return verb, target, None, {"Authorization": f"Bearer {who['access_token']}"}

        with load.Load(self.stack, 2, make) as running:
            stack.wait_until(lambda: self.copied() > 20, 60, "edges in the copy")
            self.neo4j.kill()
            stack.wait_until(lambda: "neo4j" in self.state() and "does not answer" in self.state(), 30, "health to say it")
            stack.wait_until(lambda: not self.good(), 60, "what it misses to be noted")
            self.neo4j.start()
            stack.wait_until(self.good, 120, "the copy to be whole again")
            self.assertEqual(self.equal().returncode, 0, "while writes go on")
        running.assert_honest(self)
        reads = [e for e in running.log if e[2] and e[2] >= 400]
        self.assertEqual(reads, [], "nobody notices that Neo4j is away")
        done = stack.wait_until(lambda: (d := self.equal()).returncode == 0 and d, 60, "equality")
        self.assertRegex(done.stdout, r"^social-graph: equal, compared [1-9]\d*, copied [1-9]\d*, missing 0, extra 0, different 0")
        self.neo4j.query("MATCH ()-[r:FOLLOWS]->() WITH r LIMIT 2 DELETE r")
        done = self.equal()
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("not equal", done.stdout)
        self.assertIn("missing 2", done.stdout)
        self.assertRegex(self.stack.sut("rebuild", "social-graph", "--yes").stdout, "done, .*missing 2, extra 0, different 0")
        self.assertEqual(self.equal().returncode, 0)


if __name__ == "__main__":
    stack.main()
