"""Lists promise the newest tasks that belong in them, and each change of one, whatever becomes of the messages."""

import asyncio
import json
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connections, transaction
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.domain.listing import WINDOW, ListFilter, ListScope, Summary
from tasks.domain.statuses import NodeStatus
from tasks.errors import NotAllowed, TaskNotFound
from tasks.live import Hub, Visitor, current_hub
from tasks.live.list_follower import ListFollower, Shown
from tasks.live.lists import Lists
from tasks.live.reader import Reader
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer
from tasks.services.lists import read_list
from tasks.services.publish import close_publisher, flush_publisher
from tasks.services.roots import Owner, create_root, end_root, report_progress
from tests.tasks.live.streams import until


class Site:
    """Do what processes that write do, in a thread of their own."""

    def __init__(self, writer: Reader) -> None:
        self._writer = writer

    async def run(self, action: Callable[[], Any]) -> Any:
        return await self._writer.run(action)

    async def create(self, title: str = "Import", **options: Any) -> uuid.UUID:
        root = await self.tell(lambda: create_root(title=title, **{"owner": Owner(), **options}))
        return root.pk

    async def progress(self, root_id: uuid.UUID, **progress: Any) -> None:
        await self.tell(lambda: report_progress(root_id=root_id, title="Import", **progress))

    async def end(self, root_id: uuid.UUID, status: NodeStatus = NodeStatus.COMPLETED, **fields: Any) -> None:
        await self.tell(lambda: end_root(root_id=root_id, status=status, **fields))

    async def tell(self, action: Callable[[], Any]) -> Any:
        result = await self._writer.run(action)
        assert await asyncio.to_thread(flush_publisher)
        return result

    async def keep_secret(self, action: Callable[[], Any]) -> Any:
        """Do something of which every message is lost."""

        def act() -> Any:
            with transaction.atomic():
                result = action()
                transaction.get_connection().run_on_commit.clear()
            return result

        return await self._writer.run(act)


@pytest.fixture
async def site(transactional_db: None, broker: object) -> AsyncIterator[Site]:
    writer = Reader(threads=1)
    yield Site(writer)
    await asyncio.to_thread(close_publisher)
    await asyncio.to_thread(writer.close)


@pytest.fixture
def staff(transactional_db: None) -> User:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_taskroot"))
    return user


def mine(owner: User) -> dict[str, Owner]:
    return {"owner": Owner(user_id=owner.pk)}


async def heard(follower: ListFollower) -> dict[str, Any]:
    (item,) = await follower.next(timeout_seconds=10)
    return json.loads(item.text)


async def begun(hub: Hub, scope: ListScope, visitor: Visitor, **wanted: Any) -> tuple[ListFollower, dict[str, Any]]:
    follower = await hub.follow_list(scope, visitor=visitor, wanted=ListFilter(**wanted))
    return follower, await heard(follower)


def ids(message: dict[str, Any]) -> list[str]:
    return [task["taskId"] for task in message["tasks"]]


async def test_a_list_comes_first_newest_first(site, owner, visitor, start_hub):
    roots = [await site.create(f"Import {number}", **mine(owner)) for number in range(3)]

    _, message = await begun(start_hub(), ListScope.MINE, visitor)

    assert (message["type"], message["scope"], message["snapshot"]) == ("tasks", "mine", True)
    assert ids(message) == [str(root) for root in reversed(roots)]
    assert message["tasks"][0] == {
        "isOwner": True,
        "taskId": str(roots[-1]),
        "title": "Import 2",
        "status": "created",
        "seq": 1,
        "createdAt": message["tasks"][0]["createdAt"],
    }


async def test_a_new_task_its_progress_and_its_end_are_told(site, owner, visitor, start_hub):
    follower, message = await begun(start_hub(), ListScope.MINE, visitor)
    assert message["tasks"] == []

    root = await site.create(**mine(owner))
    (new,) = (await heard(follower))["tasks"]
    await site.progress(root, current=1, total=4, message="one")
    (going,) = (await heard(follower))["tasks"]
    await site.end(root, NodeStatus.FAILED, reason="no file")
    (ended,) = (await heard(follower))["tasks"]

    assert (new["seq"], going["seq"], ended["seq"]) == (1, 2, 3)
    assert (going["current"], going["total"], going["percent"], going["message"]) == (1, 4, 25, "one")
    assert (ended["status"], ended["error"]) == ("failed", "no file")
    assert ended["finishedAt"] >= ended["createdAt"]


