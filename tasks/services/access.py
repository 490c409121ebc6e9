"""Who may see a task, and who may cancel it. Missing and forbidden look the same."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.checks import CheckMessage, Error, register
from django.core.signals import setting_changed
from django.db import Error as DatabaseTrouble
from django.db.models import Q
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from tasks.errors import TaskNotFound
from tasks.models import TaskRoot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Say who asks: a user, the session of someone who is not signed in, or a user with what their session began."""

    user_id: int | str | None = None
    session_key: str = ""
    #: Staff with the permission to view tasks.
    sees_all: bool = False
    #: Staff with the permission to change tasks.
    changes_all: bool = False


Action = Literal["see", "cancel"]
#: Tell whether a viewer may do something with a root; None leaves it to the rule below.
Authorizer = Callable[[Viewer, TaskRoot, Action], bool | None]
#: The setting that names an authorizer by its dotted path.
AUTHORIZER_SETTING = "STEPLINE_TASK_AUTHORIZER"

#: Where a session keeps the key that it had when somebody not signed in began something.
FIRST_KEY = "first_session_key"


class _Session(Protocol):
    @property
    def session_key(self) -> str | None: ...

    def get(self, key: str, default: Any) -> Any: ...


def anonymous_key(session: _Session | None) -> str:
    """Return the key under which a session owns what was begun in it by somebody not signed in; empty without one.

    Signing in changes a session's key and keeps its content, so what was begun before stays theirs.
    """
    if session is None:
        return ""
    # Asked first: reading a session drops a key that a cookie claims and no session has.
    kept = session.get(FIRST_KEY, "")
    return str(kept or session.session_key or "")


def viewer_of(*, user: AbstractBaseUser | AnonymousUser, session: _Session | None) -> Viewer:
    """Return the viewer behind a request or a socket; reads the user's permissions from the database."""
    session_key = anonymous_key(session)
    if not user.is_authenticated:
        return Viewer(session_key=session_key)
    is_staff = bool(getattr(user, "is_staff", False)) and bool(getattr(user, "is_active", False))
    may = getattr(user, "has_perm", None)
    return Viewer(
        user_id=user.pk,
        session_key=session_key,
        sees_all=is_staff and may is not None and bool(may("tasks.view_taskroot")),
        changes_all=is_staff and may is not None and bool(may("tasks.change_taskroot")),
    )


def owns(viewer: Viewer, root: TaskRoot) -> bool:
    """Tell whether `root` belongs to `viewer`: to the user, or to the session of someone not signed in."""
    if root.owner_id is not None:
        return viewer.user_id == root.owner_id
    return bool(root.session_key) and viewer.session_key == root.session_key


def owned_by(viewer: Viewer) -> Q:
    """Return the filter for the roots that belong to `viewer` and may be listed: no request's, and no parts."""
    owned = Q(pk__in=()) if viewer.user_id is None else Q(owner_id=viewer.user_id)
    if viewer.session_key:
        owned |= Q(owner__isnull=True, session_key=viewer.session_key)
    return owned & Q(request_scoped=False, is_part=False)


def may_see(viewer: Viewer, root: TaskRoot) -> bool:
    """Tell whether `viewer` may follow `root`."""
    decided = _ask(viewer, root, "see")
    if decided is not None:
        return decided
    if root.request_scoped:
        return owns(viewer, root)
    return root.shared or viewer.sees_all or owns(viewer, root)


def has_authorizer() -> bool:
    """Tell whether a team's own authorizer is asked before the rules."""
    return _authorizer() is not None


def is_kept_from(viewer: Viewer, root: TaskRoot) -> bool:
    """Tell whether a team's authorizer keeps `viewer` from seeing `root`; one that fails does."""
    try:
        return _ask(viewer, root, "see") is False
    except DatabaseTrouble:
        raise
    except Exception:
        logger.exception("It could not be told whether task %s may be seen.", root.pk)
        return True


def may_cancel(viewer: Viewer, root: TaskRoot) -> bool:
    """Tell whether `viewer` may cancel `root`."""
    decided = _ask(viewer, root, "cancel")
    return viewer.changes_all or owns(viewer, root) if decided is None else decided


def find_root(viewer: Viewer, root_id: uuid.UUID) -> TaskRoot:
    """Return the root that `viewer` may follow; raises TaskNotFound where there is none, or none for them."""
    root = TaskRoot.objects.select_related("job").filter(pk=root_id).first()
    if root is None or not may_see(viewer, root):
        raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
    return root


def _ask(viewer: Viewer, root: TaskRoot, action: Action) -> bool | None:
    authorizer = _authorizer()
    return None if authorizer is None else authorizer(viewer, root, action)


@cache
def _authorizer() -> Authorizer | None:
    path = getattr(settings, AUTHORIZER_SETTING, None)
    if not path:
        return None
    found: Authorizer = import_string(path)
    return found


def _forget_authorizer(*, setting: str, **_: object) -> None:
    if setting == AUTHORIZER_SETTING:
        _authorizer.cache_clear()


setting_changed.connect(_forget_authorizer, dispatch_uid="tasks.authorizer")


@register
def check_authorizer(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Complain of an authorizer that can't be imported or called."""
    path = getattr(settings, AUTHORIZER_SETTING, None)
    if not path:
        return []
    try:
        found = import_string(path)
    except (ImportError, TypeError, AttributeError) as error:
        problem = str(error)
    else:
        if callable(found):
            return []
        problem = f"{path!r} is no function."
    hint = "Give it the dotted path of a function (viewer, root, action) that returns True, False or None."
    return [Error(f"{AUTHORIZER_SETTING} can't be used: {problem}", hint=hint, id="tasks.E003")]
