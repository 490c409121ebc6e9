"""Task scripts for progress indicators.

An indicator is a task tree that belongs to the person who started the process. `start_progress` creates it and sends
the person to its page; `execute_in_background` lets the process go on in a worker, as the run whose tree it is. It ends
with that run; the scripts that end it here only say where its page leads.
"""

import uuid

from django.urls import reverse
from pydantic import BaseModel, ConfigDict, Field

from processes.domain.application import Application
from processes.domain.directives import Background
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.registry import task_script
from processes.services.addresses import address_of
from processes.services.data_nodes import LOADED_REVISION, create_data_node
from processes.services.host import caller_of, is_foreground
from processes.services.indicators import (
    BACKGROUND_SCRIPT,
    INDICATOR_KEY,
    find_open_indicator,
    new_indicator,
    owner_of,
    set_redirect,
    upcoming_steps,
)
from tasks import current_node
from tasks.domain.statuses import NodeStatus
from tasks.services.roots import KEPT, end_root, report_message

#: The action that draws the progress page, and the script that is offered for it.
RENDER_ACTION = "renderProgress"


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartProgressConfig(_Config):
    """Configure `start_progress`."""

    title: str | None = Field(None, description="The title of the page; by default the process's name.")


class ShowProgressConfig(_Config):
    """Configure `show_progress`."""

    message: str = Field(description="What is happening, for the person who waits.")
    current: float | None = Field(None, description="How much is done.")
    total: float | None = Field(None, description="How much there is to do; with `current` it moves the bar.")


class EndProgressConfig(_Config):
    """Configure the scripts that end an indicator."""

    redirect: str | None = Field(None, description="Where its page leads then: a path of this site.")


class EndProgressWithExecuteConfig(_Config):
    """Configure `end_progress_with_execute`."""

    action: str = Field(description="The action at which the process is entered, with the data as they are now.")


#: An indicator from its beginning to its end.
_EXAMPLE = Example(
    definition=[
        {"name": "begin", "script": "start_progress", "config": {"title": "Your report"}},
        {"name": "leave", "script": "execute_in_background"},
        {"name": "tell", "script": "show_progress", "config": {"message": "Adding up", "current": 1, "total": 2}},
        {"name": "addUp", "script": "set_data", "config": {"values": {"sum": 42}}},
        {"name": "finish", "script": "end_progress", "config": {"redirect": "/reports/"}, "next": False},
        {"name": "renderProgress", "script": "render_progress"},
    ],
)


@task_script(
    "start_progress",
    config=StartProgressConfig,
    aliases=("startProgress", "Start progress"),
    requires={RENDER_ACTION: "render_progress"},
    example=_EXAMPLE,
)
def start_progress(app: Application) -> str:
    """Start or restart a progress indicator, keep its id in `data.progress`, and redirect to its page.

    In the background the run has its indicator already; there it changes nothing.
    """
    if not is_foreground(app):
        return str(app.get("run_id"))
    caller = caller_of(app)
    plan, action = app.process, app.action
    steps = [] if plan is None or action is None else upcoming_steps(plan, first=action.after)
    title = app.config.title or (plan.name if plan is not None else "Progress")
    root_id = new_indicator(title=title, owner=owner_of(caller), steps=steps)
    app.data[INDICATOR_KEY] = str(root_id)
    app.response.redirect = progress_url(root_id)
    return str(root_id)


@task_script(
    "show_progress",
    config=ShowProgressConfig,
    aliases=("showProgress", "Show progress"),
    example=_EXAMPLE,
)
def show_progress(app: Application) -> None:
    """Write a message to the progress indicator."""
    config: ShowProgressConfig = app.config
    if not is_foreground(app):
        current_node().root.progress(config.current, config.total, config.message)
        return
    root = find_open_indicator(app, caller=caller_of(app))
    if root is not None:
        report_message(root_id=root.pk, title=root.title, message=config.message)


