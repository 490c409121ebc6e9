"""Task scripts about whose rights a process acts with: the owner's, or its caller's lent to it for a while.

What is wrapped, and only that, runs under the other authority. Whose run it is stays the same: forms, data, files and
progress are the caller's throughout.
"""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import STORED_USER, Application
from processes.domain.bindings import REF
from processes.domain.directives import CallProcess
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.scripts import Example
from processes.models import ProcessInstance, ProcessTemplate
from processes.registry import task_script
from processes.services import audit
from processes.services.authority import json_key
from processes.services.grants import DEFAULT_MINUTES, MAX_MINUTES, SCOPES, Scope, create_grant, revoke_grant
from processes.services.host import CREDENTIALS, caller_of, credentials_of, host_of, stored_credentials
from processes.services.lending import RUN_AS_OWNER, check_bound, lender_of, unsafe_target

RUN_AS_CALLER = "run_as_caller"
#: What `store_credentials` sets when nobody is signed in, else.
ANONYMOUS, STORED = "anonymous", "stored"

#: Where a config names what is wrapped; () is the config as a whole.
_TARGETS = ((), ("process",), ("script",))

What = Literal["both", "user", "credentials"]


class WrapConfig(BaseModel):
    """Configure `run_as_owner` and `run_as_caller`."""

    model_config = ConfigDict(extra="forbid")

    process: JSON = Field(None, description='What is run: a process that is bound, as "${reference}".')
    action: str | None = Field(None, description="The action at which the process is entered.")
    script: JSON = Field(None, description='Instead of a process: a script, by name or as "${reference}".')
    config: JSON = Field(None, description="The script's config.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.process is None) == (self.script is None):
            raise ValueError('give either "process" or "script"')
        if self.script is None and self.config is not None:
            raise ValueError('"config" is for a script; a process takes "action"')
        if self.process is None and self.action is not None:
            raise ValueError('"action" is for a process')
        return self


class StoreConfig(BaseModel):
    """Configure `store_credentials`."""

    model_config = ConfigDict(extra="forbid")

    what: What = Field("both", description="What is stored: the user, their credentials, or both.")
    scopes: list[Scope] = Field(
        default_factory=lambda: list(SCOPES),
        min_length=1,
        description='What the credentials are for: "call" (run_as_caller), "http" (requests).',
    )
    minutes: float = Field(DEFAULT_MINUTES, gt=0, le=MAX_MINUTES, description="How long the credentials last.")


class RemoveConfig(BaseModel):
    """Configure `remove_credentials`."""

    model_config = ConfigDict(extra="forbid")

    what: What = Field("both", description="What is removed: the user, their credentials, or both.")


#: The process that is wrapped in the examples.
_ORDERS = {"orders": {"process": [{"name": "list", "script": "set_data", "config": {"values": {"orders": []}}}]}}

_WRAPPER = Example(
    definition=[
        {"name": "keepCaller", "script": "store_credentials"},
        {"name": "asOwner", "script": "run_as_owner", "config": {"process": "${orders}"}},
        {"name": "forgetCaller", "script": "remove_credentials"},
        {"name": "@error", "script": "remove_credentials"},
    ],
    bindings=_ORDERS,
)


@task_script(
    RUN_AS_OWNER,
    config=WrapConfig,
    aliases=("runAsOwner",),
    example=_WRAPPER,
    errors={
        "no_owner": "what is executed has no owner",
        "authority": "the owner is inactive, or was deleted while it ran",
        "unsafe_target": "what is wrapped comes from a request or from data, or isn't bound; or the process itself was "
        "called without being bound",
    },
)
def run_as_owner(app: Application) -> object:
    """Run a process or a script, and only that, with the rights of the owner of what is executed.

    That is the instance's owner where one is executed, else the template's; the owner of the run's own template also
    where a sub process asks. Its state and value become this action's. It is recorded in the audit log.
    """
    owner = lender_of(app)
    _check_target(app)
    _record_lending(app, owner=audit.actor_of(owner))
    return _wrapped(app, authority={"user": json_key(owner.pk)})


@task_script(
    RUN_AS_CALLER,
    config=WrapConfig,
    aliases=("runAsCaller",),
    example=Example(
        definition=[
            {"name": "keepCaller", "script": "store_credentials", "config": {"what": "credentials"}},
            {"name": "asCaller", "script": "run_as_caller", "config": {"process": "${orders}", "action": "list"}},
            {"name": "forgetCaller", "script": "remove_credentials"},
        ],
        bindings=_ORDERS,
    ),
    errors={
        "no_credentials": "no credentials are stored",
        "authority": "the credentials were removed, have expired, or aren't for this",
        "unsafe_target": "what is wrapped comes from a request or from data, or isn't bound",
    },
)
def run_as_caller(app: Application) -> object:
    """Run a process or a script, and only that, with the caller's rights, by the credentials that are stored.

    It serves inside `run_as_owner`. Whenever the rights are used it is asked whether the credentials still hold.
    """
    reference = credentials_of(app, scope="call")
    _check_target(app)
    return _wrapped(app, authority={"grant": reference})


@task_script(
    "store_credentials",
    config=StoreConfig,
    effect="transactional",
    aliases=("storeCredentials", "storeCallerCredentials"),
    example=_WRAPPER,
)
def store_credentials(app: Application) -> None:
    """Keep the caller for what follows: as `app.user`, whatever authority is in force, and by credentials they lend.

    The credentials are a short-lived grant, kept by reference in the attribute `credentials`; they serve
    `run_as_caller` and requests that say for whom they are. It is always the run's own caller who is stored, never an
    authority that is lent. The state is `stored`, or `anonymous` where nobody is signed in: then the user is nobody,
    and there are no credentials.
    """
    config: StoreConfig = app.config
    host = host_of(app)
    user_id = host.caller.user_id
    if config.what != "credentials":
        app.set(STORED_USER, {"user": json_key(user_id)})
    if config.what != "user":
        _revoke(app)
        if user_id is not None:
            grant = create_grant(
                user_id=user_id,
                template_id=host.caller.template_id,
                execution=host.execution,
                scopes=config.scopes,
                minutes=config.minutes,
            )
            app.set(CREDENTIALS, {REF: "grant", "reference": grant.reference})
    app.state = ANONYMOUS if user_id is None else STORED


@task_script(
    "remove_credentials",
    config=RemoveConfig,
    effect="transactional",
    aliases=("removeCredentials", "removeCallerCredentials"),
    example=_WRAPPER,
)
def remove_credentials(app: Application) -> None:
    """Forget the stored user, and revoke the stored credentials: at once, wherever they are used."""
    config: RemoveConfig = app.config
    if config.what != "credentials":
        app.remove(STORED_USER)
    if config.what != "user":
        _revoke(app)


def _revoke(app: Application) -> None:
    reference = stored_credentials(app)
    if reference is not None:
        revoke_grant(reference, execution=host_of(app).execution)
    app.remove(CREDENTIALS)


def _wrapped(app: Application, *, authority: JSON) -> object:
    """Carry out what a config wraps under `authority`."""
    config: WrapConfig = app.config
    if config.process is not None:
        entry = None if config.action is None else {"action": config.action}
        return CallProcess(target=config.process, config=entry, authority=authority)
    before = app.authority
    app.authority = authority
    try:
        return app.call(config.script, config=config.config)
    finally:
        app.authority = before


def _check_target(app: Application) -> None:
    """Refuse to lend authority to what somebody else than the definition's editors has chosen."""
    config: WrapConfig = app.config
    action = app.action
    own = action is not None and action.script in (RUN_AS_OWNER, RUN_AS_CALLER)
    if own and any(filler.path[:1] in _TARGETS for filler in action.fillers):  # type: ignore[union-attr]
        raise unsafe_target(
            "What runs with other rights must be named in the definition: a placeholder could be filled by anybody."
        )
    if config.process is not None:
        check_bound(app, config.process)
        if not isinstance(app.resolve(config.process), Plan):
            raise unsafe_target('What is bound is a script: name it under "script".')
        return
    found = app.resolve(config.script)
    if isinstance(found, Plan):
        raise unsafe_target('What is bound is a process: name it under "process".')
    if found.name in (RUN_AS_OWNER, RUN_AS_CALLER):
        raise unsafe_target(f'"{found.name}" wraps others; it can\'t be wrapped itself.')
    if host_of(app).durable and (found.durable or found.effect in ("once", "transactional")):
        raise unsafe_target(f'"{found.name}" keeps its promises only as an action: wrap a process that has it.')


def _record_lending(app: Application, *, owner: audit.Actor) -> None:
    config: WrapConfig = app.config
    caller = caller_of(app)
    subject: ProcessInstance | ProcessTemplate | None = None
    if caller.instance_id is not None:
        subject = ProcessInstance.objects.filter(pk=caller.instance_id).first()
    elif caller.template_id is not None:
        subject = ProcessTemplate.objects.filter(pk=caller.template_id).first()
    target = config.process if config.process is not None else config.script
    name = target.get("name") if isinstance(target, Mapping) else target
    audit.record(
        "authority.lent",
        actor=audit.actor_of_id(caller.user_id),
        authority=owner,
        subject=subject,
        kind="" if subject is not None else "process",
        subject_name="" if subject is not None else caller.slug,
        plan_hash=host_of(app).main_plan.hash,
        details={
            "action": None if app.action is None else app.action.name,
            "process" if config.process is not None else "script": str(name),
            "execution": host_of(app).execution,
        },
    )
