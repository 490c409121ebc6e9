"""Progress indicators: the task tree that a process shows to the person who started it."""

import re
import uuid
from datetime import timedelta

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.services.access import Caller
from tasks.models import TaskRoot
from tasks.services.access import Viewer, owns
from tasks.services.roots import Owner, create_root
from tasks.tracking import TrackedNode

#: The key of `data` that holds the indicator's id.
INDICATOR_KEY = "progress"
#: The script that leads into the background.
BACKGROUND_SCRIPT = "execute_in_background"
#: How long an indicator may wait for its background run before it is ended as abandoned.
ABANDONED_AFTER = timedelta(minutes=10)
#: The redirect of a finished indicator, in its root's meta.
REDIRECT = "redirect"


def new_indicator(*, title: str, owner: Owner, steps: list[dict[str, JSON]]) -> uuid.UUID:
    """Create an indicator, visible to its owner, and return its id."""
    return create_root(title=title, owner=owner, steps=steps or None, lease=ABANDONED_AFTER).pk


def owner_of(caller: Caller) -> Owner:
    """Return to whom what `caller` starts belongs."""
    return Owner(user_id=caller.user_id, session_key=caller.session_key)


def find_open_indicator(app: Application, *, caller: Caller) -> TaskRoot | None:
    """Return the indicator that `data` names, if it is the caller's and hasn't ended.

    `data` is what scripts made of it, so nothing that it names is taken on trust.
    """
    value = app.data.get(INDICATOR_KEY)
    try:
        root_id = uuid.UUID(str(value))
    except ValueError:
        return None
    root = TaskRoot.objects.select_related("job").filter(pk=root_id, closed=False).first()
    viewer = Viewer(user_id=caller.user_id, session_key=caller.session_key)
    return root if root is not None and owns(viewer, root) else None


def set_redirect(root: TrackedNode, path: str) -> None:
    """Say where an indicator's page leads once its run has ended; it is told with the next checkpoint."""
    root.set_meta({REDIRECT: path})


def upcoming_steps(plan: Plan, *, first: int) -> list[dict[str, JSON]]:
    """Return the actions from index `first` on, in order, as steps to show before they run.

    The way is the one without states; what branches off it is shown when it comes. Actions up to the one that leads
    into the background are no steps of the background run.
    """
    steps: list[dict[str, JSON]] = []
    seen: set[int] = set()
    index = first
    while index >= 0 and index not in seen:
        seen.add(index)
        action = plan.actions[index]
        steps.append({"name": action.name, "title": spoken(action.name)})
        if action.script == BACKGROUND_SCRIPT:
            steps.clear()
        index = action.after
    return steps


def spoken(name: str) -> str:
    """Return an action's name as a title: `importRows` and `import_rows` become `Import rows`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.lstrip("@")).replace("_", " ").replace("-", " ").split()
    return " ".join([words[0].capitalize(), *(word.lower() for word in words[1:])]) if words else name
