"""Persisted process data: bound to its owner, expiring, and with a revision that lets one submitter win.

A form carries the reference and the revision that it was made from. Whoever sends it claims the revision first, by one
compare-and-swap; where two tabs send the same step, the second finds a newer revision and gets a ConflictError. The
first form of a process has a reference that was only promised (processes.services.promises): whoever claims it creates
the node. A reference that is forged, foreign, of another template or instance, expired or malformed just is not found.

Beside the data of the process a node keeps in `entered` what was typed and isn't part of that data yet
(processes.services.drafts writes it).

That is how temporary nodes live. A context node is an instance's Data: it is read and written while that instance is
executed, by whoever may execute it, and its reference opens it to nobody else. Whoever saves it after somebody else has
done so since they loaded it gets a StaleDataError: nothing that was saved is overwritten unseen.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, DateTimeField, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.data_changes import data_changes
from processes.domain.json_values import JSON
from processes.models import DataNode, DataNodeKind, EventKind, ProcessInstance
from processes.services.access import Caller, owned_by
from processes.services.doer import Doer
from processes.services.errors import ConflictError, DataNodeNotFoundError, StaleDataError
from processes.services.file_ownership import adopt_files
from processes.services.instance_history import note_event

logger = logging.getLogger(__name__)

#: The attribute that holds the reference of the current data node.
DATA_NODE = "dataNode"
#: The attribute that tells which revision of the executed instance's Data was loaded, or saved, last.
LOADED_REVISION = "dataRevision"
DEFAULT_HOURS = 24
_REFERENCE_CHARS = 22
_CLEARED_AT_ONCE = 20


def create_data_node(
    *,
    caller: Caller,
    data: Mapping[str, JSON],
    step: str = "",
    kept: timedelta | None = None,
    based_on: int | None = None,
) -> DataNode:
    """Store `data` for the caller under a new reference; raises DataNodeNotFoundError for one without identity.

    It lives for `kept`; by default STEPLINE_DATA_NODE_HOURS, 24 where that isn't set. `based_on` is the revision of the
    instance's Data that it began with, if it did.
    """
    if caller.user_id is None and not caller.session_key:
        raise DataNodeNotFoundError("Data can only be kept for a user or a session.")
    _clear_away_expired()
    node = DataNode.objects.create(
        **_whose(caller),
        data=dict(data),
        step=step,
        based_on=based_on,
        expires_at=timezone.now() + kept if kept is not None else _new_expiry(),
    )
    adopt_files(dict(data), caller=caller, owner=node)
    return node


def promised_node(*, caller: Caller, reference: str) -> DataNode:
    """Return the node of a form that nobody has sent yet: it is at revision 0, and stored by the first claim."""
    return DataNode(**_whose(caller), reference=reference, revision=0)


def load_data_node(*, caller: Caller, reference: str) -> DataNode:
    """Return the caller's data node; raises DataNodeNotFoundError."""
    node = find_data_node(caller=caller, reference=reference)
    if node is None:
        raise not_found()
    return node


def find_data_node(*, caller: Caller, reference: str) -> DataNode | None:
    """Return the caller's data node, or None."""
    return _mine(caller, reference).first()


def save_data_node(
    *,
    caller: Caller,
    reference: str,
    data: Mapping[str, JSON],
    step: str | None = None,
    based_on: int | None = None,
) -> DataNode:
    """Store `data` under an existing reference and extend its life; raises DataNodeNotFoundError."""
    # One that was made to live longer, as a result is, keeps its time.
    renewed = _new_expiry()
    expiry = Case(When(expires_at__lt=renewed, then=Value(renewed, output_field=DateTimeField())), default="expires_at")
    changes: dict[str, object] = {"data": dict(data), "expires_at": expiry, "updated_at": timezone.now()}
    changes["based_on"] = based_on
    if step is not None:
        changes["step"] = step
    if not _mine(caller, reference).update(**changes):
        raise not_found()
    node = load_data_node(caller=caller, reference=reference)
    adopt_files(dict(data), caller=caller, owner=node)
    return node


def claim_revision(*, caller: Caller, node: DataNode, **changes: object) -> DataNode:
    """Claim a step: raise the revision from the one that `node` has by one, and return the node as it stands then.

    `changes` are columns that are written by the same statement. Raises ConflictError where somebody was first,
    DataNodeNotFoundError where there is nothing to claim.
    """
    return _advance(caller, node, by=1, changes=changes)


def note(*, caller: Caller, node: DataNode, **changes: object) -> DataNode:
    """Write columns beside the data and leave the revision as it is, if nobody has claimed it; raises as a claim."""
    return _advance(caller, node, by=0, changes=changes)


