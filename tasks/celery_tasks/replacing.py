"""Tasks that let others go on in their place."""

from typing import Any

from celery import current_app
from celery.canvas import _chain, group

from tasks.celery_tasks.parts import LAST, PART_OF, copy_of, id_of, is_tracked, last_of, leaves, tell
from tasks.celery_tasks.run import Run, hand_on, waits_until
from tasks.services.celery_rows import root_id_of


def stand_in(run: Run, task: Any, signature: Any) -> Any:
    """Return what is to be sent in a task's place, and put its tree off until that has come to its end.

    The last of it gets the task's id, as Celery has it, and with it the tree. Where one of the others comes to no good
    end, that last one is never begun.
    """
    canvas = _with_last(copy_of(signature))
    last = last_of(canvas)
    if last.get("subtask_type"):
        # Nothing in it has the task's id.
        return canvas
    parts = []
    for leaf in leaves(canvas):
        if leaf is not last:
            parts.append(str(root_id_of(id_of(leaf))))
            tell(leaf, {"parent" if is_tracked(leaf) else PART_OF: str(run.root_id)})
    if not is_tracked(last):
        parts.append(str(run.root_id))
        tell(last, {PART_OF: str(run.root_id), LAST: True})
        last.options.setdefault("ignore_result", task.ignore_result)
    hand_on(run, waits_until=waits_until(task, {}), parts=parts)
    return canvas


def _with_last(canvas: Any) -> Any:
    """Return a canvas with what gathers the results of the group at its end, as Celery would itself."""
    gathering = current_app.tasks["celery.accumulate"]
    if isinstance(canvas, group):
        return canvas | gathering.s(index=0)
    if isinstance(canvas, _chain) and canvas.tasks and isinstance(canvas.tasks[-1], group):
        canvas.tasks[-1] |= gathering.s(index=0)
    return canvas
