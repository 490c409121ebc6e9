"""Read bindings (reference -> target) and put their targets in the place of `${reference}`.

A target is `{"script": NAME}`, `{"process": SLUG, FILE or inline object}`, `{"value": JSON}`, `{"data_node": REF}`,
`{"status_rules": NAME}`, `{"credential": NAME}` or `{"queryset": NAME}`; a bare text is a script's name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from processes.domain.json_values import JSON, Path, copy_json, json_problems, pointer
from processes.domain.suggestions import did_you_mean
from processes.errors import DefinitionError, Problem

__all__ = ["KINDS", "Binding", "Kind", "parse_bindings", "reference_of", "replace_references", "restore_references"]

Kind: TypeAlias = Literal["script", "process", "value", "data_node", "status_rules", "credential", "queryset"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Marks a typed reference in a config: `{"$ref": kind, …}`.
REF = "$ref"

_REFERENCE = re.compile(r"\$\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """Hold a binding's target: its kind and, by kind, a name, a process (text or object) or any JSON value."""

    kind: Kind
    target: JSON

    def to_json(self) -> JSON:
        """Give the target in its full form."""
        return {self.kind: copy_json(self.target)}

    def in_config(self) -> JSON:
        """Give what a `${reference}` to this target becomes: the value, or a typed reference to everything else."""
        if self.kind == "value":
            return copy_json(self.target)
        return {REF: self.kind, "reference" if self.kind == "data_node" else "name": copy_json(self.target)}


def parse_bindings(value: object, path: str = "") -> dict[str, Binding]:
    """Read an object of bindings; raises DefinitionError with all problems, below the JSON Pointer `path`."""
    problems = [problem.under(path) for problem in json_problems(value)]
    if problems:
        raise DefinitionError(problems)
    if not isinstance(value, dict):
        raise DefinitionError([Problem(path=path, message="Bindings must be an object", value=value)])
    result: dict[str, Binding] = {}
    for reference, target in value.items():
        place = path + pointer(reference)
        if not reference or "{" in reference or "}" in reference:
            problems.append(Problem(path=place, message="A reference is a text without { or }", value=reference))
        elif (binding := _parse_target(target, place, problems)) is not None:
            result[reference] = binding
    if problems:
        raise DefinitionError(problems)
    return result


def _parse_target(value: object, path: str, problems: list[Problem]) -> Binding | None:
    if isinstance(value, str) and value:
        return Binding("script", value)
    if not isinstance(value, dict) or len(value) != 1:
        problems.append(
            Problem(path=path, message=f"A target is an object with one of the keys {', '.join(KINDS)}", value=value)
        )
        return None
    kind, target = next(iter(value.items()))
    if kind not in KINDS:
        problems.append(
            Problem(
                path=path + pointer(kind),
                message=f'Unknown kind of target "{kind}"',
                value=kind,
                suggestion=did_you_mean(kind, KINDS) or f"One of {', '.join(KINDS)}",
            )
        )
        return None
    if kind == "process":
        right, wanted = isinstance(target, str | dict | list) and bool(target), "a process's name or an inline one"
    else:
        right, wanted = kind == "value" or (isinstance(target, str) and bool(target)), "a name"
    if not right:
        problems.append(Problem(path=path + pointer(kind), message=f"Must be {wanted}", value=target))
        return None
    return Binding(kind, target)


def reference_of(text: str) -> str | None:
    """Give the reference when a text is exactly `${reference}`."""
    match = _REFERENCE.fullmatch(text)
    return match[1] if match else None


def replace_references(
    config: JSON,
    resolve: Callable[[str], JSON],
    on_unresolved: Callable[[Path, str], None],
    replaced: dict[Path, str] | None = None,
) -> tuple[JSON, list[tuple[Path, str]]]:
    """Replace each string that is exactly `${reference}`, at any depth; give a new config.

    `resolve` gives the replacement or raises KeyError; then `on_unresolved(path, reference)` is told and the string
    stays. What is replaced is noted in `replaced`, by path. Replacements aren't looked into again, by nobody: the
    second part of the answer lists the other texts in which placeholders may be, with their paths.
    """
    texts: list[tuple[Path, str]] = []

    def walk(value: JSON, path: Path) -> JSON:
        kind = value.__class__
        if kind is str:
            if "%{" in value:
                texts.append((path, value))
            elif value.startswith("${") and (reference := reference_of(value)) is not None:
                try:
                    replacement = resolve(reference)
                except KeyError:
                    on_unresolved(path, reference)
                    return value
                if replaced is not None:
                    replaced[path] = reference
                return replacement
            return value
        if kind is dict:
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if kind is list:
            return [walk(item, (*path, index)) for index, item in enumerate(value)]
        return value

    return walk(config, ()), texts


def restore_references(config: JSON, references: Mapping[str, str]) -> JSON:
    """Give a copy of a config with `${reference}` put back where `replace_references` took it (by JSON Pointer)."""
    if not references:
        return copy_json(config)

    def walk(value: JSON, place: str) -> JSON:
        if place in references:
            return f"${{{references[place]}}}"
        if isinstance(value, dict):
            return {key: walk(item, place + pointer(key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, place + pointer(index)) for index, item in enumerate(value)]
        return value

    return walk(config, "")
