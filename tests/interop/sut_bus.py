"""A bus client in about a hundred lines, written from docs/protocol.md alone. One thread; calls, serves, publishes, subscribes
and taps from it."""
import collections, itertools, os, time
import msgpack, zmq

HELLO, WELCOME, PING, PONG, BYE, CALL, REPLY, ERROR, CANCEL = 1, 2, 3, 4, 5, 10, 11, 12, 13
PUBLISH, PUBLISHED, SUBSCRIBE, DELIVER, ACK, NACK, PROGRESS, TERM, GAP, UNSUBSCRIBE, MARKER = range(20, 31)
TAP = 40
ATTEMPT, RETRY_AFTER, SEQUENCE, EVENT_ID, SOURCE, NUMBER, EPOCH, NOT_BEFORE = 3, 5, 6, 9, 10, 11, 12, 13
PUBLISHED_AT, DEDUP, DUPLICATE, REPLAYED, GENERATION = 14, 15, 16, 17, 18

class BusError(Exception):
    def __init__(self, body):
        super().__init__(f"{body['code']}: {body.get('message', '')}")
        self.code, self.body = body["code"], body

# What comes to a subscription or a tap: kind is DELIVER, GAP, MARKER or TAP.
News = collections.namedtuple("News", "kind id subject key principal traceparent options body")

class Bus:
    def __init__(self, endpoint, name, secret, services=(), handlers=None):
        self.handlers, self.ids, self.answers = handlers or {}, itertools.count(1), {}
        self.news = collections.defaultdict(collections.deque)  # by subscription or tap
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.plain_username, self.socket.plain_password = name.encode(), secret.encode()
        self.socket.reconnect_ivl, self.socket.linger, self.socket.sndtimeo = -1, 1000, 1000
        self.socket.connect(endpoint)
        body = {"name": name, "services": [{"name": s, "credits": c} for s, c in services]}
        self.welcome = self._ask(HELLO, "", body, 2000)[0]

    def send(self, kind, id, subject="", ttl_ms=0, body=None, options=None, principal=None, key=None):
        packed = b"" if body is None else msgpack.packb(body)
        self.socket.send(msgpack.packb([1, kind, id, subject, key, ttl_ms, principal, None, options or {}, packed]))

    def _ask(self, kind, subject, body, timeout_ms, options=None, key=None):
        id, until = next(self.ids), time.monotonic() + timeout_ms / 1000
        self.send(kind, id, subject, timeout_ms if kind == CALL else 0, body, options, key=key)
        while id not in self.answers:
            if not self.run(until):
                raise BusError({"code": "deadline_exceeded", "message": "no answer in time"})
        answer_kind, answer, answer_options = self.answers.pop(id)
        if answer_kind == ERROR:
            raise BusError(answer)
        return answer, answer_options

    def call(self, method, body=None, timeout_ms=3000, options=None):
        return self._ask(CALL, method, body or {}, timeout_ms, options)[0]

    def publish(self, subject, body, key=None, event_id=None, options=None, timeout_ms=3000):
        """The options of the answer: SEQUENCE, DEDUP and, if it was there before, DUPLICATE."""
        options = {EVENT_ID: event_id or os.urandom(16), **(options or {})}
        return self._ask(PUBLISH, subject, body, timeout_ms, options, key)[1]

    def publish_batch(self, events, options=None, timeout_ms=3000):
        """Maps with subject and body, and whatever else the page names. All or none: sequences and duplicates."""
        packed = [{"event_id": os.urandom(16), **e, "body": msgpack.packb(e["body"])} for e in events]
        return self._ask(PUBLISH, "", {"events": packed}, timeout_ms, options)[0]

    def subscribe(self, subjects, group=None, **more):
        """What the broker says of the new subscription; `subscription` is its id, for take."""
        body = {"subjects": subjects, **({"group": group} if group else {}), **more}
        return self._ask(SUBSCRIBE, "", body, 3000)[0]

    def tap(self, **request):
        return self._ask(TAP, "", request, 3000)[0]["tap"]

    def take(self, id, timeout_ms=3000):
        """The next News of a subscription or tap, or None."""
        until = time.monotonic() + timeout_ms / 1000
        while not self.news[id]:
            if not self.run(until) and time.monotonic() >= until:
                return None
        return self.news[id].popleft()

    def answer(self, kind, event, delay_ms=0, code=None, message=""):
        """ACK, NACK, TERM or PROGRESS for a delivery."""
        options = {o: event.options[o] for o in (ATTEMPT, SEQUENCE) if o in event.options}
        if delay_ms:
            options[RETRY_AFTER] = delay_ms
        self.send(kind, event.id, body={"code": code, "message": message} if code else None, options=options)

    def run(self, until):
        """Takes in one message: answers pings, serves calls, keeps the rest. False if none came in time."""
        if not self.socket.poll(max(0, int((until - time.monotonic()) * 1000))):
            return False
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(self.socket.recv())
        for version, kind, id, subject, key, ttl, principal, trace, options, packed in unpacker:
            body = msgpack.unpackb(packed) if packed else {}
            if kind == PING:
                self.send(PONG, id)
            elif kind == CALL:
                echo = {ATTEMPT: options[ATTEMPT]} if ATTEMPT in options else {}
                try:
                    if subject not in self.handlers:
                        raise BusError({"code": "no_such_method", "message": subject})
                    self.send(REPLY, id, body=self.handlers[subject](body), options=echo)
                except BusError as e:
                    self.send(ERROR, id, body=e.body, options=echo)
            elif kind in (WELCOME, REPLY, ERROR, PUBLISHED):
                self.answers[id] = kind, body, options
            elif kind in (DELIVER, GAP, MARKER, TAP):
                self.news[id].append(News(kind, id, subject, key, principal, trace, options, body))
        return True

    def close(self):
        self.socket.close()
