"""Decide by conditions: `data.total > 100 && user.is_staff`, written in CEL, the Common Expression Language.

An expression can't loop without end, call anything of ours or change what it looks at. What the library leaves open is
closed here: texts are short, names must be known, macros over long lists are refused before they begin, and whatever
happens inside the library comes out as a ConditionError.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, TypeAlias, TypeVar

import cel
from pydantic import AfterValidator

from processes.domain.application import Application
from processes.domain.condition_text import MACROS, ConditionText, read_condition
from processes.domain.suggestions import did_you_mean
from processes.errors import ConditionError

__all__ = [
    "LOOP_VARIABLES", "VARIABLES", "Condition", "ConditionSource", "LoopConditionSource", "compile_condition",
    "variables_of",
]  # fmt: skip

_Result = TypeVar("_Result")

#: What every condition may look at, and what those of a loop may look at besides.
VARIABLES: Final = ("data", "param", "attr", "state", "user", "error", "now")
LOOP_VARIABLES: Final = ("item", "index")

#: The library's parser recurses: this keeps it far from the end of the smallest stack that a thread gets (1 MB).
MAX_CHARACTERS: Final = 1_000
#: How many values macros may go through and copy in one evaluation (see `ConditionText.work`): some tenths of a second.
MAX_WORK: Final = 1_000_000
#: So many characters of a text are copied in the time of one value.
_TEXT_PIECE: Final = 200

_FUNCTIONS = frozenset(
    {
        "size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double", "bytes", "type",
        "dyn", "timestamp", "duration", "getFullYear", "getMonth", "getDayOfMonth", "getDate", "getDayOfWeek",
        "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    }
)  # fmt: skip
_TYPES = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"})
#: Stands in for `size`: the library counts the bytes of a text, the language's definition its characters.
_SIZE = "sizE"

_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_UNDEFINED = re.compile(r"Undefined variable or function: '([^']*)'")
_PLACEHOLDER = re.compile(r"%\{(?:(?:param|data|attr):[^{}]+|now)\}")

_HINTS: Final = (
    (re.compile(r"(?<![=!<>])=(?!=)"), "Write == to compare"),
    (re.compile(r"\b(and|or|not)\b"), "Write && for and, || for or, ! for not"),
    (re.compile(r"(?<!&)&(?!&)|(?<!\|)\|(?!\|)"), "Write && for and, || for or"),
    (re.compile(r"\b(True|False|None)\b"), "Write true, false and null in small letters"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Hold a condition that is ready to be asked."""

    text: str
    #: The variables it looks at.
    names: tuple[str, ...]
    _program: cel.Program
    _shown: ConditionText

    def evaluate(self, variables: Mapping[str, object]) -> bool:
        """Give the answer; only the variables that the text names are looked up, and of those only what it uses.

        Raises ConditionError for a key that isn't there, for types that don't go together, and for a result that is
        neither true nor false.
        """
        seen = {name: self._part(name, variables) for name in self.names}
        if self._shown.macros and self._work(seen) > MAX_WORK:
            raise self._error(
                "This would take too long: the lists it goes through are too long for what is done with them",
                suggestion="Use exists or all instead of filter or map, and don't go through a list inside another",
            )
        result = _guarded(lambda: self._execute(seen), lambda error: self._failed(error, seen))
        if result is True or result is False:
            return result
        raise self._error(
            f"A condition comes to true or false, not to {_kind_of(result)}",
            suggestion="Compare it with something, as in data.total > 0",
        )

    def _execute(self, seen: dict[str, object]) -> object:
        functions = {_SIZE: _size} if self._shown.sizes else {}
        result: object = self._program.execute(cel.Context(variables=seen, functions=functions) if functions else seen)
        return result

    def _work(self, seen: Mapping[str, object]) -> int:
        longest, whole = _measure(seen)
        used = 0
        for name, key in self._shown.inside:
            value = seen.get(name)
            used += _measure(value.get(key) if key is not None and isinstance(value, Mapping) else value)[1]
        return self._shown.work(longest=longest, whole=whole, used=used)

    def _part(self, name: str, variables: Mapping[str, object]) -> object:
        try:
            value = variables[name]
        except KeyError:
            raise self._error(f'There is no "{name}" here') from None
        keys = self._shown.keys.get(name)
        if not isinstance(value, Mapping):
            return value
        if keys is None:
            # A plain dict: the library looks into others past what their classes say.
            return dict(value)
        return {key: value[key] for key in keys if key in value}

    def _failed(self, error: BaseException, seen: Mapping[str, object]) -> ConditionError:
        nulls = [name for name, value in seen.items() if value is None]
        cure = f"{nulls[0]} is null here: ask {nulls[0]} != null first" if nulls else None
        message = str(error).replace(_SIZE, "size")
        if isinstance(error, KeyError):
            key = str(error.args[0]).strip("'\"") if error.args else ""
            return self._error(f'There is no key "{key}"', suggestion=f"has(….{key}) tells whether there is one")
        if undefined := _UNDEFINED.search(message):
            return self._error(f"{undefined[1]} doesn't take this kind of value", suggestion=cure)
        if isinstance(error, TypeError):
            # The library explains at length; its first sentence says what happened.
            what = message.partition(". ")[0].partition(": the operation")
            message = "The types of the values don't go together" if what[1] else what[0]
            return self._error(message, suggestion=cure or "Make them equal: double(…), int(…) or string(…)")
        message = message.removesuffix(" Check function arguments and their types.").rstrip(".")
        return self._error(f"It came to no answer: {message[:300]}", suggestion=cure)

    def _error(self, message: str, *, suggestion: str | None = None) -> ConditionError:
        # Whoever meets this error sees its message alone, so that the cure is part of it.
        error = _refusal(self.text, message, suggestion=suggestion)
        return error if suggestion is None else ConditionError(f"{error.message}. {suggestion}", fields=error.fields)


