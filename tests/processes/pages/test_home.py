"""The home page: what I may start, and what is mine, whoever I am and however much it is."""

import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import DataNode, Plan, ProcessInstance, ProcessTemplate, Run, StoredFile
from processes.pages.home import HOME_ROWS, PAGE_ROWS, TEMPLATES_SHOWN
from processes.services.access import Caller
from processes.services.home import Section, list_work
from tasks.models import Job, Node, TaskRoot
from tasks.services.access import FIRST_KEY
from tasks.services.overview import read_percentages
from tasks.services.reading import read_snapshot
from tests.processes.pages.browsing import main_of
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return unescape(main_of(response))


def home(client: Client, **query: str) -> str:
    return text_of(client.get("/", query))


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def mine(user: User, client: Client) -> Client:
    client.force_login(user)
    return client


def task(title: str = "Importing", status: str = "running", *, job: str = "", **fields: Any) -> TaskRoot:
    closed = status in ("completed", "failed", "cancelled")
    root = TaskRoot.objects.create(
        title=title, status=status, closed=closed, finished_at=timezone.now() if closed else None, **fields
    )
    if job:
        Job.objects.create(root=root, function="none", status=job, due_at=timezone.now())
    return root


def node_of(user: User, **fields: Any) -> DataNode:
    return DataNode.objects.create(owner=user, expires_at=timezone.now() + timedelta(days=1), **fields)


def section_of(text: str, name: str) -> str:
    return text.partition(f'id="mine-{name}"')[2].partition("</section>")[0]


# --- what can be started ----------------------------------------------------------------------------------------------


def test_what_i_may_start_is_listed_with_what_it_does(client: Client) -> None:
    template = publish_process("work", [page("a", "hello")])
    ProcessTemplate.objects.filter(pk=template.pk).update(title="Hire <b>", description="For a day & a night.")
    text = home(client)
    assert 'href="/p/work/"' in text
    assert "For a day & a night." in text
    assert "<b>" not in main_of(client.get("/"))


def test_few_processes_need_no_search(client: Client) -> None:
    publish_process("work", [page("a", "hello")])
    assert 'type="search"' not in home(client)


@pytest.fixture
def many() -> None:
    made = publish_process("first", [page("a", "hello")])
    plan = made.published_plan
    ProcessTemplate.objects.bulk_create(
        ProcessTemplate(
            slug=f"p{number}",
            title=f"Book room {number:02}",
            description="For MEETINGS" if number == 7 else "For one",
            definition="[]",
            access="public",
            published_plan=plan,
        )
        for number in range(TEMPLATES_SHOWN)
    )


@pytest.mark.usefixtures("many")
def test_many_processes_can_be_searched_and_shown_all(client: Client) -> None:
    text = home(client)
    assert 'type="search"' in text
    assert text.count('href="/p/') == TEMPLATES_SHOWN
    assert home(client, all="1").count('href="/p/') == TEMPLATES_SHOWN + 1


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("room 07", ["p7"]),
        ("meeting ROOM", ["p7"]),  # every word, wherever it stands
        ("first", ["first"]),
        ("%", []),  # no wildcard
        ("nothing like it", []),
        ("\0meeting", ["p7"]),
        ("x" * 5_000, []),
        ("<script>", []),
    ],
)
def test_a_search_finds_what_holds_every_word(client: Client, query: str, slugs: list[str]) -> None:
    text = home(client, q=query)
    assert [slug for slug in ["first", *(f"p{n}" for n in range(TEMPLATES_SHOWN))] if f'"/p/{slug}/"' in text] == slugs
    assert ">Show all<" in text


def test_who_can_start_nothing_is_told_what_to_do(client: Client, user: User) -> None:
    assert 'href="/accounts/login/?next=/"' in home(client)
    client.force_login(user)
    assert "Those who run this site" in home(client)
    client.force_login(User.objects.create_superuser("root"))
    assert "/admin/processes/processtemplate/" in home(client)


def test_who_has_begun_nothing_is_told_where_their_work_will_be(client: Client) -> None:
    publish_process("work", [page("a", "hello")])
    assert "What you start is listed here" in home(client)


# --- work -------------------------------------------------------------------------------------------------------------


