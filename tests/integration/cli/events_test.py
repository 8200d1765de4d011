"""sut publish, subscribe, groups, dlq, journal, replay: against a real broker and its journal."""

import json
import os

import stack
from broker import Broker
from cli_case import CliCase, probe
from stack import wait_until


class Publish(CliCase):
    def test_one_event_gets_the_next_sequence(self):
        first = self.publish("one", 1)
        self.assertEqual(self.publish("one", 2), first + 1)
        line, = self.lines("publish", "probe.sent", probe("one", 3), "--json", name="prober")
        self.assertEqual((line["sequence"], line["duplicate"]), (first + 2, False))

    def test_the_same_id_is_no_second_event(self):
        first = self.publish("twice", 1, "--id", "00112233445566778899aabbccddeeff")
        again = self.sut("publish", "probe.sent", probe("twice", 1), "--id", "00112233445566778899AABBCCDDEEFF", name="prober")
        self.assertIn("before", again)
        self.assertEqual(int(again.split()[0]), first)

    def test_wrong_bodies_are_named_and_not_sent(self):
        self.fails(65, "publish", "probe.sent", "{}", says=["probe.sent", "/lane", "required"], name="prober")
        self.fails(65, "publish", "probe.sent", '{"lane": "a", "n": 1, "colour": 2}', says=["/colour"], name="prober")
        self.fails(64, "publish", "probe.unknown", "{}", says=["probe.unknown", "--events"], name="prober")
        self.fails(64, "publish", "no such", "{}", says=["no such"], name="prober")
        self.fails(64, "publish", says=["SUBJECT"], name="prober")
        self.fails(64, "publish", "probe.sent", probe("a", 1), "--id", "xyz", says=["hex"], name="prober")
        self.fails(64, "publish", "probe.sent", probe("a", 1), "--not-before", "soon", says=["--not-before"], name="prober")
        self.fails(66, "publish", "--file", "absent.jsonl", says=["absent.jsonl"], name="prober")

    def test_the_broker_judges_too(self):
        done = self.fails(65, "publish", "--raw", "probe.sent", "{}", says=["validation_failed", "lane"], name="prober")
        self.assertEqual(done.stdout, "")
        self.fails(77, "publish", "user.registered", "--raw", "{}", says=["forbidden"], name="prober")

    def test_many_and_a_file(self):
        self.assertIn("2500 events", self.sut("publish", "probe.sent", probe("many", 1), "--count", "2500", name="prober"))
        with open(f"{self.broker.dir}/in.jsonl", "w", encoding="utf-8") as f:
            for n in range(3):
                f.write(json.dumps({"subject": "probe.sent", "body": {"lane": "file", "n": n}}) + "\n\n")
        lines = self.lines("publish", "--file", "in.jsonl", "--json", name="prober")
        self.assertEqual(len({line["event_id"] for line in lines}), 3)
        with open(f"{self.broker.dir}/in.jsonl", "a", encoding="utf-8") as f:
            f.write('{"subject": "probe.sent", "body": {"lane": 1}}\n')
        self.fails(65, "publish", "--file", "in.jsonl", says=["/lane", "line 7"], name="prober")

    def test_a_delayed_event_comes_when_it_is_due(self):
        watcher = self.start("subscribe", "probe.sent", "--key", "later", "--limit", "1", "--json", name="prober")
        self.wait_for_subscription()
        self.assertIn("due", self.sut("publish", "probe.sent", probe("later", 1), "--not-before", "+1s", name="prober"))
        out, _ = watcher.communicate(timeout=30)
        self.assertEqual(json.loads(out)["body"]["lane"], "later")


