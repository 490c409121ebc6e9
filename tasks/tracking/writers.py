"""Files that report: what is written to them is a node's output, or its progress.

They take text and bytes, and have a `fileno`, so that a process can write to them while it runs: then a thread reads a
pipe. A writer that is dropped without being closed gives its thread and its descriptors back.
"""

import codecs
import os
import selectors
import threading
import weakref
from collections.abc import Iterable
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from tasks.tracking.current import TrackedNode, end_node

_CHUNK_BYTES = 65_536
#: After `close`, the pipe is read until its other end is closed too. Where a process that was left in the background
#: keeps it open, silence for this long is taken for the end,
QUIET_SECONDS = 0.1
#: and so is this time, however much it still writes.
LONGEST_DRAIN_SECONDS = 5.0


class _Sink(Protocol):
    def take(self, data: bytes) -> None:
        """Report what was written."""

    def finish(self) -> None:
        """Report what was held back, since nothing follows."""


class _OutputSink:
    """Turn bytes into output as soon as they are whole characters."""

    def __init__(self, node: TrackedNode) -> None:
        self._node = node
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._guard = threading.Lock()

    def take(self, data: bytes) -> None:
        # Under the guard, so that two writers' texts keep the order of their bytes.
        with self._guard:
            self._node.output(self._decoder.decode(data))

    def finish(self) -> None:
        with self._guard:
            self._node.output(self._decoder.decode(b"", final=True))


class _CountingSink:
    """Count bytes as progress."""

    def __init__(self, node: TrackedNode) -> None:
        self._node = node

    def take(self, data: bytes) -> None:
        self._node.step(len(data))

    def finish(self) -> None:
        """Hold nothing back."""


class _Pipe:
    """Read what processes write, on a thread; the end that is written to belongs to this object.

    The thread knows nothing of it, so that a pipe which nobody holds any more is collected, and its thread ends.
    """

    def __init__(self, sink: _Sink) -> None:
        self._pid = os.getpid()
        read_end, self.write_end = os.pipe()
        stop_read, stop_write = os.pipe()
        self._close = weakref.finalize(
            self, _close_ends, self._pid, (self.write_end, stop_write), (read_end, stop_read)
        )
        self._thread = threading.Thread(
            target=_read_pipe, args=(read_end, stop_read, sink), name="task-writer", daemon=True
        )
        try:
            self._thread.start()
        except BaseException:
            self._close()
            _close_all(read_end, stop_read)
            raise

    def close(self) -> None:
        """Close the end that is written to, and wait until the rest is read."""
        self._close()
        # After a fork the thread is the parent's.
        if self._pid == os.getpid() and self._thread is not threading.current_thread():
            self._thread.join()


def _close_ends(pid: int, written: tuple[int, int], read: tuple[int, int]) -> None:
    if os.getpid() != pid:
        # A fork copies the descriptors and not the thread, whose ends are its own to close where it lives.
        _close_all(*written, *read)
        return
    # Said, and not only closed: processes that were forked meanwhile keep the other end open.
    os.write(written[1], b".")
    _close_all(*written)


def _close_all(*ends: int) -> None:
    for end in ends:
        os.close(end)


def _read_pipe(read_end: int, stop_end: int, sink: _Sink) -> None:
    try:
        with selectors.DefaultSelector() as selector:
            os.set_blocking(read_end, False)
            selector.register(read_end, selectors.EVENT_READ)
            selector.register(stop_end, selectors.EVENT_READ)
            # Its other end closes with the writer: a process that holds the pipe can't keep that from being seen.
            ends_by: float | None = None
            while True:
                ready = {key.fd for key, _ in selector.select(None if ends_by is None else QUIET_SECONDS)}
                if read_end in ready:
                    data = os.read(read_end, _CHUNK_BYTES)
                    if not data:
                        break
                    sink.take(data)
                elif ends_by is not None:
                    break
                if ends_by is None and stop_end in ready:
                    selector.unregister(stop_end)
                    ends_by = monotonic() + LONGEST_DRAIN_SECONDS
                elif ends_by is not None and monotonic() >= ends_by:
                    break
        sink.finish()
    finally:
        _close_all(read_end, stop_end)


class _Writer:
    """Be a file, open for writing, whose node ends when it is closed."""

    encoding = "utf-8"
    errors = "replace"
    newlines = None
    mode = "w"

    def __init__(self, node: TrackedNode, sink: _Sink) -> None:
        self.node = node
        self.name = "<task>"
        self._sink = sink
        self._pipe: _Pipe | None = None
        self._guard = threading.Lock()
        self.closed = False

    def write(self, data: str | bytes | bytearray | memoryview) -> int:
        """Report `data`, and return its length."""
        self._check_open()
        self._sink.take(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data))
        return len(data)

    def writelines(self, lines: Iterable[str | bytes]) -> None:
        """Report each of `lines`."""
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        """Do nothing: what is written is reported at once."""
        self._check_open()

    def fileno(self) -> int:
        """Return the descriptor of a pipe that a process can write to; what it writes is reported as it comes."""
        with self._guard:
            self._check_open()
            if self._pipe is None:
                self._pipe = _Pipe(self._sink)
            return self._pipe.write_end

    def readable(self) -> bool:
        """Return False."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return False."""
        return False

    def isatty(self) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Report what is left, and complete the node."""
        if self._shut():
            self.node.complete()

    def fail(self, message: str) -> None:
        """Report what is left, and end the node as failed."""
        if self._shut():
            self.node.fail(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shut():
            end_node(self.node, error)

    def _shut(self) -> bool:
        """Report what is left, and return whether the file was open."""
        with self._guard:
            if self.closed:
                return False
            self.closed = True
            pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        self._sink.finish()
        return True

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")


class OutputWriter(_Writer):
    """Stream what is written to it to a node of its own."""

    def __init__(self, parent: TrackedNode, title: str) -> None:
        node = parent.child(title)
        super().__init__(node, _OutputSink(node))


class ProgressWriter(_Writer):
    """Count the bytes that are written to it as the progress of a node of its own."""

    def __init__(self, parent: TrackedNode, title: str, *, size: float | None = None) -> None:
        node = parent.child(title, total=size)
        super().__init__(node, _CountingSink(node))
