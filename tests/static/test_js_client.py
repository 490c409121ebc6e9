"""The JavaScript client promises each update once and in order, however often the connection breaks."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute

from tests.static.conftest import BROWSER

pytestmark = BROWSER

TASK = "0197f000-0000-7000-8000-000000000000"
SNAPSHOT = {
    "type": "snapshot",
    "taskId": TASK,
    "seq": 3,
    "status": "running",
    "task": {"id": TASK, "type": "task", "title": "Import", "status": "running", "children": []},
}

FOLLOW = """async (options) => {
  const { subscribe } = await import("/static/tasks/client.js");
  window.got = [];
  window.states = [];
  window.refused = null;
  window.subscription = subscribe(options.taskId, {
    ...options,
    onState: (state) => window.states.push(state),
    onError: (error) => (window.refused = error.code),
  }, (update) => window.got.push(update.type === "snapshot" ? `snapshot ${update.seq}` : update.seq));
}"""


def update(seq: int, kind: str = "nodeProgress") -> dict[str, object]:
    return {"v": 1, "seq": seq, "type": kind, "taskId": TASK}


class Server:
    """Play the server's part: note what each socket asks for, and answer as the test says."""

    def __init__(
        self,
        page: Page,
        answer: Callable[["Server", WebSocketRoute, dict[str, object]], None],
        *,
        confirms: bool = True,
    ) -> None:
        self._confirms = confirms
        self.asked: list[list[dict[str, object]]] = []
        self.sockets: list[WebSocketRoute] = []
        self._answer = answer
        page.route_web_socket("ws://stepline.test/ws/", self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        asked: list[dict[str, object]] = []
        self.asked.append(asked)

        def receive(text: str | bytes) -> None:
            message = json.loads(text)
            # Every subscription says so; a test of its own looks at it.
            told = {"taskId", "batch", "acks"}
            asked.append({key: value for key, value in message.items() if key not in told})
            if message["type"] == "subscribe" and self._confirms:
                send(socket, {"type": "subscribed", "taskId": TASK})
            self._answer(self, socket, message)

        socket.on_message(receive)


def send(socket: WebSocketRoute, *messages: dict[str, object]) -> None:
    for message in messages:
        socket.send(json.dumps(message))


def wait_for(page: Page, got: list[object]) -> None:
    page.wait_for_function("(got) => JSON.stringify(window.got) === JSON.stringify(got)", arg=got, timeout=15_000)


def test_updates_that_take_long_to_handle_leave_the_page_its_turns(modules: Page) -> None:
    seqs = list(range(4, 34))

    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        send(socket, SNAPSHOT, *map(update, seqs))

    Server(modules, answer)
    turns = modules.evaluate(
        """async ([taskId, last]) => {
          const { subscribe } = await import("/static/tasks/client.js");
          const seqs = [];
          let turns = 0;
          const turn = () => { turns += 1; requestAnimationFrame(turn); };
          requestAnimationFrame(turn);
          await new Promise((done) => subscribe(taskId, { since: 3 }, ({ seq }) => {
            const begun = performance.now();
            while (performance.now() - begun < 10);
            seqs.push(seq);
            if (seq === last) done();
          }));
          return [turns, seqs];
        }""",
        [TASK, seqs[-1]],
    )
    assert turns[1] == seqs
    assert turns[0] > len(seqs) / 4


def test_an_update_that_can_not_be_handled_does_not_hold_up_the_next(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message["type"] == "subscribe" and len(server.asked) == 1:
            send(socket, update(4), update(5), update(6))
            socket.close()
        elif message["type"] == "subscribe":
            send(socket, update(7))

    Server(modules, answer)
    modules.evaluate(
        """async (taskId) => {
          const { subscribe } = await import("/static/tasks/client.js");
          window.got = [];
          window.addEventListener("error", (event) => {
            event.preventDefault();
            window.got.push(event.message);
          });
          subscribe(taskId, { since: 3 }, ({ seq }) => {
            if (seq === 5) throw new Error("no five");
            window.got.push(seq);
          });
        }""",
        TASK,
    )
    wait_for(modules, [4, "Uncaught Error: no five", 6, 7])


def test_goes_on_after_the_last_number_when_the_connection_breaks(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if len(server.sockets) == 1:
            send(socket, {"type": "subscribed", "taskId": TASK}, SNAPSHOT, update(4), update(5))
            socket.close()
        else:
            send(socket, update(6), update(7, "taskEnd"))

    server = Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK, "snapshot": True})

    wait_for(modules, ["snapshot 3", 4, 5, 6, 7])
    assert [asked[0] for asked in server.asked] == [
        {"type": "subscribe", "snapshot": True},
        {"type": "subscribe", "since": 5},
    ]
    assert modules.evaluate("states") == ["connecting", "live", "lost", "live", "ended"]


def test_drops_repeats_and_asks_again_after_a_gap(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message["since"] == 0:
            send(socket, update(1), update(1), update(2), update(1), update(5))
        else:
            send(socket, update(3), update(4), update(5))

    server = Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK})

    wait_for(modules, [1, 2, 3, 4, 5])
    assert [asked["since"] for asked in server.asked[0]] == [0, 2]


