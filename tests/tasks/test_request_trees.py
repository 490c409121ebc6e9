"""The trees of requests: found by their client alone, begun by the first report, ended as the request ends."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import alogin, login
from django.contrib.auth.models import Permission, User
from django.core.asgi import get_asgi_application
from django.db import connections, transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils import timezone

from tasks import current_node, output, progress, shared_subtask, start_task, step, subtask
from tasks.errors import TaskCancelled, TaskNotFound
from tasks.middleware import HEADER, RequestTaskMiddleware
from tasks.models import TaskRoot
from tasks.services.access import FIRST_KEY, Viewer, find_root, owned_by, viewer_of
from tasks.services.flusher import process_flusher
from tasks.services.requests import request_root_id
from tasks.services.roots import Owner
from tasks.tracking import UNTRACKED, Task
from tests.tasks.conftest import Trees

View = Callable[[HttpRequest], Any]

#: What the views of these tests do; each test puts its own here.
doing: dict[str, View] = {}


def sync_view(request: HttpRequest) -> HttpResponseBase:
    return doing["view"](request) or HttpResponse("done")


async def async_view(request: HttpRequest) -> HttpResponseBase:
    return await doing["view"](request) or HttpResponse("done")


urlpatterns = [path("sync/", sync_view), path("async/", async_view)]


@pytest.fixture(autouse=True)
def urls(settings: Any, trees: Trees) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    yield
    doing.clear()


@pytest.fixture
def user(trees: Trees) -> User:
    return User.objects.create(username="client")


@pytest.fixture
def client(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def request_id() -> uuid.UUID:
    return uuid.uuid4()


def ask(client: Client, view: View, *, request_id: object = None) -> Any:
    doing["view"] = view
    return client.get("/sync/", headers={} if request_id is None else {HEADER: str(request_id)})


def work(request: HttpRequest) -> None:
    with subtask("Check", total=2):
        step()
        step()
    output("checked")


def id_of(user: User, request_id: uuid.UUID) -> uuid.UUID:
    return request_root_id(Owner(user_id=user.pk), request_id)


class TestTheTreeOfARequest:
    def test_a_client_finds_it_by_the_id_of_its_request(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        assert ask(client, work, request_id=request_id).status_code == 200
        root_id = request_root_id(viewer_of(user=user, session=None), request_id)
        assert trees.shape(root_id) == {"Request": ("completed", None), "Check": ("completed", None)}
        assert trees.types(root_id)[0] == "taskStart"
        root = TaskRoot.objects.get(pk=root_id)
        assert root.request_scoped
        assert root.output == "checked\n"

    def test_it_is_forgotten_ten_minutes_after_its_end(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        ask(client, work, request_id=request_id)
        trees.updates(id_of(user, request_id))
        purge_at = TaskRoot.objects.get().purge_at
        assert purge_at is not None
        assert abs(purge_at - timezone.now() - timedelta(minutes=10)) < timedelta(minutes=1)

    def test_nothing_is_written_where_nothing_is_reported(self, client: Client, request_id: uuid.UUID) -> None:
        assert ask(client, lambda request: None, request_id=request_id).status_code == 200
        assert not TaskRoot.objects.exists()

    @pytest.mark.parametrize("header", [None, "", "mine", "{" + "0" * 36 + "}", "0" * 32, "x" * 36])
    def test_nothing_is_followed_without_an_id(self, client: Client, header: str | None) -> None:
        nodes = []

        def look(request: HttpRequest) -> None:
            nodes.append(current_node())
            work(request)

        assert ask(client, look, request_id=header).status_code == 200
        assert nodes == [UNTRACKED]
        assert not TaskRoot.objects.exists()

    def test_the_same_id_of_somebody_else_is_another_tree(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        other = User.objects.create(username="other")
        others = Client()
        others.force_login(other)
        ask(client, work, request_id=request_id)
        ask(others, work, request_id=request_id)
        assert {trees.read(id_of(each, request_id)).status for each in (user, other)} == {"completed"}
        assert id_of(user, request_id) != id_of(other, request_id)

    def test_an_id_that_is_used_twice_names_the_first_request(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        ask(client, work, request_id=request_id)
        before = trees.updates(id_of(user, request_id))
        assert ask(client, work, request_id=request_id).status_code == 200
        assert trees.updates(id_of(user, request_id)) == before

    def test_a_request_whose_id_was_used_before_is_not_stopped(
        self, client: Client, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def view(request: HttpRequest) -> None:
            step()
            assert process_flusher().drain(10)
            current_node().check_cancelled()

        assert [ask(client, view, request_id=request_id).status_code for _ in range(2)] == [200, 200]

    def test_only_its_client_sees_it(self, client: Client, user: User, request_id: uuid.UUID, trees: Trees) -> None:
        staff = User.objects.create(username="staff", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename__in=["view_taskroot", "change_taskroot"]))
        ask(client, work, request_id=request_id)
        trees.updates(id_of(user, request_id))
        assert find_root(viewer_of(user=user, session=None), id_of(user, request_id))
        with pytest.raises(TaskNotFound):
            find_root(viewer_of(user=staff, session=None), id_of(user, request_id))
        assert not TaskRoot.objects.filter(owned_by(viewer_of(user=user, session=None))).exists()

    def test_somebody_not_signed_in_follows_by_their_session(self, request_id: uuid.UUID, trees: Trees) -> None:
        client = Client()
        session = client.session
        session["seen"] = True
        session.save()
        ask(client, work, request_id=request_id)
        viewer = Viewer(session_key=str(session.session_key))
        assert trees.read(request_root_id(viewer, request_id)).status == "completed"
        assert find_root(viewer, request_root_id(viewer, request_id))

    def test_without_a_session_there_is_nobody_to_follow(self, request_id: uuid.UUID) -> None:
        assert ask(Client(), work, request_id=request_id).status_code == 200
        assert not TaskRoot.objects.exists()

    def test_it_fails_where_the_view_raises(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def fail(request: HttpRequest) -> None:
            current_node().child("Check")
            raise RuntimeError("password=hunter2")

        assert ask(client, fail, request_id=request_id).status_code == 500
        # What went wrong is for the log.
        reason = ("failed", "The request failed.")
        assert trees.shape(id_of(user, request_id)) == {"Request": reason, "Check": reason}

    def test_it_fails_where_the_view_says_that_nothing_is_there(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def miss(request: HttpRequest) -> None:
            step()
            raise Http404

        assert ask(client, miss, request_id=request_id).status_code == 404
        assert trees.read(id_of(user, request_id)).status == "failed"

    @pytest.mark.parametrize(
        ("code", "status"), [(200, "completed"), (302, "completed"), (404, "completed"), (503, "failed")]
    )
    def test_it_ends_as_the_answer_says(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees, code: int, status: str
    ) -> None:
        def answer(request: HttpRequest) -> HttpResponse:
            step()
            return HttpResponse(status=code)

        ask(client, answer, request_id=request_id)
        assert trees.read(id_of(user, request_id)).status == status

    def test_a_stream_reports_to_it_and_ends_it(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def stream(request: HttpRequest) -> StreamingHttpResponse:
            def parts() -> Iterator[str]:
                with subtask("Stream", total=2):
                    for _ in range(2):
                        step()
                        yield "part"

            step()
            return StreamingHttpResponse(parts())

        response = ask(client, stream, request_id=request_id)
        assert trees.types(id_of(user, request_id))[-1] != "taskEnd"
        assert b"".join(response.streaming_content) == b"partpart"
        root = trees.read(id_of(user, request_id)).root
        assert root is not None
        assert [(node.title, node.current, node.status) for node in root.children] == [("Stream", 2, "completed")]
        assert root.status == "completed"
        assert current_node() is UNTRACKED

    def test_a_stream_that_is_left_is_cancelled(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def stream(request: HttpRequest) -> StreamingHttpResponse:
            step()
            return StreamingHttpResponse(iter(["a", "b"]))

        response = ask(client, stream, request_id=request_id)
        next(iter(response.streaming_content))
        response.close()
        assert trees.read(id_of(user, request_id)).status == "cancelled"

    def test_a_stream_that_raises_fails(self, client: Client, user: User, request_id: uuid.UUID, trees: Trees) -> None:
        def stream(request: HttpRequest) -> StreamingHttpResponse:
            def parts() -> Iterator[str]:
                yield "a"
                raise RuntimeError

            step()
            return StreamingHttpResponse(parts())

        response = ask(client, stream, request_id=request_id)
        with pytest.raises(RuntimeError):
            list(response.streaming_content)
        assert trees.read(id_of(user, request_id)).status == "failed"

    def test_work_that_stops_because_it_was_cancelled_cancels_it(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def view(request: HttpRequest) -> None:
            current_node().child("Check")
            raise TaskCancelled("enough")

        ask(client, view, request_id=request_id)
        assert trees.shape(id_of(user, request_id)) == dict.fromkeys(["Request", "Check"], ("cancelled", "enough"))

    def test_a_stream_that_stops_because_it_was_cancelled_cancels_it(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def stream(request: HttpRequest) -> StreamingHttpResponse:
            def parts() -> Iterator[str]:
                yield "a"
                raise TaskCancelled("enough")

            step()
            return StreamingHttpResponse(parts())

        response = ask(client, stream, request_id=request_id)
        with pytest.raises(TaskCancelled):
            list(response.streaming_content)
        assert trees.shape(id_of(user, request_id)) == {"Request": ("cancelled", "enough")}

    def test_threads_with_its_context_report_to_it(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def view(request: HttpRequest) -> None:
            thread = threading.Thread(target=copy_context().run, args=(work, request))
            thread.start()
            thread.join()

        ask(client, view, request_id=request_id)
        assert "Check" in trees.shape(id_of(user, request_id))

    def test_its_rows_come_while_a_transaction_holds_the_lock(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def view(request: HttpRequest) -> None:
            with transaction.atomic():
                User.objects.create(username="another")
                work(request)

        before = time.monotonic()
        ask(client, view, request_id=request_id)
        assert time.monotonic() - before < 2
        assert trees.read(id_of(user, request_id)).status == "completed"


class TestTasksOfARequest:
    def test_a_task_is_a_part_of_the_tree_that_the_client_follows(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> None:
            task = start_task("Import", total=2, meta={"file": "a"})
            task.subtask("Below")
            found.append(task)

        ask(client, view, request_id=request_id)
        assert found[0].root_id == id_of(user, request_id)
        assert trees.shape(found[0].root_id) == dict.fromkeys(["Request", "Import", "Below"], ("completed", None))
        assert TaskRoot.objects.count() == 1

    @pytest.mark.parametrize(("raises", "status"), [(False, "completed"), (True, "failed")])
    def test_a_task_that_is_left_open_ends_as_the_request(
        self, client: Client, user: User, trees: Trees, raises: bool, status: str
    ) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> None:
            found.append(start_task("Import"))
            found[0].subtask("Part").step()
            if raises:
                raise RuntimeError

        ask(client, view)
        assert {node_status for node_status, _ in trees.shape(found[0].id).values()} == {status}
        root = TaskRoot.objects.get(pk=found[0].id)
        assert (root.owner_id, root.request_scoped) == (user.pk, True)

    def test_a_task_that_ended_before_stays_as_it_is(self, client: Client, trees: Trees) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> None:
            found.append(start_task("Import"))
            found[0].fail("no rows")

        assert ask(client, view).status_code == 200
        assert trees.shape(found[0].id) == {"Import": ("failed", "no rows")}

    def test_a_shared_task_ends_with_its_request_too(self, client: Client, user: User, trees: Trees) -> None:
        found: list[Task] = []
        ask(client, lambda request: found.append(start_task("Index", shared=True)))
        assert trees.read(found[0].id).status == "completed"
        root = TaskRoot.objects.get(pk=found[0].id)
        assert (root.shared, root.request_scoped, root.owner_id) == (True, False, user.pk)

    def test_a_detached_task_outlives_its_request(self, client: Client, trees: Trees) -> None:
        go_on, found, threads = threading.Event(), [], []

        def view(request: HttpRequest) -> None:
            task = start_task("Index", shared=True, detached=True)

            def go() -> None:
                with task:
                    assert go_on.wait(10)
                    step(3)

            threads.append(threading.Thread(target=go))
            threads[0].start()
            found.append(task)
            raise RuntimeError

        assert ask(client, view).status_code == 500
        assert trees.types(found[0].id) == ["taskStart", "taskStatus"]
        go_on.set()
        threads[0].join()
        tree = trees.read(found[0].id)
        assert tree.root is not None
        assert (tree.status, tree.root.current) == ("completed", 3)

    def test_a_task_that_is_started_after_the_request_ends_is_bound_to_none(self, client: Client, trees: Trees) -> None:
        contexts = []
        ask(client, lambda request: contexts.append(copy_context()))
        task = contexts[0].run(start_task, "Later")
        task.step()
        assert trees.types(task.id)[-1] == "nodeProgress"
        assert not TaskRoot.objects.get(pk=task.id).request_scoped
        task.close()

    def test_a_task_that_a_detached_one_starts_outlives_the_request_with_it(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> None:
            outer = start_task("Outer", detached=True)

            def go() -> None:
                with outer.activate():
                    found.extend([outer, start_task("Inner")])

            # A thread of its own, which is ahead of the answer.
            thread = threading.Thread(target=copy_context().run, args=(go,))
            thread.start()
            thread.join()

        ask(client, view, request_id=request_id)
        outer, inner = found
        assert trees.types(inner.id)[-1] == "taskStatus"
        root = TaskRoot.objects.get(pk=inner.id)
        assert (root.owner_id, root.parent_id, root.request_scoped) == (user.pk, outer.id, False)
        inner.close()
        outer.close()

    def test_a_task_of_a_stream_belongs_to_its_client_and_ends_with_it(
        self, client: Client, user: User, trees: Trees
    ) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> StreamingHttpResponse:
            def parts() -> Iterator[str]:
                found.append(start_task("Export"))
                yield "a"

            return StreamingHttpResponse(parts())

        assert b"".join(ask(client, view).streaming_content) == b"a"
        assert trees.read(found[0].id).status == "completed"
        root = TaskRoot.objects.get()
        assert (root.owner_id, root.request_scoped) == (user.pk, True)

    def test_a_file_is_left_to_the_server(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_text("a,b")
        response = FileResponse(path.open("rb"))
        RequestTaskMiddleware(lambda request: response)(RequestFactory().get("/"))
        assert response.file_to_stream is not None  # type: ignore[attr-defined]
        response.close()

    def test_the_client_of_an_answer_finds_what_it_names(self, client: Client, trees: Trees) -> None:
        # On SQLite, the transaction around the view keeps the tree from being written before its end.
        def view(request: HttpRequest) -> HttpResponse:
            with transaction.atomic():
                User.objects.create(username="another")
                task = start_task("Index", detached=True)
                contexts.append(task)
            return JsonResponse({"taskId": str(task.id)})

        contexts: list[Task] = []
        task_id = uuid.UUID(ask(client, view).json()["taskId"])
        assert TaskRoot.objects.filter(pk=task_id).exists()
        contexts[0].close()

    def test_what_a_visitor_began_stays_theirs_when_they_sign_in(self, user: User, trees: Trees) -> None:
        client = Client()
        found: list[Task] = []

        def begin(request: HttpRequest) -> None:
            found.append(start_task("Index", detached=True))
            found[0].close()

        def look(request: HttpRequest) -> HttpResponse:
            if request.GET.get("login"):
                login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            viewer = viewer_of(user=request.user, session=request.session)
            return HttpResponse(find_root(viewer, found[0].id).title)

        ask(client, begin)
        assert TaskRoot.objects.get().session_key
        doing["view"] = look
        assert client.get("/sync/").content == b"Index"
        assert client.get("/sync/?login=1").content == b"Index"
        assert client.get("/sync/").content == b"Index"
        with pytest.raises(TaskNotFound):
            find_root(Viewer(session_key="another"), found[0].id)

    def test_a_shared_subtask_of_a_request_is_a_tree_for_all(
        self, client: Client, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        def view(request: HttpRequest) -> None:
            with shared_subtask("Sync accounts"), subtask("Fetching"):
                output("fetched 42 records")

        ask(client, view, request_id=request_id)
        root = TaskRoot.objects.get()
        assert (root.title, root.shared, root.owner_id, root.parent_id) == ("Sync accounts", True, user.pk, None)
        assert trees.shape(root.pk) == dict.fromkeys(["Sync accounts", "Fetching"], ("completed", None))


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


class TestAsynchronousRequests:
    @pytest.fixture
    def client(self, user: User) -> AsyncClient:
        client = AsyncClient(raise_request_exception=False)
        client.force_login(user)
        return client

    def ask(self, client: AsyncClient, view: View, *, request_id: object = None) -> Any:
        doing["view"] = view
        headers = {} if request_id is None else {HEADER: str(request_id)}
        return run(client.get("/async/", headers=headers))

    def test_reports_and_ends(self, client: AsyncClient, user: User, request_id: uuid.UUID, trees: Trees) -> None:
        async def view(request: HttpRequest) -> None:
            async with subtask("Check"):
                await asyncio.gather(*(report(number) for number in range(3)))

        async def report(number: int) -> None:
            with subtask(f"Part {number}"):
                await asyncio.sleep(0)
                progress(number)

        assert self.ask(client, view, request_id=request_id).status_code == 200
        tree = trees.read(id_of(user, request_id))
        assert tree.root is not None
        assert [child.title for child in tree.root.children[0].children] == ["Part 0", "Part 1", "Part 2"]
        assert tree.status == "completed"

    def test_fails(self, client: AsyncClient, user: User, request_id: uuid.UUID, trees: Trees) -> None:
        async def view(request: HttpRequest) -> None:
            step()
            raise RuntimeError

        assert self.ask(client, view, request_id=request_id).status_code == 500
        assert trees.read(id_of(user, request_id)).status == "failed"

    def test_a_sync_view_behind_an_asgi_server_reports(
        self, client: AsyncClient, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        doing["view"] = work
        run(client.get("/sync/", headers={HEADER: str(request_id)}))
        assert trees.shape(id_of(user, request_id))["Check"] == ("completed", None)

    @pytest.mark.parametrize("awaited", [True, False])
    def test_a_task_belongs_to_who_is_signed_in(
        self, client: AsyncClient, user: User, trees: Trees, awaited: bool
    ) -> None:
        found: list[Task] = []

        async def view(request: HttpRequest) -> None:
            # Nobody has asked for the user yet, and an event loop can't.
            task = start_task("Import", detached=True)
            found.append(await task if awaited else task)

        self.ask(client, view)
        # Found as soon as the answer is there, awaited or not.
        assert TaskRoot.objects.get(pk=found[0].id).owner_id == user.pk
        found[0].close()

    def test_a_task_of_a_visitor_belongs_to_their_session(self, user: User, trees: Trees) -> None:
        client = AsyncClient()
        found: list[Task] = []

        async def begin(request: HttpRequest) -> None:
            found.append(await start_task("Import", detached=True))

        async def look(request: HttpRequest) -> HttpResponse:
            await request.session.aget(FIRST_KEY)
            return HttpResponse(request.session[FIRST_KEY])

        self.ask(client, begin)
        found[0].close()
        assert self.ask(client, look).content.decode() == TaskRoot.objects.get().session_key != ""

    def test_a_task_of_somebody_who_signs_in_there(self, user: User, trees: Trees) -> None:
        found: list[Task] = []

        async def view(request: HttpRequest) -> None:
            await alogin(request, user, backend="django.contrib.auth.backends.ModelBackend")
            found.append(await start_task("Import", detached=True))

        self.ask(AsyncClient(), view)
        found[0].close()
        assert TaskRoot.objects.get().owner_id == user.pk

    def test_a_stream_reports_to_it_and_ends_it(
        self, client: AsyncClient, user: User, request_id: uuid.UUID, trees: Trees
    ) -> None:
        between = []

        async def view(request: HttpRequest) -> StreamingHttpResponse:
            async def parts() -> AsyncIterator[str]:
                async with subtask("Stream"):
                    for _ in range(2):
                        await asyncio.sleep(0)
                        step()
                        yield "part"

            return StreamingHttpResponse(parts())

        async def read() -> bytes:
            doing["view"] = view
            response = await client.get("/async/", headers={HEADER: str(request_id)})
            content = b""
            async for part in response:  # type: ignore[attr-defined]
                between.append(current_node())
                content += part
            return content

        assert run(read()) == b"partpart"
        assert between == [UNTRACKED, UNTRACKED]
        root = trees.read(id_of(user, request_id)).root
        assert root is not None
        assert (root.status, root.children[0].current, root.children[0].status) == ("completed", 2, "completed")


class TestDisconnecting:
    """Clients that go away, as an ASGI server tells it."""

    @pytest.fixture
    def cookie(self, client: Client) -> str:
        return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())

    def connect(self, cookie: str, address: str, request_id: uuid.UUID | None) -> ApplicationCommunicator:
        headers = [(b"host", b"testserver"), (b"cookie", cookie.encode())]
        if request_id is not None:
            headers.append((HEADER.lower().encode(), str(request_id).encode()))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": address,
            "query_string": b"", "headers": headers, "server": ("testserver", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        return ApplicationCommunicator(get_asgi_application(), scope)

    async def leave_in_the_midst(self, connection: ApplicationCommunicator, inside: threading.Event) -> None:
        await connection.send_input({"type": "http.request", "body": b""})
        assert await asyncio.to_thread(inside.wait, 10)
        await connection.send_input({"type": "http.disconnect"})
        await connection.wait(10)

    def test_a_client_that_leaves_cancels_its_tree(
        self, user: User, cookie: str, request_id: uuid.UUID, trees: Trees
    ) -> None:
        inside = threading.Event()

        async def view(request: HttpRequest) -> None:
            async with subtask("Outer"):
                current_node().child("Inner")
                inside.set()
                await asyncio.sleep(60)

        doing["view"] = view
        run(self.leave_in_the_midst(self.connect(cookie, "/async/", request_id), inside))
        shape = trees.shape(id_of(user, request_id))
        assert {status for status, _ in shape.values()} == {"cancelled"}
        assert shape["Request"] == ("cancelled", "The connection was closed.")

    def test_a_thread_learns_that_its_client_has_left(
        self, user: User, cookie: str, request_id: uuid.UUID, trees: Trees
    ) -> None:
        inside, left, stopped = threading.Event(), threading.Event(), []

        def view(request: HttpRequest) -> None:
            step()
            inside.set()
            assert left.wait(10)
            try:
                current_node().check_cancelled()
            except TaskCancelled:
                stopped.append(True)

        async def leave() -> None:
            connection = self.connect(cookie, "/sync/", request_id)
            leaving = asyncio.create_task(self.leave_in_the_midst(connection, inside))
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(self.is_cancelled, user, request_id):
                    await asyncio.sleep(0.02)
            left.set()
            await leaving

        doing["view"] = view
        run(leave())
        assert stopped == [True]

    def is_cancelled(self, user: User, request_id: uuid.UUID) -> bool:
        try:
            return TaskRoot.objects.filter(pk=id_of(user, request_id), status="cancelled").exists()
        finally:
            connections.close_all()

    def test_detached_work_survives_a_disconnect(
        self, user: User, cookie: str, request_id: uuid.UUID, trees: Trees
    ) -> None:
        inside, background, found = threading.Event(), [], []

        async def view(request: HttpRequest) -> None:
            async def go() -> None:
                async with start_task("Background job", shared=True, detached=True) as task:
                    found.append(task)
                    inside.set()
                    await gone.wait()
                    step(5)

            gone = asyncio.Event()
            background.append((asyncio.create_task(go()), gone))
            await asyncio.sleep(60)

        async def leave() -> None:
            await self.leave_in_the_midst(self.connect(cookie, "/async/", request_id), inside)
            task, gone = background[0]
            gone.set()
            await task

        doing["view"] = view
        run(leave())
        tree = trees.read(found[0].id)
        assert tree.root is not None
        assert (tree.status, tree.root.current) == ("completed", 5)

    def test_a_task_of_a_stream_ends_when_its_reader_leaves(self, user: User, cookie: str, trees: Trees) -> None:
        inside = threading.Event()

        async def view(request: HttpRequest) -> StreamingHttpResponse:
            async def parts() -> AsyncIterator[str]:
                await start_task("Export")
                yield "a"
                inside.set()
                await asyncio.sleep(60)

            return StreamingHttpResponse(parts())

        doing["view"] = view
        run(self.leave_in_the_midst(self.connect(cookie, "/async/", None), inside))
        root = TaskRoot.objects.get()
        assert root.owner_id == user.pk
        assert trees.read(root.pk).status == "cancelled"

    def test_a_stream_whose_reader_leaves_is_cancelled(
        self, user: User, cookie: str, request_id: uuid.UUID, trees: Trees
    ) -> None:
        inside = threading.Event()

        async def view(request: HttpRequest) -> StreamingHttpResponse:
            async def parts() -> AsyncIterator[str]:
                step()
                yield "a"
                inside.set()
                await asyncio.sleep(60)

            return StreamingHttpResponse(parts())

        doing["view"] = view
        run(self.leave_in_the_midst(self.connect(cookie, "/async/", request_id), inside))
        assert trees.read(id_of(user, request_id)).status == "cancelled"
