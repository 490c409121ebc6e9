"""Grants: a caller's credentials, lent to one execution of a process for a while.

A grant is a row that anybody can revoke who holds its reference inside the same execution, and that ends by itself. The
reference is no secret: it opens nothing outside the execution and the template that it was made in. What goes out to
another service is a token, made for one audience when it is sent, and never stored: `django.core.signing` over
`{"grant": reference, "audience": audience}` with a time stamp.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias, get_args

from django.contrib.auth.models import AbstractBaseUser
from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.models import Grant
from processes.services import audit
from processes.services.errors import AuthorityError
from tasks.domain.along import Change
from tasks.services import along_sql
from tasks.services.cursors import fixed_cursor

__all__ = [
    "DEFAULT_MINUTES",
    "MAX_MINUTES",
    "SCOPES",
    "TOKEN_SECONDS",
    "Scope",
    "check_grant",
    "create_grant",
    "move_grants",
    "revoke_grant",
    "token_for",
    "user_of_grant",
    "user_of_token",
]

#: "call": processes may run with the caller's rights; "http": requests may prove to a service who the caller is.
Scope: TypeAlias = Literal["call", "http"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_MINUTES: Final = 15
MAX_MINUTES: Final = 60
#: How long after it was made a token is accepted: it is meant for the request that carries it.
TOKEN_SECONDS: Final = 120

_SALT = "processes.grant"


def create_grant(
    *,
    user_id: int | str,
    template_id: int | None,
    execution: str,
    scopes: Sequence[Scope] = SCOPES,
    minutes: float = DEFAULT_MINUTES,
) -> Grant:
    """Lend a user's credentials to an execution, for at most MAX_MINUTES; raises ValueError for what isn't allowed."""
    if not 0 < minutes <= MAX_MINUTES or not set(scopes) <= set(SCOPES):
        raise ValueError(f"A grant lasts up to {MAX_MINUTES} minutes, and its scopes are among {', '.join(SCOPES)}.")
    expires_at = timezone.now() + timedelta(minutes=minutes)
    with transaction.atomic():
        grant = Grant.objects.create(
            user_id=user_id,
            template_id=template_id,
            execution=execution,
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        audit.record(
            "credentials.stored",
            actor=audit.actor_of_id(user_id),
            kind="grant",
            subject_id=grant.pk,
            details={"scopes": grant.scopes, "expires_at": expires_at.isoformat()},
        )
    return grant


def user_of_grant(reference: str, *, execution: str, template_id: int | None, scope: Scope) -> AbstractBaseUser:
    """Return the user who lent a grant; raises AuthorityError where it doesn't hold (any more), each time it is asked.

    One that was revoked, has expired, was made elsewhere or for something else, or by a user who is inactive now: all
    of them look the same.
    """
    grant = (
        _holding()
        .select_related("user")
        .filter(reference=str(reference)[:22], execution=execution, template_id=template_id)
        .first()
    )
    if grant is None or scope not in grant.scopes or not grant.user.is_active:
        raise _refusal()
    return grant.user


def check_grant(reference: str, *, execution: str, template_id: int | None, scope: Scope) -> None:
    """Raise AuthorityError unless an execution may use a grant for `scope`."""
    user_of_grant(reference, execution=execution, template_id=template_id, scope=scope)


def move_grants(*, execution: str, to: str) -> None:
    """Let an execution's grants be those of the run that carries it on, in the transaction that stores the run."""
    with fixed_cursor() as cursor:
        along_sql.write(cursor, [moving_grants(execution=execution, to=to)])


def moving_grants(*, execution: str, to: str) -> Change:
    """Return the same as a change that is written along with the run."""
    return Change(Grant._meta.db_table, ("execution",), "execution = %s AND revoked_at IS NULL", [to, execution])


def revoke_grant(reference: str, *, execution: str) -> bool:
    """Revoke a grant of an execution, at once and for good; return whether there was one that held."""
    with transaction.atomic():
        grant = Grant.objects.select_for_update().filter(reference=str(reference)[:22], execution=execution).first()
        if grant is None or grant.revoked_at is not None:
            return False
        grant.revoked_at = timezone.now()
        grant.save(update_fields=["revoked_at"])
        audit.record("credentials.removed", actor=audit.actor_of_id(grant.user_id), kind="grant", subject_id=grant.pk)
    return True


def token_for(reference: str, *, audience: str) -> str:
    """Return a token that tells one service (`audience`: its origin) whom a request is for; for the request only.

    Raises AuthorityError where the grant doesn't hold or isn't for requests. Whether the execution may use the grant is
    for the script to ask before (`processes.services.host.credentials_of`). Don't store or log what this returns.
    """
    _lender(reference)
    return signing.dumps({"grant": reference, "audience": audience}, salt=_SALT)


def user_of_token(token: str, *, audience: str) -> AbstractBaseUser:
    """Return the user for whom a token speaks; raises AuthorityError.

    It must be made for `audience`, not be older than TOKEN_SECONDS, and its grant must still hold now.
    """
    try:
        content = signing.loads(token, salt=_SALT, max_age=TOKEN_SECONDS)
    except signing.BadSignature as error:
        raise _refusal() from error
    if content["audience"] != audience:
        raise _refusal()
    return _lender(content["grant"])


def _holding() -> QuerySet[Grant]:
    return Grant.objects.filter(revoked_at__isnull=True, expires_at__gt=timezone.now())


def _lender(reference: str) -> AbstractBaseUser:
    grant = _holding().select_related("user").filter(reference=str(reference)[:22]).first()
    if grant is None or "http" not in grant.scopes or not grant.user.is_active:
        raise _refusal()
    return grant.user


def _refusal() -> AuthorityError:
    return AuthorityError(
        _("The caller's credentials aren't there any more: they were removed, have expired, or aren't for this.")
    )
