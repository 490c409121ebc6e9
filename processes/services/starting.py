"""Starting a run that is in the background from its beginning: for triggers, instances, and for code.

Nothing of the process runs here; a worker does that. What is stored is what a worker needs: the place where the run
enters, its data and its request, with the job, in the caller's transaction.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from django.contrib.auth.models import AbstractBaseUser

from processes.domain.application import Application
from processes.domain.entry import find_entry
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.errors import NotJsonError
from processes.models import ProcessInstance, ProcessTemplate
from processes.services.access import Caller, find_executable
from processes.services.background import Beginning, KeyTakenError, continue_in_background
from processes.services.derivation import load_plan
from processes.services.errors import TemplateNotFoundError
from processes.services.foreground import published_plan
from processes.services.host import DjangoHost
from processes.services.run_store import RUN_JOB
from processes.services.running import local_caller
from tasks.errors import KeyReused
from tasks.models import Job
from tasks.services.inspecting import read_input

__all__ = ["start_in_background", "start_instance", "start_template"]


def start_in_background(
    *,
    slug: str,
    action: str | None = None,
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    user: AbstractBaseUser | None = None,
    title: str = "",
) -> uuid.UUID:
    """Store a run of a published template, to be carried out by a worker from its first action on; return its id.

    It is stored in the caller's transaction: roll that back, and there is no run. With a `user` it runs in their name,
    and only if they may execute the template; without one nobody is asked, and the run works for a session of its own.
    `title` is what its progress is shown under. Raises TemplateNotFoundError, NotFoundError for an action that can't be
    entered, and NotJsonError for data or parameters that can't be stored.
    """
    if user is not None:
        template = find_executable(slug=slug, user=user)
    else:
        published = ProcessTemplate.objects.filter(slug=slug, abstract=False, published_plan__isnull=False)
        found = published.first()
        if found is None:
            raise TemplateNotFoundError(f'There is no published process "{slug}".', fields={"process": slug})
        template = found
    request = Request(parameters=dict(parameters or {}))
    beginning = Beginning(how="code")
    return start_template(
        template=template, user=user, action=action, data=data, request=request, title=title, beginning=beginning
    )


def start_template(
    *,
    template: ProcessTemplate,
    user: AbstractBaseUser | None,
    action: str | None,
    data: Mapping[str, JSON] | None,
    request: Request,
    beginning: Beginning,
    attributes: Mapping[str, JSON] | None = None,
    title: str = "",
    session_key: str | None = None,
    input: JSON = None,
    idempotency_key: str | None = None,
) -> uuid.UUID:
    """Store a run of a template, whoever may execute it, and return its id.

    It enters at `action`, as a caller from outside does, whatever the request's parameters say. Without a user it
    belongs to the session of `session_key`, or to one of its own. `input` is what its followers are told that it began
    with. Of one `idempotency_key` there is one run, as long as that is kept: it is returned where it was begun with the
    same input. Raises what `start_in_background` does, NotPublishedError, and KeyReused.
    """
    if idempotency_key is not None and (present := _run_of_key(idempotency_key, input=input)) is not None:
        return present
    plan = published_plan(template)
    local = local_caller(name=template.slug, user=user, template_id=template.pk, session_key=session_key)
    caller = replace(local, slug=template.slug)
    # Without this an `@error` would get to see it, in a run that nobody has asked for like that.
    find_entry(plan, action, outside=True)
    try:
        return _start(
            template=template, plan=plan, caller=caller, user=user, action=action, data=data, request=request,
            beginning=beginning, attributes=attributes, title=title, input=input, idempotency_key=idempotency_key,
        )  # fmt: skip
    except KeyTakenError:
        assert idempotency_key is not None
        found = _run_of_key(idempotency_key, input=input)
        assert found is not None
        return found


def start_instance(
    *,
    instance: ProcessInstance,
    user: AbstractBaseUser | None,
    action: str,
    beginning: Beginning,
    parameters: Mapping[str, JSON] | None = None,
    attributes: Mapping[str, JSON] | None = None,
) -> uuid.UUID:
    """Store a run of an instance's own plan that enters at `action`, also where requests may not, and return its id.

    It is Stepline that starts it: whether somebody may is asked before. Of the runs of an instance that begin like this
    one is worked on at a time, in the order in which they begin. Raises NotFoundError for an action that isn't
    declared, and NotJsonError.
    """
    plan = load_plan(instance.plan_id)
    find_entry(plan, action, outside=False)
    slug = instance.template.slug
    caller = local_caller(name=slug, user=user, template_id=instance.template_id)
    return _start(
        template=instance.template,
        plan=plan,
        caller=replace(caller, slug=slug, instance_id=instance.pk),
        user=user,
        action=action,
        data=None,
        request=Request(method="POST", parameters=dict(parameters or {})),
        beginning=beginning,
        attributes=attributes,
        title=instance.title,
        outside=False,
        concurrency_key=f"instance:{instance.pk}",
    )


def _run_of_key(key: str, *, input: JSON) -> uuid.UUID | None:
    """Return the run that was started under a key, None for none yet; raises KeyReused where it began with more."""
    found = Job.objects.filter(function=RUN_JOB, idempotency_key=key).values_list("root_id", flat=True).first()
    if found is not None and (read_input(found) or {}) != (input or {}):
        raise KeyReused
    return found


def _start(
    *,
    template: ProcessTemplate,
    plan: Plan,
    caller: Caller,
    user: AbstractBaseUser | None,
    action: str | None,
    data: Mapping[str, JSON] | None,
    request: Request,
    beginning: Beginning,
    attributes: Mapping[str, JSON] | None = None,
    title: str = "",
    outside: bool = True,
    concurrency_key: str = "",
    input: JSON = None,
    idempotency_key: str | None = None,
) -> uuid.UUID:
    for name, values in (("data", data), ("parameters", request.parameters)):
        if problems := json_problems(dict(values or {}), limit=1):
            path = f"/{name}{problems[0].path}"
            raise NotJsonError(f"{path} can't be stored: {problems[0].message}", path=path)
    request = replace(request, parameters=copy_json(request.parameters))
    host = DjangoHost(caller=caller, plan=plan)
    app = Application(
        data=copy_json(dict(data or {})), request=request, user=user, attributes=copy_json(dict(attributes or {}))
    )
    app.execution = host.execution
    interpreter = Interpreter.start(plan, app=app, host=host, entry=action, outside=outside)
    return continue_in_background(
        app=app,
        interpreter=interpreter,
        template=template,
        caller=caller,
        title=title,
        beginning=beginning,
        concurrency_key=concurrency_key,
        input=input,
        idempotency_key=idempotency_key,
    )
