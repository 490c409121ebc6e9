"""Tables of every format as records: CSV, workbooks, JSON Lines."""

import io
import json
import warnings
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from processes.domain.tables import (
    DelimitedRecords,
    JsonLinesRecords,
    Limits,
    TableError,
    WorkbookRecords,
    format_of,
    open_table,
)
from processes.domain.tables import workbook as workbook_module
from tests.processes.domain.tables.workbooks import SHEET, TEXTS, TYPES, book, changed, sheet_of


def values(records) -> list[dict[str, Any]]:
    return [dict(record.values) for record in records if record.problem is None]


def refusal(code: str, make, **options) -> TableError:
    with pytest.raises(TableError) as caught:
        list(make(**options) if options else make())
    assert caught.value.code == code, caught.value
    return caught.value


# -- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "extension", "found"),
    [
        (b"PK\x03\x04...", "", "xlsx"),
        (b"PK\x03\x04...", "csv", "xlsx"),
        (b"a,b\n", "xlsx", "xlsx"),
        (b"a,b\n", "csv", "csv"),
        (b'{"a": 1}', "csv", "csv"),
        (b'{"a": 1}', "", "jsonl"),
        (b'\xef\xbb\xbf \n{"a": 1}', "", "jsonl"),
        (b"[1]", "JSONL", "jsonl"),
        (b"a\tb", "tsv", "csv"),
        (b"", "", "csv"),
        (b"anything", "docx", "csv"),
    ],
)
def test_the_format_is_found_by_content_and_name(head, extension, found):
    assert format_of(head, extension=extension) == found


# -- CSV -----------------------------------------------------------------------------------------------------------


def test_csv_gives_texts_by_column():
    records = DelimitedRecords(open_table(io.BytesIO(b"a;b\n1;x\n2\n3;y\n")))
    assert records.columns == ("a", "b")
    rows = list(records)
    assert [dict(row.values) for row in rows] == [{"a": "1", "b": "x"}, {}, {"a": "3", "b": "y"}]
    assert rows[1].line == 3
    assert "Too few fields" in str(rows[1].problem)


# -- JSON Lines ----------------------------------------------------------------------------------------------------


def jsonl(*lines: str | bytes, **limits: int) -> JsonLinesRecords:
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return JsonLinesRecords(io.BytesIO(text), limits=Limits(**limits))


def test_json_lines_keep_their_types_and_their_own_keys():
    records = jsonl('{"a": 1, "b": [true, null]}', "", '  {"c": "ü", "a": 2.5}  ')
    assert records.columns == ("a", "b")
    assert values(records) == [{"a": 1, "b": [True, None]}, {"c": "ü", "a": 2.5}]
    assert records.columns == ("a", "b", "c")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Not JSON"),
        ('{"a": 1} {"b": 2}', "Not JSON"),
        ("[1]", "Not an object"),
        ("3", "Not an object"),
        ('{"a": NaN}', "Not a JSON number"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": ' + "[" * 30 + "]" * 30 + "}", "levels deep"),
        ('{"a": ' + "[" * 50_000, "nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "too many digits"),
    ],
)
def test_a_line_that_is_no_row_is_a_problem_of_that_line(line, why):
    rows = list(jsonl('{"a": 1}', line, '{"a": 2}'))
    assert [row.problem is None for row in rows] == [True, False, True]
    assert why in str(rows[1].problem)
    assert rows[1].problem.line == 2


@pytest.mark.parametrize(
    ("lines", "limits", "code"),
    [
        ((b"",), {}, "empty"),
        (("", "  "), {}, "no_rows"),
        (('{"a": 1}',) * 3, {"max_rows": 2}, "too_many_rows"),
        (('{"a": 1, "b": 2}',), {"max_columns": 1}, "too_many_columns"),
        (('{"a": "' + "x" * 2000 + '"}',), {"max_record_chars": 1000}, "record_too_long"),
        (('{"a": 1}',) * 100, {"max_bytes": 100}, "too_many_bytes"),
        ((b'{"a": "' + b"\xff\x01" + b'"}',), {}, "not_a_table"),
    ],
)
def test_a_file_that_cannot_be_read_as_json_lines(lines, limits, code):
    refusal(code, lambda: jsonl(*lines, **limits))


