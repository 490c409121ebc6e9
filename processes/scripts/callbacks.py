"""The task script for callbacks: it anchors them, reports to them, asks how they stand and waits for their end."""

import uuid
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from processes.domain.application import CALLBACK_DATA, CALLBACK_ID, Application
from processes.domain.callbacks import ENDED, REPORTS, parse_duration, state_among
from processes.domain.directives import Anchor, Park, RunAgain
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.errors import ProcessError
from processes.registry import task_script
from processes.services.audit import actor_of
from processes.services.callback_ends import CALLBACK_STATUS, Standing, await_callback
from processes.services.callback_tokens import callback_of_token
from processes.services.callbacks import create_callback, query_callback, report_callback
from processes.services.errors import CallbackNotFoundError
from processes.services.host import acting_user, caller_of
from processes.services.run_store import RUN_ID

#: Why a run waits for the end of a callback.
AWAIT: Final = "await"

CallbackAction: TypeAlias = Literal[
    "create", "anchor", "prepare", "start", "progress", "complete", "error", "cancel", "query", "await"
]


def _duration(value: str) -> str:
    parse_duration(value)
    return value


def _waiting_time(value: str) -> str:
    if not parse_duration(value):
        raise ValueError("a callback needs some time: write it like PT30M or PT1H")
    return value


class CallbackConfig(BaseModel):
    """Configure `callback`."""

    model_config = ConfigDict(extra="forbid")

    action: CallbackAction = Field(
        "anchor",
        alias="callbackAction",
        description="What is done: `anchor` (or `create`, `prepare`) issues a callback; `start`, `progress`, "
        "`complete`, `error` and `cancel` report to one; `query` asks how it stands, `await` waits until it has ended.",
    )
    data: JSON = Field(
        None,
        alias="callbackData",
        description="Any JSON: what is reported; of an anchor, what a query answers before anything is. Null is none.",
    )
    token: str | None = Field(
        None, alias="callbackToken", description="Which callback is meant; by default the one of the context."
    )
    timeout: Annotated[str, AfterValidator(_waiting_time)] = Field(
        "PT1H", alias="callbackTimeout", description="After which time the callback ends by itself (ISO 8601)."
    )
    retention: Annotated[str, AfterValidator(_duration)] = Field(
        "PT1H", alias="callbackRetention", description="For how long it can be queried after its end (ISO 8601)."
    )
    stores_response: bool = Field(
        False,
        alias="callbackStoreResponse",
        description="Store what is reported: a query answers `callbackData`, overridden key by key by the last "
        "response.",
    )


@task_script(
    "callback",
    config=CallbackConfig,
    aliases=("stepTypeCallback",),
    example=Example(
        definition=[
            {
                "name": "anchor",
                "script": "callback",
                "config": {"callbackTimeout": "P1D"},
                "next": {"prepare": "order", "progress": "note", "complete": "thank", "*": False},
            },
            {
                "name": "order",
                "script": "http_request",
                "config": {
                    "method": "POST",
                    "url": "https://printer.example.com/orders",
                    "json": {"callback": "https://www.example.com/api/callbacks/%{attr:callbackToken}/"},
                },
                "next": False,
            },
            {
                "name": "note",
                "script": "show_progress",
                "config": {"message": "%{attr:callbackData.message}"},
                "next": False,
            },
            {"name": "thank", "script": "set_data", "config": {"values": {"parcel": "%{attr:callbackData.parcel}"}}},
        ],
    ),
    errors={
        "callback_not_found": "there is no such callback, no longer, or none in the context",
        "callback_conflict": "a report comes too late: the callback has ended otherwise, or `start` after `progress`",
        "durable_in_call": "an anchor, or `await`, below a call from Python code",
        "callback_file": "`callbackData` names a file that isn't there for whoever runs the process, or more than 100",
        "not_json": "`callbackData` holds what can't be stored, or nests more than 50 levels deep",
    },
)
def callback(app: Application) -> object:
    """Anchor a callback, or report to one.

    An anchor issues the callback and goes on under the state `prepare`: what follows starts the work and passes the
    token on, which is the attribute `callbackToken`. The run then waits, and each report leads on from the anchor,
    under the state `start`, `progress`, `complete`, `error`, `cancel` or `timeout`, with the response in the attribute
    `callbackData`. Each time that an anchor is reached it issues another callback.

    `query` and `await` set the attributes `callbackStatus` and `callbackData`, and give both; their state is that of
    the last report. A run in the foreground moves to the background where it is to wait.
    """
    config: CallbackConfig = app.config
    if config.action in ("create", "anchor", "prepare"):
        return _anchor(app, config)
    target = _target(app, config)
    if config.action == "query":
        return _told(app, query_callback(target))
    if config.action == "await":
        return _await(app, target)
    standing = report_callback(
        target,
        report=REPORTS[config.action],
        data=config.data,
        reader=caller_of(app),
        actor=actor_of(acting_user(app)),
        key=f"report:{app.idempotency_key}",
        is_keyed_by_step=True,
    )
    return standing.to_json()


def _anchor(app: Application, config: CallbackConfig) -> Anchor | RunAgain:
    if not _is_durable(app):
        return RunAgain(reason="durable")
    action = app.action
    row = create_callback(
        run_id=_run_id(app),
        ordinal=app.ordinal,
        action="" if action is None else action.name,
        data=config.data,
        timeout=parse_duration(config.timeout),
        retention=parse_duration(config.retention),
        stores_response=config.stores_response,
        routes=_routes(app),
    )
    app.set(CALLBACK_ID, str(row.pk))
    return Anchor(callback=str(row.pk))


def _await(app: Application, target: uuid.UUID) -> object:
    standing: Standing | None = query_callback(target)
    assert standing is not None
    if standing.status not in ENDED:
        if not _is_durable(app):
            return RunAgain(reason="durable")
        standing = await_callback(target, run_id=_run_id(app), ordinal=app.ordinal)
    return Park(reason=AWAIT, facts={"callback": str(target)}) if standing is None else _told(app, standing)


def _target(app: Application, config: CallbackConfig) -> uuid.UUID:
    if config.token is not None:
        return callback_of_token(config.token)
    known = app.get(CALLBACK_ID)
    if known is None:
        raise CallbackNotFoundError("There is no callback in this context: name it by config.callbackToken.")
    return callback_of_token(app.get("callbackToken"))


def _told(app: Application, standing: Standing) -> JSON:
    app.set(CALLBACK_STATUS, standing.status.value)
    app.set(CALLBACK_DATA, standing.data)
    app.state = state_among(_routes(app), standing.status)
    return standing.to_json()


def _routes(app: Application) -> list[str]:
    states = None if app.action is None else app.action.next.states
    return list(states or ())


def _is_durable(app: Application) -> bool:
    return app.host is not None and app.host.durable


def _run_id(app: Application) -> uuid.UUID:
    known = app.get(RUN_ID)
    if known is None:
        raise ProcessError("Callbacks need a run that is stored, and this one isn't.", code="not_running")
    return uuid.UUID(known)
