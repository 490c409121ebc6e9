"""Calling functions by name: who may, and on whose behalf."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.domain.calls import Call
from tasks.domain.jsonvalue import dumps
from tasks.domain.scopes import allows_call
from tasks.errors import InsufficientScope, NotAllowed, SignInRequired
from tasks.registry import Function, functions, may_call
from tasks.registry.functions import Bound
from tasks.services.request_trees import owner_of_request
from tasks.services.roots import Owner

__all__ = ["PreparedCall", "RequestContext", "find_function", "prepare_call"]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Be the context of a call that came with a request."""

    request: HttpRequest
    #: Looked up already: reading it costs no query, and is allowed in an event loop.
    user: Any
    call: Call | None = None

    @property
    def scopes(self) -> Sequence[str] | None:
        """What the caller's API token is good for; None for one who came in by a session."""
        token = getattr(self.request, "api_token", None)
        return None if token is None else token.scopes

    @property
    def start_key(self) -> str | None:
        """The key, made the caller's, and the function's: what others call theirs is something else."""
        if self.call is None or not self.call.key:
            return None
        owner = self.owner
        text = dumps([str(owner.user_id or ""), owner.session_key, self.call.name, self.call.key])
        return f"rpc:{hashlib.sha256(text.encode()).hexdigest()}"

    @property
    def owner(self) -> Owner:
        """The user, or the session of somebody not signed in, who gets one with the answer."""
        return Owner(user_id=self.user.pk) if self.user.is_authenticated else owner_of_request(self.request)


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """Be a call that may be made, with arguments that are fine."""

    function: Function
    make: Bound


def find_function(name: str, user: Any, *, scopes: Sequence[str] | None = None) -> Function:
    """Return the function of a name that `user` may call, by a token of these scopes; may read the database.

    Raises UnknownFunction; and where it is there and not for them, SignInRequired, NotAllowed or InsufficientScope.
    """
    function = functions.get(name, user)
    if scopes is not None and not allows_call(scopes, name, function.kind):
        raise InsufficientScope(_("The token isn't good for calls of this."), name=name)
    if may_call(function.access, user):
        return function
    if not user.is_authenticated:
        raise SignInRequired(_("Sign in to call this."), name=name)
    raise NotAllowed(_("You may not call this."), name=name)


def prepare_call(context: RequestContext, asked: Call) -> PreparedCall:
    """Look for the function, whether it may be called, and at its arguments; may read the database.

    Raises what `find_function` does, and InvalidArguments.
    """
    function = find_function(asked.name, context.user, scopes=context.scopes)
    return PreparedCall(function, function.bind(replace(context, call=asked), asked.arguments))
