"""Putting a new encryption key into force: every stored secret is encrypted anew, all or none."""

from django.db import transaction
from django.utils import timezone

from processes.models import Trigger
from processes.services.audit import SYSTEM, Actor, record
from processes.services.connections import rotate_secrets
from processes.services.secrets import reencrypt

__all__ = ["rotate_all_secrets"]


@transaction.atomic
def rotate_all_secrets(*, actor: Actor = SYSTEM) -> int:
    """Encrypt the secrets of connections and triggers anew, under the first key, and return how many there are.

    Raises SecretUnreadableError, naming what it belongs to, where no key fits; then nothing is changed.
    """
    return rotate_secrets(actor=actor) + _rotate_triggers(actor)


def _rotate_triggers(actor: Actor) -> int:
    # What is valid no more needn't be readable.
    over = Trigger.objects.exclude(previous_secret="").filter(previous_until__lt=timezone.now())
    over.update(previous_secret="", previous_until=None)
    count = 0
    for trigger in Trigger.objects.select_for_update(no_key=True).exclude(secret="").order_by("pk"):
        columns = {
            name: reencrypt(ciphertext, name=trigger.title, what="trigger")
            for name in ("secret", "previous_secret")
            if (ciphertext := getattr(trigger, name))
        }
        Trigger.objects.filter(pk=trigger.pk).update(**columns)
        record("trigger.rotated", actor=actor, subject=trigger)
        count += len(columns)
    return count
