"""Carry what a caller asked of a process: the small, storable part of a web request."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final

from processes.domain.json_values import JSON

__all__ = ["Request"]


@dataclass(slots=True, kw_only=True)
class Request:
    """Hold a request's parameters and files as JSON.

    `parameters` maps names to texts (or any JSON, from the REST API); `files` maps field names to file infos;
    `data_reference` and `revision` name the stored data that the caller goes on with.
    """

    method: str = "GET"
    path: str = ""
    parameters: dict[str, JSON] = field(default_factory=dict)
    files: dict[str, JSON] = field(default_factory=dict)
    data_reference: str | None = None
    revision: int | None = None
    language: str | None = None

    @classmethod
    def asking(cls, parameters: Mapping[str, JSON] | None = None, *, action: str | None = None) -> "Request":
        """Build the request of a caller that isn't a web page.

        `action` is put among the parameters; the one called `data` names the stored data that the caller goes on with.
        """
        given = {**(parameters or {}), **({"action": action} if action else {})}
        reference = given.get("data")
        return cls(parameters=given, data_reference=reference if isinstance(reference, str) else None)

    @property
    def action(self) -> JSON:
        """Give the action parameter, which enters a process (None where there is none)."""
        return self.parameters.get("action")

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form; what is unset is left out."""
        return {
            name: value
            for name, value in zip(_NAMES, _VALUES(self), strict=True)
            # A revision of 0 says something.
            if value or (value is not None and value.__class__ is int)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Request":
        """Rebuild a request; keys of a newer release are ignored, so that two releases work side by side."""
        return cls(**{item.name: value[item.name] for item in fields(cls) if item.name in value})


# Asked after each action.
_NAMES: Final = tuple(item.name for item in fields(Request))
_VALUES: Final = attrgetter(*_NAMES)
