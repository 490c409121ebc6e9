"""Calling functions by name: who may, and on whose behalf."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.domain.jsonvalue import JSONObject
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

    @property
    def scopes(self) -> Sequence[str] | None:
        """What the caller's API token is good for; None for one who came in by a session."""
        token = getattr(self.request, "api_token", None)
        return None if token is None else token.scopes

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


def prepare_call(context: RequestContext, name: str, arguments: JSONObject) -> PreparedCall:
    """Look for the function, whether it may be called, and at its arguments; may read the database.

    Raises what `find_function` does, and InvalidArguments.
    """
    function = find_function(name, context.user, scopes=context.scopes)
    return PreparedCall(function, function.bind(context, arguments))
