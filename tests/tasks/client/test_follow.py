"""`stepline-follow` without a terminal and a network: addresses, rows, lines."""

from typing import Any

import pytest

from tasks.client import NotConfigured
from tasks.client.follow import main
from tasks.client.follow.addresses import task_at
from tasks.client.follow.lines import TreeLines
from tasks.client.follow.rows import last_lines, rows_of, safe, step_titles
from tasks.domain.tree import Tree
from tests.tasks.client.scripted import NODE, TASK_ID, log


@pytest.mark.parametrize(
    ("url", "site"),
    [
        (f"https://example.com/progress/{TASK_ID}/", "https://example.com"),
        (f" http://127.0.0.1:8000/progress/{TASK_ID}", "http://127.0.0.1:8000"),
        (f"https://example.com/api/tasks/{TASK_ID}/updates/?since=3#x", "https://example.com"),
        (f"https://example.com/stepline/api/tasks/{TASK_ID.upper()}/", "https://example.com/stepline"),
    ],
)
def test_an_address_names_a_site_and_a_task(url: str, site: str) -> None:
    assert task_at(url) == (site, TASK_ID)


@pytest.mark.parametrize(
    "url", ["", "https://example.com/", f"https://example.com/p/{TASK_ID}/", "https://[/progress/", f"/{'-' * 36}/"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(NotConfigured):
        task_at(url)


@pytest.mark.parametrize("arguments", [[], ["--nothing"], ["https://example.com/"], ["x", "--token-file", "/nowhere"]])
def test_a_wrong_command_has_a_code_of_its_own(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 64
    assert capsys.readouterr().err


def node(name: str, parent: str = TASK_ID, **fields: Any) -> dict[str, Any]:
    return {"id": name, "parentId": parent, "type": "action", "title": name, "alias": name, **fields}


def tree_of(*updates: dict[str, Any]) -> Tree:
    tree = Tree()
    for update in log(*updates):
        tree.apply(update)
    return tree


def start(name: str, parent: str = TASK_ID) -> dict[str, Any]:
    return {"type": "nodeStart", "node": node(name, parent)}


def end(name: str, status: str = "completed") -> dict[str, Any]:
    return {"type": "nodeEnd", "node": node(name), "status": status}


def titles(tree: Tree, most: int) -> tuple[list[str], int]:
    rows, left_out = rows_of(tree, most=most)
    return [row.title for row in rows], left_out


def test_where_there_is_no_room_what_is_at_work_comes_first() -> None:
    tree = tree_of(
        start("a"), end("a"), start("b"), end("b", "failed"), start("c"), start("d", "c"), start("e"), end("e")
    )
    assert titles(tree, 9) == (["Import", "a", "b", "c", "d", "e"], 0)
    assert titles(tree, 4) == (["Import", "b", "c", "d"], 2)
    assert titles(tree, 3) == (["Import", "c", "d"], 3)
    assert titles(tree, 1) == (["Import"], 5)
    assert titles(Tree(), 3) == ([], 0)


def test_what_others_have_written_doesnt_reach_the_terminal_s_controls() -> None:
    assert safe("a\x1b[2Jb\x9bc\r\x07\u202ed\te\n") == "a\ufffd[2Jb\ufffdc\ufffd\ufffd\ufffdd\te\n"
    evil = "\x1b]0;owned\x07\nx"
    tree = tree_of(
        {"type": "nodeStart", "node": node("n", title=evil)},
        {"type": "nodeProgress", "node": node("n", title=evil), "message": evil},
        {"type": "nodeOutput", "node": node("n", title=evil), "text": f"{evil}\n"},
    )
    rows, _ = rows_of(tree, most=5)
    shown = [part for row in rows for part in (row.title, row.note)] + last_lines(tree, most=5)
    assert not [text for text in shown if set(text) & set("\x1b\x07\n")]


def test_text_is_that_of_the_newest_node_at_work() -> None:
    def say(name: str, text: str) -> dict[str, Any]:
        return {"type": "nodeOutput", "node": node(name), "text": text}

    busy = [start("a"), say("a", "1\n2\n3\n"), start("b"), say("b", "4\n")]
    assert last_lines(tree_of(*busy), most=2) == ["4"]
    assert last_lines(tree_of(*busy, end("b")), most=2) == ["2", "3"]
    assert last_lines(tree_of(*busy, end("b"), end("a")), most=2) == ["4"]
    assert last_lines(tree_of(start("a")), most=2) == []


def test_steps_to_come_are_named() -> None:
    tree = Tree()
    first, *rest = log(start("read"))
    steps = [{"name": "read", "title": "Read"}, {"name": "check", "title": "Ch\x1beck"}]
    for update in ({**first, "steps": steps}, *rest):
        tree.apply(update)
    assert step_titles(tree) == ["Ch\ufffdeck"]


def test_without_a_terminal_each_thing_is_a_line() -> None:
    told: list[str] = []
    lines = TreeLines(told.append, told.append)
    for update in log(
        start("read"),
        *({"type": "nodeProgress", "node": node("read"), "current": row, "total": 40} for row in range(1, 10)),
        {"type": "nodeOutput", "node": node("read"), "text": "one\ntw"},
        {"type": "nodeOutput", "node": node("read"), "text": "o\nrest"},
        {"type": "nodeProgress", "node": node("read"), "message": "nearly"},
        {"type": "taskStatus", "status": "cancel_requested"},
        end("read", "cancelled"),
        {"type": "nodeStart", "node": NODE},
        {"type": "taskAborted", "reason": "no longer needed"},
    ):
        lines.tell(update)  # type: ignore[arg-type]
    assert told == [
        "Import: created",
        "read: running",
        "read: running 10%",
        "read: running 20%",
        "| one",
        "| two",
        "read: running 22% (nearly)",
        "Import: cancel_requested",
        "read: cancelled (nearly)",
        "Import: running 22%",
        "| rest",
        "Import: cancelled (no longer needed)",
    ]


def test_a_lost_connection_is_told_once_each_time() -> None:
    told: list[str] = []
    lines = TreeLines(lambda line: None, told.append)
    updates = log(start("a"), end("a"))
    for update in updates:
        lines.wait("reset")
        lines.wait("refused")
        lines.tell(update)  # type: ignore[arg-type]
    assert told == ["connection lost, trying again (reset)"] * len(updates)
