"""Register task scripts: `@task_script("import_rows", config=ImportConfig)`."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from processes.domain.application import Application
from processes.domain.entrances import FindEntrances
from processes.domain.scripts import EFFECTS, Effect, Example, ScriptFunction, ScriptSpec
from processes.domain.suggestions import did_you_mean
from processes.errors import RegistrationError, UnknownScriptError
from processes.registry.functions import check_one_argument, is_async, place_of

__all__ = ["ScriptRegistry", "scripts", "task_script"]

AsyncFunction: TypeAlias = Callable[[Application], Coroutine[Any, Any, object]]
_Function = TypeVar("_Function", bound=Callable[..., object])


class ScriptRegistry:
    """Keep scripts by name and alias; a Catalogue for derivation and for hosts."""

    def __init__(self) -> None:
        self._specs: dict[str, ScriptSpec] = {}
        self._by_name: dict[str, ScriptSpec] = {}
        #: Rises whenever a script comes or goes: what was derived before may not hold any more.
        self.revision = 0
        #: Carries out a coroutine of an `async def` script; the Django app puts asgiref's bridge here.
        self.run_async: Callable[[AsyncFunction], ScriptFunction] = _run_async

    def task_script(
        self,
        name: str,
        *,
        config: type[BaseModel] | None = None,
        effect: Effect = "idempotent",
        aliases: Sequence[str] = (),
        durable: bool = False,
        version: int = 1,
        requires: Mapping[str, str] | None = None,
        entrances: FindEntrances | None = None,
        parts: FindEntrances | None = None,
        example: Example | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Callable[[_Function], _Function]:
        """Register the decorated function, sync or async, under a name; the function itself stays as it is.

        `requires` maps actions that a process with this script must declare to the script offered for them;
        `entrances` finds the actions that a config lets people enter, so that editors are warned where there are none;
        `parts` those at which a config lets runs of their own begin: a process that doesn't declare one is refused;
        `example` and `errors` (a code, and when it comes) go into the reference.
        Raises RegistrationError for a name that is taken and for anything that isn't what it should be.
        """
        _check_arguments(name, aliases)

        def register(function: _Function) -> _Function:
            self.register(
                ScriptSpec(
                    name=name,
                    function=self._callable(function),
                    config=config,
                    effect=effect,
                    aliases=tuple(aliases),
                    durable=durable,
                    version=version,
                    requires=dict(requires or {}),
                    entrances=entrances,
                    parts=parts,
                    example=example,
                    errors=dict(errors or {}),
                )
            )
            return function

        return register

    def register(self, spec: ScriptSpec) -> None:
        """Add a script; the same function may come again (a module that is reloaded)."""
        _check(spec)
        known = self._specs.get(spec.name)
        again = known is not None and _origin(known) == _origin(spec)
        for name in (spec.name, *spec.aliases):
            other = self._by_name.get(name)
            if other is not None and not (again and other is known):
                raise RegistrationError(
                    f'{_origin(spec)} can\'t be the script "{name}": that name is already taken by {_origin(other)}',
                    fields={"name": name},
                )
        if again:
            self.unregister(spec.name)
        self.revision += 1
        self._specs[spec.name] = spec
        for name in (spec.name, *spec.aliases):
            self._by_name[name] = spec

    def unregister(self, name: str) -> ScriptSpec:
        """Remove a script with its aliases, and give it back."""
        spec = self.get(name)
        self.revision += 1
        del self._specs[spec.name]
        for known in (spec.name, *spec.aliases):
            del self._by_name[known]
        return spec

    @contextmanager
    def override(
        self,
        name: str,
        function: Callable[..., object],
        *,
        config: type[BaseModel] | None = None,
        effect: Effect = "idempotent",
        durable: bool = False,
    ) -> Iterator[ScriptSpec]:
        """Put another function in a script's place (or a new one) for the length of a `with` block."""
        before = self.unregister(name) if name in self._by_name else None
        spec = ScriptSpec(
            name=before.name if before else name,
            function=self._callable(function),
            config=config,
            effect=effect,
            aliases=before.aliases if before else (),
            durable=durable,
        )
        self.register(spec)
        try:
            yield spec
        finally:
            self.unregister(spec.name)
            if before is not None:
                self.register(before)

    def find(self, name: str) -> ScriptSpec | None:
        """Give the script of that name or alias, or None."""
        return self._by_name.get(name)

    def get(self, name: str) -> ScriptSpec:
        """Give the script of that name or alias; raises UnknownScriptError with a suggestion."""
        spec = self._by_name.get(name)
        if spec is None:
            suggestion = did_you_mean(name, self.names())
            raise UnknownScriptError(
                f'No script "{name}" is registered' + (f". {suggestion}" if suggestion else ""),
                fields={"script": name, "suggestion": suggestion},
            )
        return spec

    def name_of(self, function: Callable[..., object]) -> str | None:
        """Give the name under which a function is registered, None where it isn't."""
        for spec in self._specs.values():
            if function is spec.function or function is inspect.unwrap(spec.function):
                return spec.name
        return None

    def names(self) -> list[str]:
        """Give all names and aliases, sorted."""
        return sorted(self._by_name)

    def __iter__(self) -> Iterator[ScriptSpec]:
        """Go through the scripts by canonical name."""
        return iter([self._specs[name] for name in sorted(self._specs)])

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._specs)

    def _callable(self, function: Callable[..., object]) -> ScriptFunction:
        if not is_async(function):
            return function

        # Looked up when called: the app chooses the bridge after scripts have been imported.
        @wraps(function)
        def call(app: Application) -> object:
            return self.run_async(function)(app)

        return call


