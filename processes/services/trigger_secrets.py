"""The secrets with which webhooks are signed: drawn or entered, shown once, kept encrypted, replaced in two steps."""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.signatures import PREFIX, key_of
from processes.errors import DefinitionError, Problem
from processes.models import Trigger
from processes.services.audit import actor_of, record
from processes.services.errors import SecretUnreadableError
from processes.services.secrets import decrypt, encrypt
from processes.services.trigger_rules import User
from processes.services.triggers import check_may_change

__all__ = ["MAX_KEEP_HOURS", "keys_of", "set_secret"]

#: How long the old secret may stay valid beside the new one.
MAX_KEEP_HOURS: Final = 168
_SECRET_BYTES, _MAX_CHARS = 32, 200


@transaction.atomic
def set_secret(*, trigger: Trigger, editor: User, given: str = "", keep_hours: float = 0) -> str:
    """Replace a trigger's secret by a given one, or by a new one that is drawn, and return it: it is shown once.

    The old one stays valid for `keep_hours`, so that its sender can be told in peace; an older one never. Raises
    TriggerRefusedError, and DefinitionError for a given secret that isn't right for the trigger's style.
    """
    stored = Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
    check_may_change(stored, editor=editor)
    if not 0 <= keep_hours <= MAX_KEEP_HOURS:
        raise DefinitionError([Problem("/keep_hours", _("That is up to %(most)d hours.") % {"most": MAX_KEEP_HOURS})])
    secret = given or PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    try:
        key_of(stored.style, secret)
        if len(secret) > _MAX_CHARS or not secret.isascii() or not secret.isprintable():
            raise ValueError("A secret is made of up to 200 printable ASCII characters")
    except ValueError as error:
        raise DefinitionError([Problem("/given", _wrong(stored.style))]) from error
    now = timezone.now()
    keeps = bool(stored.secret) and keep_hours > 0
    stored.previous_secret = stored.secret if keeps else ""
    stored.previous_until = now + timedelta(hours=keep_hours) if keeps else None
    stored.secret, stored.secret_set_at = encrypt(secret), now
    stored.refusal, stored.refused_at = "", None
    stored.save(update_fields=["secret", "secret_set_at", "previous_secret", "previous_until", "refusal", "refused_at"])
    record(
        "trigger.secret_set",
        actor=actor_of(editor),
        subject=stored,
        details={"drawn": not given, "old_valid_until": None if not keeps else str(stored.previous_until)},
    )
    return secret


def keys_of(trigger: Trigger, *, now: datetime) -> list[bytes]:
    """Return the keys of the secrets that are valid now; none where there is none, or none can be read."""
    keys = []
    is_kept = trigger.previous_until is not None and trigger.previous_until > now
    for ciphertext in (trigger.secret, trigger.previous_secret if is_kept else ""):
        if not ciphertext:
            continue
        try:
            keys.append(key_of(trigger.style, decrypt(ciphertext, name=trigger.title, what="trigger").reveal()))
        except (SecretUnreadableError, ValueError):
            # Encrypted under a key that is gone, or set for another style: the other one may be right.
            continue
    return keys


def _wrong(style: str) -> str:
    if style == "standard":
        return _("Write a secret of Standard Webhooks: whsec_, and at least 16 bytes in base64.")
    return _("Write a secret of 16 to 200 printable characters.")