def give_back_claim(*, node: DataNode, keeps_revision: bool = False) -> bool:
    """Undo a claim whose run failed, with the data as `node` holds it; return whether it was ours still.

    What was typed stays. `keeps_revision` leaves the number raised: the claim has changed something that forms of the
    former revision know nothing of.
    """
    mine = DataNode.objects.filter(pk=node.pk, revision=node.revision, continued_in__isnull=True)
    before = {"data": node.data, "step": node.step, "based_on": node.based_on}
    revision = node.revision if keeps_revision else node.revision - 1
    return bool(mine.update(revision=revision, updated_at=timezone.now(), **before))


def hand_over(*, node: DataNode, root_id: uuid.UUID, is_given_up: bool = False) -> None:
    """Record that a background run took the data over; raises ConflictError where another one has already.

    Call it in the transaction that stores the run: of two requests that start the same work, one commits. A run that
    has let go of the node itself (`is_given_up`) has no quarrel with its being deleted, or having become an instance.
    """
    taken = DataNode.objects.filter(pk=node.pk, revision=node.revision, continued_in__isnull=True).update(
        continued_in=root_id, updated_at=timezone.now()
    )
    if taken:
        return
    now = DataNode.objects.filter(pk=node.pk).first()
    if is_given_up and (now is None or _became_instance(now)):
        return
    raise not_found() if now is None else conflict(now)


def delete_data_node(*, caller: Caller, reference: str) -> bool:
    """Delete the caller's data node, with the files that belong to it; return whether there was one."""
    return delete_node_among(_mine(caller, reference))


def delete_node_among(rows: QuerySet[DataNode]) -> bool:
    """Delete the one node of `rows`, if it is there; return whether it was.

    Where a promise of its reference may still hold, an empty row that is nobody's stays for so long: else a form that
    was sent before could be sent once more, and would make the deleted node anew.
    """
    with transaction.atomic():
        node = rows.select_for_update().first()
        if node is None:
            return False
        reference, template_id, created_at = node.reference, node.template_id, node.created_at
        node.delete()
        until = created_at + (_new_expiry() - timezone.now())
        if until > timezone.now():
            DataNode.objects.create(reference=reference, template_id=template_id, expires_at=until)
    return True


def create_context_node(*, instance: ProcessInstance, data: Mapping[str, JSON]) -> DataNode:
    """Store the Data that an instance begins with: it is the instance's, and stays when its owner is deleted."""
    return DataNode.objects.create(
        kind=DataNodeKind.CONTEXT, instance=instance, template_id=instance.template_id, data=dict(data)
    )


def load_context_node(instance_id: uuid.UUID) -> DataNode:
    """Return the Data of the instance that is being executed; raises DataNodeNotFoundError where it is gone."""
    node = _context(instance_id).first()
    if node is None:
        raise not_found()
    return node


def save_context_node(
    instance_id: uuid.UUID,
    *,
    data: Mapping[str, JSON],
    doer: Doer,
    based_on: int | None = None,
    caller: Caller | None = None,
) -> DataNode:
    """Replace the Data of the instance that is being executed, and return the node; its history tells what changed.

    `based_on` is the revision that was loaded; None replaces whatever is there. The `caller`'s files that the data
    names belong to the instance then. Raises StaleDataError where it has been saved since, DataNodeNotFoundError where
    it is gone. Saving the same once more, as a step does that is repeated because its worker died, is no conflict.
    """
    with transaction.atomic():
        # Before the node: whoever deletes an instance locks it first, and its history is added to here.
        ProcessInstance.objects.select_for_update(no_key=True).filter(pk=instance_id).values_list("pk").first()
        node = _context(instance_id).select_for_update().first()
        if node is None:
            raise not_found()
        is_stale = based_on is not None and node.revision != based_on
        changes = data_changes(node.data, data)
        if is_stale and changes:
            raise _stale(node, based_on)
        if is_stale:
            return node
        node.data, node.revision, node.updated_at = dict(data), node.revision + 1, timezone.now()
        node.save(update_fields=["data", "revision", "updated_at"])
        if changes:
            note_event(instance_id, EventKind.DATA, doer=doer, changes=changes)
        if caller is not None:
            adopt_files(dict(data), caller=caller, owner=node)
    return node


def is_context_node(reference: str, *, instance_id: uuid.UUID | None) -> bool:
    """Tell whether a reference is that of the executed instance's own Data."""
    return instance_id is not None and _context(instance_id).filter(reference=reference).exists()


