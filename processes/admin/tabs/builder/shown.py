"""Show rows: what the page tells of actions with their steps."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from processes.admin.tabs.builder.choices import targets_of
from processes.admin.tabs.builder.offers import OfferView
from processes.admin.tabs.builder.posted import FieldProblem
from processes.admin.tabs.builder.step_view import StepView
from processes.domain.authoring.rows import BuilderAction, BuilderRows
from processes.services.authoring.building import Surroundings
from processes.services.authoring.offers import Offer

__all__ = ["ActionView", "action_views", "envelope_text"]


@dataclass(frozen=True, kw_only=True)
class ActionView:
    """Show one action: an entrance and its steps, and what status rules offer of them."""

    number: int
    action: BuilderAction
    steps: tuple[StepView, ...]
    offers: tuple[OfferView, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Tell whether something is wrong with one of its steps."""
        return any(step.has_errors for step in self.steps)


def action_views(
    rows: BuilderRows,
    around: Surroundings,
    *,
    opened: Collection[str] = (),
    typed: Mapping[str, tuple[FieldProblem, ...]] | None = None,
    offers: Mapping[str, tuple[Offer, ...]] | None = None,
) -> list[ActionView]:
    """Return the actions with their steps; `opened` are the names of steps whose forms are shown."""
    targets = targets_of(rows, around)
    views: list[ActionView] = []
    number = 0
    for place, action in enumerate(rows.actions):
        steps: list[StepView] = []
        for step in action.steps:
            steps.append(
                StepView(
                    number=number,
                    step=step,
                    is_head=step is action.steps[0],
                    is_open=step.name in opened,
                    around=around,
                    targets=targets,
                    typed=(typed or {}).get(step.name, ()),
                )
            )
            number += 1
        offered = tuple(
            OfferView(offer=offer, step="" if step is action.steps[0] else step.name)
            for step in action.steps
            for offer in (offers or {}).get(step.name, ())
        )
        views.append(ActionView(number=place, action=action, steps=tuple(steps), offers=offered))
    return views


def envelope_text(rows: BuilderRows) -> str:
    """Return the object around the actions as JSON, empty where there is none."""
    return "" if rows.envelope is None else json.dumps(dict(rows.envelope))
