"""Run a process inside a web request.

Who may enter where is decided first (`check_entry`), then the step is claimed where the request goes on with stored
data, then the plan runs. A run that must wait, or asks for it, goes on in the background.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from processes.domain.application import Application
from processes.domain.directives import Failed, Suspended
from processes.domain.entry import Nothing, find_entry
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.plan import EXIT, Plan
from processes.domain.request import Request
from processes.domain.response import Response
from processes.errors import NotFoundError
from processes.models import DataNode, EventKind, ProcessInstance, ProcessTemplate
from processes.services import audit
from processes.services.access import Caller
from processes.services.background import continue_in_background
from processes.services.data_nodes import DATA_NODE, LOADED_REVISION, claim_revision, conflict, give_back_claim
from processes.services.derivation import load_plan
from processes.services.doer import Doer
from processes.services.drafts import end_draft
from processes.services.entered import (
    Entry,
    Kept,
    Uploads,
    delete_replaced_files,
    drop_entered,
    entered_in,
    keep_entered,
)
from processes.services.errors import EntryRefusedError, InstanceNotFoundError, NotPublishedError
from processes.services.files import delete_file, is_file_info
from processes.services.host import DjangoHost
from processes.services.instance_history import note_event
from processes.services.offers import check_offered

__all__ = ["DISPLAY", "Answer", "Visit", "check_entry", "published_plan", "run_foreground"]

#: May be entered by a link, whatever its definition says.
DISPLAY = "@display"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Hold what a request asks of a process.

    `node` is the caller's own data node where the request bears a reference (for a first step, a promised one; where
    the request itself names no data, it is claimed and nothing else); `claims` says that the request submits its step,
    which only one may. `values` are the cleaned values of a form, uploaded files among them, and `entered` is the form
    as it was typed. `instance` is the one that is executed, if one is: its plan, and `caller` names it.
    """

    template: ProcessTemplate
    plan: Plan
    request: Request
    caller: Caller
    user: AbstractBaseUser | AnonymousUser
    node: DataNode | None = None
    claims: bool = False
    values: Mapping[str, object] = field(default_factory=dict)
    entered: Entry | None = None
    instance: ProcessInstance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a process answered, and its data for the page that shows it; `run_id` where a run goes on with it."""

    response: Response
    data: Mapping[str, JSON]
    run_id: uuid.UUID | None = None


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
            _("This step changes something, so only a form of the process may start it, not a link."),
            action=entered.name,
        )
    if node.continued_in is not None:
        raise conflict(node)


def run_foreground(visit: Visit, *, entry: str | None = None) -> Answer:
    """Run the process, and return its answer; raises the error that it ended with.

    It enters where the request says, or at `entry`, which may be an action that no request can enter.

    Where the request submits a step, its revision is claimed first, by the statement that keeps what was typed:
    ConflictError where somebody was quicker. After an error the claim is given back, with the data as it was; what was
    typed and uploaded stays with the form, to be sent again. Where this process dies meanwhile, it is there too.
    """
    if entry is None:
        _record_start(visit, enters=_check_offered(visit))
    kept = _claim(visit)
    node, uploads = (
        (kept.node, kept.uploads) if kept is not None else (visit.node, Uploads(caller=visit.caller, node=None))
    )
    try:
        submitted = {name: uploads.to_json(value) for name, value in visit.values.items()}
        answer = _run(visit, node=node, submitted=submitted, entry=entry)
    except BaseException:
        if kept is not None:
            give_back_claim(node=kept.node, keeps_revision=kept.has_other_files)
            _delete_replaced_files(visit, kept)
        else:
            for info in uploads.infos:
                delete_file(info)
        raise
    if kept is not None:
        _settle(visit, kept, answer)
    return answer


def _claim(visit: Visit) -> Kept | None:
    """Claim the step that the request submits, if it does; what was typed is kept by the same statement."""
    node = visit.node
    if node is None or not visit.claims:
        return None
    if visit.entered is None:
        node = claim_revision(caller=visit.caller, node=node)
        return Kept(node=node, uploads=Uploads(caller=visit.caller, node=node))
    return keep_entered(caller=visit.caller, node=node, entry=visit.entered, columns={"step": visit.entered.form})


def _settle(visit: Visit, kept: Kept, answer: Answer) -> None:
    """Tidy up beside the data once a submitted form has done its work."""
    if visit.entered is None:
        return
    node = kept.node
    drop_entered(node=node, form=visit.entered.form)
    if node.drafted_at is not None and not _goes_on(node, answer.response):
        end_draft(node=node)
    _delete_replaced_files(visit, kept)


def _goes_on(node: DataNode, response: Response) -> bool:
    """Tell whether an answer leads to another step with the same data."""
    shown = response.form is not None and response.form.get("data") == node.reference
    return shown or node.reference in (response.redirect or "")


def _delete_replaced_files(visit: Visit, kept: Kept) -> None:
    if visit.entered is not None and visit.node is not None:
        before = {name: visit.node.data.get(name) for name in visit.entered.typed}
        delete_replaced_files(node=kept.node, candidates=[before, dict(entered_in(visit.node, visit.entered.form))])


def _run(
    visit: Visit,
    *,
    node: DataNode | None,
    submitted: Mapping[str, JSON],
    entry: str | None,
) -> Answer:
    files = {name: value for name, value in submitted.items() if _holds_files(value)}
    # A node may be claimed, and yet be no data that the request brings.
    brought = node if visit.request.data_reference is not None else None
    request = replace(visit.request, files=files, revision=brought.revision if brought is not None else None)
    app = Application(
        data={**(node.data if node is not None else {}), **submitted},
        request=request,
        user=_known(visit.user),
        attributes=_attributes_of(brought),
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
    run_id = _move_to_background(visit, node, app, interpreter) if isinstance(outcome, Suspended) else None
    return Answer(response=app.response, data=app.data, run_id=run_id)


def _holds_files(value: JSON) -> bool:
    return is_file_info(value) or (isinstance(value, list) and any(is_file_info(item) for item in value))


def _attributes_of(node: DataNode | None) -> dict[str, JSON]:
    if node is None:
        return {}
    loaded: dict[str, JSON] = {} if node.based_on is None else {LOADED_REVISION: node.based_on}
    return {DATA_NODE: node.reference, **loaded}


def _check_offered(visit: Visit) -> bool:
    """Refuse an action of an instance that its status rules don't offer to whoever asks, at this moment.

    Returns whether the request enters anything.
    """
    if visit.instance is None:
        return True
    try:
        place = find_entry(visit.plan, visit.request.action, outside=True)
    except NotFoundError:
        return False  # The run tells, to its `@error` too.
    if not isinstance(place, Nothing) and place != EXIT:
        check_offered(visit.instance, user=visit.user, action=visit.plan.actions[place].name)
    return True


def _record_start(visit: Visit, *, enters: bool) -> None:
    """Note who submits what. A page that is merely opened is recorded where it lends authority or starts a run.

    The history of an instance tells what was done with it: not that somebody has asked for what isn't there.
    """
    if visit.request.method in ("GET", "HEAD"):
        return
    entry = visit.request.action
    if visit.instance is not None and enters:
        doer = Doer(actor=audit.actor_of(_known(visit.user)), action=entry if isinstance(entry, str) else "")
        try:
            with transaction.atomic():
                note_event(visit.instance.pk, EventKind.EXECUTED, doer=doer)
        except IntegrityError as error:
            raise InstanceNotFoundError("There is no such instance any more.") from error
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


def _move_to_background(visit: Visit, node: DataNode | None, app: Application, interpreter: Interpreter) -> uuid.UUID:
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
    return root_id


def _known(user: AbstractBaseUser | AnonymousUser) -> AbstractBaseUser | None:
    return user if isinstance(user, AbstractBaseUser) and user.is_authenticated else None
