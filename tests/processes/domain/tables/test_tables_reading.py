"""How a header and its rows are read, and what a file may not be."""

import pickle
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

import pytest

from processes.domain.tables import Limits, TableError, open_table


def read(text: str, limits: Limits | None = None) -> list[tuple[int, tuple[str, ...]]]:
    return [(row.line, row.fields) for row in open_table(BytesIO(text.encode()), limits=limits)]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("name;notes, remarks\nx;a, b\ny;c\n", ";"),
        ('a,"b;c;d"\n1,2\n', ","),
        ("a,b\n1;2;3,4\n5,6\n", ","),
        ("only\n1\n", ","),
    ],
)
def test_the_delimiter_is_found(text: str, delimiter: str) -> None:
    assert open_table(BytesIO(text.encode())).delimiter == delimiter


def test_a_given_delimiter_is_not_questioned() -> None:
    table = open_table(BytesIO(b"a;b,c\n1;2,3\n"), delimiter=";")

    assert table.header == ("a", "b,c")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n3,4\n", [(2, ("1", "2")), (3, ("3", "4"))]),
        ("a,b\r\n1,2\r\n3,4", [(2, ("1", "2")), (3, ("3", "4"))]),
        ("a,b\r1,2\r3,4\r", [(2, ("1", "2")), (3, ("3", "4"))]),
        ("a,b\n\n1,2\n\n\n3,4\n\n", [(3, ("1", "2")), (6, ("3", "4"))]),
        ("\n\na,b\n1,2\n", [(4, ("1", "2"))]),
        ('a,b\n"x\ny",2\n3,4\n', [(2, ("x\ny", "2")), (4, ("3", "4"))]),
        ('a,b\n"x\r\n\r\ny",2\n3,4\n', [(2, ("x\r\n\r\ny", "2")), (5, ("3", "4"))]),
        ('a,b\n"say ""hi""",2\n', [(2, ('say "hi"', "2"))]),
        ('a,b\n12" pipe,2\n', [(2, ('12" pipe', "2"))]),
        ("a,b\n1,x\u2028y\x85z\x0bq\n", [(2, ("1", "x\u2028y\x85z\x0bq"))]),
        ("a,b\n", []),
        ("a,b", []),
    ],
)
def test_rows_bear_the_line_of_the_file_where_they_start(text: str, rows: list[tuple[int, tuple[str, ...]]]) -> None:
    assert read(text) == rows


def test_header_names_are_trimmed_and_their_line_known() -> None:
    table = open_table(BytesIO(b"\n a , b\n1,2\n"))

    assert table.header == ("a", "b")
    assert table.header_line == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1", "Too few fields: this row has 1, the header names 2 columns."),
        ("1,2,3", "Too many fields: this row has 3, the header names 2 columns."),
        ("1,2,", "Too many fields"),
        ('"x"y,2', "quotation marks don't fit together"),
    ],
)
def test_a_row_that_does_not_fit_is_a_problem_of_that_row_alone(row: str, message: str) -> None:
    before, bad, after = open_table(BytesIO(f"a,b\n1,2\n{row}\n3,4\n".encode()))

    assert before.problem is None
    assert after.problem is None
    assert after.fields == ("3", "4")
    assert bad.problem is not None
    assert bad.problem.line == bad.line == 3
    assert message in bad.problem.message
    assert ",".join(bad.fields) == row  # nothing of it is lost


@pytest.mark.parametrize(
    ("text", "code", "line", "named"),
    [
        ("", "empty", None, "empty"),
        ("\n\r\n", "no_header", 1, "no header"),
        (" , ,\n,,\n", "no_header", 1, "no header"),
        ("\ufeff", "no_header", 1, "no header"),
        ("a,,c,\n1,2,3,4\n", "blank_columns", 1, "column 2, 4"),
        ("a,b,a,b,c\n", "duplicate_columns", 1, "“a”, “b”"),
        ("\na, a\n", "duplicate_columns", 2, "“a”"),
        ('"a"b,c\n1,2\n', "bad_header", 1, "header"),
        ('a,b\n1,2\n"x,2\n3,4\n', "unclosed_quote", 3, "line 3"),
        ('a,b\n1,2\n"x,2\n3,"4\n5,6\n', "unclosed_quote", 3, "line 3"),
        ('"a,b\n1,2\n', "unclosed_quote", 1, "line 1"),
    ],
)
def test_a_file_that_is_no_table_is_refused(text: str, code: str, line: int | None, named: str) -> None:
    with pytest.raises(TableError) as caught:
        read(text)

    assert caught.value.code == code
    assert caught.value.line == line
    assert named in caught.value.message


def test_ten_thousand_columns_are_counted_not_read() -> None:
    with pytest.raises(TableError) as caught:
        read(",".join(f"c{number}" for number in range(10_000)))

    assert caught.value.code == "too_many_columns"
    assert "10,000 columns; at most 200" in caught.value.message


@pytest.mark.parametrize(
    ("text", "limits", "code", "line"),
    [
        ("a,b\n1,2\n3,4\n", Limits(max_bytes=11), "too_many_bytes", None),
        ("a,b\n1,2\n3,4\n", Limits(max_rows=1), "too_many_rows", 3),
        ("a,b,c\n", Limits(max_columns=2), "too_many_columns", 1),
        ("a,b\n1,2\n3,12345\n", Limits(max_field_chars=4), "field_too_long", 3),
        ("a,12345\n", Limits(max_field_chars=4), "field_too_long", 1),
        ("a,b\n1," + "x" * 200_000 + "\n", None, "field_too_long", 2),
        ("a,b\n1,2\n" + "x" * 90 + "\n", Limits(max_record_chars=80), "record_too_long", 3),
        ('a,b\n"1\n' + '2\n3"",\n' * 30, Limits(max_record_chars=80), "record_too_long", 2),
        ("x" * 2_000_000, None, "record_too_long", 1),
    ],
)
def test_a_limit_that_is_passed_is_named(text: str, limits: Limits | None, code: str, line: int | None) -> None:
    with pytest.raises(TableError) as caught:
        read(text, limits)

    assert caught.value.code == code
    assert caught.value.line == line


@pytest.mark.parametrize(
    "limits", [Limits(max_bytes=12), Limits(max_rows=2), Limits(max_columns=2), Limits(max_field_chars=1)]
)
def test_a_limit_that_is_reached_exactly_is_kept(limits: Limits) -> None:
    assert len(read("a,b\n1,2\n3,4\n", limits)) == 2


def test_rows_come_before_the_source_has_been_read() -> None:
    def endless() -> Iterator[bytes]:
        yield b"a,b\n"
        while True:
            yield b"1,2\n" * 1000

    table = open_table(endless(), limits=Limits(max_bytes=1 << 40))

    assert len(list(islice(table, 100_000))) == 100_000
    assert table.bytes_read < 600_000


def test_an_error_survives_pickling() -> None:
    with pytest.raises(TableError) as caught:
        read("a,b\n1,\x002\n")

    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.code, copy.message, copy.line, copy.byte) == (
        caught.value.code,
        caught.value.message,
        caught.value.line,
        caught.value.byte,
    )
