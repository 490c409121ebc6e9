"""Tags and filters for the templates of pages that processes show: `{% load stepline %}`.

They are those of the content that editors write (processes.services.page_content), for template files. What links and
buttons send is what `show_page` has saved: with `"data": true` in its config, they carry the reference of the data.
"""

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.loader import get_template
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from processes.domain.json_values import JSON
from processes.domain.response import Response
from processes.errors import ContentError
from processes.services.files import size_text
from processes.services.page_content import action_link as describe_action_link
from processes.services.page_content import describe_table, post_button, url_link
from processes.services.page_content.filters import file_url as url_of_file
from processes.services.page_content.filters import safe_url as url_or_nothing
from processes.services.page_content.markup import download_html, link_html, table_html
from processes.services.page_content.parts import downloads
from processes.services.page_content.tables import Cell, shown_rows
from processes.services.page_content.tags import columns_of
from processes.services.page_content.values import plain

register = template.Library()

_PAGES = ("processes:process", "processes:instance")


@register.filter
def file_size(size: object) -> str:
    """Return a number of bytes as people read it; empty for what is no size of a file."""
    return size_text(size)


@register.filter
def file_url(info: object) -> str:
    """Return the download path of a file info; empty for anything else, so that a page never fails over it."""
    return url_of_file(info)


@register.filter
def safe_url(value: object) -> str:
    """Return a URL that a page may link to, and `#` for any other, such as `javascript:…`."""
    return url_or_nothing(value)


@register.filter
def table_rows(table: Mapping[str, JSON]) -> list[list[Cell]]:
    """Return the cells of a described table as people read them."""
    return shown_rows(table)


@register.filter
def has_headings(table: Mapping[str, JSON]) -> bool:
    """Tell whether any column of a described table has a heading."""
    return any(column["label"] for column in table["columns"])


@register.simple_tag(takes_context=True)
def action_link(
    context: template.Context,
    action: str,
    label: object,
    *,
    style: str = "",
    data: bool | None = None,
    **parameters: JSON,
) -> SafeString:
    """Link to an action of the process; further arguments become parameters of the request."""
    actions = _TemplateActions(context)
    return link_html(
        describe_action_link(
            action, label=str(label), style=style or None, parameters=parameters, data=data, actions=actions
        )
    )


@register.simple_tag(takes_context=True)
def action_button(
    context: template.Context, action: str, label: object, *, style: str = "primary", **parameters: JSON
) -> SafeString:
    """Show a button that enters an action of the process by POST, in a form of its own."""
    actions = _TemplateActions(context)
    link = post_button(action, label=str(label), style=style or None, parameters=parameters, actions=actions)
    request = context.get("request")
    form = {"link": link, "step": actions.sent, "url": actions.url}
    return mark_safe(get_template("processes/_post_form.html").render(form, request).strip())  # noqa: S308 - escaped


@register.simple_tag
def link(url: object, label: object, *, style: str = "") -> SafeString:
    """Link to a path of this site, or to an http(s) address."""
    return link_html(url_link(str(url), label=str(label), style=style or None))


@register.simple_tag
def download(info: object, label: str = "") -> SafeString:
    """Link to the download of a file info, or of each of a list of them."""
    found = downloads(plain(info), label=label or None)
    return mark_safe(" ".join(download_html(item) for item in found))  # noqa: S308 - each is HTML of ours


@register.simple_tag
def table(
    rows: object, *, columns: object = None, caption: str = "", empty: str = "", limit: int | None = None
) -> SafeString:
    """Show a list of objects or lists as a table."""
    return table_html(
        describe_table(
            plain(rows), columns=columns_of(columns), caption=caption or None, empty=empty or None, limit=limit
        )
    )


class _TemplateActions:
    """Lead to actions from a template file, with the reference that the page bears."""

    def __init__(self, context: template.Context) -> None:
        self._context = context
        response, hidden = context.get("response"), context.get("hidden")
        self.step: Mapping[str, Any] = {}
        if isinstance(response, Response) and response.step:
            self.step = response.step
        elif isinstance(hidden, Mapping):
            # The part of a page that shows a form.
            self.step = {name: hidden[name] for name in ("data", "revision", "promise") if name in hidden}
        self.url = str(self.step.get("url") or context.get("process_url") or _page_url(context))

    @property
    def sent(self) -> Mapping[str, Any]:
        """Return what a button sends: the page's data, or those that are promised it."""
        if self.step.get("data"):
            return self.step
        # It was promised for what this page shows. The promise is made when it is looked at.
        return (self._context.get("promised") or {}) if self.url == self._context.get("process_url") else {}

    def address(self, action: str, *, parameters: Mapping[str, str], data: bool | None = None) -> str:
        """Return where a link leads; raises ContentError where it should carry data that weren't saved."""
        reference = self.step.get("data")
        if data and not reference:
            raise ContentError('The data aren\'t saved: set "data": true in the config of show_page', code="bad_link")
        carried = {"data": str(reference)} if reference and data is not False else {}
        return f"{self.url}?{urlencode({'action': action, **carried, **parameters})}"

    def sending(self, action: str, *, parameters: Mapping[str, str]) -> str:
        """Return where a button sends its form."""
        return f"{self.url}?{urlencode(parameters)}" if parameters else self.url


def _page_url(context: template.Context) -> str:
    request, process = context.get("request"), context.get("process")
    match = getattr(request, "resolver_match", None)
    if request is not None and match is not None and match.view_name in _PAGES:
        return str(request.path)
    slug = getattr(process, "slug", "")
    if not slug:
        raise ContentError("There is no process here whose actions could be led to", code="bad_link")
    return reverse("processes:process", kwargs={"slug": slug})
