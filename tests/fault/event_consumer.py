"""One consumer process of a fault run: a member of a group whose effects are rows of an SQLite file.

    event_consumer.py ENDPOINT NAME SECRET GROUP DATABASE [--poison LANE] [--term LANE] [--nack SHARE] [--hang SHARE]

The effect and the event's identity are one transaction, as the protocol's page asks of consumers: so what is delivered twice is done
once. With --poison all events of that lane are refused, always; with --term
at once for good. Prints `ready` when it is subscribed."""

import argparse
import random
import sqlite3
import sys

import msgpack

from event_bus import (ACK, ATTEMPT, DELIVER, ERROR, EVENT_ID, GENERATION, LOST, NACK, REPLY, RETRY_AFTER, SEQUENCE, SUBSCRIBE,
                       TERM, WELCOME, Session)

TABLE = """CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT, generation INTEGER, event_id BLOB,
           lane TEXT, n INTEGER, sequence INTEGER, UNIQUE (grp, generation, event_id))"""


def open_effects(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing by it
    db.execute(TABLE)
    return db


def main():
    parser = argparse.ArgumentParser()
    for name in ("endpoint", "name", "secret", "group", "database"):
        parser.add_argument(name)
    parser.add_argument("--poison")
    parser.add_argument("--term")
    parser.add_argument("--nack", type=float, default=0)
    parser.add_argument("--hang", type=float, default=0)
    opt = parser.parse_args()
    db, session, ready = open_effects(opt.database), Session(opt.endpoint, opt.name, opt.secret), False
    while True:
        got = session.take(1)
        if got is None or got is LOST:
            continue
        kind, id, _, _, options, packed = got
        if kind == WELCOME:
            session.send(SUBSCRIBE, 7, body={"subjects": ["probe.sent"], "group": opt.group, "credits": 16,
                                             "start": "beginning", "ack_wait_ms": 1500})
        elif kind == REPLY and not ready:
            ready = True
            print("ready", flush=True)
        elif kind == ERROR:
            print(msgpack.unpackb(packed), file=sys.stderr, flush=True)
        elif kind == DELIVER:
            body = msgpack.unpackb(packed)
            echo = {ATTEMPT: options[ATTEMPT], SEQUENCE: options[SEQUENCE]}
            if body["lane"] == opt.term:
                session.send(TERM, id, options=echo, body={"code": "internal", "message": "never"})
            elif body["lane"] == opt.poison or random.random() < opt.nack:
                session.send(NACK, id, options={**echo, RETRY_AFTER: 20} if body["lane"] != opt.poison else echo,
                             body={"code": "internal", "message": "cannot take it"})
            elif random.random() >= opt.hang:
                db.execute("INSERT OR IGNORE INTO effects (grp, generation, event_id, lane, n, sequence) VALUES (?, ?, ?, ?, ?, ?)",
                           (opt.group, options.get(GENERATION, 0), options[EVENT_ID], body["lane"], body["n"],
                            options[SEQUENCE]))
                session.send(ACK, id, options=echo)


if __name__ == "__main__":
    main()
