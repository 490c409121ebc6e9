"""Show status rules as rows of plain texts, and turn rows back into rules without losing anything.

The JSON document is the truth. A row keeps the rule that it shows; what wasn't changed stays as it was written, and so
do keys that rows don't show. What a document holds that is no rule is a row, too, and kept.

Roles, statuses and actions are listed with commas. A bare word is a name (`null`, among statuses, no status); what has
commas, quotes or braces in it is written as JSON: `"Sales, North", "say \\"yes\\""`, `{"url": "/help/", …}`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from processes.domain.json_values import JSON, copy_json, json_problems, pointer
from processes.domain.status_rules import OptionGroup
from processes.errors import DefinitionError, Problem

__all__ = ["FIELDS", "NEW", "RuleRow", "compile_rows", "field_of", "rows_of"]

#: What a row that wasn't in the document keeps.
NEW: Final[Any] = object()

#: A name that needs no quotes: no comma, nothing that JSON begins with, no blanks around it.
_BARE = re.compile(r'[^,"{\[\s](?:[^,\r\n]*[^,\s])?')
_LINES = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """Hold one rule as texts, and the rule itself in `kept` (NEW: there was none).

    A `group` that is empty is none that all of its actions share.
    """

    role: str = ""
    status: str = ""
    action: str = ""
    caption: str = ""
    group: str = OptionGroup.OPTIONAL.value
    condition: str = ""
    comment: str = ""
    kept: JSON = NEW

    @property
    def is_blank(self) -> bool:
        """Tell whether it is a new row in which nothing was written."""
        return self.kept is NEW and not any(getattr(self, name).strip() for name in FIELDS if name != "group")


#: The fields of a row in which something is written.
FIELDS: Final = tuple(field.name for field in fields(RuleRow) if field.name != "kept")
#: These are fields of several lines.
_LONG: Final = ("comment", "condition")


def rows_of(document: Sequence[JSON]) -> list[RuleRow]:
    """Give the rows of a document: of any array, be it right or not."""
    return [_row_of(entry) for entry in document]


def compile_rows(rows: Sequence[RuleRow]) -> list[JSON]:
    """Give the document that rows make; rows in which nothing was changed give back what they keep.

    Raises DefinitionError with every field that can't be read, by pointers such as `/3/role`.
    """
    problems: list[Problem] = []
    document = [_rule_of(row, pointer(index), problems) for index, row in enumerate(rows)]
    if problems:
        raise DefinitionError(problems)
    return document


def field_of(path: str) -> tuple[int | None, str]:
    """Give the row, by index, and the field that a JSON Pointer into the document is about; `""` for the whole row."""
    parts = path.split("/")[1:]
    if not parts or not parts[0].isdigit():
        return None, ""
    inner = [part for part in parts[1:] if not part.isdigit()]
    if inner[:1] == ["action"] and inner[-1] in ("caption", "group"):
        return int(parts[0]), inner[-1]
    names = {"role": "role", "status": "status", "action": "action", "if": "condition", "comment": "comment"}
    return int(parts[0]), names.get(inner[0], "") if inner else ""


# -- from a rule to its row


def _row_of(entry: JSON) -> RuleRow:
    if not isinstance(entry, dict):
        return RuleRow(group="", kept=entry)
    options = _options(entry.get("action", []))
    return RuleRow(
        role=_listed(entry, "role", _name_text),
        status=_listed(entry, "status", _status_text),
        action=_listed(entry, "action", _option_text),
        caption=_caption(options),
        group=_common_group(options),
        condition=_plain(entry.get("if", "")),
        comment=_plain(entry.get("comment", "")),
        kept=entry,
    )


def _listed(entry: Mapping[str, JSON], key: str, text: Callable[[JSON], str]) -> str:
    if key not in entry:
        return ""
    return ", ".join(text(item) for item in _options(entry[key]))


def _name_text(name: JSON) -> str:
    return name if isinstance(name, str) and _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _status_text(status: JSON) -> str:
    return '"null"' if status == "null" else _name_text(status)


def _option_text(option: JSON) -> str:
    """Give an action's name where it has one; what else its object holds is kept."""
    name = option.get("action") if isinstance(option, dict) else option
    return _name_text(name if isinstance(name, str) else option)


def _options(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]


def _caption(options: Sequence[JSON]) -> str:
    only = options[0] if len(options) == 1 else None
    return _plain(only.get("caption", "")) if isinstance(only, dict) else ""


def _common_group(options: Sequence[JSON]) -> str:
    default = OptionGroup.OPTIONAL.value
    found = {_plain(option.get("group", default)) if isinstance(option, dict) else default for option in options}
    group = found.pop() if len(found) == 1 else ""
    return group if not options or group in list(OptionGroup) else ""


