"""Read the sheets of an Excel workbook (.xlsx), row by row.

A workbook is a ZIP archive of XML: small outside and any size inside. What is read as a whole is bounded before it is
read (the archive's own index bounds what can come out of it), and a sheet's rows are dropped as they are passed on.
openpyxl understands the format; it keeps something of every row and every text, so its loops are replaced here.
"""

import warnings
import zipfile
from array import array
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import IO, Any, Final
from xml.etree.ElementTree import Element, iterparse

from openpyxl.cell.text import Text
from openpyxl.packaging.manifest import Manifest
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.datetime import from_excel
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from processes.domain.json_values import JSON
from processes.domain.suggestions import did_you_mean
from processes.domain.tables.errors import TableError
from processes.domain.tables.header import check_header
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem
from processes.domain.tables.records import Record, check_rows

__all__ = ["WorkbookRecords"]

#: What lies in the archive apart from sheets: read as a whole, so small.
_MAX_PARTS: Final = 2_000
_MAX_PART_BYTES: Final = 8 * 1024 * 1024
#: The table of texts is kept, packed, while the rows are read.
_MAX_TEXTS_BYTES: Final = 128 * 1024 * 1024
_MAX_SHEET_BYTES: Final = 4 * 1024 * 1024 * 1024
#: How the names of parts end that are unpacked.
_UNPACKED: Final = (".xml", ".rels")
#: So much of each part is looked at for what no workbook has. (Expat bounds what entities grow to, wherever they are.)
_PROLOG_BYTES: Final = 1024
#: What Excel itself can hold.
_MAX_LINES: Final = 1_048_576

