"""Task scripts for progress indicators.

An indicator is a task tree that belongs to the person who started the process. `start_progress` creates it and sends
the person to its page; `execute_in_background` lets the process go on in a worker, as the run whose tree it is. It ends
with that run; the scripts that end it here only say where its page leads.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from processes.domain.application import Application
from processes.domain.directives import Background
from processes.domain.entrances import entrance_at_action
from processes.domain.scripts import Example
from processes.errors import PermanentError
from processes.registry import task_script
from processes.services.addresses import address_of
from processes.services.data_nodes import LOADED_REVISION, create_data_node
from processes.services.forms import RESERVED_NAMES
from processes.services.host import caller_of, is_foreground
from processes.services.indicators import (
    BACKGROUND_SCRIPT,
    INDICATOR_KEY,
    RENDER_SCRIPT,
    begin_indicator,
    end_indicator,
    find_open_indicator,
    is_own_path,
    progress_url,
    report_to_indicator,
    set_redirect,
    told_reason,
    upcoming_steps,
)
from tasks import current_node
from tasks.domain.jsonvalue import dumps
from tasks.domain.statuses import NodeStatus
from tasks.services.roots import kept_for

#: The action that draws the progress page, and the script that is offered for it.
RENDER_ACTION = "renderProgress"


def _own_path(value: str) -> str:
    if not is_own_path(value):
        raise ValueError('must be a path of this site, such as "/orders/": a progress page leads nowhere else')
    return value


OwnPath = Annotated[str, AfterValidator(_own_path)]


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

    redirect: OwnPath | None = Field(None, description="Where its page leads then: a path of this site.")


class EndProgressWithExecuteConfig(_Config):
    """Configure `end_progress_with_execute`."""

    action: str = Field(description="The action at which the process is entered, with the data as they are now.")
    parameters: dict[str, str | int | float | bool] = Field({}, description="Further parameters of that request.")

    @field_validator("parameters")
    @classmethod
    def _not_reserved(cls, parameters: dict[str, object]) -> dict[str, object]:
        for name in sorted(RESERVED_NAMES & parameters.keys()):
            raise ValueError(f'"{name}" has a meaning of its own; choose another name')
        return parameters


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

    The open indicator that `data.progress` names begins anew, unless a run works for it: then, as after its end, a new
    one is made. In the background the run's own tree is the indicator.
    """
    caller = caller_of(app)
    if not is_foreground(app):
        run_id = str(app.get("run_id"))
        app.data[INDICATOR_KEY] = run_id
        return run_id
    plan, action = app.process, app.action
    steps = [] if plan is None or action is None else upcoming_steps(plan, first=action.after)
    title = app.config.title or (plan.name if plan is not None else "Progress")
    root_id = begin_indicator(app, caller=caller, title=title, steps=steps)
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
    """Write a message to the progress indicator, and move its bar."""
    config: ShowProgressConfig = app.config
    if is_foreground(app):
        report_to_indicator(
            app, caller=caller_of(app), message=config.message, current=config.current, total=config.total
        )
    else:
        current_node().root.progress(config.current, config.total, config.message)


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
    errors={"no_error": "no error is in force: it was reset before, or never was"},
)
def progress_error(app: Application) -> None:
    """End the progress indicator with the error in force, and lead its page to `redirect` where one is given."""
    if app.error is None:
        raise PermanentError(
            "progress_error tells of an error, and there is none: use it in @error, and before reset_error. To end a "
            "process with an error of its own, use fail.",
            code="no_error",
        )
    _end(app, status=NodeStatus.FAILED, redirect=app.config.redirect)


@task_script(
    "end_progress_with_execute",
    config=EndProgressWithExecuteConfig,
    # The data are kept together with the checkpoint: exactly once.
    effect="transactional",
    aliases=("endProgressWithExecute", "End progress with execute"),
    entrances=entrance_at_action,
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
    config: EndProgressWithExecuteConfig = app.config
    caller = caller_of(app)
    # The result can be opened as long as its task is listed.
    node = create_data_node(caller=caller, data=app.data, kept=kept_for(), based_on=app.get(LOADED_REVISION))
    given = {name: value if isinstance(value, str) else dumps(value) for name, value in config.parameters.items()}
    path = address_of(caller, query={**given, "action": config.action, "data": node.reference})
    _end(app, status=NodeStatus.COMPLETED, redirect=path)


@task_script(
    RENDER_SCRIPT,
    effect="pure",
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


def _end(app: Application, *, status: NodeStatus, redirect: str | None) -> None:
    if not is_foreground(app):
        if redirect is not None:
            set_redirect(current_node().root, redirect)
        return
    reason = told_reason(app.error) if status is NodeStatus.FAILED and app.error is not None else ""
    end_indicator(app, caller=caller_of(app), status=status, reason=reason, redirect=redirect)
    if redirect is not None:
        app.response.redirect = redirect
