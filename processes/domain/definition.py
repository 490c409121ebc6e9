"""Read process definitions: a JSON array of actions, or `{"format": 1, "actions": [...]}`.

Reading never stops at the first mistake: a DefinitionError lists every problem with its JSON Pointer.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from processes.domain.json_values import JSON, copy_json, json_problems, pointer
from processes.domain.next_clause import DEFAULT_NEXT, NextClause, parse_next
from processes.domain.retry_policy import RetryPolicy, parse_retry
from processes.domain.suggestions import did_you_mean
from processes.errors import DefinitionError, Problem

__all__ = [
    "LIFECYCLE",
    "MAX_ACTIONS",
    "MAX_GUESSES",
    "Action",
    "Definition",
    "name_problems",
    "parse_definition",
    "undeclared",
]

FORMAT = 1

#: Actions that aren't part of the sequence: the interpreter calls them at their moment.
LIFECYCLE = ("@start", "@end", "@default", "@unknown", "@error")
#: Lifecycle actions that a `next` may name. (`@end` ends the main phase, as false does.)
JUMPABLE = frozenset({"@end", "@default", "@unknown"})

MAX_ACTIONS = 20_000
MAX_NAME_CHARACTERS = 200
MAX_PROBLEMS = 200
#: Guessing what was meant is slow in a long document: enough for a person, not for a flood.
MAX_GUESSES = 20
MAX_TIMEOUT_SECONDS = 30 * 24 * 3600

_KEYS = (
    "name", "script", "caption", "comment", "next", "config", "retry", "timeout_seconds", "compensate", "safe", "entry",
)  # fmt: skip
_KEY_SET = frozenset(_KEYS)
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Hold one action as its author wrote it.

    `reference` is the script's binding reference (the name where `script` is absent), None for `"script": null`;
    `path` the action's JSON Pointer in its document; `keys` the keys that were given, in order.
    """

    name: str
    reference: str | None
    caption: str | None
    comment: str | None
    next: NextClause
    config: JSON
    retry: RetryPolicy | None
    timeout_seconds: float | None
    compensate: str | None
    safe: bool
    entry: bool
    path: str
    keys: tuple[str, ...]

    @property
    def is_lifecycle(self) -> bool:
        """Tell whether the interpreter calls this action by itself."""
        return self.name in LIFECYCLE

    @property
    def reference_path(self) -> str:
        """Give the JSON Pointer of what names the script."""
        return self.path + ("/script" if "script" in self.keys else "/name")

    def to_json(self) -> dict[str, JSON]:
        """Give the action as it was written: the same keys in the same order."""
        retry = None if self.retry is None else copy_json(self.retry.written)
        values = {
            "name": self.name, "script": self.reference, "caption": self.caption, "comment": self.comment,
            "next": self.next.to_json(), "config": copy_json(self.config), "retry": retry,
            "timeout_seconds": self.timeout_seconds, "compensate": self.compensate, "safe": self.safe,
            "entry": self.entry,
        }  # fmt: skip
        return {key: values[key] for key in self.keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Hold the actions of one document; `envelope` are the keys of the object around them, if there was one."""

    actions: tuple[Action, ...]
    envelope: tuple[str, ...] = ()

    def to_json(self) -> JSON:
        """Give the document as it was written."""
        actions = [action.to_json() for action in self.actions]
        values: dict[str, JSON] = {"format": FORMAT, "actions": actions}
        return {key: values[key] for key in self.envelope} if self.envelope else actions


EMPTY_DEFINITION = Definition(actions=())


def parse_definition(document: object, *, inherited: Collection[str] = (), abstract: bool = False) -> Definition:
    """Read a definition from JSON values.

    `inherited` are names of actions that extended templates declare; an abstract definition may name actions that
    nobody has declared yet. Raises DefinitionError with all problems.
    """
    if problems := json_problems(document):
        raise DefinitionError(problems)
    entries, prefix, envelope = _entries(document, problems)
    if len(entries) > MAX_ACTIONS:
        raise DefinitionError([Problem(path=prefix, message=f"More than {MAX_ACTIONS:,} actions")])
    actions: list[Action] = []
    for index, entry in enumerate(entries):
        action = _parse_action(entry, f"{prefix}/{index}", problems)
        if action is not None:
            actions.append(action)
        if len(problems) >= MAX_PROBLEMS:
            raise DefinitionError(problems)
    _check_unique(actions, problems)
    if not abstract:
        declared = {action.name for action in actions}.union(inherited)
        problems.extend(name_problems(actions, declared, limit=MAX_PROBLEMS - len(problems)))
    if problems:
        raise DefinitionError(problems)
    return Definition(actions=tuple(actions), envelope=envelope)


def name_problems(
    actions: Iterable[Action], declared: Collection[str] | None, *, limit: int = MAX_PROBLEMS
) -> list[Problem]:
    """List each `next` and `compensate` that names an action which nobody declares, or one that can't be a target.

    Without `declared` (in an abstract template) any name may be declared later.
    """
    problems: list[Problem] = []
    for action in actions:
        if len(problems) >= limit:
            break
        for where, target in action.next.targets():
            path = f"{action.path}/next{where}"
            if target in LIFECYCLE and target not in JUMPABLE:
                problems.append(
                    Problem(path=path, message=f"{target} runs by itself: a next clause can't name it", value=target)
                )
            elif target.endswith("?"):
                problems.append(
                    Problem(
                        path=path,
                        message="Only where a process is entered may an action be optional, not in a next clause",
                        value=target,
                        suggestion=f'Use "{target.rstrip("?")}"',
                    )
                )
            elif declared is not None and target not in declared:
                problems.append(undeclared(path, target, declared, guess=len(problems) < MAX_GUESSES))
        if declared is not None and action.compensate is not None and action.compensate not in declared:
            path = f"{action.path}/compensate"
            problems.append(undeclared(path, action.compensate, declared, guess=len(problems) < MAX_GUESSES))
    return problems


def _entries(document: object, problems: list[Problem]) -> tuple[list[object], str, tuple[str, ...]]:
    """Give the raw actions, the pointer of their array, and the keys of the envelope they came in."""
    if isinstance(document, list):
        return document, "", ()
    if not isinstance(document, dict):
        raise _refused('A definition is an array of actions, or {"format": 1, "actions": [...]}', document)
    known = ("format", "actions")
    problems.extend(_unknown_key("", key, document, known, "a definition") for key in document if key not in known)
    # A bool equals 1 too, so the type is asked as well.
    number = document.get("format", FORMAT)
    if isinstance(number, bool) or number != FORMAT:
        problems.append(
            Problem(path="/format", message="Unknown format", value=number, suggestion=f"This release reads {FORMAT}")
        )
    actions = document.get("actions")
    if not isinstance(actions, list):
        problems.append(Problem(path="/actions", message="Must be an array of actions", value=actions))
        actions = []
    return actions, "/actions", tuple(document)


def _parse_action(entry: object, path: str, problems: list[Problem]) -> Action | None:
    if not isinstance(entry, dict):
        problems.append(Problem(path=path, message="An action must be an object", value=entry))
        return None
    if not _KEY_SET.issuperset(entry):
        problems.extend(_unknown_key(path, key, entry, _KEYS, "an action") for key in entry if key not in _KEY_SET)
    get = entry.get
    name = _parse_name(get("name", _MISSING), path, problems)
    reference = get("script", name)
    if "script" in entry and reference is not None and not (isinstance(reference, str) and reference):
        problems.append(
            Problem(path=f"{path}/script", message="Must be a binding reference or null (run nothing)", value=reference)
        )
    problems.extend(
        Problem(path=f"{path}/{key}", message="Must be text", value=text)
        for key in ("caption", "comment")
        if not isinstance(text := get(key), str | None)
    )
    compensate = get("compensate")
    if compensate is not None and not (isinstance(compensate, str) and compensate):
        problems.append(Problem(path=f"{path}/compensate", message="Must be an action's name", value=compensate))
        compensate = None
    timeout = get("timeout_seconds")
    if timeout is not None and not _is_timeout(timeout):
        problems.append(
            Problem(
                path=f"{path}/timeout_seconds",
                message=f"Must be a number of seconds above 0, at most {MAX_TIMEOUT_SECONDS:,}",
                value=timeout,
            )
        )
    return Action(
        name=name,
        reference=reference,
        caption=get("caption"),
        comment=get("comment"),
        next=parse_next(entry["next"], f"{path}/next", problems) if "next" in entry else DEFAULT_NEXT,
        config=get("config"),
        retry=parse_retry(entry["retry"], f"{path}/retry", problems) if get("retry") is not None else None,
        timeout_seconds=timeout,
        compensate=compensate,
        safe=_parse_flag(entry, "safe", False, path, problems),
        entry=_parse_flag(entry, "entry", True, path, problems),
        path=path,
        keys=tuple(entry),
    )


def _parse_name(name: object, path: str, problems: list[Problem]) -> str:
    message = suggestion = None
    if name is _MISSING:
        problems.append(Problem(path=path, message='An action needs a "name"'))
        return ""
    if not isinstance(name, str) or not name:
        message = "A name must be a text that isn't empty"
    elif len(name) > MAX_NAME_CHARACTERS:
        message = f"A name has at most {MAX_NAME_CHARACTERS} characters"
    elif name.endswith("?"):
        message = 'A name can\'t end with "?": that marks an optional action where one is called'
        suggestion = f'Use "{name.rstrip("?")}"'
    if message is not None:
        problems.append(Problem(path=f"{path}/name", message=message, value=name, suggestion=suggestion))
    return name if isinstance(name, str) else ""


def _parse_flag(entry: Mapping[str, JSON], key: str, default: bool, path: str, problems: list[Problem]) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        problems.append(Problem(path=f"{path}/{key}", message="Must be true or false", value=value))
        return default
    return value


def _is_timeout(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_TIMEOUT_SECONDS


def _check_unique(actions: list[Action], problems: list[Problem]) -> None:
    first: dict[str, tuple[int, Action]] = {}
    for number, action in enumerate(actions, start=1):
        earlier, before = first.setdefault(action.name, (number, action))
        if before is not action and action.name and len(problems) < MAX_PROBLEMS:
            problems.append(
                Problem(
                    path=f"{action.path}/name",
                    message=f'The name "{action.name}" is already used by action no. {earlier}, at {before.path}',
                    value=action.name,
                    suggestion="Give it a name of its own",
                )
            )


def _unknown_key(path: str, key: str, holder: Mapping[str, JSON], known: tuple[str, ...], what: str) -> Problem:
    return Problem(
        path=path + pointer(key),
        message=f'Unknown key "{key}" in {what}',
        value=holder[key],
        suggestion=did_you_mean(key, known) or f"Known keys: {', '.join(known)}",
    )


def undeclared(path: str, target: str, declared: Collection[str], *, guess: bool = True) -> Problem:
    """Return the problem of a name that no action has; a name that is meant is guessed unless there are too many."""
    suggestion = did_you_mean(target, declared) if guess else None
    return Problem(path=path, message=f'No action "{target}" is declared', value=target, suggestion=suggestion)


def _refused(message: str, value: object = None) -> DefinitionError:
    return DefinitionError([Problem(path="", message=message, value=value)])
