"""How long a large file takes to a process's form and back, and how much memory the server needs for it.

A client sends the form as a browser does, from a generator, and reads the download in pieces: neither side has to hold
the file. The peer is a plain Django view that stores an upload, and one that answers with a FileResponse; it runs in a
server of its own, started the same way, so that what one has left in memory isn't the other's.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import httpx
from django.conf import settings

from benchmarks.figures import Figure, alone, beside_peer
from benchmarks.memory import family, resident
from benchmarks.programs import Program, Programs
from benchmarks.stack import HOST, running_base, start_web
from config.supervisor.ports import claim_port
from processes.models import Access, ProcessTemplate
from processes.services.authoring.templates import publish, save_draft

SIZE, QUICK_SIZE = 1024**3, 8 * 1024**2
#: More than that the server's memory may not grow, whatever the size.
GOAL_MIB = 16.0
SLUG = "keep-file"
_PIECE = 256 * 1024
_BOUNDARY = "----stepline-benchmark"
_TIMEOUT_SECONDS = 600.0
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"')
_LINK = re.compile(r'href="(/files/[^"]+)"')
_PEER_UP = "a Django view that stores request.FILES"
_PEER_DOWN = "a Django view that returns a FileResponse"

Pair = tuple[float, float]


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure up and down, ours and the peer's in turn."""
    size = QUICK_SIZE if quick else SIZE
    # On the disk that holds the files: /tmp may be memory.
    os.environ["TMPDIR"] = str(_folder("tmp"))
    with running_base() as programs:
        _publish()
        pairs: dict[str, list[Pair]] = {}
        for run in range(runs):
            results = {}
            for name in ("peer", "ours") if run % 2 else ("ours", "peer"):
                with _serving(programs, name=f"{name}-{run}") as (client, memory):
                    results[name] = _peer(client, memory, size) if name == "peer" else _ours(client, memory, size)
            for key, ours in results["ours"].items():
                pairs.setdefault(key, []).append((ours, results["peer"][key]))
    what = f"{size // 1024**3} GiB" if size >= 1024**3 else f"{size // 1024**2} MiB"
    for way, peer in (("up", _PEER_UP), ("down", _PEER_DOWN)):
        for seconds in pairs[way]:
            rates = [f"{size / 1024**2 / one:.0f} MiB/s" for one in seconds]
            print(f"  {way}: ours {rates[0]}, the peer {rates[1]}", file=sys.stderr)
        yield beside_peer(f"files: {what} {way}", pairs[way], unit="s", peer=peer)
        ours, theirs = zip(*pairs[f"{way} MiB"], strict=True)
        # Not beside the peer: what is wanted isn't less than it needs, but next to nothing.
        yield alone(f"files: memory that the server gains, {what} {way}", ours, unit="MiB", goal=GOAL_MIB)
        yield alone(f"files: memory that the peer gains, {what} {way}", theirs, unit="MiB")


class Memory:
    """Watch the resident memory of a process and its children, every few milliseconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def gained(self) -> "_Gain":
        """Return a block in which the growth above the beginning is noted, in MiB."""
        return _Gain(self)

    def now(self) -> int:
        """Return what the process holds now, in bytes."""
        return sum(resident(pid) for pid in family(self._pid))

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self._peak = max(self._peak, self.now())


class _Gain:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.mib = 0.0
        self.seconds = 0.0

    def __enter__(self) -> "_Gain":
        self._before = self._memory._peak = self._memory.now()
        self._started = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = perf_counter() - self._started
        self.mib = max(self._memory._peak, self._memory.now()) - self._before
        self.mib = max(self.mib / 1024**2, 0.01)


def _ours(client: httpx.Client, memory: Memory, size: int) -> dict[str, float]:
    # Once before it counts: the server loads code with its first requests.
    _send(client, f"/p/{SLUG}/", _fields(client), _PIECE)
    fields = _fields(client)
    with memory.gained() as up:
        page = _send(client, f"/p/{SLUG}/", fields, size)
    link = _LINK.search(page)
    assert link is not None, page
    down = _receive(client, memory, link[1], size)
    return _result(up, down)


def _peer(client: httpx.Client, memory: Memory, size: int) -> dict[str, float]:
    _send(client, "/plain/upload/", {}, _PIECE)
    with memory.gained() as up:
        _send(client, "/plain/upload/", {}, size)
    return _result(up, _receive(client, memory, "/plain/download/", size))


def _result(up: _Gain, down: _Gain) -> dict[str, float]:
    return {"up": up.seconds, "down": down.seconds, "up MiB": up.mib, "down MiB": down.mib}


def _fields(client: httpx.Client) -> dict[str, str]:
    page = client.get(f"/p/{SLUG}/")
    page.raise_for_status()
    return dict(_HIDDEN.findall(page.text))


def _send(client: httpx.Client, path: str, fields: dict[str, str], size: int) -> str:
    """Send a form with a file of that size from a generator, and return the page that answers."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    head, tail = "".join(parts).encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()
    piece = bytes(range(256)) * (_PIECE // 256)

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(size // _PIECE):
            yield piece
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(head) + size + len(tail)),
        "Referer": str(client.base_url),
    }
    response = client.post(path, content=body(), headers=headers)
    assert response.status_code == 200, (response.status_code, response.text)
    return response.text


def _receive(client: httpx.Client, memory: Memory, path: str, size: int) -> _Gain:
    received = 0
    with memory.gained() as gain, client.stream("GET", path) as response:
        assert response.status_code == 200, response.status_code
        for piece in response.iter_raw(_PIECE):
            received += len(piece)
    assert received == size, (received, size)
    return gain


@contextmanager
def _serving(programs: Programs, *, name: str) -> Iterator[tuple[httpx.Client, Memory]]:
    port = claim_port(HOST, 0)
    program: Program = start_web(programs, port=port, application="benchmarks.files_asgi:application", name=name)
    memory = Memory(program.process.pid)
    try:
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=_TIMEOUT_SECONDS, follow_redirects=True) as client:
            yield client, memory
    finally:
        memory.stop()
        program.stop()


def _publish() -> None:
    """Publish a process that asks for a file and offers it for download."""
    link = '<a href="/files/%{data:file.id}/">the file</a>'
    actions = [
        {
            "name": "ask",
            "script": "show_form",
            "safe": True,
            "next": False,
            "config": {"action": "keep", "fields": [{"name": "file", "type": "file", "max_bytes": SIZE}]},
        },
        {"name": "keep", "script": "save_data"},
        {"name": "show", "script": "show_page", "config": {"title": "Kept", "content": link}},
    ]
    template = ProcessTemplate(slug=SLUG, title="Keep a file", access=Access.PUBLIC)
    publish(template=save_draft(template=template, definition=json.dumps(actions), bindings={}, extends=[]))


def _folder(name: str) -> Path:
    folder = Path(settings.ENVIRONMENT.data_dir) / name
    folder.mkdir(exist_ok=True)
    return folder