def test_running_work_shows_how_far_it_is(mine: Client, user: User) -> None:
    root = task("Importing <i>", job="running", owner=user, current=42, total=100, message="Row 42")
    text = section_of(home(mine), "running")
    assert f'data-task-id="{root.pk}"' in text
    assert 'value="42"' in text
    assert "42 %" in text
    assert "Row 42" in text
    assert f"/progress/{root.pk}/" in text
    assert "<noscript>" in text


@pytest.mark.parametrize(("job", "shown"), [("pending", "Waiting for a worker"), ("retry", "Will be tried again")])
def test_the_status_is_the_one_of_its_own_page(mine: Client, user: User, job: str, shown: str) -> None:
    task(job=job, owner=user)
    assert shown in section_of(home(mine), "running")


def a_tree(user: User) -> TaskRoot:
    root = task(owner=user, steps=[{"name": name, "title": name} for name in "abcd"])
    first, second = uuid.uuid4(), uuid.uuid4()
    rows: list[dict[str, Any]] = [
        {"id": first, "status": "completed"},
        {"id": second, "status": "running"},
        {"status": "running", "parent_id": second, "current": 1, "total": 4},
        {"status": "failed", "parent_id": second},
        {"status": "running", "parent_id": first, "current": 9},
    ]
    Node.objects.bulk_create(
        Node(root=root, ordinal=ordinal, type="action", title="x", **row) for ordinal, row in enumerate(rows)
    )
    return root


def test_a_list_knows_the_same_percentages_as_the_tasks_own_pages(user: User) -> None:
    roots = [
        a_tree(user),
        task(owner=user, current=3, total=12),
        task(owner=user),
        task(owner=user, status="completed"),
        task(owner=user, current=9, total=3),
    ]
    assert read_percentages(roots) == {root.pk: read_snapshot(root.pk).tree.percent for root in roots}
    assert read_percentages([]) == {}


def test_finished_work_leads_to_its_result(mine: Client, user: User) -> None:
    result = node_of(user)
    target = f"/p/work/?action=result&data={result.reference}"
    task(status="completed", job="completed", owner=user, meta={"redirect": target})
    assert f'href="{target}"' in section_of(home(mine), "finished")


def stored(user: User) -> StoredFile:
    return StoredFile.objects.create(owner=user, file="none", name="a.csv", size=1, content_type="text/csv")


@pytest.mark.parametrize("gone", ["expired", "deleted", "foreign"])
def test_a_result_that_is_there_no_more_has_no_link(mine: Client, user: User, gone: str) -> None:
    result, file = node_of(user), stored(user)
    task(status="completed", owner=user, meta={"redirect": f"/p/work/?data={result.reference}"})
    task(status="completed", owner=user, meta={"redirect": f"/files/{file.pk}/"})
    assert section_of(home(mine), "finished").count("See the result") == 2
    if gone == "expired":
        DataNode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        StoredFile.objects.all().delete()
    elif gone == "deleted":
        DataNode.objects.all().delete()
        StoredFile.objects.all().delete()
    else:
        other = User.objects.create_user("other")
        DataNode.objects.update(owner=other)
        StoredFile.objects.update(owner=other)
    assert "See the result" not in section_of(home(mine), "finished")


