"""`sut tap`, `sut record`, `sut fixture`: what operators see of what passes, and what they do not."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

import msgpack

import stack
from broker import ROOT, Broker
from bus_test import Actor
from cli_case import CliCase, probe
from stack import wait_until
from sut_bus import CALL, ERROR, GAP, PUBLISH, PUBLISHED, TAP, UNSUBSCRIBE, Bus, BusError

SECRET, PERSONAL = "canary-of-a-password", "canary-of-a-place"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def profile_get(body):
    if body["user_id"] == 1:
        raise BusError({"code": "not_found", "message": f"no {SECRET} here"})
    return {"user_id": body["user_id"], "username": "ada", "follower_count": 1, "following_count": 2, "post_count": 3,
            "location": PERSONAL, "created_at": 1767323045000000, "updated_at": 1767323045000000, "undeclared": SECRET}


class WatchCase(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker.key("user", "actor")
        cls.broker.key("edge", "edge")
        cls.broker.key("looker", "tool", "--tap", "probe.*,user.*")
        cls.actor = Actor(cls.broker, {"user.profile_get": profile_get}, name="user", credits=256)
        cls.actor.__enter__()
        cls.addClassCleanup(cls.actor.__exit__)

    def bus(self, name):
        bus = Bus(self.broker.endpoint, name, self.broker.secret(name))
        self.addCleanup(bus.close)
        return bus

    def status(self):
        return json.loads(self.sut("call", "broker.status", "{}", "--json"))["taps"]

    def tap(self, *arguments, name="operator", **options):
        """A `sut tap` that is attached."""
        before = self.status()["attached_total"]
        process = self.start("tap", *arguments, name=name, **options)
        wait_until(lambda: process.poll() is not None or self.status()["attached_total"] > before, 20, "the tap")
        return process

    def shown(self, process, code=0):
        """The lines of a tap that ends by its limit."""
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, code, (out, err))
        return out

    def records(self, process):
        return [json.loads(line) for line in self.shown(process).splitlines()]

    def call_as(self, edge, user_id, trace=None, key=None, subject="user.profile_get"):
        """A call for a user, as an edge makes them."""
        id = next(edge.ids)
        parent = f"00-{trace}-00f067aa0ba902b7-01" if trace else None
        edge.socket.send(msgpack.packb([1, CALL, id, subject, key, 3000, [user_id, 1, "sid"], parent, {},
                                        msgpack.packb({"user_id": user_id})]))
        while id not in edge.answers:
            self.assertTrue(edge.run(time.monotonic() + 5), "no answer")
        return edge.answers.pop(id)

    def journalled(self, subject, **wanted):
        """The broker's own event that says this, which is journalled beside the answer."""
        def found():
            bodies = [line["body"] for line in self.lines("tap", subject, "--since", "1h", "--json")]
            return [b for b in bodies if all(b.get(name) == value for name, value in wanted.items())]
        return wait_until(found, 10, f"{subject} with {wanted}")[-1]


