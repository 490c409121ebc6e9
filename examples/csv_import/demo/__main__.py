"""Import the airports through the web form, and check that every count agrees.

Prints `{"accepted": …, "rejected": …, "seconds": …}` as the last line and exits 0; a failure prints one line, and
exits 1.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from examples.csv_import.demo.airports import count_rows, find_airports
from examples.csv_import.demo.bars import Bars
from examples.csv_import.demo.client import DemoClient
from examples.csv_import.demo.pages import Page
from examples.csv_import.demo.problems import DemoFailure
from examples.csv_import.demo.stack import ROOT, Stack
from tasks.domain.tree import Tree


def main() -> int:
    """Run the demo; return the exit code."""
    # A demo that is told to stop takes its processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    stack = Stack()
    try:
        airports = find_airports()
        print(f"Starting Stepline at {stack.url} (log: {stack.log})", flush=True)
        with stack:
            result = import_airports(stack, airports)
    except (DemoFailure, httpx.HTTPError) as error:
        print(f"The demo failed: {str(error) or type(error).__name__} The log is {stack.log}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"The demo was stopped. The log is {stack.log}.", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


def import_airports(stack: Stack, airports: Path) -> dict[str, Any]:
    """Upload, look, confirm, follow, and compare the counts of the page, the file and the database."""
    in_file = count_rows(airports)
    started = time.monotonic()
    with DemoClient(stack.url) as client:
        print(f"Uploading {airports.name}: {in_file:,} rows")
        address, preview = client.upload(airports)
        print(f"The preview shows {preview.rows_with_problems} rows with problems. Confirming.", flush=True)
        task_id = client.confirm(address, preview)
        tree = follow(client, task_id)
        redirect = tree.root.meta.get("redirect") if tree.root and isinstance(tree.root.meta, dict) else None
        if not isinstance(redirect, str):
            raise DemoFailure("The finished task leads to no result page.")
        page = client.result(redirect)
        seconds = time.monotonic() - started
        accepted, rejected = figure(page, "rows-accepted"), figure(page, "rows-rejected")
        downloaded = len(client.download_rows(page.downloads[0])) if page.downloads else 0
    stored = rows_in_database(stack, task_id)
    agree(
        {
            "rows of the file": (accepted + rejected, in_file),
            "rows in the database": (stored["rows"], accepted),
            "accepted rows of the batch": (stored["accepted"], accepted),
            "rejected rows of the batch": (stored["rejected"], rejected),
            "rows of the download": (downloaded, rejected),
        }
    )
    print(f"{accepted:,} rows are in the database, {rejected:,} were rejected.")
    return {"accepted": accepted, "rejected": rejected, "seconds": round(seconds, 3)}


def follow(client: DemoClient, task_id: str) -> Tree:
    """Draw the task while it runs; give its tree once it has completed."""
    tree, bars = Tree(), Bars()
    for update in client.follow(task_id):
        tree.apply(update)
        bars.show(tree)
    bars.close(tree)
    if tree.status != "completed":
        raise DemoFailure(f"The import ended as {tree.status}: {tree.reason or 'no reason given'}")
    return tree


def figure(page: Page, name: str) -> int:
    """Read one of the figures of the result page."""
    value = page.figures.get(name, "")
    if not value.isdigit():
        raise DemoFailure(f"The result page doesn't show {name}. {' '.join(page.errors)}".rstrip())
    return int(value)


def rows_in_database(stack: Stack, batch_id: str) -> dict[str, Any]:
    """Ask the database itself, in a process with the same settings as the stack."""
    command = [sys.executable, "-m", "examples.csv_import.demo.database", batch_id]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise DemoFailure(f"The database could not be asked: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def agree(counts: dict[str, tuple[int | None, int]]) -> None:
    """Raise DemoFailure where a count isn't what it should be."""
    wrong = [f"{what}: {found}, expected {expected}" for what, (found, expected) in counts.items() if found != expected]
    if wrong:
        raise DemoFailure(f"The counts disagree: {'; '.join(wrong)}.")


if __name__ == "__main__":
    sys.exit(main())
