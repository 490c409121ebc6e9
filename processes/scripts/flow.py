"""Task scripts that steer a process: states, decisions, failures, and calls of other processes."""

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from processes.domain.application import Application
from processes.domain.bindings import REF
from processes.domain.conditions import ConditionSource, compile_condition, variables_of
from processes.domain.directives import CallProcess
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.errors import ConditionError, FailedError
from processes.registry import task_script
from processes.services.lending import check_bound

#: A state is a text; a number, true and false are looked up in `next` as JSON writes them.
State: TypeAlias = str | bool | int | float


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SetStateConfig(_Config):
    """Configure `set_state`."""

    state: State = Field(description="The state, which is looked up in `next`.")


class FailConfig(_Config):
    """Configure `fail`."""

    code: str = Field("failed", min_length=1, description="The error's code, for programs.")
    message: str = Field("The process has failed.", description="What people read.")
    fields: dict[str, JSON] = Field(default_factory=dict, description="Anything else that is worth knowing.")
    status: int | None = Field(
        None, ge=400, le=599, description="The HTTP status of the page that tells of it; 422 where there is none."
    )


class ResetErrorConfig(_Config):
    """Configure `reset_error`."""

    state: State | None = Field(None, description="A state to set, which is looked up in `next`.")


class Case(_Config):
    """Pair a condition with a state."""

    condition: ConditionSource = Field(
        alias="if",
        description="A condition over data, param, attr, state, user, error and now, as in `data.total > 100`.",
    )
    state: State = Field(description="The state that is set where the condition is the first that is true.")


class ChooseConfig(_Config):
    """Configure `choose`."""

    cases: list[Case] = Field(description="The cases, asked in their order.")
    otherwise: State | None = Field(
        None, alias="else", description="The state where no case is true; without it none is set."
    )


class CallProcessConfig(_Config):
    """Configure `call_process`."""

    process: str | dict[str, JSON] = Field(
        description='The process: "${reference}", a reference of the bindings, or the slug of a published template.'
    )
    action: str | None = Field(
        None, description='The action at which it is entered; "name?" runs nothing where it isn\'t declared.'
    )


@task_script(
    "set_state",
    config=SetStateConfig,
    effect="pure",
    aliases=("setState",),
    example=Example(
        definition=[
            {"name": "judge", "script": "set_state", "config": {"state": "late"}, "next": {"late": "remind"}},
            {"name": "praise", "script": "set_data", "config": {"values": {"letter": "thanks"}}, "next": False},
            {"name": "remind", "script": "set_data", "config": {"values": {"letter": "reminder"}}},
        ],
        gives={"state": None, "data": {"letter": "reminder"}},
    ),
)
def set_state(app: Application) -> None:
    """Set the state."""
    config: SetStateConfig = app.config
    app.state = config.state  # type: ignore[assignment]  # the interpreter writes it as text


@task_script(
    "noop",
    effect="pure",
    example=Example(definition=[{"name": "rest", "script": "noop"}], gives={"state": None, "value": None, "data": {}}),
)
def noop(app: Application) -> None:
    """Do nothing; a config is allowed, and ignored."""


@task_script(
    "fail",
    config=FailConfig,
    effect="pure",
    example=Example(
        definition=[
            {
                "name": "check",
                "script": "choose",
                "config": {"cases": [{"if": "data.rows == 0", "state": "empty"}]},
                "next": {"empty": "refuse", "*": False},
            },
            {
                "name": "refuse",
                "script": "fail",
                "config": {"code": "empty_file", "message": "%{data:name} has no rows", "fields": {"rows": 0}},
            },
        ],
        data={"rows": 0, "name": "a.csv"},
        gives={"error": "empty_file"},
    ),
    errors={"failed": "always; the config's `code` takes this code's place"},
)
def fail(app: Application) -> None:
    """Fail with an error of one's own, for `@error` or for the caller; it is permanent, so nothing is tried again."""
    config: FailConfig = app.config
    status = {} if config.status is None else {"status": config.status}
    raise FailedError(config.message, code=config.code, fields={**config.fields, **status})


