"""The trees of one request: whose they are, how their client finds them, and how they end with it."""

import secrets
import threading
import uuid
from collections.abc import Callable
from contextvars import ContextVar, Token
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from tasks.domain.meta import metas
from tasks.domain.statuses import NodeStatus
from tasks.errors import TaskCancelled
from tasks.services.access import FIRST_KEY, anonymous_key
from tasks.services.nodes import TaskNode
from tasks.services.requests import request_root_id
from tasks.services.roots import Owner
from tasks.services.trees import Opening, TreeRecorder, in_event_loop
from tasks.tracking import UNTRACKED, TrackedNode

#: Where a request keeps its scope, once it has one.
_SCOPE = "_task_scope"
#: Where a request that is over says so.
_OVER = "_task_request_over"

_request: ContextVar[HttpRequest | None] = ContextVar("stepline_request", default=None)
_guard = threading.Lock()


class RequestScope:
    """Hold what one request has begun and must end."""

    def __init__(self, *, owner: Callable[[], Owner], tree: TreeRecorder | None = None) -> None:
        self.owner = owner
        #: The tree that the client follows by the id of its request.
        self.tree = tree
        #: An exception has left the view, whatever answer became of it.
        self._raised = False
        #: That exception said why the work was cancelled.
        self._cancelled: str | None = None
        self._begun: list[TreeRecorder] = []
        self._ends_with_it: list[TreeRecorder] = [] if tree is None else [tree]
        self._guard = threading.Lock()
        self._over = False

    @property
    def root(self) -> TrackedNode:
        """The root of the tree that the client follows; where it follows none, a node that drops all reports."""
        return UNTRACKED if self.tree is None else self.tree.root

    @property
    def is_over(self) -> bool:
        """Whether the request has ended; threads that it started may go on."""
        return self._over

    def holds(self, root: TrackedNode) -> bool:
        """Tell whether what is started at a node of this root is the request's: not what a detached tree starts."""
        if not isinstance(root, TaskNode):
            return True
        with self._guard:
            return any(root is tree.root for tree in self._ends_with_it)

    def add(self, tree: TreeRecorder, *, detached: bool) -> None:
        """Take note of a tree that was begun; one that isn't detached ends with the request."""
        with self._guard:
            self._begun.append(tree)
            if not detached:
                self._ends_with_it.append(tree)

    def take_begun(self) -> list[TreeRecorder]:
        """Return the trees whose ids the answer may tell, once."""
        with self._guard:
            begun, self._begun = self._begun, []
        return begun

    def end(self, status: NodeStatus, reason: str = "") -> None:
        """End what belongs to the request, once; touches memory only."""
        with self._guard:
            if self._over:
                return
            self._over = True
            trees, self._ends_with_it = self._ends_with_it, []
        for tree in trees:
            tree.finish(status, reason=reason)

    def end_by_status(self, code: int) -> None:
        """End what belongs to the request as its answer says: an exception or a fault of the server is a failure."""
        if code >= 500 or (self._raised and code >= 400):
            self.fail()
        else:
            self.end(NodeStatus.COMPLETED)

    def note_error(self, error: BaseException) -> None:
        """Take note of an exception that has left the view, or the stream."""
        self._raised = True
        if isinstance(error, TaskCancelled):
            self._cancelled = error.message

    def fail(self) -> None:
        """End it as failed, or as cancelled where that is what has stopped it.

        The reason of a failure is neutral: what went wrong is for the log of the server.
        """
        if self._cancelled is not None:
            self.end(NodeStatus.CANCELLED, self._cancelled)
        else:
            self.end(NodeStatus.FAILED, _("The request failed."))

    def abandon(self) -> None:
        """End it as cancelled: the client has gone."""
        self.end(NodeStatus.CANCELLED, _("The connection was closed."))


def enter_request(request: HttpRequest) -> Token[HttpRequest | None]:
    """Let what is started from now on belong to `request`, until `leave_request`."""
    return _request.set(request)


def leave_request(token: Token[HttpRequest | None]) -> None:
    """Undo `enter_request`."""
    _request.reset(token)


def scope_of(request: HttpRequest) -> RequestScope | None:
    """Return what the request has begun; None where it has begun nothing."""
    return getattr(request, _SCOPE, None)


