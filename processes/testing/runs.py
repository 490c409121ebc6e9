"""Run definitions and single scripts in memory."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

from processes.domain.application import Application
from processes.domain.interpreter import ACTION_LIMIT
from processes.domain.json_values import JSON, copy_json
from processes.domain.request import Request
from processes.registry import scripts as registry
from processes.services.documents import Runnable, find_process, load_document
from processes.services.running import local_caller
from processes.testing.answers import Answers
from processes.testing.builders import action as build_action
from processes.testing.clock import FakeClock
from processes.testing.host import KitHost
from processes.testing.ran import Ran
from processes.testing.stepping import Script, Stepping, standing_in

__all__ = ["Options", "Process", "run", "run_script", "start"]

#: A definition, an object with definition, bindings and so on, a file that holds either, or a stored template's slug.
Process: TypeAlias = Sequence[Mapping[str, JSON]] | Mapping[str, JSON] | Path | str

_DEFINITION_KEYS = frozenset({"format", "actions"})


class Options(TypedDict, total=False):
    """Hold what `run`, `run_script` and `start` take beside the process."""

    #: Where the run enters.
    action: str | None
    #: What it begins with. Values are copied, so that a test's own stay as they are.
    data: Mapping[str, JSON] | None
    #: The request's parameters.
    parameters: Mapping[str, JSON] | None
    #: Named attributes.
    attributes: Mapping[str, JSON] | None
    #: Who calls: a FakeUser, or a real one.
    user: object
    #: Override the process's own, in the form that files have: `{"pay": "pay_by_card"}`.
    bindings: Mapping[str, JSON] | None
    #: Processes that apply after what the process extends itself.
    extends: Sequence[JSON | Path]
    #: Functions that stand in for the scripts of these names, whose config models they keep, or that are new.
    scripts: Mapping[str, Script] | None
    clock: FakeClock | None
    answers: Answers | None
    #: Run as a worker would: scripts may wait, and all that they leave must be JSON.
    durable: bool
    #: Once it gives true, `app.check_cancelled()` ends the run.
    cancel_when: Callable[[], bool] | None
    #: How many actions the run may take.
    limit: int


def run(process: Process, **options: Unpack[Options]) -> Ran:
    """Run a process to its end, or to where it has to wait.

    Raises DefinitionError for what can't run, and AssertionError for a request that the answers weren't told of.
    """
    return start(process, **options).finish()


def run_script(script: str | Script, *, config: JSON = None, **options: Unpack[Options]) -> Ran:
    """Run one script as the only action of a process: by its name, or the function itself, registered or not.

    The config is checked as that of any action is: DefinitionError tells what the script's model refuses.
    """
    scripts = dict(options.get("scripts") or {})
    if isinstance(script, str):
        name = script
    elif (registered := registry.name_of(script)) is not None:
        name = registered
    else:
        # It is being tried out; a script that is registered under its name is none of its business.
        own = str(getattr(script, "__name__", "script"))
        name = own if registry.find(own) is None else f"{own} (not registered)"
        scripts[name] = script
    options["scripts"] = scripts
    return run([build_action(name, config=config)], **options)


def start(
    process: Process,
    *,
    action: str | None = None,
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    attributes: Mapping[str, JSON] | None = None,
    user: Any = None,
    bindings: Mapping[str, JSON] | None = None,
    extends: Sequence[JSON | Path] = (),
    scripts: Mapping[str, Script] | None = None,
    clock: FakeClock | None = None,
    answers: Answers | None = None,
    durable: bool = False,
    cancel_when: Callable[[], bool] | None = None,
    limit: int = ACTION_LIMIT,
) -> Stepping:
    """Begin a run that the test carries on action by action; what it takes is told at `Options`.

    Raises DefinitionError for what can't run.
    """
    replaced = dict(scripts or {})
    with standing_in(replaced):
        runnable = _runnable(process, dict(bindings or {}), list(extends))
    app = Application(
        data=copy_json(dict(data or {})),
        request=Request.asking(parameters, action=action),
        user=user,
        attributes=attributes,
        execution="test",
    )
    told = Answers() if answers is None else answers
    host = KitHost(
        runnable=runnable,
        caller=local_caller(name=runnable.name, user=user),
        clock=FakeClock() if clock is None else clock,
        answers=told,
        durable=durable,
        cancel_when=cancel_when,
    )
    return Stepping(runnable=runnable, app=app, host=host, answers=told, scripts=replaced, limit=limit)


def _runnable(process: Process, bindings: dict[str, JSON], extends: list[JSON | Path]) -> Runnable:
    bases = [str(base) if isinstance(base, Path) else base for base in extends]
    document: dict[str, JSON]
    if isinstance(process, Path | str):
        if not (bindings or bases):
            return find_process(str(process))
        # What a test adds comes as a layer of its own on top.
        name = process.stem if isinstance(process, Path) else process
        document = {"name": name, "extends": [str(process)]}
    elif not isinstance(process, Mapping):
        document = {"definition": [dict(action) for action in process]}
    elif _DEFINITION_KEYS.issuperset(process):
        document = {"definition": dict(process)}
    else:
        document = dict(process)
    if bindings:
        document["bindings"] = {**document.get("bindings", {}), **bindings}
    if bases:
        document["extends"] = [*document.get("extends", []), *bases]
    # Names that it uses are files relative to the current folder, or else slugs.
    return load_document(document, folder=Path.cwd())