async def test_lists_hold_what_belongs_in_them(site, owner, staff, visitor, start_hub):
    other = await site.run(lambda: User.objects.create_user("other"))
    of_owner = await site.create(**mine(owner))
    of_other = await site.create(**mine(other))
    shared = await site.create(shared=True, **mine(other))
    await site.create(request_scoped=True, shared=True, **mine(owner))
    part = await site.create(shared=True, parent_id=of_owner, **mine(owner))
    await site.run(lambda: TaskRoot.objects.filter(pk=part).update(is_part=True))
    of_session = await site.create(owner=Owner(session_key="abc"))
    hub = start_hub()

    async def seen(scope: ListScope, who: Any) -> set[str]:
        return set(ids((await begun(hub, scope, Visitor(user=who, session=None)))[1]))

    assert await seen(ListScope.MINE, owner) == {str(of_owner)}
    assert await seen(ListScope.MINE, AnonymousUser()) == set()
    assert await seen(ListScope.SHARED, AnonymousUser()) == {str(shared)}
    assert await seen(ListScope.ALL, staff) == {str(one) for one in (of_owner, of_other, shared, of_session)}
    for who in (owner, AnonymousUser()):
        with pytest.raises(NotAllowed):
            await seen(ListScope.ALL, who)


async def test_what_was_begun_before_signing_in_is_in_ones_list(site, owner):
    of_session = await site.create(owner=Owner(session_key="abc"))
    of_user = await site.create(**mine(owner))
    viewer = Viewer(user_id=owner.pk, session_key="abc")

    found = await site.run(lambda: read_list(viewer, ListScope.MINE, ListFilter()))

    assert [one.task_id for one in found] == [str(of_user), str(of_session)]


async def test_nobody_hears_of_what_isnt_theirs(site, owner, visitor, start_hub):
    follower, _ = await begun(start_hub(), ListScope.MINE, visitor)

    await site.create(owner=Owner(session_key="somebody"))
    await site.create(request_scoped=True, **mine(owner))
    ours = await site.create(**mine(owner))

    assert ids(await heard(follower)) == [str(ours)]
    assert await follower.next(timeout_seconds=0.3) == []


async def test_is_owner_is_said_to_each_separately(site, owner, visitor, stranger, start_hub):
    hub = start_hub()
    followers = [(await begun(hub, ListScope.SHARED, who))[0] for who in (visitor, stranger)]

    await site.create(shared=True, **mine(owner))

    assert [(await heard(follower))["tasks"][0]["isOwner"] for follower in followers] == [True, False]


async def test_lost_messages_are_found_at_the_next_look(site, owner, visitor, start_hub):
    follower, _ = await begun(start_hub(reread_seconds=0.05), ListScope.MINE, visitor)

    root = await site.keep_secret(lambda: create_root(title="Quiet", owner=Owner(user_id=owner.pk)))
    (new,) = (await heard(follower))["tasks"]
    await site.keep_secret(lambda: end_root(root_id=root.pk, status=NodeStatus.COMPLETED))
    (ended,) = (await heard(follower))["tasks"]

    assert (new["taskId"], new["status"], ended["status"]) == (str(root.pk), "created", "completed")


async def test_a_lost_change_of_status_is_found_in_the_end(site, owner, visitor, start_hub):
    """It was in no list before, and is no new task either."""
    root = await site.create(**mine(owner))
    await site.run(lambda: TaskRoot.objects.filter(pk=root).update(created_at=timezone.now() - timedelta(hours=1)))
    hub = start_hub(reread_seconds=0.01)
    follower, message = await begun(hub, ListScope.MINE, visitor, statuses=frozenset({"failed"}))
    assert message["tasks"] == []

    await site.keep_secret(lambda: end_root(root_id=root, status=NodeStatus.FAILED))

    assert ids(await heard(follower)) == [str(root)]


async def test_a_task_that_is_purged_leaves_the_list(site, owner, visitor, start_hub):
    root = await site.create(**mine(owner))
    follower, _ = await begun(start_hub(reread_seconds=0.05), ListScope.MINE, visitor)

    await site.run(lambda: TaskRoot.objects.filter(pk=root).delete())

    message = await heard(follower)
    assert (message["tasks"], message["gone"]) == ([], [str(root)])