def test_a_log_that_was_brought_back_from_a_backup_is_followed_from_where_it_is(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message.get("since") == 7:
            send(socket, {**SNAPSHOT, "incomplete": True}, update(4), update(5, "taskEnd"))

    Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK, "since": 7})
    wait_for(modules, ["snapshot 3", 4, 5])


def test_updates_that_come_in_one_message_are_handled_one_by_one(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message["type"] == "subscribe" and message["since"] == 0:
            socket.send(json.dumps([update(1), update(2)]))
            socket.send("[]")
            socket.send("[{")
            socket.send(json.dumps([update(3), update(3), update(5)]))
        elif message["type"] == "subscribe":
            socket.send(json.dumps([update(4), update(5, "taskEnd")]))

    server = Server(modules, answer)
    modules.evaluate("window.addEventListener('error', (event) => event.preventDefault())")
    modules.evaluate(FOLLOW, {"taskId": TASK})

    wait_for(modules, [1, 2, 3, 4, 5])
    assert [asked["since"] for asked in server.asked[0] if asked["type"] == "subscribe"] == [0, 3]


def test_the_server_is_told_how_far_the_page_has_come(modules: Page) -> None:
    told: list[dict[str, object]] = []

    def connect(socket: WebSocketRoute) -> None:
        def receive(text: str | bytes) -> None:
            told.append(json.loads(text))
            if told[-1]["type"] == "subscribe":
                send(socket, update(1), {"type": "ping"})
            elif told[-1]["type"] == "pong":
                send(socket, update(2, "taskEnd"))

        socket.on_message(receive)

    modules.route_web_socket("ws://stepline.test/ws/", connect)
    modules.evaluate(FOLLOW, {"taskId": TASK})

    wait_for(modules, [1, 2])
    assert told[0] == {"type": "subscribe", "taskId": TASK, "since": 0, "batch": True, "acks": True}
    assert told[1] == {"type": "pong"}


def test_of_the_types_asked_for_gaps_are_none(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        send(socket, update(3, "nodeOutput"), update(5), update(9, "position"), update(12, "nodeOutput"))
        send(socket, update(14, "taskEnd"))

    server = Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK, "types": ["nodeOutput"]})

    wait_for(modules, [3, 12, 14])
    assert server.asked[0][0] == {"type": "subscribe", "since": 0, "types": ["nodeOutput"]}


def test_a_refused_task_is_told_and_not_asked_for_again(modules: Page) -> None:
    server = Server(
        modules,
        lambda _server, socket, _message: send(
            socket, {"type": "error", "code": "not_found", "message": "There is no such task.", "taskId": TASK}
        ),
        confirms=False,
    )
    modules.evaluate(FOLLOW, {"taskId": TASK})

    modules.wait_for_function("window.refused === 'not_found'")
    assert modules.evaluate("states") == ["connecting", "closed"]
    assert len(server.sockets) == 1


