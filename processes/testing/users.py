"""Have users without a database."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from processes.domain.json_values import JSON

__all__ = ["FakeGroups", "FakeUser"]

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class FakeGroup:
    """Hold a group's name."""

    name: str

    def __str__(self) -> str:
        return self.name


class FakeGroups:
    """Answer what scripts ask a user's groups: `all`, `filter(name=…)`, `values_list("name")`, `exists`, `count`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def __iter__(self) -> Iterator[FakeGroup]:
        return iter([FakeGroup(name) for name in self._names])

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"FakeGroups({', '.join(self._names)})"

    def all(self) -> "FakeGroups":
        """Give all of them."""
        return self

    def filter(self, *, name: str | None = None, name__in: Iterable[str] | None = None) -> "FakeGroups":
        """Give those of that name, or of one of those names."""
        wanted = {name} if name is not None else set(name__in or ())
        return FakeGroups(known for known in self._names if known in wanted)

    def values_list(self, *fields: str, flat: bool = False) -> list[str] | list[tuple[str]]:
        """Give their names; other fields aren't known here."""
        if fields != ("name",):
            raise ValueError(f"Groups in memory know their names only, not {', '.join(fields)}: use real users")
        if flat:
            return list(self._names)
        return [(name,) for name in self._names]

    def exists(self) -> bool:
        """Tell whether there are any."""
        return bool(self._names)

    def count(self) -> int:
        """Give how many there are."""
        return len(self._names)


class FakeUser:
    """Be a signed-in user that no database knows, with groups and permissions given by name.

    Scripts that store something for their user need a real one, and the `db` fixture.
    """

    is_authenticated = True
    is_anonymous = False

    def __init__(
        self,
        username: str = "ada",
        *,
        groups: Iterable[str] = (),
        permissions: Iterable[str] = (),
        email: str = "",
        first_name: str = "",
        last_name: str = "",
        is_staff: bool = False,
        is_superuser: bool = False,
        is_active: bool = True,
        pk: int | None = None,
    ) -> None:
        self.username, self.email = username, email
        self.first_name, self.last_name = first_name, last_name
        self.is_staff, self.is_superuser, self.is_active = is_staff, is_superuser, is_active
        self.groups, self.permissions = FakeGroups(groups), frozenset(permissions)
        self.pk = self.id = next(_ids) if pk is None else pk

    def __str__(self) -> str:
        return self.username

    def __repr__(self) -> str:
        return f"FakeUser({self.username!r})"

    def get_username(self) -> str:
        """Give the name to sign in with."""
        return self.username

    def get_full_name(self) -> str:
        """Give first and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """Give the first name."""
        return self.first_name

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Tell whether the user may: `permissions` names it, or the user is a superuser."""
        return self.is_active and (self.is_superuser or permission in self.permissions)

    def has_perms(self, permissions: Iterable[str], obj: object = None) -> bool:
        """Tell whether the user may do all of these."""
        return all(self.has_perm(permission, obj) for permission in permissions)

    def describe(self) -> dict[str, JSON]:
        """Give what conditions may know of the user, as they do of a real one."""
        return {
            "id": self.pk,
            "username": self.username,
            "email": self.email,
            "is_authenticated": True,
            "is_staff": self.is_staff,
            "groups": sorted(group.name for group in self.groups),
        }
