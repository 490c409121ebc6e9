"""A draft is checked as it stands, and every problem is told where it is."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.services.authoring.checking import BaseRow, BindingRow, Draft, DraftProblem, find_problems
from tests.processes.services.published import action, page, publish_process

pytestmark = pytest.mark.django_db


def check(text: str, *, bindings: dict[str, str] | None = None, extends: tuple[str, ...] = (), **options: Any) -> Any:
    return find_problems(
        Draft(
            slug="work",
            text=text,
            bindings=[
                BindingRow(row=f"bindings-{number}", reference=reference, target=target)
                for number, (reference, target) in enumerate((bindings or {}).items())
            ],
            extends=[BaseRow(row=f"extensions-{number}", slug=slug) for number, slug in enumerate(extends)],
            **options,
        )
    )


def marked(found: DraftProblem, text: str) -> str:
    """Return the part of the text that is marked; it is on one line."""
    assert found.start is not None
    assert found.end is not None
    assert found.start.line == found.end.line
    line = text.replace("\r\n", "\n").split("\n")[found.start.line - 1]
    return line[found.start.column - 1 : found.end.column - 1]


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ('[{"name": "a", "script": "show_pgae"}]', '"show_pgae"', "No binding and no registered script"),
        ('[{"nmae": "a"}]', '"nmae"', 'Unknown key "nmae"'),
        ('[\n  {"script": null}]', "{", 'An action needs a "name"'),
        ('[{"name": "a", "script": null,\n "next": {"ok": "b"}}]', '"b"', 'No action "b"'),
        ('[{"name": "a", "script": "show_page", "config": {"txet": "b"}}]', '"txet"', 'Unknown key "txet"'),
        ('[{"name": "a", "script": "show_page", "config": {"status": 1}}]', "1", "at least 200"),
        ('[{"name": "a", "script": "show_page", "config": {"text": "${b}"}}]', '"${b}"', 'Nothing is bound to "b"'),
        ('[{"name": "a", "script": null}, {"name": "a", "script": null}]', '"a"', 'The name "a" is already used'),
        ('[{"name": "a", "script": null, "script": null}]', '"script"', "given more than once"),
        ('{"format": 2, "actions": []}', "2", "Unknown format"),
        ('{"actions": [], "bindings": {}}', '"bindings"', "Unknown key"),
        ('{"actions": [], "extends": []}', '"extends"', "Unknown key"),
        ("3", "3", "A definition is an array"),
        ('[{"name": "a",}]', ",", "Not valid JSON"),
        ("[}", "}", "Not valid JSON: a value is expected here"),
        ("[", "", "Not valid JSON"),
        ("[NaN]", "N", "Not valid JSON"),
        ('["\\ud800"]', '"\\ud800"', "surrogate"),
    ],
)
def test_a_problem_is_marked_at_its_place(text: str, part: str, message: str) -> None:
    found = next(one for one in check(text) if message in one.problem.message)
    assert found.part == "definition"
    assert found.row is None
    assert marked(found, text) == part


def test_problems_come_in_the_order_of_the_text() -> None:
    text = '[{"name": "a", "script": "x", "next": "y"}, {"name": "b", "script": "show_page", "config": {"z": 1}}]'
    assert [marked(found, text) for found in check(text)] == ['"x"', '"y"', '"z"']


def test_places_are_counted_in_the_text_as_a_browser_sends_it() -> None:
    text = '\r\n[\r\n  {"name": "🚲", "script": "nothing"}\r\n]'
    (found,) = check(text)
    assert (found.start.line, found.start.column) == (3, 28)


@pytest.mark.parametrize(
    ("target", "part", "message"),
    [
        ('{"script": "nothing"}', "{", 'No script "nothing"'),
        ('{"scirpt": "a"}', '"scirpt"', "Unknown kind of target"),
        ('{"script": 1}', "1", "Must be a name"),
        ('"nothing"', '"nothing"', 'No script "nothing"'),
        ("{", "", "Not valid JSON"),
        ("show_page", "s", "Not valid JSON"),
        ('{"process": [{"name": 1}]}', "1", "A name must be a text"),
    ],
)
def test_a_problem_of_a_binding_is_told_in_its_row(target: str, part: str, message: str) -> None:
    problems = check('[{"name": "a", "script": null}]', bindings={"fine": '{"value": 1}', "it": target})
    found = next(one for one in problems if message in one.problem.message)
    assert (found.part, found.row) == ("binding", "bindings-1")
    assert found.problem.path.startswith("/bindings/it")
    assert marked(found, target) == part


def test_a_reference_with_slashes_finds_its_row() -> None:
    (found,) = check("[]", bindings={"a/b~c": '{"script": "nothing"}'})
    assert found.row == "bindings-0"


def test_what_follows_from_a_row_that_cannot_be_read_is_not_told_twice() -> None:
    text = '[{"name": "a", "script": "it"}, {"name": "b", "script": "show_page", "config": {"text": "${it}"}}]'
    (found,) = check(text, bindings={"it": "{"})
    assert found.row == "bindings-0"
    assert check(text, bindings={"it": ""}) == []


def test_what_is_inherited_counts_and_its_problems_are_told_in_the_row_that_brings_it() -> None:
    publish_process("base", [action("a"), action("b", "worker")], abstract=True)
    found = check('[{"name": "c", "script": null, "next": "a"}]', extends=("base",))
    assert [(one.part, one.row, one.problem.source) for one in found] == [("base", "extensions-0", "base")]
    assert found[0].start is None
    fixed = check('[{"name": "c", "script": null, "next": "a"}]', extends=("base",), bindings={"worker": '"noop"'})
    assert fixed == []


def test_a_circle_of_templates_is_told_in_its_row() -> None:
    work = publish_process("work", [page("a", "one")])
    publish_process("other", [], extends=[work])
    (found,) = check("[]", extends=("other",))
    assert "in a circle" in found.problem.message
    assert found.part == "base"


FIELDS = [{"name": "name"}]


@pytest.mark.parametrize(
    ("script", "config", "found"),
    [
        ("show_form", {"action": "confrim", "fields": FIELDS}, '"confrim"'),
        ("show_form", {"action": "ok", "fields": FIELDS, "buttons": [{"label": "x", "action": "okk"}]}, '"okk"'),
        (
            "show_form",
            {"action": "ok", "fields": FIELDS, "buttons": [{"label": "x", "does": "back", "action": "ok"}]},
            '"ok"',
        ),
        ("show_page", {"links": [{"label": "x", "url": "/"}, {"label": "x", "action": "okk"}]}, '"okk"'),
        ("redirect", {"action": "okk"}, '"okk"'),
        ("end_progress_with_execute", {"action": "okk"}, '"okk"'),
    ],
)
def test_a_button_form_or_link_that_leads_nowhere_is_a_warning_at_its_place(
    script: str, config: dict[str, Any], found: str
) -> None:
    text = json.dumps([action("ask", script, config=config), action("ok"), page("confirm", "x")])
    (warning,) = check(text)
    assert (warning.severity, warning.part) == ("warning", "definition")
    assert marked(warning, text) == found
    assert warning.to_json()["severity"] == "warning"


def test_a_loose_end_in_an_extended_template_is_told_in_the_row_that_brings_it_in() -> None:
    publish_process("base", [action("leave", "redirect", config={"action": "away"})])
    (warning,) = check("[]", extends=("base",))
    assert (warning.severity, warning.part, warning.row) == ("warning", "base", "extensions-0")


def test_where_something_is_wrong_loose_ends_are_left_for_later() -> None:
    text = json.dumps([action("ask", "redirect", config={"action": "away"}), action("b", "redirect", next="nowhere")])
    assert {problem.severity for problem in check(text)} == {"error"}


def test_an_abstract_draft_may_leave_things_open() -> None:
    text = '[{"name": "a", "script": "worker", "next": "later"}]'
    assert len(check(text)) == 2
    assert check(text, abstract=True) == []


_words = st.sampled_from(["name", "script", "next", "config", "${a}", "%{data:", "show_page", "*", "@end", "a"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    _json.map(json.dumps) | st.text(max_size=30), st.dictionaries(_words, _json.map(json.dumps) | st.text(max_size=9))
)
def test_whatever_the_texts_hold_the_answer_is_a_list_that_can_be_sent(text: str, bindings: dict[str, str]) -> None:
    for found in check(text, bindings=bindings):
        json.dumps(found.to_json())