@pytest.mark.parametrize(
    ("meta", "linked"),
    [
        ({"redirect": "/reports/7/?data=5"}, True),  # of another application on this site
        ({"redirect": "/p/work/"}, True),
        ({"redirect": "//evil.example/"}, False),
        ({"redirect": "https://evil.example/"}, False),
        ({"redirect": "javascript:alert(1)"}, False),
        ({"redirect": 7}, False),
        ({"redirect": "/p/work/?data=%00"}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_result_is_on_this_site(mine: Client, user: User, meta: object, linked: bool) -> None:
    task(status="completed", owner=user, meta=meta)
    assert ("See the result" in section_of(home(mine), "finished")) is linked


def test_failed_work_says_why_and_leads_to_where_it_can_be_tried_again(mine: Client, user: User) -> None:
    root = task("Import", "failed", job="dead_letter", owner=user, error="The column “iata” is missing.")
    text = section_of(home(mine), "failed")
    assert "The column “iata” is missing." in text
    assert text.count(f"/progress/{root.pk}/") == 2
    assert "try again" in text


def test_what_was_tried_again_is_no_longer_to_be_looked_at(mine: Client, user: User) -> None:
    plan_id = publish_process("work", [page("a", "hello")]).published_plan_id
    failed, again = task("First", "failed", owner=user), task("Second", owner=user)
    before = Run.objects.create(root=failed, plan_id=plan_id, cursor=[])
    Run.objects.create(root=again, plan_id=plan_id, cursor=[], previous=before)
    text = home(mine)
    assert section_of(text, "failed") == ""
    assert "First" in section_of(text, "finished")
    assert "Second" in section_of(text, "running")


def test_cancelled_work_is_finished_and_no_failure(mine: Client, user: User) -> None:
    task("Import", "cancelled", owner=user, error="cancelled by ada")
    text = home(mine)
    assert "Cancelled" in section_of(text, "finished")
    assert "cancelled by ada" not in text


def test_times_are_told_in_my_zone_and_to_machines(mine: Client, user: User) -> None:
    root = task("Import", "completed", owner=user)
    TaskRoot.objects.filter(pk=root.pk).update(finished_at="2026-07-01T12:00:00Z")
    mine.cookies["timezone"] = "Asia/Kolkata"
    text = section_of(home(mine), "finished")
    assert '<time datetime="2026-07-01T17:30:00+05:30">July 1, 2026, 5:30 p.m.</time>' in text


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_i_see_nobody_elses_work(mine: Client, user: User) -> None:
    other = User.objects.create_user("other")
    template = publish_process("work", [form("ask", "ask", {"name": "a"})])
    task("Theirs", owner=other)
    task("Shared with all", owner=other, shared=True)
    task("A visitor's", session_key="x" * 32)
    task("Nobody's")
    node_of(other, template=template, step="ask", drafted_at=timezone.now())
    instance(template, other)
    text = home(mine)
    assert "mine-" not in text


def test_a_visitor_sees_what_their_session_has_begun(client: Client) -> None:
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    task("Mine", session_key=session.session_key)
    task("Another visitor's", session_key="y" * 32)
    assert "Mine" in section_of(home(client), "running")
    assert "Another" not in home(client)
    assert "Mine" not in home(Client())


def test_what_i_began_before_signing_in_stays_mine(client: Client, user: User) -> None:
    session = client.session
    session[FIRST_KEY] = session.session_key
    session.save()
    task("Begun before", session_key=session.session_key)
    client.force_login(user)
    task("Begun after", owner=user)
    text = section_of(home(client), "running")
    assert "Begun before" in text
    assert "Begun after" in text


# --- drafts and instances ---------------------------------------------------------------------------------------------


def instance(template: ProcessTemplate, owner: User, **fields: Any) -> ProcessInstance:
    plan = Plan.objects.get(pk=template.published_plan_id)
    return ProcessInstance.objects.create(template=template, plan=plan, owner=owner, **fields)


def test_a_draft_leads_to_where_i_left_off(mine: Client, user: User) -> None:
    template = publish_process("claim", [form("ask", "ask", {"name": "a"})])
    draft = node_of(user, template=template, step="ask", drafted_at=timezone.now())
    node_of(user, template=template, step="ask")
    text = section_of(home(mine), "drafts")
    assert text.count("Continue") == 1
    assert f'href="/p/claim/?form=ask&data={draft.reference}"' in text
    assert text_of(mine.get("/p/claim/", {"form": "ask", "data": draft.reference}))


def test_a_draft_that_has_expired_is_not_listed(mine: Client, user: User) -> None:
    template = publish_process("claim", [form("ask", "ask", {"name": "a"})])
    node_of(user, template=template, step="ask", drafted_at=timezone.now())
    DataNode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert section_of(home(mine), "drafts") == ""


def test_a_draft_can_be_discarded(mine: Client, user: User) -> None:
    template = publish_process("claim", [form("ask", "ask", {"name": "a"})])
    node_of(user, template=template, step="ask", drafted_at=timezone.now())
    action = section_of(home(mine), "drafts").partition('<form method="post" action="')[2].partition('"')[0]
    answer = mine.post(action)
    assert answer.status_code in (302, 303)
    assert section_of(home(mine), "drafts") == ""


def test_my_instances_are_listed_with_their_status(mine: Client, user: User) -> None:
    template = publish_process("claim", [page("a", "hello")])
    titled = instance(template, user, title="Train to Graz", status="waiting for approval")
    instance(template, user)
    text = section_of(home(mine), "instances")
    assert f'href="/instances/{titled.pk}/"' in text
    assert "Train to Graz" in text
    assert "Waiting for approval" in text
    assert text.count("Claim") == 2


# --- much of it -------------------------------------------------------------------------------------------------------


def fill(user: User, template: ProcessTemplate, count: int) -> None:
    for number in range(count):
        node = node_of(user, template=template, step="ask", drafted_at=timezone.now())
        a_tree(user)
        task("Failed", "failed", job="failed", owner=user)
        task("Done", "completed", owner=user, meta={"redirect": f"/p/claim/?data={node.reference}"})
        task("Done", "completed", owner=user, meta={"redirect": f"/files/{stored(user).pk}/"})
        instance(template, user, title=str(number))


def test_the_number_of_queries_depends_on_no_number_of_rows(mine: Client, user: User) -> None:
    template = publish_process("claim", [form("ask", "ask", {"name": "a"})])

    def asked(path: str) -> list[str]:
        mine.get(path)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert mine.get(path).status_code == 200
        return [query["sql"] for query in queries]

    fill(user, template, 1)
    few = len(asked("/"))
    fill(user, template, 2 * HOME_ROWS)
    assert len(asked("/")) == few <= 18
    for section in Section:
        assert len(asked(f"/work/{section}/")) <= 8


def test_the_newest_come_first_and_the_rest_on_pages_of_its_own(mine: Client, user: User) -> None:
    for number in range(PAGE_ROWS + HOME_ROWS):
        task(f"Number {number:03}", "completed", owner=user)
    text = section_of(home(mine), "finished")
    assert text.count('class="work-title"') == HOME_ROWS
    assert "Number 029" in text
    assert 'href="/work/finished/"' in text
    first = text_of(mine.get("/work/finished/"))
    second = text_of(mine.get("/work/finished/", {"page": "2"}))
    assert first.count('class="work-title"') == PAGE_ROWS
    assert second.count('class="work-title"') == HOME_ROWS
    assert "Number 000" in second
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    assert 'href="?page=3"' not in second
    assert "nothing further" in text_of(mine.get("/work/finished/", {"page": "9"}))


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999", "1e9", "²", "\0", ""])
def test_a_nonsensical_page_is_no_error(mine: Client, user: User, number: str) -> None:
    task("Done", "completed", owner=user)
    assert mine.get("/work/finished/", {"page": number}).status_code == 200


@pytest.mark.parametrize("section", [*Section, "nonsense"])
def test_each_list_has_a_page_and_an_unknown_one_has_none(client: Client, section: str) -> None:
    response = client.get(f"/work/{section}/")
    assert response.status_code == (200 if section in list(Section) else 404)
    assert section == "nonsense" or "nothing in this list" in text_of(response)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what the tables hold")
@pytest.mark.parametrize("caller", [Caller(user_id=1), Caller(session_key="x" * 32)], ids=["user", "visitor"])
@pytest.mark.parametrize("section", [Section.RUNNING, Section.FAILED, Section.FINISHED])
def test_a_list_reads_its_owners_rows_only_in_the_order_of_an_index(caller: Caller, section: Section) -> None:
    with CaptureQueriesContext(connection) as queries:
        list_work(caller, section, first=0, count=HOME_ROWS)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = " | ".join(row[3] for row in cursor.fetchall())
    assert "SEARCH tasks_taskroot USING INDEX tasks_root_" in plan
    assert "TEMP B-TREE" not in plan


def test_home_is_asked_for_and_never_kept(client: Client) -> None:
    assert client.post("/").status_code == 405
    assert client.head("/").status_code == 200
    for path in ("/", "/work/running/"):
        response: HttpResponse = client.get(path)
        assert "no-store" in response.headers["Cache-Control"]
