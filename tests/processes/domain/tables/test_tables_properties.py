"""What holds for any table, and for any bytes."""

import csv
from io import BytesIO, StringIO

from hypothesis import assume, given
from hypothesis import strategies as st

from processes.domain.tables import Limits, Row, TableError, open_table

_UNICODE = st.characters(exclude_categories=("Cs",), exclude_characters="\x00\ufeff")
_LATIN_1 = st.sampled_from([chr(code) for code in (9, 10, 13, *range(0x20, 0x7F), *range(0xA0, 0x100))])
_NAMES = st.lists(st.text("abcdefgh _é", min_size=1).filter(str.strip), min_size=1, max_size=5, unique_by=str.strip)


def written(table: list[list[str]], delimiter: str, ending: str, *, quote_all: bool) -> str:
    text = StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    # csv quotes line breaks that belong to its own terminator only, so it writes CRLF, and this is made of it.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
    if ending != "\r\n":
        assume(not any("\r" in field or "\n" in field for row in table for field in row))
    writer.writerows(table)
    return text.getvalue().replace("\r\n", ending) if ending != "\r\n" else text.getvalue()


@st.composite
def tables(draw: st.DrawFn, characters: st.SearchStrategy[str]) -> list[list[str]]:
    header = draw(_NAMES)
    row = st.lists(st.text(characters, max_size=20), min_size=len(header), max_size=len(header))
    return [header, *draw(st.lists(row, max_size=8))]


@given(
    table=tables(_UNICODE),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\r\n", "\n", "\r"]),
    quote_all=st.booleans(),
    size=st.integers(1, 100),
)
def test_what_the_csv_module_writes_is_read_back(
    table: list[list[str]], encoding: str, delimiter: str, ending: str, quote_all: bool, size: int
) -> None:
    content = written(table, delimiter, ending, quote_all=quote_all).encode(encoding)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]

    reader = open_table(pieces, delimiter=delimiter)
    rows = list(reader)

    assert list(reader.header) == [name.strip() for name in table[0]]
    assert [list(row.fields) for row in rows] == table[1:]
    assert all(row.problem is None for row in rows)
    assert [row.line for row in rows] == lines_of(table, delimiter, ending, quote_all=quote_all)


def lines_of(table: list[list[str]], delimiter: str, ending: str, *, quote_all: bool) -> list[int]:
    """Count, record by record, the lines of the text before it (CRLF, LF and CR each end one)."""
    lines = []
    for number in range(1, len(table)):
        before = written(table[:number], delimiter, ending, quote_all=quote_all)
        lines.append(before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1)
    return lines


@given(table=tables(_LATIN_1), delimiter=st.sampled_from(",;\t|"))
def test_latin_1_is_read_back(table: list[list[str]], delimiter: str) -> None:
    # An é before a digit can't be UTF-8 by accident.
    table[0][0] = f"é1{table[0][0]}"
    content = written(table, delimiter, "\r\n", quote_all=False).encode("latin-1")

    reader = open_table([content], delimiter=delimiter)

    assert [list(row.fields) for row in reader] == table[1:]
    assert reader.encoding == "latin-1"


@given(table=tables(st.sampled_from("abc 123.-é")), delimiter=st.sampled_from(",;\t|"))
def test_the_delimiter_of_a_tame_table_is_found(table: list[list[str]], delimiter: str) -> None:
    assume(len(table[0]) > 1)

    assert open_table([written(table, delimiter, "\n", quote_all=False).encode()]).delimiter == delimiter


@given(content=st.one_of(st.binary(), st.binary(min_size=1).map(lambda tail: b'a,b\n1,"2\n' + tail)))
def test_any_bytes_give_rows_or_a_table_error(content: bytes) -> None:
    limits = Limits(max_rows=50, max_columns=5, max_field_chars=100, max_record_chars=500)
    rows, error = outcome(BytesIO(content), limits)

    assert error is None or (error.code and error.message.endswith((".", "?")))
    for row in rows:
        assert row.problem is not None or row.fields
        assert "\x00" not in "".join(row.fields)
    assert [row.line for row in rows] == sorted({row.line for row in rows})


@given(text=st.text(st.sampled_from('a,;"\r\n\t |é'), max_size=60))
def test_any_arrangement_of_marks_gives_rows_or_a_table_error(text: str) -> None:
    rows, error = outcome(BytesIO(text.encode()), Limits())

    assert all(row.line > 1 for row in rows)
    if error is not None and error.line is not None:
        assert 1 <= error.line <= text.count("\n") + text.count("\r") + 1


def outcome(source: BytesIO, limits: Limits) -> tuple[list[Row], TableError | None]:
    """Read as far as it goes; anything but a TableError gets through and fails the test."""
    rows: list[Row] = []
    try:
        rows.extend(open_table(source, limits=limits))
    except TableError as error:
        return rows, error
    return rows, None
