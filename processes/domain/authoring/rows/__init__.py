"""Show a definition as rows: actions with their steps, and back, without changing a thing that nobody has changed."""

from processes.domain.authoring.rows.arranging import (
    FindEntered,
    add_action,
    add_step,
    move_action,
    move_step,
    remove,
    renamed,
)
from processes.domain.authoring.rows.document import rows_text, to_definition, to_rows
from processes.domain.authoring.rows.model import ABSENT, BuilderAction, BuilderRows, FlowRule, Step
from processes.domain.authoring.rows.shape import step_problems

__all__ = [
    "ABSENT", "BuilderAction", "BuilderRows", "FindEntered", "FlowRule", "Step", "add_action", "add_step",
    "move_action", "move_step", "remove", "renamed", "rows_text", "step_problems", "to_definition", "to_rows",
]  # fmt: skip
