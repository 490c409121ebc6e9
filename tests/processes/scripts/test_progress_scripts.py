"""The eight scripts of progress indicators, in web requests and in the background."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from processes.errors import ConfigError, DefinitionError, PermanentError, ProcessError
from processes.models import DataNode, Run
from processes.registry import scripts
from processes.services.foreground import Answer
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.models import Job, TaskRoot
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.reading import read_snapshot, read_steps, read_updates
from tasks.services.roots import end_root
from tasks.services.work import work_off
from tests.processes.services.published import action, page, publish_process
from tests.processes.services.visiting import run_as_visitor

pytestmark = pytest.mark.django_db(transaction=True)

RENDER = {"name": "renderProgress", "script": "render_progress", "safe": True, "next": False}
START = action("begin", "start_progress", config={"title": "Counting"})


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    # Their threads have connections to the test's database.
    stop_flusher()
    stop_heart()


def run(
    *actions: dict[str, Any], data: dict[str, Any] | None = None, session: str = "s", slug: str = "count"
) -> Answer:
    """Publish a process, and run it in a web request of somebody who isn't signed in."""
    template = publish_process(f"{slug}-{uuid.uuid4().hex[:8]}", [*actions, RENDER])
    return run_as_visitor(template, session=session, data=data)


def work() -> None:
    while work_off("default"):
        pass


def root_of(answer: Answer) -> TaskRoot:
    return TaskRoot.objects.get(pk=answer.data["progress"])


def fold(root: TaskRoot) -> Tree:
    """Return the tree as those see it who follow it; it is the one in the database."""
    tree = Tree()
    for _, body in read_updates(root.pk, after=0, limit=1_000):
        tree.apply(json.loads(body))
    assert tree.root is not None
    assert tree.root.to_json() == read_snapshot(root.pk).tree.to_json()
    return tree


# -- start and restart ------------------------------------------------------------------------------------------------


def test_start_creates_an_indicator_of_the_callers_own_and_leads_to_its_page() -> None:
    answer = run(START, action("later", "noop", next=False))
    root = root_of(answer)
    assert (root.title, root.session_key, root.closed) == ("Counting", "s", False)
    assert [step["name"] for step in read_steps(root)] == ["later"]
    assert answer.response.redirect == f"/progress/{root.pk}/"


def test_start_again_begins_the_open_indicator_anew() -> None:
    first = root_of(run(START, action("a", "show_progress", config={"message": "One", "current": 1, "total": 9})))
    again = action("again", "start_progress", config={"title": "Once more"})
    answer = run(again, action("b", "noop", next=False), data={"progress": str(first.pk)})
    root = root_of(answer)
    assert (root.pk, TaskRoot.objects.count()) == (first.pk, 1)
    assert (root.title, root.message, root.current, root.total) == ("Once more", "", None, None)
    assert root.lease_until > first.lease_until
    tree = fold(root)
    assert tree.root is not None
    assert (tree.root.title, tree.root.status) == ("Once more", NodeStatus.RUNNING)
    assert tree.steps == [{"name": "b", "title": "B"}] == read_steps(root)


def test_start_again_leaves_alone_what_ended_what_a_run_works_for_and_what_is_not_the_callers() -> None:
    ended, foreign = root_of(run(START)), root_of(run(START, session="t"))
    end_root(root_id=ended.pk, status=NodeStatus.COMPLETED)
    at_work = root_of(run(START, action("leave", "execute_in_background"), action("more", "noop", next=False)))
    for other in (ended, foreign, at_work):
        before = TaskRoot.objects.values().get(pk=other.pk)
        assert root_of(run(START, data={"progress": str(other.pk)})).pk != other.pk
        assert TaskRoot.objects.values().get(pk=other.pk) == before


@pytest.mark.parametrize("named", ["nonsense", 7, None, {"a": 1}, "00000000-0000-7000-8000-000000000000"])
def test_data_that_names_no_indicator_gets_a_new_one(named: object) -> None:
    assert root_of(run(START, data={"progress": named, "more": 1})).title == "Counting"


