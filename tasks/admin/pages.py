"""What the pages of one task show besides its fields: its tree, its log, what came before and after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from tasks.admin.words import badge, moment, pretty
from tasks.domain.bounds import tail
from tasks.domain.tree import TreeNode
from tasks.models import TaskRoot
from tasks.services.access import Viewer, may_see
from tasks.services.inspecting import read_log, read_related

__all__ = ["Link", "TreeRow", "links_to", "live_address", "log_of", "related_to", "tree_rows"]

#: Updates of the log that a page shows, the last ones.
MOST_UPDATES = 200
#: Nodes of a tree, and characters of a node's output, that a page shows.
MOST_NODES = 500
OUTPUT_CHARS = 4_000
#: Children and repetitions that a page links to.
MOST_RELATED = 100
#: The setting that names the page on which a task is followed live, as `reverse` takes it; `root_id` is its argument.
PAGE_SETTING = "STEPLINE_TASK_PAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Lead to another task: with an address where the reader may go there."""

    title: str
    status: str
    created_at: datetime
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """Show a node in a nested list: one that has children opens a list, one that has none closes some."""

    node: TreeNode
    status: str
    meta: str
    output: str
    opens: bool
    closes: range


def tree_rows(top: TreeNode) -> tuple[list[TreeRow], int]:
    """Return the first nodes of a tree in the order in which a nested list shows them, and how many are left out.

    However deep it is: a template that included itself for each level would end where Python's stack does.
    """
    walked = _with_depth(top)
    shown = list(islice(walked, MOST_NODES))
    left = sum(1 for _ in walked)
    rows = []
    for (node, depth), following in zip(shown, [*(depth for _, depth in shown[1:]), 0], strict=True):
        rows.append(
            TreeRow(
                node=node,
                status=badge(node.status.value),
                meta="" if node.meta is None else pretty(node.meta),
                output=tail(node.output, OUTPUT_CHARS),
                opens=following > depth,
                closes=range(max(0, depth - following)),
            )
        )
    return rows, left


def log_of(root: TaskRoot) -> dict[str, object]:
    """Return the last updates of a task for `tasks/admin/_log.html`."""
    updates = read_log(root.pk, most=MOST_UPDATES)
    rows = [(update, moment(_time(update.timestamp))) for update in updates]
    return {"updates": rows, "last_seq": root.last_seq, "is_whole": len(rows) == root.last_seq}


def related_to(request: HttpRequest, root: TaskRoot) -> dict[str, object]:
    """Return the links from a task: to what started it and what it started, to what it repeats and what repeats it."""
    linked = [pk for pk in (root.parent_id, root.previous_id) if pk is not None]
    above = {found.pk: found for found in read_related(most=2, pk__in=linked)} if linked else {}
    children = read_related(most=MOST_RELATED + 1, parent_id=root.pk)
    return {
        "parent": links_to(request, [above[pk] for pk in (root.parent_id,) if pk in above]),
        "previous": links_to(request, [above[pk] for pk in (root.previous_id,) if pk in above]),
        "repetitions": links_to(request, read_related(most=MOST_RELATED, previous_id=root.pk)),
        "children": links_to(request, children[:MOST_RELATED]),
        "has_more_children": len(children) > MOST_RELATED,
    }


def links_to(request: HttpRequest, roots: Iterable[TaskRoot]) -> list[Link]:
    """Return links to tasks: to their jobs where they have one and the reader may see jobs, else to their trees."""
    found = []
    for root in roots:
        has_job = getattr(root, "job", None) is not None
        kind = "job" if has_job and _sees(request, "job") else "taskroot"
        address = reverse(f"admin:tasks_{kind}_change", args=(root.pk,)) if _sees(request, kind) else ""
        found.append(
            Link(title=root.title, status=badge(root.shown_status), created_at=root.created_at, address=address)
        )
    return found


def live_address(viewer: Viewer, root: TaskRoot) -> str:
    """Return the page on which a task can be followed; empty where the site has none, or the viewer may not."""
    name = getattr(settings, PAGE_SETTING, "")
    if not name or not may_see(viewer, root):
        return ""
    try:
        return reverse(name, kwargs={"root_id": root.pk})
    except NoReverseMatch:
        return ""


def _sees(request: HttpRequest, kind: str) -> bool:
    user = request.user
    return user.has_perm(f"tasks.view_{kind}") or user.has_perm(f"tasks.change_{kind}")


def _with_depth(top: TreeNode) -> Iterator[tuple[TreeNode, int]]:
    stack = [(top, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in reversed(node.children))


def _time(timestamp: str) -> datetime | None:
    return datetime.fromisoformat(timestamp) if timestamp else None