@task_script(
    "reset_error",
    config=ResetErrorConfig,
    effect="pure",
    aliases=("resetError",),
    example=Example(
        definition=[
            {"name": "work", "script": "fail", "config": {"code": "busy"}},
            {"name": "praise", "script": "set_data", "config": {"values": {"letter": "thanks"}}, "next": False},
            {"name": "excuse", "script": "set_data", "config": {"values": {"letter": "sorry"}}},
            {
                "name": "@error",
                "script": "reset_error",
                "config": {"state": "mended"},
                "next": {"mended": "excuse"},
            },
        ],
        gives={"data": {"letter": "sorry"}, "error": None},
    ),
)
def reset_error(app: Application) -> None:
    """Clear the error as the script of `@error`, so that its `next` is followed; elsewhere there is none to clear."""
    config: ResetErrorConfig = app.config
    app.error = None
    if config.state is not None:
        app.state = config.state  # type: ignore[assignment]  # the interpreter writes it as text


@task_script(
    "choose",
    config=ChooseConfig,
    effect="pure",
    example=Example(
        definition=[
            {
                "name": "size",
                "script": "choose",
                "config": {
                    "cases": [
                        {"if": "!has(data.total)", "state": "unknown"},
                        {"if": "data.total > 1000 && !user.is_staff", "state": "ask"},
                    ],
                    "else": "pay",
                },
                "next": {"ask": "ask", "*": "pay"},
            },
            {"name": "ask", "script": "set_state", "config": {"state": "asked"}, "next": False},
            {"name": "pay", "script": "set_state", "config": {"state": "paid"}},
        ],
        data={"total": 1200},
        gives={"state": "asked"},
    ),
    errors={"condition": "a key isn't there, types don't go together, or a condition is neither true nor false"},
)
def choose(app: Application) -> None:
    """Set the state of the first case whose condition is true, else that of `else`; without one the state stays unset.

    Later conditions aren't asked.
    """
    config: ChooseConfig = app.config
    variables = variables_of(app)
    for number, case in enumerate(config.cases):
        try:
            holds = compile_condition(case.condition).evaluate(variables)
        except ConditionError as error:
            error.path = f"/config/cases/{number}/if"
            raise
        if holds:
            app.state = case.state  # type: ignore[assignment]  # the interpreter writes it as text
            return
    app.state = config.otherwise  # type: ignore[assignment]


@task_script(
    "call_process",
    config=CallProcessConfig,
    aliases=("callProcess",),
    example=Example(
        definition=[
            {"name": "check", "script": "call_process", "config": {"process": "${checks}", "action": "total"}},
        ],
        bindings={
            "checks": {
                "process": [
                    {"name": "names", "script": "fail"},
                    {"name": "total", "script": "set_state", "config": {"state": "fine"}},
                ]
            }
        },
        gives={"state": "fine"},
    ),
    errors={
        "not_found": "there is no such process, it isn't published, or it has no such action and no `@unknown`",
        "too_deep": "processes call each other more than 50 levels deep",
        "unsafe_target": "it runs with lent rights (`run_as_owner`), and the process isn't bound",
    },
)
def call_process(app: Application) -> CallProcess:
    """Run a process in this context; its last state and value become this action's.

    It shares data, request, response and user, and may wait. An action whose `script` is a bound process does the same;
    this one may take the process from data: then anybody who can change that data chooses what runs.
    """
    config: CallProcessConfig = app.config
    target: JSON = config.process
    if app.authority is not None:
        # With the rights of somebody else nothing runs that a request or data have chosen.
        check_bound(app, target)
    bound = app.process is not None and isinstance(target, str) and target in app.process.bindings
    if isinstance(target, str) and not bound:
        target = {REF: "process", "name": target, "reference": target}
    return CallProcess(target=target, config=None if config.action is None else {"action": config.action})