# -- workbooks -----------------------------------------------------------------------------------------------------


def test_a_workbook_gives_values_of_their_kind():
    day, moment = date(2026, 11, 21), datetime.fromisoformat("2026-11-21T08:30:00")
    file = book(
        ["text", "number", "part", "yes", "day", "moment", "time", "span", "none"],
        ["Zoë & <co>", 3, 2.5, True, day, moment, time(8, 30), timedelta(hours=30), None],
    )
    assert values(WorkbookRecords(file)) == [
        {
            "text": "Zoë & <co>", "number": 3, "part": 2.5, "yes": True, "day": "2026-11-21",
            "moment": "2026-11-21T08:30:00", "time": "08:30:00", "span": 108_000.0, "none": None,
        }
    ]  # fmt: skip


def test_texts_may_stand_in_the_cells_themselves():
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("Data")
    sheet.append(["a"])
    sheet.append(["in place"])
    file = io.BytesIO()
    workbook.save(file)
    assert values(WorkbookRecords(file)) == [{"a": "in place"}]


def test_blank_rows_and_columns_at_the_edge_are_passed_over():
    file = book([], [None, None], ["a", "b", None, None], [1], [], [None, 2], ["", None], [3, 4, None, ""])
    rows = list(WorkbookRecords(file))
    assert [dict(row.values) for row in rows] == [{"a": 1, "b": None}, {"a": None, "b": 2}, {"a": 3, "b": 4}]
    assert [row.line for row in rows] == [4, 6, 8]


def test_a_row_with_more_values_than_columns_is_a_problem():
    rows = list(WorkbookRecords(book(["a", "b"], [1, 2, 3], [4, 5])))
    assert [row.problem is None for row in rows] == [False, True]
    assert rows[0].line == 2


def test_a_sheet_is_chosen_by_name():
    file = book(["a"], [1], Other=[["b"], [2]])
    assert values(WorkbookRecords(file)) == [{"a": 1}]
    assert values(WorkbookRecords(file, sheet="Other")) == [{"b": 2}]
    error = refusal("no_sheet", lambda: WorkbookRecords(file, sheet="Othr"))
    assert "Data, Other" in error.message
    assert 'Did you mean "Other"' in error.message
    refusal("no_sheet", lambda: WorkbookRecords(changed(file, **{"xl/workbook.xml": b"<nothing/>"})))


def test_of_a_formula_its_result_counts():
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    rows += '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c></row>'
    assert values(WorkbookRecords(changed(book(["x"]), sheet=sheet_of(rows)))) == [{"a": 2}]


