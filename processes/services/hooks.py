"""Taking what a webhook delivers: authentic, once, and without running anything.

A delivery is authentic where the trigger's secret has signed it (processes.domain.signatures). It is recognised by its
id, else by the digest of its body; what was signed with a time, but not with its id, by its signature too. Of two that
come at the same moment, the one waits for the other's transaction, and gets the same run.
"""

import hashlib
import logging
import math
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON, json_problems
from processes.domain.signatures import Delivery, Refusal, SignatureError, Verified, verify
from processes.errors import ProcessError
from processes.models import RecognisedBy, Trigger, TriggerFiring, TriggerKind
from processes.services.audit import Actor
from processes.services.errors import HookBusyError, HookIdleError, HookNotFoundError, TooLargeError
from processes.services.firing import begin, note_failure
from processes.services.trigger_secrets import keys_of
from tasks.domain.bounds import shorten
from tasks.domain.json_text import JsonFault, UnreadableJson, read_json
from tasks.domain.rate import Rate
from tasks.services import sql

__all__ = ["Receipt", "max_bytes", "receive", "too_large"]

logger = logging.getLogger(__name__)

#: What is stored of refused deliveries is the last one only, and at most so often.
REFUSAL_EVERY: Final = timedelta(seconds=10)
_DELIVERY_CHARS, _EVENT_CHARS = 200, 100
_MOST_FIELDS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Name the run that a delivery has started, now or when it came first."""

    run_id: uuid.UUID
    is_repeated: bool


def max_bytes() -> int:
    """Return how large a delivery may be (STEPLINE_HOOK_MAX_BYTES)."""
    return int(getattr(settings, "STEPLINE_HOOK_MAX_BYTES", 1024**2))


def too_large() -> TooLargeError:
    """Return the error for a delivery that is larger than that."""
    limit = max_bytes()
    return TooLargeError(_("A delivery has at most %(limit)d bytes.") % {"limit": limit}, fields={"limit_bytes": limit})


def receive(*, trigger_id: uuid.UUID, delivery: Delivery) -> Receipt:
    """Store the run that a delivery starts, unless it has come before, and return its id.

    Raises HookNotFoundError for what isn't there, is disabled or isn't authentic; `bad_request` for a body that can't
    be read; HookBusyError where the trigger's rate is used up; HookIdleError where its process can't be started, which
    the trigger's history explains: the delivery may come again later.
    """
    rows = Trigger.objects.filter(pk=trigger_id, kind=TriggerKind.WEBHOOK, enabled=True)
    trigger = rows.select_related("template", "user").first()
    if trigger is None:
        raise _not_found()
    now = timezone.now()
    try:
        verified = verify(
            delivery,
            style=trigger.style,
            keys=keys_of(trigger, now=now),
            now=now.timestamp(),
            tolerance_seconds=trigger.tolerance_seconds,
            signature_header=trigger.signature_header,
            id_header=trigger.delivery_header,
        )
    except SignatureError as error:
        _note_refusal(trigger, error.refusal)
        raise _not_found() from None
    parameters = _read(delivery)
    key, replay_key = _keys(trigger, delivery, verified)
    known = _known(trigger, key=key, replay_key=replay_key)
    if known is not None:
        return Receipt(run_id=known, is_repeated=True)
    _admit(trigger)
    event = delivery.headers.get("x-github-event", "")
    try:
        run_id = begin(
            trigger,
            key=key,
            replay_key=replay_key,
            how="webhook",
            actor=Actor(),
            parameters=parameters,
            facts={"delivery": shorten(verified.id, _DELIVERY_CHARS), "event": shorten(event, _EVENT_CHARS)},
            delivery=shorten(verified.id, _DELIVERY_CHARS),
        )
    except IntegrityError:
        # The same one at the same moment: it has been waited for.
        known = _known(trigger, key=key, replay_key=replay_key)
        if known is None and not rows.exists():
            # It was deleted meanwhile.
            raise _not_found() from None
        if known is None:
            raise
        return Receipt(run_id=known, is_repeated=True)
    except ProcessError as error:
        with translation.override(settings.LANGUAGE_CODE):
            # Under a key of its own: the same delivery may start it later.
            note_failure(trigger, error, key=f"failed:{uuid.uuid4().hex}")
        raise HookIdleError(_("Its process can't be started now. The history of the trigger says why.")) from error
    return Receipt(run_id=run_id, is_repeated=False)


def _not_found() -> HookNotFoundError:
    return HookNotFoundError(_("There is no such webhook, or the delivery isn't signed as it has to be."))


def _note_refusal(trigger: Trigger, refusal: Refusal) -> None:
    """Tell whoever sets the trigger up why nothing comes; anybody can send, so it is told only so often."""
    now = timezone.now()
    rows = Trigger.objects.filter(Q(refused_at=None) | Q(refused_at__lt=now - REFUSAL_EVERY), pk=trigger.pk)
    if rows.update(refused_at=now, refusal=refusal.value):
        logger.info("A delivery to the trigger %s was refused: %s.", trigger.pk, refusal.value)


def _keys(trigger: Trigger, delivery: Delivery, verified: Verified) -> tuple[str, str | None]:
    """Return by what a delivery is recognised; both are digests, however long or strange the id is."""
    if verified.id and trigger.recognised_by == RecognisedBy.ID:
        key = f"id:{hashlib.sha256(verified.id.encode(errors='surrogatepass')).hexdigest()}"
        return key, None if verified.is_id_signed or verified.signed is None else f"signed:{verified.signed}"
    return f"body:{hashlib.sha256(delivery.body).hexdigest()}", None


def _known(trigger: Trigger, *, key: str, replay_key: str | None) -> uuid.UUID | None:
    """Return the run that a delivery has started before."""
    same = Q(key=key) if replay_key is None else Q(key=key) | Q(replay_key=replay_key)
    rows = TriggerFiring.objects.filter(same, trigger=trigger, run__isnull=False)
    return rows.values_list("run_id", flat=True).first()


def _admit(trigger: Trigger) -> None:
    """Count a delivery against the trigger's rate; raises HookBusyError."""
    if not trigger.rate:
        return
    rate = Rate.parse(trigger.rate)
    with transaction.atomic():
        row = Trigger.objects.select_for_update(no_key=True).only("free_at").get(pk=trigger.pk)
        with connection.cursor() as cursor:
            now = sql.read_now(cursor)
        admitted, moment = rate.admit(now=now, free_at=row.free_at)
        if admitted:
            Trigger.objects.filter(pk=trigger.pk).update(free_at=moment)
            return
    seconds = max(1, math.ceil((moment - now).total_seconds()))
    raise HookBusyError(
        _("More has come than is taken at once. Send it again later."), fields={"retry_after_seconds": seconds}
    )


# -- what it brings ----------------------------------------------------------------------------------------------------


def _read(delivery: Delivery) -> dict[str, JSON]:
    """Return what a body holds as parameters: the fields of a form or an object; any other JSON as `body`."""
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not delivery.body.strip():
        return {}
    try:
        text = delivery.body.decode()
    except UnicodeDecodeError:
        raise _unreadable(_("The body isn't UTF-8.")) from None
    value: JSON = _read_form(text) if kind == "application/x-www-form-urlencoded" else _read_json(text)
    parameters: dict[str, JSON] = value if isinstance(value, dict) else {"body": value}
    if problems := json_problems(parameters, limit=1):
        raise _unreadable(f"{problems[0].path}: {problems[0].message}")
    return parameters


def _read_form(text: str) -> dict[str, JSON]:
    try:
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _unreadable(_("The form can't be read.")) from None
    return dict(fields)


def _read_json(text: str) -> JSON:
    try:
        return read_json(text)
    except UnreadableJson as error:
        if error.fault is JsonFault.DEPTH:
            raise _unreadable(_("The body nests too deep.")) from None
        raise _unreadable(_("The body is neither JSON nor a form.")) from None


def _unreadable(message: str) -> ProcessError:
    return ProcessError(message, code="bad_request")
