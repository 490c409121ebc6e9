"""What the followers of a benchmark read: wherever the network cuts what is sent, they find the same in it."""

import resource
from collections.abc import Callable

import pytest

from benchmarks.crowd import allow_open_files
from benchmarks.follower_clients import Follower
from benchmarks.follower_wire import ConnectionEnd, EventsWire, SocketWire, Wire
from benchmarks.programs import ProgramFailure

HELD = 1_000


def update(seq: int, *, size: int = 0) -> bytes:
    # What users write may look like a number of ours.
    return b'{"v":1,"seq":%d,"type":"nodeProgress","message":"\\"seq\\":99,%s"}' % (seq, b"x" * size)


def event(seq: int, *, size: int = 0) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (seq, update(seq, size=size))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def frame(payload: bytes, *, kind: int = 1) -> bytes:
    if len(payload) < 126:
        return bytes([0x80 | kind, len(payload)]) + payload
    if len(payload) < 65_536:
        return bytes([0x80 | kind, 126]) + len(payload).to_bytes(2, "big") + payload
    return bytes([0x80 | kind, 127]) + len(payload).to_bytes(8, "big") + payload


@pytest.fixture
def events() -> EventsWire:
    return EventsWire(place="127.0.0.1:1", task_id="t", cookie="sessionid=s")


@pytest.fixture
def socket() -> SocketWire:
    return SocketWire(place="127.0.0.1:1", task_id="t", cookie="sessionid=s")


STREAM = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunk(b"retry: 2000\n\n" + event(1) + event(2))
    + chunk(b": still here\n\n")
    # An answer that is long enough is cut by Django wherever it may be.
    + chunk(event(3, size=500)[:77])
    + chunk(event(3, size=500)[77:] + event(4))
)
SAID = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"
    + frame(b'{"type":"subscribed","taskId":"t"}')
    + frame(update(1))
    + frame(b"abcd", kind=9)
    + frame(update(2, size=300))
    + frame(update(3, size=70_000))
    + frame(update(4))
)


def read(wire: Wire, data: bytes, *, step: int) -> list[int]:
    return [seq for start in range(0, len(data), step) for seq in wire.take(data[start : start + step])]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_ids_of_events_are_found_however_they_arrive(step, events):
    assert read(events, STREAM, step=step) == [1, 2, 3, 4]
    assert events.follows


def test_what_comes_in_one_piece_with_the_end_of_a_stream_is_found(events):
    taken = events.take(STREAM + b"0\r\n\r\n")
    assert [next(taken) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(ConnectionEnd):
        next(taken)


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_the_numbers_in_frames_are_found_however_they_arrive(step, socket):
    assert read(socket, SAID, step=step) == [1, 2, 3, 4]
    assert socket.follows


def test_a_socket_subscribes_once_it_is_open_and_answers_pings(socket):
    assert b"Upgrade: websocket" in socket.hello(since=7)
    assert socket.answers() == b""
    head, _, rest = SAID.partition(b"\r\n\r\n")
    read(socket, head + b"\r\n\r\n", step=1_000)
    assert socket.answers().endswith(b'{"type":"subscribe","taskId":"t","since":7}')
    read(socket, rest, step=1_000_000)
    # Masked, as everything that a client sends, by zeros.
    assert socket.answers() == b"\x8a\x84\0\0\0\0abcd"


def test_a_stream_goes_on_behind_the_last_event(events):
    assert b"Last-Event-ID" not in events.hello(since=0)
    assert b"Last-Event-ID: 12\r\n" in events.hello(since=12)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        pytest.param(EventsWire, b"HTTP/1.1 404 Not Found\r\n\r\n", id="no such task"),
        pytest.param(EventsWire, b"HTTP/1.1 200 OK\r\n\r\n0\r\n\r\n", id="the stream's end"),
        pytest.param(SocketWire, b"HTTP/1.1 403 Forbidden\r\n\r\n", id="no socket"),
        pytest.param(SocketWire, b"HTTP/1.1 101 -\r\nx: permessage-deflate\r\n\r\n", id="compression"),
        pytest.param(SocketWire, b"HTTP/1.1 101 -\r\n\r\n" + frame(b"\x03\xf5", kind=8), id="closed"),
        pytest.param(SocketWire, b"HTTP/1.1 101 -\r\n\r\n" + frame(b'{"type":"error"}'), id="an error"),
    ],
)
def test_what_no_follower_expects_ends_the_connection(make: Callable[..., Wire], data):
    with pytest.raises(ConnectionEnd):
        read(make(place="127.0.0.1:1", task_id="t", cookie=""), data, step=1_000)


@pytest.mark.parametrize(
    ("seqs", "is_right"),
    [([1, 2, 3], True), ([1, 3], False), ([1, 2, 2, 3], False), ([1, 3, 2], False), ([1, 2], False), ([], False)],
)
def test_only_each_update_once_and_in_order_is_right(seqs, is_right):
    follower = Follower("sessionid=s")
    follower.seqs.extend(seqs)
    assert follower.is_right(3) is is_right


def test_a_limit_that_is_too_low_for_so_many_connections_is_named(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (512, 512))
    with pytest.raises(ProgramFailure, match="need 1,200 open files in a process, and no more than 512"):
        allow_open_files(HELD)


def test_a_limit_is_raised_as_far_as_is_needed(monkeypatch):
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (512, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: given.append(limits))
    allow_open_files(HELD)
    allow_open_files(10)
    assert given == [(1_200, 4_096)]
