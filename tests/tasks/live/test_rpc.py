"""Functions called by name over HTTP: one, several at once, and one that tells how far it is."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections
from django.http import Http404
from django.test import AsyncClient, Client

from tasks import check_cancelled, job, mutation, output, progress, query, start_task, subtask
from tasks.domain.jsonvalue import JSON
from tasks.errors import NotAllowed, TaskCancelled
from tasks.live import current_hub
from tasks.models import Job, TaskRoot
from tasks.registry import CallContext, JobContext
from tests.tasks.live.streams import until

PROBLEM = "application/problem+json"
EVENTS = {"Accept": "text/event-stream"}


pytestmark = pytest.mark.usefixtures("own_declarations")


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("caller")


@pytest.fixture
def client(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def call(client: Client, name: str, arguments: object = None, **headers: str) -> Any:
    body = "" if arguments is None else json.dumps(arguments)
    return client.post(f"/api/rpc/{name}", body, content_type="application/json", headers=headers)


def batch(client: Client, *calls: tuple[str, dict[str, Any]]) -> Any:
    body = json.dumps([{"fn": name, "args": arguments} for name, arguments in calls])
    return client.post("/api/rpc/batch", body, content_type="application/json")


def test_a_call_answers_with_the_bare_result(client: Client, user: User) -> None:
    @query("test.whoami")
    def whoami(context: CallContext, greeting: str = "hello") -> dict[str, str]:
        return {"said": f"{greeting} {context.user.get_username()}"}

    assert call(client, "test.whoami").json() == {"said": "hello caller"}
    assert call(client, "test.whoami/", {"greeting": "hi"}).json() == {"said": "hi caller"}


def test_a_coroutine_is_a_function_like_any_other(client: Client) -> None:
    @query("test.async_double")
    async def double(context: CallContext, number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    assert call(client, "test.async_double", {"number": 21}).json() == 42


def test_nothing_returned_is_null(client: Client) -> None:
    mutation("test.nothing")(lambda context: None)
    answer = call(client, "test.nothing")
    assert (answer.content, answer["Content-Type"]) == (b"null", "application/json")


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (NotAllowed("Not yours."), 403, "forbidden"),
        (PermissionDenied("Not yours."), 403, "forbidden"),
        (Http404(), 404, "not_found"),
        (User.DoesNotExist(), 404, "not_found"),
        (ValidationError({"name": ["Too long."]}), 400, "invalid"),
        (TaskCancelled(), 409, "cancelled"),
        (ZeroDivisionError("a secret"), 500, "internal"),
    ],
)
def test_what_a_function_raises_is_a_problem_with_a_code(
    client: Client, raised: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    @mutation("test.fails")
    def fails(context: CallContext) -> None:
        raise raised

    answer = call(client, "test.fails")

    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM)
    told = answer.json()
    assert (told["code"], told["status"], told["detail"]) == (code, status, told["message"])
    assert "secret" not in answer.content.decode()
    # Our own faults are for the log.
    assert ("test.fails failed" in caplog.text) == (status == 500)


def test_a_result_that_isnt_what_was_declared_is_our_fault(client: Client) -> None:
    @query("test.lies")
    def lies(context: CallContext) -> int:
        return "no number"  # type: ignore[return-value]

    assert call(client, "test.lies").status_code == 500


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("test.typed", '{"number": "x"}', 400, "invalid_arguments"),
        ("test.typed", '{"number": 1, "more": 2}', 400, "invalid_arguments"),
        ("test.typed", "[1]", 400, "bad_request"),
        ("test.typed", "{", 400, "bad_request"),
        ("test.typo", "{}", 404, "unknown_function"),
        ("test.staff", "{}", 403, "forbidden"),
        ("batch", "{}", 400, "bad_request"),
        ("batch", '[{"fn": 1}]', 400, "bad_request"),
    ],
)
def test_a_bad_call_is_told_what_is_wrong(client: Client, name: str, body: str, status: int, code: str) -> None:
    query("test.staff", access="staff")(lambda context: None)

    @query("test.typed")
    def typed(context: CallContext, number: int) -> int:
        return number

    answer = client.post(f"/api/rpc/{name}", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_who_hasnt_signed_in_is_asked_to(db: None) -> None:
    query("test.inside")(lambda context: 1)
    query("test.outside", access="anyone")(lambda context: 2)
    nobody = Client()

    refused = call(nobody, "test.inside")
    assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_required")
    assert refused["WWW-Authenticate"]
    answer = call(nobody, "test.outside")
    assert (answer.json(), list(answer.cookies)) == (2, [])


def test_a_permission_opens_a_function(client: Client, user: User) -> None:
    query("test.log", access="tasks.view_taskroot")(lambda context: "shown")
    assert call(client, "test.log").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_taskroot"))
    assert call(client, "test.log").json() == "shown"


def test_pages_of_other_sites_cant_call(user: User) -> None:
    mutation("test.change")(lambda context: "changed")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert call(client, "test.change").status_code == 403


def test_only_what_is_offered_can_be_accepted(client: Client) -> None:
    query("test.one")(lambda context: 1)
    assert call(client, "test.one", Accept="text/html").status_code == 406
    assert call(client, "test.one", Accept="*/*").json() == 1
    answer = client.post("/api/rpc/batch", "[]", content_type="application/json", headers=EVENTS)
    assert answer.status_code == 406


def test_a_get_changes_nothing(client: Client) -> None:
    mutation("test.change")(lambda context: "changed")
    assert client.get("/api/rpc/test.change").status_code == 405


def test_a_job_is_started_for_whoever_calls(client: Client, user: User) -> None:
    @job("test.export", access="signed_in")
    def export(context: JobContext, format: str) -> None: ...

    answer = call(client, "test.export", {"format": "csv"})

    [found] = Job.objects.select_related("root").filter(function="test.export")
    assert answer.json() == {"job_id": str(found.root_id)}
    assert (found.root.owner, found.arguments) == (user, {"format": "csv"})
    wrong = call(client, "test.export", {})
    assert (wrong.status_code, wrong.json()["fields"]) == (400, {"arguments": ["format"]})
    assert Job.objects.filter(function="test.export").count() == 1


def test_a_job_that_anyone_may_start_belongs_to_their_session(db: None) -> None:
    @job("test.public", access="anyone")
    def public(context: JobContext) -> None: ...

    nobody = Client()
    job_id = call(nobody, "test.public").json()["job_id"]

    assert nobody.get(f"/api/tasks/{job_id}/").status_code == 200
    assert Client().get(f"/api/tasks/{job_id}/").status_code == 404


def test_a_start_that_is_sent_again_starts_nothing_more(client: Client, user: User) -> None:
    @job("test.export", access="signed_in")
    def export(context: JobContext, format: str) -> None: ...

    @job("test.other", access="signed_in")
    def other(context: JobContext, format: str) -> None: ...

    key = {"Idempotency-Key": "monday"}
    first = call(client, "test.export", {"format": "csv"}, **key).json()
    assert call(client, "test.export", {"format": "csv"}, **key).json() == first
    reused = call(client, "test.export", {"format": "xlsx"}, **key)
    assert (reused.status_code, reused.json()["code"]) == (409, "key_reused")
    assert Job.objects.count() == 1

    # Another function's, another caller's, another key's, and those without one, are others.
    stranger = Client()
    stranger.force_login(User.objects.create_user("stranger"))
    call(client, "test.other", {"format": "csv"}, **key)
    call(stranger, "test.export", {"format": "csv"}, **key)
    call(client, "test.export", {"format": "csv"}, **{"Idempotency-Key": "tuesday"})
    call(client, "test.export", {"format": "csv"})
    assert Job.objects.count() == 5
    assert call(client, "test.export", {"format": "csv"}, **{"Idempotency-Key": "x" * 101}).status_code == 400


def test_what_a_job_makes_its_key_of_goes_before_the_callers_key(client: Client) -> None:
    @job("test.once_a_day", access="signed_in", idempotency_key="day:{day}")
    def once(context: JobContext, day: str) -> None: ...

    for key in ("a", "b"):
        call(client, "test.once_a_day", {"day": "monday"}, **{"Idempotency-Key": key})
    assert Job.objects.count() == 1


def test_each_call_of_a_batch_has_a_key_of_its_own(client: Client) -> None:
    @job("test.export", access="signed_in")
    def export(context: JobContext) -> None: ...

    calls = [{"fn": "test.export", "key": "a"}, {"fn": "test.export", "key": "b"}, {"fn": "test.export", "key": "a"}]
    told = client.post("/api/rpc/batch", json.dumps(calls), content_type="application/json").json()
    assert told[0] == told[2] != told[1]
    assert Job.objects.count() == 2


def test_a_batch_answers_in_order_and_failures_stop_nothing(client: Client) -> None:
    done: list[str] = []

    @mutation("test.note")
    def note(context: CallContext, text: str) -> str:
        if text == "bad":
            raise NotAllowed("Not this one.")
        done.append(text)
        return text

    query("test.seen")(lambda context: list(done))

    answer = batch(
        client,
        ("test.seen", {}),
        ("test.note", {"text": "a"}),
        ("test.note", {"text": "bad"}),
        ("test.missing", {}),
        ("test.note", {}),
        ("test.note", {"text": "b"}),
        ("test.seen", {}),
    )

    told = answer.json()
    assert [one["data"] for one in told if one["ok"]] == [[], "a", "b", ["a", "b"]]
    assert [one["error"]["code"] for one in told if not one["ok"]] == [
        "forbidden",
        "unknown_function",
        "invalid_arguments",
    ]
    assert [one["ok"] for one in told] == [True, True, False, False, False, True, True]


@pytest.mark.parametrize("result", [object(), {"deep": [object()]}])
def test_a_result_that_json_has_no_word_for_fails_its_own_call_only(client: Client, result: object) -> None:
    query("test.odd")(lambda context: result)
    query("test.one")(lambda context: 1)

    assert call(client, "test.odd").status_code == 500
    told = batch(client, ("test.one", {}), ("test.odd", {}), ("test.one", {})).json()
    assert [one["ok"] for one in told] == [True, False, True]
    assert told[1]["error"]["code"] == "internal"


def test_half_a_character_is_replaced_and_no_answer_is_lost(client: Client) -> None:
    query("test.half")(lambda context: "a\ud800b")
    assert call(client, "test.half").json() == "a\ufffdb"
    assert batch(client, ("test.half", {})).json() == [{"ok": True, "data": "a\ufffdb"}]


def test_an_empty_batch_is_answered_by_nothing(client: Client) -> None:
    assert batch(client).json() == []


def test_queries_of_a_batch_are_made_side_by_side(transactional_db: None) -> None:
    user = User.objects.create_user("caller")
    client = Client()
    client.force_login(user)
    together = threading.Barrier(3)

    @query("test.meets")
    def meets(context: CallContext) -> int:
        # Comes through only where the others are there too.
        together.wait(10)
        return User.objects.count()

    told = batch(client, *[("test.meets", {})] * 3).json()

    assert told == [{"ok": True, "data": 1}] * 3


# What is streamed is written by another thread, on a connection of its own.


@pytest.fixture
async def streaming(transactional_db: None, broker: object) -> AsyncIterator[AsyncClient]:
    client = AsyncClient()
    yield client
    await current_hub().close()
    await sync_to_async(connections.close_all)()


class Events:
    """Read the events of a streamed call, one after the other."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._parts = response.__aiter__()
        self._waiting: list[tuple[str, JSON]] = []

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(10):
            while not self._waiting:
                for block in (await anext(self._parts)).decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                    if "data" in fields:
                        self._waiting.append((fields.get("event", "message"), json.loads(fields["data"])))
        return self._waiting.pop(0)

    async def rest(self) -> list[tuple[str, Any]]:
        found = []
        while True:
            try:
                found.append(await self.next())
            except StopAsyncIteration:
                return found

    async def close(self) -> None:
        """Go, as Django's handler does for a client that goes."""
        await self._parts.aclose()
        await asyncio.to_thread(self._response.close)