_ROW, _DATA, _TEXT = (f"{{{SHEET_MAIN_NS}}}{name}" for name in ("row", "sheetData", "si"))
#: Whatever openpyxl and the XML parser raise at a file that isn't what it seems.
_BROKEN: Final = (
    zipfile.BadZipFile, InvalidFileException, SyntaxError, ArithmeticError, AttributeError, EOFError, LookupError,
    NotImplementedError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


class WorkbookRecords:
    """Read one sheet as records: its first row that isn't empty names the columns.

    Numbers and truth values stay what they are; dates and times become text (ISO 8601); of a formula its last result
    counts. Raises TableError.
    """

    def __init__(self, file: IO[bytes], *, sheet: str | None = None, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        try:
            _check_archive(file)
            reader = _Reader(file)
            # Nobody here can do anything about what openpyxl would like to say of a file.
            with warnings.catch_warnings(action="ignore"):
                reader.read()
        except _BROKEN as error:
            raise _broken(error) from None
        self._archive: zipfile.ZipFile = reader.archive
        chosen = _choose(reader, sheet)
        # openpyxl has no other way to read a row without keeping it.
        self._path: str = chosen._worksheet_path  # type: ignore[attr-defined]
        self._dates: frozenset[int] = frozenset(reader.wb._date_formats)  # type: ignore[attr-defined]
        self._spans: frozenset[int] = frozenset(reader.wb._timedelta_formats)  # type: ignore[attr-defined]
        self._epoch: datetime = reader.wb.epoch
        self._texts = reader.shared_strings
        self._rows = self._lines()
        self.columns: tuple[str, ...] = self._read_header()

    def __iter__(self) -> Iterator[Record]:
        columns, rows = self.columns, 0
        for line, cells in self._rows:
            values = [_json(cell) for cell in cells]
            if all(value in (None, "") for value in values):
                continue
            rows += 1
            check_rows(rows, limits=self._limits, line=line)
            problem = self._problem(values, line)
            if problem is not None:
                yield Record(line=line, problem=problem)
            else:
                values += [None] * (len(columns) - len(values))
                yield Record(line=line, values=dict(zip(columns, values, strict=False)))

    def _problem(self, values: list[JSON], line: int) -> RowProblem | None:
        if any(value not in (None, "") for value in values[len(self.columns) :]):
            return RowProblem(line=line, message=f"The row has values beyond the {len(self.columns):,} named columns.")
        for name, value in zip(self.columns, values, strict=False):
            if isinstance(value, str) and len(value) > self._limits.max_field_chars:
                return RowProblem(line=line, column=name, message="The text is too long.")
        return None

    def _read_header(self) -> tuple[str, ...]:
        for line, cells in self._rows:
            names = ["" if cell is None else str(_json(cell)).strip() for cell in cells]
            while names and not names[-1]:
                names.pop()
            if names:
                return check_header(names, line=line, limits=self._limits)
        message = "The sheet has no header: all of its rows are blank. The first row must name the columns."
        raise TableError("no_header", message, line=1)

    def _lines(self) -> Iterator[tuple[int, list[object]]]:
        """Give each row that is there, with its number and its cells up to one column more than may be."""
        try:
            with self._archive.open(self._path) as source:
                yield from self._parsed(source)
        except _BROKEN as error:
            raise _broken(error) from None

    def _parsed(self, source: IO[bytes]) -> Iterator[tuple[int, list[object]]]:
        # Dates are made of numbers below: openpyxl would say something on standard error for each that isn't one.
        parser = WorkSheetParser(source, self._texts, data_only=True)
        most, data, before = self._limits.max_columns + 1, None, 0
        for event, element in iterparse(source, events=("start", "end")):  # noqa: S314 - no entities, see above
            if event == "start":
                if element.tag == _DATA:
                    data = element
                continue
            if element.tag == _ROW and data is not None:
                line, cells = parser.parse_row(element)
                # Without this each row that has passed would stay as an empty element, and its format in a list.
                data.clear()
                parser.row_dimensions.clear()
                if not before < line <= _MAX_LINES:
                    raise ValueError("rows out of order")
                before = line
                row: list[object] = []
                for cell in cells:
                    column = cell["column"]
                    if 0 < column <= most:
                        row.extend([None] * (column - len(row)))
                        value = cell["value"]
                        if cell["style_id"] in self._dates and type(value) in (int, float):
                            value = _date(value, self._epoch, is_span=cell["style_id"] in self._spans)
                        row[column - 1] = value
                yield line, row
            elif element.tag == _DATA:
                return


class _Texts:
    """Keep the texts that cells refer to by number, packed: a list of them would take several times as much."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def add(self, text: str) -> None:
        self._bytes += text.encode("utf-8", "replace")
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise IndexError("no such text")
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode()


class _Archive(zipfile.ZipFile):
    """Unpack only what `_check_archive` has looked at, whatever the workbook says of its parts."""

    def open(self, name: str | zipfile.ZipInfo, *args: Any, **kwargs: Any) -> IO[bytes]:
        """Open a part; raises BadZipFile for one that isn't read."""
        part = name.filename if isinstance(name, zipfile.ZipInfo) else name
        if not part.lower().endswith(_UNPACKED):
            raise zipfile.BadZipFile(f"{part} isn't a part that is read.")
        return super().open(name, *args, **kwargs)


class _Reader(ExcelReader):
    """Read a workbook without its links, and with its texts packed."""

    package: Manifest

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, read_only=True, data_only=True, keep_links=False)
        self.archive = _Archive(file)

    def read_chartsheet(self, sheet: object, rel: object) -> None:
        """Pass over a sheet that is a chart: there are no rows on it."""

    def read_strings(self) -> None:
        """Read the texts of the cells, dropping each element once it is read."""
        texts = _Texts()
        part = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                root: Element | None = None
                for event, element in iterparse(source, events=("start", "end")):  # noqa: S314 - as there
                    if event == "start":
                        root = element if root is None else root
                    elif element.tag == _TEXT:
                        text = Text.from_tree(element)
                        texts.add("" if text is None else str(text.content or "").replace("x005F_", ""))
                        assert root is not None
                        root.clear()
        self.shared_strings = texts  # type: ignore[assignment]


def _check_archive(file: IO[bytes]) -> None:
    """Refuse an archive that would take much room, before anything of it is unpacked.

    Python's zipfile never unpacks more of a part than the archive's index says it has.
    """
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if len(parts) > _MAX_PARTS:
            raise _too_large("it has too many parts")
        for part in parts:
            if part.flag_bits & 1:
                raise TableError("not_a_table", "The workbook is protected by a password. Save it without one.")
            name = part.filename.lower()
            is_sheet = name.startswith("xl/worksheets/") and name.endswith(".xml")
            most = _MAX_TEXTS_BYTES if name.endswith("sharedstrings.xml") else _MAX_PART_BYTES
            if not name.endswith(_UNPACKED):
                # Pictures and the like stay packed: `_Archive` sees to that.
                continue
            if part.file_size > (_MAX_SHEET_BYTES if is_sheet else most):
                raise _too_large(f"{part.filename} unpacks to {part.file_size:,} bytes")
            with archive.open(part) as source:
                if b"<!DOCTYPE" in source.read(_PROLOG_BYTES).upper():
                    raise zipfile.BadZipFile("No workbook declares a document type; entities would be a way to grow.")
    file.seek(0)


def _choose(reader: _Reader, name: str | None) -> ReadOnlyWorksheet:
    sheets = {sheet.title: sheet for sheet in reader.wb.worksheets if isinstance(sheet, ReadOnlyWorksheet)}
    if name is None and sheets:
        return next(iter(sheets.values()))
    if name is None or name not in sheets:
        known = ", ".join(sheets) or "none"
        hint = did_you_mean(name or "", sheets)
        message = f'The workbook has no sheet "{name}".' if name else "The workbook has no sheet."
        raise TableError("no_sheet", f"{message} Its sheets are: {known}.{f' {hint}' if hint else ''}")
    return sheets[name]


def _date(value: float, epoch: datetime, *, is_span: bool) -> object:
    try:
        return from_excel(value, epoch, timedelta=is_span)
    except (OverflowError, ValueError):
        # What Excel shows for it.
        return "#VALUE!"


def _json(value: object) -> JSON:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # not a number, or infinite
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    text = str(value).replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _broken(error: BaseException) -> TableError:
    what = "isn't an Excel workbook (.xlsx)" if isinstance(error, zipfile.BadZipFile) else "is damaged"
    return TableError("not_a_table", f"The file {what}. Save it again as .xlsx, or as CSV, and upload that file.")


def _too_large(why: str) -> TableError:
    return TableError("too_many_bytes", f"The workbook is too large to be read: {why}. Save its data as CSV.")
