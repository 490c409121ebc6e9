"""Who is meant by `answered_by`: users by name, by key, or as data describe them, whatever a user's key is."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from processes.errors import PermanentError
from processes.services.authority import described_user
from processes.services.form_audience import AudienceConfig, find_audience

pytestmark = pytest.mark.django_db

MEANT = AudienceConfig(data="people")


def found(people: Any) -> list[Any]:
    return list(find_audience(MEANT, data={"people": people}, has_owner=False).users)


def test_a_user_is_named_by_name_by_key_or_as_they_are_described() -> None:
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    described = described_user(bob)
    for people in (["ann", bob.pk], [ann.pk, described], [{"username": "ann"}, {"id": str(bob.pk)}]):
        assert found(people) == [ann.pk, bob.pk]


def test_a_text_alone_is_a_name_and_no_key() -> None:
    ann = User.objects.create_user("ann")
    with pytest.raises(PermanentError, match="there is no user"):
        found(str(ann.pk))


@pytest.mark.parametrize("key", ["nobody", "9" * 40, "1\0", "", "01a2-", 10**30, True, 1.5])
def test_a_key_that_can_be_no_user_s_is_refused(key: object) -> None:
    with pytest.raises(PermanentError) as caught:
        found({"id": key})
    assert caught.value.code == "form_audience"
