"""What 100,000 waiting runs cost: how late timers are beside them, after a downtime too, and what else runs is slowed.

The waiting runs are copies of a run that waits, with all that belongs to one. Timers are those of runs that wait for a
moment, one after the other; a timer has fired when the action behind the wait has noted the time.
"""

import sys
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median

from django.conf import settings
from django.utils import timezone

from benchmarks.background import Process, publish_definition
from benchmarks.databases import database_name
from benchmarks.figures import Figure, alone, beside_peer
from benchmarks.memory import family, resident
from benchmarks.programs import Program, Programs
from benchmarks.scripts import TELL
from benchmarks.stack import running_base, start_service, wait_until
from benchmarks.stamps import read_stamps
from benchmarks.waiting_tables import add_waiting
from processes.domain.run_status import RunStatus
from processes.models import Run

WAITING, QUICK_WAITING = 100_000, 2_000
TIMERS, QUICK_TIMERS = 40, 8
SHORT_RUNS, QUICK_SHORT_RUNS = 30, 8
#: Seconds between timers, and until the first one.
_APART_SECONDS, _AHEAD_SECONDS = 0.25, 3.0
_DOWN_SECONDS, _LIMIT_SECONDS = 5.0, 60.0
#: DESIGN: within two seconds of due.
GOAL_SECONDS = 2.0
#: A short run beside many that wait / alone.
GOAL_SLOWED = 1.2
GOAL_MIB = 16.0

_files = count()


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    number, timers = (QUICK_WAITING, QUICK_TIMERS) if quick else (WAITING, TIMERS)
    short = QUICK_SHORT_RUNS if quick else SHORT_RUNS
    where = f"{number:,} waiting runs, {database_name()}"
    with running_base() as programs:
        services = _start(programs)
        waits = publish_definition("waits", [_WAIT, _TELL])
        tells = publish_definition("tells", [_TELL])
        _short_runs(tells, short)
        # Programs load code with their first work: what many waiting runs cost comes on top.
        _lateness(waits, QUICK_TIMERS)
        empty = [_short_runs(tells, short) for _ in range(runs)]
        held = _held_mib(services)
        _fill(waits, number)
        beside = [_short_runs(tells, short) for _ in range(runs)]
        yield beside_peer(
            f"waiting: one short run, p50, {where}",
            list(zip(beside, empty, strict=True)),
            unit="ms",
            peer="the same where nothing waits",
            goal=GOAL_SLOWED,
        )
        late = [_lateness(waits, timers) for _ in range(runs)]
        yield alone(f"waiting: how late a timer is, p50, {where}", [median(found) for found in late], unit="s")
        yield alone(
            f"waiting: how late the latest timer is, {where}",
            [max(found) for found in late],
            unit="s",
            goal=GOAL_SECONDS,
        )
        yield alone(
            f"waiting: what dispatcher and worker hold more, {where}",
            [max(_held_mib(services) - held, 0.01)],
            unit="MiB",
            goal=GOAL_MIB,
        )
        after = [_after_downtime(programs, waits, services, timers) for _ in range(1)]
        yield alone(
            f"waiting: the last of {timers} overdue timers after a start, {where}",
            after,
            unit="s",
            goal=GOAL_SECONDS,
        )


_WAIT = {"name": "rest", "script": "wait", "config": {"until": "%{data:until}"}}
_TELL = {"name": "tell", "script": TELL}


def _start(programs: Programs) -> list[Program]:
    return [start_service(programs, name) for name in ("dispatcher", "worker")]


def _file() -> Path:
    return Path(settings.ENVIRONMENT.data_dir) / f"waiting-{next(_files)}"


def _fill(waits: Process, number: int) -> None:
    until = timezone.now() + timedelta(days=3650)
    run_id = waits.begin({"until": until.isoformat(), "file": "", "key": ""})
    _parked([run_id])
    started = time.monotonic()
    rows = add_waiting(run_id, number=number)
    print(f"  {number:,} runs that wait: {rows:,} rows, made in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _parked(run_ids: list[uuid.UUID]) -> None:
    rows = Run.objects.filter(pk__in=run_ids, status=RunStatus.WAITING.value)
    wait_until(lambda: rows.count() == len(run_ids), what="runs that wait", timeout_seconds=_LIMIT_SECONDS)


def _short_runs(tells: Process, number: int) -> float:
    """Return the p50 of the milliseconds from before a run is begun until its action has noted the time."""
    found: list[float] = []
    for _ in range(number):
        file = _file()
        time.sleep(0.05)
        started = time.monotonic()
        tells.begin({"file": str(file), "key": "0"})
        wait_until(lambda file=file: bool(_stamps(file)), what="a short run", timeout_seconds=_LIMIT_SECONDS)
        found.append((_stamps(file)["0"] - started) * 1e3)
    return median(found)


def _begin(waits: Process, number: int, *, first: datetime, file: Path) -> dict[str, float]:
    """Begin runs that wait for moments, one after the other; return each moment by the clock of the stamps."""
    due: dict[str, float] = {}
    run_ids = []
    for key in range(number):
        until = first + timedelta(seconds=key * _APART_SECONDS)
        due[str(key)] = time.monotonic() + (until - timezone.now()).total_seconds()
        run_ids.append(waits.begin({"until": until.isoformat(), "file": str(file), "key": str(key)}))
    _parked(run_ids)
    return due


def _lateness(waits: Process, number: int) -> list[float]:
    file = _file()
    due = _begin(waits, number, first=timezone.now() + timedelta(seconds=_AHEAD_SECONDS), file=file)
    wait_until(lambda: len(_stamps(file)) == number, what="timers", timeout_seconds=_LIMIT_SECONDS)
    late = [at - due[key] for key, at in _stamps(file).items()]
    assert min(late) >= 0, "a timer has fired too early"
    print(f"  {number} timers: {median(late):.2f} s late, at most {max(late):.2f} s", file=sys.stderr)
    return late


def _after_downtime(programs: Programs, waits: Process, services: list[Program], number: int) -> float:
    """Let all timers become due while nothing runs; return the seconds from the start until the last has fired."""
    file = _file()
    first = timezone.now() + timedelta(seconds=_DOWN_SECONDS)
    _begin(waits, number, first=first, file=file)
    for service in services:
        service.stop()
    assert not file.exists(), "a timer was due before everything had stopped"
    time.sleep(max(0.0, (first - timezone.now()).total_seconds()) + number * _APART_SECONDS)
    _start(programs)
    ready = time.monotonic()
    wait_until(lambda: len(_stamps(file)) == number, what="overdue timers", timeout_seconds=_LIMIT_SECONDS)
    return max(_stamps(file).values()) - ready


def _stamps(file: Path) -> dict[str, float]:
    return read_stamps(file) if file.exists() else {}


def _held_mib(services: list[Program]) -> float:
    return sum(resident(pid) for service in services for pid in family(service.process.pid)) / 1024**2
