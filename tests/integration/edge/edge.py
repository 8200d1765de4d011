"""An edge of a suite's own: broker, sut-edge, and actors that the test plays in threads."""

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import threading
import time

import msgpack

from broker import Broker
from stack import free_port, wait_until
from sut_bus import CALL, CANCEL, ERROR, PING, PONG, REPLY, WELCOME, Bus

KEY = bytes(range(32))
KID = "k1"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims=None, header=None, key=KEY, now=None, **more):
    """An access token as the auth actor signs it; a claim of None is left out."""
    now = int(time.time()) if now is None else now
    body = {"user_id": 7, "permissions": 1, "sid": "s-7", "iat": now, "exp": now + 900}
    body.update(claims or {}, **more)
    body = {k: v for k, v in body.items() if v is not None}
    head = {"alg": "HS256", "typ": "JWT", "kid": KID} if header is None else header
    text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
    return text + "." + b64(hmac.new(key, text.encode(), hashlib.sha256).digest())


class Call:
    """One call as the actor saw it."""

    def __init__(self, subject, ttl_ms, principal, trace, options, body):
        self.subject, self.ttl_ms, self.principal, self.trace = subject, ttl_ms, principal, trace
        self.idempotency_key, self.body = options.get(1), body


class Refusal(Exception):
    def __init__(self, code, message="", **more):
        super().__init__(code)
        self.body = dict(code=code, message=message, **more)


class Actor(Bus):
    """Serves one service in a thread of its own. A handler takes a Call; raises Refusal; returns None to stay silent."""

    def __init__(self, broker, service, handlers):
        super().__init__(broker.endpoint, service, broker.secret(service), services=[(service, 64)])
        self.calls, self.cancelled, self.serving = [], [], True
        self.methods = dict(handlers)
        self.methods.setdefault(f"{service}.health", lambda _: {"status": "up", "dependencies": []})
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while self.serving:
            if self.socket.poll(50):
                unpacker = msgpack.Unpacker(strict_map_key=False)
                unpacker.feed(self.socket.recv())
                for envelope in unpacker:
                    self.take(*envelope)

    def take(self, version, kind, id, subject, key, ttl, principal, trace, options, packed):
        if kind == PING:
            self.send(PONG, id)
        elif kind == CANCEL:
            self.cancelled.append(id)
        elif kind == CALL:
            call = Call(subject, ttl, principal, trace, options, msgpack.unpackb(packed) if packed else {})
            if not subject.endswith((".health", ".revocations")):
                self.calls.append(call)
            echo = {3: options[3]} if 3 in options else {}
            try:
                answer = self.methods[subject](call)
                if answer is not None:
                    self.send(REPLY, id, body=answer, options=echo)
            except Refusal as refusal:
                self.send(ERROR, id, body=refusal.body, options=echo)

    def close(self):
        self.serving = False
        self.thread.join()
        super().close()


def rfc3339(us):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us % 1_000_000:06d}Z"


class Revocations:
    """What auth says was revoked: a list that a test adds to, and the event of each."""

    def __init__(self, broker):
        self.broker, self.items, self.silent = broker, [], False

    def add(self, **item):
        now = int(time.time() * 1_000_000)
        self.items.append(dict(item, id=len(self.items) + 1, revoked_at=now))
        shown = {k: rfc3339(v) if k == "issued_before" else v for k, v in item.items() if k in ("user_id", "session", "issued_before")}
        self.broker.sut("publish", "session.revoked", json.dumps(dict(shown, revoked_at=rfc3339(now))), name="auth")

    def __call__(self, call):
        if self.silent:
            return None
        since, limit = call.body.get("since", 0), call.body.get("limit", 1000)
        items = [i for i in list(self.items) if i["id"] > since]
        page = items[:limit]
        return {"items": page, "cursor": page[-1]["id"] if page else since, "more": len(items) > len(page)}


PROFILE = {"user_id": 7, "username": "ada", "follower_count": 0, "following_count": 0, "post_count": 0,
           "created_at": 1767323045678901, "updated_at": 1767323045678901}
TOKENS = {"user_id": 7, "username": "ada", "email": "ada@example.org", "access_token": "a" * 20,
          "refresh_token": "r" * 20, "token_type": "Bearer", "expires_in": 900}


