"""Run a process inside a web request.

Who may enter where is decided first (`check_entry`), then the step is claimed where the request goes on with stored
data, then the plan runs. A run that must wait, or asks for it, goes on in the background.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse

from processes.domain.application import Application
from processes.domain.directives import Failed, Suspended
from processes.domain.entry import Nothing, find_entry
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.plan import EXIT, Plan
from processes.domain.request import Request
from processes.domain.response import Response
from processes.models import DataNode, ProcessInstance, ProcessTemplate
from processes.services import audit
from processes.services.access import Caller
from processes.services.background import continue_in_background
from processes.services.data_nodes import LOADED_REVISION, claim_revision, conflict, give_back_claim
from processes.services.derivation import load_plan
from processes.services.errors import EntryRefusedError, NotPublishedError
from processes.services.files import delete_file, store_file
from processes.services.forms import to_json
from processes.services.host import DjangoHost

__all__ = ["Answer", "Visit", "check_entry", "published_plan", "render_progress", "run_foreground"]

logger = logging.getLogger(__name__)

#: The named attribute that holds the reference of the current data node.
DATA_NODE = "dataNode"
#: The action that draws the progress page, and the attribute that tells it which task.
RENDER_PROGRESS = "renderProgress"
PROGRESS = "progress"
#: May be entered by a link, whatever its definition says.
DISPLAY = "@display"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Hold what a request asks of a process.

    `node` is the caller's own data node where the request bears a reference; `claims` says that the request submits
    its step, which only one may. `values` are the cleaned values of a form, uploaded files among them. `instance` is
    the one that is executed, if one is: its plan, and `caller` names it.
    """

    template: ProcessTemplate
    plan: Plan
    request: Request
    caller: Caller
    user: AbstractBaseUser | AnonymousUser
    node: DataNode | None = None
    claims: bool = False
    values: Mapping[str, object] = field(default_factory=dict)
    instance: ProcessInstance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a process answered, and its data for the page that shows it."""

    response: Response
    data: Mapping[str, JSON]


def published_plan(template: ProcessTemplate) -> Plan:
    """Return the plan that a template runs; raises NotPublishedError."""
    if template.published_plan_id is None:
        raise NotPublishedError("This process isn't published yet.")
    return load_plan(template.published_plan_id)


def check_entry(*, plan: Plan, action: JSON, node: DataNode | None) -> None:
    """Refuse what a link (a GET) may not enter.

    It may enter without an action, at an action marked safe, at `@display`, and anywhere when it bears the caller's own
    data reference; but not once more into work that a background run has taken over. Raises EntryRefusedError,
    ConflictError, and NotFoundError for an action that isn't declared.
    """
    if action is None or action == "":
        return
    place = find_entry(plan, action, outside=True)
    if isinstance(place, Nothing) or place == EXIT:
        return
    entered = plan.actions[place]
    if entered.safe or entered.name == DISPLAY:
        return
    if node is None:
        raise EntryRefusedError(
            "This step changes something, so only a form of the process may start it, not a link.", action=entered.name
        )
    if node.continued_in is not None:
        raise conflict(node)


def run_foreground(visit: Visit, *, entry: str | None = None) -> Answer:
    """Run the process, and return its answer; raises the error that it ended with.

    It enters where the request says, or at `entry`, which may be an action that no request can enter.

    Where the request submits a step, its revision is claimed first: ConflictError where somebody was quicker. After an
    error the claim is given back, with the data as it was, and the request's uploads are deleted: whoever sent the form
    can send it again.
    """
    node = visit.node
    if entry is None:
        _record_start(visit)
    if node is not None and visit.claims:
        node = claim_revision(caller=visit.caller, reference=node.reference, revision=node.revision)
    uploads: dict[str, JSON] = {}
    try:
        submitted = _store(visit, uploads)
        return _run(visit, node=node, submitted=submitted, uploads=uploads, entry=entry)
    except BaseException:
        if node is not None and visit.claims:
            give_back_claim(node=node)
        for upload in uploads.values():
            delete_file(upload)
        raise


def render_progress(*, visit: Visit, root_id: uuid.UUID) -> Answer:
    """Return what the process answers for the progress page; empty where it doesn't, or where its action fails."""
    app = Application(request=visit.request, user=_known(visit.user), attributes={PROGRESS: str(root_id)})
    host = DjangoHost(caller=visit.caller, plan=visit.plan)
    outcome = Interpreter.start(visit.plan, app=app, host=host, entry=f"{RENDER_PROGRESS}?", outside=False).run()
    if isinstance(outcome, Failed):
        # The page must show how the work is going, even where drawing it in the process's own way has failed.
        logger.error("renderProgress of %s failed: %s", visit.template.slug, outcome.error, exc_info=outcome.error)
        return Answer(response=Response(), data={})
    return Answer(response=app.response, data=app.data)