def compile_condition(text: str, *, loop: bool = False) -> Condition:
    """Read a condition; `loop` says that `item` and `index` are known, too.

    Raises ConditionError, with line and column where they are known, for what isn't CEL, for unknown variables and
    functions, and for a text of more than `MAX_CHARACTERS`. A text that was compiled lately costs nothing.
    """
    if len(text) > MAX_CHARACTERS:
        raise _refusal(text, f"A condition has at most {MAX_CHARACTERS:,} characters")
    return _compile(text, loop)


@lru_cache(maxsize=2_048)
def _compile(text: str, loop: bool) -> Condition:
    if not text.strip():
        raise _refusal(text, "A condition can't be empty", suggestion='Write "true" for always')
    if (found := _PLACEHOLDER.search(text)) is not None:
        raise _refusal(
            text,
            f"Nothing is filled into a condition: {found[0]} stays as it is",
            suggestion="Use the variables: data, param, attr …",
        )
    shown = read_condition(text)
    # As long as the name it stands for, so that positions stay what they are.
    inner = text
    for start in shown.sizes:
        inner = inner[:start] + _SIZE + inner[start + len(_SIZE) :]
    program = _guarded(lambda: cel.compile(inner), lambda error: _unreadable(text, error))
    known = (*VARIABLES, *LOOP_VARIABLES) if loop else VARIABLES
    unbound = [name for name in program.variables() if name not in shown.bound]
    for name in program.functions():
        if name.isidentifier() and name not in _FUNCTIONS and name != _SIZE:
            raise _unknown(text, name, "function", sorted({*_FUNCTIONS, *MACROS, "has"}), None)
    for name in unbound:
        if name not in known and name not in _TYPES:
            only_loops = "item and index are known in loops only" if name in LOOP_VARIABLES else None
            raise _unknown(text, name, "variable", known, only_loops or f"There are {', '.join(known)}")
    names = tuple(name for name in program.variables() if name in known and name in shown.keys)
    return Condition(text, names, program, shown)


def _check(text: str) -> str:
    compile_condition(text)
    return text


#: The type of a condition in a config model: a text that was compiled once, to find its mistakes at derivation.
ConditionSource: TypeAlias = Annotated[str, AfterValidator(_check)]


