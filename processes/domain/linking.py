"""Link plans: find what runs each action, once, before a frame starts."""

from processes.domain.application import Application, Host
from processes.domain.directives import CallProcess, RunAgain
from processes.domain.plan import Plan
from processes.domain.scripts import ScriptFunction
from processes.domain.targets import ProcessTarget
from processes.errors import DurableInCallError, ProcessError

__all__ = ["link"]


def link(plan: Plan, host: Host, *, nested: bool) -> list[ScriptFunction]:
    """Give the function of each action, by index.

    A script that is missing here fails when it is reached, not before. A durable one is refused below a Python call
    (`nested`), and asks for a durable run where the host has none.
    """
    functions: dict[str, ScriptFunction] = {}
    code: list[ScriptFunction] = []
    for action in plan.actions:
        target = action.target
        if target is None:
            code.append(_nothing)
        elif isinstance(target, ProcessTarget):
            code.append(_call_of(target))
        else:
            function = functions.get(target.name)
            if function is None:
                function = functions[target.name] = _function(target.name, host, nested=nested)
            code.append(function)
    return code


def _function(name: str, host: Host, *, nested: bool) -> ScriptFunction:
    try:
        spec = host.script(name)
    except ProcessError as error:
        return _raising(error)
    if spec.durable and nested:
        return _raising(
            DurableInCallError(
                f'"{name}" may wait, and can\'t run below a call from Python code: return CallProcess, or call the '
                "process as an action",
                fields={"script": name},
            )
        )
    if spec.durable and not host.durable:
        return _ask_for_durability
    return spec.function


def _nothing(app: Application) -> None:
    """Run nothing: the action is there for its next clause."""


def _ask_for_durability(app: Application) -> RunAgain:
    return RunAgain(reason="durable")


def _raising(error: ProcessError) -> ScriptFunction:
    stored = error.to_json()

    def fail(app: Application) -> object:
        # An error of its own each time: errors remember where they happened.
        raise ProcessError.from_json(stored)

    return fail


def _call_of(target: ProcessTarget) -> ScriptFunction:
    def call(app: Application) -> CallProcess:
        return CallProcess(target=target, config=app.get("config"))

    return call
