"""Register roles that an app decides: `@role("manager")` over `(user, instance) -> bool`.

Status rules name them as they name groups, and the reserved roles that follow from the instance itself. A hook of an
app is asked at most once for each user and instance that are looked at (`RoleRegistry.asked`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from processes.domain.status_rules import RESERVED_ROLES
from processes.domain.suggestions import did_you_mean
from processes.errors import NotFoundError, RegistrationError
from processes.registry.functions import check_arguments, is_async, place_of

__all__ = ["HeldRoles", "RoleFilter", "RoleFunction", "RoleRegistry", "RoleSpec", "role", "roles"]

logger = logging.getLogger(__name__)

#: Takes a user and an instance, and tells whether the user has the role there.
RoleFunction: TypeAlias = Callable[[Any, Any], bool]
#: Takes a user, and gives a Q over instances: those at which the user has the role.
RoleFilter: TypeAlias = Callable[[Any], Any]

_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """Hold a role; with a `filter` the database can find what waits for those who have it."""

    name: str
    function: RoleFunction
    filter: RoleFilter | None = None


class HeldRoles:
    """Answer which roles one user has at one instance; each hook is called when it is first asked for, and then kept.

    A hook that fails says no: an offer too few is better than one too many.
    """

    def __init__(self, registry: "RoleRegistry", *, user: object, instance: object) -> None:
        self._registry, self._user, self._instance = registry, user, instance
        self._answers: dict[str, bool] = {}

    def has(self, name: str) -> bool:
        """Tell whether the user has a role; a name that no hook has is no role here."""
        if name not in self._answers:
            self._answers[name] = self._ask(name)
        return self._answers[name]

    def _ask(self, name: str) -> bool:
        spec = self._registry.find(name)
        if spec is None:
            return False
        try:
            return bool(spec.function(self._user, self._instance))
        except Exception:
            logger.exception('The role "%s" (%s) can\'t be told', name, place_of(spec.function))
            return False


class RoleRegistry:
    """Keep the roles that apps decide, by name."""

    def __init__(self) -> None:
        self._specs: dict[str, RoleSpec] = {}

    def role(self, name: str, *, filter: RoleFilter | None = None) -> Callable[[RoleFunction], RoleFunction]:
        """Register the decorated function, `(user, instance) -> bool`, as a role; the function itself stays as it is.

        `filter`, `(user) -> Q` over instances, says the same to the database: lists find what waits for a holder.
        Raises RegistrationError for a name that is taken or reserved, and for what isn't what it should be.
        """
        if not isinstance(name, str):
            raise RegistrationError(
                f'@role needs the role\'s name: write @role("{getattr(name, "__name__", "manager")}")'
            )

        def register(function: RoleFunction) -> RoleFunction:
            self.register(RoleSpec(name=name, function=function, filter=filter))
            return function

        return register

    def register(self, spec: RoleSpec) -> None:
        """Add a role; the same function may come again (a module that is reloaded)."""
        _check_role(spec)
        known = self._specs.get(spec.name)
        if known is not None and place_of(known.function) != place_of(spec.function):
            raise RegistrationError(
                f'{place_of(spec.function)} can\'t be the role "{spec.name}": that name is already taken by '
                f"{place_of(known.function)}",
                fields={"name": spec.name},
            )
        self._specs[spec.name] = spec

    def unregister(self, name: str) -> RoleSpec:
        """Remove a role, and give it back."""
        spec = self.get(name)
        del self._specs[name]
        return spec

    def find(self, name: str) -> RoleSpec | None:
        """Give the role of that name, or None."""
        return self._specs.get(name)

    def get(self, name: str) -> RoleSpec:
        """Give the role of that name; raises NotFoundError with a suggestion."""
        spec = self._specs.get(name)
        if spec is None:
            suggestion = did_you_mean(name, self._specs) or f"Known roles: {', '.join(self.names()) or 'none'}"
            raise NotFoundError(f'No role "{name}" is registered', fields={"role": name, "suggestion": suggestion})
        return spec

    def names(self) -> list[str]:
        """Give all names, sorted."""
        return sorted(self._specs)

    def asked(self, *, user: object, instance: object) -> HeldRoles:
        """Give the answers for one user and one instance; keep them as long as both are looked at."""
        return HeldRoles(self, user=user, instance=instance)


def _check_role(spec: RoleSpec) -> None:
    if not spec.name or spec.name != spec.name.strip() or len(spec.name) > _MAX_NAME:
        raise RegistrationError(
            f"A role needs a name without blanks around it, of at most {_MAX_NAME} characters, not {spec.name!r}"
        )
    if spec.name == "*" or spec.name in RESERVED_ROLES:
        raise RegistrationError(
            f'{place_of(spec.function)} can\'t be the role "{spec.name}": that name is reserved. Choose another one'
        )
    if not callable(spec.function) or isinstance(spec.function, type):
        raise RegistrationError(f'The role "{spec.name}" is no function: register (user, instance) -> bool')
    if is_async(spec.function):
        raise RegistrationError(f'The role "{spec.name}" is an async function: a page can\'t wait for it')
    check_arguments(spec.function, what=f'The role "{spec.name}"', arguments=("the user", "the instance"))
    if spec.filter is not None:
        if not callable(spec.filter) or is_async(spec.filter):
            raise RegistrationError(f'The filter of the role "{spec.name}" is no function: give (user) -> Q')
        check_arguments(spec.filter, what=f'The filter of the role "{spec.name}"', arguments=("the user",))


#: The roles of this process: every installed app's.
roles = RoleRegistry()
role = roles.role
