"""Register roles that status rules may name: `@role("manager")`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from processes.domain.status_rules import RESERVED_ROLES
from processes.errors import RegistrationError
from processes.registry.functions import place_of

__all__ = ["RoleRegistry", "RoleSpec", "role", "roles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """Hold a role: its function says who has it, and `filter` tells the database towards which instances."""

    name: str
    holds: Callable[[Any, Any], bool]
    filter: Callable[[Any], Any] | None = None


class RoleRegistry:
    """Keep the roles that functions give."""

    def __init__(self) -> None:
        self._specs: dict[str, RoleSpec] = {}

    def role(
        self, name: str, *, filter: Callable[[Any], Any] | None = None
    ) -> Callable[[Callable[[Any, Any], bool]], Callable[[Any, Any], bool]]:
        """Register the decorated function, `(user, instance) -> bool`, under a name."""

        def register(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
            if name in RESERVED_ROLES or (
                name in self._specs and place_of(self._specs[name].holds) != place_of(function)
            ):
                raise RegistrationError(f'"{name}" can\'t be registered as a role: that name is taken')
            self._specs[name] = RoleSpec(name=name, holds=function, filter=filter)
            return function

        return register

    def unregister(self, name: str) -> None:
        """Forget a role."""
        self._specs.pop(name, None)

    def find(self, name: str) -> RoleSpec | None:
        """Give the role of that name, or None."""
        return self._specs.get(name)

    def names(self) -> list[str]:
        """Give all names, sorted."""
        return sorted(self._specs)


#: The roles of this process: every installed app's.
roles = RoleRegistry()
role = roles.role
