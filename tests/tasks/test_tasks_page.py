"""What docs/tasks.md shows works: its blocks are carried out as they stand."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

import tasks
from tasks.domain.meta import metas
from tasks.models import TaskRoot
from tasks.services.access import Viewer, may_cancel
from tests.tasks.conftest import Trees

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def carried_out(name: str) -> Any:
    """Return a function of the page, having carried out its block."""
    [block] = [block for block in BLOCKS if f"def {name}(" in block]
    namespace: dict[str, Any] = {}
    exec(compile(block, "docs/tasks.md", "exec"), namespace)
    return namespace[name]


@pytest.fixture
def user(trees: Trees) -> User:
    return User.objects.create(username="owner")


def test_the_first_example(user: User, trees: Trees) -> None:
    task_id = carried_out("import_airports")([{"code": " muc"}, {"code": "ber"}], user)
    root = trees.read(task_id).root
    assert root is not None
    assert (root.status, root.message, root.output, root.meta) == (
        "completed", "done", "2 rows accepted\n", {"rows": 2},
    )  # fmt: skip
    assert (root.children[0].title, root.children[0].current) == ("Validating", 2)


def test_handles(user: User, trees: Trees) -> None:
    task_id = asyncio.run(carried_out("fetch_all")(user))
    root = trees.read(task_id).root
    assert root is not None
    assert [(child.title, child.current) for child in root.children] == [("Fetching one", 1)] * 3 + [("Checking", 2)]


def test_files(user: User, trees: Trees) -> None:
    root = trees.read(carried_out("build")(user)).root
    assert root is not None
    assert [child.output for child in root.children] == ["compiled\n", ""]
    assert root.children[1].current == 8


def test_meta(user: User, trees: Trees) -> None:
    import_file = carried_out("import_file")
    try:
        root = trees.read(import_file(user)).root
    finally:
        metas.remove(import_file.__globals__["ImportMeta"])
    assert root is not None
    assert root.meta == {"file": "airports.csv", "rows": 3_376}


def test_the_authorizer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "team_rule", carried_out("team_rule"), raising=False)
    settings.STEPLINE_TASK_AUTHORIZER = "tasks.team_rule"
    owner = Viewer(session_key="owner")
    assert may_cancel(owner, TaskRoot(session_key="owner"))
    assert not may_cancel(owner, TaskRoot(session_key="owner", shared=True))


def test_every_block_is_carried_out() -> None:
    assert len(BLOCKS) == 5


def test_everything_that_handles_have_is_named() -> None:
    public = {name for name in dir(tasks.Handle) if not name.startswith("_")}
    named = set(re.findall(r"`(\w+)`", PAGE))
    # `root` and `update` are for what draws on trees, like processes.
    assert public - named == {"root", "update"}