async def stream(client: AsyncClient, name: str, arguments: object = None, **headers: str) -> Any:
    body = json.dumps(arguments or {})
    return await client.post(f"/api/rpc/{name}", body, content_type="application/json", headers={**EVENTS, **headers})


async def signed_in(client: AsyncClient) -> User:
    user = await User.objects.acreate(username="caller")
    await client.aforce_login(user)
    return user


def _sync_import() -> Callable[..., Any]:
    def import_rows(context: CallContext, rows: int) -> dict[str, int]:
        with subtask("Reading", total=rows):
            progress(rows)
            output(f"{rows} rows")
        return {"rows": rows}

    return import_rows


def _async_import() -> Callable[..., Any]:
    async def import_rows(context: CallContext, rows: int) -> dict[str, int]:
        async with subtask("Reading", total=rows):
            progress(rows)
            output(f"{rows} rows")
            await asyncio.sleep(0)
        return {"rows": rows}

    return import_rows


@pytest.mark.parametrize("make", [_sync_import, _async_import])
@pytest.mark.parametrize("who", ["user", "nobody"])
async def test_a_streamed_call_tells_its_tree_and_then_its_result(
    streaming: AsyncClient, make: Callable[[], Callable[..., Any]], who: str
) -> None:
    mutation("test.import", access="anyone")(make())
    if who == "user":
        await signed_in(streaming)

    response = await stream(streaming, "test.import", {"rows": 3})

    assert response["Content-Type"].startswith("text/event-stream")
    events = await Events(response).rest()
    updates = [event for kind, event in events if kind == "message"]
    assert [update["seq"] for update in updates] == list(range(1, len(updates) + 1))
    assert (updates[0]["type"], updates[-1]["type"]) == ("taskStart", "taskEnd")
    [read] = [update for update in updates if update["type"] == "nodeStart"]
    assert (read["node"]["title"], read["total"]) == ("Reading", 3)
    assert [update["text"] for update in updates if update["type"] == "nodeOutput"] == ["3 rows\n"]
    assert events[-1] == ("result", {"rows": 3})


