"""Say a difference in words: rows for a page, lines of plain text, one line for a list."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from processes.domain.authoring.kind_words import CHANGE_WORDS, KIND_WORDS
from processes.domain.authoring.language import ENGLISH, Language, gettext_noop
from processes.domain.authoring.plan_diff import ActionDiff, PlanDiff
from processes.domain.bindings import Kind
from processes.domain.json_changes import MISSING, ChangeKind, JsonChange
from processes.domain.json_values import JSON, canonical, pointer
from processes.domain.next_clause import ANY_STATE

__all__ = ["Row", "Section", "as_text", "in_one_line", "sections"]

#: Longer values are cut to what surrounds their first difference.
MAX_VALUE_CHARACTERS = 1_200
_CONTEXT_CHARACTERS = 80
_MAX_NAMES = 3
_HASH_CHARACTERS = 12

_TEMPLATE_LABELS = {
    "name": gettext_noop("slug"),
    "abstract": gettext_noop("abstract"),
    "extends": gettext_noop("extends"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one difference in words: its place, and what was and is there (empty where nothing is)."""

    kind: ChangeKind
    place: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Section:
    """Hold what happened to one thing: its title, where it went if it was moved, and its rows.

    `happened` is its kind as a word.
    """

    kind: str
    title: str
    note: str
    rows: tuple[Row, ...]
    happened: str


def sections(difference: PlanDiff, *, language: Language = ENGLISH) -> list[Section]:
    """Give the difference thing by thing: the template itself, the actions, the bindings."""
    return _Teller(language).sections(difference)


def as_text(difference: PlanDiff, *, language: Language = ENGLISH) -> str:
    """Give the difference as plain text, a line for each thing and, indented, for each of its changes."""
    lines: list[str] = []
    for section in sections(difference, language=language):
        lines.append(f"{section.title} {section.happened}" + (f" ({section.note})" if section.note else ""))
        for row in section.rows:
            if row.kind == "changed":
                told = f"{row.old} → {row.new}"
            else:
                told = row.new if row.kind == "added" else language.gettext("was %(value)s") % {"value": row.old}
            lines.append(f"  {row.place}: {told}".replace("\n", "\n    "))
    return "\n".join(lines)


def in_one_line(difference: PlanDiff, *, language: Language = ENGLISH) -> str:
    """Give a summary that names the first few things of each kind; empty where nothing differs."""
    return _Teller(language).in_one_line(difference)


