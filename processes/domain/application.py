"""Give scripts their context: the application, and the outside world as a protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from processes.domain.bindings import REF, Binding
from processes.domain.config_check import typed_config
from processes.domain.directives import INHERITED, CallProcess, Directive
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.domain.outside import Outside
from processes.domain.plan import Plan, PlanAction
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.scripts import ScriptSpec
from processes.domain.targets import ProcessTarget
from processes.errors import DurableInCallError, NotFoundError, NotJsonError, ProcessError

__all__ = [
    "CALLBACK_DATA",
    "CALLBACK_ID",
    "CALLBACK_TOKEN",
    "CORE_ATTRIBUTES",
    "STORED_USER",
    "Application",
    "Executed",
    "Host",
    "Nested",
]

#: Attributes that the interpreter and every script share; all others are named attributes.
CORE_ATTRIBUTES = frozenset(
    {"data", "config", "process", "action", "state", "request", "response", "user", "error"}
)  # fmt: skip

UNSET: Final[Any] = object()

#: The named attribute that keeps a user (an authority, as JSON) whatever the authority is.
STORED_USER: Final = "storedUser"

#: The named attributes that tell which callback a branch is about, and what was reported.
CALLBACK_ID: Final = "callbackId"
CALLBACK_DATA: Final = "callbackData"
#: The token of that callback: made of its id whenever somebody reads it, and never kept.
CALLBACK_TOKEN: Final = "callbackToken"  # noqa: S105 - the name of an attribute


class Host(Protocol):
    """Stand between a run and the outside world."""

    @property
    def durable(self) -> bool:
        """Tell whether the run is stored, so that it may wait."""
        ...

    def now(self) -> datetime:
        """Give the present time, aware of its zone."""
        ...

    def tell_time(self, ordinal: int) -> datetime:
        """Give the present time to the action with this ordinal: a recording keeps what it was told."""
        ...

    def check_cancelled(self) -> None:
        """Raise RunCancelled if the run has been cancelled."""
        ...

    def script(self, name: str) -> ScriptSpec:
        """Give a script by canonical name; raises UnknownScriptError."""
        ...

    def plan(self, target: ProcessTarget) -> Plan:
        """Give the plan of a process: by its hash, or else by its reference or name; raises NotFoundError."""
        ...

    def plan_by_hash(self, plan_hash: str) -> Plan:
        """Give a stored plan; raises NotFoundError."""
        ...

    def fresh(self, target: object, *, app: "Application") -> "tuple[Plan, Application]":
        """Give the plan of what is to be executed and a fresh context for it; raises NotFoundError."""
        ...

    @property
    def outside(self) -> Outside:
        """Give the way to other systems: requests and mail."""
        ...

    def user(self, authority: JSON) -> object:
        """Give the user whom an authority stands for; raises ProcessError where it has been revoked."""
        ...

    def describe_user(self, user: object) -> dict[str, JSON]:
        """Give what conditions may know of a user: id, username, email, is_authenticated, is_staff and groups."""
        ...

    def callback_token(self, callback: str) -> str:
        """Give the token of the callback with an id; raises NotFoundError for what is no id."""
        ...

    def callback_of(self, token: str) -> str:
        """Give the id of the callback that a token is for; raises NotFoundError for what is no token."""
        ...


class Nested(Protocol):
    """Run a plan to its end below a script that is running; the interpreter provides it."""

    def __call__(
        self,
        plan: Plan,
        *,
        app: "Application",
        host: Host,
        entry: JSON = None,
        bare: bool = False,
        authority: JSON = INHERITED,
    ) -> object:
        """Give the value of the last ordinary action, its state being left in `app`; raises the run's error.

        `bare` runs no lifecycle actions; `authority` is in force until the plan ends.
        """
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """Hold what an execution in a fresh context gave."""

    value: object
    state: str | None
    app: "Application"


class Application:
    """Hold what a run shares among its scripts.

    `data` and the named attributes are JSON wherever a run is stored; `execution` names the execution of a stored run,
    and makes idempotency keys unique.
    """

    __slots__ = (
        "_action", "_attributes", "_config", "_host", "_nested", "_typed", "_user", "action_limit", "authority", "data",
        "depth", "error", "execution", "most_used", "ordinal", "process", "request", "response", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        data: dict[str, Any] | None = None,
        request: Request | None = None,
        response: Response | None = None,
        user: object = None,
        attributes: Mapping[str, JSON] | None = None,
        execution: str = "",
    ) -> None:
        self.data: dict[str, Any] = {} if data is None else data
        self.request = Request() if request is None else request
        self.response = Response() if response is None else response
        self._user = user
        #: Whose rights the run acts with: `{"user": id}`, `{"grant": reference}`, or None for those of its caller.
        self.authority: JSON = None
        self.error: ProcessError | None = None
        #: What the running action has come to; looked up in its next clause.
        self.state: str | None = None
        self.process: Plan | None = None
        self.execution = execution
        #: How many actions the run has begun, those of nested runs included: numbers the one that is running.
        self.ordinal = 0
        #: The highest number that was taken by what was broken off: it may have told other systems of it.
        self.most_used = 0
        #: How many runs are nested in each other by Python calls.
        self.depth = 0
        #: The ordinal that mustn't be passed.
        self.action_limit: float = float("inf")
        self._action: PlanAction | None = None
        self._attributes: dict[str, JSON] = dict(attributes or {})
        self._config: JSON = None
        self._typed: Any = UNSET
        self._host: Host | None = None
        self._nested: Nested | None = None

    def attach(self, host: Host, nested: Nested) -> None:
        """Connect the context to a run (the interpreter does)."""
        self._host, self._nested = host, nested

    @property
    def host(self) -> Host | None:
        """Give what stands between the run and the outside world, None outside a run."""
        return self._host

    # -- attributes --------------------------------------------------------------------------------------------------

    @property
    def action(self) -> PlanAction | None:
        """Give the definition of the running action; `app.action.name` is its name."""
        return self._action

    @property
    def user(self) -> Any:
        """Give the user: the stored one (`store_credentials`), else the one whose authority is in force.

        None where nobody is signed in. Raises ProcessError where the authority has been revoked.
        """
        authority = self._attributes.get(STORED_USER, self.authority)
        return self._user if authority is None or self._host is None else self._host.user(authority)

    @user.setter
    def user(self, user: object) -> None:
        self._user = user

    @property
    def outside(self) -> Outside:
        """Give the way to other systems: requests and mail, recorded in tests."""
        return self._running()[0].outside

    @property
    def config(self) -> Any:
        """Give the config: the model's instance where the script declares a model, else the raw JSON (or None).

        Raises ConfigError for a config that the model refuses.
        """
        if self._typed is UNSET:
            self.load_config()
        return self._typed

    @property
    def attributes(self) -> Mapping[str, JSON]:
        """Give the named attributes that are set."""
        return self._attributes

    def get(self, name: str, default: Any = None) -> Any:
        """Give an attribute, the default where it isn't set; `get("config")` is the raw JSON."""
        try:
            return self.lookup(name)
        except KeyError:
            return default

    def lookup(self, name: str) -> Any:
        """Give an attribute; raises KeyError where it isn't set."""
        if name == CALLBACK_TOKEN:
            return self._running()[0].callback_token(str(self._attributes[CALLBACK_ID]))
        if name not in CORE_ATTRIBUTES:
            return self._attributes[name]
        value = self._raw_config() if name == "config" else getattr(self, name)
        if value is None:
            raise KeyError(name)
        return value

    def describe(self, name: str) -> object:
        """Give an attribute as conditions and placeholders see it; raises KeyError where it isn't set.

        That is JSON wherever the attribute is: of `user` what the host tells, of `error` code, message and action, of
        `action` and `process` the name, of `request` and `response` what is set in them.
        """
        if name == "user":
            host, _ = self._running()
            return host.describe_user(self.user)
        value = self.lookup(name)
        if name == "error":
            error = ProcessError.wrap(value) if isinstance(value, BaseException) else ProcessError(str(value))
            return {"code": error.code, "message": error.message, "action": error.action}
        if name in ("action", "process"):
            return {"name": value.name}
        return value.to_json() if name in ("request", "response") else value

    def set(self, name: str, value: Any) -> None:
        """Set an attribute; of `callbackToken` only the id is kept (raises NotFoundError for what is no token)."""
        if name == CALLBACK_TOKEN:
            self._attributes[CALLBACK_ID] = self._running()[0].callback_of(str(value))
        elif name == "config":
            self._config, self._typed = value, UNSET
        elif name == "action":
            self._action = value
        elif name in CORE_ATTRIBUTES:
            setattr(self, name, value)
        else:
            self._attributes[name] = value

    def remove(self, name: str) -> None:
        """Remove an attribute; one that isn't set stays so. Data, request and response become empty ones."""
        empty: dict[str, Callable[[], object]] = {"data": dict, "request": Request, "response": Response}
        if name in CORE_ATTRIBUTES:
            self.set(name, empty[name]() if name in empty else None)
        else:
            self._attributes.pop(CALLBACK_ID if name == CALLBACK_TOKEN else name, None)

    def context_parts(self) -> dict[str, dict[str, JSON]]:
        """Give attributes, request and response as they are, with the very values that scripts have."""
        return {
            "attributes": self._attributes,
            "request": self.request.to_json(),
            "response": self.response.to_json(),
        }

    def context_json(self) -> dict[str, dict[str, JSON]]:
        """Give copies of them as JSON, for a checkpoint; `data` and `user` are the driver's matter.

        Raises NotJsonError, naming the key, for what isn't JSON.
        """
        copied: dict[str, dict[str, JSON]] = {}
        for part, value in self.context_parts().items():
            if value and (problems := json_problems(value, limit=1)):
                place = part + problems[0].path
                raise NotJsonError(f"{place} can't be stored: {problems[0].message}", path=f"/{place}")
            copied[part] = {name: copy_json(item) for name, item in value.items()}
        return copied

    # -- services ----------------------------------------------------------------------------------------------------

    @property
    def idempotency_key(self) -> str:
        """Give a key for this step that is the same in every attempt, for outside systems that accept one."""
        return f"{self.execution}:{self.ordinal}"

    def now(self) -> datetime:
        """Give the present time, aware of its zone; in a test, what its clock shows."""
        return self._running()[0].tell_time(self.ordinal)

    def check_cancelled(self) -> None:
        """Leave the run here if it has been cancelled (raises RunCancelled); call it in long loops."""
        if self._host is not None:
            self._host.check_cancelled()

    def invoke(self, name: str) -> object:
        """Run an action of this process, and what follows it there, now; gives the last value.

        The last state is in `app.state` afterwards; no lifecycle actions run. `"name?"` may be undeclared.
        """
        return self._keeping(lambda: self._run_plan(self._current_plan(), entry=name, bare=True))

    def call(self, target: JSON, *, config: JSON = None) -> object:
        """Run a script or a process in this context, then put config, action and process back; gives its value.

        `target` is a binding's reference, a script's name or what `${reference}` gives; its state stays in
        `app.state`. A script that needs to wait raises DurableInCallError: return `CallProcess` instead.
        """
        return self._keeping(lambda: self._run_target(target, config))

    def include(self, target: JSON, *, config: JSON = UNSET) -> object:
        """Run a script or a process in this context, leaving config, action and process as it leaves them.

        Without `config` it sees the present one.
        """
        return self._run_target(target, self._raw_config() if config is UNSET else config)

    def execute(self, target: object, *, action: str | None = None) -> Executed:
        """Execute a node (a process, an instance …) in a fresh context, entering at an action.

        `target` is a binding's reference, what `${reference}` gives, a slug, or the node itself.
        """
        host, nested = self._running()
        plan, fresh = host.fresh(self._node(target), app=self)
        fresh.execution, fresh.depth, fresh.authority = self.execution, self.depth, self.authority
        fresh.ordinal, fresh.action_limit = self.ordinal, self.action_limit
        try:
            value = nested(plan, app=fresh, host=host, entry=action)
        finally:
            self.ordinal, self.most_used = fresh.ordinal, max(self.most_used, fresh.most_used)
        return Executed(value, fresh.state, fresh)

    # -- inside ------------------------------------------------------------------------------------------------------

    def load_config(self) -> None:
        """Bring the config into its typed form (it is done on first use otherwise); raises ConfigError."""
        raw, model = self._raw_config(), self._config_model()
        self._typed = raw if model is None else typed_config(model, raw)

    def _raw_config(self) -> JSON:
        # Plans are shared by all runs, so a script gets a copy of its config; most never ask.
        if self._config is UNSET:
            self._config = None if self._action is None else copy_json(self._action.config)
        return self._config

    def _config_model(self) -> Any:
        action = self._action
        if action is None or self._host is None or action.target is None or isinstance(action.target, ProcessTarget):
            return None
        return self._host.script(action.target.name).config

    def _running(self) -> tuple[Host, Nested]:
        if self._host is None or self._nested is None:
            raise ProcessError("Nothing can be called outside a run", code="not_running")
        return self._host, self._nested

    def _current_plan(self) -> Plan:
        if self.process is None:
            raise ProcessError("Actions can be invoked only while a process runs", code="not_running")
        return self.process

    def _keeping(self, run: Callable[[], object]) -> object:
        kept = (self.process, self._action, self._config, self._typed)
        try:
            return run()
        finally:
            self.process, self._action, self._config, self._typed = kept

    def _node(self, target: object) -> object:
        """Give what a binding's reference leads to, where that can be executed; anything else as it is."""
        bound = self.process.bindings.get(target) if isinstance(target, str) and self.process is not None else None
        if isinstance(bound, ProcessTarget):
            return bound
        return bound.in_config() if isinstance(bound, Binding) and bound.kind == "data_node" else target

    def _run_plan(self, plan: Plan, *, entry: JSON, bare: bool = False, authority: JSON = INHERITED) -> object:
        host, nested = self._running()
        return nested(plan, app=self, host=host, entry=entry, bare=bare, authority=authority)

    def _run_target(self, target: JSON, config: JSON, authority: JSON = INHERITED) -> object:
        found = self.resolve(target)
        if isinstance(found, Plan):
            return self._run_plan(found, entry=entry_of(config), authority=authority)
        if found.durable:
            raise DurableInCallError(
                f'"{found.name}" may wait, and can\'t be called from Python code: make it an action',
                fields={"script": found.name},
            )
        self.state = None
        self._config, self._typed = config, config if found.config is None else typed_config(found.config, config)
        value = found.function(self)
        if isinstance(value, ProcessError):
            raise value
        if isinstance(value, CallProcess):
            return self._run_target(value.target, value.config, value.authority)
        if isinstance(value, Directive):
            raise DurableInCallError(
                f'"{found.name}" wants to stop the run, which can\'t be done from Python code',
                fields={"script": found.name},
            )
        return value

    def resolve(self, target: JSON) -> Plan | ScriptSpec:
        """Find what a target names: a binding of the running process, a script, or a typed reference to either."""
        host, _ = self._running()
        if isinstance(target, Plan | ScriptSpec):
            return target
        if isinstance(target, ProcessTarget):
            return host.plan(target)
        if isinstance(target, Mapping) and target.get(REF) == "process" and "name" in target:
            return host.plan(ProcessTarget.from_fields(target))
        if isinstance(target, Mapping) and target.get(REF) == "script" and "name" in target:
            return host.script(str(target["name"]))
        if not isinstance(target, str) or not target:
            raise NotFoundError("Only a script or a process can be called", fields={"target": target})
        bound = None if self.process is None else self.process.bindings.get(target)
        if isinstance(bound, Binding):
            raise NotFoundError(f'"{target}" is bound to a {bound.kind}, which can\'t be called')
        if isinstance(bound, ProcessTarget):
            return host.plan(bound)
        return host.script(target if bound is None else bound.name)


def entry_of(config: JSON) -> JSON:
    """Give the action at which a config enters a sub process, None where it names none."""
    return config.get("action") if isinstance(config, Mapping) else None
