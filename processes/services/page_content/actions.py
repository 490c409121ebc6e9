"""Say how content leads to actions of the process that shows it."""

from collections.abc import Mapping
from typing import Protocol

from processes.domain.json_values import JSON
from processes.errors import ContentError
from processes.services.forms import RESERVED_NAMES

__all__ = ["PageActions", "parameter_texts"]


class PageActions(Protocol):
    """Give the addresses of actions; raises ProcessError for those that can't be led to."""

    def address(self, action: str, *, parameters: Mapping[str, str], data: bool | None = None) -> str:
        """Return where a link to an action leads.

        `data` says whether the data are saved and their reference goes along; None leaves that to what is needed.
        """
        ...

    def sending(self, action: str, *, parameters: Mapping[str, str]) -> str:
        """Return where a button that enters an action by POST sends the page's form to."""
        ...


def parameter_texts(parameters: Mapping[str, JSON]) -> dict[str, str]:
    """Return the parameters of a link as texts, null left out; raises ContentError for what can't be one."""
    texts: dict[str, str] = {}
    for name, value in parameters.items():
        if name in RESERVED_NAMES:
            raise ContentError(f'The parameter "{name}" has a meaning of its own; choose another name', code="bad_link")
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            texts[name] = str(value)
        elif value is not None:
            raise ContentError(f'The parameter "{name}" is neither a text nor a number', code="bad_link")
    return texts
