"""How fast the inbox, and lists with options, answer among 100,000 instances; and that queries don't grow in number.

What is timed is the whole request, from the session's cookie to the last byte, in this process: pages and API alike.
"""

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.databases import database_name
from benchmarks.figures import Figure, alone
from benchmarks.inbox_rows import Site, add_instances, make_site
from benchmarks.stack import running_base
from config.server import keep_loaded

INSTANCES, QUICK_INSTANCES = 100_000, 1_000
FEW = 200
REQUESTS, QUICK_REQUESTS = 150, 20
#: Milliseconds in which nineteen of twenty requests are to be answered.
GOAL_MS = 50.0

PLACES = {
    "the inbox, as a page": "/inbox/",
    "the inbox, over HTTP": "/api/inbox/",
    "the list with options, over HTTP": "/api/instances/",
    "the list with options at a status, over HTTP": "/api/instances/?status=submitted",
}


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Hold what requests to one place took: milliseconds, and the largest number of queries."""

    times: list[float]
    queries: int


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    number, requests = (QUICK_INSTANCES, QUICK_REQUESTS) if quick else (INSTANCES, REQUESTS)
    where = f"{number:,} instances, {database_name()}"
    # As a server does that has loaded everything.
    keep_loaded()
    with running_base():
        site = make_site()
        add_instances(site, number=FEW)
        few = {name: _ask(site, path, QUICK_REQUESTS).queries for name, path in PLACES.items()}
        started = time.monotonic()
        add_instances(site, number=number - FEW)
        print(f"  {number:,} instances made in {time.monotonic() - started:.0f} s", file=sys.stderr)
        for name, path in PLACES.items():
            found = [_ask(site, path, requests) for _ in range(runs)]
            late = [quantiles(one.times, n=20)[-1] for one in found]
            yield alone(f"inbox: {name}, p95, {where}", late, unit="ms", goal=GOAL_MS)
            more = max(one.queries for one in found) - few[name]
            yield alone(
                f"inbox: {name}, more queries than among {FEW}, {where}", [float(max(more, 0))], unit="", goal=0.0
            )
        # What the planner knows of tables that were empty a moment ago is nothing: so far without, now with statistics.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        for name, path in PLACES.items():
            late = [quantiles(_ask(site, path, requests).times, n=20)[-1] for _ in range(runs)]
            yield alone(f"inbox: {name}, p95 after ANALYZE, {where}", late, unit="ms", goal=GOAL_MS)


def _ask(site: Site, path: str, number: int) -> _Asked:
    chance = random.Random(path)
    times, queries = [], 0
    for count in range(number):
        client = Client(HTTP_HOST="localhost", HTTP_X_FORWARDED_PROTO="https")
        client.force_login(chance.choice(site.users))
        address = path
        if count % 4 == 3:
            address += ("&" if "?" in path else "?") + f"page={chance.randrange(2, 5)}"
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        queries = max(queries, len(captured))
        started = time.perf_counter()
        assert client.get(address).status_code == 200
        times.append((time.perf_counter() - started) * 1e3)
    return _Asked(times=times, queries=queries)