class Live(WatchCase):
    def test_calls_replies_errors_and_events_without_what_may_not_be_shown(self):
        tap = self.tap("user.*", "probe.*", "--limit", "5")
        self.sut("call", "user.profile_get", '{"user_id": 4096}')
        self.broker.sut("call", "user.profile_get", '{"user_id": 1}', check=False)
        self.publish("a", 7)
        out = self.shown(tap)
        self.assertNotIn(SECRET, out)
        self.assertNotIn(PERSONAL, out)
        lines = out.splitlines()
        self.assertEqual([line.split()[1] for line in lines], ["call", "reply", "call", "error", "event"], out)
        self.assertRegex(lines[0], r'operator\S* → user  user\.profile_get')  # an instance's name if there are several
        self.assertIn('{"user_id":4096}', lines[0])
        self.assertIn('"location":"<redacted>"', lines[1])
        self.assertIn('"created_at":"2026-01-02T03:04:05.000000Z"', lines[1])
        self.assertIn("(more was withheld)", lines[1])  # a field that no schema declares
        self.assertIn("not_found", lines[3])
        self.assertIn('prober → -  probe.sent', lines[4])
        self.assertIn('{"lane":"a","n":7}', lines[4])

    def test_json_and_raw(self):
        tap, raw = self.tap("user.*", "--limit", "2", "--json"), self.tap("user.*", "--limit", "2", "--json", "--raw")
        self.sut("call", "user.profile_get", '{"user_id": 4096}')
        call, reply = self.records(tap)
        self.assertEqual((call["kind"], reply["kind"], call["id"]), ("call", "reply", reply["id"]))
        self.assertEqual((reply["from"], reply["to"], reply["withheld"]), ("user", call["from"], True))
        self.assertGreater(reply["took_us"], 0)
        self.assertEqual(len(reply["trace_id"]), 32)
        self.assertEqual(reply["trace_id"], call["trace_id"])
        self.assertEqual(reply["body"]["created_at"], "2026-01-02T03:04:05.000000Z")
        self.assertEqual(self.records(raw)[1]["body"]["created_at"], 1767323045000000)

    def test_filters(self):
        edge = self.bus("edge")
        of_user = self.tap("--user", "42", "--kind", "call", "--limit", "1", "--json")
        of_trace = self.tap("--trace", TRACE.upper(), "--limit", "2", "--json")
        of_key = self.tap("--key", "k7", "--limit", "2", "--json")
        errors = self.tap("--kind", "error", "--limit", "1", "--json")
        events = self.tap("probe.*", "--kind", "event", "--limit", "1", "--json")
        self.call_as(edge, 41)
        self.call_as(edge, 43, trace=TRACE)
        self.call_as(edge, 44, key="k7")
        self.call_as(edge, 42)
        self.call_as(edge, 1)
        self.publish("a", 1)
        (call,) = self.records(of_user)
        self.assertEqual((call["user_id"], call["kind"], call["from"]), (42, "call", "edge"))
        self.assertEqual([(r["user_id"], r["trace_id"], r["kind"]) for r in self.records(of_trace)],
                         [(43, TRACE, "call"), (43, TRACE, "reply")])
        self.assertEqual([(r["user_id"], r["key"]) for r in self.records(of_key)], [(44, "k7")] * 2)
        (error,) = self.records(errors)
        self.assertEqual((error["code"], error["user_id"]), ("not_found", 1))
        (event,) = self.records(events)
        self.assertEqual((event["subject"], event["key"], event["body"]["n"]), ("probe.sent", "a", 1))

    def test_ctrl_c_ends_it_cleanly(self):
        tap = self.tap("probe.*")
        code, _, err = self.interrupt(tap)
        self.assertEqual((code, err), (0, ""))
        wait_until(lambda: not self.status()["taps"], 10, "the tap to leave")

    def test_options_that_do_not_fit(self):
        self.fails(64, "tap", "--personal", says=["--reason"])
        self.fails(64, "tap", "--kind", "delivery", says=["--kind"])
        self.fails(64, "tap", "--trace", "12", says=["--trace"])
        self.fails(64, "tap", "a..b", says=["a..b"])

    def test_the_brokers_own_methods_must_be_named(self):
        self.broker.key("overseer", "operator", "--tap", ">")
        tap = self.tap("--kind", "call", "--json", name="overseer")
        self.sut("ping")
        self.sut("call", "user.profile_get", '{"user_id": 5}')
        wait_until(lambda: self.status()["records_total"] > 0, 10, "a record")
        _, out, _ = self.interrupt(tap)
        self.assertEqual({json.loads(line)["subject"] for line in out.splitlines()}, {"user.profile_get"})