class Subscribe(CliCase):
    def test_from_a_place_in_the_past(self):
        first = self.publish("past", 1)
        self.publish("past", 2)
        lines = self.lines("subscribe", "probe.*", "--start", str(first), "--key", "past", "--limit", "2", "--json", name="prober")
        self.assertEqual([line["body"]["n"] for line in lines], [1, 2])
        self.assertEqual(lines[0]["sequence"], first)
        self.assertEqual(lines[0]["key"], "past")
        text = self.sut("subscribe", "probe.*", "--start", "1h", "--key", "past", "--limit", "1", name="prober")
        self.assertIn('probe.sent  key=past  {"lane":"past","n":1}', text)
        self.assertNotIn("\033", text)

    def test_ctrl_c_ends_it_cleanly(self):
        watcher = self.start("subscribe", "probe.*", "-v", name="prober")
        self.wait_for_subscription()
        code, _, err = self.interrupt(watcher)
        self.assertEqual((code, "subscribed" in err), (0, True), err)

    def test_a_group_keeps_its_place(self):
        self.sut("groups", "create", "keeper", "probe.sent", "--start", "end")
        for n in range(4):
            self.publish("kept", n)
        got = self.lines("subscribe", "--group", "keeper", "--limit", "3", "--json", name="prober")
        self.assertEqual([line["body"]["n"] for line in got], [0, 1, 2])
        looked = self.lines("subscribe", "--group", "keeper", "--limit", "1", "--ack", "none", "--json", name="prober")
        self.assertEqual(looked[0]["body"]["n"], 3)
        again = self.lines("subscribe", "--group", "keeper", "--limit", "1", "--json", name="prober")
        self.assertEqual(again[0]["body"]["n"], 3)
        wait_until(lambda: self.group("keeper")["lag"] == 0, 20, "the group's cursor")

    def test_a_command_decides(self):
        self.sut("groups", "create", "runner", "probe.sent", "--start", "end")
        self.publish("run", 7)
        script = f'grep -q \'"n":7\' && if [ -e {self.broker.dir}/tried ]; then exit 0; else touch {self.broker.dir}/tried; ' \
                 'echo "not yet" >&2; exit 3; fi'
        done = self.broker.sut("subscribe", "--group", "runner", "--limit", "2", "--exec", script, name="prober")
        self.assertIn("not yet", done.stderr)
        wait_until(lambda: self.group("runner")["lag"] == 0, 20, "the acknowledgement")
        self.assertEqual(self.group("runner")["nacked_total"], 1)

    def test_options_that_do_not_fit(self):
        self.fails(64, "subscribe", says=["SUBJECT"])
        self.fails(64, "subscribe", "probe.*", "--ack", "none", says=["--group"])
        self.fails(64, "subscribe", "probe.*", "--group", "g", "--ack", "perhaps", says=["perhaps"])
        self.fails(64, "subscribe", "probe.*", "--start", "soon", says=["--start"])
        self.fails(64, "subscribe", "Probe", says=["Probe"])
        self.fails(1, "subscribe", "--group", "nobody", says=["nobody"])
        self.fails(77, "subscribe", "user.*", says=["forbidden"], name="prober")


class Groups(CliCase):
    def test_life_of_a_group(self):
        self.assertIn("is made", self.sut("groups", "create", "life", "probe.sent", "probe.*"))
        self.fails(1, "groups", "create", "life", "probe.sent", says=["life"])
        page = self.sut("groups")
        self.assertIn("GROUP", page)
        self.assertIn("life", page)
        self.assertIn("probe.sent, probe.*", self.sut("groups", "life"))
        self.assertIn("life", self.sut("groups", "--names").split())
        self.sut("groups", "pause", "life")
        self.assertEqual(self.group("life")["state"], "paused")
        self.sut("groups", "resume", "life")
        self.fails(1, "groups", "stop", "life", says=["replay"])
        self.fails(64, "groups", "delete", "life", says=["--yes"], input="")
        self.sut("groups", "delete", "life", "--yes")
        self.fails(1, "groups", "life", says=["life"])
        self.fails(1, "groups", "pause", "life", says=["not_found"])
        self.fails(64, "groups", "create", "life", says=["SUBJECT"])
        self.fails(64, "groups", "create", "life", "a..b", says=["a..b"])


