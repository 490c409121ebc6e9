"""Render the content that editors write: Django's template language, in a sandbox.

What is open to it is listed, everything else is closed: some tags and filters (`tags`, `filters`), and views of JSON
(`values`). Variables are looked up in objects and lists only, nothing is ever called, what is put on the page is
escaped, and how much a rendering may do is bounded (`limits`).

Placeholders (`%{data:x}`) are pieces of their own between the tags: what they bring is escaped, and is never read as a
template. Content is compiled as it stands in the definition, never with values in it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

from django.template import Engine, Library, NodeList, TemplateSyntaxError
from django.template.base import Template

from processes.domain.placeholders import Context as Fillings
from processes.errors import ContentError
from processes.services.page_content.actions import PageActions
from processes.services.page_content.filters import FILTERS
from processes.services.page_content.limits import MAX_SOURCE
from processes.services.page_content.lookups import ContentContext
from processes.services.page_content.parser import ELSEWHERE, MARK, read_content
from processes.services.page_content.problems import unreadable
from processes.services.page_content.tags import TAGS
from processes.services.page_content.values import Source

__all__ = ["Content", "compile_content"]

#: Content of up to so many characters is kept compiled, the last so many of them.
_KEPT_CHARACTERS: Final = 20_000
_KEPT: Final = 128


class Content:
    """Hold content that is ready to be rendered, again and again, by several threads."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def render(self, *, variables: Mapping[str, Source], fillings: Fillings, actions: PageActions | None = None) -> str:
        """Return the HTML.

        `fillings` is what placeholders are filled from, `actions` leads to actions of the process. Raises ContentError,
        naming line and tag, for what can't be shown or is too much; PlaceholderError for what can't be filled.
        """
        context = ContentContext(dict(variables), fillings=fillings, actions=actions)
        try:
            html = str(self._template.render(context))
        except RecursionError:
            raise _too_deep() from None
        context.budget.check()
        return html


def compile_content(text: str) -> Content:
    """Read content; raises ContentError, naming line, tag and cure, for what isn't the sandbox's language.

    What was compiled lately costs nothing.
    """
    if len(text) > MAX_SOURCE:
        raise unreadable(f"Content has at most {MAX_SOURCE:,} characters", None, suggestion=ELSEWHERE)
    return _kept(text) if len(text) <= _KEPT_CHARACTERS else _compile(text)


def _compile(text: str) -> Content:
    if MARK in text:
        raise ContentError("The content holds characters that can't be stored")
    try:
        return Content(_ENGINE.from_string(text))
    except TemplateSyntaxError as error:
        raise unreadable(str(error), getattr(error, "token", None)) from None
    except RecursionError:
        raise _too_deep() from None


_kept = lru_cache(maxsize=_KEPT)(_compile)


def _too_deep() -> ContentError:
    return ContentError("The content nests too deeply")


class _Template(Template):
    def compile_nodelist(self) -> NodeList:
        self.extra_data: dict[str, Any] = {}
        return read_content(self.source, libraries=[FILTERS, TAGS], origin=self.origin)


class _Engine(Engine):
    """Know no files, no libraries and no builtins."""

    default_builtins: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__(loaders=[], autoescape=True)

    def get_template_builtins(self, builtins: Any) -> list[Library]:
        """Return none: what there is, the parser is given."""
        return []

    def from_string(self, template_code: str) -> Template:
        """Return content, compiled."""
        return _Template(template_code, engine=self)


_ENGINE: Final = _Engine()
