"""Check a config against the pydantic model that its script declares."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ValidationError

from processes.domain.json_values import JSON, Path, pointer
from processes.domain.placeholders import Filler
from processes.domain.suggestions import did_you_mean
from processes.errors import ConditionError, ConfigError, Problem

__all__ = ["config_problems", "typed_config"]

#: Pydantic's codes for a key that isn't there and for one that shouldn't be.
_MISSING, _EXTRA = "missing", "extra_forbidden"
#: Errors raised by a model's own validators: they may concern any part of the value.
_OWN_RULES = frozenset({"value_error", "assertion_error"})


def config_problems(model: type[BaseModel], config: JSON, fillers: Sequence[Filler] = ()) -> list[Problem]:
    """List what the model refuses, with JSON Pointers into the config.

    A text with placeholders satisfies any type until it is filled: complaints about it, or that might go away with
    it, are left out.
    """
    try:
        model.model_validate({} if config is None else config)
    except ValidationError as error:
        return list(_problems(error, model, config, frozenset(filler.path for filler in fillers)))
    except Exception as error:  # noqa: BLE001 - a model's own validators may raise anything
        return [Problem(path="", message=f"The config can't be checked: {type(error).__name__}: {error}", value=config)]
    return []


def typed_config(model: type[BaseModel], config: JSON) -> BaseModel:
    """Give the model's instance for a config that is complete; raises ConfigError."""
    try:
        return model.model_validate({} if config is None else config)
    except ValidationError as error:
        problems = list(_problems(error, model, config, frozenset()))
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
        # A condition is refused because of a placeholder, not in spite of it.
        if placeholders and not isinstance(cause, ConditionError):
            below = any(place[: len(path)] == path for place in placeholders)
            if path in placeholders or (below and (uncertain or detail["type"] in _OWN_RULES)):
                continue
        message, suggestion = detail["msg"].removeprefix("Value error, "), None
        if isinstance(cause, ConditionError):
            message, suggestion = cause.message, cause.fields.get("suggestion")
        if detail["type"] == _MISSING:
            message = f'The key "{detail["loc"][-1]}" is required'
        elif detail["type"] == _EXTRA:
            message = f'Unknown key "{detail["loc"][-1]}"'
            if len(path) == 1:
                known = [field.alias or name for name, field in model.model_fields.items()]
                suggestion = did_you_mean(path[0], known) or f"Known keys: {', '.join(known) or 'none'}"
        yield Problem(path=pointer(*path), message=message, value=value, suggestion=suggestion)


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
