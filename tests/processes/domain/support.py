"""Run definitions in memory: a registry of small scripts, a host without an outside world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from processes.domain.application import Application
from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.directives import Anchor, Background, Failed, Finished, Outcome, Park, RunAgain
from processes.domain.entering import FORM, LEADS
from processes.domain.interpreter import Interpreter, TraceEntry
from processes.domain.json_values import copy_json
from processes.domain.merge import Layer
from processes.domain.outside import Outside
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.domain.scripts import ScriptSpec
from processes.domain.targets import ProcessTarget
from processes.errors import NotFoundError, PermanentError, ProcessError, RunCancelled
from processes.registry import ScriptRegistry

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def build_registry() -> ScriptRegistry:
    registry = ScriptRegistry()

    @registry.task_script("noop")
    def noop(app: Application) -> None:
        pass

    @registry.task_script("act")
    def act(app: Application) -> object:
        """Do what the config says, in the order of the keys."""
        for what, with_ in (app.get("config") or {}).items():
            if what == "state":
                app.state = with_
            elif what == "data":
                app.data.update(copy_json(with_))
            elif what == "count":
                app.data[with_] = app.data.get(with_, 0) + 1
            elif what == "reset":
                app.error = None
            elif what == "fail":
                raise PermanentError(f"failed: {with_}", code=with_)
            elif what == "crash":
                raise ValueError(with_)
            elif what == "set_error":
                app.error = PermanentError("set", code=with_)
            elif what == "invoke":
                app.invoke(with_)
            elif what == "return_error":
                return PermanentError("returned", code=with_)
            elif what == "state_from":
                app.state = app.data[with_].pop(0) if app.data.get(with_) else None
            elif what == "value":
                return with_
        return None

    @registry.task_script("see")
    def see(app: Application) -> object:
        """Note what the script can see."""
        app.data.setdefault("seen", []).append(
            {
                "action": app.action.name if app.action else None,
                "process": app.process.name if app.process else None,
                "config": app.get("config"),
                "state": app.state,
                "error": app.error.code if app.error else None,
            }
        )
        return None

    @registry.task_script("background")
    def background(app: Application) -> object:
        app.state = (app.get("config") or {}).get("state")
        return Background()

    @registry.task_script("park")
    def park(app: Application) -> object:
        return Park(reason="test", until=NOW, facts={"for": "a test"})

    @registry.task_script("form")
    def form(app: Application) -> object:
        """Wait for an answer; the config says where each button leads."""
        return Park(reason=FORM, private={LEADS: dict(app.get("config"))})

    @registry.task_script("again")
    def again(app: Application) -> object:
        app.data["tries"] = app.data.get("tries", 0) + 1
        return RunAgain(reason="busy") if app.data["tries"] < 3 else "done"

    @registry.task_script("durable", durable=True)
    def durable(app: Application) -> object:
        return Park(reason="durable")

    @registry.task_script("cancelled")
    def cancelled(app: Application) -> object:
        raise RunCancelled("stop")

    @registry.task_script("flaky")
    def flaky(app: Application) -> object:
        """Fail as often as the config says, then succeed."""
        config = app.get("config")
        app.data["tries"] = app.data.get("tries", 0) + 1
        app.data.setdefault("keys", []).append(app.idempotency_key)
        if app.data["tries"] <= config["fails"]:
            raise ProcessError("not yet", code=config.get("code", "busy"))
        return "done"

    @registry.task_script("note")
    def note(app: Application) -> object:
        """Add to `data.log`, and fail where the config says so."""
        config = app.get("config") or {}
        app.data.setdefault("log", []).append(config.get("say") or app.action.name)  # type: ignore[union-attr]
        if "state" in config:
            app.state = config["state"]
        if "fail" in config:
            raise PermanentError("failed", code=config["fail"])
        return config.get("value")

    @registry.task_script("anchor", durable=True)
    def anchor(app: Application) -> object:
        return Anchor(callback=app.get("config")["id"])

    @registry.task_script("once", effect="once")
    def once(app: Application) -> object:
        return None

    return registry


@dataclass
class FakeHost:
    registry: ScriptRegistry = field(default_factory=build_registry)
    plans: dict[str, Plan] = field(default_factory=dict)
    durable: bool = False
    cancelled: bool = False

    def now(self) -> datetime:
        return NOW

    def tell_time(self, ordinal: int) -> datetime:
        return NOW

    def check_cancelled(self) -> None:
        if self.cancelled:
            raise RunCancelled("cancelled")

    def script(self, name: str) -> ScriptSpec:
        return self.registry.get(name)

    def plan(self, target: ProcessTarget) -> Plan:
        if target.plan_hash is not None:
            return self.plan_by_hash(target.plan_hash)
        if target.name not in self.plans:
            raise NotFoundError(f"no process {target.name}")
        return self.plans[target.name]

    def plan_by_hash(self, plan_hash: str) -> Plan:
        for plan in self.plans.values():
            if plan.hash == plan_hash:
                return plan
        raise NotFoundError("no such plan")

    def fresh(self, target: object, *, app: Application) -> tuple[Plan, Application]:
        found = target if isinstance(target, ProcessTarget) else ProcessTarget(name=str(target))
        return self.plan(found), Application(user=app.user)

    @property
    def outside(self) -> Outside:
        raise ProcessError("There is no outside world here")

    def user(self, authority: Any) -> object:
        return f"user {authority['user']}"

    def describe_user(self, user: object) -> dict[str, Any]:
        return {"username": "" if user is None else str(user)}

    def callback_token(self, callback: str) -> str:
        return f"token of {callback}"

    def callback_of(self, token: str) -> str:
        if not token.startswith("token of "):
            raise NotFoundError("no token")
        return token.removeprefix("token of ")

    def add(self, name: str, definition: object, bindings: Mapping[str, object] | None = None) -> Plan:
        """Derive a plan; processes are bound by the name they were added under, a later one by its name only."""

        def find(reference: Any) -> ProcessTarget:
            known = self.plans.get(reference)
            return ProcessTarget(name=reference, plan_hash=known.hash if known else None, reference=reference)

        layer = Layer(name=name, definition=parse_definition(definition), bindings=parse_bindings(dict(bindings or {})))
        plan = derive([layer], name=name, catalogue=self.registry, processes=find).plan
        assert plan is not None
        self.plans[name] = plan
        return plan


@dataclass
class Ran:
    interpreter: Interpreter
    app: Application
    trace: list[TraceEntry]

    @property
    def outcome(self) -> Outcome:
        return self.interpreter.outcome

    @property
    def names(self) -> list[str]:
        """The actions in the order in which they began; those of sub processes as process.action."""
        ordered = sorted(self.trace, key=lambda entry: entry.ordinal)
        return [entry.action if entry.process is None else f"{entry.process}.{entry.action}" for entry in ordered]

    @property
    def finished(self) -> Finished:
        assert isinstance(self.outcome, Finished), self.outcome
        return self.outcome

    @property
    def error(self) -> ProcessError:
        assert isinstance(self.outcome, Failed), self.outcome
        return self.outcome.error


def begin(
    definition: object,
    *,
    entry: object = None,
    host: FakeHost | None = None,
    bindings: Mapping[str, object] | None = None,
    data: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    outside: bool = True,
) -> Ran:
    host = host or FakeHost()
    plan = host.add("main", definition, bindings)
    app = Application(data=data, request=Request(parameters=parameters or {}), execution="run")
    trace: list[TraceEntry] = []
    started = Interpreter.start(plan, app=app, host=host, entry=entry, outside=outside, trace=trace.append)
    return Ran(started, app, trace)


def run(definition: object, **options: Any) -> Ran:
    ran = begin(definition, **options)
    ran.interpreter.run()
    return ran


def action(name: str, *, next: object = True, script: str | None = "act", **config: object) -> dict[str, Any]:
    """Write an action of the script `act`, its config given as keywords."""
    result: dict[str, Any] = {"name": name, "script": script}
    if next is not True:
        result["next"] = next
    if config:
        result["config"] = config
    return result