class DeadLetters(CliCase):
    def dead(self, group):
        return self.lines("dlq", "list", "--group", group, "--json")

    def make_dead(self, group, lane, n):
        self.publish(lane, n)
        nacker = self.start("subscribe", "--group", group, "--exec", "echo broken >&2; exit 1", name="prober")
        wait_until(lambda: any(d["key"] == lane for d in self.dead(group)), 60, "the dead letter")
        self.interrupt(nacker)
        return next(d for d in self.dead(group) if d["key"] == lane)

    def test_list_show_redrive_and_drop(self):
        self.sut("groups", "create", "graves", "probe.sent", "--start", "end")
        letter = self.make_dead("graves", "dead", 1)
        self.assertEqual((letter["attempts"], letter["message"]), (8, "broken"))
        number = str(letter["id"])
        self.assertIn("broken", self.sut("dlq", "list", "--group", "graves"))
        shown = self.sut("dlq", "show", number)
        for text in ("graves", "probe.sent", '"lane": "dead"', "TRY", "broken"):
            self.assertIn(text, shown)
        self.assertEqual(json.loads(self.sut("dlq", "show", number, "--json"))["body"], {"lane": "dead", "n": 1})

        self.fails(65, "dlq", "redrive", number, "--body", '{"lane": 1}', says=["/lane"])
        self.sut("dlq", "redrive", number, "--body", probe("dead", 2))
        got = self.lines("subscribe", "--group", "graves", "--limit", "1", "--json", name="prober")
        self.assertEqual(got[0]["body"]["n"], 2)
        wait_until(lambda: not self.dead("graves"), 20, "the letter to be gone")

        letter = self.make_dead("graves", "edited", 3)
        self.broker.env["EDITOR"] = "sed -i s/3/4/"
        self.sut("dlq", "redrive", str(letter["id"]), "--edit")
        got = self.lines("subscribe", "--group", "graves", "--limit", "1", "--json", name="prober")
        self.assertEqual(got[0]["body"]["n"], 4)

        letter = self.make_dead("graves", "refused", 6)
        self.sut("groups", "delete", "graves", "--yes")
        refused = self.broker.sut("dlq", "redrive", str(letter["id"]), "--body", probe("refused", 7), check=False)
        self.assertIn("there is no group 'graves'", refused.stdout + refused.stderr)
        self.assertNotEqual(refused.returncode, 0)
        wait_until(lambda: not next(d for d in self.dead("graves") if d["key"] == "refused")["redriving"], 10, "the mark to be gone")
        self.assertEqual(json.loads(self.sut("dlq", "show", str(letter["id"]), "--json"))["body"]["n"], 6)
        self.sut("dlq", "drop", str(letter["id"]), "--yes")
        self.sut("groups", "create", "graves", "probe.sent", "--start", "end")

        letter = self.make_dead("graves", "dropped", 5)
        self.fails(64, "dlq", "drop", "--group", "graves", says=["--yes"], input="")
        self.assertIn("1 dropped", self.sut("dlq", "drop", "--group", "graves", "--yes"))
        self.assertEqual(self.dead("graves"), [])
        self.fails(1, "dlq", "drop", "--group", "graves", "--yes", says=["no dead letter fits"])

    def test_what_is_wrong_is_said(self):
        self.fails(1, "dlq", "show", "999999", says=["not_found"])
        self.fails(64, "dlq", "show", "x", says=["x"])
        self.fails(64, "dlq", "show", "1", "--personal", says=["--reason"])
        self.fails(64, "dlq", "redrive", says=["which ones"])
        self.fails(64, "dlq", "redrive", "1", "--all", says=["not both"])
        self.fails(64, "dlq", "bury", says=["bury"])
        self.fails(64, "dlq", "drop", "1", "--edit", "--yes", says=["redrive"])
        self.fails(77, "dlq", "list", says=["forbidden"], name="prober")


class Journal(CliCase):
    def test_stats_verify_export_backup_beside_a_running_broker(self):
        first = self.publish("log", 1)
        self.publish("log", 2)
        stats = json.loads(self.sut("journal", "stats", "--json"))
        self.assertEqual(stats["next"], first + 2)
        self.assertIn("writing", self.sut("journal"))
        folder = f"{self.broker.dir}/journal"
        offline = json.loads(self.sut("journal", "stats", "--dir", folder, "--json"))
        self.assertEqual(offline["creation_id"], stats["creation_id"])
        self.assertIn("good", self.sut("journal", "verify"))
        lines = self.lines("journal", "export", "--from", str(first))
        self.assertEqual([line["body"]["n"] for line in lines], [1, 2])
        self.assertEqual(lines[0]["publisher"], "prober")
        self.assertEqual(len(self.lines("journal", "export", "--from", "1h", "--limit", "1", "--subject", "probe.*")), 1)
        self.assertEqual(self.sut("journal", "export", "--subject", "user.*"), "")
        self.sut("journal", "backup", "copy")
        self.assertIn("good", self.sut("journal", "verify", "--dir", "copy"))
        self.fails(65, "journal", "export", "--from", "999999", says=["ends at"])
        self.fails(66, "journal", "verify", "--dir", "/absent", says=["/absent"])
        self.fails(64, "journal", "burn", says=["burn"])

    def test_a_flipped_bit_is_found(self):
        self.publish("bits", 1)
        self.sut("journal", "backup", "flipped")
        name = next(n for n in os.listdir(f"{self.broker.dir}/flipped") if n.startswith("data"))
        with open(f"{self.broker.dir}/flipped/{name}", "r+b") as f:
            data = f.read()
            at = data.index(b"lane") + 5
            f.seek(at)
            f.write(bytes([data[at] ^ 1]))
        self.fails(65, "journal", "verify", "--dir", "flipped")