def _run_async(function: AsyncFunction) -> ScriptFunction:
    """Carry a coroutine out on an event loop of its own."""
    return lambda app: asyncio.run(function(app))


def _check_arguments(name: object, aliases: object) -> None:
    """Refuse what would otherwise register nothing, or something odd, without a word."""
    if not isinstance(name, str):
        raise RegistrationError(
            f'@task_script needs the script\'s name: write @task_script("{getattr(name, "__name__", "my_script")}")'
        )
    if isinstance(aliases, str):
        raise RegistrationError(f'The aliases of the script "{name}" are a list of names: write aliases=["{aliases}"]')


def _check(spec: ScriptSpec) -> None:
    for name in (spec.name, *spec.aliases):
        if not name or name != name.strip():
            raise RegistrationError(f"A script needs a name without blanks around it, not {name!r}")
    if len({spec.name, *spec.aliases}) != 1 + len(spec.aliases):
        raise RegistrationError(f'The script "{spec.name}" repeats a name among its aliases')
    if spec.effect not in EFFECTS:
        suggestion = did_you_mean(spec.effect, EFFECTS) or f"One of {', '.join(EFFECTS)}"
        raise RegistrationError(f'The script "{spec.name}" declares an unknown effect {spec.effect!r}. {suggestion}')
    config: object = spec.config
    if config is not None and not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise RegistrationError(f'The config of the script "{spec.name}" must be a pydantic model')
    if not callable(spec.function):
        raise RegistrationError(f'The script "{spec.name}" can\'t be called')
    _check_signature(spec)


def _check_signature(spec: ScriptSpec) -> None:
    if isinstance(spec.function, type):
        raise RegistrationError(f'The script "{spec.name}" is a class: register a function, or an instance of it')
    function = inspect.unwrap(spec.function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(f'The script "{spec.name}" yields, so its code would never run: let it return instead')
    check_one_argument(spec.function, what=f'The script "{spec.name}"', argument="the application")


def _origin(spec: ScriptSpec) -> str:
    return place_of(spec.function)


#: The scripts of this process: the standard library and every installed app's.
scripts = ScriptRegistry()
task_script = scripts.task_script
