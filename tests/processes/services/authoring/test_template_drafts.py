"""Saving a template keeps a valid draft, or nothing."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.domain.json_values import content_hash
from processes.errors import DefinitionError
from processes.models import Plan, ProcessTemplate
from processes.services.authoring.templates import differs_from_published, publish, save_draft
from processes.services.derivation import load_plan
from processes.services.errors import PublishRefusedError, StaleDraftError
from processes.services.library import read_library
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


def broken_by(template: ProcessTemplate) -> list[tuple[str, str, str]]:
    with pytest.raises(PublishRefusedError) as caught:
        publish(template=template)
    return [(item["needed_by"], item["template"], item["path"]) for item in caught.value.fields["broken"]]


def plan_of(template: ProcessTemplate):
    template.refresh_from_db()
    return load_plan(template.published_plan_id)


def test_a_draft_with_problems_is_refused_with_all_of_them_and_nothing_is_saved() -> None:
    with pytest.raises(DefinitionError) as caught:
        save_process("work", [{"name": "a", "script": "show_pgae"}, {"name": "b", "script": None, "next": "c"}])
    assert [(problem.path, problem.suggestion) for problem in caught.value.problems] == [
        ("/0/script", 'Did you mean "show_page"?'),
        ("/1/next", None),
    ]
    assert not ProcessTemplate.objects.exists()


def test_the_config_of_a_standard_script_is_checked_when_it_is_saved() -> None:
    with pytest.raises(DefinitionError) as caught:
        save_process("work", [{"name": "a", "script": "show_form", "config": {"fields": [{"name": "data"}]}}])
    assert sorted(problem.path for problem in caught.value.problems) == ["/0/config", "/0/config/fields/0/name"]


def test_an_abstract_template_may_leave_names_to_its_descendants() -> None:
    base = publish_process("base", [action("a", "worker", next="later")], abstract=True)
    assert base.published_plan_id is None
    child = publish_process("child", [action("later")], extends=[base], bindings={"worker": "show_page"})
    assert [a.name for a in plan_of(child).actions] == ["a", "later"]


def test_a_save_that_started_from_an_older_revision_is_refused() -> None:
    template = save_process("work", [action("a")])
    first, second = (ProcessTemplate.objects.get(pk=template.pk) for _ in range(2))
    save_draft(template=first, definition="[]", bindings={}, expected_revision=1)
    with pytest.raises(StaleDraftError) as caught:
        save_draft(template=second, definition="[]", bindings={}, expected_revision=1)
    assert caught.value.fields == {"expected": 1, "revision": 2}
    assert ProcessTemplate.objects.get().revision == 2


def test_publishing_freezes_the_draft_as_a_plan_named_by_its_content() -> None:
    template = publish_process("work", [page("a", "one")])
    plan = plan_of(template)
    assert content_hash(json.loads(Plan.objects.get(pk=plan.hash).content)) == plan.hash
    assert not differs_from_published(template)
    change_draft(template, [page("a", "two")])
    assert plan_of(template).hash == plan.hash
    assert differs_from_published(template)
    publish(template=template)
    publish(template=template)
    assert plan_of(template).hash != plan.hash
    assert Plan.objects.count() == 2


def test_publishing_a_base_re_derives_whatever_extends_it() -> None:
    base = publish_process("base", [page("a", "one"), page("b", "one")])
    child = publish_process("child", [page("b", "own")], extends=[base])
    grandchild = publish_process("grandchild", [], extends=[child])
    before = plan_of(grandchild).hash
    change_draft(base, [page("a", "two"), page("b", "two")])
    result = publish(template=base)
    assert result.changed == ("base", "child", "grandchild")
    assert plan_of(grandchild).hash != before
    assert [a.config["text"] for a in plan_of(grandchild).actions] == ["two", "own"]


def test_an_unfinished_draft_reaches_nobody_when_another_template_is_published() -> None:
    base = publish_process("base", [page("a", "published")])
    child = publish_process("child", [page("b", "published")], extends=[base])
    change_draft(base, [page("a", "draft")])
    change_draft(child, [page("b", "draft")])
    publish(template=child)
    assert [a.config["text"] for a in plan_of(child).actions] == ["published", "draft"]
    change_draft(child, [page("b", "newer draft")])
    publish(template=base)
    assert [a.config["text"] for a in plan_of(child).actions] == ["draft", "draft"]


def test_publishing_is_refused_with_what_it_would_break_and_changes_nothing() -> None:
    base = publish_process("base", [action("a", "worker"), action("b")], bindings={"worker": "show_page"})
    child = publish_process("child", [action("c", next="b")], extends=[base])
    before = plan_of(base).hash, plan_of(child).hash
    base.refresh_from_db()
    save_draft(template=base, definition='[{"name": "x", "script": null}]', bindings={})
    assert broken_by(base) == [("child", "child", "/0/next")]
    assert (plan_of(base).hash, plan_of(child).hash) == before


def test_publishing_over_a_base_that_is_not_published_is_refused() -> None:
    base = save_process("base", [action("a")])
    child = save_process("child", [], extends=[base])
    assert broken_by(child) == [("child", "child", "/extends")]
    publish(template=base)
    publish(template=child)


def test_a_circle_of_templates_is_refused_with_its_path() -> None:
    first = publish_process("first", [action("a")])
    second = publish_process("second", [], extends=[first])
    with pytest.raises(DefinitionError, match="first → second → first"):
        save_draft(template=first, definition="[]", bindings={}, extends=[second])


def test_a_called_process_is_recorded_by_its_plan_and_follows_when_that_is_published() -> None:
    inner = publish_process("inner", [page("a", "one")])
    outer = publish_process("outer", [action("call", "it")], bindings={"it": {"process": "inner"}})
    assert [target.plan_hash for target in plan_of(outer).processes] == [plan_of(inner).hash]
    change_draft(inner, [page("a", "two")])
    assert publish(template=inner).changed == ("inner", "outer")
    assert [target.plan_hash for target in plan_of(outer).processes] == [plan_of(inner).hash]


def test_processes_that_call_each_other_look_each_other_up() -> None:
    publish_process("ping", [action("a")])
    pong = publish_process("pong", [action("a", "it")], bindings={"it": {"process": "ping"}})
    ping = ProcessTemplate.objects.get(slug="ping")
    change_draft(ping, [action("a", "it")], it={"process": "pong"})
    publish(template=ping)
    assert [target.plan_hash for target in (*plan_of(ping).processes, *plan_of(pong).processes)] == [None, None]


def test_a_process_inside_a_binding_gets_a_plan_of_its_own() -> None:
    outer = publish_process("outer", [action("call", "it")], bindings={"it": {"process": [page("a", "inline")]}})
    (target,) = plan_of(outer).processes
    assert load_plan(target.plan_hash).actions[0].config == {"text": "inline"}


@pytest.mark.parametrize(("slug", "message"), [("gone", "doesn't exist"), ("draft", "isn't published yet")])
def test_a_called_process_must_be_published(slug: str, message: str) -> None:
    save_process("draft", [action("a")])
    with pytest.raises(DefinitionError, match=message):
        save_process("outer", [action("call", "it")], bindings={"it": {"process": slug}})


def test_a_called_process_cannot_become_abstract() -> None:
    inner = publish_process("inner", [action("a")])
    publish_process("outer", [action("call", "it")], bindings={"it": {"process": "inner"}})
    inner.refresh_from_db()
    inner.abstract = True
    save_draft(template=inner, definition='[{"name": "a", "script": null}]', bindings={})
    assert broken_by(inner) == [("outer", "outer", "/bindings/it")]


def test_reading_all_templates_takes_three_queries() -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read_library()
        return len(queries)

    last = publish_process("t0", [action("a")])
    assert count() == 3
    for number in range(1, 6):
        last = publish_process(f"t{number}", [action("b")], extends=[last], bindings={"x": {"value": number}})
    assert count() == 3
