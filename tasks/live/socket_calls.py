"""The calls of one WebSocket: each tells what it reports, and then its result; what is at work ends with the socket."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.domain.jsonvalue import JSON
from tasks.errors import BadRequest, TaskCancelled
from tasks.live.calls import FollowedCall
from tasks.live.hub import Hub
from tasks.live.problems import problem_of
from tasks.live.protocol import CallFunction, Target, TooMany, problem_text, result_text, subscribed
from tasks.live.visitor import Visitor
from tasks.models import ApiToken
from tasks.services.api_rates import count_use
from tasks.services.call_threads import in_own_thread
from tasks.services.functions import PreparedCall, RequestContext, prepare_call
from tasks.services.request_trees import client_of, scope_of_call
from tasks.services.roots import Owner

__all__ = ["MOST_CALLS", "SocketCalls"]

#: Calls of one socket that may be at work.
MOST_CALLS = 20
#: How often a call that reports nothing is looked after: nothing is sent then.
_PULSE_SECONDS = 60.0

Send = Callable[[str], Awaitable[object]]


class _ClientGoneError(Exception):
    """Nothing can be sent any more."""


class SocketCalls:
    """Make the calls that come over one socket, side by side."""

    def __init__(self, *, hub: Hub, visitor: Visitor, send: Send, token: ApiToken | None = None) -> None:
        self._hub = hub
        self._visitor = visitor
        self._send = send
        self._token = token
        self._at_work: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._made: dict[uuid.UUID, FollowedCall] = {}
        #: Cancelled while they were still being prepared.
        self._unwanted: set[uuid.UUID] = set()

    def add(self, message: CallFunction) -> None:
        """Begin a call; raises TooMany, and BadRequest where one of the same id is at work."""
        request_id = message.request_id
        if request_id in self._at_work:
            raise BadRequest("A call with this requestId is at work; give each a UUID of its own.")
        if len(self._at_work) >= MOST_CALLS:
            raise TooMany(f"One socket makes at most {MOST_CALLS} calls at a time.")
        serving = asyncio.create_task(self._serve(message), name=f"socket-call-{message.call.name}")
        self._at_work[request_id] = serving
        serving.add_done_callback(partial(self._forget, request_id))

    def cancel(self, request_id: uuid.UUID) -> None:
        """End a call that is at work; of any other nothing is told, since it may just have ended."""
        if (made := self._made.get(request_id)) is not None:
            made.abandon()
        elif request_id in self._at_work:
            self._unwanted.add(request_id)

    def close(self) -> None:
        """End all that is at work: the socket is gone."""
        for serving in list(self._at_work.values()):
            serving.cancel()

    def _forget(self, request_id: uuid.UUID, _serving: "asyncio.Task[None]") -> None:
        self._at_work.pop(request_id, None)
        self._unwanted.discard(request_id)

    async def _serve(self, message: CallFunction) -> None:
        request_id, call = message.request_id, message.call
        try:
            context, owner, prepared = await in_own_thread(partial(self._prepare, message))
            if request_id in self._unwanted:
                raise TaskCancelled(_("The work was cancelled."))
            text = result_text(request_id, await self._follow(request_id, context, owner, prepared))
        except _ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - whatever a function raises
            text = problem_text(request_id, problem_of(error, name=call.name))
        with suppress(_ClientGoneError):
            await self._tell(text)

    async def _follow(
        self, request_id: uuid.UUID, context: RequestContext, owner: Owner, prepared: PreparedCall
    ) -> JSON:
        scope = scope_of_call(context.request, request_id, owner=owner)
        followed = self._made[request_id] = FollowedCall(prepared, request=context.request, scope=scope)
        try:
            if scope.tree is not None:
                await self._tell(subscribed(Target(request_id=request_id), root_id=scope.tree.root_id))
            updates = followed.updates(hub=self._hub, visitor=self._visitor, pulse_seconds=_PULSE_SECONDS)
            async for items in updates:
                for item in items:
                    await self._tell(item.text)
            return await followed.result()
        finally:
            del self._made[request_id]
            followed.abandon()

    async def _tell(self, text: str) -> None:
        try:
            await self._send(text)
        except Exception as error:
            # Each server has errors of its own for it; the disconnect follows in a moment.
            raise _ClientGoneError from error

    def _prepare(self, message: CallFunction) -> tuple[RequestContext, Owner, PreparedCall]:
        """Find out who is there by now, and what they may call. Reads the database."""
        if self._token is not None:
            count_use(self._token)
        user, session = self._visitor.looked_up()
        # What of a request the trees of requests, and functions, look at.
        request = HttpRequest()
        request.method = "POST"
        request.user = user  # type: ignore[assignment]  # a team's own model of users
        if session is not None:
            request.session = session
        if self._token is not None:
            request.api_token = self._token  # type: ignore[attr-defined]
        context = RequestContext(request, user)
        owner = client_of(request) or Owner()
        return context, owner, prepare_call(context, message.call)
