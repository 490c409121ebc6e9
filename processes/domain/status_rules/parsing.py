"""Read status rules: a JSON array of `{"comment", "role", "status", "action", "if"}`.

Reading never stops at the first mistake: a DefinitionError lists every problem with its JSON Pointer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from processes.domain.conditions import Condition, compile_condition
from processes.domain.definition import LIFECYCLE
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, json_problems, pointer
from processes.domain.status_rules.rules import (
    NO_STATUS,
    OfferedAction,
    OptionGroup,
    StatusMatch,
    StatusRule,
    StatusRules,
)
from processes.domain.suggestions import did_you_mean
from processes.domain.urls import checked_url
from processes.errors import ConditionError, DefinitionError, Problem

__all__ = [
    "ACTION_KEYS",
    "CONDITION_VARIABLES",
    "MAX_RULES",
    "MAX_STATUS_CHARACTERS",
    "RULE_KEYS",
    "parse_status_rules",
    "status_problem",
]

RULE_KEYS: Final = ("comment", "role", "status", "action", "if")
ACTION_KEYS: Final = ("action", "caption", "popup", "disabled", "url", "group")
#: What the conditions of rules may look at: the instance's Data, who looks, when, and the instance itself.
CONDITION_VARIABLES: Final = ("data", "user", "now", "state", "attr")

MAX_RULES: Final = 500
MAX_PROBLEMS: Final = 200
#: A status is no longer than its column.
MAX_STATUS_CHARACTERS: Final = 60
_MAX_TEXT: Final = 500_000
_MAX_LISTED: Final = 100
_MAX_NAME: Final = 200
_MAX_COMMENT: Final = 2_000

#: A rule that has no such key.
_ABSENT: Any = object()


def parse_status_rules(text_or_value: str | object) -> StatusRules:
    """Read status rules from JSON text, or from its value.

    Raises DefinitionError with every problem: JSON Pointer, message, offending value, suggestion.
    """
    value: object = text_or_value
    if isinstance(text_or_value, str):
        if len(text_or_value) > _MAX_TEXT:
            raise DefinitionError([Problem("", f"Status rules have at most {_MAX_TEXT:,} characters")])
        value = parse_json_text(text_or_value)
    elif problems := json_problems(value):
        raise DefinitionError(problems)
    if not isinstance(value, list):
        raise DefinitionError([Problem("", "Status rules are an array of rules", value, "Write [] for none")])
    if len(value) > MAX_RULES:
        raise DefinitionError([Problem("", f"There are at most {MAX_RULES:,} rules")])
    reader = _Reader()
    rules = [rule for index, entry in enumerate(value) if (rule := reader.rule(entry, index)) is not None]
    if reader.problems:
        raise DefinitionError(reader.problems)
    return StatusRules(rules=tuple(rules))


def status_problem(status: str) -> str | None:
    """Say why a text can't be a status, where it can't: rules couldn't tell it from what else they say."""
    if len(status) > MAX_STATUS_CHARACTERS:
        return f"A status has at most {MAX_STATUS_CHARACTERS} characters"
    if status != status.strip():
        return "A status has no blanks around it"
    if status in ("*", "null") or status.startswith("!"):
        return f'"{status}" has a meaning of its own in status rules, so it can\'t be a status'
    return None


