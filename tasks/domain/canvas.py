"""What becomes of the rest of a canvas when one of its parts comes to no good end.

A plan is JSON: the id of a task, or a list whose first item says how the others follow: `["chain", …]` one after the
other, `["group", …]` side by side. A chord is a chain of a group and its body.
"""

from collections.abc import Iterator, Sequence

from tasks.domain.jsonvalue import JSON

CHAIN = "chain"
GROUP = "group"


def members(plan: JSON) -> Iterator[str]:
    """Yield the ids of a plan's tasks, in their order."""
    if isinstance(plan, str):
        yield plan
    else:
        for part in _parts(plan):
            yield from members(part)


def abandoned(plan: JSON, failed: str) -> list[str]:
    """Return the tasks that are never begun once `failed` has failed or was cancelled: what would have followed it."""
    if isinstance(plan, str):
        return []
    parts = _parts(plan)
    for index, part in enumerate(parts):
        if failed in members(part):
            rest = parts[index + 1 :] if _is_chain(plan) else ()
            return [*abandoned(part, failed), *(member for later in rest for member in members(later))]
    return []


def _parts(plan: JSON) -> Sequence[JSON]:
    return plan[1:] if isinstance(plan, Sequence) and not isinstance(plan, str) else ()


def _is_chain(plan: JSON) -> bool:
    return isinstance(plan, Sequence) and bool(plan) and plan[0] == CHAIN
