"""What a test leaves of the models' content types and permissions is no other test's."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

pytestmark = pytest.mark.django_db(transaction=True)


def added() -> None:
    Permission.objects.create(name="Can fly", codename="fly", content_type=ContentType.objects.get_for_model(User))


def renamed() -> None:
    Permission.objects.filter(codename="add_user").update(name="Can fly")


def deleted() -> None:
    ContentType.objects.get_for_model(User).delete()


def stored() -> set[tuple[str, str, str]]:
    return set(Permission.objects.values_list("content_type__model", "codename", "name"))


@pytest.mark.parametrize("change", [added, renamed, deleted])
def test_what_is_changed_is_stored_anew(change: Callable[[], None]) -> None:
    before = stored()
    change()
    assert stored() != before
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
    assert stored() == before
    User.objects.create_user("somebody").user_permissions.set(Permission.objects.all())


def test_what_is_not_changed_stays_and_all_else_goes() -> None:
    before = list(Permission.objects.order_by("pk").values_list())
    assert before
    user = User.objects.create_user("somebody")
    user.user_permissions.set(Permission.objects.all())
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
    assert list(Permission.objects.order_by("pk").values_list()) == before
    assert not User.objects.exists()
    assert not User.user_permissions.through.objects.exists()
