"""Run benchmarks: `python -m benchmarks [NAME …] [--runs N] [--quick]`.

Figures go to the standard output, one JSON object a line; everything else goes to the standard error. A goal that is
missed is a figure like any other; only a benchmark that breaks makes the exit code 1.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.catalogue import BENCHMARKS, Benchmark
from benchmarks.figures import Figure, summary
from benchmarks.peers_environment import NAMES as PEER_NAMES
from benchmarks.peers_environment import PeersMissing, make_peers_environment
from benchmarks.surroundings import own_folder, own_postgres_database, postgres_obstacle, variables
from config.supervisor.die_with_parent import wrap_command

_STOP_SECONDS = 20.0


def main(arguments: Sequence[str]) -> int:
    """Run the chosen benchmarks one after the other, in processes of their own."""
    options = _parse(arguments)
    # However this process is told to stop, the children are stopped first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    figures: list[Figure] = []
    broken: list[str] = []
    left_out: list[str] = []
    peers = Peers()
    names = options.names or [name for name, found in BENCHMARKS.items() if found.in_quick or not options.quick]
    for name in dict.fromkeys(names):
        benchmark = BENCHMARKS[name]
        obstacle = postgres_obstacle() if benchmark.database == "postgresql" else None
        if obstacle is not None:
            left_out.append(f"{name}: not measured, {obstacle}")
            continue
        _say(f"{name}: {benchmark.about} …")
        try:
            _run(
                benchmark,
                runs=_runs(benchmark, options),
                quick=options.quick,
                peers_python=peers.python() if benchmark.peers else None,
                figures=figures,
            )
        except subprocess.SubprocessError as error:
            broken.append(f"{name}: BROKEN, {error}")
        if benchmark.peers and peers.obstacle:
            left_out.append(f"{name}: without {PEER_NAMES}, {peers.obstacle}")
    _say("")
    for line in [*summary(figures), *left_out, *broken, f"{time.monotonic() - started:.0f} s"]:
        _say(line)
    return 1 if broken else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Stepline beside its peers.")
    choices = "; ".join(f"{benchmark.name}: {benchmark.about}" for benchmark in BENCHMARKS.values())
    parser.add_argument("names", nargs="*", metavar="name", help=f"which (default: all). {choices}")
    parser.add_argument("--runs", type=int, help="runs of each comparison (default: each benchmark's own number)")
    parser.add_argument("--quick", action="store_true", help="small samples on SQLite only, to see whether it works")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs must be 1 or more")
    return options


def _runs(benchmark: Benchmark, options: argparse.Namespace) -> int:
    if options.runs is not None:
        return int(options.runs)
    return min(benchmark.runs, benchmark.quick_runs) if options.quick else benchmark.runs


class Peers:
    """The environment of those peers that are no dependencies, asked for once."""

    def __init__(self, make: Callable[[], Path] = make_peers_environment) -> None:
        self._make = make
        self._python: Path | None = None
        #: Why there is none.
        self.obstacle = ""

    def python(self) -> Path | None:
        """Return its Python, once it is made; None where it can't be."""
        if self._python is None and not self.obstacle:
            _say(f"  the environment of {PEER_NAMES} …")
            try:
                self._python = self._make()
            except PeersMissing as error:
                self.obstacle = str(error)
        return self._python


def _run(benchmark: Benchmark, *, runs: int, quick: bool, peers_python: Path | None, figures: list[Figure]) -> None:
    """Run one benchmark, print its figures as they come and add them to `figures`."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        url = stack.enter_context(own_postgres_database()) if benchmark.database == "postgresql" else None
        command = [sys.executable, "-m", "benchmarks.child", "benchmarks.runner", benchmark.name, str(runs)]
        command.append("quick" if quick else "full")
        process = subprocess.Popen(
            wrap_command(command),
            env=variables(data_folder=folder, database_url=url, peers_python=peers_python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        stack.callback(_stop, process)
        # The loop below waits for a line; whoever never prints one is stopped from here.
        limit_seconds = benchmark.limit_seconds * max(1.0, runs / benchmark.runs)
        timer = threading.Timer(limit_seconds, process.terminate)
        stack.callback(timer.cancel)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            figures.append(Figure.from_line(line))
            print(line, end="", flush=True)
        if return_code := process.wait():
            raise subprocess.CalledProcessError(return_code, command)


def _stop(process: subprocess.Popen[str]) -> None:
    """Let it stop its own programs; kill it where it doesn't."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
