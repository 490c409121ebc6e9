"""The file of rejected rows: as they were, with the reasons, so that they can be mended and uploaded again."""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import TextIOWrapper
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from processes.domain.tables import Row, RowProblem

_IN_MEMORY_BYTES: Final = 1024 * 1024


class RejectedRows(AbstractContextManager["RejectedRows"]):
    """Write rejected rows to a temporary CSV file, UTF-8 with a byte order mark (spreadsheets need it).

    Two columns, line and problems, stand before those of the original; a new import passes over them.
    """

    def __init__(self, header: Sequence[str], *, delimiter: str) -> None:
        self.count = 0
        self._binary = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self._text = TextIOWrapper(cast(BinaryIO, self._binary), encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._text, delimiter=delimiter)
        self._writer.writerow([_free_name("line", header), _free_name("problems", header), *header])

    def add(self, row: Row, problems: Sequence[RowProblem]) -> None:
        """Write one row, whatever the number of its fields."""
        self.count += 1
        self._writer.writerow([row.line, "; ".join(map(str, problems)), *row.fields])

    def content(self) -> BinaryIO:
        """Give the whole file, from its start."""
        self._text.flush()
        self._binary.seek(0)
        return cast(BinaryIO, self._binary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text.close()


def _free_name(name: str, header: Sequence[str]) -> str:
    while name in header:
        name = f"import {name}"
    return name
