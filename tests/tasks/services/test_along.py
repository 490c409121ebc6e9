"""What is stored along with a job: all of it or nothing, whichever way it is written."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks.domain.along import MOST_ROWS, Along, Change, Insertion, Rows
from tasks.domain.outcomes import Cancelled, Completed, Failed
from tasks.errors import StaleFence
from tasks.models import Attempt, Job, TaskRoot
from tasks.services import along_sql, prepared
from tasks.services.claims import claim
from tasks.services.cursors import fixed_cursor
from tasks.services.enqueuing import enqueue
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root
from tasks.services.settling import settle
from tasks.services.sql import ROWS_PER_STATEMENT
from tasks.services.work import work_off
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

#: Some table with few columns; what is written into it means nothing.
ROOTS = Insertion(
    TaskRoot._meta.db_table,
    (
        "id", "title", "status", "error", "message", "output", "session_key", "shared", "request_scoped", "is_part",
        "cancel_reason", "last_seq", "fence", "closed", "created_at",
    ),
    (
        "uuid", "text", "text", "text", "text", "text", "text", "bool", "bool", "bool", "text", "bigint", "bigint",
        "bool", "timestamptz",
    ),
)  # fmt: skip


def rows(*titles: str) -> Rows:
    values: list[Any] = []
    for title in titles:
        values += prepared.insertion(TaskRoot(id=uuid.uuid4(), title=title), only=ROOTS.columns).values
    return Rows(ROOTS, values)


def titles() -> list[str]:
    return sorted(TaskRoot.objects.filter(job=None).values_list("title", flat=True))


def watched(deed: Callable[[], object]) -> None:
    """Do something while somebody looks at each statement: then it is several, in a transaction of Django's."""
    with CaptureQueriesContext(connection):
        deed()


def at_once(deed: Callable[[], object]) -> None:
    deed()


BOTH_WAYS = pytest.mark.parametrize("doing", [at_once, watched])


@BOTH_WAYS
def test_it_is_there_with_the_job(kit: Any, doing: Callable[[Callable[[], object]], None]) -> None:
    other = create_root(title="other", owner=Owner())
    along: list[Along] = [rows("a", "b"), prepared.change(TaskRoot, other.pk, {"message": "changed", "shared": True})]
    doing(lambda: kit.enqueue(lambda context: None, along=along))
    assert titles() == ["a", "b", "other"]
    other.refresh_from_db()
    assert (other.message, other.shared) == ("changed", True)


@BOTH_WAYS
def test_it_goes_with_the_transaction_that_enqueues(kit: Any, doing: Callable[[Callable[[], object]], None]) -> None:
    def enqueue_in_vain() -> None:
        with transaction.atomic():
            kit.enqueue(lambda context: None, along=[rows("a")])
            transaction.set_rollback(True)

    doing(enqueue_in_vain)
    assert (titles(), Job.objects.count()) == ([], 0)


def test_a_job_that_is_there_already_brings_nothing(kit: Any) -> None:
    name = kit.register(lambda context: None)
    first = enqueue(name, owner=Owner(), idempotency_key="once", along=[rows("a")])
    again = enqueue(name, owner=Owner(), idempotency_key="once", along=[rows("b")])
    assert (again.root_id, titles()) == (first.root_id, ["a"])


def test_of_those_who_ask_at_once_with_one_key_one_brings_its_own(kit: Any) -> None:
    name = kit.register(lambda context: None)

    def ask(title: str) -> Callable[[], object]:
        return lambda: enqueue(name, owner=Owner(), idempotency_key="once", along=[rows(title)]).root_id

    ends = together(*(ask(str(number)) for number in range(4)))
    assert len(set(ends)) == 1
    assert len(titles()) == 1


def test_its_root_may_have_an_id_that_was_chosen(kit: Any) -> None:
    chosen = uuid.uuid4()
    job = kit.enqueue(lambda context: None, root_id=chosen, makes_root=True, title="Chosen")
    assert (job.root_id, TaskRoot.objects.get(pk=chosen).title) == (chosen, "Chosen")


OUTCOMES = [Completed(result=1), Cancelled(reason="enough"), Failed(reason="broken")]