class Replay(CliCase):
    def wait_replaying(self, group):
        wait_until(lambda: self.broker.sut("groups", group, check=False).returncode == 0
                   and self.group(group)["state"] == "replaying", 20, "the replay")

    def test_into_a_new_group(self):
        first = self.publish("again", 1)
        last = self.publish("again", 2)
        self.assertIn("would replay", self.sut("replay", "--from", str(first), "--to", str(last), "--subject", "probe.*",
                                               "--to-group", "second", "--dry-run"))
        replay = self.start("replay", "--from", str(first), "--to", str(last), "--subject", "probe.*", "--to-group", "second",
                            "--yes")
        self.wait_replaying("second") # a subscriber that comes before it would make the group, which is then in use
        got = self.lines("subscribe", "probe.*", "--group", "second", "--limit", "2", "--json", name="prober")
        self.assertEqual([(g["body"]["n"], g.get("replayed")) for g in got], [(1, True), (2, True)])
        out, err = replay.communicate(timeout=30)
        self.assertEqual((replay.returncode, "replayed" in out), (0, True), err)

    def test_ctrl_c_says_where_it_stopped(self):
        first = self.publish("stop", 1)
        last = self.publish("stop", 2)
        replay = self.start("replay", "--from", str(first), "--to", str(last), "--subject", "probe.*", "--to-group", "stopped",
                            "--yes")
        self.wait_replaying("stopped")
        code, _, err = self.interrupt(replay)
        self.assertEqual(code, 75, err)
        self.assertIn("sut replay --from", err)
        self.assertEqual(self.group("stopped")["state"], "paused")

    def test_to_another_broker(self):
        other = Broker()
        other.env.update(SUT_JOURNAL_DIR=f"{other.dir}/journal")
        other.__enter__()
        self.addCleanup(other.__exit__)
        other.key("copier", "operator", "--publish", "probe.*", "--subscribe", "probe.*")
        first = self.publish("copied", 1)
        last = self.publish("copied", 2)
        away = ("replay", "--from", str(first), "--to", str(last), "--subject", "probe.*", "--to-broker", other.endpoint,
                "--other-name", "copier", "--other-secret-file", f"{other.dir}/keys/copier.secret", "--yes")
        self.assertIn("2 events", self.sut(*away))
        self.assertIn("2 of them were there", self.sut(*away))
        got = [json.loads(line) for line in other.sut("subscribe", "probe.*", "--start", "beginning", "--limit", "2", "--json",
                                                      name="copier").stdout.splitlines()]
        here = self.lines("journal", "export", "--from", str(first), "--to", str(last))
        self.assertEqual([g["event_id"] for g in got], [h["event_id"] for h in here])
        self.assertTrue(all(g["replayed"] for g in got))

    def test_what_is_wrong_is_said(self):
        self.fails(64, "replay", says=["where to"])
        self.fails(64, "replay", "--to-group", "a", "--to-broker", "b", says=["where to"])
        self.fails(64, "replay", "--diff", says=["--against"])
        self.fails(64, "replay", "--to-group", "a", "--speed", "fast", says=["--speed"])
        self.fails(65, "replay", "--to-group", "beyond", "--subject", "probe.*", "--from", "999999", "--yes", says=["beyond the end"])


if __name__ == "__main__":
    stack.main()
