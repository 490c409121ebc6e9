"""What a client decides, without a network: when it asks again, where it goes on, what it makes of what it is told."""

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.client import (
    BadAnswer,
    ClientError,
    Conflict,
    ConnectionLost,
    Forbidden,
    InvalidArguments,
    InvalidToken,
    NotConfigured,
    NotFound,
    Refused,
    ServerFault,
    SignInRequired,
    TaskAborted,
    TaskFailed,
    TooBusy,
)
from tasks.client import errors as client_errors
from tasks.client.asking import ask
from tasks.client.environment import site_url, token_for
from tasks.client.exchange import Answer, Request, error_of, error_told, retry_after_seconds
from tasks.client.flow import Broken, Event
from tasks.client.updates import follow_end, follow_updates
from tasks.client.watching import TaskList, follow_list, wanted
from tests.tasks.client.scripted import NODE, TASK_ID, Clock, Site, Stream, answer, log, problem

GET = Request(method="GET", path="/api/tasks/")
POST = Request(method="POST", path="/api/rpc/change")
KEYED = Request(method="POST", path="/api/rpc/start", key="k")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


# Asking again.


@pytest.mark.parametrize(
    ("request_", "trouble", "is_again"),
    [
        (GET, Broken("reset"), True),
        (KEYED, Broken("reset"), True),
        (POST, Broken("refused", was_sent=False), True),
        (POST, answer(429), True),
        (POST, answer(503), True),
        (GET, answer(502), True),
        (KEYED, answer(504), True),
        (POST, Broken("reset"), False),
        (POST, answer(502), False),
        (KEYED, problem(400, "invalid_arguments"), False),
        (GET, problem(404, "not_found"), False),
        (KEYED, problem(409, "key_reused"), False),
    ],
)
def test_what_does_no_harm_is_asked_again(request_: Request, trouble: Any, is_again: bool) -> None:
    site = Site(trouble, answer(200, "done"))
    if is_again:
        assert site.carry_out(ask(request_, Clock().patience())).json() == "done"
        assert site.asked == [request_, request_]
    else:
        with pytest.raises(ClientError):
            site.carry_out(ask(request_, Clock().patience()))
        assert site.asked == [request_]


def test_it_waits_longer_each_time_and_gives_up_at_last() -> None:
    clock = Clock()
    site = Site(Broken("no route"), clock=clock)
    told: list[tuple[str, float]] = []
    patience = clock.patience(20)
    patience.on_wait = lambda why, seconds: told.append((why, seconds))
    with pytest.raises(ConnectionLost, match="couldn't be reached for 20 s: no route"):
        site.carry_out(ask(GET, patience))
    assert told == [("no route", seconds) for seconds in site.waited]
    # 0.25 × 2^n; the next one would end after 31.75 seconds.
    assert site.waited == [0.25, 0.5, 1, 2, 4, 8]


def test_chance_shortens_a_wait_by_a_half_at_most() -> None:
    patience = Clock().patience()
    patience.draw = lambda: 1.0
    assert patience.after_break(Broken("reset")) == 0.125


def test_a_site_that_says_when_is_asked_then() -> None:
    site = Site(answer(429, retry_after="7"), answer(200))
    site.carry_out(ask(GET, Clock().patience()))
    assert site.waited == [7]


def test_a_site_that_stays_busy_says_so_in_the_end() -> None:
    with pytest.raises(TooBusy) as raised:
        Site(problem(429, "too_many")).carry_out(ask(GET, Clock().patience(1)))
    assert (raised.value.status, raised.value.problem) == (429, "too_many")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("120", 120),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("", 0),
    ],
)
def test_when_to_come_back_is_a_number_or_a_date(told: str, seconds: float) -> None:
    assert retry_after_seconds(answer(503, retry_after=told), now=NOW) == seconds


