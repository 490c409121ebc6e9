"""The process that holds many followers of one task, and notes when each update reaches each of them.

    python -m benchmarks.follower_clients SSE|WebSocket HOST PORT TASK_ID COOKIES

COOKIES is a file with a line for each follower: the cookie that it sends. What it is to do comes as lines of JSON; it
answers each by a line, once it is done:

    {"do": "join"}                             every follower is connected and follows
    {"do": "reach", "seq": 300}                every follower has got update 300
    {"do": "cut", "number": 500, "seconds": 20}   connections are cut at random moments, while other things are done
    {"do": "tell", "stamps": FILE}             says what has come, and how late after the moments in FILE

A follower whose connection ends, however it ends, comes back within a second and goes on behind the last update it has.
"""

import gc
import heapq
import json
import os
import random
import select
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

from benchmarks.follower_wire import EVENTS, ConnectionEnd, EventsWire, SocketWire, Wire, connected, cut
from benchmarks.stamps import read_stamps

_READ_BYTES = 262_144
_LOOK_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
#: Followers that are on their way in at a time, as many as a busy site sees.
_ARRIVING = 50


def main(way: str, host: str, port: str, task_id: str, cookies: str) -> None:
    """Do what is said until nobody says anything more."""
    crowd = Crowd(way, host=host, port=int(port), task_id=task_id, cookies=Path(cookies).read_text().splitlines())
    gc.collect()
    # A pause of the collector here would be told as one of the server.
    gc.disable()
    crowd.run()


class Follower:
    """One client, over all of its connections."""

    def __init__(self, cookie: str) -> None:
        self.cookie = cookie
        self.connection: socket.socket | None = None
        self.wire: Wire | None = None
        #: The number of each update that has come, and when, in the order in which they came.
        self.seqs = array("I")
        self.moments = array("d")

    @property
    def position(self) -> int:
        """Return the number of the last update."""
        return self.seqs[-1] if self.seqs else 0

    @property
    def follows(self) -> bool:
        """Tell whether the server has said that updates follow."""
        return self.wire is not None and self.wire.follows

    def is_right(self, last: int) -> bool:
        """Tell whether it has got each update up to `last` once, in order."""
        return len(self.seqs) == last and all(seq == number for number, seq in enumerate(self.seqs, start=1))


class Crowd:
    """All followers, served by one thread that waits for all of their connections at once."""

    def __init__(self, way: str, *, host: str, port: int, task_id: str, cookies: list[str]) -> None:
        self._wire = EventsWire if way == EVENTS else SocketWire
        self._host, self._port, self._task_id = host, port, task_id
        self._followers = [Follower(cookie) for cookie in cookies]
        self._by_number: dict[int, Follower] = {}
        self._poll = select.epoll()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._heard = b""
        self._ends: Counter[str] = Counter()
        self._random = random.Random(20261129)
        self._over = False

    def run(self) -> None:
        """Serve the followers, and whoever says what they are to do."""
        orders = sys.stdin.fileno()
        os.set_blocking(orders, False)
        self._poll.register(orders, select.EPOLLIN)
        while not self._over:
            waiting = max(0.0, self._later[0][0] - time.monotonic()) if self._later else -1
            for number, _ in self._poll.poll(waiting):
                if number == orders:
                    self._hear(orders)
                elif number in self._by_number:
                    self._read(self._by_number[number])
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), action))

    def _hear(self, orders: int) -> None:
        part = os.read(orders, 65_536)
        self._over = not part
        self._heard += part
        while b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            order = json.loads(line)
            match order["do"]:
                case "join":
                    self._join()
                case "reach":
                    seq = order["seq"]
                    self._answer_when(lambda seq=seq: all(one.position >= seq for one in self._followers))
                case "cut":
                    for _ in range(order["number"]):
                        self._after(self._random.uniform(0, order["seconds"]), self._cut_one)
                    _answer({})
                case "tell":
                    _answer(self._told(read_stamps(Path(order["stamps"]))))

    def _answer_when(self, condition: Callable[[], bool]) -> None:
        if condition():
            _answer({"ends": self._ends})
        else:
            self._after(_LOOK_SECONDS, lambda: self._answer_when(condition))

    def _join(self) -> None:
        coming = [follower for follower in self._followers if not follower.follows]
        if not coming:
            _answer({"ends": self._ends})
            return
        under_way = sum(follower.connection is not None for follower in coming)
        for follower in coming:
            if follower.connection is None and under_way < _ARRIVING:
                self._connect(follower)
                under_way += 1
        self._after(0.001, self._join)

    def _connect(self, follower: Follower) -> None:
        if follower.connection is not None:
            return
        try:
            connection = connected(host=self._host, port=self._port)
        except OSError:
            self._come_back(follower)
            return
        place = f"{self._host}:{self._port}"
        follower.wire = self._wire(place=place, task_id=self._task_id, cookie=follower.cookie)
        follower.connection = connection
        connection.sendall(follower.wire.hello(since=follower.position))
        connection.setblocking(False)
        self._by_number[connection.fileno()] = follower
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _come_back(self, follower: Follower) -> None:
        self._after(self._random.uniform(0, _LONGEST_PAUSE_SECONDS), lambda: self._connect(follower))

    def _read(self, follower: Follower) -> None:
        assert follower.connection is not None
        assert follower.wire is not None
        try:
            data = follower.connection.recv(_READ_BYTES)
            now = time.monotonic()
            if not data:
                raise ConnectionEnd("the server has closed it")
            for seq in follower.wire.take(data):
                follower.seqs.append(seq)
                follower.moments.append(now)
            answers = follower.wire.answers()
            if answers:
                follower.connection.sendall(answers)
        except BlockingIOError:
            return
        except (OSError, ConnectionEnd) as error:
            self._end(follower, str(error))

    def _cut_one(self) -> None:
        connected_ones = [follower for follower in self._followers if follower.follows]
        if connected_ones:
            self._end(self._random.choice(connected_ones), "cut")
        else:
            self._after(_LOOK_SECONDS, self._cut_one)

    def _end(self, follower: Follower, reason: str) -> None:
        assert follower.connection is not None
        self._ends[reason] += 1
        self._poll.unregister(follower.connection.fileno())
        del self._by_number[follower.connection.fileno()]
        cut(follower.connection)
        follower.connection = follower.wire = None
        self._come_back(follower)

    def _told(self, stamps: dict[str, float]) -> dict[str, object]:
        last = max(map(int, stamps))
        sent = {int(seq): moment for seq, moment in stamps.items()}
        milliseconds = sorted(
            (moment - sent[seq]) * 1e3
            for follower in self._followers
            for seq, moment in zip(follower.seqs, follower.moments, strict=True)
            if seq in sent
        )
        seen = [Counter(follower.seqs) for follower in self._followers]
        return {
            "last": last,
            "deliveries": len(milliseconds),
            "wrong": sum(not follower.is_right(last) for follower in self._followers),
            "missed": sum(last - len(found) for found in seen),
            "doubled": sum(len(one.seqs) - len(found) for one, found in zip(self._followers, seen, strict=True)),
            "p50": milliseconds[len(milliseconds) // 2],
            "p95": milliseconds[len(milliseconds) * 95 // 100],
            "p99": milliseconds[len(milliseconds) * 99 // 100],
            "max": milliseconds[-1],
            "ends": self._ends,
        }


def _answer(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
