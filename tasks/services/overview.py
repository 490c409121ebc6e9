"""How far many tasks are, for lists of them: a snapshot of each would read far more."""

import uuid
from collections import defaultdict
from collections.abc import Iterable

from tasks.domain.percentage import percentage
from tasks.domain.statuses import NodeStatus
from tasks.models import Node, TaskRoot


def read_percentages(roots: Iterable[TaskRoot]) -> dict[uuid.UUID, float | None]:
    """Return how far each root is, 0 to 100, or None where nothing is known: what its snapshot would say.

    One query, whatever the number of roots; it reads the nodes of those that don't count for themselves.
    """
    rows = list(roots)
    asked = [root.pk for root in rows if root.status != NodeStatus.COMPLETED and not root.total]
    shares: dict[uuid.UUID, list[tuple[float | None, float]]] = defaultdict(list)
    nodes = Node.objects.filter(root_id__in=asked).order_by("-ordinal") if asked else Node.objects.none()
    # Children were created after their parents: from the last to the first, each finds its children's shares there.
    for pk, root_id, parent_id, status, current, total in nodes.values_list(
        "pk", "root_id", "parent_id", "status", "current", "total"
    ):
        completed = status == NodeStatus.COMPLETED
        share = percentage(completed=completed, current=current, total=total, children=shares.pop(pk, ()))
        shares[parent_id or root_id].append((share, 1.0))
    return {
        root.pk: percentage(
            completed=root.status == NodeStatus.COMPLETED,
            current=root.current,
            total=root.total,
            children=shares.get(root.pk, ()),
            expected=root.expected,
        )
        for root in rows
    }
