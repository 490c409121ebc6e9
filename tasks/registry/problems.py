"""What clients are told of errors: each app says it of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar, cast

from tasks.domain.jsonvalue import JSON, JSONObject

__all__ = ["Problem", "Problems", "problems"]

E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what went wrong: a stable code for programs, a message for people, the HTTP status, and JSON facts."""

    code: str
    message: str
    status: int
    fields: JSONObject = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What kind of problem it is, the same for each of its status (RFC 9457, 3.1.3)."""
        return HTTPStatus(self.status).phrase

    def to_json(self) -> dict[str, JSON]:
        """Return what a client gets."""
        told: dict[str, JSON] = {"code": self.code, "message": self.message}
        return {**told, "fields": self.fields} if self.fields else told


class Problems:
    """Know what is told of an error, by its type."""

    def __init__(self) -> None:
        self._tellers: dict[type[Exception], Callable[[Exception], Problem]] = {}

    def add(self, kind: type[E], tell: Callable[[E], Problem]) -> None:
        """Let `tell` say what is told of errors of this type, and of those derived from it."""
        self._tellers[kind] = cast("Callable[[Exception], Problem]", tell)

    def of(self, error: BaseException) -> Problem | None:
        """Return what is told of `error`; None for one that no client can cause."""
        for kind in type(error).__mro__:
            if (tell := self._tellers.get(kind)) is not None:
                return tell(cast("Exception", error))
        return None


problems = Problems()
