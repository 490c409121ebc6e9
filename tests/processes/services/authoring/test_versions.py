"""The history of a template can be read, compared and gone back to; going back is all or nothing."""

import importlib
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.domain.authoring.diff_words import as_text
from processes.errors import DefinitionError
from processes.models import AuditEntry, Connection, ProcessTemplate, TemplateVersion
from processes.registry import scripts
from processes.services.authoring.history import compare, list_versions, summarise
from processes.services.authoring.templates import differs_from_published, publish, save_draft
from processes.services.authoring.versions import preview_roll_back, roll_back
from processes.services.bound_connections import check_connections
from processes.services.derivation import load_plan
from processes.services.errors import (
    BindingRefusedError,
    DraftInTheWayError,
    NotPublishedError,
    PublishRefusedError,
    StaleDraftError,
    VersionNotFoundError,
)
from processes.services.library import Source, read_library
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


def change(template: ProcessTemplate, *actions: dict[str, Any], **bindings: Any) -> None:
    change_draft(template, actions, **bindings)
    publish(template=template)


def in_force(template: ProcessTemplate) -> list[Any]:
    template.refresh_from_db()
    return [
        (item.name, (item.config or {}).get("text")) for item in load_plan(template.published_plan_id or "").actions
    ]


def everything(template: ProcessTemplate) -> object:
    """Return all that a refused roll back must leave as it is."""
    row = ProcessTemplate.objects.values().get(pk=template.pk)
    bindings = list(template.bindings.order_by("reference").values_list("reference", flat=True))
    extends = list(template.extensions.values_list("base__slug", flat=True))
    return row, bindings, extends, template.versions.count(), AuditEntry.objects.count()


@pytest.fixture
def template() -> ProcessTemplate:
    """Return a template with three versions that show one, two and three."""
    template = publish_process("work", [page("a", "one")], bindings={"limit": {"value": 1}})
    change(template, page("a", "two"), action("b"), limit={"value": 2})
    change(template, action("b"), page("a", "three"), limit={"value": 2})
    return template


def test_any_two_moments_can_be_compared(template: ProcessTemplate) -> None:
    def told(old: Any, new: Any) -> list[str]:
        return as_text(compare(template=template, old=old, new=new).difference).splitlines()

    assert told(1, 2) == [
        "Action “a” changed",
        '  config/text: "one" → "two"',
        "Action “b” added (after “a”)",
        "  script: nothing",
        "  next: the next action",
        "Binding “limit” changed",
        "  value: 1 → 2",
    ]
    assert told(2, 3) == [
        "Action “b” moved (now the first, was after “a”)",
        "Action “a” changed",
        '  config/text: "two" → "three"',
    ]
    assert told("published", "draft") == told(3, "published") == told(2, 2) == []
    change_draft(template, [action("b"), page("a", "draft")])
    assert told("published", "draft") == ["Action “a” changed", '  config/text: "three" → "draft"']


def test_what_came_from_a_base_is_told_as_such(template: ProcessTemplate) -> None:
    child = publish_process("child", [action("c")], extends=[template])
    change(template, page("a", "four"))
    comparison = compare(template=child, old=1, new=2)
    assert comparison.same_source
    assert [item.name for item in comparison.difference.actions] == ["b", "a"]


def test_text_that_is_only_written_otherwise_is_told_as_such(template: ProcessTemplate) -> None:
    indented = json.dumps(json.loads(template.definition), indent=4)
    save_draft(template=template, definition=indented, bindings={"limit": {"value": 2}})
    assert compare(template=template, old="published", new="draft").is_rewritten
    assert not compare(template=template, old=1, new="draft").is_rewritten


def test_an_abstract_template_is_compared_by_its_own_parts() -> None:
    base = publish_process("base", [action("a", "worker", next="later")], abstract=True)
    base.refresh_from_db()
    base.abstract = False
    save_draft(template=base, definition='[{"name": "a", "script": null}]', bindings={})
    comparison = compare(template=base, old="published", new="draft")
    assert comparison.own_only
    assert "abstract: yes → no" in as_text(comparison.difference)


@pytest.mark.parametrize("number", [0, 9])
def test_a_version_that_does_not_exist_is_told(template: ProcessTemplate, number: int) -> None:
    for attempt in (compare, roll_back):
        moments = {"old": 1, "new": number} if attempt is compare else {"number": number}
        with pytest.raises(VersionNotFoundError):
            attempt(template=template, **moments)  # type: ignore[operator]


def test_what_is_not_published_or_has_problems_cannot_be_compared() -> None:
    template = save_process("work", [action("a")])
    with pytest.raises(NotPublishedError):
        compare(template=template, old="published", new="draft")
    ProcessTemplate.objects.update(definition='[{"name": "a", "script": "gone"}]')
    with pytest.raises(DefinitionError):
        compare(template=template, old="draft", new="draft")