@task_script("end_progress", config=EndProgressConfig, aliases=("endProgress", "End progress"), example=_EXAMPLE)
def end_progress(app: Application) -> None:
    """End the progress indicator, and lead its page to `redirect` where one is given."""
    _end(app, status=NodeStatus.COMPLETED, redirect=app.config.redirect)


@task_script(
    "progress_error",
    config=EndProgressConfig,
    aliases=("progressError", "Progress error"),
    example=Example(
        definition=[
            {"name": "work", "script": "fail", "config": {"code": "sold_out", "message": "Sold out."}},
            {"name": "@error", "script": "progress_error", "config": {"redirect": "/sold-out/"}},
        ],
        gives={"error": "sold_out", "response": {"redirect": "/sold-out/"}},
    ),
)
def progress_error(app: Application) -> None:
    """End the progress indicator with the error of the run, and lead its page to `redirect` where one is given."""
    _end(app, status=NodeStatus.FAILED, redirect=app.config.redirect)


@task_script(
    "end_progress_with_execute",
    config=EndProgressWithExecuteConfig,
    aliases=("endProgressWithExecute", "End progress with execute"),
    example=Example(
        definition=[
            {"name": "begin", "script": "start_progress", "config": {"title": "Counting the votes"}},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "count", "script": "set_data", "config": {"values": {"votes": 3}}},
            {"name": "finish", "script": "end_progress_with_execute", "next": False, "config": {"action": "result"}},
            {"name": "result", "script": "show_page", "config": {"text": "%{data:votes} votes"}, "next": False},
            {"name": "renderProgress", "script": "render_progress"},
        ],
    ),
)
def end_progress_with_execute(app: Application) -> None:
    """End the progress indicator, and lead its page to this process, entered at `action` with the present data."""
    caller = caller_of(app)
    # The result can be opened as long as its task is listed.
    node = create_data_node(caller=caller, data=app.data, kept=KEPT, based_on=app.get(LOADED_REVISION))
    query = {"action": app.config.action, "data": node.reference}
    path = address_of(caller, query=query)
    _end(app, status=NodeStatus.COMPLETED, redirect=path)


@task_script(
    "render_progress",
    aliases=("renderProgress", "Render progress"),
    example=Example(
        definition=[{"name": "renderProgress", "script": "render_progress"}],
        gives={"response": {"template": "processes/progress.html"}},
    ),
)
def render_progress(app: Application) -> None:
    """Draw the page of the progress indicator."""
    app.response.template = "processes/progress.html"


@task_script(
    "check_progress",
    aliases=("checkProgress", "checkForProgressIndicator", "Check for progress indicator"),
    example=Example(
        definition=[
            {"name": "look", "script": "check_progress", "next": {"show": "watch", "none": "start"}},
            {"name": "start", "script": "show_page", "config": {"text": "Nothing is running."}, "next": False},
            {"name": "watch", "script": "show_page", "config": {"text": "It is running."}},
        ],
        gives={"response": {"content": "<p>Nothing is running.</p>"}},
    ),
)
def check_progress(app: Application) -> None:
    """Set the state `show` if there is an indicator to show, else `none`."""
    app.state = "none" if find_open_indicator(app, caller=caller_of(app)) is None else "show"


@task_script(BACKGROUND_SCRIPT, aliases=("executeInBackground", "Execute in background"), example=_EXAMPLE)
def execute_in_background(app: Application) -> Background:
    """Go on in the background: a worker continues after this action, and the person gets the response set so far."""
    return Background()


def progress_url(root_id: uuid.UUID) -> str:
    """Return the path of an indicator's page."""
    return reverse("processes:progress", args=[root_id])


def _end(app: Application, *, status: NodeStatus, redirect: JSON) -> None:
    if not is_foreground(app):
        if isinstance(redirect, str):
            set_redirect(current_node().root, redirect)
        return
    root = find_open_indicator(app, caller=caller_of(app))
    # One that a background run works for ends with that run.
    if root is not None and getattr(root, "job", None) is None:
        reason = app.error.message if app.error is not None else ""
        end_root(root_id=root.pk, status=status, reason=reason)
    if isinstance(redirect, str):
        app.response.redirect = redirect
