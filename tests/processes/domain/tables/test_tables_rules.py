"""What the rules of columns accept, and how they say no."""

from io import BytesIO
from typing import Any

import pytest
from pydantic import ValidationError

from processes.domain.tables import CheckedRow, ColumnRule, RowChecker, TableError, open_table


def check(text: str, *rules: ColumnRule) -> list[CheckedRow]:
    table = open_table(BytesIO(text.encode()), delimiter=",")
    checker = RowChecker(table.header, rules)
    return [checker.check(row) for row in table]


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({}, " Zürich ", "Zürich"),
        ({}, "", None),
        ({}, "  ", None),
        ({"missing": ["NA", "n/a"]}, "n/a", None),
        ({"max_length": 3}, "abc", "abc"),
        ({"pattern": "[A-Z]{3}"}, "ZRH", "ZRH"),
        ({"choices": ["a", "b"]}, "b", "b"),
        ({"type": "integer"}, "-7", -7),
        ({"type": "integer", "min": 0, "max": 7}, "7", 7),
        ({"type": "integer"}, "999999999999999999", 999999999999999999),
        ({"type": "number"}, "31.95376472", 31.95376472),
        ({"type": "number"}, "-.5e2", -50.0),
        ({"type": "number", "min": -90, "max": 90}, "-90", -90.0),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "date"}, "2024-02-29", "2024-02-29"),
        ({"type": "date", "min": "2024-01-01", "max": "2024-12-31"}, "2024-01-01", "2024-01-01"),
    ],
)
def test_a_field_becomes_a_typed_value(rule: dict[str, Any], text: str, value: object) -> None:
    (row,) = check(f'x,y\n"{text}",1\n', ColumnRule(name="x", **rule))

    assert row.accepted
    assert row.values == {"x": value}
    assert type(row.values["x"]) is type(value)


@pytest.mark.parametrize(
    ("rule", "text", "message"),
    [
        ({"required": True}, "", "A value is required."),
        ({"required": True, "missing": ["NA"]}, "NA", "“NA” counts as empty, and a value is required."),
        ({"max_length": 3}, "abcd", "“abcd” has 4 characters; at most 3 are allowed."),
        ({"pattern": "[A-Z]{3}"}, "ZRHX", "“ZRHX” doesn't have the form [A-Z]{3}."),
        ({"choices": ["a", "b"]}, "B", "“B” isn't one of a, b."),
        ({"type": "integer"}, "1.0", "“1.0” isn't a whole number of at most 18 digits."),
        ({"type": "integer"}, "1_000", "isn't a whole number"),
        ({"type": "integer"}, "٣", "isn't a whole number"),
        ({"type": "integer"}, "9" * 5000, "isn't a whole number"),
        ({"type": "integer", "min": 0}, "-1", "“-1” is below 0."),
        ({"type": "number"}, "nan", "“nan” isn't a number."),
        ({"type": "number"}, "inf", "isn't a number."),
        ({"type": "number"}, "1e999", "is too large a number."),
        ({"type": "number"}, "1,5", "write a decimal point"),
        ({"type": "number", "max": 90}, "90.001", "“90.001” is above 90."),
        ({"type": "boolean"}, "maybe", "isn't true or false"),
        ({"type": "date"}, "2023-02-29", "isn't a date of the form 2026-11-20."),
        ({"type": "date"}, "20231231", "isn't a date"),
        ({"type": "date", "max": "2024-12-31"}, "2025-01-01", "is above 2024-12-31."),
    ],
)
def test_a_broken_rule_names_the_value_and_the_rule(rule: dict[str, Any], text: str, message: str) -> None:
    (row,) = check(f'x,y\n"{text}",1\n', ColumnRule(name="x", **rule))

    assert not row.accepted
    assert row.values == {}
    (problem,) = row.problems
    assert message in problem.message
    assert (problem.line, problem.column) == (2, "x")
    assert len(problem.value or "") <= 80


def test_all_problems_of_a_row_are_told_at_once() -> None:
    (row,) = check("a,b,c\n,x,1\n", ColumnRule(name="a", required=True), ColumnRule(name="b", type="integer"))

    assert [problem.column for problem in row.problems] == ["a", "b"]
    assert row.problems[1].as_json() == {
        "line": 2,
        "column": "b",
        "value": "x",
        "message": "“x” isn't a whole number of at most 18 digits.",
    }


def test_a_row_that_does_not_fit_the_header_is_not_judged_further() -> None:
    (row,) = check("a,b\n1\n", ColumnRule(name="b", required=True))

    assert [str(problem) for problem in row.problems] == ["Too few fields: this row has 1, the header names 2 columns."]


def test_the_first_accepted_row_keeps_a_unique_value() -> None:
    rows = check(
        "code,size\nA,x\nA,1\nB,2\n A ,3\n,4\n,5\n",
        ColumnRule(name="code", unique=True),
        ColumnRule(name="size", type="integer"),
    )

    # The first A is refused for its size, so the second may have the name; empty values are never alike.
    assert [row.accepted for row in rows] == [False, True, True, False, True, True]
    assert rows[3].problems[0].message == "“A” is already used in line 3."


def test_unique_looks_at_the_value_not_at_the_way_it_is_written() -> None:
    rows = check("n\n1.5\n1.50\n", ColumnRule(name="n", type="number", unique=True))

    assert [row.accepted for row in rows] == [True, False]


def test_columns_without_a_rule_are_left_out_and_optional_ones_may_lack() -> None:
    (row,) = check("a,extra\n1,2\n", ColumnRule(name="a"), ColumnRule(name="b"))

    assert row.values == {"a": "1", "b": None}


@pytest.mark.parametrize(
    ("header", "named"),
    [("iata,town", "column city. Its columns are: iata, town."), ("IATA,city", "Is “IATA” meant to be “iata”?")],
)
def test_missing_columns_are_named_with_what_is_there(header: str, named: str) -> None:
    with pytest.raises(TableError) as caught:
        check(f"{header}\n1,2\n", ColumnRule(name="iata", required=True), ColumnRule(name="city", required=True))

    assert caught.value.code == "missing_columns"
    assert named in caught.value.message


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "text", "min": 1},
        {"type": "number", "min": "1"},
        {"type": "number", "min": 2, "max": 1},
        {"type": "date", "min": 1},
        {"type": "date", "min": "yesterday"},
        {"type": "integer", "max_length": 3},
        {"pattern": "("},
        {"type": "colour"},
        {"reqired": True},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ColumnRule(name="x", **rule)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "text"),
        ({"required": True, "unique": True, "max_length": 4}, "text, required, no two alike, at most 4 characters"),
        ({"type": "number", "min": -90, "max": 90}, "number, from -90 to 90"),
        ({"required": True, "missing": ["NA"]}, "text, required, NA counts as empty"),
    ],
)
def test_a_rule_can_be_put_in_words(rule: dict[str, Any], words: str) -> None:
    assert ColumnRule(name="x", **rule).describe() == words
