"""Signing keys are rotated under load: not one request fails, and the old keys' tokens hold until they expire."""

import base64
import json
import threading

import stack

BODY = {"email": "ada@example.org", "password": "correct horse battery"}


def kid(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


class Rotation(stack.StackTest):
    def keys(self):
        with open(f"{self.stack.run}/secrets/jwt.keys") as f:
            return [line.split()[0] for line in f if line.strip() and not line.startswith("#")]

    def rotate(self):
        return self.stack.script("rotate-keys", "--no-wait")

    def since(self, seconds):
        """As if the key that signs now had done so since then."""
        path = f"{self.stack.run}/secrets/jwt.keys"
        with open(path) as f:
            lines = f.read().splitlines()
        self.assertRegex(lines[0], "^# signs since [0-9]+$")
        with open(path, "w") as f:
            f.write("\n".join([f"# signs since {int(lines[0].split()[-1]) - seconds}", *lines[1:]]) + "\n")

    def test_under_load(self):
        s = self.stack
        first = s.register("ada")
        failures, answers, kids, stop = [], [0], set(), threading.Event()

        def work(n):
            held = s.post("/api/auth/login", BODY).json
            tokens = [held["access_token"]]
            while not stop.is_set():
                for token in tokens[:1] + tokens[-1:]:
                    reply = s.get("/api/auth/verify", token=token)
                    if reply.status != 200:
                        failures.append((n, kid(token), reply))
                fresh = s.post("/api/auth/refresh", {"refresh_token": held["refresh_token"]})
                if fresh.status != 200:
                    failures.append((n, fresh))
                    return
                held = fresh.json
                tokens.append(held["access_token"])
                kids.add(kid(tokens[-1]))
                answers[0] += 3

        threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
        for t in threads:
            t.start()
        try:
            older = self.keys()[1:]
            signing = [self.keys()[0]]
            for _ in range(3):
                before = answers[0]
                self.rotate()
                signing.append(self.keys()[0])
                stack.wait_until(lambda: (signing[-1] in kids and answers[0] > before) or failures, 20,
                                 "tokens of the new key")
        finally:
            stop.set()
            for t in threads:
                t.join(30)
        self.assertEqual(failures, [])
        self.assertEqual(len(set(signing)), 4)
        self.assertTrue(set(signing) <= kids | {signing[0]})
        self.assertEqual(self.keys(), [*signing[::-1], *older], "none may go yet")
        self.assertEqual(s.get("/api/auth/verify", token=first["access_token"]).status, 200)

        self.since(1000)  # a quarter of an hour later
        self.rotate()
        self.assertEqual(self.keys()[1:], [signing[-1]], "those that had signed before are gone, the last one is not")
        self.assertEqual(s.get("/api/auth/verify", token=first["access_token"]).status, 401)

    def test_a_bad_file_changes_nothing(self):
        s = self.stack
        tokens = s.register("grace")
        path = f"{s.run}/secrets/jwt.keys"
        with open(path) as f:
            good = f.read()
        with open(path, "w") as f:
            f.write("nonsense\n")
        for name in ("auth", "edge"):
            before = s.log(name).count("event=keys.kept")
            s.sv("hup", name)
            stack.wait_until(lambda: s.log(name).count("event=keys.kept") > before, 10, f"{name} to refuse the file")
        self.assertNotIn("nonsense", s.log("auth") + s.log("edge"))
        self.assertEqual(s.get("/api/auth/verify", token=tokens["access_token"]).status, 200)
        with open(path, "w") as f:
            f.write(good)
        self.rotate()
        self.assertEqual(s.get("/api/auth/verify", token=tokens["access_token"]).status, 200)

    def test_what_does_not_run_is_said_first(self):
        s = self.stack
        before = self.keys()
        s.sv("stop", "edge")
        done = s.script("rotate-keys", "--no-wait", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("edge does not run", done.stderr)
        self.assertEqual(self.keys(), before)
        s.sv("start", "edge")
        s.wait_healthy()


if __name__ == "__main__":
    stack.main()