def test_each_version_has_a_line_and_more_of_them_take_no_more_queries(template: ProcessTemplate) -> None:
    def count() -> tuple[dict[int, str], int]:
        with CaptureQueriesContext(connection) as queries:
            lines = summarise(template, list(list_versions(template)))
        return lines, len(queries)

    lines, few = count()
    assert lines == {1: "first version", 2: "changed a · added b · bindings limit", 3: "changed a · moved b"}
    for number in range(5):
        change(template, page("a", str(number)))
    lines, many = count()
    assert many == few == 3
    assert len(lines) == 8
    assert summarise(template, list(list_versions(template)[:1])) == {8: "changed a"}


def test_a_version_that_this_release_cannot_read_hides_no_other(template: ProcessTemplate) -> None:
    type(template.versions.get(number=2).plan).objects.filter(pk=template.versions.get(number=2).plan_id).update(
        content='{"format": 99}'
    )
    lines = summarise(template, list(list_versions(template)))
    assert lines[1] == "first version"
    assert all("newer release" in lines[number] for number in (2, 3))


def test_going_back_puts_the_old_source_into_draft_and_force_as_a_new_version(template: ProcessTemplate) -> None:
    ada = User.objects.create_user("ada")
    before = template.revision
    result = roll_back(template=template, number=1, user=ada)
    first, fourth = template.versions.get(number=1), template.versions.get(number=4)
    assert result.version == 4
    assert (fourth.cause, fourth.origin, fourth.published_by) == ("rolled_back", "1", ada)
    assert (fourth.plan_id, fourth.source) == (first.plan_id, first.source)
    assert in_force(template) == [("a", "one")]
    assert not differs_from_published(template)
    assert [row.target for row in template.bindings.all()] == [{"value": 1}]
    assert template.revision == before + 1
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.actor_name, entry.details) == (
        "template.rolled_back", "ada", {"version": 4, "followed": [], "to": 1},
    )  # fmt: skip


def test_bases_come_back_in_their_order() -> None:
    bases = [publish_process(slug, [page("a", slug)]) for slug in ("x", "y", "z")]
    template = publish_process("work", [], extends=[bases[2], bases[0]], abstract=False)
    save_draft(template=template, definition="[]", bindings={}, extends=[bases[1]])
    publish(template=template)
    roll_back(template=template, number=1)
    assert [extension.base.slug for extension in template.extensions.all()] == ["z", "x"]
    assert in_force(template) == [("a", "x")]


def test_whoever_builds_on_it_follows(template: ProcessTemplate) -> None:
    child = publish_process("child", [action("c")], extends=[template])
    assert roll_back(template=template, number=1).changed == ("work", "child")
    assert in_force(child) == [("a", "one"), ("c", None)]
    assert child.versions.values_list("cause", "origin").first() == ("followed", "work")


def test_it_is_built_over_what_other_templates_are_now() -> None:
    base = publish_process("base", [page("a", "old")])
    child = publish_process("child", [action("b")], extends=[base])
    change(child, action("c"))
    change(base, page("a", "new"))
    preview = preview_roll_back(template=child, number=1)
    assert not preview.is_exact
    roll_back(template=child, number=1)
    assert in_force(child) == [("a", "new"), ("b", None)]


def lose_base(template: ProcessTemplate) -> str:
    base = publish_process("base", [action("z")])
    save_draft(template=template, definition="[]", bindings={}, extends=[base])
    publish(template=template)
    change_away(template)
    base.delete()
    return "There is no template"


def lose_script(template: ProcessTemplate) -> str:
    with scripts.override("test_leaving", lambda app: None):
        change(template, action("a", "test_leaving"))
    change_away(template)
    return "No binding and no registered script"


def make_circle(template: ProcessTemplate) -> str:
    base = publish_process("base", [action("z")])
    save_draft(template=template, definition="[]", bindings={}, extends=[base])
    publish(template=template)
    change_away(template)
    save_draft(template=base, definition="[]", bindings={}, extends=[template])
    publish(template=base)
    return "in a circle"


def need_what_went(template: ProcessTemplate) -> str:
    change(template, page("a", "four"))
    change(template, page("a", "five"), action("needed"))
    publish_process("child", [action("c", next="needed")], extends=[template])
    return 'No action "needed" is declared'


def change_away(template: ProcessTemplate) -> None:
    template.refresh_from_db()
    save_draft(template=template, definition='[{"name": "away", "script": null}]', bindings={})
    publish(template=template)


@pytest.mark.parametrize("lose", [lose_base, lose_script, make_circle, need_what_went])
def test_what_cannot_be_put_into_force_any_more_changes_nothing(template: ProcessTemplate, lose: Any) -> None:
    message = lose(template)
    before = everything(template)
    preview = preview_roll_back(template=template, number=4)
    assert any(message in item["message"] for item in preview.impact.broken)
    with pytest.raises(PublishRefusedError) as caught:
        roll_back(template=template, number=4)
    assert "rolled back to version 4" in caught.value.message
    assert any(message in item["message"] for item in caught.value.fields["broken"])
    assert everything(template) == before


