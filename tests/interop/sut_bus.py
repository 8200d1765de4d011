"""A bus client in about fifty lines, written from docs/protocol.md alone. One thread; call and serve from it."""
import itertools, time
import msgpack, zmq

HELLO, WELCOME, PING, PONG, BYE, CALL, REPLY, ERROR, CANCEL = 1, 2, 3, 4, 5, 10, 11, 12, 13

class BusError(Exception):
    def __init__(self, body):
        super().__init__(f"{body['code']}: {body.get('message', '')}")
        self.code, self.body = body["code"], body

class Bus:
    def __init__(self, endpoint, name, secret, services=(), handlers=None):
        self.handlers, self.ids, self.answers = handlers or {}, itertools.count(1), {}
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.plain_username, self.socket.plain_password = name.encode(), secret.encode()
        self.socket.reconnect_ivl, self.socket.linger, self.socket.sndtimeo = -1, 1000, 1000
        self.socket.connect(endpoint)
        body = {"name": name, "services": [{"name": s, "credits": c} for s, c in services]}
        self.welcome = self._ask(HELLO, "", body, 2000)

    def send(self, kind, id, subject="", ttl_ms=0, body=None, options=None, principal=None):
        packed = b"" if body is None else msgpack.packb(body)
        self.socket.send(msgpack.packb([1, kind, id, subject, None, ttl_ms, principal, None, options or {}, packed]))

    def _ask(self, kind, subject, body, ttl_ms, options=None):
        id, until = next(self.ids), time.monotonic() + ttl_ms / 1000
        self.send(kind, id, subject, ttl_ms if kind == CALL else 0, body, options)
        while id not in self.answers:
            if not self.run(until):
                raise BusError({"code": "deadline_exceeded", "message": "no answer in time"})
        answer_kind, answer = self.answers.pop(id)
        if answer_kind == ERROR:
            raise BusError(answer)
        return answer

    def call(self, method, body=None, timeout_ms=3000, options=None):
        return self._ask(CALL, method, body or {}, timeout_ms, options)

    def run(self, until):
        """Takes in one message: answers pings, serves calls, keeps answers. False if none came in time."""
        if not self.socket.poll(max(0, int((until - time.monotonic()) * 1000))):
            return False
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(self.socket.recv())
        for version, kind, id, subject, key, ttl, principal, trace, options, packed in unpacker:
            body = msgpack.unpackb(packed) if packed else {}
            if kind == PING:
                self.send(PONG, id)
            elif kind == CALL:
                echo = {3: options[3]} if 3 in options else {}
                try:
                    if subject not in self.handlers:
                        raise BusError({"code": "no_such_method", "message": subject})
                    self.send(REPLY, id, body=self.handlers[subject](body), options=echo)
                except BusError as e:
                    self.send(ERROR, id, body=e.body, options=echo)
            elif kind in (WELCOME, REPLY, ERROR):
                self.answers[id] = kind, body
        return True

    def close(self):
        self.socket.close()
