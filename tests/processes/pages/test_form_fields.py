"""What each type of field takes, refuses, shows, and gives to data."""

import time
import zoneinfo
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from tests.processes.pages.form_kit import refusal, sent, shown, taken

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
ONE_UUID = "019a0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ({}, "  Ada ", "Ada"),
        ({"type": "textarea"}, "a\nb", "a\nb"),
        ({"widget": "textarea", "rows": 3}, "a\nb", "a\nb"),
        ({"type": "password"}, " secret ", " secret "),
        ({"type": "email"}, "ada@example.org", "ada@example.org"),
        ({"type": "url"}, "example.org/a", "https://example.org/a"),
        ({"type": "slug"}, "north-2", "north-2"),
        ({"pattern": "[A-Z]{2}[0-9]+"}, "AB12", "AB12"),
        ({"pattern": "a|b"}, "b", "b"),
        ({"type": "integer"}, "7", 7),
        ({"type": "integer", "step": 5, "min_value": 5}, "15", 15),
        ({"type": "integer", "widget": "range", "min_value": 0, "max_value": 9}, "3", 3),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "2", 2),
        ({"type": "decimal"}, "12345678901234567890.10", "12345678901234567890.10"),
        ({"type": "decimal"}, "1e3", "1000"),
        ({"type": "decimal", "max_digits": 6, "decimal_places": 2}, "9999.99", "9999.99"),
        ({"type": "decimal", "min_value": 0.1, "step": 0.1}, "0.3", "0.3"),
        ({"type": "boolean"}, "on", True),
        ({"type": "boolean"}, None, False),
        ({"type": "yes_no"}, "true", True),
        ({"type": "yes_no", "widget": "select"}, "false", False),
        ({"type": "yes_no", "required": False}, "", None),
        ({"type": "date"}, "2026-11-20", "2026-11-20"),
        ({"type": "time"}, "08:30", "08:30:00"),
        ({"type": "duration"}, "1:30:00", "P0DT01H30M00S"),
        ({"type": "duration"}, "P1DT2H", "P1DT02H00M00S"),
        ({"type": "uuid"}, ONE_UUID.replace("-", ""), ONE_UUID),
        ({"type": "ip"}, "2001:db8:0:0::1", "2001:db8::1"),
        ({"type": "json"}, '{"a": [1, null]}', {"a": [1, None]}),
        ({"type": "json", "required": False}, "", None),
        ({"type": "color"}, "#0e6a5a", "#0e6a5a"),
        ({"type": "hidden"}, "x", "x"),
        ({"type": "integer", "widget": "hidden"}, "4", 4),
        ({"type": "date", "required": False}, "", None),
    ],
)
def test_a_field_gives_json_to_data(field: dict[str, Any], value: str | None, kept: Any) -> None:
    assert taken(field, value) == kept


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({}, "", "required"),
        ({"min_length": 3}, "ab", "at least 3"),
        ({"max_length": 3}, "abcd", "at most 3"),
        ({}, "a\0b", "Null characters"),
        ({"pattern": "[0-9]{4}", "pattern_message": "Four digits, please."}, "12345", "Four digits, please."),
        ({"pattern": "a|b"}, "ab", "form that is expected"),
        ({"pattern": "[a-z]*"}, "a\nb", "form that is expected"),
        ({"type": "email"}, "nobody", "valid email"),
        ({"type": "url"}, "javascript:alert(1)", "valid URL"),
        ({"type": "url"}, "ftp://example.org/", "valid URL"),
        ({"type": "slug"}, "a b", "slug"),
        ({"type": "integer"}, "1.5", "whole number"),
        ({"type": "integer", "step": 5}, "7", "step size"),
        ({"type": "number"}, "inf", "number"),
        ({"type": "decimal"}, "1e400000", "digits"),
        ({"type": "decimal"}, "NaN", "number"),
        ({"type": "decimal", "decimal_places": 2}, "0.125", "2 decimal places"),
        ({"type": "decimal", "max_value": 0.1}, "0.11", "less than or equal to 0.1"),
        ({"type": "boolean", "required": True}, None, "required"),
        ({"type": "yes_no"}, "", "required"),
        ({"type": "yes_no"}, "perhaps", "valid choice"),
        ({"type": "date"}, "yesterday", "valid date"),
        ({"type": "date", "earliest": "2026-01-01"}, "2025-12-31", "Jan. 1, 2026 or later"),
        ({"type": "date", "latest": "2026-01-01"}, "2026-01-02", "Jan. 1, 2026 or earlier"),
        ({"type": "time", "latest": "18:00"}, "18:01", "6 p.m. or earlier"),
        ({"type": "time"}, "25:00", "valid time"),
        ({"type": "datetime"}, "2026-02-30T10:00", "valid date/time"),
        ({"type": "duration"}, "soon", "valid duration"),
        ({"type": "uuid"}, "1", "valid UUID"),
        ({"type": "ip"}, "1.2.3", "IP"),
        ({"type": "json"}, "{", "no JSON: line 1, column 2"),
        ({"type": "json"}, "NaN", "NaN is no number"),
        ({"type": "json"}, "1" * 5_000, "can't be kept"),
        ({"type": "json"}, "[" * 5_000, "nests too deeply"),
        ({"type": "json"}, "[" * 120 + "]" * 120, "levels deep"),
        ({"type": "json"}, r'"\ud800"', "no JSON"),
        ({"type": "json"}, r'"\u0000"', "no JSON"),
        ({"type": "color"}, "red", "colour"),
        ({"type": "color"}, "#0e6a5a\n#", "colour"),
    ],
)
def test_a_field_says_what_it_does_not_take(field: dict[str, Any], value: str | None, message: str) -> None:
    assert message in refusal(field, value)


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|a)*", "([a-z]+)*[0-9]", ".*.*.*.*x", r"(\w{0,9}){9}!", "(.*a.{0,400}){2}b"]
)
def test_a_slow_pattern_holds_nobody_up(pattern: str) -> None:
    before = time.monotonic()
    refusal({"pattern": pattern, "max_length": 100_000}, "a" * 999 + "?")
    refusal({"pattern": pattern, "max_length": 100_000}, "a" * 100_000 + "?")
    assert time.monotonic() - before < 2


