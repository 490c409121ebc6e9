"""What 1,000 followers of one task cost one server process: how late each update is, and the memory for each of them.

Everyone is signed in with an account and a session of their own, and has a connection of their own. What counts is the
time from before an update is written until it has reached a follower, over all updates and all followers.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.crowd import allow_open_files, follow, sign_in
from benchmarks.databases import database_name
from benchmarks.figures import Figure, alone
from benchmarks.follower_wire import EVENTS, SOCKET
from benchmarks.memory import family, processor_seconds, unique
from benchmarks.programs import Program, Programs
from benchmarks.stack import HOST, running_base, start_daphne, start_web
from config.supervisor.ports import claim_port

FOLLOWERS, QUICK_FOLLOWERS = 1_000, 100
#: Ten a second; half a minute holds a look at who may still follow.
UPDATES, QUICK_UPDATES = 350, 30
_WARM_UP_FOLLOWERS, _WARM_UP_UPDATES = 25, 10
#: What has come with the followers' arrival is put away.
_REST_SECONDS, _SAMPLE_SECONDS = 2.0, 0.5
GOAL_MS, GOAL_KB = 100.0, 60.0

StartServer = Callable[..., Program]


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure both ways on the server that we run, and then on Daphne."""
    followers, updates = (QUICK_FOLLOWERS, QUICK_UPDATES) if quick else (FOLLOWERS, UPDATES)
    allow_open_files(followers)
    with running_base() as programs:
        cookies = sign_in(followers)
        for way in (EVENTS, SOCKET):
            found = [_Run(programs, way, start_web).measure(cookies, updates) for _ in range(runs)]
            yield from _figures(found, f"{followers:,} over {way}, {database_name()}", has_goals=True)
        if quick:
            return
        for way in (EVENTS, SOCKET):
            found = [_Run(programs, way, start_daphne).measure(cookies, updates)]
            yield from _figures(found, f"{followers:,} over {way}, {database_name()}, Daphne", has_goals=False)


@dataclass(kw_only=True)
class _Found:
    told: dict[str, float]
    idle_kb: float
    most_kb: float
    processor_percent: float


def _figures(found: list[_Found], where: str, *, has_goals: bool) -> Iterator[Figure]:
    def goal(value: float) -> float | None:
        return value if has_goals else None

    def each(name: str) -> list[float]:
        return [one.told[name] for one in found]

    yield alone(f"followers: write to follower, p50, {where}", each("p50"), unit="ms")
    yield alone(f"followers: write to follower, p95, {where}", each("p95"), unit="ms", goal=goal(GOAL_MS))
    yield alone(f"followers: write to follower, the latest, {where}", each("max"), unit="ms")
    yield alone(f"followers: updates that were missed, {where}", each("missed"), unit="updates", goal=0)
    yield alone(f"followers: updates that came again, {where}", each("doubled"), unit="updates", goal=0)
    yield alone(f"followers: memory of one that waits, {where}", [one.idle_kb for one in found], unit="kB")
    yield alone(
        f"followers: memory of one, at most, {where}", [one.most_kb for one in found], unit="kB", goal=goal(GOAL_KB)
    )
    yield alone(
        f"followers: the server's share of a processor, {where}", [one.processor_percent for one in found], unit="%"
    )


@dataclass
class _Run:
    programs: Programs
    way: str
    start_server: StartServer
    _samples: list[int] = field(default_factory=list)

    def measure(self, cookies: list[str], updates: int) -> _Found:
        """Start a server, let everyone follow, and report."""
        port = claim_port(HOST, 0)
        server = self.start_server(self.programs, port=port, application="config.server:application")
        self._warm_up(port)
        before = _held(server)
        began = time.monotonic()
        followed = follow(self.programs, self.way, port=port, cookies=cookies)
        joined = time.monotonic() - began
        time.sleep(_REST_SECONDS)
        idle = _held(server)
        used, began = _used(server), time.monotonic()
        writer = followed.start_writer(updates)
        most = idle
        while writer.process.poll() is None:
            time.sleep(_SAMPLE_SECONDS)
            most = max(most, _held(server))
        percent = (_used(server) - used) / (time.monotonic() - began) * 100
        told = followed.finish(writer, updates)
        most = max(most, _held(server))
        followed.clients.stop()
        server.stop()
        count = len(cookies)
        print(
            f"  {count:,} over {self.way}, there in {joined:.1f} s: p50 {told['p50']:.1f}, p95 {told['p95']:.1f},"
            f" p99 {told['p99']:.1f}, at most {told['max']:.1f} ms; {told['deliveries']:,} deliveries,"
            f" {told['wrong']} followers with another list than 1 to {told['last']}; the server holds"
            f" {before / 1e6:.1f} MB, with them {idle / 1e6:.1f}, at most {most / 1e6:.1f}, and used"
            f" {percent:.0f} % of a processor",
            file=sys.stderr,
        )
        return _Found(
            told=told,
            idle_kb=(idle - before) / 1e3 / count,
            most_kb=(most - before) / 1e3 / count,
            processor_percent=percent,
        )

    def _warm_up(self, port: int) -> None:
        # What the server loads with its first followers, and the threads that read for them, is no follower's share.
        followed = follow(self.programs, self.way, port=port, cookies=sign_in(_WARM_UP_FOLLOWERS))
        followed.finish(followed.start_writer(_WARM_UP_UPDATES), _WARM_UP_UPDATES)
        followed.clients.stop()


def _held(server: Program) -> int:
    return sum(map(unique, family(server.process.pid)))


def _used(server: Program) -> float:
    return sum(map(processor_seconds, family(server.process.pid)))