async def test_a_call_that_reports_nothing_streams_its_result_only(streaming: AsyncClient) -> None:
    await signed_in(streaming)
    query("test.one")(lambda context: 1)

    assert await Events(await stream(streaming, "test.one")).rest() == [("result", 1)]
    assert await TaskRoot.objects.acount() == 0


async def test_a_streamed_failure_ends_its_tree_and_is_the_last_event(streaming: AsyncClient) -> None:
    await signed_in(streaming)

    @mutation("test.fails")
    def fails(context: CallContext) -> None:
        progress(1, 2)
        raise NotAllowed("Not yours.")

    events = await Events(await stream(streaming, "test.fails")).rest()

    assert events[-1] == ("error", {"code": "forbidden", "message": "Not yours."})
    assert events[-2][1]["type"] == "taskError"


async def test_what_is_wrong_before_it_begins_has_a_status(streaming: AsyncClient) -> None:
    query("test.one")(lambda context: 1)
    assert (await stream(streaming, "test.one")).status_code == 401
    await signed_in(streaming)
    assert (await stream(streaming, "test.two")).status_code == 404
    assert (await stream(streaming, "test.one", {"a": 1})).status_code == 400


async def test_progress_is_told_while_the_call_is_made(streaming: AsyncClient) -> None:
    await signed_in(streaming)
    go_on = threading.Event()

    @mutation("test.waits")
    def waits(context: CallContext) -> str:
        progress(1, 2, "half")
        assert go_on.wait(10)
        return "done"

    events = Events(await stream(streaming, "test.waits"))
    while True:
        _, update = await events.next()
        if update["type"] == "nodeProgress":
            break
    assert update["message"] == "half"
    go_on.set()
    assert (await events.rest())[-1] == ("result", "done")


