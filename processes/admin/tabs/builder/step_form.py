"""The form of one step: its script, config, flow rules and what else it has, each read over what it was."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from django.http import QueryDict
from django.utils.translation import gettext as _

from processes.admin.forms import describe
from processes.domain.authoring.config_form import (
    ConfigField,
    config_fields,
    further_keys,
    json_text_of,
    read_config,
    shown_text,
)
from processes.domain.authoring.rows import ABSENT, FlowRule, Step
from processes.domain.authoring.rows.model import SHOWN
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.domain.next_clause import Destination
from processes.domain.scripts import ScriptSpec, config_schema
from processes.errors import DefinitionError
from processes.services.catalogue import catalogue

__all__ = ["BY_NAME", "NOTHING", "StepForm", "fields_of", "script_value", "target_value"]

#: What the choice of the script says for a step that is its script by name, and for one that runs nothing; all others
#: begin with `r:`.
BY_NAME, NOTHING, _REFERENCE = "=", "-", "r:"
#: What the choice of a rule's destination says; names begin with `to:`.
_NEXT, _EXIT, _TO = "next", "exit", "to:"

#: A field, what is wrong with it, and what was typed there.
Found: TypeAlias = tuple[str, str, str | None]


def script_value(step: Step) -> str:
    """Return what the choice of the script says for a step."""
    if not step.names_script:
        return BY_NAME
    return NOTHING if step.reference is None else f"{_REFERENCE}{step.reference}"


def target_value(to: Destination) -> str:
    """Return what the choice of a destination says."""
    if isinstance(to, str):
        return f"{_TO}{to}"
    return _NEXT if to else _EXIT


def fields_of(spec: ScriptSpec | None) -> tuple[ConfigField, ...]:
    """Return the fields of a script's config; none where there is no script, or nothing is known of its config."""
    return () if spec is None or spec.config is None else config_fields(config_schema(spec.config))


