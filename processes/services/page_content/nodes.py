"""What content is made of once it is compiled: pieces that are counted, and escape what they show."""

from typing import Any, Final

from django.template import Node
from django.template.base import Token, render_value_in_context
from django.template.defaulttags import CycleNode, FirstOfNode, ForNode, IfChangedNode, IfNode, SpacelessNode, WithNode
from django.template.library import SimpleNode
from django.utils.html import conditional_escape, escape

from processes.domain.placeholders import Filler, fill
from processes.domain.urls import starts_safely
from processes.errors import ContentError, ProcessError
from processes.services.page_content.filters import URL_FALLBACK
from processes.services.page_content.lookups import Expression
from processes.services.page_content.problems import located
from processes.services.page_content.values import ListView, ObjectView

__all__ = ["Counted", "Placeholder", "Value"]

#: What they put on the page was counted when their parts were rendered.
_CONTAINERS: Final = (ForNode, IfNode, IfChangedNode, SpacelessNode, WithNode)


class Counted(Node):
    """Render a node, counting it, and say where it stands if that fails."""

    child_nodelists = ()

    def __init__(self, node: Node, token: Token) -> None:
        self.node, self.token, self._place = node, token, token
        self._writes = not isinstance(node, _CONTAINERS)

    def render(self, context: Any) -> str:
        """Return what the node renders; raises ContentError, with line and tag."""
        try:
            context.budget.step()
            text = str(self.node.render(context))
            if self._writes:
                context.budget.write(text)
            # What a tag keeps in a variable takes memory like what it puts on the page.
            if (name := _variable_of(self.node)) and isinstance(kept := context.get(name), str):
                context.budget.write(kept)
        except ContentError as error:
            raise located(error, self._place) from error.__cause__
        except (ProcessError, RecursionError, MemoryError):
            raise
        except Exception as error:
            raise located(ContentError(f"It can't be shown: {error}"), self._place) from error
        return text

    def render_annotated(self, context: Any) -> str:
        """Return the same: the place of an error is told by `render`."""
        return self.render(context)


class Value(Node):
    """Put a variable on the page; `begins_url` says that it stands where a URL begins."""

    child_nodelists = ()

    def __init__(self, expression: Expression, *, begins_url: bool) -> None:
        self._expression, self._begins_url = expression, begins_url

    def render(self, context: Any) -> str:
        """Return the value, escaped: null is empty, lists and objects are JSON, numbers and dates localised."""
        value = self._expression.resolve(context)
        if value is None:
            return ""
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, ObjectView | ListView):
            value = str(value)
        if self._begins_url:
            return _url(str(value))
        return str(conditional_escape(value) if isinstance(value, str) else render_value_in_context(value, context))


class Placeholder(Node):
    """Put what fills a placeholder on the page, escaped."""

    child_nodelists = ()

    def __init__(self, part: Any, *, begins_url: bool) -> None:
        # The empty text beside it asks for the value as a text, whatever its type.
        self._fillers = (Filler(("content",), ("", part)),)
        self._begins_url = begins_url

    def render(self, context: Any) -> str:
        """Return the text, escaped; raises PlaceholderError."""
        text = str(fill({"content": ""}, self._fillers, context.fillings)["content"])
        return _url(text) if self._begins_url else str(escape(text))


def _variable_of(node: Node) -> str | None:
    """Return the variable in which a tag keeps a text."""
    if isinstance(node, CycleNode):
        name = node.variable_name
    elif isinstance(node, FirstOfNode):
        name = node.asvar
    else:
        name = node.target_var if isinstance(node, SimpleNode) else None
    return name or None


def _url(text: str) -> str:
    return str(escape(text if starts_safely(text) else URL_FALLBACK))
