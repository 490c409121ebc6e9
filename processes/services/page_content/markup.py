"""Make HTML of what is described, with the templates that a team may override."""

from collections.abc import Mapping

from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from processes.domain.json_values import JSON

__all__ = ["download_html", "link_html", "table_html"]


def link_html(link: Mapping[str, JSON]) -> SafeString:
    """Return a described link, or a button that belongs to the page's form."""
    return _rendered("processes/_link.html", {"link": link})


def download_html(download: Mapping[str, JSON]) -> SafeString:
    """Return the link of a described download."""
    return _rendered("processes/_download.html", {"download": download})


def table_html(table: Mapping[str, JSON]) -> SafeString:
    """Return a described table, in a box that scrolls where it is too wide."""
    return _rendered("processes/_table.html", {"table": table})


def _rendered(name: str, context: dict[str, object]) -> SafeString:
    return mark_safe(get_template(name).render(context).strip())  # noqa: S308 - the template has escaped it