def test_a_text_that_is_longer_than_patterns_are_matched_against_is_refused_by_its_length() -> None:
    assert "at most 1000" in refusal({"pattern": "a*"}, "a" * 1_001)


@pytest.mark.parametrize(
    ("zone", "kept"),
    [(BERLIN, "2026-11-20T08:30:00+01:00"), (zoneinfo.ZoneInfo("Asia/Tokyo"), "2026-11-20T08:30:00+09:00")],
)
def test_a_moment_is_kept_with_the_offset_of_the_visitors_time_zone(zone: zoneinfo.ZoneInfo, kept: str) -> None:
    with timezone.override(zone):
        assert taken({"type": "datetime"}, "2026-11-20T08:30") == kept
        form = shown({"name": "x", "type": "datetime"})
        assert f"In the time zone {zone.key}." in form["x"].help_text


def test_a_moment_from_the_data_is_shown_in_the_visitors_time_zone() -> None:
    with timezone.override(BERLIN):
        form = shown({"name": "x", "type": "datetime"}, data={"x": "2026-11-20T07:30:00+00:00"})
        assert 'value="2026-11-20T08:30"' in str(form["x"])
        form = shown({"name": "x", "type": "datetime"}, data={"x": "2026-11-20T07:30:15Z"})
        assert 'value="2026-11-20T08:30:15"' in str(form["x"])


def test_an_hour_that_a_clock_skips_is_refused() -> None:
    with timezone.override(BERLIN):
        assert "couldn’t be interpreted" in refusal({"type": "datetime"}, "2026-03-29T02:30")


def test_limits_may_be_days_from_today() -> None:
    today = timezone.localdate()
    field = {"type": "date", "earliest": "today-7", "latest": "today"}
    assert taken(field, str(today - timedelta(days=7))) == str(today - timedelta(days=7))
    assert "or later" in refusal(field, str(today - timedelta(days=8)))
    assert "or earlier" in refusal(field, str(today + timedelta(days=1)))
    html = str(shown({"name": "x", **field})["x"])
    assert f'min="{today - timedelta(days=7)}"' in html
    assert f'max="{today}"' in html


def test_a_day_as_the_last_moment_counts_to_its_end() -> None:
    today = timezone.localdate()
    assert taken({"type": "datetime", "earliest": "today", "latest": "today"}, f"{today}T23:59").startswith(str(today))
    assert "or earlier" in refusal({"type": "datetime", "latest": "now"}, f"{today + timedelta(days=1)}T00:00")


def test_today_may_be_shown_at_first() -> None:
    assert shown({"name": "x", "type": "date", "initial": "today"})["x"].value() == str(timezone.localdate())


