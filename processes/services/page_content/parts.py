"""Describe what a page shows beside its content as JSON: links, buttons and downloads; `tables` describes tables.

A link is `{"label", "style", "url", "external"}`, a button that posts `{"label", "style", "action", "url", "method":
"post"}`; a download is `{"label", "file": <file info>}`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from processes.domain.json_values import JSON
from processes.domain.urls import checked_url, is_external
from processes.errors import ContentError
from processes.services.files import is_file_info
from processes.services.page_content.actions import PageActions, parameter_texts

__all__ = ["STYLES", "action_link", "downloads", "downloads_in", "post_button", "url_link"]

#: How a link or button looks; without one a link is a plain one.
STYLES: Final = ("primary", "quiet", "danger")


def url_link(url: JSON, *, label: str, style: str | None = None) -> dict[str, JSON]:
    """Describe a link to a path of this site, or to an http(s) address.

    Where data brings any other URL (`javascript:…`), the label is shown without a link: whoever enters such a URL must
    not be able to spoil the page for others.
    """
    checked = checked_url(url) or ""
    return {"label": label, "url": checked, "external": is_external(checked), **_style(style)}


def action_link(
    action: str,
    *,
    label: str,
    style: str | None = None,
    parameters: Mapping[str, JSON] | None = None,
    data: bool | None = None,
    actions: PageActions | None,
) -> dict[str, JSON]:
    """Describe a link to an action of the process; raises ProcessError for one that a link can't enter."""
    url = _given(actions).address(action, parameters=parameter_texts(parameters or {}), data=data)
    return {"label": label, "url": url, "external": False, **_style(style)}


def post_button(
    action: str,
    *,
    label: str,
    style: str | None = "primary",
    parameters: Mapping[str, JSON] | None = None,
    actions: PageActions | None,
) -> dict[str, JSON]:
    """Describe a button that enters an action by POST; raises ProcessError for one that can't be entered."""
    url = _given(actions).sending(action, parameters=parameter_texts(parameters or {}))
    return {"label": label, "action": action, "url": url, "method": "post", **_style(style or "primary")}


def downloads(value: JSON, *, label: str | None = None) -> list[dict[str, JSON]]:
    """Describe the downloads of a file info, or of a list of them; null gives none.

    Raises ContentError for anything else.
    """
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [described for item in value for described in downloads(item, label=label)]
    if not isinstance(value, Mapping) or not is_file_info(value):
        raise ContentError("A download is a file info, or a list of them", code="no_file")
    return [{"label": label or str(value.get("name") or "file"), "file": dict(value)}]


def downloads_in(items: Iterable[JSON]) -> list[dict[str, JSON]]:
    """Describe the downloads of a config: file infos, lists of them, and `{"file", "label"}`."""
    found: list[dict[str, JSON]] = []
    for item in items:
        if isinstance(item, Mapping) and "file" in item and not is_file_info(item):
            label = item.get("label")
            found.extend(downloads(item["file"], label=str(label) if label else None))
        else:
            found.extend(downloads(item))
    return found


def _given(actions: PageActions | None) -> PageActions:
    if actions is None:
        raise ContentError("There is no process here whose actions could be led to", code="bad_link")
    return actions


def _style(style: str | None) -> dict[str, JSON]:
    if style is not None and style != "" and style not in STYLES:
        raise ContentError(f'There is no style "{style}": choose one of {", ".join(STYLES)}', code="bad_link")
    return {"style": style} if style else {}