async def test_a_tree_that_the_client_has_named_is_the_same_one(streaming: AsyncClient) -> None:
    await signed_in(streaming)

    @mutation("test.reports")
    def reports(context: CallContext) -> None:
        with start_task("Importing"):
            progress(1, 1)

    name = str(uuid.uuid4())
    events = await Events(await stream(streaming, "test.reports", **{"X-Task-Request": name})).rest()

    assert events[-1] == ("result", None)
    assert "Importing" in [update["node"]["title"] for _, update in events[:-1] if update["type"] == "nodeStart"]
    assert await TaskRoot.objects.acount() == 1


async def test_when_the_client_goes_a_function_hears_of_it(streaming: AsyncClient) -> None:
    await signed_in(streaming)
    begun, ended = threading.Event(), threading.Event()
    told: list[str] = []

    @mutation("test.endless")
    def endless(context: CallContext) -> None:
        progress(0, 1)
        begun.set()
        until_when = time.monotonic() + 10
        try:
            while time.monotonic() < until_when:
                check_cancelled()
                time.sleep(0.005)
        except TaskCancelled as error:
            told.append(error.code)
        finally:
            ended.set()

    events = Events(await stream(streaming, "test.endless"))
    await events.next()
    assert await asyncio.to_thread(begun.wait, 10)
    await events.close()

    assert await asyncio.to_thread(ended.wait, 10)
    assert told == ["cancelled"]
    [root] = [root async for root in TaskRoot.objects.all()]
    await _until_status(root, "cancelled")


