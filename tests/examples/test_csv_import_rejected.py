"""The file of rejected rows."""

import csv
from io import StringIO

from examples.csv_import.rejected import RejectedRows
from processes.domain.tables import ColumnRule, RowChecker, RowProblem, open_table


def written(content: bytes, rule: ColumnRule) -> bytes:
    table = open_table([content])
    checker = RowChecker(table.header, [rule])
    with RejectedRows(table.header, delimiter=table.delimiter) as rejected:
        for row in table:
            if problems := checker.check(row).problems:
                rejected.add(row, problems)
        return rejected.content().read()


def test_it_holds_the_rows_as_they_were_with_line_and_reasons() -> None:
    content = written("size;city\n1;Zürich\nx;Köln\n3\n".encode(), ColumnRule(name="size", type="integer"))

    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert rows == [
        ["line", "problems", "size", "city"],
        ["3", "size: “x” isn't a whole number of at most 18 digits.", "x", "Köln"],
        ["4", "Too few fields: this row has 1, the header names 2 columns.", "3"],
    ]


def test_a_mended_file_can_be_imported() -> None:
    rule = ColumnRule(name="size", type="integer")
    mended = written(b"size,line\nx,7\n", rule).replace(b",x,", b",5,")

    table = open_table([mended])
    (row,) = (RowChecker(table.header, [rule]).check(row) for row in table)
    assert row.values == {"size": 5}


def test_its_own_columns_never_clash_with_those_of_the_file() -> None:
    with RejectedRows(["line", "import line"], delimiter=",") as rejected:
        rejected.add(next(iter(open_table([b"line,import line\n1,2\n"]))), [RowProblem(line=2, message="No.")])
        assert rejected.content().read().decode("utf-8-sig").splitlines() == [
            "import import line,problems,line,import line",
            "2,No.,1,2",
        ]