async def test_a_task_that_is_shared_no_more_leaves_the_list(site, owner, stranger, start_hub):
    root = await site.create(shared=True, **mine(owner))
    follower, _ = await begun(start_hub(), ListScope.SHARED, stranger)

    await site.run(lambda: TaskRoot.objects.filter(pk=root).update(shared=False))
    await site.progress(root, message="now mine alone")

    message = await heard(follower)
    assert (message["tasks"], message["gone"]) == ([], [str(root)])


async def test_what_passes_the_filter_no_more_is_told_once_more_and_leaves(site, owner, visitor, start_hub):
    root = await site.create(**mine(owner))
    follower, _ = await begun(start_hub(), ListScope.MINE, visitor, open_only=True)

    await site.end(root)

    message = await heard(follower)
    assert [(task["taskId"], task["status"]) for task in message["tasks"]] == [(str(root), "completed")]
    assert message["gone"] == [str(root)]


FILTERS = {
    "nothing": ({}, {"open", "done", "failed", "cancelling", "ending", "ended", "dead"}),
    "a status": ({"statuses": frozenset({"failed"})}, {"failed"}),
    "several": ({"statuses": frozenset({"failed", "created"})}, {"failed", "open"}),
    "what was asked to stop and has": ({"statuses": frozenset({"cancelled"})}, {"ended"}),
    "a job's status": ({"statuses": frozenset({"dead_letter"})}, {"dead"}),
    "asked to stop": ({"statuses": frozenset({"cancel_requested"})}, {"cancelling", "ending"}),
    "the stored status of what is asked to stop": ({"statuses": frozenset({"running"})}, set()),
    "a function": ({"functions": frozenset({"reports.build"})}, {"cancelling"}),
    "open ones": ({"open_only": True}, {"open", "cancelling", "ending"}),
    "a word": ({"text": "DON"}, {"done"}),
    "all of it": ({"text": "a", "open_only": True, "functions": frozenset({"reports.build"})}, {"cancelling"}),
}


def fill(owner: User) -> None:
    by = Owner(user_id=owner.pk)
    for title in ("open", "done", "failed", "cancelling", "ending", "ended", "dead"):
        root = create_root(title=title, owner=by)
        if title == "done":
            end_root(root_id=root.pk, status=NodeStatus.COMPLETED)
        if title in ("failed", "dead"):
            end_root(root_id=root.pk, status=NodeStatus.FAILED)
        now = timezone.now()
        if title in ("ending", "ended"):
            # Trees without a job.
            TaskRoot.objects.filter(pk=root.pk).update(cancel_requested_at=now)
        if title == "ended":
            end_root(root_id=root.pk, status=NodeStatus.CANCELLED)
        if title == "cancelling":
            Job.objects.create(
                root=root, function="reports.build", status="running", due_at=now, cancel_requested_at=now
            )
        if title == "dead":
            Job.objects.create(root=root, function="rows.read", status="dead_letter", due_at=now)


@pytest.mark.django_db
@pytest.mark.parametrize(("wanted", "expected"), FILTERS.values(), ids=FILTERS)
def test_the_database_and_the_live_list_filter_alike(wanted: dict[str, Any], expected: set[str]) -> None:
    owner = User.objects.create_user("owner")
    fill(owner)
    viewer = Viewer(user_id=owner.pk)
    whole = read_list(viewer, ListScope.MINE, ListFilter())

    read = read_list(viewer, ListScope.MINE, ListFilter(**wanted))

    assert {one.title for one in read} == expected
    assert {one.title for one in whole if ListFilter(**wanted).takes(one)} == expected


TITLES = ("Ärger", "ärgerlich", "ÉTÉ", "Яблоко", "100 %", "100", "a_b", "axb", "a.b", "C:\\x", "(open", "Straße")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ä", {"Ärger", "ärgerlich"}),
        ("ÄRGER", {"Ärger", "ärgerlich"}),
        ("été", {"ÉTÉ"}),
        ("яБЛ", {"Яблоко"}),
        ("0 %", {"100 %"}),
        ("A_B", {"a_b"}),
        (".", {"a.b"}),
        (":\\X", {"C:\\x"}),
        ("(", {"(open"}),
        ("RASS", set()),
    ],
)
def test_a_text_is_found_in_upper_and_lower_case_by_the_database_and_the_live_list(
    text: str, expected: set[str]
) -> None:
    owner = User.objects.create_user("owner")
    for title in TITLES:
        create_root(title=title, owner=Owner(user_id=owner.pk))
    viewer, wanted = Viewer(user_id=owner.pk), ListFilter(text=text)

    read = {one.title for one in read_list(viewer, ListScope.MINE, wanted)}

    assert read == expected
    assert read == {one.title for one in read_list(viewer, ListScope.MINE, ListFilter()) if wanted.takes(one)}