class History(WatchCase):
    def test_since_ends_and_follow_goes_on_without_gap_or_duplicate(self):
        for n in range(5):
            self.publish("h", n)
        past = self.lines("tap", "probe.*", "--since", "1h", "--key", "h", "--json")
        self.assertEqual([r["body"]["n"] for r in past], [0, 1, 2, 3, 4])
        self.assertTrue(all(r["sequence"] and len(r["event_id"]) == 32 for r in past))
        tap = self.tap("probe.*", "--since", "1h", "--key", "h", "--follow", "--limit", "10", "--json")
        for n in range(5, 10):
            self.publish("h", n)
        self.assertEqual([r["body"]["n"] for r in self.records(tap)], list(range(10)))

    def test_the_seam_under_load(self):
        writer, reader = self.bus("prober"), self.bus("operator")
        ids, total = [], 6000
        for n in range(total):
            if n == total // 3:
                tap = reader.tap(subjects=["probe.*"], kinds=["event"], since=0, key="seam")
            ids.append(next(writer.ids))
            writer.send(PUBLISH, ids[-1], "probe.sent", body={"lane": "seam", "n": n})
            if n % 100 == 99:
                while len(writer.answers) < len(ids):
                    self.assertTrue(writer.run(time.monotonic() + 10))
        self.assertEqual({kind for kind, _, _ in writer.answers.values()}, {PUBLISHED})
        seen = []
        while len(seen) < total:
            news = reader.take(tap, 10000)
            self.assertIsNotNone(news, f"only {len(seen)} came")
            self.assertEqual((news.kind, news.body["lost"]), (TAP, 0))
            seen.append(news.body["body"]["n"])
        self.assertEqual(seen, list(range(total)))

    def test_until(self):
        self.publish("u", 0)
        between = time.time()
        self.publish("u", 1)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(between))}.{int(between * 1e6) % 10**6:06d}Z"
        self.assertEqual([r["body"]["n"] for r in self.lines("tap", "probe.*", "--until", stamp, "--key", "u", "--json")], [0])
        self.assertEqual([r["body"]["n"] for r in self.lines("tap", "probe.*", "--since", stamp, "--key", "u", "--json")], [1])

    def test_a_live_tap_ends_at_its_time(self):
        bus = self.bus("operator")
        tap = bus.tap(subjects=["probe.*"], kinds=["event"], until=int((time.time() + 0.3) * 1e6), since=int(time.time() * 1e6),
                      follow=True)
        self.publish("live", 1)
        kinds = []
        while GAP not in kinds:
            news = bus.take(tap, 5000)
            self.assertIsNotNone(news)
            kinds.append(news.kind)
        self.assertEqual(kinds, [TAP, GAP])
        self.assertEqual(news.body["reason"], "end")


