"""The real airports: what the rules of csv-import.json make of them, worked out twice."""

import csv
import json
from pathlib import Path

import pytest

from examples.csv_import.config import CheckConfig, ImportConfig
from examples.csv_import.demo.airports import count_rows, find_airports
from examples.csv_import.preview import preview_of
from processes.domain.tables import RowChecker, open_table

DEFINITION = Path(__file__).resolve().parents[2] / "examples/csv_import/process_templates/csv-import.json"

ROWS, ACCEPTED, REJECTED = 3376, 3364, 12


@pytest.fixture(scope="module")
def config() -> ImportConfig:
    document = json.loads(DEFINITION.read_text(encoding="utf-8"))
    return ImportConfig(columns=document["bindings"]["columns"]["value"])


def counted_by_hand() -> tuple[int, int]:
    """Judge the airports with a plain loop that shares nothing with what is tested."""
    accepted = rejected = 0
    seen: set[str] = set()
    with find_airports().open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            good = (
                3 <= len(row["iata"]) <= 4
                and row["iata"] not in seen
                and row["name"] != ""
                and row["city"] not in ("", "NA")
                and row["state"] not in ("", "NA")
                and row["country"] != ""
                and -90 <= float(row["latitude"]) <= 90
                and -180 <= float(row["longitude"]) <= 180
            )
            if good:
                seen.add(row["iata"])
            accepted, rejected = accepted + good, rejected + (not good)
    return accepted, rejected


def test_a_plain_loop_gives_the_expected_counts() -> None:
    assert counted_by_hand() == (ACCEPTED, REJECTED)
    assert count_rows(find_airports()) == ROWS == ACCEPTED + REJECTED


def test_the_checker_agrees_with_the_plain_loop(config: ImportConfig) -> None:
    with find_airports().open("rb") as file:
        table = open_table(file, limits=config.limits)
        checker = RowChecker(table.header, config.columns)
        checked = [checker.check(row) for row in table]

    assert (sum(row.accepted for row in checked), sum(not row.accepted for row in checked)) == counted_by_hand()
    assert {problem.column for row in checked for problem in row.problems} == {"city", "state"}


def test_an_accepted_airport_has_typed_values(config: ImportConfig) -> None:
    with find_airports().open("rb") as file:
        table = open_table(file)
        first = RowChecker(table.header, config.columns).check(next(iter(table)))

    assert first.line == 2
    assert first.values == {
        "iata": "00M",
        "name": "Thigpen",
        "city": "Bay Springs",
        "state": "MS",
        "country": "USA",
        "latitude": 31.95376472,
        "longitude": -89.23450472,
    }


def test_the_preview_shows_the_first_rows_and_the_first_problems(config: ImportConfig) -> None:
    with find_airports().open("rb") as file:
        preview = preview_of(
            open_table(file), config=CheckConfig(columns=config.columns, preview_rows=5, check_rows=2000)
        )

    assert [column["name"] for column in preview["columns"]] == [rule.name for rule in config.columns]
    assert all(column["known"] for column in preview["columns"])
    assert [row["line"] for row in preview["rows"]] == [2, 3, 4, 5, 6]
    assert preview["checked"] == 2000
    assert preview["with_problems"] == 2
    assert [row["line"] for row in preview["more"]] == [1138, 1717]
    assert preview["more"][0]["problems"] == [
        "city: “NA” counts as empty, and a value is required.",
        "state: “NA” counts as empty, and a value is required.",
    ]
    assert (preview["encoding"], preview["delimiter"]) == ("UTF-8", "comma")
    assert json.loads(json.dumps(preview)) == preview  # data must be JSON
