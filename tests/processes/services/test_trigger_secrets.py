"""The secrets of webhooks: who sets them, what they may be, and how they are kept."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from processes.domain.signatures import key_of
from processes.errors import DefinitionError
from processes.models import AuditEntry, Trigger, TriggerKind
from processes.services.errors import TriggerRefusedError
from processes.services.trigger_secrets import MAX_KEEP_HOURS, keys_of, set_secret
from processes.services.triggers import save_trigger
from tests.processes.services.trigger_kit import a_trigger, a_user

pytestmark = pytest.mark.django_db


def a_hook(**columns: object) -> Trigger:
    return a_trigger(kind=TriggerKind.WEBHOOK, **columns)


def renew(trigger: Trigger, **how: object) -> str:
    secret = set_secret(trigger=trigger, editor=trigger.user, **how)  # type: ignore[arg-type]
    trigger.refresh_from_db()
    return secret


def keys(trigger: Trigger) -> list[bytes]:
    return keys_of(trigger, now=timezone.now())


@pytest.mark.parametrize("style", ["standard", "github", "stripe"])
def test_a_drawn_secret_is_right_for_every_style_and_never_the_same(style: str) -> None:
    trigger = a_hook(style=style)
    first, second = renew(trigger), renew(trigger)
    assert first != second
    assert keys(trigger) == [key_of(style, second)]
    assert len(key_of("standard", second)) == 32


@pytest.mark.parametrize(
    ("style", "given"),
    [
        ("standard", "no base64"),
        ("github", "short"),
        ("stripe", "ä" * 20),
        ("github", "x" * 201),
        ("stripe", "a\nb" * 9),
    ],
)
def test_a_given_secret_that_is_not_right_is_refused_and_the_old_one_stays(style: str, given: str) -> None:
    trigger = a_hook(style=style)
    before = renew(trigger)
    with pytest.raises(DefinitionError) as refused:
        renew(trigger, given=given)
    assert [problem.path for problem in refused.value.problems] == ["/given"]
    assert given not in str(refused.value)
    assert keys(trigger) == [key_of(style, before)]


def test_only_the_last_two_secrets_are_ever_valid() -> None:
    trigger = a_hook()
    _, second, third = (renew(trigger, keep_hours=1) for _ in range(3))
    assert keys(trigger) == [key_of("standard", third), key_of("standard", second)]
    assert keys_of(trigger, now=timezone.now() + timedelta(hours=1, seconds=1)) == [key_of("standard", third)]


@pytest.mark.parametrize("hours", [-1, MAX_KEEP_HOURS + 1])
def test_an_old_secret_is_not_kept_for_ever(hours: float) -> None:
    with pytest.raises(DefinitionError):
        renew(a_hook(), keep_hours=hours)


def test_nobody_sets_the_secret_of_what_runs_in_somebody_elses_name() -> None:
    trigger = a_hook()
    with pytest.raises(TriggerRefusedError):
        set_secret(trigger=trigger, editor=a_user())
    set_secret(trigger=trigger, editor=a_user(is_superuser=True))


def test_another_style_needs_a_secret_that_is_right_for_it() -> None:
    trigger = a_hook(style="github")
    renew(trigger, given="a text that is no base64")
    trigger.style = "standard"
    with pytest.raises(DefinitionError, match="another one"):
        save_trigger(trigger=trigger, editor=trigger.user)  # type: ignore[arg-type]
    trigger.style = "stripe"
    save_trigger(trigger=trigger, editor=trigger.user)  # type: ignore[arg-type]


def test_saving_a_trigger_leaves_a_secret_alone_that_was_set_meanwhile() -> None:
    trigger = a_hook()
    loaded = Trigger.objects.get(pk=trigger.pk)
    secret = renew(trigger)
    loaded.title = "Renamed"
    save_trigger(trigger=loaded, editor=trigger.user)  # type: ignore[arg-type]
    assert keys(Trigger.objects.get(pk=trigger.pk)) == [key_of("standard", secret)]


def test_the_audit_log_tells_that_a_secret_was_set_and_never_which() -> None:
    trigger = a_hook()
    renew(trigger)
    renew(trigger, given="whsec_" + "QUJD" * 8, keep_hours=2)
    told = list(AuditEntry.objects.filter(action="trigger.secret_set").order_by("id").values_list("details", flat=True))
    assert told == [
        {"drawn": True, "old_valid_until": None},
        {"drawn": False, "old_valid_until": str(trigger.previous_until)},
    ]


def test_a_new_encryption_key_is_put_into_force_for_both_secrets(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.STEPLINE_ENCRYPTION_KEYS = (old,)
    trigger, over = a_hook(), a_hook()
    secrets = [renew(trigger, keep_hours=1) for _ in range(2)]
    for _ in range(2):
        renew(over, keep_hours=1)
    Trigger.objects.filter(pk=over.pk).update(previous_until=timezone.now() - timedelta(hours=1))
    settings.STEPLINE_ENCRYPTION_KEYS = (new, old)
    call_command("rotate_secrets")
    # What is valid no more is dropped.
    assert capsys.readouterr().out.startswith("3 secrets")
    settings.STEPLINE_ENCRYPTION_KEYS = (new,)
    trigger.refresh_from_db()
    assert keys(trigger) == [key_of("standard", secret) for secret in reversed(secrets)]
    assert AuditEntry.objects.filter(action="trigger.rotated").count() == 2


def test_a_secret_that_no_key_decrypts_is_named_by_its_trigger(settings: Settings) -> None:
    trigger = a_hook(title="From the shop")
    renew(trigger)
    settings.STEPLINE_ENCRYPTION_KEYS = (Fernet.generate_key().decode(),)
    assert keys(trigger) == []
    with pytest.raises(CommandError, match='the trigger "From the shop"'):
        call_command("rotate_secrets")
    with pytest.raises(DefinitionError, match="From the shop"):
        save_trigger(trigger=trigger, editor=trigger.user)  # type: ignore[arg-type]
