"""The task scripts of csv-import, each run in an application of its own."""

import csv
import uuid
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from examples.csv_import.models import ImportBatch, ImportedRow
from processes.domain.application import Application
from processes.domain.tables import TableError
from processes.errors import PermanentError, RunCancelled
from processes.services.errors import FileMissingError
from processes.services.files import open_file, store_file
from processes.services.host import Caller, DjangoHost

pytestmark = pytest.mark.django_db

OWNER = Caller(session_key="the-session-of-the-owner")
RUN_ID = uuid.UUID(int=11)
CONFIG = {"columns": [{"name": "code", "required": True, "unique": True}, {"name": "size", "type": "integer"}]}
GOOD = b"code,size\nA,1\nB,2\nC,x\nD,4\n,5\nA,6\n"


@pytest.fixture(autouse=True)
def _own_storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)


class Runs:
    """Make applications, and run scripts in them as the actions of a background run would."""

    def __init__(self) -> None:
        self.cancel_after: int | None = None
        self._asked = 0

    def application(self, content: bytes, *, name: str = "sizes.csv", caller: Caller = OWNER) -> Application:
        info = store_file(content=content, name=name, content_type="text/csv", caller=OWNER)
        app = Application(data={"upload": dict(info)}, attributes={"run_id": str(RUN_ID)})
        # No plan is at work here: the scripts are called by name.
        app.attach(
            DjangoHost(caller=caller, plan=None, durable=True, why_cancelled=self._why_cancelled), _no_nested_run
        )  # type: ignore[arg-type]
        return app

    def _why_cancelled(self) -> str:
        self._asked += 1
        return "the wrong file" if self.cancel_after is not None and self._asked > self.cancel_after else ""


def _no_nested_run(*args: object, **kwargs: object) -> object:
    raise AssertionError("no process is run here")


@pytest.fixture
def runs() -> Iterator[Runs]:
    return Runs()


def imported(app: Application, **config: Any) -> None:
    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)
    app.call("csv_import_rows", config=CONFIG | config)


def test_check_shows_a_preview(runs: Runs) -> None:
    app = runs.application(GOOD)
    app.data["problem"] = "from an earlier try"

    app.call("csv_check", config=CONFIG | {"preview_rows": 2})

    assert app.state == "ok"
    assert "problem" not in app.data
    preview = app.data["preview"]
    assert (preview["name"], preview["size"]) == ("sizes.csv", len(GOOD))
    assert (len(preview["rows"]), preview["with_problems"]) == (2, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"code,size\n", "no rows"),
        (b"PK\x03\x04xl/", "Excel"),
        (b"code,size\nA\x93,1\n", "Windows-1252"),
        (b"code,size\nA\x00,1\n", "NUL"),
        (",".join(f"c{number}" for number in range(10_000)).encode(), "10,000 columns"),
        (b"kode,size\nA,1\n", "Is “kode” meant to be “code”?"),
    ],
)
def test_check_asks_again_with_the_reason(runs: Runs, content: bytes, words: str) -> None:
    app = runs.application(content)

    app.call("csv_check", config=CONFIG)

    assert app.state == "bad"
    assert words in app.data["problem"]
    assert "preview" not in app.data


def test_check_without_a_file_asks_for_one(runs: Runs) -> None:
    app = runs.application(GOOD)
    del app.data["upload"]

    app.call("csv_check", config=CONFIG)

    assert (app.state, "Choose a CSV file" in app.data["problem"]) == ("bad", True)


def test_nobody_reads_a_file_of_somebody_else(runs: Runs) -> None:
    app = runs.application(GOOD, caller=Caller(session_key="another-session"))

    with pytest.raises(FileMissingError):
        app.call("csv_check", config=CONFIG)


def test_read_counts_the_whole_file(runs: Runs) -> None:
    app = runs.application("code;size\nÄ;1\n\nB;2\n".encode("latin-1"))

    app.call("csv_read", config=CONFIG)

    assert app.data["facts"] == {"rows": 2, "lines": 4, "bytes": 19, "encoding": "Latin-1", "delimiter": ";"}


