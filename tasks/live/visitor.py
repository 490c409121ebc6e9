"""Who is at the other end of an open socket or stream, asked again while it is open."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from tasks.services.access import Viewer, viewer_of


class Visitor:
    """Remember how someone came in, and find out who they are now.

    A page may stay open for days, during which they sign out, lose a permission, or are deactivated. So what is kept is
    the session's key, or the user's where the session doesn't sign them in, and everything else is read anew each time.
    """

    def __init__(self, *, user: Any, session: Any) -> None:
        self._user = user
        self._session = session

    def now(self) -> Viewer:
        """Return the viewer as of now. Reads the database, so call it in a reader thread."""
        session = self._fresh_session()
        if session is not None and SESSION_KEY in session:
            return viewer_of(user=_user_of(session), session=session)
        if self._session is not None and SESSION_KEY in self._session:
            # They came in signed in by a session that is gone: nothing of it holds any more.
            return Viewer()
        if self._user is not None and self._user.is_authenticated:
            return viewer_of(user=_reloaded(self._user), session=session)
        return viewer_of(user=AnonymousUser(), session=session)

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
