"""What comes into force leaves a version, is told to the audit log, and costs no more queries for more templates."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from processes.models import AuditEntry, Plan, ProcessTemplate, TemplateVersion
from processes.registry import scripts
from processes.services.authoring.impact import Dependent, impact_of_draft
from processes.services.authoring.templates import delete_template, publish, save_draft
from processes.services.errors import PublishRefusedError, StaleDraftError, TemplateInUseError, TemplateNotFoundError
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def history(template: ProcessTemplate) -> list[tuple[int, str, str]]:
    """Return number, cause and origin of each version, the first one first."""
    return list(template.versions.order_by("number").values_list("number", "cause", "origin"))


def audited() -> list[tuple[str, str, str, Any]]:
    entries = AuditEntry.objects.order_by("id")
    return [(entry.action, entry.subject_name, entry.actor_name, entry.details) for entry in entries]


def queries_of(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_every_publication_is_a_version_with_its_source_plan_and_publisher(ada: User) -> None:
    template = save_process("work", [page("a", "one")])
    assert publish(template=template, user=ada).version == 1
    change_draft(template, [page("a", "two")])
    assert publish(template=template).version == 2
    first, second = template.versions.order_by("number")
    assert (first.published_by, second.published_by) == (ada, None)
    assert (second.source, second.plan_id) == (template.published_source, template.published_plan_id)
    assert first.source != second.source
    assert first.plan_id != second.plan_id


def test_publishing_again_what_is_in_force_changes_nothing() -> None:
    template = publish_process("work", [page("a", "one")])
    template.refresh_from_db()
    before, told = template.published_at, len(audited())
    assert publish(template=template).version is None
    assert (template.published_at, history(template), len(audited())) == (before, [(1, "published", "")], told)


def test_text_that_is_written_otherwise_is_a_version_of_the_same_plan() -> None:
    template = publish_process("work", [action("a")])
    save_draft(template=template, definition='[{"script": null, "name": "a"}]', bindings={})
    assert publish(template=template).version == 2
    assert len(set(template.versions.values_list("plan_id", flat=True))) == 1


def test_whoever_builds_on_it_gets_a_version_where_that_changes_its_plan() -> None:
    base = publish_process("base", [page("a", "one"), page("b", "one")])
    child = publish_process("child", [page("c", "own")], extends=[base])
    settled = publish_process("settled", [page("a", "own"), page("b", "own")], extends=[base])
    abstract = publish_process("unfinished", [action("d")], extends=[base], abstract=True)
    caller = publish_process("caller", [action("call", "it")], bindings={"it": {"process": "child"}})
    change_draft(child, [page("c", "unfinished edit")])
    change_draft(base, [page("a", "two"), page("b", "two")])
    publish(template=base)
    assert history(base) == [(1, "published", ""), (2, "published", "")]
    assert history(child) == history(caller) == [(1, "published", ""), (2, "followed", "base")]
    assert history(settled) == history(abstract) == [(1, "published", "")]
    followed = child.versions.get(number=2)
    child.refresh_from_db()
    assert followed.source == child.published_source
    assert followed.plan_id == child.published_plan_id != child.versions.get(number=1).plan_id


def test_a_newer_script_makes_a_version_though_the_text_is_the_same() -> None:
    with scripts.override("test_versioned", lambda app: None):
        template = publish_process("work", [action("a", "test_versioned")])
    with scripts.override("test_versioned", lambda app: None, effect="once"):
        assert publish(template=template).version == 2


def test_an_abstract_template_has_versions_without_a_plan() -> None:
    base = publish_process("base", [action("a", "worker")], abstract=True)
    change_draft(base, [action("b", "worker")])
    assert publish(template=base).version == 2
    assert set(base.versions.values_list("plan_id", flat=True)) == {None}


def test_what_would_break_leaves_no_trace() -> None:
    base = publish_process("base", [action("a"), action("b")])
    child = publish_process("child", [action("c", next="b")], extends=[base])
    base.refresh_from_db()
    save_draft(template=base, definition='[{"name": "x", "script": null}]', bindings={})
    before = Plan.objects.count(), len(audited())
    with pytest.raises(PublishRefusedError):
        publish(template=base)
    assert (Plan.objects.count(), len(audited())) == before
    assert history(base) == history(child) == [(1, "published", "")]


def test_a_draft_that_somebody_saved_meanwhile_is_not_published() -> None:
    template = publish_process("work", [action("a")])
    template.refresh_from_db()
    seen = template.revision
    change_draft(template, [action("theirs")])
    with pytest.raises(StaleDraftError) as caught:
        publish(template=template, expected_revision=seen)
    assert caught.value.fields == {"expected": seen, "revision": seen + 1}
    assert history(template) == [(1, "published", "")]


def test_a_template_that_is_gone_is_told() -> None:
    template = save_process("work", [action("a")])
    ProcessTemplate.objects.all().delete()
    with pytest.raises(TemplateNotFoundError):
        publish(template=template)
    with pytest.raises(TemplateNotFoundError):
        save_draft(template=template, definition="[]", bindings={})


def test_the_audit_log_tells_who_did_what(ada: User) -> None:
    template = ProcessTemplate(slug="work", title="Work")
    save_draft(template=template, definition="[]", bindings={}, user=ada)
    child = save_process("child", [], extends=[template])
    publish(template=template, user=ada)
    publish(template=child)
    template.title = "Works"
    save_draft(template=template, definition='[{"name": "a", "script": null}]', bindings={"x": {"value": 1}}, user=ada)
    publish(template=template, user=ada)
    delete_template(template=child, user=ada)
    assert audited() == [
        ("template.created", "Work", "ada", {"revision": 1}),
        ("template.created", "Child", "Stepline", {"revision": 1}),
        ("template.published", "Work", "ada", {"version": 1, "followed": []}),
        ("template.published", "Child", "Stepline", {"version": 1, "followed": []}),
        ("template.edited", "Works", "ada", {"revision": 2, "changed": ["title", "definition", "bindings"]}),
        ("template.published", "Works", "ada", {"version": 2, "followed": ["child"]}),
        ("template.deleted", "Child", "ada", {"revision": 1, "slug": "child"}),
    ]


INLINE = {"actions": [action("x", "y")], "bindings": {"y": {"process": "work"}}}


@pytest.mark.parametrize(
    ("process", "how"), [(None, "extends"), ("work", "calls"), (INLINE, "calls")], ids=["extends", "calls", "inline"]
)
def test_a_template_that_others_name_is_not_deleted(process: object, how: str) -> None:
    template = publish_process("work", [action("a")])
    bindings = {"it": {"process": process}} if process else {}
    save_process("other", [action("o")], extends=[] if process else [template], bindings=bindings)
    with pytest.raises(TemplateInUseError) as caught:
        delete_template(template=template)
    assert caught.value.fields == {"uses": [{"template": "other", "how": how}], "instances": 0}
    assert f"other {how} it" in caught.value.message


def test_what_somebody_else_still_has_in_force_counts_too() -> None:
    template = publish_process("work", [action("a")])
    other = publish_process("other", [action("o")], extends=[template])
    save_draft(template=other, definition="[]", bindings={})
    with pytest.raises(TemplateInUseError):
        delete_template(template=template)


def test_the_impact_of_a_draft_names_who_builds_on_it_and_what_would_change_or_break() -> None:
    base = publish_process("base", [action("a"), page("b", "one")])
    publish_process("child", [action("c", next="b")], extends=[base])
    publish_process("caller", [action("call", "it")], bindings={"it": {"process": "child"}})
    save_process("draft", [action("d")], extends=[base], bindings={"it": {"process": "base"}})
    change_draft(base, [action("a"), page("b", "two")])
    impact = impact_of_draft(base)
    assert impact.dependents == (
        Dependent(slug="child", how="extends"),
        Dependent(slug="draft", how="extends and calls", published=False),
        Dependent(slug="caller", how=""),
    )
    assert (impact.broken, impact.changed, impact.followers) == ((), ("base", "child", "caller"), ("child", "caller"))
    change_draft(base, [action("a")])
    impact = impact_of_draft(base)
    assert [(item["needed_by"], item["template"], item["path"]) for item in impact.broken] == [
        ("child", "child", "/0/next")
    ]
    assert history(base) == [(1, "published", "")]


def test_a_draft_over_a_base_that_is_not_published_would_break_itself() -> None:
    base = save_process("base", [action("a")])
    child = save_process("child", [], extends=[base])
    assert [item["suggestion"] for item in impact_of_draft(child).broken] == ["Publish it first"]


def test_more_templates_take_no_more_queries() -> None:
    def grow(count: int) -> None:
        for number in range(count):
            publish_process(f"child-{count}-{number}", [page("c", str(number))], extends=[base])
        ProcessTemplate.objects.filter(slug="base").update(revision=1)

    def work(text: str) -> dict[str, int]:
        change_draft(base, [page("b", text)])
        return {
            "impact": queries_of(lambda: impact_of_draft(base)),
            "publish": queries_of(lambda: publish(template=base)),
        }

    base = publish_process("base", [page("b", "one")])
    grow(2)
    few = work("two")
    grow(20)
    many = work("three")
    assert few == many
    assert many["impact"] == 3
    assert TemplateVersion.objects.filter(cause="followed").count() == 2 + 22


def test_five_hundred_templates_follow_in_a_constant_number_of_queries() -> None:
    base = publish_process("base", [page("b", "one")])
    definition = '[{"name": "c", "script": null}]'
    source = {"definition": definition, "abstract": False, "extends": ["base"], "bindings": {}}
    children = ProcessTemplate.objects.bulk_create(
        ProcessTemplate(slug=f"c{number}", title="C", definition=definition, published_source=source)
        for number in range(500)
    )
    base.extension_uses.model.objects.bulk_create(
        base.extension_uses.model(template=child, base=base, position=0) for child in children
    )
    change_draft(base, [page("b", "two")])
    taken = queries_of(lambda: publish(template=base))
    # Plans and versions are written many at a time; how many fit into a statement depends on the database.
    assert taken < 30
    assert TemplateVersion.objects.filter(cause="followed").count() == 500
    assert len(set(ProcessTemplate.objects.values_list("published_plan_id", flat=True))) == 501


def test_a_long_chain_of_calls_is_followed() -> None:
    first = publish_process("p0", [page("a", "one")])
    source = {"definition": '[{"name": "c", "script": "it"}]', "abstract": False, "extends": []}
    ProcessTemplate.objects.bulk_create(
        ProcessTemplate(
            slug=f"p{number}",
            title="P",
            definition=source["definition"],
            published_source={**source, "bindings": {"it": {"process": f"p{number - 1}"}}},
        )
        for number in range(1, 1_200)
    )
    change_draft(first, [page("a", "two")])
    assert len(publish(template=first).changed) == 1_200


@pytest.mark.django_db(transaction=True)
def test_publications_at_the_same_moment_come_one_after_the_other() -> None:
    base = publish_process("base", [page("a", "one")])
    children = [publish_process(f"child{number}", [page("c", "one")], extends=[base]) for number in range(2)]
    templates = [base, *children]
    failures: list[BaseException] = []
    ready = threading.Barrier(len(templates))

    def edit_and_publish(template: ProcessTemplate) -> None:
        try:
            ready.wait()
            for round_number in range(3):
                change_draft(template, [page("a" if template == base else "c", f"round {round_number}")])
                publish(template=template)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=edit_and_publish, args=(template,)) for template in templates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for template in templates:
        numbers = list(template.versions.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
        template.refresh_from_db()
        latest = template.versions.order_by("-number").first()
        assert latest is not None
        assert (latest.plan_id, latest.source) == (template.published_plan_id, template.published_source)
    # Whoever came last, everybody builds on the base's last round.
    contents = {row.hash: row.content for row in Plan.objects.all()}
    assert all("round 2" in contents[child.published_plan_id or ""] for child in children)
    assert all(contents[child.published_plan_id or ""].count("round 2") == 2 for child in children)
