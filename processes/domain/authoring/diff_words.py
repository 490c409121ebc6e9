"""Say a difference in words: rows for a page, lines of plain text, one line for a list."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from processes.domain.authoring.plan_diff import ActionDiff, PlanDiff
from processes.domain.json_changes import MISSING, ChangeKind, JsonChange
from processes.domain.json_values import JSON, canonical, pointer
from processes.domain.next_clause import ANY_STATE

__all__ = ["Row", "Section", "as_text", "in_one_line", "sections"]

#: Longer values are cut to what surrounds their first difference.
MAX_VALUE_CHARACTERS = 1_200
_CONTEXT_CHARACTERS = 80
_MAX_NAMES = 3
_HASH_CHARACTERS = 12

_KIND_LABELS = {"data_node": "data node", "status_rules": "status rules"}
_TEMPLATE_LABELS = {"name": "slug"}


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one difference in words: its place, and what was and is there (empty where nothing is)."""

    kind: ChangeKind
    place: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Section:
    """Hold what happened to one thing: its title, where it went if it was moved, and its rows."""

    kind: str
    title: str
    note: str
    rows: tuple[Row, ...]


def sections(difference: PlanDiff) -> list[Section]:
    """Give the difference thing by thing: the template itself, the actions, the bindings."""
    result: list[Section] = []
    if difference.template:
        rows = tuple(_template_row(change) for change in difference.template)
        result.append(Section(kind="changed", title="The template itself", note="", rows=rows))
    result.extend(_action_section(action) for action in difference.actions)
    by_reference: dict[str, list[Row]] = {}
    for change in difference.bindings:
        by_reference.setdefault(str(change.path[0]), []).append(_target_row(change, "target"))
    for reference, kind in difference.binding_kinds.items():
        result.append(Section(kind=kind, title=f"Binding “{reference}”", note="", rows=tuple(by_reference[reference])))
    return result


def as_text(difference: PlanDiff) -> str:
    """Give the difference as plain text, a line for each thing and, indented, for each of its changes."""
    lines: list[str] = []
    for section in sections(difference):
        lines.append(f"{section.title} {section.kind}" + (f" ({section.note})" if section.note else ""))
        for row in section.rows:
            if row.kind == "changed":
                told = f"{row.old} → {row.new}"
            else:
                told = row.new if row.kind == "added" else f"was {row.old}"
            lines.append(f"  {row.place}: {told}".replace("\n", "\n    "))
    return "\n".join(lines)


def in_one_line(difference: PlanDiff) -> str:
    """Give a summary that names the first few things of each kind; empty where nothing differs."""
    parts = [f"{kind} {_listed(names)}" for kind, names in _by_kind(difference.actions).items()]
    if difference.bindings:
        parts.append(f"bindings {_listed(difference.binding_kinds)}")
    parts.extend(_TEMPLATE_LABELS.get(str(change.path[0]), str(change.path[0])) for change in difference.template)
    return " · ".join(parts)


