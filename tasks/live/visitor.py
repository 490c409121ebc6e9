"""Who is at the other end of an open socket or stream, asked again while it is open; and from which page they come."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.http import is_same_domain

from tasks.services.access import Viewer, viewer_of
from tasks.services.api_tokens import is_alive
from tasks.services.revocations import session_mark


def is_own_origin(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a WebSocket comes from a page of this site, of a trusted origin, or from no page at all.

    Browsers open sockets to any site and send its cookies along; host and port must be the same, as for a form. And the
    host must be one of the site's: a page whose name was made to point here asks for its own.
    """
    given = {name.lower(): value.decode("latin-1") for name, value in headers}
    try:
        host = _host(given)
    except DisallowedHost:
        return False
    origin = given.get(b"origin")
    if origin is None:
        return True
    try:
        scheme, place, *_ = urlsplit(origin.lower())
    except ValueError:
        return False
    if not place:
        return False
    trusted = [urlsplit(pattern.lower()) for pattern in settings.CSRF_TRUSTED_ORIGINS]
    return place == host or any(
        scheme == pattern.scheme and is_same_domain(place, pattern.netloc.lstrip("*")) for pattern in trusted
    )


def _host(given: Mapping[bytes, str]) -> str:
    """Return the host that was asked for, as Django finds it for a request; raises DisallowedHost."""
    if b"host" not in given:
        return ""
    asked = HttpRequest()
    asked.META = {"HTTP_HOST": given[b"host"]}
    if b"x-forwarded-host" in given:
        asked.META["HTTP_X_FORWARDED_HOST"] = given[b"x-forwarded-host"]
    return asked.get_host().lower()


def visitor_of(request: HttpRequest) -> "Visitor":
    """Return who has sent a request."""
    token = getattr(request, "api_token", None)
    return Visitor(user=request.user, session=request.session, token_id=None if token is None else token.pk)


class Visitor:
    """Remember how someone came in, and find out who they are now.

    A page may stay open for days, during which they sign out, lose a permission, or are deactivated. So what is kept is
    the session's key, or the user's where the session doesn't sign them in, and everything else is read anew each time.
    """

    def __init__(self, *, user: Any, session: Any, token_id: int | None = None) -> None:
        self._user = user
        #: The API token by which they came in.
        self._token_id = token_id
        self._session = session
        #: The user that they were when they were last looked up; of a program, from the beginning.
        self.user_id: int | str | None = None if token_id is None else user.pk
        #: The token by which they came in doesn't hold any more: nothing is left of what it has opened.
        self.has_left = False
        self._mark = ""

    @property
    def is_program(self) -> bool:
        """Tell whether they came in by an API token."""
        return self._token_id is not None

    def came_by(self, mark: str) -> bool:
        """Tell whether they came in by the session that `mark` stands for (tasks.services.revocations)."""
        if not self._mark:
            key = getattr(self._session, "session_key", None)
            self._mark = session_mark(key) if key else "none"
        return self._mark == mark

    def now(self) -> Viewer:
        """Return the viewer as of now. Reads the database, so call it in a reader thread."""
        user, session = self.looked_up()
        viewer = viewer_of(user=user, session=session)
        self.user_id = viewer.user_id if viewer.user_id is not None else self.user_id
        return viewer

    def looked_up(self) -> tuple[AbstractBaseUser | AnonymousUser, SessionBase | None]:
        """Return the user and the session as of now. Reads the database, so call it in a thread."""
        if self._token_id is not None:
            self.has_left = not is_alive(self._token_id)
            return (AnonymousUser() if self.has_left else _reloaded(self._user)), None
        session = self._fresh_session()
        if session is not None and SESSION_KEY in session:
            return _user_of(session), session
        if self._session is not None and SESSION_KEY in self._session:
            # They came in signed in by a session that is gone: nothing of it holds any more.
            return AnonymousUser(), None
        if self._user is not None and self._user.is_authenticated:
            return _reloaded(self._user), session
        return AnonymousUser(), session

    def _fresh_session(self) -> SessionBase | None:
        key = getattr(self._session, "session_key", None)
        if not key:
            return None
        session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
        # Loading drops the key of a session that doesn't exist, which no cookie may claim.
        session.get(SESSION_KEY)
        return session


def _user_of(session: SessionBase) -> AbstractBaseUser | AnonymousUser:
    # Django asks for a request but looks only at its session; it also refuses a session whose password has changed.
    request = HttpRequest()
    request.session = session
    return get_user(request)


def _reloaded(user: AbstractBaseUser) -> AbstractBaseUser | AnonymousUser:
    current = get_user_model()._default_manager.filter(pk=user.pk, is_active=True).first()
    return current if current is not None else AnonymousUser()
