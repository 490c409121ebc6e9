"""Who may see and cancel which trees, by the rule and by a team's own authorizer."""

from typing import Any

import pytest
from django.core.checks import run_checks

from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import TaskRoot
from tasks.services.access import Viewer, find_root, may_cancel, may_see
from tasks.services.cancelling import request_cancel

OWNER = Viewer(session_key="owner")
STRANGER = Viewer(session_key="stranger")
SEES_ALL, CHANGES_ALL = Viewer(user_id=1, sees_all=True), Viewer(user_id=1, changes_all=True)
NOBODY = Viewer()

asked: list[tuple[str, str]] = []


def team_rule(viewer: Viewer, root: TaskRoot, action: str) -> bool | None:
    """Let a team see what is titled so, keep everybody from what is secret, and leave the rest to the rule."""
    asked.append((root.title, action))
    if root.title == "secret":
        return False
    return True if root.title == "team" and viewer.session_key else None


no_function = "text"


def root(**columns: Any) -> TaskRoot:
    return TaskRoot(**{"title": "plain", "session_key": "owner", **columns})


@pytest.mark.parametrize(
    ("viewer", "found", "sees", "cancels"),
    [
        (OWNER, {}, True, True),
        (STRANGER, {}, False, False),
        (NOBODY, {"session_key": ""}, False, False),
        (STRANGER, {"shared": True}, True, False),
        (SEES_ALL, {}, True, False),
        (CHANGES_ALL, {}, False, True),
        (OWNER, {"request_scoped": True}, True, True),
        (SEES_ALL, {"request_scoped": True}, False, False),
    ],
)
def test_the_rule(viewer: Viewer, found: dict[str, Any], sees: bool, cancels: bool) -> None:
    assert (may_see(viewer, root(**found)), may_cancel(viewer, root(**found))) == (sees, cancels)


def test_an_authorizer_decides_before_the_rule(settings: Any) -> None:
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.team_rule"
    asked.clear()
    assert may_see(STRANGER, root(title="team"))
    assert may_cancel(STRANGER, root(title="team"))
    assert not may_see(OWNER, root(title="secret"))
    assert not may_cancel(CHANGES_ALL, root(title="secret"))
    assert may_see(OWNER, root())
    assert not may_see(STRANGER, root())
    assert asked[:2] == [("team", "see"), ("team", "cancel")]


@pytest.mark.django_db
def test_what_an_authorizer_forbids_looks_missing(settings: Any) -> None:
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.team_rule"
    secret, plain = root(title="secret"), root(title="plain", shared=True, started_at="2026-11-28T12:00:00Z")
    secret.save()
    plain.save()
    missing = root().pk
    messages = []
    for pk in (secret.pk, missing):
        for deed in (lambda pk=pk: find_root(OWNER, pk), lambda pk=pk: request_cancel(root_id=pk, viewer=OWNER)):
            with pytest.raises(TaskNotFound) as caught:
                deed()
            messages.append(caught.value.message)
    assert len(set(messages)) == 1
    with pytest.raises(IllegalTransition):
        request_cancel(root_id=plain.pk, viewer=STRANGER)


@pytest.mark.parametrize("path", ["nowhere.rule", f"{__name__}.missing", "no_dots", f"{__name__}.no_function"])
def test_a_path_that_leads_nowhere_is_found_before_it_is_needed(settings: Any, path: str) -> None:
    settings.STEPLINE_TASK_AUTHORIZER = path
    assert "tasks.E003" in {message.id for message in run_checks()}
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.team_rule"
    assert "tasks.E003" not in {message.id for message in run_checks()}