# Errors.


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (problem(400, "bad_request"), InvalidArguments),
        (problem(400, "invalid"), InvalidArguments),
        (problem(401, "sign_in_required"), SignInRequired),
        (problem(401, "invalid_token"), InvalidToken),
        (problem(403, "csrf_failed"), SignInRequired),
        (problem(403, "insufficient_scope"), Forbidden),
        (problem(404, "unknown_function"), NotFound),
        (problem(409, "sold_out"), Conflict),
        (problem(402, "not_paid"), Refused),
        (problem(500, "internal"), ServerFault),
        (Answer(status=502, body=b"<html>"), ServerFault),
        (Answer(status=404, body=b"<html>"), NotFound),
        (Answer(status=200, body=b"<html>"), BadAnswer),
        (Answer(status=302, headers={"location": "https://u:p@elsewhere/x?secret=1#y"}), BadAnswer),
    ],
)
def test_each_answer_has_an_error(told: Answer, kind: type[ClientError]) -> None:
    found = error_of(told)
    assert type(found) is kind
    assert found.status == told.status
    assert "secret" not in str(found)
    assert "u:p" not in str(found)


def test_what_an_app_tells_comes_along_whatever_it_is_called() -> None:
    found = error_of(problem(409, "sold_out", left=2, status="x", message="y"))
    assert (found.problem, found.message, found.fields) == ("sold_out", "told: sold_out", {"left": 2})


@pytest.mark.parametrize("told", [None, "no", {}, {"code": 7}])
def test_a_message_that_is_no_error_is_one_all_the_same(told: object) -> None:
    assert isinstance(error_told(told), ClientError)


@pytest.mark.parametrize("name", client_errors.__all__)
def test_errors_survive_pickling(name: str) -> None:
    error = getattr(client_errors, name)("why", status=409, problem="sold_out", left=[1])
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), found.message, found.status, found.problem, found.fields) == (
        type(error),
        "why",
        409,
        "sold_out",
        {"left": [1]},
    )
    assert isinstance(found, ClientError)
    assert type(error).code != ClientError.code or type(error) is ClientError


# Updates.

PROGRESS = {"type": "nodeProgress", "node": NODE, "current": 1, "total": 2}
DATA = {"type": "nodeUpdate", "node": {**NODE, "id": "n", "alias": "read"}, "data": {"rows": 3}}
START = {"type": "nodeStart", "node": {**NODE, "id": "n", "alias": "read"}}
END = {"type": "taskEnd", "result": {"ok": True}}
LOG = log(START, PROGRESS, DATA, END)


def since(site: Site) -> list[str]:
    return [str(request.query.get("since", "snapshot")) for request in site.asked]


def test_a_stream_that_breaks_goes_on_behind_the_last_update() -> None:
    site = Site(Stream(LOG[:2], breaks=True), Broken("no route"), Stream(LOG[2:3]), Stream(LOG[3:]))
    outcome = site.carry_out(follow_updates(TASK_ID, Clock().patience()))
    assert since(site) == ["0", "2", "2", "3"]
    assert [update["seq"] for update in site.emitted] == [1, 2, 3, 4, 5]
    assert outcome.get() == {"ok": True}


def test_each_update_has_the_context_of_its_time() -> None:
    site = Site(Stream(LOG))
    site.carry_out(follow_updates(TASK_ID, Clock().patience()))
    contexts = [update["context"] for update in site.emitted]
    assert [context.get_node_data("read") for context in contexts] == [None, None, None, {"rows": 3}, {"rows": 3}]
    assert [context.result for context in contexts[2:]] == [{}, {"read": {"rows": 3}}, {"ok": True}]
    assert {context.task_id for context in contexts} == {TASK_ID}


def test_what_comes_twice_is_told_once() -> None:
    site = Site(Stream(LOG[:3], breaks=True), Stream(LOG[1:]))
    site.carry_out(follow_updates(TASK_ID, Clock().patience()))
    assert [update["seq"] for update in site.emitted] == [1, 2, 3, 4, 5]


def test_a_gap_is_an_error_and_no_update_is_made_up() -> None:
    with pytest.raises(BadAnswer, match="doesn't hold together"):
        Site(Stream([LOG[0], LOG[2]])).carry_out(follow_updates(TASK_ID, Clock().patience()))


@pytest.mark.parametrize("told", ["no JSON", "[]", "{}", '{"seq": "1", "type": "x"}', '{"seq": 1}'])
def test_what_is_no_update_is_an_error(told: str) -> None:
    with pytest.raises(BadAnswer):
        Site(Stream([Event("message", told)])).carry_out(follow_updates(TASK_ID, Clock().patience()))


