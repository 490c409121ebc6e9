"""Find out whose rights a run acts with.

An authority is JSON that a cursor keeps: `{"user": id}`, `{"grant": reference}`, or null for the run's caller. The id
null is nobody: somebody who isn't signed in.
"""

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.services.errors import AuthorityError
from processes.services.grants import user_of_grant

__all__ = ["described_user", "json_key", "user_of_authority"]


def user_of_authority(authority: JSON, *, execution: str, template_id: int | None) -> AbstractBaseUser | None:
    """Return the user whom an authority stands for; raises AuthorityError where there is none (any more).

    `execution` and `template_id` say for what a grant must have been made.
    """
    if isinstance(authority, Mapping):
        if "grant" in authority:
            reference = str(authority["grant"])
            return user_of_grant(reference, execution=execution, template_id=template_id, scope="call")
        if "user" in authority:
            if authority["user"] is None:
                return None
            user = get_user_model()._default_manager.filter(pk=authority["user"], is_active=True).first()
            if user is not None:
                return user
    raise AuthorityError(_("The user in whose name this should run doesn't exist any more, or is inactive."))


def json_key(key: object) -> int | str | None:
    """Return the primary key of a user as JSON holds it: a number or a text, whatever the user model has."""
    return key if key is None or isinstance(key, int | str) else str(key)


def described_user(user: object) -> dict[str, JSON]:
    """Return what conditions and placeholders may know of a user: no secrets, nothing that isn't JSON."""
    if not isinstance(user, AbstractBaseUser) or not user.is_authenticated:
        return {
            "id": None, "username": "", "email": "", "is_authenticated": False, "is_staff": False, "groups": [],
        }  # fmt: skip
    groups = getattr(user, "groups", None)
    return {
        "id": json_key(user.pk),
        "username": user.get_username(),
        "email": str(getattr(user, user.get_email_field_name(), "") or ""),
        "is_authenticated": True,
        "is_staff": bool(getattr(user, "is_staff", False)),
        "groups": [] if groups is None else sorted(groups.values_list("name", flat=True)),
    }
