"""What clients call by name: each published process, and what is done with instances (docs/rpc.md)."""

import re
import uuid
from typing import Annotated, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import RequestDataTooBig
from pydantic import AfterValidator, Field, JsonValue

from processes.api.instance_answers import (
    after_json,
    answer_json,
    create_as_asked,
    instance_json,
    signed_in,
    waiting_json,
)
from processes.api.starting import start_as_asked
from processes.domain.json_values import JSON, json_problems
from processes.errors import ProcessError
from processes.pages.errors import BAD_REQUEST, bad_request_error, status_of
from processes.services.access import find_executable
from processes.services.errors import SignInRequiredError, TemplateNotFoundError
from processes.services.instance_access import find_instance
from processes.services.instance_work import claim_instance, hand_on_instance, release_instance
from processes.services.instances import execute_instance
from processes.services.offering import offered_processes
from tasks.domain.calls import CallKind
from tasks.domain.jsonvalue import JSONObject
from tasks.domain.signature import Signature
from tasks.errors import SignInRequired
from tasks.registry import CallContext, Function, Problem, functions, mutation, problems, query
from tasks.registry.functions import Bound

#: The address of a process, and behind a dot the action at which its run enters.
_PROCESS = re.compile(r"(?P<slug>[-a-zA-Z0-9_]{1,50})(?:\.(?P<action>[^.]{1,200}))?")

V = TypeVar("V")


def _storable(value: V) -> V:
    if unfit := json_problems(value, limit=1):
        raise ValueError(f"{unfit[0].path}: {unfit[0].message}".removeprefix(": "))
    return value


Text = Annotated[str, AfterValidator(_storable)]
Parameters = Annotated[dict[str, JsonValue], AfterValidator(_storable)]


def find_process(name: str, user: object) -> Function | None:
    """Return what starts a published process in the background, where `user` may execute it.

    The arguments are the request's parameters, as those of a webhook are: nothing of them is in `data` before the
    process puts it there.
    """
    assert isinstance(user, AbstractBaseUser | AnonymousUser)
    found = _PROCESS.fullmatch(name)
    if found is None:
        return None
    try:
        template = find_executable(slug=found["slug"], user=user)
    except SignInRequiredError as error:
        raise SignInRequired(error.message, name=name) from None
    except TemplateNotFoundError:
        return None

    def bind(context: CallContext, arguments: JSONObject) -> Bound:
        def start() -> dict[str, JSON]:
            action = found["action"]
            run_id = start_as_asked(template, action=action, parameters=arguments, context=context, how="rpc")
            return {"run_id": str(run_id)}

        return start

    # Whether they may was asked by looking for it.
    return Function(name=name, kind=CallKind.MUTATION, bind=bind, signature=Signature(), access="anyone")


# Instances give everybody who calls the answer that pages and HTTP give, also somebody who hasn't signed in.


@query("instances.get", access="anyone")
def get_instance(context: CallContext, instance: uuid.UUID) -> JSON:
    """Return an instance with its options."""
    return instance_json(instance, user=signed_in(context.user))


@query("instances.inbox", access="anyone")
def get_inbox(context: CallContext, page: Annotated[int, Field(ge=1, le=9_999)] = 1) -> JSON:
    """Return what waits for the caller, the most urgent first."""
    return waiting_json(signed_in(context.user), page=page)


@mutation("instances.create", access="anyone")
def create_instance(
    context: CallContext,
    type: Text | None = None,
    process: Text | None = None,
    title: Text = "",
    data: Parameters | None = None,
) -> JSON:
    """Create an instance of a type, or of a process, and return it with its options."""
    user = signed_in(context.user)
    sent = {"type": type, "process": process, "title": title, "data": data or {}}
    created = create_as_asked(sent, user=user, request=context.request)
    return instance_json(created.pk, user=user)


@mutation("instances.execute", access="anyone")
def execute(
    context: CallContext, instance: uuid.UUID, action: Text | None = None, parameters: Parameters | None = None
) -> JSON:
    """Execute an instance at an action, and return what it answers."""
    user = signed_in(context.user)
    found = find_instance(instance, user=user)
    return answer_json(execute_instance(instance=found, user=user, action=action, parameters=parameters or {}))


@mutation("instances.claim", access="anyone")
def claim(context: CallContext, instance: uuid.UUID) -> JSON:
    """Take an instance that waits for one of several."""
    user = signed_in(context.user)
    claim_instance(instance, user=user)
    return after_json(instance, user=user)


@mutation("instances.release", access="anyone")
def release(context: CallContext, instance: uuid.UUID) -> JSON:
    """Give an instance back to those who were asked."""
    user = signed_in(context.user)
    release_instance(instance, user=user)
    return after_json(instance, user=user)


@mutation("instances.hand_on", access="anyone")
def hand_on(context: CallContext, instance: uuid.UUID, to: Text) -> JSON:
    """Give an instance to the user of a name."""
    user = signed_in(context.user)
    hand_on_instance(instance, to=to, user=user)
    return after_json(instance, user=user)


def _told(error: ProcessError) -> Problem:
    return Problem(error.code, error.message, status_of(error), dict(error.fields))


problems.add(ProcessError, _told)
for _kind in BAD_REQUEST:
    if _kind is not RequestDataTooBig:
        problems.add(_kind, lambda error: _told(bad_request_error(error)))
functions.add_source("processes", find_process, offered_processes)
