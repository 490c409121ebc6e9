"""Show a step: what the page tells of it, and its fields where it is open."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from processes.admin.tabs.builder.choices import Choice, ChoiceGroup, scripts_of, with_chosen
from processes.admin.tabs.builder.posted import FieldProblem
from processes.admin.tabs.builder.step_form import StepForm
from processes.domain.authoring.config_form import ConfigField, choice_text, is_placeholder, shown_text
from processes.domain.authoring.diagram import anchor_of
from processes.domain.authoring.json_positions import pointer_parts
from processes.domain.authoring.rows import ABSENT, FlowRule, Step
from processes.domain.authoring.schema_words import ConfigKey, config_tables
from processes.domain.scripts import ScriptSpec
from processes.services.authoring.building import PlacedProblem, Surroundings
from processes.services.authoring.documentation import Place
from processes.services.authoring.vocabulary import describe_script

__all__ = ["FieldView", "RuleView", "StepView"]

_MOST_LINES = 24
#: Fewer fields of a config than these leave room for those that are empty.
_FEW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """Show one key of a config; `instead` is the placeholder beside a list to choose from."""

    number: int
    field: ConfigField
    kind: str
    text: str
    instead: str
    choices: tuple[Choice, ...]
    about: ConfigKey | None
    problems: tuple[str, ...]

    @property
    def is_main(self) -> bool:
        """Tell whether it is to be seen at once."""
        return bool(self.text or self.field.required or self.problems)

    @property
    def rows(self) -> int:
        """Return how many lines the field shows."""
        return min(max(self.text.count("\n") + 1, 1), _MOST_LINES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """Show one flow rule; the last one of a step is empty, for one more."""

    number: int
    state: str
    targets: tuple[ChoiceGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Tell in short where a step leads under a state; `anchor` is the place of the step that it jumps to."""

    state: str | None
    text: str
    anchor: str = ""