def test_start_in_the_background_names_the_runs_own_tree() -> None:
    run(action("leave", "execute_in_background"), START, action("keep", "save_data", next=False))
    work()
    assert TaskRoot.objects.count() == 1
    assert DataNode.objects.get().data["progress"] == str(Run.objects.get().pk)


# -- show -------------------------------------------------------------------------------------------------------------


def test_show_writes_message_and_bar_in_a_web_request() -> None:
    shows = [
        action("one", "show_progress", config={"message": "One of %{data:n}", "current": 1, "total": "%{data:n}"}),
        action("two", "show_progress", config={"message": "Two"}),
    ]
    root = root_of(run(START, *shows, data={"n": 4}))
    assert (root.message, root.current, root.total) == ("Two", 1, 4)
    assert fold(root).root.percent == 25  # type: ignore[union-attr]


def test_show_writes_message_and_bar_in_the_background() -> None:
    show = action("one", "show_progress", config={"message": "One", "current": 1, "total": 4})
    root = root_of(run(START, action("leave", "execute_in_background"), show))
    work()
    root.refresh_from_db()
    assert (root.message, root.current, root.total, root.status) == ("One", 1, 4, "completed")
    fold(root)


def test_show_has_nothing_to_say_where_there_is_no_indicator_or_a_run_speaks_for_it() -> None:
    show = action("one", "show_progress", config={"message": "Hello"})
    run(show)
    at_work = root_of(run(START, action("leave", "execute_in_background"), action("more", "noop", next=False)))
    run(show, data={"progress": str(at_work.pk)})
    at_work.refresh_from_db()
    assert at_work.message == ""


# -- end and error ----------------------------------------------------------------------------------------------------


def test_end_in_a_web_request_ends_the_indicator_and_says_where_its_page_leads() -> None:
    answer = run(START, action("end", "end_progress", config={"redirect": "/orders/%{data:id}/"}), data={"id": 17})
    root = root_of(answer)
    assert (root.status, root.closed, root.meta) == ("completed", True, {"redirect": "/orders/17/"})
    assert answer.response.redirect == "/orders/17/"
    assert fold(root).finished


def test_end_in_the_background_says_where_the_page_leads_once_the_run_has_ended() -> None:
    end = action("end", "end_progress", config={"redirect": "/done/"})
    root = root_of(run(START, action("leave", "execute_in_background"), end, action("after", "noop")))
    work()
    root.refresh_from_db()
    assert (root.status, root.meta) == ("completed", {"redirect": "/done/"})


def test_ending_twice_changes_nothing() -> None:
    root = root_of(run(START, action("end", "end_progress"), action("endAgain", "end_progress")))
    assert fold(root).finished


def test_an_error_is_read_from_the_error_in_force() -> None:
    fails = action("breaks", "fail", config={"message": "Sold out."})
    tell = action("@error", "progress_error", config={"redirect": "/sold-out/"})
    with pytest.raises(ProcessError, match="Sold out"):
        run(START, fails, tell)
    root = TaskRoot.objects.get()
    assert (root.status, root.error, root.meta) == ("failed", "Sold out.", {"redirect": "/sold-out/"})


def test_what_an_exception_quotes_is_not_told_to_those_who_watch() -> None:
    def leak(app: Any) -> None:
        raise ValueError("postgres://admin:hunter2@db")

    with scripts.override("test_leak", leak), pytest.raises(ProcessError):
        run(START, action("readRows", "test_leak"), action("@error", "progress_error"))
    root = TaskRoot.objects.get()
    assert "“Read rows” failed unexpectedly" in root.error
    assert "hunter2" not in str(read_updates(root.pk, after=0))


def test_the_error_of_a_background_run_is_that_of_its_indicator() -> None:
    fails = action("breaks", "fail", config={"message": "Sold out."})
    tell = action("@error", "progress_error", config={"redirect": "/sold-out/"})
    run(START, action("leave", "execute_in_background"), fails, tell)
    work()
    root = TaskRoot.objects.get()
    assert (root.status, root.error, root.meta) == ("failed", "Sold out.", {"redirect": "/sold-out/"})


