"""Tell the servers at once when somebody signs out, or may see more or less than before.

Whoever keeps a stream open is checked again every half minute anyway; these messages only spare the wait. Like all
messages of the channel layer they may be lost.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils.crypto import salted_hmac

from tasks.models import ApiToken
from tasks.services.committing import after_commit
from tasks.services.publish import announce

__all__ = ["USERS_GROUP", "USERS_TYPE", "connect_revocations", "session_mark", "tell_users"]

USERS_GROUP = "tasks.users"
USERS_TYPE = "task.users"
#: What a sign-in changes of a user's row tells nothing about what they may see.
_HARMLESS_FIELDS = frozenset({"last_login"})


def session_mark(session_key: str) -> str:
    """Return what stands for a session in messages: its key opens it, and belongs on no broker."""
    return salted_hmac("tasks.sessions", session_key, algorithm="sha256").hexdigest()[:32]


def connect_revocations() -> None:
    """Listen to what changes users, groups, permissions and sessions."""
    user_model = get_user_model()
    user_logged_out.connect(_signed_out, dispatch_uid="tasks.signed_out")
    post_save.connect(_user_saved, sender=user_model, dispatch_uid="tasks.user_saved")
    post_delete.connect(_user_deleted, sender=user_model, dispatch_uid="tasks.user_deleted")
    # A team's own user model may have neither groups nor permissions.
    for field in ("groups", "user_permissions"):
        if hasattr(user_model, field):
            through = getattr(user_model, field).through
            m2m_changed.connect(_memberships_changed, sender=through, dispatch_uid=f"tasks.{field}")
    m2m_changed.connect(_everyone_changed, sender=Group.permissions.through, dispatch_uid="tasks.group_permissions")
    post_delete.connect(_everyone_changed, sender=Group, dispatch_uid="tasks.group_deleted")
    post_delete.connect(_token_deleted, sender=ApiToken, dispatch_uid="tasks.token_deleted")


def _tell(**what: object) -> None:
    message: dict[str, object] = {"type": USERS_TYPE, **what}
    after_commit(announce, USERS_GROUP, message)


def tell_users(user_ids: Iterable[object] | None) -> None:
    """Let all servers ask again what these users may see; None stands for everyone."""
    # As text: ids may be numbers or UUIDs, and not every channel layer carries both.
    _tell(users=None if user_ids is None else sorted(str(user_id) for user_id in user_ids))


def _signed_out(*, request: Any, **_kwargs: object) -> None:
    # Sent before the session is emptied, while it still has its key.
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key:
        _tell(session=session_mark(key))


def _user_saved(*, instance: Any, created: bool, update_fields: frozenset[str] | None, **_kwargs: object) -> None:
    if not created and not (update_fields and frozenset(update_fields) <= _HARMLESS_FIELDS):
        tell_users([instance.pk])


def _user_deleted(*, instance: Any, **_kwargs: object) -> None:
    tell_users([instance.pk])


def _token_deleted(*, instance: ApiToken, **_kwargs: object) -> None:
    tell_users([instance.user_id])


def _memberships_changed(
    *, instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **_kwargs: object
) -> None:
    if action.startswith("post_"):
        # Changed from the other side (`group.user_set`), the users are those in the set; cleared, it isn't said who.
        tell_users([instance.pk] if not reverse else pk_set)


def _everyone_changed(*, action: str = "post_", **_kwargs: object) -> None:
    if action.startswith("post_"):
        tell_users(None)
