"""Persisted process data: bound to its owner, expiring, and with a revision that lets one submitter win.

A form carries the reference and the revision that it was made from. Whoever submits it claims the revision first, by
one compare-and-swap; where two tabs submit the same step, the second finds a newer revision and gets a ConflictError. A
reference that is forged, foreign, of another template or instance, expired or malformed is simply not found.

That is how temporary nodes live. A context node is an instance's Data: it is read and written while that instance is
executed, by whoever may execute it, and its reference opens it to nobody else. Whoever saves it after somebody else has
done so since they loaded it gets a StaleDataError: nothing that was saved is overwritten unseen.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.models import DataNode, DataNodeKind, ProcessInstance
from processes.services.access import Caller, owned_by
from processes.services.errors import ConflictError, DataNodeNotFoundError, StaleDataError

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
    return DataNode.objects.create(
        template_id=caller.template_id,
        instance_id=caller.instance_id,
        owner_id=caller.user_id,
        session_key="" if caller.user_id is not None else caller.session_key,
        data=dict(data),
        step=step,
        based_on=based_on,
        expires_at=timezone.now() + kept if kept is not None else _new_expiry(),
    )


def load_data_node(*, caller: Caller, reference: str) -> DataNode:
    """Return the caller's data node; raises DataNodeNotFoundError."""
    node = _mine(caller, reference).first()
    if node is None:
        raise _not_found()
    return node


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
        raise _not_found()
    return load_data_node(caller=caller, reference=reference)


def claim_revision(*, caller: Caller, reference: str, revision: int) -> DataNode:
    """Claim a step: raise the revision from `revision` by one, or refuse.

    Raises ConflictError where somebody was first, DataNodeNotFoundError where there is nothing to claim.
    """
    mine = _mine(caller, reference)
    if not mine.filter(revision=revision, continued_in__isnull=True).update(
        revision=revision + 1, updated_at=timezone.now()
    ):
        node = mine.first()
        # A revision that the node never had was made up, not overtaken.
        if node is None or revision > node.revision or revision < 1:
            raise _not_found()
        raise conflict(node)
    return load_data_node(caller=caller, reference=reference)


def give_back_claim(*, node: DataNode) -> bool:
    """Undo a claim whose run failed, with the data as `node` holds it; return whether it was ours still."""
    mine = DataNode.objects.filter(pk=node.pk, revision=node.revision, continued_in__isnull=True)
    before = {"data": node.data, "step": node.step, "based_on": node.based_on}
    return bool(mine.update(revision=node.revision - 1, updated_at=timezone.now(), **before))


def hand_over(*, node: DataNode, root_id: uuid.UUID) -> None:
    """Record that a background run took the data over; raises ConflictError where another one has already.

    Call it in the transaction that stores the run: of two requests that start the same work, one commits.
    """
    taken = DataNode.objects.filter(pk=node.pk, revision=node.revision, continued_in__isnull=True).update(
        continued_in=root_id, updated_at=timezone.now()
    )
    if not taken:
        node.refresh_from_db()
        raise conflict(node)


def delete_data_node(*, caller: Caller, reference: str) -> bool:
    """Delete the caller's data node; return whether there was one."""
    return bool(_mine(caller, reference).delete()[0])


def create_context_node(*, instance: ProcessInstance, data: Mapping[str, JSON]) -> DataNode:
    """Store the Data that an instance begins with."""
    return DataNode.objects.create(
        kind=DataNodeKind.CONTEXT,
        instance=instance,
        template_id=instance.template_id,
        owner_id=instance.owner_id,
        data=dict(data),
    )


def load_context_node(instance_id: uuid.UUID) -> DataNode:
    """Return the Data of the instance that is being executed; raises DataNodeNotFoundError where it is gone."""
    node = _context(instance_id).first()
    if node is None:
        raise _not_found()
    return node


def save_context_node(instance_id: uuid.UUID, *, data: Mapping[str, JSON], based_on: int | None = None) -> DataNode:
    """Replace the Data of the instance that is being executed, and return the node.

    `based_on` is the revision that was loaded; None replaces whatever is there. Raises StaleDataError where it has been
    saved since, DataNodeNotFoundError where it is gone. Saving the same once more, as a step does that is repeated
    because its worker died, is no conflict.
    """
    rows = _context(instance_id)
    if based_on is not None:
        rows = rows.filter(revision=based_on)
    saved = rows.update(data=dict(data), revision=F("revision") + 1, updated_at=timezone.now())
    node = load_context_node(instance_id)
    if not saved and node.data != dict(data):
        raise StaleDataError(
            "Somebody else has saved this after you opened it. Nothing of yours was saved: open it again, and repeat "
            "what you changed.",
            fields={"expected": based_on, "revision": node.revision},
        )
    return node


def is_context_node(reference: str, *, instance_id: uuid.UUID | None) -> bool:
    """Tell whether a reference is that of the executed instance's own Data."""
    return instance_id is not None and _context(instance_id).filter(reference=reference).exists()


def conflict(node: DataNode) -> ConflictError:
    """Return the error that tells how things stand with `node`."""
    message = (
        "This step was submitted before, and the work goes on in the background."
        if node.continued_in
        else "This step was submitted before, in another window or by a second click."
    )
    continued_in = str(node.continued_in) if node.continued_in else None
    fields = {"reference": node.reference, "step": node.step, "continued_in": continued_in}
    return ConflictError(message, fields=fields)


def _mine(caller: Caller, reference: str) -> QuerySet[DataNode]:
    if len(reference) != _REFERENCE_CHARS or not reference.isascii() or "\0" in reference:
        return DataNode.objects.none()
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return DataNode.objects.filter(
        owned_by(caller),
        alive,
        kind=DataNodeKind.TEMPORARY,
        reference=reference,
        template_id=caller.template_id,
        instance_id=caller.instance_id,
    )


def _context(instance_id: uuid.UUID) -> QuerySet[DataNode]:
    return DataNode.objects.filter(kind=DataNodeKind.CONTEXT, instance_id=instance_id)


def _clear_away_expired() -> None:
    # Every new node makes room for itself: expired ones never pile up, and no request deletes many.
    expired = DataNode.objects.filter(expires_at__lt=timezone.now()).order_by("expires_at")
    keys = list(expired.values_list("pk", flat=True)[:_CLEARED_AT_ONCE])
    if keys:
        DataNode.objects.filter(pk__in=keys).delete()


def _not_found() -> DataNodeNotFoundError:
    return DataNodeNotFoundError("There is no such data, it isn't yours, or it has expired.")


def _new_expiry() -> datetime:
    return timezone.now() + timedelta(hours=float(getattr(settings, "STEPLINE_DATA_NODE_HOURS", DEFAULT_HOURS)))
