"""Whether 1,000 followers of one task miss nothing, and get nothing twice, however their connections end.

While ten updates a second are reported, connections are cut at random moments, as many as there are followers; then
the server is killed and started again. Each follower comes back by itself and says which update it had last. In the
end each must have got every update once, in order.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.crowd import allow_open_files, follow, sign_in
from benchmarks.databases import database_name
from benchmarks.figures import Figure, alone
from benchmarks.follower_wire import EVENTS, SOCKET
from benchmarks.followers_writer import UPDATES_PER_SECOND
from benchmarks.programs import Programs
from benchmarks.stack import HOST, running_base, start_web
from config.supervisor.ports import claim_port

FOLLOWERS, QUICK_FOLLOWERS = 1_000, 100
UPDATES, QUICK_UPDATES = 300, 80
#: Part of the time in which updates come, during which connections are cut; then the server is killed.
_CUTTING_SHARE = 0.6
_APPLICATION = "config.server:application"


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure both ways."""
    followers, updates = (QUICK_FOLLOWERS, QUICK_UPDATES) if quick else (FOLLOWERS, UPDATES)
    allow_open_files(followers)
    with running_base() as programs:
        cookies = sign_in(followers)
        for way in (EVENTS, SOCKET):
            found = [_run(programs, way, cookies=cookies, updates=updates) for _ in range(runs)]
            where = f"{followers:,} over {way}, {database_name()}"
            for name, what in (("missed", "missed"), ("doubled", "that came again")):
                values = [told[name] for told in found]
                yield alone(f"reconnecting: updates {what}, {where}", values, unit="updates", goal=0)
            back = [told["back"] for told in found]
            yield alone(f"reconnecting: until all are back on a server that was killed, {where}", back, unit="s")


def _run(programs: Programs, way: str, *, cookies: list[str], updates: int) -> dict[str, Any]:
    port = claim_port(HOST, 0)
    server = start_web(programs, port=port, application=_APPLICATION, name=f"{way}-first")
    followed = follow(programs, way, port=port, cookies=cookies)
    seconds = updates / UPDATES_PER_SECOND * _CUTTING_SHARE
    writer = followed.start_writer(updates)
    followed.ask("cut", number=len(cookies), seconds=seconds)
    time.sleep(seconds)
    followed.ask("join")
    assert writer.process.poll() is None, "the server was to be killed while updates come"
    server.process.kill()
    server.process.wait()
    server = start_web(programs, port=port, application=_APPLICATION, name=f"{way}-second")
    began = time.monotonic()
    followed.ask("join")
    back = time.monotonic() - began
    told = followed.finish(writer, updates)
    followed.clients.stop()
    server.stop()
    print(
        f"  {len(cookies):,} over {way}: {sum(told['ends'].values()):,} connections have ended ({told['ends']}),"
        f" all were back {back:.1f} s after the new server's start; {told['wrong']} followers with another list than"
        f" 1 to {told['last']}",
        file=sys.stderr,
    )
    return {**told, "back": back}
