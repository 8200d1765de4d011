"""A broker with publishers, consumer processes and an oracle: what fault runs of events are made of.

Publishers log invoke, ok, fail and unknown with the event's id. Afterwards the oracle asks: acknowledged ⊆ journal ⊆ effects and dead
letters; each effect once; order by key kept; every publish answered by its deadline plus a second, or known to be undecided."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import msgpack

from broker import Broker
from event_bus import (ACK, DELIVER, EPOCH, ERROR, EVENT_ID, GAP, LOST, MARKER, NUMBER, PUBLISH, PUBLISHED, SEQUENCE, SOURCE,
                       SUBSCRIBE, WELCOME, Session)
from event_consumer import open_effects
from stack import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = os.environ.get("SUT_LONG") == "1"
RETRY_S = 5.0  # a publisher asks so long for one event, with the same id, before it calls it unknown


class Publisher(threading.Thread):
    """Some lanes, one event of each out at a time, so that n is the order of its lane. What gets no answer is sent again with the same
    id; `repeat` sends that share of events twice anyway. With `source` it has one lane, numbers its events as an outbox does, and
    never gives one up: the next one would be a gap."""

    def __init__(self, world, number, lanes, repeat=0.0, source=None):
        super().__init__(daemon=True)
        lanes = 1 if source else lanes
        self.source = {SOURCE: source, EPOCH: 1} if source else {}
        self.session = world.session("publisher")
        self.lanes = {f"p{number}-{i}": 0 for i in range(lanes)}
        self.repeat, self.log, self.out, self.ending, self.failure = repeat, [], {}, threading.Event(), None
        self.every = round(1 / repeat) if repeat else 0
        self.sent = 0

    def run(self):
        try:
            while not self.ending.is_set() or self.out:
                self._step()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e
        self.session.close()

    def _send(self, event):
        event["id"] = next(self.session.ids)
        event["sent"] = time.monotonic()
        self._ask(event["id"], event)

    def _ask(self, id, event):
        numbered = {**self.source, NUMBER: event["n"]} if self.source else {}
        self.session.send(PUBLISH, id, "probe.sent", options={EVENT_ID: event["event_id"], **numbered},
                          body={"lane": event["lane"], "n": event["n"]})

    def _begin(self):
        for lane in self.lanes:
            if lane in self.out or self.ending.is_set():
                continue
            self.lanes[lane] += 1
            event = {"lane": lane, "n": self.lanes[lane], "event_id": uuid.uuid4().bytes, "begun": time.monotonic(), "again": 0.0}
            self.log.append(("invoke", event["event_id"], lane, event["n"]))
            self.out[lane] = event
            self._send(event)
            self.sent += 1
            if self.every and self.sent % self.every == 0:
                self._ask(next(self.session.ids), event)

    def _end(self, lane, outcome, more=None):
        event = self.out.pop(lane)
        self.log.append((outcome, event["event_id"], lane, event["n"], more, time.monotonic() - event["begun"]))

    def _step(self):
        if self.session.up:
            self._begin()
        got = self.session.take(0.02)
        now = time.monotonic()
        for lane, event in list(self.out.items()):
            if now - event["begun"] > RETRY_S and not self.source:
                self._end(lane, "unknown")
            elif event["again"] and now >= event["again"] and self.session.up:  # else all are sent with the next welcome
                event["again"] = 0.0
                self._send(event)
        if got is None or got is LOST:
            return
        kind, id, _, _, options, packed = got
        if kind == WELCOME:
            for event in self.out.values():
                self._send(event)
            return
        lane = next((lane for lane, e in self.out.items() if e["id"] == id), None)
        if lane is None:
            return
        if kind == PUBLISHED:
            self._end(lane, "ok", options.get(SEQUENCE))
        elif kind == ERROR:
            error = msgpack.unpackb(packed)
            if error["code"] in ("overloaded", "unavailable", "storage_full", "outcome_unknown"):
                self.out[lane]["again"] = now + error.get("retry_after_ms", 50) / 1000
                self.log.append(("refused", self.out[lane]["event_id"], lane, self.out[lane]["n"], error["code"]))
            else:
                self._end(lane, "fail", error["code"])

    def count(self, outcome):
        return sum(1 for entry in self.log if entry[0] == outcome)


class World:
    """`environment` is the broker's own, besides the usual."""

    def __init__(self, **environment):
        self.broker = Broker()
        self.broker.env.update(SUT_JOURNAL_DIR=f"{self.broker.dir}/journal", **environment)
        self.effects = f"{self.broker.dir}/effects.db"
        self.publishers, self.consumers = [], []

    def __enter__(self):
        self.broker.__enter__()
        try:
            for name in ("publisher", "consumer", "reader"):
                self.broker.key(name, "tool", "--publish", "probe.*", "--subscribe", "probe.*")
        except BaseException:
            self.broker.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in self.publishers:
            p.ending.set()
        for c in self.consumers:
            c.kill()
            c.wait()
            c.stdout.close()
        for p in self.publishers:
            p.join(RETRY_S + 10)
        self.broker.__exit__()

    def session(self, name):
        return Session(self.broker.endpoint, name, self.broker.secret(name))

    def publish(self, publishers=2, lanes=8, repeat=0.0, source=None):
        for _ in range(publishers):
            p = Publisher(self, len(self.publishers), lanes, repeat, source)
            self.publishers.append(p)
            p.start()

    def consume(self, group="effects", **options):
        more = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, os.path.join(HERE, "event_consumer.py"), self.broker.endpoint, "consumer",
                   self.broker.secret("consumer"), group, self.effects, *more]
        c = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.consumers.append(c)
        if "ready" not in c.stdout.readline():
            raise AssertionError("a consumer did not get ready")
        return c

    def published(self):
        return sum(p.count("ok") for p in self.publishers)

    def wait_published(self, more, seconds=30):
        goal = self.published() + more
        wait_until(lambda: self.published() >= goal, seconds, f"{more} more events to be published")

    def quiet(self):
        """Ends the publishers; what they were asking for is decided."""
        for p in self.publishers:
            p.ending.set()
        for p in self.publishers:
            p.join(RETRY_S + 20)
            if p.failure:
                raise p.failure

    def restart_broker(self):
        self.broker.kill()
        self.broker.start()

    def group(self, name="effects"):
        out = self.broker.sut("call", "broker.groups", json.dumps({"group": name}), check=False)
        return json.loads(out.stdout)["groups"][0] if out.returncode == 0 else None

    def wait_caught_up(self, group="effects", seconds=60):
        wait_until(lambda: (g := self.group(group)) is not None and g["lag"] == 0 and g["in_flight"] == 0, seconds,
                   f"group {group} to catch up: {self.group(group)}")

    def dead_letters(self):
        found, after = [], 0
        while after is not None:
            out = json.loads(self.broker.sut("call", "broker.dead_letters", json.dumps({"limit": 500, "after": after})).stdout)
            found, after = found + out["items"], out.get("after")
        return found

    # ---- the oracle ----

    def journal(self):
        """All events, in order: [(sequence, event_id, lane, n)], read by an ephemeral subscription from the beginning."""
        session, found, last = self.session("reader"), [], 0
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                got = session.take(1)
                if got is LOST:
                    found, last = [], 0
                if got is None or got is LOST:
                    continue
                kind, id, _, _, options, packed = got
                if kind == WELCOME:
                    session.send(SUBSCRIBE, 9, body={"subjects": ["probe.sent"], "start": "beginning", "credits": 256})
                elif kind == DELIVER:
                    body = msgpack.unpackb(packed)
                    found.append((options[SEQUENCE], options[EVENT_ID], body["lane"], body["n"]))
                    last = options[SEQUENCE]
                    session.send(ACK, id, options={SEQUENCE: last})
                elif kind == GAP:
                    raise AssertionError(f"a gap in the journal: {msgpack.unpackb(packed)}")
                elif kind == MARKER:
                    return found
            raise AssertionError("the journal's end was not reached")
        finally:
            session.close()

    def rows(self, group="effects"):
        db = open_effects(self.effects)
        try:
            return db.execute("SELECT event_id, lane, n, sequence FROM effects WHERE grp = ? ORDER BY position", (group,)).fetchall()
        finally:
            db.close()

    def check(self, test, group="effects"):
        """Everything that must hold once all is quiet."""
        journal, rows, dead = self.journal(), self.rows(group), self.dead_letters()
        ids = [e[1] for e in journal]
        test.assertEqual(len(ids), len(set(ids)), "an event is in the journal twice")
        acknowledged = {e[1] for p in self.publishers for e in p.log if e[0] == "ok"}
        test.assertEqual(acknowledged - set(ids), set(), "acknowledged events are not in the journal")
        done, buried = {r[0] for r in rows}, {d["sequence"] for d in dead if d["group"] == group}
        lost = [e for e in journal if e[1] not in done and e[0] not in buried]
        test.assertEqual(lost, [], "events had no effect and are no dead letters")
        test.assertEqual(done - set(ids), set(), "effects of events that are not in the journal")
        self._check_order(test, [(lane, n) for _, _, lane, n in journal], "journal")
        self._check_order(test, [(lane, n) for _, lane, n, _ in rows], "effects")
        late = [e for p in self.publishers for e in p.log if len(e) == 6 and e[5] > RETRY_S + 1]
        test.assertEqual(late, [], "publishes that were decided too late")
        failed = [e for p in self.publishers for e in p.log if e[0] == "fail"]
        test.assertEqual(failed, [], "publishes that were refused")
        return journal, rows, dead

    @staticmethod
    def _check_order(test, pairs, what):
        last = {}
        for lane, n in pairs:
            test.assertLess(last.get(lane, 0), n, f"{what}: order of lane {lane} is broken")
            last[lane] = n
