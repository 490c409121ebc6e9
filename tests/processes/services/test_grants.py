"""Grants: a caller's credentials lend an execution what they say, as long as they say, and tokens prove it outside."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from processes.models import Grant
from processes.services import grants
from processes.services.errors import AuthorityError
from processes.services.purging import Purged, purge_expired

pytestmark = pytest.mark.django_db

SERVICE = "https://service.example"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def grant(user: User) -> Grant:
    return grants.create_grant(user_id=user.pk, template_id=None, execution="one")


def test_a_grant_lasts_a_quarter_of_an_hour_unless_said_otherwise(grant: Grant) -> None:
    left = grant.expires_at - timezone.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


@pytest.mark.parametrize("minutes", [0, -1, 61])
def test_nobody_lends_for_longer_than_an_hour(user: User, minutes: float) -> None:
    with pytest.raises(ValueError, match="up to 60 minutes"):
        grants.create_grant(user_id=user.pk, template_id=None, execution="one", minutes=minutes)
    assert not Grant.objects.exists()


def test_its_reference_opens_nothing_in_another_execution(grant: Grant, user: User) -> None:
    assert grants.user_of_grant(grant.reference, execution="one", template_id=None, scope="call") == user
    with pytest.raises(AuthorityError):
        grants.user_of_grant(grant.reference, execution="two", template_id=None, scope="call")
    assert not grants.revoke_grant(grant.reference, execution="two")
    grants.check_grant(grant.reference, execution="one", template_id=None, scope="call")


def test_it_moves_on_with_the_run_that_carries_its_execution_on(grant: Grant) -> None:
    grants.move_grants(execution="one", to="two")
    grants.check_grant(grant.reference, execution="two", template_id=None, scope="call")
    with pytest.raises(AuthorityError):
        grants.check_grant(grant.reference, execution="one", template_id=None, scope="call")


def test_revoking_takes_effect_at_once_and_once(grant: Grant) -> None:
    token = grants.token_for(grant.reference, audience=SERVICE)
    assert grants.revoke_grant(grant.reference, execution="one")
    assert not grants.revoke_grant(grant.reference, execution="one")
    with pytest.raises(AuthorityError):
        grants.check_grant(grant.reference, execution="one", template_id=None, scope="http")
    with pytest.raises(AuthorityError):
        grants.token_for(grant.reference, audience=SERVICE)
    with pytest.raises(AuthorityError):
        grants.user_of_token(token, audience=SERVICE)


def test_a_token_speaks_for_the_user_to_its_audience_alone(grant: Grant, user: User) -> None:
    token = grants.token_for(grant.reference, audience=SERVICE)
    assert grants.user_of_token(token, audience=SERVICE) == user
    with pytest.raises(AuthorityError):
        grants.user_of_token(token, audience="https://other.example")


def test_a_token_is_for_the_request_that_carries_it(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    token = grants.token_for(grant.reference, audience=SERVICE)
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + grants.TOKEN_SECONDS + 1)
    with pytest.raises(AuthorityError):
        grants.user_of_token(token, audience=SERVICE)


@pytest.mark.parametrize("token", ["", "x", "a:b:c", "é" * 40, "\0"])
def test_a_forged_token_speaks_for_nobody(grant: Grant, token: str) -> None:
    with pytest.raises(AuthorityError):
        grants.user_of_token(token, audience=SERVICE)
    with pytest.raises(AuthorityError):
        grants.user_of_token(grants.token_for(grant.reference, audience=SERVICE) + token, audience=SERVICE + "x")


def test_a_grant_for_processes_makes_no_tokens(user: User) -> None:
    grant = grants.create_grant(user_id=user.pk, template_id=None, execution="one", scopes=["call"])
    with pytest.raises(AuthorityError):
        grants.token_for(grant.reference, audience=SERVICE)


def test_a_user_who_is_inactive_or_gone_lends_nothing(grant: Grant, user: User) -> None:
    token = grants.token_for(grant.reference, audience=SERVICE)
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(AuthorityError):
        grants.user_of_token(token, audience=SERVICE)
    with pytest.raises(AuthorityError):
        grants.check_grant(grant.reference, execution="one", template_id=None, scope="call")
    user.delete()
    assert not Grant.objects.exists()


def test_expired_grants_are_purged(grant: Grant, user: User) -> None:
    kept = grants.create_grant(user_id=user.pk, template_id=None, execution="two")
    Grant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired() == Purged(data_nodes=0, files=0, grants=1)
    assert list(Grant.objects.all()) == [kept]
