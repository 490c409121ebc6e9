"""Many things over one line, by WebSocket, by EventSource and by a token: readers of one task, tasks, and lists."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import call, kill_servers, log_of
from tests.javascript.pages import PATIENCE_MILLISECONDS, open_page, refuse_websockets, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

#: A list, two tasks that follow it, and further readers of the first one: from a snapshot, of one type, and from the
#: beginning. `late` lets them come once the line is open.
FOLLOW = """async ({ first, second, late }) => {
  const { subscribe, watch } = await import("stepline");
  Object.assign(window, { whole: [], other: [], snapshots: [], texts: [], list: [], gone: [], again: [] });
  await new Promise((done) => {
    subscribe(first, {}, ({ seq }) => done(whole.push(seq)));
    if (!late) done();
  });
  subscribe(first, { snapshot: true }, ({ seq, type }) => snapshots.push(type === "snapshot" ? "snapshot" : seq));
  subscribe(first, { types: ["nodeOutput"] }, ({ text }) => texts.push(text));
  subscribe(second, {}, ({ seq }) => other.push(seq));
  watch("mine", { function: ["js.export"] }, (tasks, change) => {
    window.list = tasks;
    gone.push(...change.gone);
  });
  subscribe(first, {}, ({ seq }) => again.push(seq));
}"""


@dataclass(frozen=True, slots=True)
class Way:
    page: Page
    token: str


@pytest.fixture(params=["websocket", "eventsource", "token"])
def way(request: pytest.FixtureRequest, page: Page, context: BrowserContext, stack: Stack, token: str) -> Way:
    if request.param != "token":
        sign_in(context, stack)
    if request.param == "eventsource":
        refuse_websockets(page)
    open_page(page, stack)
    if request.param == "token":
        page.evaluate("async (token) => (await import('stepline')).configure({ token })", token)
    return Way(page, token)


@pytest.mark.parametrize("late", [False, True], ids=["together", "late"])
@pytest.mark.parametrize("dies", [False, True], ids=["alive", "killed"])
def test_each_reader_gets_what_it_asked_for(way: Way, stack: Stack, gate: Path, late: bool, dies: bool) -> None:
    page = way.page
    ids = [call(stack, way.token, "js.export", rows=4, gate=f"{gate}-{number}")["job_id"] for number in range(2)]
    page.evaluate(FOLLOW, {"first": ids[0], "second": ids[1], "late": late})
    page.wait_for_function(
        "(ids) => again.length > 6 && other.length > 6 && snapshots.length && texts.length > 1"
        " && ids.every((id) => list.some((one) => one.taskId === id))",
        arg=ids,
        timeout=PATIENCE_MILLISECONDS,
    )
    if dies:
        kill_servers(stack)
    for number in range(2):
        Path(f"{gate}-{number}").touch()
    page.wait_for_function(
        "(ids) => ids.every((id) => list.some((one) => one.taskId === id && one.status === 'completed'))",
        arg=ids,
        timeout=PATIENCE_MILLISECONDS,
    )
    logs: list[Any] = [log_of(stack, way.token, task_id) for task_id in ids]
    seqs = [[update["seq"] for update in log] for log in logs]
    for name, expected in (("whole", seqs[0]), ("again", seqs[0]), ("other", seqs[1])):
        page.wait_for_function(
            "([name, length]) => window[name].length >= length",
            arg=[name, len(expected)],
            timeout=PATIENCE_MILLISECONDS,
        )
        assert page.evaluate(name) == expected
    begun, *rest = page.evaluate("snapshots")
    assert begun == "snapshot"
    assert rest == seqs[0][len(seqs[0]) - len(rest) :]
    texts = page.evaluate("texts")
    assert "".join(text for text in texts if text is not None) == "row 0\nrow 1\nrow 2\nrow 3\n"
    assert page.evaluate("gone") == []


def test_shared_tasks_come_as_events_of_all_and_of_one(way: Way, stack: Stack, gate: Path) -> None:
    page = way.page
    page.evaluate(
        """async () => {
          const { sharedTasks } = await import("stepline");
          window.events = [];
          window.shared = sharedTasks((event) => events.push(event));
        }"""
    )
    page.wait_for_function("() => events.length > 0", timeout=PATIENCE_MILLISECONDS)
    task_id = call(stack, way.token, "js.share", rows=4, gate=str(gate))["taskId"]
    of_it = "(id) => shared.tasks.find((task) => task.id === id)"
    page.wait_for_function(f"(id) => ({of_it})(id)?.children.length === 2", arg=task_id, timeout=PATIENCE_MILLISECONDS)
    assert page.evaluate(of_it, task_id) | {"children": None} == {
        "id": task_id, "isOwner": True, "title": "Exporting", "status": "running", "current": 50, "total": 100,
        "message": "half way", "meta": {"file": "rows.csv"}, "children": None,
    }  # fmt: skip
    gate.touch()
    page.wait_for_function(f"(id) => ({of_it})(id)?.status === 'completed'", arg=task_id, timeout=PATIENCE_MILLISECONDS)
    events = page.evaluate("events")
    children = [node["id"] for node in page.evaluate(of_it, task_id)["children"]]
    updates = [event for event in events if event["type"] == "TaskUpdateEvent"]

    assert {event["type"] for event in events} == {"TaskStateEvent", "TaskUpdateEvent"}
    # What was told after the gate came piece by piece.
    assert [event["output"] for event in updates if event["taskId"] in children[2:]] == ["row 2\n", "row 3\n"]
    assert {"type": "TaskUpdateEvent", "taskId": task_id, "current": 100, "total": 100} in updates
    last = next(event for event in reversed(events) if event["type"] == "TaskStateEvent")
    assert [task["status"] for task in last["tasks"] if task["id"] == task_id] == ["completed"]
