"""read_table in a process, and the functions by which teams' own scripts read tables."""

import io
import json

import pytest
from openpyxl import Workbook

from processes.domain.tables import TableError
from processes.errors import RunCancelled
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.derivation import load_plan
from processes.services.errors import FileMissingError
from processes.services.files import open_file, store_file
from processes.services.host import caller_of
from processes.services.running import LocalHost, run_plan, run_process
from processes.services.tables import open_records, read_rows
from tests.processes.services.published import publish_process

pytestmark = pytest.mark.django_db

ANN = Caller(session_key="ann")
CSV = b"iata,name,city\nFRA,Frankfurt,Frankfurt\nTXL,Tegel\nMUC,M\xc3\xbcnchen,Munich\n"
JSONL = b'{"iata": "FRA", "runways": 4}\nnonsense\n{"iata": "MUC", "closed": true}\n'


def workbook() -> bytes:
    book = Workbook()
    book.active.title = "Airports"
    for row in (["iata", "runways"], ["FRA", 4], ["MUC", 2]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(content: bytes, name: str = "airports.csv", **config) -> dict:
    """Run a process that stores a file for its own caller, and reads it."""

    def upload(app) -> None:
        app.data["upload"] = dict(store_file(content=content, name=name, caller=caller_of(app)))

    def look(app) -> None:
        file = app.data["table"].get("file")
        if file is not None:
            with open_file(file, caller=caller_of(app)) as written:
                app.data["written"] = written.read().decode()

    with scripts.override("test_upload", upload), scripts.override("test_look", look):
        actions = [
            {"name": "upload", "script": "test_upload"},
            {"name": "read", "script": "read_table", "config": {"file": "%{data:upload}", **config},
             "next": {"problems": "problems"}},
            {"name": "ok", "script": "test_look", "next": False},
            {"name": "problems", "script": "test_look"},
        ]  # fmt: skip
        publish_process("reading", actions)
        report = run_process(slug="reading")
    told = report.to_json()
    told["last"] = told["trace"][-1]["action"]
    return told


def test_a_csv_file_gives_counts_columns_and_the_first_rows():
    report = read(CSV, limit=1)
    assert report["data"]["table"] == {
        "count": 2,
        "columns": ["iata", "name", "city"],
        "rows": [{"iata": "FRA", "name": "Frankfurt", "city": "Frankfurt"}],
        "truncated": True,
        "skipped": 1,
        "problems": [
            {"line": 3, "message": "Too few fields: this row has 2, the header names 3 columns."},
        ],
    }
    assert report["last"] == "problems"


def test_a_workbook_keeps_numbers():
    table = read(workbook(), "airports.xlsx")["data"]["table"]
    assert table["rows"] == [{"iata": "FRA", "runways": 4}, {"iata": "MUC", "runways": 2}]
    assert (table["truncated"], table["skipped"]) == (False, 0)


def test_a_workbook_is_recognised_whatever_it_is_called():
    assert read(workbook(), "airports.csv")["data"]["table"]["count"] == 2


def test_json_lines():
    report = read(JSONL, "airports.jsonl", columns=["iata", "closed"])
    table = report["data"]["table"]
    assert table["rows"] == [{"iata": "FRA", "closed": None}, {"iata": "MUC", "closed": True}]
    assert table["problems"][0]["line"] == 2
    assert report["last"] == "problems"


def test_columns_are_chosen_in_their_order():
    table = read(CSV, columns=["city", "iata"], into="table")["data"]["table"]
    assert table["columns"] == ["city", "iata"]
    assert list(table["rows"][0]) == ["city", "iata"]


def test_all_rows_go_to_a_file_when_that_is_asked_for():
    data = read(CSV, limit=0, output="file")["data"]
    table = data["table"]
    assert table["rows"] == []
    assert (table["file"]["name"], table["file"]["content_type"]) == ("airports.jsonl", "application/jsonl")
    written = [json.loads(line) for line in data["written"].splitlines()]
    assert [row["iata"] for row in written] == ["FRA", "MUC"]
    assert written[1]["name"] == "München"


@pytest.mark.parametrize(
    ("content", "name", "config", "code"),
    [
        (b"", "a.csv", {}, "empty"),
        (b"%PDF-1.7", "a.pdf", {}, "not_a_table"),
        (b"PK\x03\x04rubbish", "a.xlsx", {}, "not_a_table"),
        (CSV, "a.csv", {"columns": ["icao"]}, "missing_columns"),
        (CSV, "a.csv", {"max_rows": 1}, "too_many_rows"),
        (None, "a.xlsx", {"sheet": "Airport"}, "no_sheet"),
        (None, "a.xlsx", {"format": "csv"}, "not_a_table"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(content, name, config, code):
    error = read(workbook() if content is None else content, name, **config)["error"]
    assert error["code"] == code
    assert error["action"] == "read"


def test_a_strangers_file_is_not_there():
    info = dict(store_file(content=CSV, name="a.csv", caller=Caller(session_key="somebody else")))
    publish_process("reading", [{"name": "a", "script": "read_table", "config": {"file": "%{data:file}"}}])
    assert run_process(slug="reading", data={"file": info}).to_json()["error"]["code"] == "file_not_found"


def test_a_long_file_can_be_cancelled():
    content = b"a\n" + b"1\n" * 5_000
    info = dict(store_file(content=content, name="a.csv", caller=ANN))
    template = publish_process("reading", [{"name": "a", "script": "read_table", "config": {"file": "%{data:file}"}}])
    asked: list[int] = []

    class Cancelled(LocalHost):
        def check_cancelled(self) -> None:
            asked.append(1)
            raise RunCancelled("enough")

    plan = load_plan(template.published_plan_id)
    run_plan(plan=plan, data={"file": info}, host=Cancelled(plan=plan, caller=ANN))
    assert asked == [1]


# -- for scripts of one's own --------------------------------------------------------------------------------------


def test_rows_for_a_script_of_ones_own():
    info = store_file(content=workbook(), name="a.xlsx", caller=ANN)
    assert list(read_rows(info, caller=ANN)) == [{"iata": "FRA", "runways": 4}, {"iata": "MUC", "runways": 2}]


def test_the_first_bad_row_ends_the_reading_of_rows_but_not_of_records():
    info = store_file(content=CSV, name="a.csv", caller=ANN)
    with pytest.raises(TableError, match="Line 3"):
        list(read_rows(info, caller=ANN))
    with open_records(info, caller=ANN) as records:
        assert [record.problem is None for record in records] == [True, False, True]


def test_only_the_callers_own_file():
    info = store_file(content=CSV, name="a.csv", caller=ANN)
    with pytest.raises(FileMissingError):
        list(read_rows(info, caller=Caller(session_key="bob")))
    assert next(iter(read_rows(info, caller=None)))["iata"] == "FRA"