def _plain(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- from a row to its rule


def _rule_of(row: RuleRow, path: str, problems: list[Problem]) -> JSON:
    shown = RuleRow() if row.kept is NEW else _row_of(row.kept)
    changed = {name for name in FIELDS if not _same(getattr(row, name), getattr(shown, name), is_long=name in _LONG)}
    if row.kept is not NEW and not changed:
        return row.kept
    entry: dict[str, JSON] = copy_json(row.kept) if isinstance(row.kept, dict) else {}
    if "comment" in changed:
        _put(entry, "comment", _LINES.sub("\n", row.comment).strip())
    if "role" in changed:
        _put(entry, "role", _read(row.role, f"{path}/role", problems), before=entry.get("role"))
    if "status" in changed:
        statuses = [None if item is _NULL else item for item in _read(row.status, f"{path}/status", problems)]
        _put(entry, "status", statuses, before=entry.get("status"))
    if changed & {"action", "caption", "group"}:
        options = _options_of(row, changed, entry.get("action", []), path, problems)
        _put(entry, "action", options, before=entry.get("action"))
    if "condition" in changed:
        _put(entry, "if", _LINES.sub("\n", row.condition).strip())
    return entry


def _put(entry: dict[str, JSON], key: str, value: JSON, *, before: JSON = None) -> None:
    """Set a key, or remove it where nothing is left; one value is no list, unless it was one before."""
    if isinstance(value, list):
        # Only a status may be null; anything else is called so.
        value = ["null" if item is _NULL else item for item in value]
    if value in ("", []):
        entry.pop(key, None)
    elif isinstance(value, list) and len(value) == 1 and not isinstance(before, list):
        entry[key] = value[0]
    else:
        entry[key] = value


def _options_of(row: RuleRow, changed: set[str], before: JSON, path: str, problems: list[Problem]) -> list[JSON]:
    """Give the actions of a row; an object that is still named, or the only one and renamed, keeps its other keys."""
    options = list(_options(before))
    if "action" in changed:
        names = ["null" if item is _NULL else item for item in _read(row.action, f"{path}/action", problems)]
        if len(names) == 1 and len(options) == 1 and isinstance(options[0], dict) and isinstance(names[0], str):
            options = [{**options[0], "action": names[0]}]
        else:
            options = [_take(options, name) for name in names]
    if "caption" in changed:
        if len(options) > 1:
            problems.append(
                Problem(
                    path=f"{path}/caption",
                    message="A caption is for one action",
                    value=row.caption,
                    suggestion="Give each action a rule of its own, or write the captions as JSON",
                )
            )
        options = [_with(option, "caption", _LINES.sub(" ", row.caption).strip(), default="") for option in options]
    if "group" in changed and row.group:
        options = [_with(option, "group", row.group, default=OptionGroup.OPTIONAL.value) for option in options]
    return options


def _take(options: list[JSON], name: JSON) -> JSON:
    """Take the option of a name out of those that were there, or make one."""
    for index, option in enumerate(options):
        if isinstance(option, dict) and option.get("action") == name:
            return options.pop(index)
    return name


def _with(option: JSON, key: str, value: str, *, default: str) -> JSON:
    if isinstance(option, str):
        return option if value == default else {"action": option, key: value}
    if not isinstance(option, dict):
        return option
    if value == default and key == "caption":
        return {name: item for name, item in option.items() if name != key}
    return option if option.get(key, default) == value else {**option, key: value}


def _same(written: str, shown: str, *, is_long: bool) -> bool:
    """Compare as a browser sends it: with line ends of its own, and none in a field of one line."""
    end = "\n" if is_long else ""
    return _LINES.sub(end, written) == _LINES.sub(end, shown)


#: The bare word `null`.
_NULL: Final[Any] = object()


def _read(text: str, path: str, problems: list[Problem]) -> list[JSON]:
    """Read a list of names; what can't be read is a problem, and an empty list."""
    try:
        found = list(_items(_LINES.sub(" ", text)))
    except ValueError as error:
        problems.append(
            Problem(path=path, message=str(error), value=text, suggestion='Write a, b, or "a, b" in quotes')
        )
        return []
    for item in found:
        if item is not _NULL:
            problems.extend(problem.under(path) for problem in json_problems(item))
    return found


def _items(text: str) -> Iterator[JSON]:
    decoder = json.JSONDecoder()
    place = 0
    while place < len(text):
        if text[place] in " \t,":
            place += 1
            continue
        if text[place] in '"{[':
            try:
                value, place = decoder.raw_decode(text, place)
            except (ValueError, RecursionError):
                raise ValueError("What begins with a quote or a brace must be JSON") from None
            yield value
            rest = text[place:].lstrip()
            if rest and not rest.startswith(","):
                raise ValueError("A comma is missing between two names")
        else:
            word = text[place:].partition(",")[0]
            place += len(word)
            yield _NULL if word.strip() == "null" else word.strip()