class Edge:
    def __init__(self, **settings):
        self.settings, self.broker, self.process, self.actors = settings, Broker(), None, {}
        self.broker.env["SUT_LIMITS_FILE"] = f"{self.broker.dir}/limits"
        open(f"{self.broker.dir}/limits", "wb").close()
        self.revocations = Revocations(self.broker)

    def __enter__(self):
        self.broker.__enter__()
        try:
            for name, role in (("edge", "edge"), ("auth", "actor"), ("user", "actor")):
                self.broker.key(name, role)
            self.keys = f"{self.broker.dir}/jwt.keys"
            self.write_keys(f"{KID} {KEY.hex()}")
            self.start_actors()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def write_keys(self, *lines):
        with open(self.keys, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        os.chmod(self.keys, 0o600)

    def start_actors(self):
        self.actors["auth"] = Actor(self.broker, "auth", {
            "auth.revocations": self.revocations, "auth.login": lambda _: TOKENS, "auth.register": lambda _: TOKENS,
            "auth.refresh": lambda _: TOKENS, "auth.logout": lambda _: {},
            "auth.verify": lambda _: {"valid": True, "user_id": 7, "permissions": 1, "expires_at": 1767323045000000}})
        self.actors["user"] = Actor(self.broker, "user", {
            "user.profile_get": lambda call: dict(PROFILE, user_id=call.body["user_id"]),
            "user.profile_update": lambda call: dict(PROFILE, **call.body)})

    @property
    def auth(self):
        return self.actors["auth"]

    @property
    def user(self):
        return self.actors["user"]

    def environment(self):
        env = dict(self.broker.env, SUT_NAME="edge", SUT_SECRET_FILE=f"{self.broker.dir}/keys/edge.secret",
                   SUT_JWT_KEYS=self.keys, SUT_RATE_LIMITS="off", PORT=str(self.port))
        env.update(self.settings)
        return env

    def start(self, healthy=True):
        self.port = free_port()
        with open(f"{self.broker.dir}/edge.log", "ab") as log:
            self.process = subprocess.Popen([f"{self.broker.bin}/sut-edge"], env=self.environment(), stdout=log,
                                            stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.answers(healthy), 20, "the edge to answer")
        if self.process.poll() is not None:
            raise AssertionError(f"the edge ended with {self.process.returncode}: {self.log()}")

    def answers(self, healthy):
        try:
            status = self.get("/health").status
            return status == 200 if healthy else True
        except OSError:
            return False

    def markers_every(self, ms):
        """From now on: how often the broker tells the edge that it has heard all."""
        with open(f"{self.broker.dir}/limits", "w", encoding="ascii") as f:
            f.write(f"marker_ms = {ms}\n")
        self.broker.signal(signal.SIGHUP)

    def log(self):
        with open(f"{self.broker.dir}/edge.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        return self.process.wait(20)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for actor in self.actors.values():
            actor.close()
        log = self.log() if self.process else ""
        self.broker.__exit__()
        for word in ("Sanitizer", "runtime error:"):
            assert word not in log, log[log.index(word) - 200:][:4000]

    # ---- clients ----

    def connect(self, source=None):
        s = socket.create_connection(("127.0.0.1", self.port), 20, source and (source, 0))
        s.settimeout(20)
        return s

    def raw(self, data):
        """Sends bytes, returns all answers until the connection ends, and whether it did."""
        with self.connect() as s:
            s.sendall(data)
            reader = Reader(s)
            return reader.answer(), reader

    def request(self, verb, path, body=None, headers=(), connection=None):
        head = {"Host": "edge", "Connection": "close" if connection is None else "keep-alive"}
        if body is not None:
            head["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            head["Content-Length"] = str(len(body))
        head.update(headers)
        lines = [f"{verb} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in head.items() if v is not None]
        data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
        if connection is not None:
            connection.sendall(data)
            return Reader(connection).answer(verb)
        with self.connect() as s:
            s.sendall(data)
            return Reader(s).answer(verb)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def profile(self, bearer=None, **more):
        headers = dict(more.pop("headers", {}))
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        return self.request("PUT", "/api/users/profile", body={"bio": "x"}, headers=headers, **more)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json.get("code")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:400]!r}>"


class Reader:
    """Reads HTTP answers off a socket, no more bytes than they have."""

    def __init__(self, s):
        self.socket, self.held = s, b""

    def fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.held += data
        return len(data) > 0

    def answer(self, verb="GET"):
        """The next answer; None if the connection ends first."""
        while b"\r\n\r\n" not in self.held:
            if not self.fill():
                return None
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            assert name.lower() not in headers, f"{name} is there twice"
            headers[name.lower()] = value.strip()
        length = 0 if verb == "HEAD" else int(headers.get("content-length", 0))
        while len(self.held) < length:
            if not self.fill():
                raise AssertionError("the answer was cut off")
        body, self.held = self.held[:length], self.held[length:]
        return Answer(int(lines[0].split(" ")[1]), headers, body)

    def ended(self):
        """Is there nothing more but the end?"""
        return not self.held and not self.fill()