def test_read_refuses_what_turns_bad_far_into_the_file(runs: Runs) -> None:
    app = runs.application(b"code,size\n" + b"A,1\n" * 50_000 + b"B,\x002\n")

    with pytest.raises(TableError) as caught:
        app.call("csv_read", config=CONFIG)

    assert caught.value.line == 50_002


def test_validate_counts_and_keeps_the_rejected_rows(runs: Runs) -> None:
    app = runs.application(GOOD)

    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)

    assert (app.data["accepted"], app.data["rejected"]) == (3, 3)
    info = app.data["rejected_file"]
    assert (info["name"], info["content_type"]) == ("sizes-rejected.csv", "text/csv")
    with open_file(info, caller=OWNER) as file:
        text = file.read().decode("utf-8-sig")
    rows = list(csv.reader(StringIO(text, newline="")))
    assert [(row[0], row[2:]) for row in rows[1:]] == [("4", ["C", "x"]), ("6", ["", "5"]), ("7", ["A", "6"])]
    assert "is already used in line 2" in rows[3][1]


def test_validate_makes_no_file_where_nothing_is_rejected(runs: Runs) -> None:
    app = runs.application(b"code,size\nA,1\n")

    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)

    assert (app.data["accepted"], app.data["rejected"], app.data["rejected_file"]) == (1, 0, None)


def test_import_writes_the_accepted_rows_under_the_id_of_the_run(runs: Runs) -> None:
    app = runs.application(GOOD)

    imported(app, batch_rows=2)

    batch = ImportBatch.objects.completed().get()
    assert (batch.id, batch.title, batch.accepted, batch.rejected) == (RUN_ID, "sizes.csv", 3, 3)
    assert list(ImportedRow.objects.values_list("line", "values")) == [
        (2, {"code": "A", "size": 1}),
        (3, {"code": "B", "size": 2}),
        (5, {"code": "D", "size": 4}),
    ]
    assert app.data["batch"] == str(RUN_ID)


def test_import_may_be_interrupted_anywhere_and_run_again(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    app = runs.application(GOOD)
    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)

    # A worker that dies after the first group: its rows are committed, the batch is not complete.
    with pytest.raises(ZeroDivisionError):
        _dying_after_groups(1, lambda: app.call("csv_import_rows", config=CONFIG | {"batch_rows": 1}), monkeypatch)
    assert ImportedRow.all_objects.count() == 1
    assert not ImportedRow.objects.exists()

    app.call("csv_import_rows", config=CONFIG | {"batch_rows": 1})
    app.call("csv_import_rows", config=CONFIG | {"batch_rows": 1})  # and once more, before its checkpoint

    assert ImportedRow.objects.count() == ImportedRow.all_objects.count() == 3


def _dying_after_groups(count: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    groups = 0

    def step(_: float = 1) -> None:
        nonlocal groups
        groups += 1
        if groups == count:
            raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("examples.csv_import.scripts.step", step)
        work()


def test_a_cancelled_import_takes_everything_back(runs: Runs) -> None:
    app = runs.application(GOOD)
    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)
    runs.cancel_after = 2

    with pytest.raises(RunCancelled):
        app.call("csv_import_rows", config=CONFIG | {"batch_rows": 1})

    assert not ImportedRow.all_objects.exists()
    assert not ImportBatch.objects.exists()


def test_import_outside_of_a_background_run_is_refused(runs: Runs) -> None:
    app = runs.application(GOOD)
    app.remove("run_id")

    with pytest.raises(PermanentError, match="execute_in_background"):
        imported(app)


def test_discard_deletes_what_a_failed_import_has_written(runs: Runs) -> None:
    app = runs.application(GOOD)
    app.call("csv_read", config=CONFIG)
    app.call("csv_validate", config=CONFIG)
    app.data["accepted"] = 99
    with pytest.raises(PermanentError, match="were accepted"):
        app.call("csv_import_rows", config=CONFIG)
    assert ImportedRow.all_objects.count() == 3

    app.call("csv_discard", config={})

    assert not ImportedRow.all_objects.exists()
    assert not ImportBatch.objects.exists()