async def test_when_the_client_goes_a_coroutine_is_cancelled(streaming: AsyncClient) -> None:
    await signed_in(streaming)
    told: list[str] = []

    @mutation("test.endless")
    async def endless(context: CallContext) -> None:
        progress(0, 1)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    events = Events(await stream(streaming, "test.endless"))
    await events.next()
    await events.close()

    await until(lambda: told == ["cancelled"])


async def test_shared_and_detached_work_goes_on_when_the_client_goes(streaming: AsyncClient) -> None:
    await signed_in(streaming)
    kept: list[Any] = []

    @mutation("test.leaves")
    async def leaves(context: CallContext) -> None:
        kept.extend(
            [start_task("Mine"), start_task("Detached", detached=True), start_task("Both", detached=True, shared=True)]
        )
        progress(0, 1)
        await asyncio.sleep(60)

    events = Events(await stream(streaming, "test.leaves"))
    await events.next()
    await events.close()

    for task in kept[1:]:
        task.check_cancelled()
        task.close()
        root = await TaskRoot.objects.aget(pk=task.id)
        await _until_status(root, "completed")


async def _until_status(root: TaskRoot, status: str) -> None:
    async with asyncio.timeout(10):
        while root.status != status:
            await asyncio.sleep(0.02)
            await root.arefresh_from_db()


def test_the_callers_key_counts_where_the_job_makes_none(client: Client) -> None:
    @job("test.order", access="signed_in", idempotency_key=lambda arguments: arguments["order"])
    def order(context: JobContext, order: str = "") -> None: ...

    key = {"Idempotency-Key": "monday"}
    assert call(client, "test.order", {}, **key).json() == call(client, "test.order", {}, **key).json()
    assert Job.objects.count() == 1


def test_a_start_is_recognised_whatever_its_arguments_hold(client: Client) -> None:
    @job("test.greet", access="signed_in")
    def greet(context: JobContext, name: str) -> None: ...

    key = {"Idempotency-Key": "monday"}
    first, again = (call(client, "test.greet", {"name": "a\0b"}, **key) for _ in range(2))
    assert (first.status_code, first.json()) == (200, again.json())


def ends_by(error: BaseException, *, is_async: bool) -> Callable[[CallContext], Any]:
    def ends(context: CallContext) -> None:
        raise error

    async def ends_async(context: CallContext) -> None:
        raise error

    return ends_async if is_async else ends


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1)])
def test_a_call_that_ends_itself_keeps_no_other_from_its_answer(
    client: Client, error: BaseException, is_async: bool
) -> None:
    mutation("test.fine")(lambda context: 1)
    mutation("test.ends")(ends_by(error, is_async=is_async))
    body = json.dumps([{"fn": "test.fine"}, {"fn": "test.ends"}, {"fn": "test.fine"}])
    told = client.post("/api/rpc/batch", body, content_type="application/json").json()
    assert [one["ok"] for one in told] == [True, False, True]
    assert call(client, "test.ends", {}).status_code == 500
