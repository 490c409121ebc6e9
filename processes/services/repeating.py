"""Trying again: a run that failed, or was cancelled, is begun anew from where its background work began.

The new run has a tree of its own, which belongs to the same owner, and the data, plan and rights that the first one
began with. Everything that was done is done again: a `once` action that has begun stands in the way. A run is repeated
at most once, by the row that says which run it repeats; whoever asks second, or at the same moment, gets the same one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.utils.translation import gettext as _

from processes.domain.application import STORED_USER
from processes.domain.origin import begin_anew, spent_actions
from processes.domain.rewinding import outer_plan
from processes.models import Run
from processes.services import audit
from processes.services.access import executable_by
from processes.services.authority import user_of_authority
from processes.services.errors import AuthorityError, NotRepeatableError
from processes.services.executions import next_execution, open_execution
from processes.services.grants import SCOPES, check_grant
from processes.services.host import CREDENTIALS
from processes.services.indicators import spoken
from processes.services.instance_access import may_execute_instance
from processes.services.kept_pieces import spent_below
from tasks.domain.statuses import NodeStatus
from tasks.errors import TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer, owns

__all__ = ["Repetition", "Standing", "repeat_run", "standing_of"]

User = AbstractBaseUser | AnonymousUser

#: How trees end that may be tried again.
_ENDED_BADLY = frozenset({NodeStatus.FAILED.value, NodeStatus.CANCELLED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Say whether somebody may try a run again: offered, refused for a reason, or done already."""

    offered: bool = False
    #: Why not, for whoever asked; empty where there is nothing to say.
    refused: str = ""
    #: The run that repeats it.
    repeated_as: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """Name the run that repeats another, and say whether it has begun only now."""

    run_id: uuid.UUID
    is_new: bool


def standing_of(root: TaskRoot, *, viewer: Viewer, user: User) -> Standing:
    """Return whether `viewer` may try again what ended as `root`: only its owner may, and only after a bad end."""
    if not root.closed or root.status not in _ENDED_BADLY or not owns(viewer, root):
        return Standing()
    run = Run.objects.select_related("root", "instance").filter(pk=root.pk).first()
    if run is None:
        return Standing()
    repeated_as = next_execution(run)
    if repeated_as is not None:
        return Standing(repeated_as=repeated_as)
    refused = _refusal(run, user)
    return Standing(offered=not refused, refused=refused)


def repeat_run(*, run_id: uuid.UUID, viewer: Viewer, user: User) -> Repetition:
    """Begin a run anew, with its job, in one transaction; of two who ask, both get the one run.

    Raises TaskNotFound where there is no such run, or it isn't the viewer's own; NotRepeatableError, with a text for
    them, where it can't be repeated.
    """
    with transaction.atomic():
        # Whoever asks at the same moment waits here, and then finds what was begun; who purges it passes it over.
        Job.objects.select_for_update().filter(pk=run_id).values_list("pk").first()
        rows = Run.objects.select_for_update(of=("self",)).select_related("root", "template", "instance")
        run = rows.filter(pk=run_id).first()
        if run is None or not owns(viewer, run.root):
            raise TaskNotFound(_("There is no such run, or you may not see it."), task_id=str(run_id))
        repeated_as = next_execution(run)
        if repeated_as is not None:
            return Repetition(run_id=repeated_as, is_new=False)
        refused = _refusal(run, user)
        if refused:
            raise NotRepeatableError(refused)
        return Repetition(run_id=_begin(run, user), is_new=True)


def _refusal(run: Run, user: User) -> str:
    """Return why a run can't be repeated now; empty where it can."""
    if not run.root.closed:
        return _("This is still at work. It can be tried again once it has ended.")
    if run.root.status not in _ENDED_BADLY:
        return _("This has ended well: there is nothing to try again.")
    if run.fan_out_id is not None:
        return _("This is a part of something else, which can be tried again as a whole.")
    if run.origin is None:
        return _("This was begun by an older release, which didn't keep what it began with. Please start again.")
    spent = spent_actions(run.origin)
    # Those of parts that nobody has waited for to their end.
    below = spent_below(run, after=int(run.origin["cursor"]["ordinal"]))
    if spent := spent or [name for _step, names in sorted(below.items()) for name in names]:
        return _(
            "The step “%(step)s” must not be done twice, and it was done, or nobody knows whether it was. Please find "
            "out how things stand before you start again."
        ) % {"step": spoken(spent[0])}
    if not _may_execute(run, user):
        return _("You may not start this process any more, or it isn't there any more.")
    if not _has_its_rights(run):
        return _("What it was allowed to do in somebody's name is over or was taken back. Please start again.")
    return ""


def _may_execute(run: Run, user: User) -> bool:
    if run.template_id is None:
        return False
    if run.instance is not None:
        known = user if isinstance(user, AbstractBaseUser) else None
        return may_execute_instance(known, run.instance)
    return executable_by(user).filter(pk=run.template_id).exists()


def _has_its_rights(run: Run) -> bool:
    """Tell whether all rights that were lent to a run when it began still hold."""
    assert run.origin is not None
    attributes = run.origin["attributes"]
    lent = [frame["authority"] for frame in run.origin["cursor"]["frames"] if frame.get("authority") is not None]
    if attributes.get(STORED_USER) is not None:
        lent.append(attributes[STORED_USER])
    for authority in lent:
        try:
            user_of_authority(authority, execution=str(run.pk), template_id=run.template_id)
        except AuthorityError:
            return False
    stored = attributes.get(CREDENTIALS)
    reference = stored.get("reference") if isinstance(stored, Mapping) else None
    return not isinstance(reference, str) or _grant_holds(reference, run)


def _grant_holds(reference: str, run: Run) -> bool:
    for scope in SCOPES:
        try:
            check_grant(reference, execution=str(run.pk), template_id=run.template_id, scope=scope)
        except AuthorityError:
            continue
        return True
    return False


def _begin(run: Run, user: User) -> uuid.UUID:
    """Open the execution that repeats `run`, which is locked, from its beginning, and return its id."""
    assert run.origin is not None
    actor = audit.actor_of(user if user.is_authenticated else None)
    origin = begin_anew(run.origin)
    plan_id = outer_plan(origin["cursor"]) or run.plan_id
    return open_execution(run, origin=origin, plan_id=plan_id, actor=actor, how="again").root_id