def test_an_error_that_is_not_in_force_can_not_be_told() -> None:
    with pytest.raises(PermanentError, match="before reset_error") as raised:
        run(START, action("tell", "progress_error"))
    assert raised.value.code == "no_error"


# -- where a page may lead --------------------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "javascript:alert(1)",
    "orders/",
    "/\\evil.example",
    "/a\nb",
    "",
]


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("script", ["end_progress", "progress_error"])
def test_a_redirect_to_another_site_is_refused_when_the_process_is_published(script: str, target: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        run(START, action("end", script, config={"redirect": target}))
    (problem,) = refused.value.problems
    assert problem.path.endswith("/config/redirect")
    assert "path of this site" in problem.message


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_redirect_to_another_site_is_refused_once_it_is_known(target: str) -> None:
    with pytest.raises(ConfigError, match="path of this site"):
        run(START, action("end", "end_progress", config={"redirect": "%{data:to}"}), data={"to": target})
    assert TaskRoot.objects.get().meta is None


# -- end with execute -------------------------------------------------------------------------------------------------

RESULT = [action("result", "load_data"), page("show", "%{data:votes} votes for %{param:who}", entry=False)]


def executes(**config: Any) -> dict[str, Any]:
    return action("finish", "end_progress_with_execute", config={"action": "result", **config}, next=False)


@pytest.mark.parametrize("background", [True, False])
def test_the_page_leads_to_the_process_with_the_data_as_they_are(background: bool) -> None:
    votes = action("count", "set_data", config={"values": {"votes": 3}})
    leave = [action("leave", "execute_in_background")] if background else []
    finish = executes(parameters={"who": "Ada & Bob", "page": 2, "all": True})
    root = root_of(run(START, *leave, votes, finish, *RESULT))
    work()
    root.refresh_from_db()
    target = urlsplit(root.meta["redirect"])
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert target.path.startswith("/p/count-")
    node = DataNode.objects.get(reference=query.pop("data"))
    assert query == {"action": "result", "who": "Ada & Bob", "page": "2", "all": "true"}
    assert (node.data["votes"], node.session_key) == (3, "s")
    assert node.expires_at >= root.purge_at - timedelta(minutes=1), "the result lives as long as the tree"


@pytest.mark.parametrize("name", ["data", "action", "form", "revision"])
def test_parameters_with_a_meaning_of_their_own_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=f'"{name}" has a meaning of its own'):
        run(START, executes(parameters={name: "x"}), *RESULT)


# -- check, render, leave ---------------------------------------------------------------------------------------------

LOOK = [
    action("look", "check_progress", next={"show": "shown", "none": "nothing"}),
    page("nothing", "Nothing is running."),
    page("shown", "It is running."),
]


def test_check_tells_whether_there_is_an_indicator_to_show() -> None:
    root = root_of(run(START))
    for data, session, expected in [
        ({"progress": str(root.pk)}, "s", "It is running."),
        ({"progress": str(root.pk)}, "t", "Nothing is running."),
        ({"progress": "x"}, "s", "Nothing is running."),
        (None, "s", "Nothing is running."),
    ]:
        assert run(*LOOK, data=data, session=session).response.content == f"<p>{expected}</p>"
    end_root(root_id=root.pk, status=NodeStatus.COMPLETED)
    assert "Nothing" in str(run(*LOOK, data={"progress": str(root.pk)}).response.content)


def test_render_draws_the_page() -> None:
    assert run(action("draw", "render_progress")).response.template == "processes/progress.html"


def test_execute_in_background_goes_on_after_itself_without_start_and_end_in_the_request() -> None:
    note = [action(name, "set_data", config={"values": {name: True}}) for name in ("@start", "after", "@end")]
    answer = run(
        START,
        action("leave", "execute_in_background"),
        note[1],
        action("keep", "save_data", next=False),
        note[0],
        note[2],
    )
    assert answer.response.redirect == f"/progress/{answer.data['progress']}/"
    assert set(answer.data) == {"progress", "@start"}
    work()
    assert Job.objects.get().pk == root_of(answer).pk
    assert set(DataNode.objects.get().data) == {"progress", "@start", "after"}
