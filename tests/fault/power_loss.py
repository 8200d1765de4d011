"""What a power failure leaves of the journal's files, made from the log of its writes and syncs (tests/support/disk_shim.h).

What was synced is there. Of the rest each 512-byte sector is there or is not, in any combination: a disk may write them in any order,
and stops in the middle of a page as well. A file's size is metadata of its own: it may have grown or not, and what has grown without
its bytes reads as zeros."""

import struct

HEAD = struct.Struct("=BBHIQ")
WRITE, DURABLE, SYNC_BEGIN, SYNC_END = b"WDBE"
SECTOR = 512
FILES = ("data.mdb", "journal.wal")


def records(path):
    with open(path, "rb") as f:
        raw = f.read()
    at = 0
    while at + HEAD.size <= len(raw):
        kind, _, file, length, offset = HEAD.unpack_from(raw, at)
        at += HEAD.size
        if at + length > len(raw):
            return  # the process was killed while it noted this one
        yield file, kind, offset, raw[at:at + length]
        at += length


def split(path, wanted):
    """(synced, pending): lists of (offset, bytes) of one file, in order. Pending is what no sync that ended covers."""
    synced, pending, begun = [], [], 0
    for file, kind, offset, data in records(path):
        if file != wanted:
            continue
        if kind == WRITE:
            pending.append((offset, data))
        elif kind == DURABLE:  # this one write; what it covers of a sync that has begun was before it
            at = max(i for i, write in enumerate(pending) if write[0] == offset)
            synced.append(pending.pop(at))
            begun -= at < begun
        elif kind == SYNC_BEGIN:
            begun = len(pending)
        else:
            synced += pending[:begun]
            pending, begun = pending[begun:], 0
    return synced, pending


def sectors(writes):
    for offset, data in writes:
        at = 0
        while at < len(data):
            end = min(len(data), (offset + at) // SECTOR * SECTOR + SECTOR - offset)
            yield offset + at, data[at:end]
            at = end


def put(image, offset, data):
    if len(image) < offset + len(data):
        image.extend(bytes(offset + len(data) - len(image)))
    image[offset:offset + len(data)] = data


def survivors(pending, random, how):
    """`how`: nothing, everything, or some of the sectors in any order."""
    if how == "nothing":
        return []
    some = list(sectors(pending))
    if how == "everything":
        return some
    share = random.choice((0.05, 0.3, 0.5, 0.9, 0.99))
    some = [s for s in some if random.random() < share]
    # Of two writes of one sector the later one wins or did not happen: order matters within a sector only.
    return some


def after(base, log, random, how):
    """The files after a power failure, and how many bytes were not synced: `base` is what they held when the log was begun."""
    images = {name: one_after(base.get(name, b""), log, random, how, number) for number, name in enumerate(FILES)}
    return {name: image for name, (image, _) in images.items()}, sum(lost for _, lost in images.values())


def one_after(base, log, random, how, number):
    synced, pending = split(log, number)
    image = bytearray(base)
    for offset, data in synced:
        put(image, offset, data)
    for offset, data in survivors(pending, random, how):
        put(image, offset, data)
    if pending and random.random() < 0.5:
        end = max(offset + len(data) for offset, data in pending)
        if end > len(image):
            image.extend(bytes(end - len(image)))
    return bytes(image), sum(len(d) for _, d in pending)
