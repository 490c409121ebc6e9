"""What an update costs a page with a live tree of 2,000 nodes, in Chromium, and what its first paint needs.

A real server draws the page, and a real recorder reports of one node, of a hundred, and of a thousand nodes at a time.
The page is our own, unchanged; a probe measures from outside what each frame spends on handling what has come, on
drawing it, and on laying the page out again.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import Figure, alone
from benchmarks.live_page_writer import BURSTS, GROUPS, LEAVES, TITLE
from benchmarks.page_weight import weights
from benchmarks.programs import Program, ProgramFailure, Programs
from benchmarks.stack import HOST, running_base, start_web, wait_until
from config.supervisor.ports import claim_port
from tasks.services.roots import Owner, create_root

NODES = GROUPS * (LEAVES + 1)
GOAL_UPDATE_MS = 50.0
GOAL_FIRST_PAINT_KB = 60.0
_TICKS, _QUICK_TICKS = 40, 15
_APPLICATION = "config.asgi:application"
_WRITER_SECONDS = 60.0
_PAGE_MS = 30_000
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

#: Times what the page does in each frame in which something was drawn; `take()` returns it and begins anew.
_PROBE = """(() => {
  let handled = 0;
  let frames = [];
  let longest = 0;
  const listen = WebSocket.prototype.addEventListener;
  WebSocket.prototype.addEventListener = function (type, listener, ...rest) {
    const timed = type !== "message" ? listener : function (event) {
      const begun = performance.now();
      listener.call(this, event);
      handled += performance.now() - begun;
    };
    return listen.call(this, type, timed, ...rest);
  };
  const wait = window.setTimeout.bind(window);
  window.setTimeout = (work, ...rest) => wait(() => {
    const begun = performance.now();
    work();
    handled += performance.now() - begun;
  }, ...rest);
  const ask = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => ask((time) => {
    const begun = performance.now();
    draw(time);
    document.body.getBoundingClientRect();
    frames.push(handled + performance.now() - begun);
    handled = 0;
  });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
  }).observe({ type: "longtask" });
  window.probe = { take() {
    const taken = { frames, longest };
    handled = longest = 0;
    frames = [];
    return taken;
  } };
})()"""


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure the page's weight, how long the server takes to draw it, and what updates cost."""
    ticks = _QUICK_TICKS if quick else _TICKS
    medians: dict[int, list[float]] = {burst: [] for burst in BURSTS}
    ends: dict[int, list[float]] = {burst: [] for burst in BURSTS}
    drawn: list[float] = []
    page_text = ""
    with running_base() as programs:
        port = claim_port(HOST, 0)
        start_web(programs, port=port, application=_APPLICATION)
        for run in range(runs):
            with tempfile.TemporaryDirectory(prefix="stepline-live-page-") as folder:
                # Shared, since the browser is nobody.
                root_id = create_root(title=TITLE, owner=Owner(session_key="bench"), shared=True).pk
                writer = _start_writer(programs, run, root_id=str(root_id), folder=folder, ticks=ticks)
                _wait_for(writer, Path(folder) / "filled")
                address = f"http://{HOST}:{port}/progress/{root_id}/"
                page_text, milliseconds = _fetch(address)
                drawn.append(milliseconds)
                for burst, frames in _watch(address, Path(folder), writer).items():
                    medians[burst].append(median(frames))
                    ends[burst].append(sorted(frames)[len(frames) * 95 // 100])
                writer.wait_for_end(timeout_seconds=_WRITER_SECONDS)
    sizes = weights(page_text)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"  {size / 1000:6.2f} kB  {name}", file=sys.stderr)
    yield alone(
        "live page: styles and scripts of the first paint, compressed",
        [sum(sizes.values()) / 1000],
        unit="kB",
        goal=GOAL_FIRST_PAINT_KB,
    )
    yield alone(f"live page: the server draws {NODES:,} nodes", drawn, unit="ms")
    for burst in BURSTS:
        what = f"live page: an update of {burst:,} of {NODES:,} nodes"
        yield alone(f"{what}, p50", medians[burst], unit="ms", goal=GOAL_UPDATE_MS)
        yield alone(f"{what}, p95", ends[burst], unit="ms", goal=GOAL_UPDATE_MS)


def _start_writer(programs: Programs, run: int, *, root_id: str, folder: str, ticks: int) -> Program:
    command = [sys.executable, "-m", "benchmarks.child", "benchmarks.live_page_writer", root_id, folder, str(ticks)]
    return programs.start(f"writer-{run}", command)


def _wait_for(writer: Program, file: Path) -> None:
    def is_there() -> bool:
        if writer.process.poll() not in (None, 0):
            raise writer.failure("ended")
        return file.exists()

    wait_until(is_there, what=f"the writer's {file.name}", timeout_seconds=_WRITER_SECONDS)


def _fetch(address: str) -> tuple[str, float]:
    """Return the page, and how many milliseconds the second request for it took: the first loads code."""
    with httpx.Client(timeout=60) as client:
        client.get(address).raise_for_status()
        begun = perf_counter()
        answer = client.get(address).raise_for_status()
        return answer.text, (perf_counter() - begun) * 1e3


def _watch(address: str, folder: Path, writer: Program) -> dict[int, list[float]]:
    """Return for each burst the milliseconds of each frame that drew something."""
    found = {}
    with sync_playwright() as playwright:
        executable = next(filter(None, map(shutil.which, _CHROMIUM)), None)
        browser = playwright.chromium.launch(executable_path=executable)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(_PROBE)
            page.goto(address, timeout=_PAGE_MS)
            _wait_until_live(page)
            for number, burst in enumerate(BURSTS):
                page.evaluate("probe.take()")
                (folder / f"go-{number}").touch()
                while not (folder / f"done-{number}").exists():
                    if writer.process.poll() not in (None, 0):
                        raise writer.failure("ended")
                    page.wait_for_timeout(50)
                taken = page.evaluate("probe.take()")
                if not taken["frames"]:
                    raise ProgramFailure(f"the page drew nothing while {burst} nodes changed at a time")
                found[burst] = taken["frames"]
                print(
                    f"  {burst} nodes: {len(taken['frames'])} frames, longest {max(taken['frames']):.1f} ms, "
                    f"longest task of the browser {taken['longest']:.0f} ms",
                    file=sys.stderr,
                )
        finally:
            browser.close()
    return found


def _wait_until_live(page: Page) -> None:
    page.wait_for_function(
        "(count) => document.querySelectorAll('[data-node-id]').length >= count", arg=NODES, timeout=_PAGE_MS
    )
    # The first snapshot has been drawn when nothing is left to draw.
    page.wait_for_function("() => window.probe !== undefined", timeout=_PAGE_MS)
    page.wait_for_timeout(1_000)
