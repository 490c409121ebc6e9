"""The lists of jobs, dead letters and trees: searched, narrowed down, read in as many queries whatever their length."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.admin import lists
from tasks.models import CeleryTask, DeadLetter, Job, Node, TaskRoot
from tasks.services.inspecting import ids_that_begin
from tasks.services.replaying import replay
from tasks.services.roots import Owner, create_root
from tests.tasks.admin.conftest import DEAD, JOBS, TREES, Jobs, sign_in, titles

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_list_of_jobs_says_what_is_known_of_each(reader: Client, made: Jobs) -> None:
    job = made.waiting(title="Weekly report", priority=3, owner=User.objects.create_user("ada"))
    Job.objects.filter(pk=job.pk).update(status="running", worker="host:7", attempt=1, started_at=timezone.now())
    content = reader.get(JOBS).content.decode()
    for shown in ("Weekly report", job.function, job.queue, "running", "1 of 1", "host:7", "ada"):
        assert shown in content
    assert f'href="{JOBS}{job.pk}/change/"' in content


def test_the_newest_come_first(reader: Client, made: Jobs) -> None:
    for title in ("first", "second"):
        made.waiting(title=title)
    rows = reader.get(JOBS).context["cl"].result_list
    assert [job.root.title for job in rows] == ["second", "first"]


def test_parts_are_found_where_their_parent_is_and_where_they_are_searched(reader: Client, made: Jobs) -> None:
    whole, part = made.waiting(title="whole"), made.waiting(title="part")
    TaskRoot.objects.filter(pk=part.pk).update(parent=whole.pk, is_part=True)
    assert titles(reader.get(TREES)) == {"whole"}
    assert titles(reader.get(TREES, {"q": "part"})) == {"part"}
    assert f"{part.pk}/change/" in reader.get(f"{TREES}{whole.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("pending", {"waits"}),
        ("running", {"runs"}),
        ("cancel_requested", {"is to stop"}),
        ("completed", {"is done"}),
        ("failed", {"has failed"}),
        ("cancelled", set()),
        ("nonsense", {"waits", "runs", "is to stop", "is done", "has failed"}),
    ],
)
@pytest.mark.parametrize("place", [JOBS, TREES])
def test_lists_are_narrowed_to_the_status_that_is_shown(
    reader: Client, made: Jobs, place: str, status: str, found: set[str]
) -> None:
    made.waiting(title="waits")
    for title, asked in (("runs", None), ("is to stop", timezone.now())):
        pk = made.waiting(title=title).pk
        Job.objects.filter(pk=pk).update(status="running", cancel_requested_at=asked)
    made.completed(title="is done")
    made.failed(title="has failed")
    assert titles(reader.get(place, {"status": status})) == found


def test_what_was_asked_to_stop_and_has_ended_shows_how_it_ended(reader: Client, made: Jobs) -> None:
    job = made.completed(title="was quicker")
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
    assert titles(reader.get(JOBS, {"status": "completed"})) == {"was quicker"}
    assert titles(reader.get(JOBS, {"status": "cancel_requested"})) == set()


def test_jobs_are_narrowed_to_a_queue_a_function_and_a_time(reader: Client, made: Jobs) -> None:
    old, new = made.waiting(title="old"), made.waiting(title="new")
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))
    assert titles(reader.get(JOBS, {"queue": new.queue})) == {"new"}
    assert titles(reader.get(JOBS, {"function": old.function})) == {"old"}
    assert titles(reader.get(JOBS, {"created": "24h"})) == {"new"}
    assert titles(reader.get(JOBS, {"created": "168h"})) == {"old", "new"}


def test_a_queue_that_nobody_declared_is_offered_while_something_waits_in_it(reader: Client, made: Jobs) -> None:
    job = made.waiting(queue="mistyped")
    assert "?queue=mistyped" in reader.get(JOBS).content.decode()
    Job.objects.filter(pk=job.pk).update(status="completed")
    assert "?queue=mistyped" not in reader.get(JOBS).content.decode()


@pytest.mark.parametrize(
    "query", ["spring catalogue", "CATALOGUE spring", "lovelace", "tenant:7", "rebuild-all", "no such airport"]
)
def test_jobs_are_found_by_title_owner_keys_and_error(reader: Client, made: Jobs, query: str) -> None:
    job = made.waiting(
        title="Prices of the spring catalogue",
        owner=User.objects.create_user("ada.lovelace"),
        concurrency_key="tenant:7",
        idempotency_key="rebuild-all",
    )
    # As while it waits to be tried again: its tree knows no error yet.
    Job.objects.filter(pk=job.pk).update(error={"message": "There is no such airport.", "traceback": "deep"})
    made.waiting(title="Another")
    assert titles(reader.get(JOBS, {"q": query})) == {"Prices of the spring catalogue"}
    assert titles(reader.get(JOBS, {"q": f"{query} nowhere"})) == set()


def test_a_traceback_is_no_way_to_find_a_job(made: Jobs) -> None:
    job = made.waiting()
    Job.objects.filter(pk=job.pk).update(error={"message": "x", "traceback": "secretplace"})
    client = sign_in("change_job", name="half")
    assert titles(client.get(JOBS, {"q": "secretplace"})) == set()
    assert client.get(JOBS, {"error__traceback__contains": "secretplace"}).status_code == 400


@pytest.mark.parametrize("place", [JOBS, TREES])
def test_a_job_is_found_by_its_id_and_by_the_beginning_of_it(reader: Client, made: Jobs, place: str) -> None:
    job = made.waiting(title="This one")
    made.waiting(title=f"Copy of {job.pk}")
    for query in (str(job.pk), job.pk.hex, str(job.pk).upper(), f" {str(job.pk)[:-2]}"):
        assert titles(reader.get(place, {"q": query})) == {"This one"}


def test_what_looks_like_the_beginning_of_an_id_and_is_none_is_searched_as_text(reader: Client, made: Jobs) -> None:
    made.waiting(title="Report of 20261128")
    assert titles(reader.get(JOBS, {"q": "20261128"})) == {"Report of 20261128"}


@pytest.mark.parametrize("query", ["o=7.-5", "p=1", "o=999", "p=77", "status=%00", "q=%00", "q=%22", "q=%5C%27%25_"])
def test_no_address_breaks_a_list(reader: Client, made: Jobs, query: str) -> None:
    made.waiting()
    for place in (JOBS, DEAD, TREES):
        assert reader.get(f"{place}?{query}").status_code in (200, 302, 400)


def test_a_whole_page_of_text_is_searched_for_its_first_words(reader: Client, made: Jobs) -> None:
    made.waiting(title="Prices of spring")
    made.waiting(title="Another")
    for place in (JOBS, TREES):
        assert titles(reader.get(place, {"q": " ".join(["prices", "spring"] * 10 + ["nowhere"] * 1_500)})) == {
            "Prices of spring"
        }


@pytest.mark.parametrize("text", ["", "019a2b3", "hello world", "019a2b3x", "0" * 33, "12345678\0"])
def test_what_cannot_begin_an_id(text: str) -> None:
    assert ids_that_begin(text) is None


def test_the_ids_that_begin_with_some_digits() -> None:
    low, high = uuid.UUID("019a2b3c-" + "0" * 4 + "-0000-0000-" + "0" * 12), uuid.UUID("019a2b3c" + "f" * 24)
    assert ids_that_begin("019A2B3C") == ids_that_begin("019a2b3c-") == (low, high)


def test_dead_letters_are_listed_with_their_error_latest_first(reader: Client, made: Jobs) -> None:
    first, second = made.dead(title="first"), made.dead(title="second")
    made.failed(title="a permanent error")
    Job.objects.filter(pk=first.pk).update(finished_at=timezone.now())
    response = reader.get(DEAD)
    assert [job.pk for job in response.context["cl"].result_list] == [first.pk, second.pk]
    content = response.content.decode()
    assert "RuntimeError: no room" in content
    assert f'href="{JOBS}{first.pk}/change/"' in content
    assert set(DeadLetter.objects.values_list("pk", flat=True)) == {first.pk, second.pk}


def test_dead_letters_say_which_were_replayed(reader: Client, made: Jobs) -> None:
    replayed, left = made.dead(title="replayed"), made.dead(title="left")
    fresh = replay(replayed.pk)
    assert titles(reader.get(DEAD, {"replayed": "no"})) == {left.root.title}
    response = reader.get(DEAD, {"replayed": "yes"})
    assert titles(response) == {"replayed"}
    assert f'href="{JOBS}{fresh.pk}/change/"' in response.content.decode()


def test_the_page_of_a_dead_letter_is_that_of_its_job(reader: Client, made: Jobs) -> None:
    job = made.dead()
    assert reader.get(f"{DEAD}{job.pk}/change/")["Location"] == f"{JOBS}{job.pk}/change/"
    assert reader.get(f"{DEAD}nonsense/change/").status_code == 302


def test_trees_are_listed_but_for_those_of_requests(reader: Client, made: Jobs) -> None:
    made.waiting(title="of a job")
    create_root(title="of code", owner=Owner())
    TaskRoot.objects.create(title="of a request", request_scoped=True)
    root = create_root(title="of Celery", owner=Owner())
    CeleryTask.objects.create(root=root, task_id="a-celery-id", name="shop.tasks.count")
    assert titles(reader.get(TREES)) == {"of a job", "of code", "of Celery"}
    assert titles(reader.get(TREES, {"kind": "job"})) == {"of a job"}
    assert titles(reader.get(TREES, {"kind": "code"})) == {"of code"}
    assert titles(reader.get(TREES, {"kind": "celery"})) == {"of Celery"}
    for query in ("a-celery-id", "shop.tasks"):
        assert titles(reader.get(TREES, {"q": query})) == {"of Celery"}


def test_trees_are_narrowed_by_sharing_and_time(reader: Client) -> None:
    TaskRoot.objects.create(title="shared", shared=True)
    old = TaskRoot.objects.create(title="own")
    TaskRoot.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    assert titles(reader.get(TREES, {"shared": "yes"})) == {"shared"}
    assert titles(reader.get(TREES, {"shared": "no"})) == {"own"}
    assert titles(reader.get(TREES, {"created": "168h"})) == {"shared"}


def test_a_tree_without_a_job_that_was_asked_to_stop_shows_it(reader: Client) -> None:
    now = timezone.now()
    TaskRoot.objects.create(title="of code", status="running", cancel_requested_at=now)
    celery = TaskRoot.objects.create(title="of Celery", status="running")
    CeleryTask.objects.create(root=celery, task_id="x", cancel_requested_at=now)
    TaskRoot.objects.create(title="runs", status="running")
    assert titles(reader.get(TREES, {"status": "running"})) == {"runs"}
    response = reader.get(TREES, {"status": "cancel_requested"})
    assert titles(response) == {"of code", "of Celery"}
    assert response.content.decode().count('class="task-status is-cancel_requested"') == 2


def test_the_list_of_trees_says_how_far_each_is(reader: Client) -> None:
    root = TaskRoot.objects.create(title="half", status="running")
    for ordinal, (status, current) in enumerate([("completed", None), ("running", 0)]):
        Node.objects.create(root=root, ordinal=ordinal, type="task", title="n", status=status, current=current, total=4)
    assert "50 %" in reader.get(TREES).content.decode()


@pytest.mark.parametrize(("place", "most"), [(JOBS, 9), (DEAD, 10), (TREES, 9)])
def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_one(
    reader: Client, made: Jobs, place: str, most: int
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            response = reader.get(place)
        assert len(response.context["cl"].result_list) == rows
        return len(captured)

    rows = 1
    owner = User.objects.create_user("ada")
    made.dead(owner=owner)
    few = queries()
    name = Job.objects.get().function
    roots = TaskRoot.objects.bulk_create(
        TaskRoot(title=f"t{number}", owner=User.objects.create_user(f"u{number}")) for number in range(60)
    )
    now = timezone.now()
    Job.objects.bulk_create(
        Job(root=root, function=name, status="dead_letter", due_at=now, finished_at=now) for root in roots
    )
    Node.objects.bulk_create(
        Node(root=root, ordinal=0, type="task", title="n", status="running", current=1, total=2) for root in roots
    )
    rows = 50
    assert queries() == few <= most


def test_columns_that_may_be_long_are_not_read(reader: Client, made: Jobs) -> None:
    job = made.completed()
    TaskRoot.objects.filter(pk=job.pk).update(output="o" * 1_000, result="r" * 1_000)
    for place in (JOBS, TREES):
        with CaptureQueriesContext(connection) as captured:
            reader.get(place)
        read = " ".join(query["sql"] for query in captured if "SELECT" in query["sql"])
        for column in ('"output"', '"result"', '"arguments"', '"saved"'):
            assert column not in read


def test_a_long_list_is_counted_as_far_as_anybody_pages(
    reader: Client, made: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        made.waiting()
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    response = reader.get(JOBS)
    assert "There are more than 2" in response.content.decode()
    assert response.context["cl"].result_count == 2
    assert "There are more than" not in reader.get(JOBS, {"q": "nothing like that"}).content.decode()


def test_nothing_is_counted_beyond_that(reader: Client, made: Jobs) -> None:
    made.waiting()
    with CaptureQueriesContext(connection) as captured:
        reader.get(JOBS)
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert f"LIMIT {lists.MOST_COUNTED + 1}" in counts[0]


@pytest.mark.parametrize("place", [JOBS, TREES, DEAD])
def test_lists_are_for_staff_who_may_look(place: str) -> None:
    assert Client().get(place).status_code == 302
    assert sign_in("view_job", "view_taskroot", name="no-staff", is_staff=False).get(place).status_code == 302
    assert sign_in(name="staff").get(place).status_code == 403
    assert sign_in("view_job", "view_taskroot", name="looks").get(place).status_code == 200


def test_a_list_that_somebody_may_not_see_is_not_named_to_them() -> None:
    content = sign_in("view_job", name="jobs-only").get("/admin/").content.decode()
    assert JOBS in content
    assert DEAD in content
    assert TREES not in content


@pytest.mark.parametrize("place", [JOBS, TREES])
def test_nobody_adds_changes_or_deletes_by_hand(made: Jobs, place: str) -> None:
    job = made.waiting(title="as it was")
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(f"{place}add/").status_code == 403
    assert client.post(f"{place}{job.pk}/change/", {"title": "x", "function": "y"}).status_code == 403
    assert client.post(f"{place}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(place, {"action": "delete_selected", "_selected_action": [str(job.pk)], "post": "yes"})
    row: Any = Job.objects.select_related("root").get(pk=job.pk)
    assert (row.root.title, row.function) == ("as it was", job.function)