class Rights(WatchCase):
    def test_personal_fields_take_the_role_and_a_reason_and_are_journalled(self):
        tap = self.tap("user.*", "--kind", "reply", "--limit", "1", "--json", "--personal", "--reason", "ticket 4711")
        self.sut("call", "user.profile_get", '{"user_id": 4096}')
        out = self.shown(tap)
        self.assertIn(PERSONAL, out)
        self.assertNotIn(SECRET, out)
        self.journalled("ops.tap_attached", personal=True, peer="operator", subjects=["user.*"], kinds=["reply"],
                        reason="ticket 4711")

    def test_a_tool_sees_what_its_right_names_and_nothing_personal(self):
        tap = self.tap("user.*", "--kind", "reply", "--limit", "1", name="looker")
        self.sut("call", "user.profile_get", '{"user_id": 4096}')
        self.assertNotIn(PERSONAL, self.shown(tap))
        for arguments, why in ((["auth.>"], "may not tap"), ([], "may not tap"),
                               (["user.*", "--personal", "--reason", "curiosity"], "only operators")):
            self.fails(77, "tap", *arguments, says=["forbidden"], name="looker")
            body = self.journalled("ops.tap_refused", peer="looker", subjects=arguments[:1] or [">"])
            self.assertIn(why, body["why"])
        self.assertEqual((body["personal"], body["reason"]), (True, "curiosity"))

    def test_without_any_right_it_is_refused_and_journalled(self):
        refused = self.status()["refused_total"]
        self.fails(77, "tap", name="prober")
        self.journalled("ops.tap_refused", peer="prober")
        self.assertEqual(self.status()["refused_total"], refused + 1)

    def test_refusals_do_not_fill_the_journal(self):
        bus = self.bus("prober")
        for _ in range(200):
            with self.assertRaises(BusError) as caught:
                bus.tap()
            self.assertEqual(caught.exception.code, "forbidden")
        self.assertLess(len(self.lines("tap", "ops.tap_refused", "--since", "1h", "--json")), 150)

    def test_attachments_do_not_fill_the_journal(self):
        """One session gets no more in this second, another one does."""
        bus = self.bus("operator")

        def refused():
            try:
                bus.send(UNSUBSCRIBE, bus.tap(subjects=["probe.*"]))
            except BusError as error:
                return error
            return None

        error = next(filter(None, (refused() for _ in range(2000))))
        self.assertEqual(error.code, "overloaded")
        self.bus("operator").tap(subjects=["probe.*"])
        wait_until(lambda: not refused(), 10, "the next second")

    def test_a_revoked_right_ends_the_tap_with_an_error(self):
        self.broker.key("former", "operator")
        bus = self.bus("former")
        tap = bus.tap(subjects=["probe.*"])
        self.publish("r", 1)
        self.assertEqual(bus.take(tap, 5000).kind, TAP)
        with open(f"{self.broker.dir}/acl", encoding="utf-8") as f:
            lines = f.read().splitlines(keepends=True)
        with open(f"{self.broker.dir}/acl.new", "w", encoding="utf-8") as f:
            f.writelines(line.replace(" tap=>", " tap=-") if line.startswith("former ") else line for line in lines)
        os.rename(f"{self.broker.dir}/acl.new", f"{self.broker.dir}/acl")
        while tap not in bus.answers:
            self.assertTrue(bus.run(time.monotonic() + 10), "nothing was told")
        kind, body, _ = bus.answers.pop(tap)
        self.assertEqual((kind, body["code"]), (ERROR, "forbidden"))
        self.publish("r", 2)
        self.assertFalse([n for n in bus.news[tap] if n.body.get("body", {}).get("n") == 2])

    def test_bounds(self):
        bus = self.bus("operator")
        for _ in range(16):
            bus.tap(subjects=["probe.*"])
        with self.assertRaises(BusError) as caught:
            bus.tap(subjects=["probe.*"])
        self.assertEqual(caught.exception.code, "overloaded")
        with self.assertRaises(BusError) as caught:
            bus.tap(subject=["probe.*"])  # a filter that is ignored would show everything
        self.assertEqual(caught.exception.code, "validation_failed")


class WithoutJournal(unittest.TestCase):
    """Nothing can be journalled: personal fields are shown to nobody, and there is no history."""

    def test_it_fails_closed(self):
        broker = Broker()
        broker.env.pop("SUT_JOURNAL_DIR")
        with broker:
            operator = Bus(broker.endpoint, "operator", broker.secret("operator"))
            self.addCleanup(operator.close)
            for request in (dict(personal=True, reason="ticket 4711"), dict(since=0)):
                with self.assertRaises(BusError) as caught:
                    operator.tap(**request)
                self.assertEqual(caught.exception.code, "unavailable")
            tap = operator.tap(subjects=["user.*"])
            with self.assertRaises(BusError):
                operator.call("user.profile_get", {"user_id": 1})
            self.assertEqual(operator.take(tap, 5000).body["code"], "no_such_service")
            taps = json.loads(broker.sut("call", "broker.status", "{}", "--json").stdout)["taps"]
            self.assertEqual((taps["unaudited_total"], [t["personal"] for t in taps["taps"]]), (3, [False]))