def _by_kind(actions: Iterable[ActionDiff]) -> Mapping[str, list[str]]:
    result: dict[str, list[str]] = {kind: [] for kind in ("changed", "moved", "added", "removed")}
    for action in actions:
        result[action.kind].append(action.name)
    return {kind: names for kind, names in result.items() if names}


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _MAX_NAMES
    return ", ".join(listed[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _action_section(action: ActionDiff) -> Section:
    note = ""
    if action.kind == "added":
        note = _place(action.new_after)
    elif action.kind == "removed":
        note = f"was {_place(action.old_after)}"
    elif action.moved:
        note = f"now {_place(action.new_after)}, was {_place(action.old_after)}"
        note = note if action.kind == "moved" else f"moved: {note}"
    rows = tuple(_action_row(change) for change in action.changes if not _says_nothing(action, change))
    return Section(kind=action.kind, title=f"Action “{action.name}”", note=note, rows=rows)


def _says_nothing(action: ActionDiff, change: JsonChange) -> bool:
    """Tell whether a whole action is listed and its reference only repeats the name of its script."""
    if action.kind not in ("added", "removed") or change.path != ("reference",):
        return False
    value = change.new if action.kind == "added" else change.old
    whole = [item.new if action.kind == "added" else item.old for item in action.changes if item.path == ("target",)]
    return any(isinstance(target, dict) and target.get("script", {}).get("name") == value for target in whole)


def _place(after: str | None) -> str:
    return "the first" if after is None else f"after “{after}”"


def _template_row(change: JsonChange) -> Row:
    key = str(change.path[0])

    def shown(value: JSON) -> str:
        if key == "extends":
            return ", ".join(value) or "nothing"
        return ("yes" if value else "no") if key == "abstract" else str(value)

    return Row(change.kind, _TEMPLATE_LABELS.get(key, key), shown(change.old), shown(change.new))


def _action_row(change: JsonChange) -> Row:
    key = str(change.path[0])
    if key == "target":
        return _target_row(change, "script")
    if key == "next":
        return _row(change, "next", _next_words)
    if key == "placeholders":
        return _row(change, "filled when it runs", lambda value: ", ".join(f"config{path}" for path in value))
    if key == "references":
        return _row(change, "bound in", _references_words)
    if key == "reference":
        return _row(change, "bound as", str)
    return _row(change, key + pointer(*change.path[1:]), str if change.path in (("caption",), ("comment",)) else _json)


def _target_row(change: JsonChange, label: str) -> Row:
    """Tell what an action or a binding leads to: as a whole, or one part of it."""
    if len(change.path) == 1:
        return _row(change, label, lambda value: _target_words(value).removeprefix(f"{label} "))
    kind, *inside = change.path[1:]
    place = pointer(*inside) if kind == "value" else " ".join(str(part) for part in inside[:1]) + pointer(*inside[1:])
    name = _KIND_LABELS.get(str(kind), str(kind))
    if kind in ("script", "process") and inside == ["plan_hash"]:
        return _row(change, f"{name} plan", _hash_words)
    return _row(change, f"{name}{place}" if kind == "value" else f"{name} {place}".strip(), _json)


def _row(change: JsonChange, place: str, words: Callable[[JSON], str]) -> Row:
    old, new = ("" if value is MISSING else words(value) for value in (change.old, change.new))
    if change.kind == "changed" and old == new:
        # Two ways to write the same thing: shown as they are written.
        old, new = _json(change.old), _json(change.new)
    return Row(change.kind, place, *_excerpts(old, new))


def _json(value: JSON) -> str:
    text = canonical(value)
    return text if len(text) <= _CONTEXT_CHARACTERS else json.dumps(value, ensure_ascii=False, indent=2)


def _hash_words(value: JSON) -> str:
    return str(value)[:_HASH_CHARACTERS]


def _target_words(value: JSON) -> str:
    if not isinstance(value, dict) or len(value) != 1:
        return "nothing" if value is None else _json(value)
    kind, target = next(iter(value.items()))
    label = _KIND_LABELS.get(kind, kind)
    if kind in ("script", "process") and isinstance(target, dict) and "name" in target:
        extra = [f"version {target['version']}"] if target.get("version", 1) != 1 else []
        if target.get("plan_hash"):
            extra.append(f"plan {_hash_words(target['plan_hash'])}")
        return f"{label} {target['name']}" + (f" ({', '.join(extra)})" if extra else "")
    return f"{label} {_json(target)}"


def _references_words(value: JSON) -> str:
    return ", ".join(f"config{path} (“{name}”)" for path, name in value.items())


def _next_words(value: JSON) -> str:
    if not isinstance(value, dict):
        return _destination(value)
    named = [f"{state} → {_destination(target)}" for state, target in value.items() if state != ANY_STATE]
    default = _destination(value.get(ANY_STATE, True))
    return "; ".join([*named, f"otherwise {default}"]) if named else default


def _destination(value: JSON) -> str:
    if isinstance(value, bool):
        return "the next action" if value else "exit"
    return f"“{value}”"


def _excerpts(old: str, new: str) -> Iterator[str]:
    """Cut long texts to the surroundings of the first place where they differ."""
    start = 0
    if max(len(old), len(new)) > MAX_VALUE_CHARACTERS:
        start = max(_common_characters(old, new) - _CONTEXT_CHARACTERS, 0) if old and new else 0
    for text in (old, new):
        cut = text[start : start + MAX_VALUE_CHARACTERS]
        yield ("…" if start else "") + cut + ("…" if start + len(cut) < len(text) else "")


def _common_characters(first: Sequence[str], second: Sequence[str]) -> int:
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))
