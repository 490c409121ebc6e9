"""The Python client and real servers: what it tells is the log, through whatever happens on the way."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.client import (
    Client,
    Conflict,
    ConnectionLost,
    Forbidden,
    InvalidArguments,
    InvalidToken,
    NotFound,
    SignInRequired,
    Task,
    TaskAborted,
    TaskFailed,
    Update,
    watch_tasks,
)
from tasks.services.api_tokens import create_api_token
from tests.live_servers import LiveServer
from tests.processes.services.published import action, publish_process
from tests.tasks.client.conftest import PATIENCE_SECONDS, Worker, bare, started_tasks
from tests.tasks.live.called.jobs import ROWS, Pace

BOTH = pytest.mark.parametrize("server", ["uvicorn", "daphne"], indirect=True)
Log = Callable[[str], list[dict[str, Any]]]


class Reading:
    """Iterate over updates in a thread, and tell when something is there."""

    def __init__(self, updates: Any) -> None:
        self.taken: list[Update] = []
        self.error: BaseException | None = None
        self._updates = updates
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def until(self, reached: Callable[[list[Update]], bool]) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self.error is not None or reached(self.taken), PATIENCE_SECONDS)

    def to_the_end(self) -> list[Update]:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.taken

    def _read(self) -> None:
        try:
            for update in self._updates:
                with self._more:
                    self.taken.append(update)
                    self._more.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            with self._more:
                self.error = error
                self._more.notify_all()


def rows_told(count: int) -> Callable[[list[Update]], bool]:
    return lambda taken: sum(update["type"] == "nodeOutput" for update in taken) >= count


@BOTH
def test_updates_are_the_log_however_they_are_waited_for(
    client: Client, worker: Worker, pace: Pace, log_of: Log
) -> None:
    pace.let_go_on()
    told: list[Update] = []
    task = client.start("called.export", {"name": "a"}, on_update=told.append)

    blocking = list(task.sync.updates)

    async def iterated() -> list[Update]:
        async with client:
            return [update async for update in client.follow(await task.task_id).updates]

    in_a_loop = asyncio.run(iterated())
    assert bare(blocking) == bare(in_a_loop) == bare(told) == log_of(task.sync.task_id)
    assert [update["seq"] for update in blocking] == list(range(1, len(blocking) + 1))
    assert [update["context"] for update in blocking] == [update["context"] for update in in_a_loop]
    assert blocking[-1]["context"].result == {"rows": ROWS}
    assert task.sync.result() == client.follow(task.sync.task_id).sync.result() == {"rows": ROWS}


@BOTH
def test_a_server_that_is_killed_and_begins_again_loses_and_doubles_nothing(
    server: LiveServer, client: Client, worker: Worker, pace: Pace, log_of: Log
) -> None:
    task = client.start("called.export")
    readings = [Reading(task.sync.updates), Reading(client.follow(task.sync.task_id).sync.updates)]
    for rows in (5, 15):
        pace.let_go_on(10)
        for reading in readings:
            reading.until(rows_told(rows))
        server.kill()
        pace.let_go_on(5)
        server.begin()
        server.wait()
    pace.let_go_on()

    for reading in readings:
        assert bare(reading.to_the_end()) == log_of(task.sync.task_id)


def test_a_start_is_made_once_whoever_asks_and_however_often(client: Client, worker: Worker, pace: Pace) -> None:
    pace.let_go_on()
    task = client.start("called.export")

    async def all_at_once() -> set[str]:
        return set(await asyncio.gather(*(task.task_id for _ in range(5))))

    ids = asyncio.run(all_at_once())
    again = Task(task_template="called.export", client=client, key=task._key)
    assert ids == {task.sync.task_id, again.sync.task_id}
    assert started_tasks() == 1


def test_the_result_comes_without_the_updates(client: Client, worker: Worker, pace: Pace) -> None:
    pace.let_go_on()
    task = client.start("called.export", {"rows": 3})

    async def awaited() -> Any:
        return await task.result

    assert asyncio.run(awaited()) == {"rows": 3}


def test_a_task_that_fails_says_why(client: Client, worker: Worker) -> None:
    task = client.start("called.broken")
    with pytest.raises(TaskFailed, match="ValueError: no such file") as raised:
        task.sync.result()
    assert raised.value.fields["task_id"] == task.sync.task_id
    last = list(task.sync.updates)[-1]
    assert (last["type"], last["reason"]) == ("taskError", "ValueError: no such file")


def test_a_task_that_is_aborted_says_why(client: Client, worker: Worker, pace: Pace) -> None:
    task = client.start("called.export")
    reading = Reading(task.sync.updates)
    pace.let_go_on(1)
    reading.until(rows_told(1))

    assert task.sync.abort("no longer needed") == "cancel_requested"

    assert reading.to_the_end()[-1]["type"] == "taskAborted"
    with pytest.raises(TaskAborted, match="no longer needed"):
        task.sync.result()
    with pytest.raises(Conflict, match="ended"):
        task.sync.abort()


def test_a_task_that_nobody_works_on_is_aborted_at_once(client: Client) -> None:
    task = client.start("called.export")
    assert task.sync.task_id
    assert task.sync.abort("a change of mind") == "cancelled"
    with pytest.raises(TaskAborted, match="a change of mind"):
        task.sync.result()


def test_a_task_that_is_aborted_before_it_began_never_begins(client: Client) -> None:
    task = client.start("called.export")

    async def aborted() -> str:
        return await task.abort("not today")

    assert asyncio.run(aborted()) == "cancelled"
    with pytest.raises(TaskAborted, match="not today"):
        assert task.sync.task_id
    assert started_tasks() == 0


def test_functions_are_called_one_by_one_and_together(client: Client) -> None:
    assert client.call("called.count", {"rows": 2}).sync() == {"rows": 2}
    good, bad = client.batch([("called.count", {"rows": 1}), ("called.nothing", {})]).sync()
    assert good == {"rows": 1}
    assert isinstance(bad, NotFound)
    assert bad.problem == "unknown_function"


def test_each_refusal_has_an_error_of_its_own(client: Client, server: LiveServer, user: Any) -> None:
    reader = Client(server.url, token=create_api_token(user=user, name="reader", scopes=["read"])[1])
    for error, problem, ask in (
        (NotFound, "unknown_function", lambda: client.start("called.hidden").sync.task_id),
        (NotFound, "not_found", client.follow("0193aaaa-0000-7000-8000-000000000000").sync.result),
        (InvalidArguments, "invalid_arguments", lambda: client.start("called.export", {"rows": "x"}).sync.task_id),
        (Forbidden, "insufficient_scope", lambda: reader.start("called.export").sync.task_id),
        (SignInRequired, "csrf_failed", lambda: Client(server.url).start("called.export").sync.task_id),
        (InvalidToken, "invalid_token", lambda: Client(server.url, token="stl_no").call("called.count").sync()),
        (Forbidden, "forbidden", lambda: next(iter(client.watch_tasks(scope="all")))),
    ):
        with pytest.raises(error) as raised:
            ask()
        assert raised.value.problem == problem
    with pytest.raises(InvalidArguments) as invalid:
        assert client.start("called.export", {"rows": "x"}).sync.task_id
    assert invalid.value.fields == {"arguments": ["rows"]}


def test_whoever_isnt_there_is_given_up(server: LiveServer, token: str) -> None:
    server.kill()
    task = Client(server.url, token=token, give_up_seconds=0.5).start("called.export")
    with pytest.raises(ConnectionLost, match=r"couldn't be reached for 0\.5 s"):
        assert task.sync.task_id


def test_a_list_is_watched_through_a_restart(server: LiveServer, client: Client, worker: Worker, pace: Pace) -> None:
    lists = iter(watch_tasks(client=client, since=datetime.now(UTC) - timedelta(hours=1), function="called.export"))
    assert next(lists).tasks == ()
    task_id = client.start("called.export", {"rows": 2}).sync.task_id
    assert [task["taskId"] for task in next(lists).changed] == [task_id]
    server.kill()
    server.begin()
    server.wait()
    pace.let_go_on()

    for seen in lists:
        if seen.tasks[0]["status"] == "completed":
            break

    assert [task["taskId"] for task in seen.tasks] == [task_id]
    assert seen.gone == ()


async def test_an_open_list_lets_go_of_what_has_ended(client: Client, worker: Worker, pace: Pace) -> None:
    watch = watch_tasks(client=client, only="open")
    started = ""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for seen in watch:
            if seen.gone:
                break
            if not started:
                started = await client.start("called.export", {"rows": 2}).task_id
            else:
                # It is in the list.
                pace.let_go_on()
    assert (seen.gone, seen.tasks) == ((started,), ())
    assert seen.changed[0]["status"] == "completed"


def test_the_environment_says_which_site(server: LiveServer, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPLINE_URL", server.url)
    monkeypatch.setenv("STEPLINE_TOKEN", token)
    assert Task(task_template="called.export").sync.task_id


def test_a_process_is_a_task_with_the_data_of_its_actions(client: Client, worker: Worker, log_of: Log) -> None:
    publish_process(
        "client-count",
        [action("count", "set_data", config={"values": {"rows": "%{param:rows}"}}), action("rest", "noop")],
    )
    task = Task(task_template="client-count", input={"rows": 3}, client=client)
    updates = list(task.sync.updates)
    assert bare(updates) == log_of(task.sync.task_id)
    assert [step["name"] for step in updates[0]["steps"]] == ["count", "rest"]
    assert updates[-1]["context"].input == {"rows": 3}
    assert updates[-1]["context"].get_node_data("count") == {"rows": 3}
    assert updates[-1]["context"].get_node_error("count") is None
    with pytest.raises(NotFound):
        assert Task(task_template="client-cuont", client=client).sync.task_id