class _Reader:
    """Read one document, and gather what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def rule(self, entry: object, index: int) -> StatusRule | None:
        path = pointer(index)
        if not isinstance(entry, dict):
            self._refuse(path, "A rule must be an object", entry)
            return None
        self._check_keys(entry, path, RULE_KEYS, "a rule")
        places: dict[tuple[str, str], str] = {}
        return StatusRule(
            index=index,
            comment=self._text(entry, "comment", path, most=_MAX_COMMENT, nullable=True),
            roles=self._roles(entry.get("role", _ABSENT), f"{path}/role", places),
            statuses=self._statuses(entry.get("status", _ABSENT), f"{path}/status", places),
            actions=self._actions(entry, path, places),
            condition=self._condition(entry.get("if", _ABSENT), f"{path}/if"),
            places=places,
        )

    def _roles(self, value: object, path: str, places: dict[tuple[str, str], str]) -> frozenset[str] | None:
        if value is _ABSENT:
            return None
        found: set[str] = set()
        for place, role in self._listed(value, path, "role", "Leave the key out: a rule without it is for everyone"):
            if role is None or role == "*":
                cure = "Leave the key out: a rule without it is for everyone"
                self._refuse(place, "A role must be a name", role, cure)
            elif (name := self._name(role, place, "A role")) is not None:
                found.add(name)
                places.setdefault(("role", name), place)
        return frozenset(found)

    def _statuses(self, value: object, path: str, places: dict[tuple[str, str], str]) -> StatusMatch:
        if value is _ABSENT:
            return StatusMatch()
        before = len(self.problems)
        included: set[str] = set()
        excluded: set[str] = set()
        for place, entry in self._listed(value, path, "status", 'Leave the key out, or write "*": every status'):
            if entry == "*":
                continue
            negative = isinstance(entry, str) and entry.startswith("!")
            status = self._status(entry[1:] if negative else entry, place, entry)  # type: ignore[index]
            if status is None:
                continue
            (excluded if negative else included).add(status)
            places.setdefault(("status", status), place)
        everywhere = not included or (isinstance(value, list) and "*" in value)
        match = StatusMatch(included=None if everywhere else frozenset(included), excluded=frozenset(excluded))
        if len(self.problems) == before and match.included is not None and match.included <= match.excluded:
            self._refuse(path, "This applies to no status: what is named is excluded again", value)
        return match

    def _status(self, entry: object, place: str, written: object) -> str | None:
        """Give a status, `""` for none; None where it isn't one."""
        if written is None or written == "!null":
            return NO_STATUS
        if not isinstance(entry, str):
            self._refuse(
                place, 'A status must be a name, null (no status), "*" (every one) or "!…" (all but …)', written
            )
            return None
        if not entry:
            self._refuse(place, "A status can't be empty", written, "Write null for no status")
        elif entry == "null":
            self._refuse(place, '"null" in quotes is no status', written, "Write null without quotes for no status")
        elif written == "!*":
            self._refuse(place, '"!*" would apply to no status', written, 'Write "!null" for any status, null for none')
        elif (message := status_problem(entry)) is not None:
            self._refuse(place, message, written)
        else:
            return entry
        return None

    def _actions(
        self, entry: Mapping[str, JSON], path: str, places: dict[tuple[str, str], str]
    ) -> tuple[OfferedAction, ...]:
        if "action" not in entry:
            self._refuse(path, 'A rule needs an "action": what it offers')
            return ()
        found: list[OfferedAction] = []
        for place, written in self._listed(entry["action"], f"{path}/action", "action", "Name what the rule offers"):
            offered = self._action(written, place)
            if offered is not None:
                found.append(offered)
                if offered.action:
                    named = place if isinstance(written, str) else f"{place}/action"
                    places.setdefault(("action", offered.action), named)
        return tuple(found)

    def _action(self, written: object, place: str) -> OfferedAction | None:
        if not isinstance(written, dict):
            name = self._action_name(written, place)
            return None if name is None else OfferedAction(action=name)
        before = len(self.problems)
        self._check_keys(written, place, ACTION_KEYS, "an action")
        name = self._action_name(written["action"], f"{place}/action") if "action" in written else ""
        url = self._text(written, "url", place)
        if url and checked_url(url) is None:
            self._refuse(f"{place}/url", "No page may link to this", url, "Write a path of this site, or https://…")
        caption = self._text(written, "caption", place)
        if "action" not in written and not url:
            self._refuse(place, 'An option needs an "action" or a "url": where it leads', written)
        elif "action" not in written and not caption:
            self._refuse(place, 'An option that is only a "url" needs a "caption": it has no name', written)
        offered = OfferedAction(
            action=name or "",
            caption=caption,
            popup=self._flag(written, "popup", place),
            disabled=self._flag(written, "disabled", place),
            url=url,
            group=self._group(written, place),
        )
        return offered if len(self.problems) == before else None

    def _action_name(self, name: object, place: str) -> str | None:
        if name in LIFECYCLE:
            self._refuse(place, f"{name} runs by itself: nobody can enter it", name)
            return None
        if isinstance(name, str) and name.endswith("?"):
            self._refuse(place, "What is offered must be there", name, f'Use "{name.rstrip("?")}"')
            return None
        return self._name(name, place, "An action")

    def _group(self, written: Mapping[str, JSON], place: str) -> OptionGroup:
        group = written.get("group", OptionGroup.OPTIONAL)
        names = [one.value for one in OptionGroup]
        if group not in names:
            suggestion = did_you_mean(group, names) or f"One of {', '.join(names)}"
            self._refuse(f"{place}/group", "There is no such group", group, suggestion)
            return OptionGroup.OPTIONAL
        return OptionGroup(group)

    def _condition(self, text: object, path: str) -> Condition | None:
        if text is _ABSENT:
            return None
        if not isinstance(text, str):
            self._refuse(path, 'A condition must be text, such as "data.total > 100"', text)
            return None
        try:
            condition = compile_condition(text)
        except ConditionError as error:
            self._refuse(path, error.message, text, error.fields.get("suggestion"))
            return None
        for name in condition.names:
            if name not in CONDITION_VARIABLES:
                known = f"There are {', '.join(CONDITION_VARIABLES)}"
                self._refuse(path, f'There is no "{name}" in status rules', text, known)
        return condition

    def _listed(self, value: object, path: str, key: str, cure: str) -> Iterator[tuple[str, object]]:
        """Go through one value or a list of them, each with its place."""
        if not isinstance(value, list):
            yield path, value
            return
        if not value:
            self._refuse(path, f'An empty list of "{key}" makes a rule that never applies', value, cure)
        if len(value) > _MAX_LISTED:
            self._refuse(path, f'"{key}" lists at most {_MAX_LISTED}')
            return
        for index, entry in enumerate(value):
            if isinstance(entry, list):
                self._refuse(f"{path}/{index}", f'"{key}" is one or a list, not a list of lists', entry)
            else:
                yield f"{path}/{index}", entry

    def _name(self, name: object, place: str, what: str) -> str | None:
        if not isinstance(name, str) or not name.strip():
            self._refuse(place, f"{what} must be a name", name)
        elif name != name.strip():
            self._refuse(place, f"{what} has no blanks around its name", name, f'Use "{name.strip()}"')
        elif len(name) > _MAX_NAME:
            self._refuse(place, f"A name has at most {_MAX_NAME} characters", name)
        else:
            return name
        return None

    def _text(
        self, holder: Mapping[str, JSON], key: str, path: str, *, most: int = _MAX_NAME * 10, nullable: bool = False
    ) -> str:
        value = holder.get(key, "")
        if value is None and nullable:
            return ""
        if not isinstance(value, str):
            self._refuse(f"{path}/{key}", "Must be text", value)
            return ""
        if len(value) > most:
            self._refuse(f"{path}/{key}", f"At most {most:,} characters", value)
        return value

    def _flag(self, holder: Mapping[str, JSON], key: str, path: str) -> bool:
        value = holder.get(key, False)
        if not isinstance(value, bool):
            self._refuse(f"{path}/{key}", "Must be true or false", value)
            return False
        return value

    def _check_keys(self, holder: Mapping[str, JSON], path: str, known: tuple[str, ...], what: str) -> None:
        for key in holder:
            if key not in known:
                suggestion = did_you_mean(key, known) or f"Known keys: {', '.join(known)}"
                self._refuse(path + pointer(key), f'Unknown key "{key}" in {what}', holder[key], suggestion)

    def _refuse(self, path: str, message: str, value: object = None, suggestion: str | None = None) -> None:
        self.problems.append(Problem(path=path, message=message, value=value, suggestion=suggestion))
        if len(self.problems) >= MAX_PROBLEMS:
            # Enough for a person; guessing what was meant costs too much for a flood.
            raise DefinitionError(self.problems)
