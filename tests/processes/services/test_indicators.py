"""Which process draws an indicator, as long as no run works for it."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.domain.application import Application
from processes.domain.request import Request
from processes.models import DataNode, Indicator, ProcessTemplate, Run
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authoring.templates import publish
from processes.services.authoring.trial import try_out
from processes.services.foreground import Visit, published_plan, run_foreground
from processes.services.indicators import TaskProcess, process_of
from processes.services.instances import create_instance
from tasks.errors import StaleFence
from tasks.models import TaskRoot
from tasks.services.reading import read_snapshot, read_updates
from tests.processes.services.published import action, change_draft, page, publish_process, save_process
from tests.processes.services.visiting import run_as_visitor

pytestmark = pytest.mark.django_db(transaction=True)

START = [action("begin", "start_progress", config={"title": "Counting"}, next=False)]
RENDER = action("renderProgress", "render_progress", next=False)


def begin(template: ProcessTemplate, *, progress: uuid.UUID | None = None) -> uuid.UUID:
    """Begin an indicator in a web request whose data may name one already."""
    data = None if progress is None else {"progress": str(progress)}
    return uuid.UUID(str(run_as_visitor(template, data=data).data["progress"]))


def drawn_by(root_id: uuid.UUID) -> TaskProcess:
    found = process_of(root_id)
    assert found is not None
    return found


def test_it_remembers_its_process_and_the_plan_that_it_began_with() -> None:
    template = publish_process("count", [*START, RENDER])
    root_id, plan = begin(template), template.published_plan_id
    publish_anew(template)
    found = drawn_by(root_id)
    assert template.published_plan_id != plan
    assert (found.template, found.plan_hash, found.instance, found.has_run) == (template, plan, None, False)


def publish_anew(template: ProcessTemplate) -> None:
    change_draft(template, [*START, page("more", "more"), RENDER])
    publish(template=template)


def test_whoever_may_see_the_task_is_told_nothing_of_it() -> None:
    template = publish_process("count", [*START, RENDER])
    root_id = begin(template)
    snapshot = read_snapshot(root_id)
    told = f"{snapshot.tree.to_json()} {read_updates(root_id, after=0)}"
    assert snapshot.root.meta is None
    assert str(template.published_plan_id) not in told
    assert template.slug not in told


def test_one_that_another_process_begins_anew_is_drawn_by_that_one() -> None:
    first, second = (publish_process(slug, [*START, page("x", slug), RENDER]) for slug in ("first", "second"))
    root_id = begin(first)
    assert begin(second, progress=root_id) == root_id
    assert (drawn_by(root_id).template, drawn_by(root_id).plan_hash) == (second, second.published_plan_id)


def test_one_that_ends_before_it_can_begin_anew_stays_as_it_was() -> None:
    first, second = (publish_process(slug, [*START, page("x", slug), RENDER]) for slug in ("first", "second"))
    root_id = begin(first)
    ended: list[uuid.UUID] = []

    def find_it_ended(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if "UPDATE tasks_taskroot" in sql and not ended:
            ended.append(root_id)
            raise StaleFence("It has ended.", task_id=str(root_id))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(find_it_ended):
        other = begin(second, progress=root_id)
    assert ended == [root_id]
    assert (drawn_by(root_id).template, drawn_by(other).template) == (first, second)


def test_a_run_is_drawn_by_its_own_process() -> None:
    leave = [{**START[0], "next": True}, action("leave", "execute_in_background"), action("more", "noop", next=False)]
    template = publish_process("count", [*leave, RENDER])
    root_id = begin(template)
    other = publish_process("other", [*START, page("x", "x"), RENDER])
    Indicator.objects.update(template=other, plan=other.published_plan_id)
    found = drawn_by(root_id)
    assert (found.template, found.plan_hash, found.has_run) == (template, Run.objects.get().plan_id, True)


def test_a_draft_that_is_tried_out_for_real_draws_none() -> None:
    draft = save_process("draft", [*START, RENDER])
    report = try_out(template=draft, user=User.objects.create_superuser("boss"), keep=True)
    assert report.status == "completed", report.error
    assert process_of(TaskRoot.objects.get().pk) is None


def test_it_goes_with_its_tree_and_with_its_process() -> None:
    first, second = (publish_process(slug, [*START, page("x", slug), RENDER]) for slug in ("first", "second"))
    one, other = begin(first), begin(second)
    TaskRoot.objects.filter(pk=one).delete()
    second.delete()
    assert (process_of(one), process_of(other)) == (None, None)
    assert TaskRoot.objects.filter(pk=other).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what the tables hold")
def test_data_that_a_run_took_over_are_found_by_index() -> None:
    with CaptureQueriesContext(connection) as queries:
        DataNode.objects.filter(continued_in=uuid.uuid4()).update(continued_in=uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = " | ".join(row[3] for row in cursor.fetchall())
    assert "USING INDEX processes_continued_in" in plan


def test_one_that_an_executed_instance_begins_is_that_of_the_process_that_executes_it() -> None:
    owner = User.objects.create_user("owner")
    instance = create_instance(template=publish_process("inner", [*START, RENDER]), owner=owner)
    found: list[object] = []

    def execute(app: Application) -> None:
        found.append(app.execute(instance).value)

    with scripts.override("execute_for_test", execute):
        outer = publish_process("outer", [action("run", "execute_for_test", next=False), RENDER])
        run_foreground(
            Visit(
                template=outer,
                plan=published_plan(outer),
                request=Request(method="POST"),
                caller=Caller(user_id=owner.pk, template_id=outer.pk, slug=outer.slug),
                user=owner,
            )
        )
    told = drawn_by(uuid.UUID(str(found[0])))
    assert (told.template, told.plan_hash, told.instance) == (outer, outer.published_plan_id, None)
