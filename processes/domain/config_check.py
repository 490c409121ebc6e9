"""Check a config against the pydantic model that its script declares."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from processes.domain.config_keys import known_keys
from processes.domain.json_values import JSON, Path, pointer
from processes.domain.placeholders import Filler
from processes.domain.suggestions import did_you_mean
from processes.errors import ConditionError, ConfigError, ContentError, Problem

__all__ = ["AS_WRITTEN", "config_problems", "in_words", "typed_config"]

#: Tells a model's validators that placeholders aren't filled yet: texts are as somebody has written them.
AS_WRITTEN: Final = {"as_written": True}

#: Pydantic's codes for a key that isn't there and for one that shouldn't be.
_MISSING, _EXTRA = "missing", "extra_forbidden"
#: Errors raised by a model's own validators: they may concern any part of the value.
_OWN_RULES = frozenset({"value_error", "assertion_error"})

_BE: Final = "Must be "
#: What a value must be, by the beginning of pydantic's code: its own words are those of Python.
_KINDS: Final = {
    "string": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "none": "null",
    "list": "a list", "tuple": "a list", "set": "a list", "frozen_set": "a list",
    "dict": "an object", "mapping": "an object", "model": "an object",
    "time_delta": "a time span, such as PT30M, PT8H, P3D or a number of seconds",
    "datetime": "a moment, such as 2026-12-01T09:00:00+01:00 or 2026-12-01",
    "datetime_from_date": "a moment, such as 2026-12-01T09:00:00+01:00 or 2026-12-01",
    "date": "a day, such as 2026-12-01", "time": "a time of the day, such as 09:30",
}  # fmt: skip
_KIND_CODES: Final = ("_type", "_parsing", "_from_float", "_required", "_attributes_type")
#: The same for what is demanded of a value, filled with pydantic's details.
_DEMANDS: Final = {
    "missing": "Is required",
    "literal_error": "Must be {expected}",
    "enum": "Must be {expected}",
    "greater_than_equal": "Must be at least {ge}",
    "greater_than": "Must be more than {gt}",
    "less_than_equal": "Must be at most {le}",
    "less_than": "Must be less than {lt}",
    "string_too_short": "Must have at least {min_length} characters",
    "string_too_long": "Must have at most {max_length} characters",
    "string_pattern_mismatch": "Must match {pattern}",
    "too_short": "Must have at least {min_length} items",
    "too_long": "Must have at most {max_length} items",
}


def config_problems(model: type[BaseModel], config: JSON, fillers: Sequence[Filler] = ()) -> list[Problem]:
    """List what the model refuses, with JSON Pointers into the config.

    A text with placeholders satisfies any type until it is filled: complaints about it, or that might go away with
    it, are left out.
    """
    try:
        model.model_validate({} if config is None else config, context=AS_WRITTEN)
    except ValidationError as error:
        return _alternatives(_problems(error, model, config, frozenset(filler.path for filler in fillers)))
    except Exception as error:  # noqa: BLE001 - a model's own validators may raise anything
        return [Problem(path="", message=f"The config can't be checked: {type(error).__name__}: {error}", value=config)]
    return []


def typed_config(model: type[BaseModel], config: JSON) -> BaseModel:
    """Give the model's instance for a config that is complete; raises ConfigError."""
    try:
        return model.model_validate({} if config is None else config)
    except ValidationError as error:
        problems = _alternatives(_problems(error, model, config, frozenset()))
        raise ConfigError(
            "; ".join(f"config{problem.path}: {problem.message}" for problem in problems[:5]),
            path=f"/config{problems[0].path}",
            fields={"problems": [problem.to_json() for problem in problems]},
        ) from error


def _problems(
    error: ValidationError, model: type[BaseModel], config: JSON, placeholders: frozenset[Path]
) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        # A missing key is never in the config: what is pointed at is the object that lacks it.
        location = detail["loc"][:-1] if detail["type"] == _MISSING else detail["loc"]
        path, value, uncertain = _locate(config, location)
        cause = detail.get("ctx", {}).get("error")
        # A condition is refused because of a placeholder, not in spite of it; content is read as it is written.
        if placeholders and not isinstance(cause, ConditionError | ContentError):
            below = any(place[: len(path)] == path for place in placeholders)
            if path in placeholders or (below and (uncertain or detail["type"] in _OWN_RULES)):
                continue
        message, suggestion = in_words(detail), getattr(cause, "suggestion", None)
        if isinstance(cause, ConditionError):
            message, suggestion = cause.message, cause.fields.get("suggestion")
        if detail["type"] == _MISSING:
            message = f'The key "{detail["loc"][-1]}" is required'
        elif detail["type"] == _EXTRA:
            key, known = str(detail["loc"][-1]), known_keys(model, detail["loc"][:-1])
            message = f'Unknown key "{key}"'
            suggestion = did_you_mean(key, known) or f"Known keys: {', '.join(known) or 'none'}"
            if key in known:
                # Another of the objects that may stand here has it.
                message, suggestion = f'The key "{key}" doesn\'t go with the others', None
        yield Problem(path=pointer(*path), message=message, value=value, suggestion=suggestion)


def in_words(detail: Mapping[str, Any]) -> str:
    """Say what pydantic found wrong, in the words of those who write JSON."""
    code, context = detail["type"], detail.get("ctx", {})
    if code in _DEMANDS:
        if context.get("min_length") == 1:
            return "Must not be empty"
        return _DEMANDS[code].format_map(context).replace("'", '"')
    for ending in _KIND_CODES:
        if code.endswith(ending) and (kind := _KINDS.get(code.removesuffix(ending))) is not None:
            return _BE + kind
    return str(detail["msg"]).removeprefix("Value error, ")


def _alternatives(problems: Iterator[Problem]) -> list[Problem]:
    """Make one problem of those that tell, each for a kind of value that a place allows, that it isn't that.

    Where what stands there is of one of these kinds, what is wrong inside it is told, and not that it is of no other.
    """
    found: list[Problem] = []
    for problem in problems:
        if any(problem.path == other.path and problem.message == other.message for other in found):
            continue
        last = found[-1] if found else None
        is_other_kind = last is not None and last.path == problem.path and problem.message.startswith(_BE)
        if last is None or not is_other_kind or not last.message.startswith(_BE):
            found.append(problem)
        elif (kind := problem.message.removeprefix(_BE)) not in last.message.removeprefix(_BE).split(" or "):
            found[-1] = replace(last, message=f"{last.message} or {kind}")
    places = [problem.path for problem in found]
    return [problem for problem in found if not (problem.message.startswith(_BE) and _has_inside(places, problem.path))]


def _has_inside(places: Sequence[str], path: str) -> bool:
    return any(place.startswith(f"{path}/") for place in places)


def _locate(config: JSON, location: Path) -> tuple[Path, JSON, bool]:
    """Follow pydantic's location as far as the config has it.

    Gives path, value, and whether a part was skipped on the way: the name of a union's member, which isn't a key.
    """
    path: list[str | int] = []
    value, skipped = config, False
    for part in location:
        is_item = isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)
        if is_item or (isinstance(value, dict) and part in value):
            value = value[part]
        else:
            skipped = True
            continue
        path.append(part)
    return tuple(path), value, skipped
