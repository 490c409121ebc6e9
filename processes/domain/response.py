"""Collect what scripts answer: a page, a redirect, a file or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

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
        return bool(_VALUES(self) == _EMPTY)

    def clear(self) -> None:
        """Unset everything."""
        for name, value in zip(_NAMES, _EMPTY, strict=True):
            setattr(self, name, value)

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
        values = _VALUES(self)
        if values == _EMPTY:
            return {}
        return {
            name: value
            for name, value in zip(_NAMES, values, strict=True)
            if value is not None and (name != "status_code" or value != 200)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Response":
        """Rebuild a response; keys of a newer release are ignored."""
        return cls(**{item.name: value[item.name] for item in fields(cls) if item.name in value})


# Asked after each action.
_NAMES: Final = tuple(item.name for item in fields(Response))
_VALUES: Final = attrgetter(*_NAMES)
_EMPTY: Final = _VALUES(Response())
