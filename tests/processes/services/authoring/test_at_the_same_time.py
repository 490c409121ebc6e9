"""Several editors at the same moment: nothing is lost unseen, and everyone is told what became of theirs."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from processes.errors import ProcessError
from processes.models import AuditEntry, ProcessTemplate, TemplateVersion
from processes.services.authoring.importing import import_templates
from processes.services.authoring.template_files import read_template_files
from processes.services.authoring.templates import publish, save_draft
from processes.services.authoring.versions import roll_back
from processes.services.derivation import load_plan
from tests.processes.services.published import action, change_draft, publish_process, save_process
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def how_each_ended(*deeds: Callable[[], object]) -> list[str]:
    """Do all at once; give how each ended: `done`, or the code of its error."""
    return [
        end.code if isinstance(end, ProcessError) else repr(end) if isinstance(end, Exception) else "done"
        for end in together(*deeds)
    ]


def fresh(slug: str) -> ProcessTemplate:
    return ProcessTemplate.objects.get(slug=slug)


def save(slug: str, name: str, *, expected: int | None = None) -> None:
    template = fresh(slug)
    save_draft(template=template, definition=json.dumps([action(name)]), bindings={}, expected_revision=expected)


def test_of_two_who_create_the_same_template_one_does() -> None:
    for number in range(5):
        slug = f"new-{number}"
        ends = how_each_ended(*[partial(save_process, slug, [action(f"a{i}")]) for i in range(3)])
        assert sorted(ends) == ["done", "slug_taken", "slug_taken"]
        assert AuditEntry.objects.filter(action="template.created", subject_name=str(fresh(slug))).count() == 1


def test_of_two_who_save_what_they_opened_one_does() -> None:
    save_process("one", [action("a")])
    for number in range(5):
        revision = fresh("one").revision
        ends = how_each_ended(*[partial(save, "one", f"a{number}-{i}", expected=revision) for i in range(3)])
        assert sorted(ends) == ["done", "stale_draft", "stale_draft"]
        assert fresh("one").revision == revision + 1


def test_publishing_at_once_gives_one_version() -> None:
    save_process("one", [action("a")])
    assert how_each_ended(*[lambda: publish(template=fresh("one"))] * 3) == ["done"] * 3
    assert TemplateVersion.objects.count() == 1


def test_what_is_published_while_its_base_is_builds_on_one_of_both() -> None:
    base = publish_process("base", [action("a")], abstract=True)
    publish_process("child", [action("b")], extends=[base])
    for number in range(5):
        change_draft(fresh("base"), [action(f"a{number}")])
        change_draft(fresh("child"), [action(f"b{number}")])
        ends = how_each_ended(lambda: publish(template=fresh("base")), lambda: publish(template=fresh("child")))
        assert ends == ["done", "done"]
        plan = load_plan(str(fresh("child").published_plan_id))
        assert [step.name for step in plan.actions] == [f"a{number}", f"b{number}"]
    for template in ProcessTemplate.objects.all():
        numbers = list(template.versions.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
        assert template.versions.latest("number").plan_id == template.published_plan_id


def test_saving_while_it_is_published_loses_neither() -> None:
    save_process("one", [action("a")])
    for number in range(5):
        ends = how_each_ended(lambda: publish(template=fresh("one")), partial(save, "one", f"a{number}"))
        assert ends == ["done", "done"]
        draft = json.loads(fresh("one").definition)
        assert draft[0]["name"] == f"a{number}"
        source = fresh("one").published_source
        assert source is not None
        assert TemplateVersion.objects.latest("number").source == source


def test_a_draft_that_was_opened_before_a_publication_takes_nothing_of_it_back() -> None:
    template = publish_process("one", [action("a")])
    change_draft(template, [action("b")])
    opened = fresh("one")
    publish(template=fresh("one"))
    save_draft(template=opened, definition=json.dumps([action("c")]), bindings={})
    stored = fresh("one")
    assert [stored.published_plan_id, stored.published_source] == [
        stored.versions.latest("number").plan_id, stored.versions.latest("number").source,
    ]  # fmt: skip
    assert opened.published_plan_id == stored.published_plan_id


def test_of_two_who_go_back_one_does() -> None:
    template = publish_process("one", [action("a")])
    change_draft(template, [action("b")])
    publish(template=template)
    user = User.objects.create_superuser("root")

    def back() -> None:
        roll_back(template=fresh("one"), number=1, user=user, expected_version=2)

    assert sorted(how_each_ended(back, back)) == ["done", "stale_draft"]
    assert TemplateVersion.objects.count() == 3


@pytest.mark.parametrize("there", [False, True])
def test_importing_at_once_gives_what_one_import_gives(tmp_path: Path, there: bool) -> None:
    for name, definition in (("base", [action("a")]), ("child", [action("b")])):
        document = {"name": name, "definition": definition, **({"extends": ["base.json"]} if name == "child" else {})}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    files = read_template_files([str(tmp_path / "base.json"), str(tmp_path / "child.json")])
    if there:
        save_process("base", [action("old")])
    assert how_each_ended(*[lambda: import_templates(files)] * 3) == ["done"] * 3
    assert ProcessTemplate.objects.count() == 2
    plan = load_plan(str(fresh("child").published_plan_id))
    assert [step.name for step in plan.actions] == ["a", "b"]
    assert TemplateVersion.objects.count() == 2