def conflict(node: DataNode) -> ConflictError:
    """Return the error that tells how things stand with `node`."""
    # Told by their times, not by a column of its own: the draft was the last thing that happened.
    was_drafted = node.drafted_at is not None and node.updated_at - node.drafted_at < timedelta(seconds=1)
    if node.continued_in is not None:
        message = _("This step was submitted before, and the work goes on in the background.")
    elif was_drafted:
        message = _("The form was saved as a draft in another window, after you opened it here.")
    else:
        message = _("This step was submitted before, in another window or by a second click.")
    continued_in = str(node.continued_in) if node.continued_in else None
    fields = {
        "reference": node.reference,
        "step": node.step,
        "continued_in": continued_in,
        "at": node.updated_at.isoformat(),
        "drafted": was_drafted and node.continued_in is None,
    }
    if _became_instance(node):
        message, fields["instance"] = _("This was submitted before, and is done."), continued_in
    return ConflictError(message, fields=fields)


def owned_nodes(caller: Caller, reference: str) -> QuerySet[DataNode]:
    """Return the caller's temporary node of that reference, whatever is executed: one row, or none."""
    if len(reference) != _REFERENCE_CHARS or not reference.isascii() or "\0" in reference:
        return DataNode.objects.none()
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return DataNode.objects.filter(owned_by(caller), alive, kind=DataNodeKind.TEMPORARY, reference=reference)


def not_found() -> DataNodeNotFoundError:
    """Return the one error for all references that lead nowhere."""
    return DataNodeNotFoundError("There is no such data, it isn't yours, or it has expired.")


def _stale(node: DataNode, based_on: int | None) -> StaleDataError:
    return StaleDataError(
        _(
            "Somebody else has saved this after you opened it. Nothing of yours was saved: open it again, and "
            "repeat what you changed."
        ),
        fields={"expected": based_on, "revision": node.revision},
    )


def _became_instance(node: DataNode) -> bool:
    return node.continued_in is not None and ProcessInstance.objects.filter(pk=node.continued_in).exists()


def _advance(caller: Caller, node: DataNode, *, by: int, changes: Mapping[str, object]) -> DataNode:
    if node.pk is None and _create_promised(node, revision=node.revision + by, changes=changes):
        return load_data_node(caller=caller, reference=node.reference)
    mine = _mine(caller, node.reference)
    written = mine.filter(revision=node.revision, continued_in__isnull=True).update(
        revision=node.revision + by, updated_at=timezone.now(), **changes
    )
    if not written:
        now = mine.first()
        # A revision that the node never had was made up, not overtaken.
        if now is None or not 0 <= node.revision <= now.revision:
            raise not_found()
        raise conflict(now)
    return load_data_node(caller=caller, reference=node.reference)


def _create_promised(node: DataNode, *, revision: int, changes: Mapping[str, object]) -> bool:
    """Store a node that was only promised; return False where somebody has done so before."""
    _clear_away_expired()
    columns = {"expires_at": _new_expiry(), **changes}
    try:
        with transaction.atomic():
            DataNode.objects.create(
                reference=node.reference,
                template_id=node.template_id,
                instance_id=node.instance_id,
                owner_id=node.owner_id,
                session_key=node.session_key,
                revision=revision,
                **columns,
            )
    except IntegrityError:
        return False
    return True


def _whose(caller: Caller) -> dict[str, object]:
    return {
        "template_id": caller.template_id,
        "instance_id": caller.instance_id,
        "owner_id": caller.user_id,
        "session_key": "" if caller.user_id is not None else caller.session_key,
    }


def _mine(caller: Caller, reference: str) -> QuerySet[DataNode]:
    return owned_nodes(caller, reference).filter(template_id=caller.template_id, instance_id=caller.instance_id)


def _context(instance_id: uuid.UUID) -> QuerySet[DataNode]:
    return DataNode.objects.filter(kind=DataNodeKind.CONTEXT, instance_id=instance_id)


def _clear_away_expired() -> None:
    """Make room for a new node: expired ones never pile up, and no request deletes many."""
    expired = DataNode.objects.filter(expires_at__lt=timezone.now()).order_by("expires_at")
    if not expired.exists():
        return
    try:
        with transaction.atomic():
            # Locked, none of them can be prolonged in between; what somebody is at work on stays.
            keys = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_CLEARED_AT_ONCE])
            DataNode.objects.filter(pk__in=keys).delete()
    except Exception:
        # Whoever wants to keep data must not fail at what somebody else has left; the purge job tells operators.
        logger.warning("Expired data nodes could not be cleared away.", exc_info=True)


def _new_expiry() -> datetime:
    return timezone.now() + timedelta(hours=float(getattr(settings, "STEPLINE_DATA_NODE_HOURS", DEFAULT_HOURS)))