def test_a_task_that_was_seen_and_is_refused_is_asked_for_once_more_under_the_new_session(modules: Page) -> None:
    refusal = {"type": "error", "code": "not_found", "message": "There is no such task.", "taskId": TASK}

    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        number = len(server.sockets)
        send(socket, *([update(number)] if number < 3 else []), refusal)

    server = Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK})

    modules.wait_for_function("window.refused === 'not_found'")
    assert modules.evaluate("got") == [1, 2]
    assert [asked[0]["since"] for asked in server.asked] == [0, 1, 2]


def test_readers_of_one_task_each_get_what_they_asked_for_one_question_at_a_time(modules: Page) -> None:
    """A question ends what the one before has begun: asked together, one reader would never get its snapshot."""

    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message["type"] != "subscribe":
            return
        if "snapshot" in message:
            send(socket, SNAPSHOT, update(4))
        else:
            since = int(str(message["since"]))
            send(socket, *(update(seq) for seq in range(since + 1, 5)))

    server = Server(modules, answer)
    modules.evaluate(
        """async (taskId) => {
          const { subscribe } = await import("/static/tasks/client.js");
          Object.assign(window, { got: [], begun: [] });
          subscribe(taskId, { since: 0 }, ({ seq }) => got.push(seq));
          subscribe(taskId, { snapshot: true }, ({ type, seq }) => begun.push(type === "snapshot" ? "snapshot" : seq));
        }""",
        TASK,
    )
    wait_for(modules, [1, 2, 3, 4])
    assert modules.evaluate("begun") == ["snapshot", 4]
    assert server.asked[0] == [{"type": "subscribe", "snapshot": True}, {"type": "subscribe", "since": 0}]


def test_an_interrupted_subscription_is_renewed_where_it_stopped(modules: Page) -> None:
    def answer(server: Server, socket: WebSocketRoute, message: dict[str, object]) -> None:
        if message["since"] == 0:
            send(socket, update(1), {"type": "error", "code": "interrupted", "message": "", "taskId": TASK})
        else:
            send(socket, update(2))

    Server(modules, answer)
    modules.evaluate(FOLLOW, {"taskId": TASK})

    wait_for(modules, [1, 2])


def test_where_no_websocket_gets_through_it_uses_server_sent_events(modules: Page) -> None:
    asked: list[str] = []
    modules.add_init_script(
        "window.WebSocket = class extends EventTarget { static OPEN = 1;"
        " constructor() { super(); this.readyState = 3; setTimeout(() => this.dispatchEvent(new Event('close'))); }"
        " close() {} }"
    )
    modules.reload()

    def events(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        messages = [{"type": "connected", "connectionId": "x"}, SNAPSHOT, update(4, "taskEnd")]
        body = "".join(f"data: {json.dumps(message)}\n\n" for message in messages)
        route.fulfill(body=body, content_type="text/event-stream")

    modules.route("**/api/events/*", events)
    modules.evaluate(FOLLOW, {"taskId": TASK, "snapshot": True})

    wait_for(modules, ["snapshot 3", 4])
    assert asked == [f"task={TASK}&snapshot=1"]


@pytest.mark.parametrize(
    ("attempt", "draw", "pause_ms"),
    [(0, 0, 150), (0, 1, 300), (1, 1, 600), (3, 0, 1200), (20, 1, 15_000), (2_000, 1, 15_000)],
)
def test_pauses_grow_are_capped_and_spread(functions: Page, attempt: int, draw: float, pause_ms: float) -> None:
    pause = functions.evaluate(
        "async ([attempt, draw]) => (await import('/static/tasks/client.js')).pauseBefore(attempt, draw)",
        [attempt, draw],
    )

    assert pause == pause_ms


@pytest.mark.parametrize(
    ("redirect", "target"),
    [
        ("/p/csv-import/?action=result#rows", "/p/csv-import/?action=result#rows"),
        ("//elsewhere.example/", None),
        ("/\\elsewhere.example/", None),
        ("/\t/elsewhere.example/", None),
        ("https://elsewhere.example/", None),
        ("javascript:alert(1)", None),
        ("result", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_only_paths_of_this_site_are_followed(functions: Page, redirect: object, target: str | None) -> None:
    followed = functions.evaluate(
        "async (redirect) => (await import('/static/tasks/progress-page.js')).redirectOf({ meta: { redirect } })",
        redirect,
    )

    assert followed == target