def current_scope() -> RequestScope | None:
    """Return the scope of the request that is being answered, a new one where it has none; None outside requests."""
    request = _request.get()
    if request is None or getattr(request, _OVER, False):
        return None
    scope = scope_of(request)
    if scope is None:
        fresh = RequestScope(owner=_owner_in_time(request))
        # Threads of one request may come together here; what tells its owner may have read the database before.
        with _guard:
            if getattr(request, _OVER, False):
                return None
            scope = scope_of(request) or fresh
            setattr(request, _SCOPE, scope)
    return None if scope.is_over else scope


def close_request(request: HttpRequest) -> RequestScope | None:
    """Say that the request is over, and return what is to end with it; what its threads start later isn't its."""
    with _guard:
        setattr(request, _OVER, True)
        return scope_of(request)


def follow_request(request: HttpRequest, request_id: uuid.UUID, *, owner: Owner) -> RequestScope:
    """Prepare the tree that a client follows by its request's id; its root comes with the first report."""
    opening = Opening(title=_("Request"), owner=lambda: owner, request_scoped=True)
    tree = TreeRecorder(opening, root_id=request_root_id(owner, request_id), meta_type=metas.type_for(None))
    scope = RequestScope(owner=lambda: owner, tree=tree)
    setattr(request, _SCOPE, scope)
    return scope


def scope_of_call(request: HttpRequest, request_id: uuid.UUID, *, owner: Owner) -> RequestScope:
    """Return the scope of a call that its client follows: the one that its request has, or a new one.

    Where nobody could follow it, since nobody owns it, it has no tree.
    """
    scope = scope_of(request)
    if scope is not None and scope.tree is not None:
        return scope
    if request_root_id(owner, request_id) is not None:
        return follow_request(request, request_id, owner=owner)
    scope = scope or RequestScope(owner=lambda: owner)
    setattr(request, _SCOPE, scope)
    return scope


def owner_of_request(request: HttpRequest) -> Owner:
    """Return whose is what a request begins; somebody not signed in gets a session with the answer.

    Reads the database, unless the session has been read.
    """
    return client_of(request) or _owner_by_claim(request)


def client_of(request: HttpRequest) -> Owner | None:
    """Return whose a request is, None where its client has neither signed in nor a session; reads the database."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return Owner(user_id=user.pk)
    key = anonymous_key(getattr(request, "session", None))
    return Owner(session_key=key) if key else None


async def client_of_async(request: HttpRequest) -> Owner | None:
    """Return whose a request is; see `client_of`."""
    auser = getattr(request, "auser", None)
    user = getattr(request, "user", None) if auser is None else await auser()
    if user is not None and user.is_authenticated:
        return Owner(user_id=user.pk)
    session = getattr(request, "session", None)
    if session is not None:
        # Loads the session, so that what follows reads memory.
        await session.aget(FIRST_KEY, "")
    key = anonymous_key(session)
    return Owner(session_key=key) if key else None


def _owner_in_time(request: HttpRequest) -> Callable[[], Owner]:
    """Return what tells whose a request is: now where that can be known, else when its first tree is written."""
    user = _loaded_user(request)
    if user is not None and user.is_authenticated:
        known = Owner(user_id=user.pk)
        return lambda: known
    if in_event_loop():
        session = getattr(request, "session", None)
        key = getattr(session, "session_key", None)
        if key is not None and (user is None or not hasattr(session, "_session_cache")):
            # An event loop mustn't read the database, and another thread must leave the request's own session alone.
            return lambda: _owner_by_session(key)
    elif user is None:
        user = getattr(request, "user", None)
    owner = Owner(user_id=user.pk) if user is not None and user.is_authenticated else _owner_by_claim(request)
    return lambda: owner


def _loaded_user(request: HttpRequest) -> Any:
    for name in ("_cached_user", "_acached_user"):
        if (found := getattr(request, name, None)) is not None:
            return found
    user = getattr(request, "user", None)
    return None if isinstance(user, SimpleLazyObject) else user


def _owner_by_claim(request: HttpRequest) -> Owner:
    """Return the owner of what somebody not signed in begins: their session, which remembers it past their sign-in."""
    session = getattr(request, "session", None)
    if session is None:
        return Owner()
    key = anonymous_key(session)
    if FIRST_KEY not in session:
        # A visitor without a session gets one with the answer, and its key only then; so this one is made up.
        session[FIRST_KEY] = key = key or secrets.token_hex(16)
    return Owner(session_key=key)


def _owner_by_session(key: str) -> Owner:
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    # Django asks for a request but looks only at its session.
    request = HttpRequest()
    request.session = session
    user = get_user(request)
    return Owner(user_id=user.pk) if user.is_authenticated else Owner(session_key=anonymous_key(session))