class _Teller:
    """Tell a difference in a language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def sections(self, difference: PlanDiff) -> list[Section]:
        result: list[Section] = []
        if difference.template:
            rows = tuple(self._template_row(change) for change in difference.template)
            title = self._language.gettext("The template itself")
            result.append(self._section("changed", title, rows))
        result.extend(self._action_section(action) for action in difference.actions)
        by_reference: dict[str, list[Row]] = {}
        for change in difference.bindings:
            by_reference.setdefault(str(change.path[0]), []).append(self._target_row(change, "target"))
        for reference, kind in difference.binding_kinds.items():
            title = self._language.gettext("Binding “%(name)s”") % {"name": reference}
            result.append(self._section(kind, title, tuple(by_reference[reference])))
        return result

    def in_one_line(self, difference: PlanDiff) -> str:
        parts = [
            f"{self._happened(kind)} {self._listed(names)}" for kind, names in _by_kind(difference.actions).items()
        ]
        if difference.bindings:
            text = self._language.gettext("bindings %(names)s")
            parts.append(text % {"names": self._listed(difference.binding_kinds)})
        parts.extend(self._template_label(str(change.path[0])) for change in difference.template)
        return " · ".join(parts)

    def _section(self, kind: str, title: str, rows: tuple[Row, ...], note: str = "") -> Section:
        return Section(kind=kind, title=title, note=note, rows=rows, happened=self._happened(kind))

    def _happened(self, kind: str) -> str:
        return self._language.gettext(CHANGE_WORDS.get(kind, kind))

    def _template_label(self, key: str) -> str:
        return self._language.gettext(_TEMPLATE_LABELS.get(key, key))

    def _listed(self, names: Iterable[str]) -> str:
        listed = list(names)
        more = len(listed) - _MAX_NAMES
        told = ", ".join(listed[:_MAX_NAMES])
        if more <= 0:
            return told
        return self._language.gettext("%(names)s and %(count)d more") % {"names": told, "count": more}

    def _action_section(self, action: ActionDiff) -> Section:
        note = ""
        if action.kind == "added":
            note = self._place(action.new_after)
        elif action.kind == "removed":
            note = self._language.gettext("was %(value)s") % {"value": self._place(action.old_after)}
        elif action.moved:
            text = self._language.gettext("now %(new)s, was %(old)s")
            note = text % {"new": self._place(action.new_after), "old": self._place(action.old_after)}
            note = note if action.kind == "moved" else self._language.gettext("moved: %(where)s") % {"where": note}
        rows = tuple(self._action_row(change) for change in action.changes if not _says_nothing(action, change))
        title = self._language.gettext("Action “%(name)s”") % {"name": action.name}
        return self._section(action.kind, title, rows, note)

    def _place(self, after: str | None) -> str:
        if after is None:
            return self._language.gettext("the first")
        return self._language.gettext("after “%(name)s”") % {"name": after}

    def _template_row(self, change: JsonChange) -> Row:
        key = str(change.path[0])

        def shown(value: JSON) -> str:
            if key == "extends":
                return ", ".join(value) or self._language.gettext("nothing")
            if key == "abstract":
                return self._language.gettext("yes") if value else self._language.gettext("no")
            return str(value)

        return Row(change.kind, self._template_label(key), shown(change.old), shown(change.new))

    def _action_row(self, change: JsonChange) -> Row:
        key = str(change.path[0])
        if key == "target":
            return self._target_row(change, "script")
        if key == "next":
            return _row(change, self._language.gettext("next"), self._next_words)
        if key == "placeholders":
            place = self._language.gettext("filled when it runs")
            return _row(change, place, lambda value: ", ".join(f"config{path}" for path in value))
        if key == "references":
            return _row(change, self._language.gettext("bound in"), _references_words)
        if key == "reference":
            return _row(change, self._language.gettext("bound as"), str)
        # Anything else is a key of the definition, and called as it is written there.
        words = str if change.path in (("caption",), ("comment",)) else _json
        return _row(change, key + pointer(*change.path[1:]), words)

    def _target_row(self, change: JsonChange, label: str) -> Row:
        """Tell what an action or a binding leads to: as a whole, or one part of it."""
        if len(change.path) == 1:
            place = self._kind(label) if label in KIND_WORDS else self._language.gettext("target")
            return _row(change, place, lambda value: self._target_words(value).removeprefix(f"{place} "))
        kind, *inside = change.path[1:]
        name = self._kind(str(kind))
        if kind in ("script", "process") and inside == ["plan_hash"]:
            return _row(change, self._language.gettext("%(kind)s plan") % {"kind": name}, _hash_words)
        if kind == "value":
            return _row(change, f"{name}{pointer(*inside)}", _json)
        place = " ".join(str(part) for part in inside[:1]) + pointer(*inside[1:])
        return _row(change, f"{name} {place}".strip(), _json)

    def _kind(self, kind: str) -> str:
        return self._language.gettext(KIND_WORDS.get(cast("Kind", kind), kind))

    def _target_words(self, value: JSON) -> str:
        if not isinstance(value, dict) or len(value) != 1:
            return self._language.gettext("nothing") if value is None else _json(value)
        kind, target = next(iter(value.items()))
        label = self._kind(kind)
        if kind in ("script", "process") and isinstance(target, dict) and "name" in target:
            extra = []
            if target.get("version", 1) != 1:
                extra.append(self._language.gettext("version %(number)s") % {"number": target["version"]})
            if target.get("plan_hash"):
                extra.append(self._language.gettext("plan %(hash)s") % {"hash": _hash_words(target["plan_hash"])})
            return f"{label} {target['name']}" + (f" ({', '.join(extra)})" if extra else "")
        return f"{label} {_json(target)}"

    def _next_words(self, value: JSON) -> str:
        if not isinstance(value, dict):
            return self._destination(value)
        named = [f"{state} → {self._destination(target)}" for state, target in value.items() if state != ANY_STATE]
        default = self._destination(value.get(ANY_STATE, True))
        if not named:
            return default
        return "; ".join([*named, self._language.gettext("otherwise %(way)s") % {"way": default}])

    def _destination(self, value: JSON) -> str:
        if isinstance(value, bool):
            return self._language.gettext("the next action") if value else self._language.gettext("exit")
        return self._language.gettext("“%(name)s”") % {"name": value}


def _by_kind(actions: Iterable[ActionDiff]) -> Mapping[str, list[str]]:
    result: dict[str, list[str]] = {kind: [] for kind in CHANGE_WORDS}
    for action in actions:
        result[action.kind].append(action.name)
    return {kind: names for kind, names in result.items() if names}


def _says_nothing(action: ActionDiff, change: JsonChange) -> bool:
    """Tell whether a whole action is listed and its reference only repeats the name of its script."""
    if action.kind not in ("added", "removed") or change.path != ("reference",):
        return False
    value = change.new if action.kind == "added" else change.old
    whole = [item.new if action.kind == "added" else item.old for item in action.changes if item.path == ("target",)]
    return any(isinstance(target, dict) and target.get("script", {}).get("name") == value for target in whole)


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


def _references_words(value: JSON) -> str:
    return ", ".join(f"config{path} (“{name}”)" for path, name in value.items())


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
