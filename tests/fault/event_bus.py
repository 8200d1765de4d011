"""A bus client for fault runs (docs/protocol.md): one thread each, a new session after each loss, nothing hidden from its user."""

import itertools
import random
import time

import msgpack
import zmq

HELLO, WELCOME, PING, PONG, BYE, CALL, REPLY, ERROR = 1, 2, 3, 4, 5, 10, 11, 12
PUBLISH, PUBLISHED, SUBSCRIBE, DELIVER, ACK, NACK, PROGRESS, TERM, GAP, UNSUBSCRIBE, MARKER = range(20, 31)
ATTEMPT, RETRY_AFTER, SEQUENCE, EVENT_ID, SOURCE, NUMBER, EPOCH, GENERATION = 3, 5, 6, 9, 10, 11, 12, 18
LOST = object()  # what take() gives once when the session is over


class Session:
    """At most one session at a time; take() makes one, answers pings, and gives envelopes or LOST."""

    def __init__(self, endpoint, name, secret):
        self.endpoint, self.name, self.secret = endpoint, name, secret
        self.ids, self.socket, self.up, self.waiting = itertools.count(1), None, False, []
        self.heard = self.pinged = self.opened = 0.0

    def _open(self):
        self._close()
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.plain_username, self.socket.plain_password = self.name.encode(), self.secret.encode()
        self.socket.reconnect_ivl, self.socket.linger, self.socket.sndtimeo = -1, 0, 200
        self.socket.connect(self.endpoint)
        self.opened = self.heard = time.monotonic()
        self.send(HELLO, next(self.ids), body={"name": self.name})

    def _close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.up, self.waiting = None, False, []

    close = _close

    def send(self, kind, id, subject="", key=None, options=None, body=None, ttl_ms=0):
        """False: the session is lost, or never was."""
        if not self.socket:
            return False
        packed = b"" if body is None else body if isinstance(body, bytes) else msgpack.packb(body)
        try:
            self.socket.send(msgpack.packb([1, kind, id, subject, key, ttl_ms, None, None, options or {}, packed]))
            return True
        except zmq.ZMQError:
            return False

    def take(self, seconds):
        """The next envelope (kind, id, subject, key, options, body), LOST, or None if there is none in time."""
        until = time.monotonic() + seconds
        while not self.waiting:
            now = time.monotonic()
            if not self.socket:
                time.sleep(random.uniform(0, 0.03))  # the protocol's pause before a new connection
                self._open()
            elif now - self.heard > 1.5 or (not self.up and now - self.opened > 2):
                was_up = self.up
                self._close()
                if was_up:
                    return LOST
            elif now - self.heard > 0.5 and now - self.pinged > 0.5:
                self.pinged = now
                self.send(PING, next(self.ids))
            if now >= until:
                return None
            if self.socket and self.socket.poll(max(1, min(100, int((until - now) * 1000)))):
                self._read()
        return self.waiting.pop(0)

    def _read(self):
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(self.socket.recv())
        self.heard = time.monotonic()
        for _, kind, id, subject, key, _, _, _, options, packed in unpacker:
            if kind == PING:
                self.send(PONG, id)
            elif kind == WELCOME:
                self.up = True
                self.waiting.append((WELCOME, id, subject, key, options, packed))
            elif kind not in (PONG, BYE):
                self.waiting.append((kind, id, subject, key, options, packed))
