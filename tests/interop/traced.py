"""A bus client that says to which trace its calls and events belong, as docs/protocol.md has it under Traces."""

import os

import msgpack

from sut_bus import CALL, PUBLISH, Bus

PARENT_ID = 19


def traceparent(trace, span=None, flags="00"):
    return f"00-{trace}-{span or os.urandom(8).hex()}-{flags}"


def new_trace():
    return os.urandom(16).hex()


def event_span(event_id):
    return event_id[:8].hex()


def delivery_span(event_id, group, attempt):
    """FNV-1a, 64 bits."""
    value = 0xcbf29ce484222325
    for byte in event_id + group.encode() + attempt.to_bytes(4, "big"):
        value = ((value ^ byte) * 0x100000001b3) % 2**64
    return f"{value:016x}"


class TracedBus(Bus):
    """`trace` and `principal` hold for the calls and publishes that come next."""

    trace = principal = None

    def send(self, kind, id, subject="", ttl_ms=0, body=None, options=None, principal=None, key=None):
        packed = b"" if body is None else msgpack.packb(body)
        own = kind in (CALL, PUBLISH)
        self.socket.send(msgpack.packb([1, kind, id, subject, key, ttl_ms, self.principal if own else principal,
                                        self.trace if own else None, options or {}, packed]))
