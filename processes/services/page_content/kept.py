"""Bring back a response that was kept in the data.

Data may hold whatever a request brought in, whoever put the response there. So each part is checked, HTML is cleaned,
and what could act in the visitor's name, a form or a button that posts, doesn't come back.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from processes.domain.json_values import JSON
from processes.domain.response import Response
from processes.errors import ProcessError
from processes.services.files import is_file_info
from processes.services.html import clean_content, clean_head, is_markup, is_plain
from processes.services.page_content.parts import STYLES, url_link
from processes.services.page_content.tables import checked_table

__all__ = ["restore_response"]

_TEXTS: Final = ("title", "head", "content", "redirect", "content_type", "template")
_CONTENT_TYPE: Final = re.compile(
    r"[\w!#$&^.+-]{1,60}/[\w!#$&^.+-]{1,60}(?:; ?[\w-]{1,40}=[\w.:-]{1,60}){0,3}", re.ASCII
)
#: What templates take for said by the site itself.
_OF_THE_SITE: Final = frozenset(
    {"config", "csrf_token", "debug", "form", "hidden", "messages", "perms", "request", "sql_queries", "user"}
)
_STATUSES: Final = range(200, 600)


def restore_response(kept: Mapping[str, JSON], *, templates: Collection[str]) -> Response:
    """Return the response; raises ProcessError with the code `no_response`, naming the place, for what can't be one.

    `templates` are those that the process itself names: a template isn't taken from data.
    """
    for name in _TEXTS:
        if not isinstance(kept.get(name), str | None):
            raise _refused(name, "a text")
    status = kept.get("status_code", 200)
    if isinstance(status, bool) or not isinstance(status, int) or status not in _STATUSES:
        raise _refused("status_code", "an HTTP status from 200 to 599")
    file, template = kept.get("file"), kept.get("template")
    if file is not None and not is_file_info(file):
        raise _refused("file", "a file info")
    if template is not None and template not in templates:
        raise ProcessError(
            f'The kept response names the template "{template}", which no action of this process names: name it in the '
            "config of a show_page of this process, and keep only what it shows in the data.",
            code="no_response",
        )
    restored = Response(
        title=kept.get("title"),
        redirect=kept.get("redirect"),
        status_code=status,
        file=None if file is None else dict(file),
        json=kept.get("json"),
        template=template,
        context=_context(kept) if template is not None else None,
    )
    restored.parts = list(_parts(kept.get("parts"))) or None
    restored.head = clean_head(kept["head"]) if kept.get("head") is not None else None
    _restore_content(restored, content=kept.get("content"), content_type=kept.get("content_type"))
    return restored


def _restore_content(restored: Response, *, content: str | None, content_type: str | None) -> None:
    if content_type is not None and _CONTENT_TYPE.fullmatch(content_type) is None:
        raise _refused("content_type", "a media type such as text/csv")
    # Read in another encoding, what was cleaned may say something else.
    content_type = None if content_type is None else content_type.partition(";")[0]
    if content is None or (content_type is not None and is_plain(content_type)):
        restored.content, restored.content_type = content, content_type
        return
    restored.content = clean_content(content)
    # What a browser might run or draw (a script, a style sheet, an image with scripts) becomes a page.
    restored.content_type = content_type if is_markup(content_type) else None


def _context(kept: Mapping[str, JSON]) -> dict[str, JSON] | None:
    context = kept.get("context")
    if not isinstance(context, Mapping):
        return None
    return {name: value for name, value in context.items() if name not in _OF_THE_SITE}


def _parts(kept: JSON) -> Iterator[dict[str, JSON]]:
    if kept is None:
        return
    if not isinstance(kept, list) or not all(isinstance(part, Mapping) for part in kept):
        raise _refused("parts", "a list of objects")
    for part in kept:
        match part.get("kind"):
            case "html":
                yield {"kind": "html", "html": clean_content(str(part.get("html") or ""))}
            case "table":
                yield checked_table(part)
            case "downloads":
                files = [item for item in _objects(part.get("files")) if is_file_info(item.get("file"))]
                yield {"kind": "downloads", "files": [{"label": str(i.get("label")), "file": i["file"]} for i in files]}
            case "links":
                yield {"kind": "links", "links": list(_links(part.get("links")))}


def _links(kept: JSON) -> Iterator[dict[str, JSON]]:
    for link in _objects(kept):
        if link.get("method") != "post":
            style = link.get("style")
            yield url_link(link.get("url"), label=str(link.get("label")), style=style if style in STYLES else None)


def _objects(value: JSON) -> list[Mapping[str, JSON]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _refused(name: str, what: str) -> ProcessError:
    return ProcessError(f"The kept response can't be shown: its \"{name}\" isn't {what}.", code="no_response")
