"""What the documentation of a template tells."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.domain.authoring.prose import plain
from processes.models import Access, Binding, ProcessTemplate
from processes.services.authoring.documentation import ActionEntry, Documentation, describe_template
from processes.services.errors import NotPublishedError
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


def named(doc: Documentation, name: str) -> ActionEntry:
    (found,) = [entry for entry in doc.actions if entry.name == name]
    return found


def config_of(entry: ActionEntry) -> Any:
    return json.loads("".join(piece.text for piece in entry.config))


def broken(slug: str, actions: list[dict[str, Any]], **bindings: Any) -> ProcessTemplate:
    """Store a draft that could not be saved any more: scripts and processes that it names have gone since."""
    template = ProcessTemplate.objects.create(slug=slug, title=slug, definition=json.dumps(actions))
    Binding.objects.bulk_create(Binding(template=template, reference=key, target=to) for key, to in bindings.items())
    return template


def test_every_action_in_force_is_told_with_where_it_comes_from() -> None:
    base = publish_process("base", [page("a", "one"), page("b", "two"), action("@end")])
    middle = publish_process("middle", [page("b", "three", comment="Again."), action("c")], extends=[base])
    template = save_process("own", [page("b", "four"), action("d")], extends=[middle])
    doc = describe_template(template)
    told = [(entry.name, entry.number, entry.origin.slug, entry.is_own) for entry in doc.actions]
    assert told == [
        ("a", 1, "base", False),
        ("b", 2, "own", True),
        ("c", 3, "middle", False),
        ("d", 4, "own", True),
        ("@end", None, "base", False),
    ]
    assert [place.title for place in named(doc, "b").overrides] == ["Base", "Middle"]
    assert [place.slug for place in doc.extends] == ["middle"]
    assert not doc.has_problems


def test_next_entry_and_limits_are_told_in_words() -> None:
    template = save_process(
        "words", [action("a", safe=True, next={"x": "c"}), action("b", retry=2), action("c", compensate="b")]
    )
    doc = describe_template(template)
    assert plain(named(doc, "a").next) == "Under “x” goes to “c”; otherwise goes on with the next action, “b”."
    assert "A link or a form may ask for it." in plain(named(doc, "a").more[0])
    assert plain(named(doc, "b").more[1]).startswith("If it fails, it is tried again")
    assert plain(named(doc, "c").more[1]) == "If the run is undone, “b” takes back what it did."


def test_the_config_is_told_as_bound_with_its_marks() -> None:
    template = save_process(
        "bound",
        [page("a", "${greeting}"), page("b", "Hello %{data:name}")],
        bindings={"greeting": {"value": "Good day"}, "unused": {"value": 1}},
    )
    doc = describe_template(template)
    assert config_of(named(doc, "a")) == {"text": "Good day"}
    assert [piece.reference for piece in named(doc, "a").config if piece.kind == "bound"] == ["greeting"]
    assert [piece.text for piece in named(doc, "b").config if piece.kind == "placeholder"] == ["%{data:name}"]
    used = {binding.reference: binding.used_by for binding in doc.bindings}
    assert used == {"greeting": ("a",), "unused": ()}


def test_what_runs_an_action_is_told_through_its_binding() -> None:
    publish_process("inner", [action("x")])
    template = save_process(
        "outer",
        [action("a", "shower", config={"text": "x"}), action("b", "inner"), action("c", "here"), action("d"),
         page("e", "x"), action("f", "showPage")],
        bindings={"shower": "show_page", "inner": {"process": "inner"}, "here": {"process": [action("y")]}},
    )  # fmt: skip
    doc = describe_template(template)
    runs = {entry.name: entry.runs for entry in doc.actions}
    assert {name: (run.kind, run.name, run.reference) for name, run in runs.items()} == {
        "a": ("script", "show_page", "shower"),
        "b": ("process", "inner", "inner"),
        "c": ("process", "here (inline)", "here"),
        "d": ("nothing", "", None),
        "e": ("script", "show_page", None),
        "f": ("script", "show_page", None),
    }
    assert runs["b"].place is not None
    assert runs["b"].place.pk == ProcessTemplate.objects.get(slug="inner").pk
    assert runs["a"].summary.startswith("Answer with a page")


def test_each_script_is_told_once_with_its_config() -> None:
    doc = describe_template(save_process("twice", [page("a", "1"), page("b", "2")]))
    (script,) = doc.scripts
    assert script.name == "show_page"
    assert script.paragraphs[0].startswith("Answer with a page")
    assert "title" in [key.name for key in script.tables[0].keys]


def test_a_draft_and_what_is_published_of_it_are_both_told() -> None:
    template = publish_process("both", [page("a", "old")])
    change_draft(template, [page("a", "new"), action("b")])
    template.refresh_from_db()
    draft, published = describe_template(template), describe_template(template, published=True)
    assert [entry.name for entry in draft.actions] == ["a", "b"]
    assert [entry.name for entry in published.actions] == ["a"]
    assert published.plan_hash == template.published_plan_id
    assert draft.plan_hash not in (None, published.plan_hash)


def test_what_was_never_published_cannot_be_told_as_published() -> None:
    with pytest.raises(NotPublishedError):
        describe_template(save_process("draft", [action("a")]), published=True)


def test_an_abstract_template_is_told_though_much_of_it_is_open() -> None:
    template = save_process("open", [action("a", "whatever", next="later", config="${missing}")], abstract=True)
    doc = describe_template(template)
    assert doc.abstract
    assert not doc.has_problems
    assert doc.plan_hash is None
    assert named(doc, "a").runs.kind == "unknown"
    assert plain(named(doc, "a").next) == "Goes to “later”, which isn't declared."
    assert [piece.kind for piece in named(doc, "a").config] == ["unbound"]


def test_a_draft_with_errors_shows_the_rest_and_each_error_at_its_place() -> None:
    template = broken(
        "broken",
        [action("a", "gone", next="nowhere"), page("b", "fine"), page("c", "${open}"), action("d", "process")],
        process={"process": "not-there"},
    )
    doc = describe_template(template)
    places = {entry.name: [problem.path for problem in entry.problems] for entry in doc.actions}
    assert places == {"a": ["/0/script", "/0/next"], "b": [], "c": ["/2/config/text"], "d": []}
    assert [problem.path for binding in doc.bindings for problem in binding.problems] == ["/bindings/process"]
    assert doc.problems == ()
    assert doc.has_problems
    assert named(doc, "b").runs.kind == "script"
    assert doc.diagram is not None


def test_an_error_in_an_extended_template_stands_at_the_action_that_comes_from_it() -> None:
    base = publish_process("base", [page("a", "one"), page("b", "two")])
    template = save_process("own", [page("c", "three")], extends=[base])
    source = {**base.published_source, "definition": json.dumps([page("a", "one"), action("b", "gone")])}
    ProcessTemplate.objects.filter(pk=base.pk).update(published_source=source)
    doc = describe_template(template)
    assert [(problem.source, problem.path) for problem in named(doc, "b").problems] == [("base", "/1/script")]


def test_a_definition_that_is_no_json_and_bases_in_a_circle_are_told_as_problems() -> None:
    template = ProcessTemplate.objects.create(slug="torn", title="Torn", definition="[{")
    doc = describe_template(template)
    assert doc.actions == ()
    assert "Not valid JSON" in doc.problems[0].message
    other = ProcessTemplate.objects.create(slug="other", title="Other", definition=json.dumps([action("a")]))
    other.extensions.create(base=template)
    template.extensions.create(base=other)
    told = describe_template(other)
    assert [entry.name for entry in told.actions] == ["a"]
    assert "circle" in told.problems[0].message


def test_who_may_run_and_edit_it_is_told() -> None:
    template = save_process("shut", [action("a")], access=Access.GROUPS)
    assert describe_template(template).executed_by == "nobody: no group is chosen"
    template.groups.add(Group.objects.create(name="Payers"), Group.objects.create(name="Approvers"))
    doc = describe_template(template)
    assert doc.executed_by == "members of Approvers, Payers"
    assert doc.edited_by == "every editor of processes"


def test_forms_lead_on_in_the_diagram() -> None:
    form = {"name": "ask", "script": "show_form", "config": {"action": "take", "fields": []}, "next": False}
    diagram = describe_template(save_process("form", [form, action("take")])).diagram
    assert diagram is not None
    assert [(edge.source, edge.target) for edge in diagram.edges if edge.kind == "later"] == [(1, 2)]


def test_branches_and_items_begin_in_the_diagram() -> None:
    branches = {"one": "a", "two": {"action": "b"}, "far": {"process": "${sub}", "action": "c"}, "set": "%{data:x}"}
    both = {"name": "both", "script": "run_parallel", "config": {"branches": branches}}
    each = {"name": "each", "script": "for_each", "config": {"items": [], "action": "c"}, "next": False}
    publish_process("sub", [action("c")])
    template = save_process("parts", [both, each, *map(action, "abc")], bindings={"sub": {"process": "sub"}})
    diagram = describe_template(template).diagram
    assert diagram is not None
    names = [node.title and node.title.full for node in diagram.nodes]
    found = [(names[edge.source], names[edge.target]) for edge in diagram.edges if edge.kind == "part"]
    assert found == [("both", "a"), ("both", "b"), ("each", "c")]


def test_it_takes_few_queries_however_many_templates_and_actions_there_are() -> None:
    bases = [publish_process(f"base-{number}", [page(f"a{number}", "x")]) for number in range(5)]
    publish_process("called", [action("x")])
    small = save_process("small", [action("a")])
    large = save_process(
        "large",
        [action("z", "called"), *(page(f"p{number}", "x") for number in range(50))],
        bindings={"called": {"process": "called"}},
        extends=bases,
    )
    counts = []
    for template in (small, large):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            describe_template(template)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 6