@pytest.mark.django_db
def test_since_leaves_out_what_had_ended_before() -> None:
    owner = User.objects.create_user("owner")
    fill(owner)
    TaskRoot.objects.filter(title="done").update(finished_at=timezone.now() - timedelta(hours=2))
    wanted = ListFilter(since=timezone.now() - timedelta(hours=1))
    viewer = Viewer(user_id=owner.pk)

    read = {one.title for one in read_list(viewer, ListScope.MINE, wanted)}

    assert read == {"open", "failed", "cancelling", "ending", "ended", "dead"}
    assert read == {one.title for one in read_list(viewer, ListScope.MINE, ListFilter()) if wanted.takes(one)}


async def test_a_list_is_bounded_and_the_newest_stay(site, owner, visitor, start_hub):
    def add(count: int) -> None:
        TaskRoot.objects.bulk_create(TaskRoot(title="x", owner=owner, last_seq=1) for _ in range(count))

    await site.run(lambda: add(WINDOW + 5))
    follower, message = await begun(start_hub(), ListScope.MINE, visitor)
    assert len(message["tasks"]) == WINDOW

    root = await site.create(**mine(owner))

    change = await heard(follower)
    assert ids(change) == [str(root)]
    assert change["gone"] == [ids(message)[-1]]
    assert len(follower.window) == WINDOW


async def test_a_slow_client_gets_the_last_state_only(site, owner, visitor, start_hub):
    root = await site.create(**mine(owner))
    hub = start_hub()
    slow, _ = await begun(hub, ListScope.MINE, visitor)
    quick, _ = await begun(hub, ListScope.MINE, visitor)

    for number in range(3):
        await site.progress(root, current=number)
        assert (await heard(quick))["tasks"][0]["current"] == number

    message = await heard(slow)
    assert [task["current"] for task in message["tasks"]] == [2]
    assert await slow.next(timeout_seconds=0.05) == []


def keep_secrets(viewer: Viewer, root: TaskRoot, action: str) -> bool | None:
    """Be a team's own authorizer, which stumbles over one task."""
    if root.title == "Odd":
        raise LookupError(root.title)
    return False if root.message == "secret" and viewer.user_id is None else None


async def test_what_a_team_keeps_from_somebody_is_in_no_list_of_theirs(site, owner, stranger, start_hub, settings):
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.keep_secrets"
    hub = start_hub(reread_seconds=3_600.0)
    secret, plain = [await site.create(shared=True, **mine(owner)) for _ in range(2)]
    await site.create("Odd", shared=True, **mine(owner))
    await site.progress(secret, message="secret")
    theirs, shown_to_them = await begun(hub, ListScope.SHARED, stranger)
    ours, shown_to_us = await begun(hub, ListScope.SHARED, Visitor(user=owner, session=None))
    assert (ids(shown_to_them), ids(shown_to_us)) == ([str(plain)], [str(plain), str(secret)])

    await site.progress(secret, message="secret", current=1)
    assert ids(await heard(ours)) == [str(secret)]
    await site.progress(plain, message="secret")
    assert ids(await heard(ours)) == [str(plain)]

    message = await heard(theirs)
    assert (message["tasks"], message["gone"]) == ([], [str(plain)])


async def test_what_a_team_keeps_from_somebody_later_leaves_their_list(site, owner, stranger, start_hub, settings):
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.keep_secrets"
    hub = start_hub(reread_seconds=0.01)
    root = await site.create(shared=True, **mine(owner))
    follower, _ = await begun(hub, ListScope.SHARED, stranger)

    # No update tells of it.
    await site.run(lambda: TaskRoot.objects.filter(pk=root).update(message="secret"))

    assert (await heard(follower))["gone"] == [str(root)]


def follower_of_all(*, known: Sequence[Summary] = (), **wanted: Any) -> ListFollower:
    async def read(*_: object) -> list[Shown]:
        return [Shown(summary) for summary in known]

    return ListFollower(
        ListScope.ALL,
        wanted=ListFilter(**wanted),
        visitor=Visitor(user=None, session=None),
        viewer=Viewer(sees_all=True),
        read=read,
        on_close=lambda _: None,
    )


def summary(number: int, **state: Any) -> Summary:
    created_at = timezone.now() + timedelta(seconds=number)
    given = {"status": "running", "seq": 1, "closed": False, **state}
    return Summary(task_id=str(uuid.UUID(int=number)), title="Import", created_at=created_at, **given)