def test_types_of_a_newer_site_are_passed_on() -> None:
    newer = log(START, {"type": "nodeSung", "node": NODE}, END)
    site = Site(Stream(newer))
    site.carry_out(follow_updates(TASK_ID, Clock().patience()))
    assert [update["type"] for update in site.emitted] == ["taskStart", "nodeStart", "nodeSung", "taskEnd"]


SNAPSHOT = {
    "v": 1,
    "type": "snapshot",
    "taskId": TASK_ID,
    "seq": 4,
    "status": "running",
    "task": {"id": TASK_ID, "type": "task", "title": "Import", "status": "running", "children": []},
}


def test_a_snapshot_replaces_what_is_missing() -> None:
    site = Site(Stream([SNAPSHOT], breaks=True), Stream(LOG[4:]))
    site.carry_out(follow_updates(TASK_ID, Clock().patience(), snapshot=True))
    assert since(site) == ["snapshot", "4"]
    assert [update["type"] for update in site.emitted] == ["snapshot", "taskEnd"]


@pytest.mark.parametrize(("status", "error"), [("completed", None), ("failed", TaskFailed), ("cancelled", TaskAborted)])
def test_the_end_is_known_from_a_snapshot_too(status: str, error: type[ClientError] | None) -> None:
    task = {**SNAPSHOT["task"], "status": status, "error": "why"}  # type: ignore[dict-item]
    outcome = Site(Stream([{**SNAPSHOT, "result": 1, "task": task}])).carry_out(follow_end(TASK_ID, Clock().patience()))
    if error is None:
        assert outcome.get() == 1
    else:
        with pytest.raises(error, match="why"):
            outcome.get()


def test_the_end_is_waited_for_with_little() -> None:
    position = {"v": 1, "seq": 900, "type": "position", "taskId": TASK_ID}
    site = Site(Stream([SNAPSHOT, position], breaks=True), Stream([SNAPSHOT, LOG[4]]))
    assert site.carry_out(follow_end(TASK_ID, Clock().patience())).get() == {"ok": True}
    assert {request.query["types"] for request in site.asked} == {"taskStatus"}


@pytest.mark.parametrize("given", [answer(200, {}), Answer(status=204), answer(202)])
def test_what_is_no_stream_is_an_error(given: Answer) -> None:
    with pytest.raises(BadAnswer):
        Site(given).carry_out(follow_updates(TASK_ID, Clock().patience()))


def test_a_stream_that_gets_nowhere_is_given_up_but_a_quiet_one_isnt() -> None:
    clock = Clock()
    with pytest.raises(ConnectionLost):
        Site(Stream([], breaks=True), Broken("gone"), clock=clock).carry_out(follow_updates(TASK_ID, clock.patience(5)))
    quiet = [Stream([], breaks=True) for _ in range(30)]
    site = Site(*quiet, Stream(LOG), clock=clock)
    site.carry_out(follow_updates(TASK_ID, clock.patience(15)))
    assert sum(site.waited) > 15


# Lists.


def summary(name: str, seq: int = 1, **fields: Any) -> dict[str, Any]:
    created = f"2026-11-20T12:00:0{name[-1]}.000Z"
    return {"taskId": name, "title": name, "status": "running", "seq": seq, "createdAt": created, **fields}


def tasks(*found: dict[str, Any], snapshot: bool = False, gone: tuple[str, ...] = ()) -> dict[str, Any]:
    message: dict[str, Any] = {"v": 1, "type": "tasks", "scope": "mine", "tasks": list(found)}
    return {**message, "snapshot": True} if snapshot else {**message, "gone": list(gone)}


def shown(seen: TaskList) -> tuple[list[str], list[str], list[str]]:
    return [task["taskId"] for task in seen.tasks], [task["taskId"] for task in seen.changed], list(seen.gone)


def watch(*streams: Any) -> list[TaskList]:
    site = Site(*streams, Broken("over"))
    everything = wanted(scope="mine", since=None, only=(), function=(), text="")
    with pytest.raises(ConnectionLost):
        site.carry_out(follow_list(everything, Clock().patience(1)))
    return site.emitted