def _store(visit: Visit, uploads: dict[str, JSON]) -> dict[str, JSON]:
    """Return the form's values as JSON; files are stored, and their infos noted in `uploads` as soon as they are."""
    submitted: dict[str, JSON] = {}
    for name, value in visit.values.items():
        if isinstance(value, UploadedFile):
            uploads[name] = dict(
                store_file(
                    content=value,
                    name=value.name or "",
                    content_type=value.content_type or "",
                    caller=visit.caller,
                )
            )
            submitted[name] = uploads[name]
        else:
            submitted[name] = to_json(value)
    return submitted


def _run(
    visit: Visit,
    *,
    node: DataNode | None,
    submitted: Mapping[str, JSON],
    uploads: Mapping[str, JSON],
    entry: str | None,
) -> Answer:
    request = replace(visit.request, files=dict(uploads), revision=node.revision if node is not None else None)
    app = Application(
        data={**(node.data if node is not None else {}), **submitted},
        request=request,
        user=_known(visit.user),
        attributes=_attributes_of(node),
    )
    host = DjangoHost(caller=visit.caller, plan=visit.plan, submitted=submitted)
    # Keys for outside systems, and grants, hold for this execution only.
    app.execution = host.execution
    interpreter = Interpreter.start(
        visit.plan, app=app, host=host, entry=request.action if entry is None else entry, outside=entry is None
    )
    outcome = interpreter.run()
    if isinstance(outcome, Failed):
        if node is not None:
            # What this attempt has saved of the instance's Data is no reason to refuse the next one.
            node.based_on = app.get(LOADED_REVISION)
        raise outcome.error
    if isinstance(outcome, Suspended):
        _move_to_background(visit, node, app, interpreter)
    return Answer(response=app.response, data=app.data)


def _attributes_of(node: DataNode | None) -> dict[str, JSON]:
    if node is None:
        return {}
    loaded: dict[str, JSON] = {} if node.based_on is None else {LOADED_REVISION: node.based_on}
    return {DATA_NODE: node.reference, **loaded}


def _record_start(visit: Visit) -> None:
    """Note who submits what. A page that is merely opened is recorded where it lends authority or starts a run."""
    if visit.request.method in ("GET", "HEAD"):
        return
    entry = visit.request.action
    audit.record(
        "run.started" if visit.instance is None else "instance.executed",
        actor=audit.actor_of(_known(visit.user)),
        subject=visit.template if visit.instance is None else visit.instance,
        plan_hash=visit.plan.hash,
        details={
            "action": entry if isinstance(entry, str) else None,
            "how": "form" if visit.claims or visit.values else "page",
        },
    )


def _move_to_background(visit: Visit, node: DataNode | None, app: Application, interpreter: Interpreter) -> None:
    root_id = continue_in_background(
        app=app,
        interpreter=interpreter,
        template=visit.template,
        caller=visit.caller,
        node=node,
        title=str(visit.instance) if visit.instance is not None and visit.instance.title else "",
    )
    if app.response.is_empty:
        app.response.redirect = reverse("processes:progress", kwargs={"root_id": root_id})


def _known(user: AbstractBaseUser | AnonymousUser) -> AbstractBaseUser | None:
    return user if isinstance(user, AbstractBaseUser) and user.is_authenticated else None