class Limits(unittest.TestCase):
    """A broker whose limits file allows one tap of 20 kB/s."""

    def test_the_limits_file_holds_and_losses_are_said(self):
        broker = Broker()
        with open(f"{broker.dir}/limits", "w", encoding="utf-8") as f:
            f.write("max_taps = 1\ntap_bytes_per_second = 20000\n")
        broker.env.update(SUT_LIMITS_FILE=f"{broker.dir}/limits")
        with broker:
            broker.key("prober", "tool", "--publish", "probe.*")
            env = dict(broker.env, SUT_NAME="operator", SUT_SECRET_FILE=f"{broker.dir}/keys/operator.secret")
            tap = subprocess.Popen([f"{broker.bin}/sut", "tap", "probe.*"], env=env, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
            self.addCleanup(tap.communicate)
            self.addCleanup(tap.kill)
            lines = []
            reader = threading.Thread(target=lambda: lines.extend(iter(tap.stdout.readline, "")), daemon=True)
            reader.start()
            status = lambda: json.loads(broker.sut("call", "broker.status", "{}", "--json").stdout)["taps"]
            wait_until(lambda: status()["taps"], 20, "the tap")
            self.assertEqual(status()["taps"][0]["bytes_per_second"], 20000)
            done = broker.sut("tap", check=False)
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertIn("overloaded", done.stderr)
            with open(f"{broker.dir}/many.jsonl", "w", encoding="utf-8") as f:
                for n in range(1000):
                    f.write(json.dumps({"subject": "probe.sent", "body": {"lane": "l", "n": n, "text": "x" * 500}}) + "\n")
            broker.sut("publish", "--file", "many.jsonl", name="prober")
            self.assertGreater(status()["lost_total"], 0)
            said = lambda: [line for line in lines if "records were lost" in line]

            def heard():
                """What was lost is told with the next record that finds room in the budget."""
                broker.sut("publish", "probe.sent", probe("l", 0), name="prober")
                return said()
            wait_until(heard, 20, "the loss to be said")
            self.assertRegex(said()[0], r"… \d+ records were lost at the broker")
            tap.send_signal(signal.SIGINT)
            reader.join(20)
            self.assertEqual(tap.wait(20), 0)

    def test_a_stopping_broker_ends_taps(self):
        with Broker() as broker:
            operator = Bus(broker.endpoint, "operator", broker.secret("operator"))
            self.addCleanup(operator.close)
            tap = operator.tap()
            broker.signal(signal.SIGTERM)
            while tap not in operator.answers:
                self.assertTrue(operator.run(time.monotonic() + 5))
            self.assertEqual(operator.answers[tap][1]["code"], "unavailable")
            while operator.run(time.monotonic() + 0.2):  # it answers the ping behind the bye
                pass
            broker.process.wait(10)
            self.assertEqual(broker.process.returncode, 0)


class Pressure(WatchCase):
    @classmethod
    def setUpClass(cls):
        # A build with ASan keeps what was freed: that is not the broker's.
        options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=1"]))
        with mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            super().setUpClass()

    def memory_kb(self):
        """The broker's own: without the pages of the journal, which are mapped."""
        with open(f"/proc/{self.broker.process.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))

    def pipeline(self, bus, count, size):
        """Publishes as fast as it can; all are answered."""
        ids, done = [], 0
        text = "x" * size
        while done < count:
            while len(ids) < count and len(ids) - done < 400:
                ids.append(next(bus.ids))
                bus.send(PUBLISH, ids[-1], "probe.sent", body={"lane": str(len(ids) % 50), "n": len(ids), "text": text})
            self.assertTrue(bus.run(time.monotonic() + 10), "no answer")
            for id in [i for i in bus.answers]:
                self.assertEqual(bus.answers.pop(id)[0], PUBLISHED)
                done += 1

    def test_what_is_over_the_budget_is_counted_and_shown(self):
        writer, reader = self.bus("prober"), self.bus("operator")
        tap = reader.tap(subjects=["probe.*"], bytes_per_second=20000)
        self.pipeline(writer, 2000, 500)
        before = self.status()["lost_total"]
        self.assertGreater(before, 0)
        seen = lost = 0
        while seen + lost < 2000:
            writer.run(time.monotonic())  # it answers pings
            news = reader.take(tap, 500)
            if not news:  # what is lost is told with the next record
                self.pipeline(writer, 1, 1)
                continue
            seen, lost = seen + 1, lost + news.body["lost"]
        self.assertGreater(lost, 0)
        self.assertGreaterEqual(self.status()["lost_total"], lost)

    def test_a_tap_that_stops_reading_costs_nothing(self):
        writer = self.bus("prober")
        self.pipeline(writer, 1000, 8000)  # until what the broker keeps for publishes in general is there
        tap = self.tap("probe.*", "--json", stdin=subprocess.DEVNULL)
        before = self.memory_kb()
        tap.send_signal(signal.SIGSTOP)
        self.pipeline(writer, 4000, 8000)  # 32 MB
        self.assertLess(self.memory_kb() - before, 20 << 10)
        wait_until(lambda: not self.status()["taps"], 10, "the stopped tap to be dropped")
        tap.send_signal(signal.SIGCONT)
        out, err = tap.communicate(timeout=20)
        self.assertNotEqual(tap.returncode, 0, (out[-200:], err))

    def test_a_tap_whose_output_nobody_reads_stays_attached(self):
        writer = self.bus("prober")
        tap = self.tap("probe.*", "--json")
        self.pipeline(writer, 500, 2000)  # more than a pipe holds
        wait_until(lambda: writer.run(time.monotonic()) or self.status()["taps"][0]["open_ms"] > 2500, 10,
                   "more time than a silent peer is given")
        self.assertIsNone(tap.poll())
        mine = lambda: next(iter(self.status()["taps"]))
        wait_until(lambda: mine()["records_total"] + mine()["lost_total"] == 500, 10, "all to be sent or lost")
        for n in range(mine()["records_total"]):
            self.assertEqual(json.loads(tap.stdout.readline())["subject"], "probe.sent", n)


class Record(WatchCase):
    def test_a_recording_becomes_a_test_case_that_runs(self):
        before = self.status()["attached_total"]
        recorder = self.start("record", "seen.jsonl", "probe.*", "user.*", "--limit", "5")
        wait_until(lambda: self.status()["attached_total"] > before, 20, "the tap")
        self.wait_for_subscription()
        for n in range(3):
            self.publish("fix", n)
        self.sut("call", "user.profile_get", '{"user_id": 4096}')
        out, err = recorder.communicate(timeout=20)
        self.assertEqual(recorder.returncode, 0, (out, err))
        self.assertIn("5 records in seen.jsonl", out)
        with open(f"{self.broker.dir}/seen.jsonl", encoding="utf-8") as f:
            text = f.read()
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(lines[0]["sut_record"], 1)
        self.assertEqual(sorted(line["kind"] for line in lines[1:]), ["call", "event", "event", "event", "reply"])
        self.assertNotIn(SECRET, text)
        self.assertNotIn(PERSONAL, text)
        os.makedirs(f"{self.broker.dir}/tests/fixtures")
        out = self.sut("fixture", "seen.jsonl", "recorded")
        self.assertIn("3 events; 1 call was left out (1 with what was not shown)", out)  # calls: tests/e2e/fixture_test.py
        folder = f"{self.broker.dir}/tests/fixtures/recorded"
        self.assertEqual(sorted(os.listdir(folder)), ["events.jsonl", "expect.jsonl"])
        done = subprocess.run([sys.executable, f"{ROOT}/tests/fixtures/fixture_test.py", folder], text=True, timeout=60,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("3 passed, 0 failed", done.stdout)


if __name__ == "__main__":
    stack.main()