def _check_in_loop(text: str) -> str:
    compile_condition(text, loop=True)
    return text


#: The same for a condition that is asked for each item of a loop.
LoopConditionSource: TypeAlias = Annotated[str, AfterValidator(_check_in_loop)]


class _Variables(Mapping[str, object]):
    """Give what conditions may look at, each computed when it is first asked for, and then the same."""

    def __init__(self, sources: Mapping[str, Callable[[], object]]) -> None:
        self._sources = sources
        self._known: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._known:
            self._known[name] = self._sources[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def variables_of(app: Application, **loop: object) -> Mapping[str, object]:
    """Give the variables of a run's conditions; `loop` is `item=…, index=…` inside a loop.

    `user` and `error` are as `app.describe` gives them: nothing secret, nothing that isn't JSON.
    """
    sources: dict[str, Callable[[], object]] = {
        "data": lambda: app.data,
        "param": lambda: app.request.parameters,
        "attr": lambda: app.attributes,
        "state": lambda: app.state,
        "user": lambda: app.describe("user"),
        "error": lambda: None if app.error is None else app.describe("error"),
        "now": app.now,
    }
    return _Variables({**sources, **{name: _constant(value) for name, value in loop.items()}})


def _constant(value: object) -> Callable[[], object]:
    return lambda: value


def _size(value: object) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise TypeError("size takes a text, a list or a map")


def _kind_of(result: object) -> str:
    """Name what a condition came to; a value itself may be nobody's business."""
    if result is None:
        return "null"
    kinds = {str: "a text", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return kinds.get(type(result), "something else")


def _measure(value: object) -> tuple[int, int]:
    """Give the length of the longest list or object in some JSON, and how many values all of it holds.

    A long text counts as several: it is copied like them, but no macro goes through it.
    """
    longest, count, todo = 1, 0, [value]
    while todo:
        item = todo.pop()
        count += 1
        if isinstance(item, Mapping | list):
            longest = max(longest, len(item))
            todo.extend(item.values() if isinstance(item, Mapping) else item)
        elif isinstance(item, str):
            count += len(item) // _TEXT_PIECE
    return longest, count


def _guarded(call: Callable[[], _Result], describe: Callable[[BaseException], ConditionError]) -> _Result:
    """Call the library; whatever it raises, a panic of its Rust code included, becomes a ConditionError."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the library's errors have no common class
        raise describe(error) from None
    except BaseException as error:
        # A panic isn't an Exception, so that it passes through ordinary handlers; an interrupt must.
        if type(error).__name__ != "PanicException":
            raise
        raise describe(error) from None


def _unreadable(text: str, error: BaseException) -> ConditionError:
    found = _POSITION.search(str(error))
    if found is None:
        return _refusal(text, f"It can't be read: {str(error)[:200]}")
    line, column, what = int(found[1]), int(found[2]), found[3].strip().replace(_SIZE, "size")
    what = "it ends too early" if "'<EOF>' expecting" in what else what.partition(" expecting ")[0]
    hint = next((hint for pattern, hint in _HINTS if pattern.search(text)), None)
    message = f"It can't be read at line {line}, column {column}: {what[:200]}"
    return _refusal(text, message, suggestion=hint, line=line, column=column)


def _unknown(text: str, name: str, kind: str, known: Iterable[str], otherwise: str | None) -> ConditionError:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    place = {} if found is None else _place(text, found.start())
    return _refusal(text, f'There is no {kind} "{name}"', suggestion=did_you_mean(name, known) or otherwise, **place)


def _place(text: str, offset: int) -> dict[str, int]:
    before = text[:offset]
    return {"line": before.count("\n") + 1, "column": offset - before.rfind("\n")}


def _refusal(text: str, message: str, *, suggestion: str | None = None, **place: int) -> ConditionError:
    fields: dict[str, object] = {"condition": text[:MAX_CHARACTERS], **place}
    if suggestion is not None:
        fields["suggestion"] = suggestion
    shown = text if len(text) <= 80 else text[:79] + "…"
    return ConditionError(f"{message}: {shown}" if shown.strip() else message, fields=fields)