class StepForm:
    """Show and read the fields of one step, whose names begin with its number on the page."""

    def __init__(self, number: str, step: Step, spec: ScriptSpec | None = None) -> None:
        self._prefix = f"s{number}-"
        self.step = step
        self._spec = spec

    @cached_property
    def fields(self) -> tuple[ConfigField, ...]:
        """Return the fields of the config; none where it is shown as JSON, since it isn't an object or has no model."""
        return fields_of(self._spec) if self.step.config is ABSENT or isinstance(self.step.config, dict) else ()

    @cached_property
    def config(self) -> Mapping[str, JSON]:
        """Return the config where it has fields."""
        return self.step.config if isinstance(self.step.config, dict) else {}

    @cached_property
    def further(self) -> str:
        """Return the text of what the config holds besides its fields."""
        return _object_text(further_keys(self.fields, self.config))

    @cached_property
    def whole(self) -> str:
        """Return the text of the config as a whole."""
        return "" if self.step.config is ABSENT else json_text_of(self.step.config)

    @cached_property
    def more(self) -> str:
        """Return the text of the keys that have no place of their own."""
        return _object_text(self.step.rest)

    def rules(self) -> list[tuple[str, str]]:
        """Return the flow rules as they are shown: state and destination."""
        return [(_state_text(rule.state), target_value(rule.to)) for rule in self.step.rules]

    def text_of(self, field: ConfigField) -> str:
        """Return the text of a config's key."""
        return shown_text(field, self.config)[1]

    def read(self, data: QueryDict, *, skipped: str | None = None) -> tuple[Step, list[Found]]:
        """Return the step as the form says, and what can't be taken; the rule of number `skipped` is left out."""
        self._spec = catalogue().find(data.get(f"{self._prefix}schema", ""))
        found: list[Found] = []
        step = self._with_config(data, found)
        for key in ("caption", "comment"):
            if (text := self._sent(data, key)) is not None:
                step = step.with_text(key, _kept_lines(text, getattr(step, key)))
        step = self._with_rules(step, data, found, skipped)
        step = self._with_more(step, data, found)
        script = self._sent(data, "script")
        if script is not None and script != script_value(step):
            step = step.put("script", _script_of(script))
        return step, found

    def _sent(self, data: QueryDict, name: str) -> str | None:
        return data.get(f"{self._prefix}{name}")

    def _with_config(self, data: QueryDict, found: list[Found]) -> Step:
        if not self.fields:
            return self._with_whole(data, found)
        texts = {}
        for field in self.fields:
            sent, instead = self._sent(data, f"c:{field.key}"), self._sent(data, f"p:{field.key}")
            if instead and instead.strip():
                texts[field.key] = instead
            elif sent is not None:
                texts[field.key] = sent
        further = self._read_object(data, "further", self.further, further_keys(self.fields, self.config), found)
        config, problems = read_config(self.fields, self.config, texts, further)
        for problem in problems:
            key = problem.path[1:].replace("~1", "/").replace("~0", "~")
            is_field = key in texts
            place = f"c:{key}" if is_field else "further"
            found.append((place, f"{problem.message}.", texts.get(key) if is_field else self._sent(data, "further")))
        if json.dumps(config) == json.dumps(self.config):
            return self.step
        return self.step.put("config", config or ABSENT)

    def _with_whole(self, data: QueryDict, found: list[Found]) -> Step:
        text = self._sent(data, "config")
        if text is None or _lines(text) == self.whole:
            return self.step
        if not text.strip():
            return self.step.put("config", ABSENT)
        stripped = text.strip()
        if stripped.startswith("${") and stripped.endswith("}"):
            return self.step.put("config", stripped)
        try:
            return self.step.put("config", parse_json_text(text))
        except DefinitionError as error:
            found.append(("config", describe(error.problems[0]), text))
            return self.step

    def _with_more(self, step: Step, data: QueryDict, found: list[Found]) -> Step:
        before = step.rest
        more = self._read_object(data, "more", self.more, before, found)
        if taken := [key for key in more if key in SHOWN]:
            message = _("“%(key)s” has a field of its own.") % {"key": taken[0]}
            found.append(("more", message, self._sent(data, "more")))
            return step
        return step.with_rest(more)

    def _read_object(
        self, data: QueryDict, name: str, shown: str, before: dict[str, JSON], found: list[Found]
    ) -> dict[str, JSON]:
        """Read an object of JSON from a field, or return what it was."""
        text = self._sent(data, name)
        if text is None or _lines(text) == shown:
            return before
        if not text.strip():
            return {}
        try:
            value = parse_json_text(text)
        except DefinitionError as error:
            found.append((name, describe(error.problems[0]), text))
            return before
        if isinstance(value, dict):
            return value
        found.append((name, _("Enter an object of JSON, as in {…}."), text))
        return before

    def _with_rules(self, step: Step, data: QueryDict, found: list[Found], skipped: str | None) -> Step:
        sent = [pair for pair in self._sent_rules(data, skipped) if pair[1]]
        if sent == self.rules():
            return step
        rules = tuple(FlowRule(_state_of(state), _destination(to)) for state, to in sent)
        states = ["*" if rule.state is None else rule.state for rule in rules]
        if twice := [state for state in states if states.count(state) > 1]:
            text = _("The state “%(state)s” has two rules: only one of them can be kept.") % {"state": twice[0]}
            found.append(("next", text, None))
            # The last one counts, as in JSON.
            rules = tuple(dict(zip(states, rules, strict=True)).values())
        return step.with_rules(rules)

    def _sent_rules(self, data: QueryDict, skipped: str | None) -> Iterator[tuple[str, str]]:
        for rule in data.getlist(f"{self._prefix}rule"):
            if rule != skipped:
                state = data.get(f"{self._prefix}r{rule}-state", "")
                yield state if state.strip() else "", data.get(f"{self._prefix}r{rule}-to", "")


def _object_text(value: Mapping[str, JSON]) -> str:
    return json_text_of(dict(value)) if value else ""


def _state_text(state: str | None) -> str:
    """Write a state; one that would look empty, or quoted, is quoted."""
    if state is None:
        return ""
    return json.dumps(state, ensure_ascii=False) if not state.strip() or state.startswith('"') else state


def _state_of(text: str) -> str | None:
    if not text:
        return None
    if text.startswith('"'):
        try:
            state = parse_json_text(text)
        except DefinitionError:
            return text
        return state if isinstance(state, str) else text
    return text


def _destination(value: str) -> Destination:
    if value.startswith(_TO):
        return value.removeprefix(_TO) or True
    return value == _NEXT


def _script_of(value: str) -> JSON:
    if value == BY_NAME:
        return ABSENT
    return value.removeprefix(_REFERENCE) if value.startswith(_REFERENCE) else None


def _kept_lines(text: str, before: str) -> str:
    """Return a text as it was where only its line ends have become those of a browser."""
    return before if _lines(text) == _lines(before) else _lines(text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
