"""Turn bytes into physical lines, in constant memory, knowing at each moment where in the file they are."""

from collections import deque
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Final, Protocol

from processes.domain.tables.decode import TextDecoder, Undecodable
from processes.domain.tables.errors import TableError, place
from processes.domain.tables.limits import Limits
from processes.domain.tables.recognise import HEAD_BYTES, recognise

CHUNK_BYTES: Final = 64 * 1024


class Readable(Protocol):
    """Be anything with a binary `read(size)`."""

    def read(self, size: int, /) -> bytes: ...


Source = Readable | Iterable[bytes]


class LineFeed(Iterator[str]):
    """Hand out the physical lines of a file with their endings (LF, CRLF or CR).

    `lines` counts those handed out, `last_line` is the last of them; `bytes_read` counts what was taken from the
    source; `at_end` says that a line was asked for when none was left. Raises `TableError`.
    """

    def __init__(self, source: Source, *, limits: Limits) -> None:
        self._limits = limits
        self._chunks = _chunks(source)
        self._ready: deque[str] = deque()
        self._rest = ""
        self._ended = False
        self._record_line = 1
        self._record_chars = 0
        self.bytes_read = 0
        self.lines = 0
        self.last_line = ""
        self.at_end = False
        self._decoder = self._begin()

    @property
    def encoding(self) -> str:
        """Name the encoding in use so far."""
        return self._decoder.encoding

    def __next__(self) -> str:
        while not self._ready:
            if self._ended:
                self.at_end = True
                raise StopIteration
            self._fill()
        line = self._ready.popleft()
        self.last_line = line
        self.lines += 1
        self._record_chars += len(line)
        self._check_record(self._record_chars, line=self._record_line)
        return line

    def begin_record(self) -> int:
        """Say that a record begins with the next line, and return that line's number."""
        self._record_line = self.lines + 1
        self._record_chars = 0
        return self._record_line

    def peek(self, *, lines: int, chars: int) -> tuple[list[str], bool]:
        """Look at the next lines without taking them: at most so many; the flag says that these are all there are."""
        size = sum(map(len, self._ready))
        while not self._ended and len(self._ready) < lines and size < chars:
            self._fill()
            size = sum(map(len, self._ready))
        seen = [line for line, _ in zip(self._ready, range(lines), strict=False)]
        return seen, self._ended and len(seen) == len(self._ready)

    def _begin(self) -> TextDecoder:
        head = b""
        for chunk in self._chunks:
            head += chunk
            self._count(chunk)
            if len(head) >= HEAD_BYTES:
                break
        if not head:
            raise TableError("empty", "The file is empty. Upload a file with a header line and rows.")
        found = recognise(head[:HEAD_BYTES])
        decoder = TextDecoder(codec=found.codec, offset=found.bom_bytes)
        self._decoder = decoder
        self._take(head[found.bom_bytes :], final=False)
        return decoder

    def _fill(self) -> None:
        chunk = next(self._chunks, b"")
        self._count(chunk)
        self._take(chunk, final=not chunk)

    def _count(self, chunk: bytes) -> None:
        self.bytes_read += len(chunk)
        if self.bytes_read > self._limits.max_bytes:
            message = f"The file is larger than {_size(self._limits.max_bytes)}. Split it into smaller files."
            raise TableError("too_many_bytes", message)

    def _take(self, data: bytes, *, final: bool) -> None:
        try:
            text = self._rest + self._decoder.decode(data, final=final)
        except Undecodable as error:
            raise self._undecodable(error) from None
        lines = list(StringIO(text, newline=""))
        self._rest = ""
        # A CR at the end may be the first half of a CRLF.
        if lines and not final and not lines[-1].endswith("\n"):
            self._rest = lines.pop()
            self._check_record(len(self._rest), line=self._produced(len(lines)) + 1)
        self._ready.extend(lines)
        self._ended = final

    def _produced(self, more: int = 0) -> int:
        return self.lines + len(self._ready) + more

    def _undecodable(self, error: Undecodable) -> TableError:
        breaks = sum(1 for line in StringIO(self._rest + error.text_before, newline="") if line.endswith(("\n", "\r")))
        line, byte = self._produced(breaks) + 1, error.offset + 1
        where = place(line=line, byte=byte)
        return TableError(error.code, f"At {where}, {error.found}. {error.cure}", line=line, byte=byte)

    def _check_record(self, chars: int, *, line: int) -> None:
        if chars > self._limits.max_record_chars:
            raise TableError(
                "record_too_long",
                f"The row that begins at line {line:,} has more than {self._limits.max_record_chars:,} characters. "
                "Either this isn't a CSV file, or a quotation mark that is opened there is never closed.",
                line=line,
            )


def _chunks(source: Source) -> Iterator[bytes]:
    if isinstance(source, Iterable) and not hasattr(source, "read"):
        yield from (chunk for chunk in source if chunk)
        return
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:,.4g} MiB" if count >= 1024 * 1024 else f"{count:,} bytes"
