"""Collect what scripts answer: a page, a redirect, a file or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from processes.domain.json_values import JSON

__all__ = ["Response"]


@dataclass(slots=True, kw_only=True)
class Response:
    """Hold the answer to a request; None means unset.

    `content` is the page's body, `head` goes into its head; `redirect` is a URL; `file` is a file info; `json` any
    JSON; `form` describes a form as JSON; `template` names a Django template that is rendered with `context`.

    `parts` follow the content, each an object with a `kind`: `html` (`html`), `table` (`caption`, `columns`, `rows`,
    `empty`), `downloads` (`files`: file infos with a `label`) or `links` (`links`: each with `label`, `style`, and
    either a `url` or, for a button that posts, `action` and `parameters`). `step` is what such buttons send: `url`,
    `data` (a reference) and `revision`.
    """

    title: str | None = None
    head: str | None = None
    content: str | None = None
    status_code: int = 200
    redirect: str | None = None
    content_type: str | None = None
    file: dict[str, JSON] | None = None
    json: JSON = None
    form: dict[str, JSON] | None = None
    template: str | None = None
    context: dict[str, JSON] | None = None
    parts: list[dict[str, JSON]] | None = None
    step: dict[str, JSON] | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether no script has answered anything yet."""
        return self == Response()

    def clear(self) -> None:
        """Unset everything."""
        empty = Response()
        for item in fields(self):
            setattr(self, item.name, getattr(empty, item.name))

    def add_html(self, html: str) -> None:
        """Put HTML below what is on the page so far."""
        if self.parts:
            self.parts = [*self.parts, {"kind": "html", "html": html}]
        else:
            self.content = f"{self.content}\n{html}" if self.content else html

    def add_part(self, part: dict[str, JSON]) -> None:
        """Put a part below what is on the page so far."""
        self.parts = [*(self.parts or []), part]

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form; what is unset is left out."""
        return {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None and (item.name != "status_code" or value != 200)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Response":
        """Rebuild a response; keys of a newer release are ignored."""
        return cls(**{item.name: value[item.name] for item in fields(cls) if item.name in value})
