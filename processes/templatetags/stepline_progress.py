"""What the progress page shows of a node of a task tree: `{% load stepline_progress %}`.

A page may show thousands of nodes. What is said of one is put together here, as a dictionary, which a template reads
several times faster than it decides by itself.
"""

from typing import TypedDict, cast

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.template.context import Context
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import TreeNode

register = template.Library()

STATUS_TEMPLATE = "processes/_status.html"
#: A branch with more children than this can be folded, and is once it is completed.
LARGE_BRANCH = 8
#: From here on numbers have separators.
_GROUPED_FROM = 1_000
_WITH_BAR = frozenset({NodeStatus.RUNNING, NodeStatus.WAITING})
_OPEN = _WITH_BAR | {NodeStatus.CREATED}


class Shown(TypedDict):
    """What is shown of a node; an empty text for what it has nothing to say of."""

    id: str
    status: str
    words: str
    title: str
    #: How far it is in its own units: "3 of 8".
    count: str
    #: Whole percents, rounded down so that 100 means done; a text, since Django formats each number at some length.
    percent: str
    #: The same as a text, while it isn't over.
    figure: str
    has_bar: bool
    message: str
    error: str
    output: str
    #: What its output is called.
    log: str
    children: list[TreeNode]
    #: How many children it has: "12 steps".
    steps: str
    is_large: bool
    is_unfolded: bool


#: A node with every part, which the script takes the parts from.
_BLUEPRINT = Shown(
    id="",
    status="created",
    words="",
    title="",
    count=" ",
    percent="",
    figure=" ",
    has_bar=True,
    message=" ",
    error=" ",
    output=" ",
    log=" ",
    children=[],
    steps=" ",
    is_large=False,
    is_unfolded=True,
)


@register.simple_tag(takes_context=True, name="shown")
def shown(context: Context, node: TreeNode | None) -> Shown:
    """Return what is shown of a node: `{% shown node as it %}`; without a node, a blueprint with every part."""
    if not isinstance(node, TreeNode):
        return _BLUEPRINT
    share = node.percent
    percent = "" if share is None else str(int(share))
    children = len(node.children)
    return Shown(
        id=node.id,
        status=node.status.value,
        words=_words(context, node.status.value),
        title=node.title,
        count=_count(node),
        percent=percent,
        figure=percent_text(percent) if percent and node.status in _OPEN else "",
        has_bar=node.status in _WITH_BAR,
        message=node.message or "",
        error=node.error or "",
        output=node.output,
        log="" if not node.output else _("Output of %(title)s") % {"title": node.title},
        children=node.children,
        steps="" if not children else steps_text(children, _number(children)),
        is_large=children > LARGE_BRANCH,
        is_unfolded=node.status is not NodeStatus.COMPLETED or children <= LARGE_BRANCH,
    )


@register.filter(name="percent")
def percent_text(percent: object) -> str:
    """Return whole percents as people read them."""
    return _("%(share)s %%") % {"share": percent}


@register.simple_tag(name="steps_of")
def steps_text(count: int, number: str) -> str:
    """Return how many steps there are; the number itself is given as it is to be written."""
    return ngettext("%(number)s step", "%(number)s steps", count) % {"number": number}


def _count(node: TreeNode) -> str:
    if node.total is not None:
        return count_text(_number(node.current or 0), _number(node.total))
    return "" if node.current is None else _number(node.current)


def _number(value: float) -> str:
    # Small ones are written alike everywhere, and asking costs more than all else here.
    return str(value) if isinstance(value, int) and 0 <= value < _GROUPED_FROM else str(intcomma(value))


@register.simple_tag(name="count_of")
def count_text(current: str, total: str) -> str:
    """Return how many of how many, both as they are to be written."""
    return _("%(current)s of %(total)s") % {"current": current, "total": total}


def _words(context: Context, status: str) -> str:
    """Return the words for a status, which a template has (a team may have its own), rendered once a page."""
    # The one place that lives as long as the rendering of a page does; Django's own tags keep things there too.
    page = cast("dict[object, dict[str, str]]", context.render_context.dicts[0])
    known = page.setdefault(shown, {})
    words = known.get(status)
    if words is None:
        engine = context.template.engine if context.template is not None else template.Engine.get_default()
        words = known[status] = engine.get_template(STATUS_TEMPLATE).render(Context({"status": status}))
    return words


__all__ = ["Shown", "count_text", "percent_text", "shown", "steps_text"]