def test_what_is_marked_as_a_date_and_is_none_makes_no_noise():
    file = book(["a"], [date(2026, 1, 1)])
    with zipfile.ZipFile(file) as archive:
        sheet = archive.read(SHEET)
    number = sheet.split(b"<v>")[-1].split(b"</v>")[0]
    file = changed(file, sheet=sheet.replace(b"<v>" + number, b"<v>99999999"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert values(WorkbookRecords(file)) == [{"a": "#VALUE!"}]


@pytest.mark.parametrize(
    ("rows", "limits", "code"),
    [
        ([[], [None]], {}, "no_header"),
        ([["a", "", "b"]], {}, "blank_columns"),
        ([["a", "a"]], {}, "duplicate_columns"),
        ([["a", "b", "c"]], {"max_columns": 2}, "too_many_columns"),
        ([["a"], [1], [2], [3]], {"max_rows": 2}, "too_many_rows"),
    ],
)
def test_a_sheet_that_cannot_be_read(rows, limits, code):
    refusal(code, lambda: WorkbookRecords(book(*rows), limits=Limits(**limits)))


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 1000, b"PK\x05\x06" + b"\0" * 18],
)
def test_what_is_no_workbook_is_told(content):
    refusal("not_a_table", lambda: WorkbookRecords(io.BytesIO(content)))


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/workbook.xml": b""},
        {"[Content_Types].xml": b"<Types/>"},
        {"texts": b"<sst"},
        {"xl/styles.xml": b"\xff\xfe\xff"},
        {"sheet": b"<worksheet"},
        {"sheet": sheet_of('<row r="1"><c r="A1" t="s"><v>99</v></c></row>')},
        {"sheet": sheet_of('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>')},
        {"sheet": sheet_of('<row r="x"/>')},
        {"sheet": sheet_of('<row r="2"><c r="A2"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row>')},
        {"sheet": sheet_of('<row r="1"><c r="1A"><v>1</v></c></row>')},
        {"sheet": sheet_of('<row r="1"><c r="A1"><v>one</v></c></row>')},
        {"sheet": sheet_of('<row r="99999999"><c r="A99999999"><v>1</v></c></row>')},
    ],
)
def test_a_damaged_workbook_is_told_and_never_breaks_anything(parts):
    refusal("not_a_table", lambda: WorkbookRecords(changed(book(["a"], [1], ["text"]), **parts)))


@pytest.mark.parametrize("part", ["sheet", "texts", "xl/workbook.xml"])
def test_entities_are_refused(part):
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        "<a>&b;</a>"
    )
    refusal("not_a_table", lambda: WorkbookRecords(changed(book(["a"], ["text"]), **{part: bomb.encode()})))


def test_a_workbook_that_unpacks_to_much_is_refused_before_it_does():
    file = book(["a"], ["text"])
    bomb = changed(file, texts=b" " * (workbook_module._MAX_TEXTS_BYTES + 1))
    assert len(bomb.getvalue()) < 1_000_000
    refusal("too_many_bytes", lambda: WorkbookRecords(bomb))
    refusal("too_many_bytes", lambda: WorkbookRecords(changed(file, **{"xl/styles.xml": b" " * 9_000_000})))
    many = {f"xl/media/{number}.png": b"" for number in range(workbook_module._MAX_PARTS + 1)}
    refusal("too_many_bytes", lambda: WorkbookRecords(changed(file, **many)))


@pytest.mark.parametrize("part", ["xl/strings.bin", "xl/media/picture.png"])
def test_a_part_under_another_name_is_not_unpacked_past_the_limits(part):
    file = book(["a"], ["text"])
    with zipfile.ZipFile(file) as archive:
        types = archive.read(TYPES).replace(TEXTS.encode(), part.encode())
        texts = archive.read(TEXTS)
    refusal("not_a_table", lambda: WorkbookRecords(changed(file, **{TYPES: types, part: texts})))


def test_an_archive_that_lies_about_its_parts_gains_nothing(monkeypatch):
    """The index says the part is small: no more than that is unpacked, and then its checksum is wrong."""
    bomb = bytearray(changed(book(["a"], ["text"]), texts=b" " * 3_000_000).getvalue())
    size = (3_000_000).to_bytes(4, "little")
    assert size in bomb
    lie = io.BytesIO(bytes(bomb).replace(size, (3_000).to_bytes(4, "little")))
    refusal("not_a_table", lambda: WorkbookRecords(lie))


def test_a_cell_far_to_the_right_costs_nothing():
    row = '<c r="XFD{0}"><v>1</v></c>'
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    rows += "".join(f'<row r="{number}">{row.format(number)}</row>' for number in range(2, 2000))
    assert values(WorkbookRecords(changed(book(["a"]), sheet=sheet_of(rows)))) == []


def test_openpyxl_reads_the_same():
    rows = [["a", "b", "c"], *[[number, f"text {number % 7}", number / 3] for number in range(500)]]
    file = book(*rows)
    sheet = load_workbook(file, read_only=True).active
    expected = [dict(zip(rows[0], row, strict=True)) for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert values(WorkbookRecords(file)) == json.loads(json.dumps(expected))