def test_a_list_is_told_as_it_is_and_as_it_changes() -> None:
    seen = watch(
        Stream(
            [
                {"v": 1, "type": "connected", "connectionId": "x"},
                {"type": "subscribed", "scope": "mine"},
                tasks(summary("t2"), summary("t1"), snapshot=True),
                tasks(summary("t1", 2), summary("t3")),
                tasks(summary("t1", 1, title="older")),
                tasks(summary("t2", 5, status="failed"), gone=("t2", "t9")),
            ]
        )
    )
    assert list(map(shown, seen)) == [
        (["t2", "t1"], ["t2", "t1"], []),
        (["t3", "t2", "t1"], ["t1", "t3"], []),
        (["t3", "t1"], ["t2"], ["t2"]),
    ]


def test_a_list_that_begins_again_tells_what_has_changed_meanwhile() -> None:
    first = Stream([tasks(summary("t2"), summary("t1"), snapshot=True)], breaks=True)
    same = Stream([tasks(summary("t2"), summary("t1"), snapshot=True)], breaks=True)
    other = Stream([tasks(summary("t3"), summary("t2", 4), snapshot=True)])
    assert list(map(shown, watch(first, same, other)))[1:] == [(["t3", "t2"], ["t3", "t2"], ["t1"])]


def test_an_empty_list_is_told_once() -> None:
    assert list(map(shown, watch(Stream([tasks(snapshot=True)], breaks=True), Stream([tasks(snapshot=True)])))) == [
        ([], [], [])
    ]


def test_a_list_that_is_interrupted_begins_again_and_one_that_is_forbidden_doesnt() -> None:
    interrupted = {"type": "error", "code": "interrupted", "message": "read again", "scope": "all"}
    assert len(watch(Stream([interrupted]), Stream([tasks(snapshot=True)]))) == 1
    forbidden = Site(Stream([{"type": "error", "code": "forbidden", "message": "no", "scope": "all"}]))
    everyone_s = wanted(scope="all", since=None, only=(), function=(), text="")
    with pytest.raises(Forbidden, match="no"):
        forbidden.carry_out(follow_list(everyone_s, Clock().patience()))


@pytest.mark.parametrize("told", ["no JSON", "[]", '{"type": "tasks"}', '{"type": "tasks", "tasks": [{}]}'])
def test_what_is_no_list_is_an_error(told: str) -> None:
    everything = wanted(scope="mine", since=None, only=(), function=(), text="")
    with pytest.raises(BadAnswer):
        Site(Stream([Event("message", told)])).carry_out(follow_list(everything, Clock().patience()))


def test_what_is_wanted_is_said_in_the_address() -> None:
    asked = wanted(
        scope="shared", since=NOW + timedelta(milliseconds=5), only=("open", "failed"), function="export", text="Imp"
    )
    assert asked.query() == {
        "scope": "shared",
        "since": "2026-11-20T12:00:00.005Z",
        "status": "cancel_requested,claimed,created,pending,retry,running,waiting,failed",
        "function": "export",
        "text": "Imp",
    }
    with pytest.raises(ValueError, match="zone"):
        wanted(scope="mine", since=datetime(2026, 11, 20), only=(), function=(), text="")  # noqa: DTZ001


# The environment.


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com/", " http://[::1]:8000/stepline/ "])
def test_a_site_has_an_address(url: str) -> None:
    assert site_url(url, {}) == url.strip().rstrip("/") == site_url(None, {"STEPLINE_URL": url})


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://example.com", "https://", "https://a:99999", "https://a?x=1", "https://u:p@a"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured) as raised:
        site_url(url, {})
    assert "u:p" not in str(raised.value)


@pytest.mark.parametrize(
    ("own", "url", "goes"),
    [
        ("", "https://a", True),
        ("https://a", "https://a/stepline", True),
        ("https://a:443", "https://A", True),
        ("https://a", "https://b", False),
        ("https://a", "http://a", False),
    ],
)
def test_the_environment_s_token_goes_to_its_own_site_only(own: str, url: str, goes: bool) -> None:
    environment = {"STEPLINE_URL": own, "STEPLINE_TOKEN": "stl_x"}
    assert token_for(url, environment) == ("stl_x" if goes else None)
