"""API tokens: made once, kept as a digest, looked up for each request, and revoked at once."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.scopes import check_scopes
from tasks.errors import BadRequest, InvalidToken
from tasks.models import ApiToken
from tasks.services.api_rates import check_rate
from tasks.services.revocations import tell_users

__all__ = ["PREFIX", "create_api_token", "find_api_token", "is_alive", "revoke_api_token", "token_in"]

#: What each token begins with: so that secret scanners, and other users of the same header, know one.
PREFIX: Final = "stl_"
_BYTES: Final = 32
_HINT_CHARS: Final = 10
_SCHEME: Final = "bearer"
#: How exactly it is known when a token was last used: writing it each time would make each request a write.
_USED_EVERY: Final = timedelta(minutes=1)


def create_api_token(
    *, user: AbstractBaseUser, name: str, scopes: Sequence[object], expires_at: datetime | None = None, rate: str = ""
) -> tuple[ApiToken, str]:
    """Make a token, and return its row and the token itself, which is nowhere to be found afterwards.

    Raises BadRequest where a scope or the rate says nothing, or its time is over already.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise BadRequest(_("A token can't expire before it is made."))
    secret = PREFIX + secrets.token_urlsafe(_BYTES)
    row = ApiToken(
        user_id=user.pk, name=name, scopes=check_scopes(scopes), expires_at=expires_at, hint=secret[:_HINT_CHARS],
        digest=_digest(secret), rate=check_rate(rate),
    )  # fmt: skip
    row.save(force_insert=True)
    return row, secret


def find_api_token(secret: str) -> ApiToken:
    """Return the token, with its user, and note that it is used.

    Raises InvalidToken where there is none, it is revoked or over, or its user isn't active.
    """
    row = ApiToken.objects.select_related("user").filter(digest=_digest(secret)).first()
    if row is None or not _holds(row):
        raise InvalidToken
    now = timezone.now()
    if row.used_at is None or now - row.used_at >= _USED_EVERY:
        stale = Q(used_at=None) | Q(used_at__lte=now - _USED_EVERY)
        ApiToken.objects.filter(stale, pk=row.pk).update(used_at=now)
    return row


def is_alive(token_id: int) -> bool:
    """Tell whether a token still holds, for whoever keeps a connection open that was opened by it."""
    row = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    return row is not None and _holds(row)


def revoke_api_token(token: ApiToken) -> bool:
    """Let a token open nothing any more, and return whether it was in force; what is open by it ends at once."""
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        if changed:
            tell_users([token.user_id])
    return bool(changed)


def token_in(header: str) -> str | None:
    """Return the token that an `Authorization` header bears; None for none, and for tokens of others."""
    scheme, _space, value = header.strip().partition(" ")
    value = value.strip()
    return value if scheme.lower() == _SCHEME and value.startswith(PREFIX) else None


def _holds(row: ApiToken) -> bool:
    user: Any = row.user
    is_over = row.expires_at is not None and row.expires_at <= timezone.now()
    return row.revoked_at is None and not is_over and bool(user.is_active)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