@pytest.mark.parametrize(
    ("field", "value", "html"),
    [
        ({}, "Ada", 'value="Ada"'),
        ({"type": "integer"}, 7, 'value="7"'),
        ({"type": "decimal"}, "1.10", 'value="1.10"'),
        ({"type": "date"}, "2026-11-20", 'value="2026-11-20"'),
        ({"type": "duration"}, "P0DT01H30M00S", 'value="01:30:00"'),
        ({"type": "boolean"}, True, " checked"),
        ({"type": "json"}, {"a": 1}, "{\n  &quot;a&quot;: 1\n}"),
        ({"type": "color"}, "#0e6a5a", 'value="#0e6a5a"'),
        ({}, {"not": "a text"}, "{&quot;not&quot;: &quot;a text&quot;}"),
        ({"type": "date"}, ["odd"], "[&quot;odd&quot;]"),
        ({"type": "duration"}, "odd", 'value="odd"'),
        ({"type": "datetime"}, "2026-99-99T00:00", 'value="2026-99-99T00:00"'),
    ],
)
def test_what_data_holds_is_shown_whatever_it_is(field: dict[str, Any], value: Any, html: str) -> None:
    with translation.override("de"):
        assert html in str(shown({"name": "x", **field}, data={"x": value})["x"])


def test_a_yes_or_no_of_the_data_is_shown() -> None:
    html = str(shown({"name": "x", "type": "yes_no"}, data={"x": False})["x"])
    assert html.count(" checked") == 1
    assert 'value="false"' in html.partition(" checked")[0].rpartition("<input")[2]


def test_a_disabled_field_takes_nothing_that_is_sent_and_is_no_reason_to_refuse_the_rest() -> None:
    fields = ({"name": "a", "disabled": True, "max_length": 3}, {"name": "b"})
    form = sent(*fields, values={"a": "forged", "b": "x"}, data={"a": "longer than three"})
    assert form.is_valid()
    assert form.cleaned_data == {"a": "longer than three", "b": "x"}
    assert form.entered() == {"b": "x"}
    form = sent(*fields, values={"a": "forged", "b": ""}, data={"a": "longer than three"})
    assert not form.is_valid()
    assert 'value="longer than three"' in str(form["a"])
    assert "disabled" in str(form["a"])


def test_a_disabled_field_gives_its_configured_value() -> None:
    form = sent({"name": "a", "type": "integer", "disabled": True, "initial": 3}, values={"a": "9"})
    assert form.is_valid()
    assert form.cleaned_data == {"a": 3}


def test_a_password_is_never_kept_and_never_shown_again() -> None:
    fields = ({"name": "secret", "type": "password"}, {"name": "b"})
    form = sent(*fields, values={"secret": "hunter2", "b": ""})
    assert not form.is_valid()
    assert form.entered() == {"b": ""}
    assert "hunter2" not in "".join(str(field) for field in form)
    form = shown(*fields, data={"secret": "hunter2"}, entered={"secret": "hunter2"})
    assert "hunter2" not in "".join(str(field) for field in form)


def test_what_was_typed_is_returned_as_it_was_typed_and_shown_as_it_was_typed() -> None:
    fields = (
        {"name": "text"},
        {"name": "number", "type": "integer"},
        {"name": "day", "type": "date"},
        {"name": "tick", "type": "boolean"},
        {"name": "one", "type": "choice", "choices": ["a", "b"]},
        {"name": "many", "type": "choices", "choices": ["a", "b", "c"]},
        {"name": "anything", "type": "json"},
        {"name": "moment", "type": "datetime"},
    )
    typed = {
        "text": "a\0 b", "number": "seven", "day": "soon", "one": "b", "many": ["a", "c"], "anything": "{",
        "moment": "2026-11-20T08:30",
    }  # fmt: skip
    form = sent(*fields, values=typed, data={"text": "from the data"})
    entered = form.entered()
    assert entered == {**typed, "text": "a b", "tick": False}
    again = shown(*fields, data={"text": "from the data", "tick": True}, entered=entered)
    assert {name: again[name].value() for name in entered} == entered
    assert not again.errors


def test_what_was_typed_comes_before_the_data_also_where_nothing_was_typed() -> None:
    form = shown({"name": "a", "initial": "first"}, data={"a": "from the data"}, entered={"a": ""})
    assert form["a"].value() == ""


def test_placeholder_autocomplete_and_rows_are_those_of_the_definition() -> None:
    html = str(shown({"name": "x", "type": "email", "placeholder": "you@example.org", "autocomplete": "email"})["x"])
    assert 'placeholder="you@example.org"' in html
    assert 'autocomplete="email"' in html
    assert 'rows="3"' in str(shown({"name": "x", "type": "textarea", "rows": 3})["x"])