def test_a_draft_that_was_never_published_is_overwritten_only_when_somebody_says_so(template: ProcessTemplate) -> None:
    change_draft(template, [page("a", "my work")])
    before = everything(template)
    preview = preview_roll_back(template=template, number=1)
    assert preview.overwrites_draft
    assert preview.lost is not None
    assert as_text(preview.lost.difference).splitlines() == [
        "Action “b” removed (was the first)",
        "  script: was nothing",
        "  next: was the next action",
        "Action “a” changed",
        '  config/text: "three" → "my work"',
    ]
    with pytest.raises(DraftInTheWayError):
        roll_back(template=template, number=1)
    assert everything(template) == before
    roll_back(template=template, number=1, discard_draft=True)
    assert in_force(template) == [("a", "one")]


def test_a_broken_draft_is_in_the_way_too(template: ProcessTemplate) -> None:
    ProcessTemplate.objects.update(definition="[")
    preview = preview_roll_back(template=template, number=1)
    assert preview.overwrites_draft
    assert preview.lost is None
    assert roll_back(template=template, number=1, discard_draft=True).version == 4


def test_going_back_to_what_is_in_force_only_discards_the_draft(template: ProcessTemplate) -> None:
    assert preview_roll_back(template=template, number=3).does_nothing
    change_draft(template, [page("a", "my work")])
    assert not preview_roll_back(template=template, number=3).does_nothing
    result = roll_back(template=template, number=3, discard_draft=True)
    assert (result.version, template.versions.count()) == (None, 3)
    assert not differs_from_published(template)
    assert AuditEntry.objects.latest("id").details == {"version": None, "followed": [], "to": 3}


def test_what_changed_after_the_page_was_opened_is_told_and_nothing_done(template: ProcessTemplate) -> None:
    seen, version = template.revision, 3
    change_draft(template, [action("theirs")])
    before = everything(template)
    with pytest.raises(StaleDraftError):
        roll_back(template=template, number=1, expected_revision=seen, expected_version=version, discard_draft=True)
    assert everything(template) == before
    publish(template=template)
    before = everything(template)
    with pytest.raises(StaleDraftError) as caught:
        roll_back(template=template, number=1, expected_revision=seen + 1, expected_version=version)
    assert caught.value.fields == {"expected_version": 3, "version": 4}
    assert everything(template) == before


def test_work_in_flight_keeps_the_plan_that_it_began_with(template: ProcessTemplate) -> None:
    held = load_plan(template.published_plan_id or "")
    roll_back(template=template, number=1)
    assert load_plan(held.hash) == held


def test_nobody_brings_in_a_connection_that_they_may_not_bind() -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    Connection.objects.create(name="bank", everyone=False, settings={"base_url": "https://bank.example"})
    bound = {"api": {"credential": "bank"}}
    base = save_process("base", [], bindings=bound, abstract=True)
    publish(template=base)
    template = publish_process("work", [action("a")], bindings=bound)
    save_draft(template=template, definition=template.definition, bindings=bound, user=ada)
    save_draft(template=template, definition="[]", bindings={})
    publish(template=template)
    before = everything(template)
    with pytest.raises(BindingRefusedError):
        save_draft(template=template, definition="[]", bindings=bound, user=ada)
    with pytest.raises(BindingRefusedError):
        save_draft(template=template, definition="[]", bindings={}, extends=[base], user=ada)
    with pytest.raises(BindingRefusedError):
        roll_back(template=template, number=1, user=ada)
    assert everything(template) == before
    check_connections(read_library(), Source(slug="work", definition="", bindings=bound), user=None)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_go_back_at_once_one_wins_and_numbers_stay_unique(template: ProcessTemplate) -> None:
    outcomes: list[object] = []
    ready = threading.Barrier(2)
    revision = template.revision

    def go_back(number: int) -> None:
        mine = ProcessTemplate.objects.get(pk=template.pk)
        try:
            ready.wait()
            done = roll_back(template=mine, number=number, expected_revision=revision, expected_version=3)
            outcomes.append(done.version)
        except StaleDraftError:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go_back, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["4", "told"]
    assert list(template.versions.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4]


def test_what_was_published_before_there_were_versions_begins_with_version_one(template: ProcessTemplate) -> None:
    published_at = timezone.now() - timedelta(days=30)
    save_process("draft", [action("a")])
    base = publish_process("base", [], abstract=True)
    ProcessTemplate.objects.filter(slug__in=["work", "base"]).update(published_at=published_at)
    TemplateVersion.objects.all().delete()
    migration = importlib.import_module("processes.migrations.0002_language")
    migration.write_first_versions(apps, None)
    template.refresh_from_db()
    rows = TemplateVersion.objects.order_by("template__slug")
    assert [(row.template.slug, row.number, row.cause) for row in rows] == [
        ("base", 1, "published"),
        ("work", 1, "published"),
    ]
    assert {row.published_at for row in rows} == {published_at}
    assert (rows[1].plan_id, rows[1].source) == (template.published_plan_id, template.published_source)
    assert rows[0].plan_id is None
    assert base.versions.get().source["abstract"]
    change(template, page("a", "next"))
    assert template.versions.count() == 2