class StepView:
    """Show one step, with its form where it is open."""

    def __init__(
        self,
        *,
        number: int,
        step: Step,
        is_head: bool,
        is_open: bool,
        around: Surroundings,
        targets: tuple[ChoiceGroup, ...],
        typed: Collection[FieldProblem],
    ) -> None:
        self.number, self.step, self.is_head, self.is_open = number, step, is_head, is_open
        self._around, self._targets, self._typed = around, targets, typed
        self.spec: ScriptSpec | None = around.script_of(step.reference)
        self.form = StepForm(str(number), step, self.spec)
        self._found = [problem for problem in around.problems if problem.step == step.name]

    @property
    def anchor(self) -> str:
        """Return the place to which the diagram leads."""
        return anchor_of(self.step.name)

    @property
    def was(self) -> str:
        """Return the step's JSON, from which the form is read again."""
        return json.dumps(dict(self.step.written))

    @property
    def runs(self) -> str:
        """Return the name of what it runs; empty where that is nothing."""
        if self.step.reference is None:
            return ""
        if self.spec is not None:
            return self.spec.name
        return self._around.bound.get(self.step.reference, ("", self.step.reference))[1]

    @cached_property
    def about(self) -> dict[str, Any]:
        """Return what is known of its script: summary, documentation, states; empty where there is no such script."""
        return {} if self.spec is None else describe_script(self.spec)

    @property
    def overrides(self) -> tuple[Place, ...]:
        """Return the templates whose step of this name it overrides."""
        for entry in self._around.documentation.actions:
            if entry.name == self.step.name and entry.is_own:
                return entry.overrides
        return ()

    @property
    def flow(self) -> list[Chip]:
        """Return where it leads, in short; nothing where it only goes on."""
        return [_chip(rule) for rule in self.step.rules if rule != FlowRule(None, True)]

    # -- what is wrong ------------------------------------------------------------------------------------------------

    @property
    def problems(self) -> list[PlacedProblem]:
        """Return what is wrong with it and isn't told beside a field of its config."""
        return [found for found in self._found if not (self.is_open and self._key_of(found) in self._keys)]

    @property
    def typed_problems(self) -> list[str]:
        """Return what couldn't be taken of what was typed, and isn't told beside a field."""
        beside = {"config", "further", "more", "next", *(f"c:{key}" for key in self._keys)}
        return [problem.message for problem in self._typed if problem.field not in beside]

    @property
    def has_errors(self) -> bool:
        """Tell whether something keeps the draft from being saved."""
        return bool(self._typed) or any(not found.is_warning for found in self._found)

    def told_at(self, field: str) -> list[str]:
        """Return what couldn't be taken of what was typed into a field."""
        return [problem.message for problem in self._typed if problem.field == field]

    @property
    def told_at_further(self) -> list[str]:
        """Return it for the further keys of the config."""
        return self.told_at("further")

    @property
    def told_at_config(self) -> list[str]:
        """Return it for the config as a whole."""
        return self.told_at("config")

    @property
    def told_at_more(self) -> list[str]:
        """Return it for the keys without a place of their own."""
        return self.told_at("more")

    @property
    def told_at_next(self) -> list[str]:
        """Return it for the flow rules."""
        return self.told_at("next")

    @cached_property
    def _keys(self) -> set[str]:
        return {field.key for field in self.form.fields}

    def _key_of(self, found: PlacedProblem) -> str | None:
        parts = pointer_parts(found.inside)
        return parts[1] if len(parts) > 1 and parts[0] == "config" else None

    def _typed_text(self, field: str, text: str) -> str:
        return next((p.typed for p in self._typed if p.field == field and p.typed is not None), text)

    # -- fields -------------------------------------------------------------------------------------------------------

    @property
    def schema(self) -> str:
        """Return the name of the script whose config has fields; empty where the config is JSON."""
        return self.spec.name if self.spec is not None and self.form.fields else ""

    @cached_property
    def scripts(self) -> tuple[ChoiceGroup, ...]:
        """Return what it may run."""
        return scripts_of(self.step, self._around)

    @property
    def main_fields(self) -> list[FieldView]:
        """Return the fields of its config that are filled in, must be, or bear a message."""
        return [view for view in self.fields if view.is_main]

    @property
    def other_fields(self) -> list[FieldView]:
        """Return the other fields of its config."""
        return [view for view in self.fields if not view.is_main]

    @property
    def shows_others(self) -> bool:
        """Tell whether the other fields are in sight from the beginning: where little else is."""
        return len(self.main_fields) < _FEW

    @cached_property
    def fields(self) -> list[FieldView]:
        """Return the fields of its config."""
        tables = [] if self.spec is None or self.spec.config is None else config_tables(self.spec.config)
        about = {key.name: key for key in tables[0].keys} if tables else {}
        return [
            self._field(number, field, about.get(field.key)) for number, field in enumerate(self.form.fields, start=1)
        ]

    def _field(self, number: int, field: ConfigField, about: ConfigKey | None) -> FieldView:
        kind, text = shown_text(field, self.form.config)
        is_list = kind in ("choice", "boolean")
        offered = [choice_text(item) for item in field.choices] if kind == "choice" else ["true", "false"]
        text = self._typed_text(f"c:{field.key}", text)
        instead = text if is_list and (is_placeholder(text) or (text and text not in offered)) else ""
        choices = [
            Choice(value="", label="–"),
            *(Choice(value=item, label=item, is_chosen=item == text) for item in offered),
        ]
        problems = [problem.message for problem in self._typed if problem.field == f"c:{field.key}"]
        problems += [_sentence(found) for found in self._found if self._key_of(found) == field.key]
        return FieldView(
            number=number,
            field=field,
            kind=kind,
            text=text,
            instead=instead,
            choices=tuple(choices) if is_list else (),
            about=about,
            problems=tuple(problems),
        )

    @property
    def further(self) -> str:
        """Return the text of the further keys of the config."""
        return self._typed_text("further", self.form.further)

    @property
    def whole(self) -> str:
        """Return the text of the config as a whole."""
        return self._typed_text("config", self.form.whole)

    @property
    def more(self) -> str:
        """Return the text of the keys that have no place of their own."""
        return self._typed_text("more", self.form.more)

    @property
    def has_config(self) -> bool:
        """Tell whether there is a config to show, or a script that might take one."""
        return self.step.config is not ABSENT or (self.step.reference is not None and self._takes_config)

    @property
    def _takes_config(self) -> bool:
        return self.spec is None or self.spec.config is not None

    @property
    def rules(self) -> list[RuleView]:
        """Return the flow rules, and an empty one."""
        shown = [*self.form.rules(), ("", "")]
        return [
            RuleView(number=number, state=state, targets=with_chosen(self._targets, target))
            for number, (state, target) in enumerate(shown)
        ]


def _chip(rule: FlowRule) -> Chip:
    state = None if rule.state is None else rule.state or '""'
    if isinstance(rule.to, str):
        return Chip(state=state, text=rule.to, anchor=anchor_of(rule.to))
    return Chip(state=state, text=_("the next step") if rule.to else _("exit"))


def _sentence(found: PlacedProblem) -> str:
    suggestion = f" {found.problem.suggestion}" if found.problem.suggestion else ""
    return f"{found.problem.message}.{suggestion}"
