"""sut tap, why, record, fixture, top: against a real broker, with a small actor on the other side."""

import json
import os
import subprocess

import stack
from bus_test import Actor
from cli_case import CliCase, Terminal
from stack import wait_until


class Watch(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker.key("user", "actor")
        cls.actor = Actor(cls.broker, {"user.echo": lambda body: body}, name="user")
        cls.actor.__enter__()
        cls.addClassCleanup(cls.actor.__exit__)

    def call(self):
        self.sut("call", "--raw", "user.echo", '{"n": 1}')

    def tap_until(self, condition, *arguments, do, name="operator"):
        """Runs `do` again and again until the tap has printed what makes the condition true; its lines."""
        tap = self.start("tap", *arguments, name=name)
        os.set_blocking(tap.stdout.fileno(), False)
        seen = []

        def found():
            do()
            seen.extend((tap.stdout.read() or "").splitlines())
            return condition(seen)
        wait_until(found, 30, "the tap to show it")
        code, _, err = self.interrupt(tap)
        self.assertEqual(code, 0, err)
        return seen

    def test_calls_and_replies_pass_by(self):
        lines = self.tap_until(lambda seen: any("reply" in line for line in seen), "user.*", do=self.call)
        self.assertTrue(any(" call " in line and "→ user" in line and "user.echo" in line for line in lines), lines)
        self.assertFalse(any("\033" in line for line in lines))

    def test_filters_and_json(self):
        lines = self.tap_until(len, "--kind", "event", "--json", do=lambda: (self.call(), self.publish("tapped", 1)))
        records = [json.loads(line) for line in lines]
        self.assertEqual({r["kind"] for r in records}, {"event"})
        self.assertEqual(records[0]["subject"], "probe.sent")

    def test_history_from_the_journal_ends(self):
        self.publish("history", 1)
        lines = self.lines("tap", "probe.*", "--key", "history", "--since", "1m", "--until", "now", "--json")
        self.assertEqual([line["body"]["n"] for line in lines], [1])

    def test_who_may_not_is_told(self):
        self.fails(77, "tap", says=["forbidden"], name="prober")
        self.fails(64, "tap", "--personal", says=["--reason"])
        self.fails(64, "tap", "--kind", "calls", says=["calls"])
        self.fails(64, "tap", "--trace", "xyz", says=["--trace"])

    def test_record_and_fixture(self):
        self.broker.key("recorder", "operator", "--publish", "probe.*", "--subscribe", ">", "--tap", ">", "--call", "broker.*,>")
        recorder = self.start("record", "out.jsonl", "probe.*", "user.*", "--limit", "3", name="recorder")
        self.wait_for_subscription()

        def enough():
            self.publish("recorded", 1)
            return recorder.poll() is not None
        wait_until(enough, 30, "three records")
        self.assertEqual(recorder.returncode, 0, recorder.stderr.read())
        with open(f"{self.broker.dir}/out.jsonl", encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual((lines[0]["sut_record"], lines[0]["subjects"]), (1, ["probe.*", "user.*"]))
        self.assertEqual({line["kind"] for line in lines[1:]}, {"event"})
        self.fails(74, "record", "out.jsonl", says=["out.jsonl"], name="recorder")

        self.fails(64, "fixture", "out.jsonl", "case", says=["tests/fixtures"])
        os.makedirs(f"{self.broker.dir}/tests/fixtures")
        self.fails(64, "fixture", "out.jsonl", "Not A Name", says=["name"])
        self.assertIn("3 events", self.sut("fixture", "out.jsonl", "case"))
        self.fails(64, "fixture", "out.jsonl", "case", says=["case"])
        runner = os.path.join(stack.ROOT, "tests", "fixtures", "fixture_test.py")
        done = subprocess.run(["/usr/bin/python3", runner, f"{self.broker.dir}/tests/fixtures/case"], text=True,
                              capture_output=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(f"{self.broker.dir}/bad.jsonl", "w", encoding="utf-8") as f:
            f.write("{}\n")
        self.fails(65, "fixture", "bad.jsonl", "other", says=["bad.jsonl"])
        self.assertFalse(os.path.exists(f"{self.broker.dir}/tests/fixtures/other"))

    def test_why_shows_a_request(self):
        lines = self.tap_until(lambda seen: any('"reply"' in line for line in seen), "user.*", "--json", do=self.call)
        trace = json.loads(lines[0])["trace_id"]
        tree = self.sut("why", trace)
        self.assertIn("user.echo", tree)
        self.assertIn("operator → user", tree)
        self.fails(1, "why", "00000000000000000000000000000001", says=["nothing is known"])
        self.fails(64, "why", "xyz", says=["xyz"])
        self.fails(64, "why", says=["--user"])

    def test_top_once_and_on_a_terminal(self):
        page = self.sut("top", "--once", "--interval", "200ms")
        for text in ("sut-broker", "journal", "SERVICE", "user", "GROUP"):
            self.assertIn(text, page)
        env = dict(self.broker.env, SUT_NAME="operator", SUT_SECRET_FILE=f"{self.broker.dir}/keys/operator.secret")
        terminal = Terminal([f"{self.broker.bin}/sut", "top", "--interval", "200ms"], env, self.broker.dir)
        terminal.read_until(b"now by rate")
        self.assertIn(b"\033[?1049h", terminal.seen)
        terminal.write(b"s")
        terminal.read_until(b"now by latency")
        terminal.write(b"q")
        terminal.read_until(b"\033[?1049l")
        self.assertEqual(terminal.end(), 0)


if __name__ == "__main__":
    stack.main()