def test_nothing_is_kept_for_a_client_that_has_not_taken_its_list_yet():
    follower = follower_of_all()
    shown = Shown(summary(1))
    kept = weakref.ref(shown)

    follower.take([shown], [str(uuid.UUID(int=2))])

    del shown
    assert kept() is None


async def test_what_passes_by_a_client_that_does_not_read_leaves_nothing_behind():
    known = [summary(number) for number in range(WINDOW)]
    follower = follower_of_all(known=known, open_only=True)
    await heard(follower)

    for number in range(WINDOW, 10 * WINDOW):
        follower.take([Shown(summary(number))], [])
    for number in range(5 * WINDOW, 10 * WINDOW):
        follower.take([Shown(summary(number, closed=True, seq=2))], [])

    message = await heard(follower)
    assert message["tasks"] == []
    assert set(message["gone"]) == {one.task_id for one in known}


class Held(Reader):
    """Read, and hand lists out only when they are let go."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.let_go = asyncio.Event()
        self.lists = 0

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        found = await super().run(function, *args, **kwargs)
        if function is read_list:
            self.lists += 1
            await self.let_go.wait()
        return found


async def test_a_list_that_is_shared_is_not_older_than_what_was_told_before(site, owner, visitor):
    async def join() -> None:
        return None

    reader = Held()
    lists = Lists(reader=reader, join=join, leave=lambda: None)
    early, late = [await lists.follow(ListScope.MINE, visitor=visitor, wanted=ListFilter()) for _ in range(2)]
    first = asyncio.create_task(early.next())
    await until(lambda: reader.lists == 1)
    root = await site.create(**mine(owner))
    lists.take_message({"roots": [root.hex]})
    await lists._gathering
    second = asyncio.create_task(late.next())
    await until(lambda: reader.lists == 2)

    reader.let_go.set()

    assert [ids(json.loads(item.text)) for item in [*await first, *await early.next()]] == [[], [str(root)]]
    assert ids(json.loads((await second)[0].text)) == [str(root)]
    await lists.close()
    await asyncio.to_thread(reader.close)


async def test_who_loses_the_permission_loses_the_list(site, staff, start_hub):
    hub = start_hub(recheck_seconds=0.05)
    follower, _ = await begun(hub, ListScope.ALL, Visitor(user=staff, session=None))

    await site.run(lambda: User.objects.filter(pk=staff.pk).update(is_staff=False))

    with pytest.raises(TaskNotFound):
        await follower.next(timeout_seconds=10)


@pytest.mark.django_db
def test_a_list_costs_two_queries_however_long() -> None:
    owner = User.objects.create_user("owner")
    for _ in range(5):
        fill(owner)
    with CaptureQueriesContext(connections["default"]) as queries:
        assert len(read_list(Viewer(user_id=owner.pk), ListScope.MINE, ListFilter())) == 35
    assert len(queries) == 2


@pytest.fixture
async def client(site, owner) -> AsyncIterator[AsyncClient]:
    client = AsyncClient()
    await client.aforce_login(owner)
    yield client
    await current_hub().close()
    await sync_to_async(connections.close_all)()


async def test_a_list_over_http(site, owner, client):
    await site.create("Old import", **mine(owner))
    root = await site.create("New export", **mine(owner))

    whole = (await client.get("/api/tasks/")).json()
    found = (await client.get("/api/tasks/", {"scope": "mine", "text": "export", "status": "created,running"})).json()
    one = (await client.get("/api/tasks/", {"limit": "1"})).json()

    assert [task["title"] for task in whole["tasks"]] == ["New export", "Old import"]
    assert (found["type"], found["scope"], ids(found)) == ("tasks", "mine", [str(root)])
    assert ids(one) == [str(root)]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"scope": "all"}, 403, "forbidden"),
        ({"scope": "yours"}, 400, "bad_request"),
        ({"status": "sleeping"}, 400, "bad_request"),
        ({"since": "yesterday"}, 400, "bad_request"),
        ({"since": "2026-11-20T12:00:00"}, 400, "bad_request"),
        ({"limit": "0"}, 400, "bad_request"),
        ({"limit": "201"}, 400, "bad_request"),
        ({"text": "x" * 300}, 400, "bad_request"),
        ({"text": "\0"}, 400, "bad_request"),
    ],
)
async def test_what_a_list_can_not_be_asked_for(query, status, code, client):
    answer = await client.get("/api/tasks/", query)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