@BOTH_WAYS
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_it_is_there_with_the_end(
    kit: Any, outcome: Completed | Cancelled | Failed, doing: Callable[[Callable[[], object]], None]
) -> None:
    ends = type(outcome)
    told: dict[str, Any] = {"reason": outcome.reason} if isinstance(outcome, Cancelled | Failed) else {}
    job = kit.enqueue(lambda context: ends(along=[rows("a", "b")], **told))
    doing(lambda: work_off("default"))
    assert titles() == ["a", "b"]
    assert TaskRoot.objects.get(pk=job.root_id).closed
    assert Attempt.objects.count() == isinstance(outcome, Failed)


@pytest.mark.parametrize("count", [MOST_ROWS + 1, 2 * ROWS_PER_STATEMENT + 1])
def test_more_than_one_statement_takes_is_there_too(kit: Any, count: int) -> None:
    many = [f"{number:03}" for number in range(count)]
    kit.enqueue(lambda context: Completed(along=[rows(*many)], write=None))
    assert work_off("default")
    assert titles() == many


def test_it_comes_before_what_is_written_behind_it(kit: Any) -> None:
    seen: list[list[str]] = []
    kit.enqueue(lambda context: Completed(along=[rows("a")], write=lambda: seen.append(titles())))
    assert work_off("default")
    assert seen == [["a"]]


@BOTH_WAYS
def test_nothing_of_it_is_written_for_a_claim_that_is_lost(
    kit: Any, doing: Callable[[Callable[[], object]], None]
) -> None:
    other = create_root(title="other", owner=Owner())
    job = kit.enqueue(lambda context: None)
    held = claim(queue="default", worker="slow")
    assert held is not None
    Job.objects.filter(pk=job.root_id).update(fence=held.fence + 1)
    TaskRoot.objects.filter(pk=job.root_id).update(fence=held.fence + 1)
    recorder = Recorder(root_id=held.root_id, title="", fence=held.fence)
    along: list[Along] = [rows("a"), prepared.change(TaskRoot, other.pk, {"message": "changed"})]

    def end() -> None:
        with pytest.raises(StaleFence):
            settle(held, outcome=Completed(along=along), recorder=recorder)

    doing(end)
    other.refresh_from_db()
    assert (titles(), other.message) == (["other"], "")


def test_a_checkpoint_that_is_lost_changes_nothing_along_with_it(kit: Any) -> None:
    other = create_root(title="other", owner=Owner())
    kit.enqueue(lambda context: None)
    held = claim(queue="default", worker="slow")
    assert held is not None
    recorder = Recorder(root_id=held.root_id, title="", fence=held.fence + 1)
    with pytest.raises(StaleFence), recorder.checkpoint() as checkpoint:
        checkpoint.write_whole([rows("a"), prepared.change(TaskRoot, other.pk, {"message": "changed"})])
    other.refresh_from_db()
    assert (titles(), other.message) == (["other"], "")


def test_a_checkpoint_writes_what_is_along_with_it(kit: Any) -> None:
    other = create_root(title="other", owner=Owner())
    kit.enqueue(lambda context: None)
    held = claim(queue="default", worker="w")
    assert held is not None
    recorder = Recorder(root_id=held.root_id, title="", fence=held.fence)
    recorder.root.progress(1, 2)
    with recorder.checkpoint() as checkpoint:
        checkpoint.write_whole([rows("a"), prepared.change(TaskRoot, other.pk, {"message": "changed"})])
    other.refresh_from_db()
    assert (titles(), other.message) == (["a", "other"], "changed")
    assert TaskRoot.objects.get(pk=held.root_id).current == 1


def test_statements_may_have_percent_signs_and_any_number_of_parameters() -> None:
    numbers = list(range(120))
    with fixed_cursor() as cursor:
        cursor.execute(f"SELECT '100 %%' WHERE 7 IN ({', '.join(['%s'] * len(numbers))})", numbers)
        assert cursor.fetchone() == ("100 %",)


def test_a_change_says_which_rows_by_a_condition_of_its_own() -> None:
    first, second = (create_root(title=title, owner=Owner()) for title in ("a", "b"))
    change = Change(TaskRoot._meta.db_table, ("message",), "title = %s AND NOT closed", ["changed", "b"])
    with fixed_cursor() as cursor, transaction.atomic():
        along_sql.write(cursor, [change])
    assert [TaskRoot.objects.get(pk=root.pk).message for root in (first, second)] == ["", "changed"]
