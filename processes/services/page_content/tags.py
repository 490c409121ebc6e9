"""The tags of page content: those of Django's that neither reach out nor make much of little, and ours."""

from datetime import date
from typing import Any, Final

from django.template import Library, Node, NodeList, TemplateSyntaxError, defaulttags
from django.template.defaultfilters import date as format_date
from django.utils.safestring import SafeString, mark_safe

from processes.errors import ContentError
from processes.services.page_content.markup import download_html, link_html, table_html
from processes.services.page_content.parts import action_link, downloads, post_button, url_link
from processes.services.page_content.tables import describe_table, read_columns
from processes.services.page_content.values import Source, local, plain

__all__ = ["TAGS", "columns_of"]

_HARMLESS: Final = (
    "comment", "cycle", "firstof", "for", "if", "ifchanged", "resetcycle", "spaceless", "templatetag", "with",
)  # fmt: skip

TAGS = Library()
for _name in _HARMLESS:
    TAGS.tags[_name] = defaulttags.register.tags[_name]


class _Verbatim(Node):
    """Show what is between the tags as it stands; placeholders in it are filled."""

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Any) -> str:
        return self.nodelist.render(context)


@TAGS.tag
def verbatim(parser: Any, token: Any) -> Node:
    """Show braces and percent signs literally, up to `endverbatim`."""
    nodelist = parser.parse(("endverbatim",))
    parser.delete_first_token()
    return _Verbatim(nodelist)


@TAGS.simple_tag(takes_context=True)
def now(context: Any, form: object = "DATETIME_FORMAT") -> str:
    """Write the present time, as the run's clock shows it."""
    found = context["now"]
    moment = local(found.get() if isinstance(found, Source) else found)
    return str(format_date(moment, str(form)[:200])) if isinstance(moment, date) else ""


@TAGS.simple_tag(takes_context=True, name="action_link")
def action_link_tag(
    context: Any, action: object, label: object, *, style: object = "", data: object = None, **parameters: object
) -> SafeString:
    """Link to an action of the process; further arguments become parameters of the request."""
    link = action_link(
        str(action),
        label=_label(label),
        style=str(style or "") or None,
        parameters=_plain(parameters),
        data=None if data is None else bool(data),
        actions=context.actions,
    )
    return link_html(link)


@TAGS.simple_tag(takes_context=True, name="action_button")
def action_button_tag(
    context: Any, action: object, label: object, *, style: object = "", **parameters: object
) -> SafeString:
    """Show a button that enters an action of the process by POST."""
    link = post_button(
        str(action),
        label=_label(label),
        style=str(style or "") or None,
        parameters=_plain(parameters),
        actions=context.actions,
    )
    return link_html(link)


@TAGS.simple_tag(name="link")
def link_tag(url: object, label: object, *, style: object = "") -> SafeString:
    """Link to a path of this site, or to an http(s) address."""
    return link_html(url_link(str(url), label=_label(label), style=str(style or "") or None))


@TAGS.simple_tag(takes_context=True, name="download")
def download_tag(context: Any, info: object, label: object = "") -> SafeString:
    """Link to the download of a file info, or of each of a list of them."""
    found = downloads(plain(info), label=_label(label) or None)
    context.budget.step(len(found))
    return mark_safe(" ".join(download_html(item) for item in found))  # noqa: S308 - each is HTML of ours


@TAGS.simple_tag(takes_context=True, name="table")
def table_tag(
    context: Any,
    rows: object,
    *,
    columns: object = None,
    caption: object = "",
    empty: object = "",
    limit: object = None,
) -> SafeString:
    """Show a list of objects or lists as a table."""
    described = describe_table(
        plain(rows) or [],
        columns=columns_of(columns),
        caption=_label(caption) or None,
        empty=_label(empty) or None,
        limit=_number(limit),
    )
    context.budget.step(len(described["rows"]) * max(len(described["columns"]), 1))
    return table_html(described)


def columns_of(columns: object) -> list[dict[str, Any]] | None:
    """Return the columns that a tag names: a text, or a list of texts and objects; raises ContentError."""
    given = plain(columns)
    if given is None or given == "":
        return None
    if isinstance(given, str):
        return read_columns(given)
    if isinstance(given, list) and all(
        isinstance(item, str) or (isinstance(item, dict) and "key" in item) for item in given
    ):
        return [{"key": item} if isinstance(item, str) else item for item in given]
    raise ContentError('Columns are a text such as "name, amount:Amount:right"', code="bad_table")


def _plain(parameters: dict[str, object]) -> dict[str, Any]:
    return {name: plain(value) for name, value in parameters.items()}


def _label(value: object) -> str:
    found = plain(value)
    return "" if found is None else str(found)


def _number(value: object) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise TemplateSyntaxError("The limit of a table is a whole number from 1 on")
    return number
