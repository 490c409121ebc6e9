"""Promise the reference of a data node that isn't stored yet: the first step of a process costs no write.

A form that is merely opened, or a page with buttons that post, bears a fresh reference and a promise. Whoever sends it
creates the data node under that reference, which is unique: a double click finds that there is one. The promise is a
signature with its time over the reference, what is executed and whose it is; it holds as long as a data node would have
lived. Its text is `<time>:<signature>` as django.core.signing writes them; what is signed, JSON in this order, isn't
part of it:

    [reference, template id, instance id, "user" | "session", user id | session key]
"""

import json
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from processes.models.data_node import new_reference
from processes.services.access import Caller
from processes.services.data_nodes import DEFAULT_HOURS, not_found

__all__ = ["Promise", "check_promise", "make_promise"]

_SIGNER = TimestampSigner(salt="processes.promise")
_MAX_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Hold a reference that is free, and the proof that it was given out."""

    reference: str
    token: str


def make_promise(*, caller: Caller) -> Promise:
    """Promise the caller a data node; raises DataNodeNotFoundError for one without identity."""
    owners = _owners(caller)
    if not owners:
        raise not_found()
    reference = new_reference()
    signed = _signed(caller, reference, owners[0])
    return Promise(reference=reference, token=_SIGNER.sign(signed).removeprefix(f"{signed}:"))


def check_promise(*, caller: Caller, reference: str, token: str) -> None:
    """Raise DataNodeNotFoundError unless the reference was promised to the caller, and not too long ago.

    What was promised to somebody before they signed in is theirs afterwards.
    """
    lifetime = timedelta(hours=float(getattr(settings, "STEPLINE_DATA_NODE_HOURS", DEFAULT_HOURS)))
    for owner in _owners(caller) if len(token) <= _MAX_CHARS else ():
        try:
            _SIGNER.unsign(f"{_signed(caller, reference, owner)}:{token}", max_age=lifetime)
        except BadSignature:
            continue
        return
    raise not_found()


def _owners(caller: Caller) -> list[tuple[str, int | str]]:
    owners: list[tuple[str, int | str]] = [] if caller.user_id is None else [("user", caller.user_id)]
    return [*owners, ("session", caller.session_key)] if caller.session_key else owners


def _signed(caller: Caller, reference: str, owner: tuple[str, int | str]) -> str:
    instance = None if caller.instance_id is None else str(caller.instance_id)
    return json.dumps([reference, caller.template_id, instance, *owner])
