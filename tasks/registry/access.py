"""Who may call a function from outside, as it is declared."""

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["ANYONE", "SIGNED_IN", "STAFF", "Access", "User", "check_access", "may_call"]

ANYONE, SIGNED_IN, STAFF = "anyone", "signed_in", "staff"


class User(Protocol):
    """Say what is asked of whoever calls: Django's users, and its AnonymousUser, can tell."""

    @property
    def pk(self) -> Any:
        """The user's key; None for somebody not signed in."""

    @property
    def is_authenticated(self) -> bool:
        """Whether they have signed in."""

    @property
    def is_active(self) -> bool:
        """Whether they still may."""


#: "anyone", "signed_in", "staff", the name of a permission ("shop.change_order"), or a function that tells of a user.
Access = str | Callable[[Any], bool]


def check_access(access: Access) -> None:
    """Raise ValueError where an access is neither one of the words, nor a permission, nor a function."""
    if callable(access) or access in (ANYONE, SIGNED_IN, STAFF) or "." in access.strip("."):
        return
    raise ValueError(
        f"Nobody can be told by the access {access!r}: it is {ANYONE!r}, {SIGNED_IN!r}, {STAFF!r}, a permission as "
        '"shop.change_order", or a function of a user.'
    )


def may_call(access: Access, user: User) -> bool:
    """Tell whether `user` may call what has this access; reads their permissions from the database."""
    if callable(access):
        return bool(access(user))
    if access == ANYONE:
        return True
    if not (user.is_authenticated and user.is_active):
        return False
    if access == SIGNED_IN:
        return True
    if access == STAFF:
        return bool(getattr(user, "is_staff", False))
    has_permission = getattr(user, "has_perm", None)
    return has_permission is not None and bool(has_permission(access))
