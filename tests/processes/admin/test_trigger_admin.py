"""Triggers in the admin: who may set up what, what is told, what can be done."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone, translation

from processes.domain.signatures import key_of
from processes.models import Access, AuditEntry, Run, Trigger, TriggerKind
from processes.services.audit import SYSTEM
from processes.services.firing import begin
from processes.services.trigger_secrets import keys_of, set_secret
from tests.processes.services.trigger_kit import a_process, a_trigger, a_user

pytestmark = pytest.mark.django_db

LIST = "/admin/processes/trigger/"


def editor(name: str = "editor", *verbs: str) -> User:
    """Give somebody who may edit triggers, and no administrator."""
    user = a_user(name, is_staff=True)
    names = [f"{verb}_trigger" for verb in verbs or ("view", "add", "change", "delete")]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def administrator() -> User:
    return a_user("root", is_staff=True, is_superuser=True)


def fields(**changes: Any) -> dict[str, Any]:
    """Give what the form sends."""
    usual = {
        "title": "Nightly", "enabled": "on", "action": "", "data": "", "parameters": "", "kind": "schedule",
        "cron": "30 2 * * *", "every": "", "unit": "60", "time_zone": "Europe/Berlin", "catches_up": "on",
        "style": "standard", "signature_header": "", "delivery_header": "", "recognised_by": "id",
        "tolerance_seconds": "300", "rate": "600/m",
    }  # fmt: skip
    return {**usual, **changes}


def page(trigger: Trigger) -> str:
    return f"{LIST}{trigger.pk}/change/"


def text_of(response: HttpResponse) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def problems_of(response: HttpResponse) -> dict[str, list[str]]:
    assert response.status_code == 200, "it should have been refused"
    return {name: list(told) for name, told in response.context["adminform"].form.errors.items()}


# -- setting up --------------------------------------------------------------------------------------------------------


def test_an_editor_sets_up_what_runs_in_their_own_name() -> None:
    user, template = editor(), a_process()
    sent = fields(template=template.pk, data='{"a": [1]}', user=administrator().pk)
    response = client_of(user).post(f"{LIST}add/", sent)
    assert response.status_code == 302
    trigger = Trigger.objects.get()
    assert (trigger.user, trigger.data, trigger.parameters, trigger.cron) == (user, {"a": [1]}, {}, "30 2 * * *")
    assert trigger.next_at is not None
    assert AuditEntry.objects.get(action="trigger.created").actor_name == "editor"


def test_an_administrator_chooses_in_whose_name() -> None:
    ada = a_user("ada")
    client = client_of(administrator())
    shown = client.get(f"{LIST}add/")
    assert shown.context["adminform"].form.fields["user"].initial == User.objects.get(username="root").pk
    client.post(f"{LIST}add/", fields(template=a_process().pk, user=ada.pk))
    assert Trigger.objects.get().user == ada


def test_a_new_trigger_begins_with_nothing_and_objects_are_shown_on_several_lines() -> None:
    user = editor()
    client = client_of(user)
    begun = client.get(f"{LIST}add/").context["adminform"].form
    assert [begun[name].value() for name in ("data", "parameters", "cron")] == ["", "", ""]
    trigger = a_trigger(user=user, data={"über": [1]})
    shown = client.get(page(trigger)).context["adminform"].form
    assert shown["data"].value() == '{\n  "über": [\n    1\n  ]\n}'


def test_a_time_span_is_written_in_a_unit() -> None:
    user = editor()
    client = client_of(user)
    client.post(f"{LIST}add/", fields(template=a_process().pk, cron="", every="2", unit="3600"))
    trigger = Trigger.objects.get()
    assert trigger.every_seconds == 7_200
    form = client.get(page(trigger)).context["adminform"].form
    assert (form.fields["every"].initial, form.fields["unit"].initial) == (2, 3_600)
    assert "every 2 hours" in text_of(client.get(LIST))


WRONG = [
    ({"cron": "61 * * * *"}, "cron"),
    ({"cron": ""}, "cron"),
    ({"every": "5"}, "cron"),
    ({"cron": "", "every": "5", "unit": "1"}, "every"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"action": "missing"}, "action"),
    ({"data": "{"}, "data"),
    ({"data": "[1]"}, "data"),
    ({"parameters": "7"}, "parameters"),
    ({"kind": "webhook", "rate": "often"}, "rate"),
    ({"kind": "webhook", "tolerance_seconds": "0"}, "tolerance_seconds"),
    ({"kind": "webhook", "signature_header": "X-Mine"}, "signature_header"),
    ({"kind": "webhook", "style": "github", "delivery_header": "X Mine"}, "delivery_header"),
    ({"title": ""}, "title"),
    ({"template": ""}, "template"),
]


@pytest.mark.parametrize(("changes", "place"), WRONG)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_saved(changes: dict[str, str], place: str) -> None:
    sent = {**fields(template=a_process().pk), **changes}
    assert list(problems_of(client_of(editor()).post(f"{LIST}add/", sent))) == [place]
    assert Trigger.objects.count() == 0


def test_only_processes_are_offered_that_the_editor_may_execute() -> None:
    mine, closed = a_process(), a_process()
    closed.access = Access.GROUPS
    closed.save()
    client = client_of(editor())
    offered = set(client.get(f"{LIST}add/").context["adminform"].form.fields["template"].queryset)
    assert (mine in offered, closed in offered) == (True, False)
    assert "template" in problems_of(client.post(f"{LIST}add/", fields(template=closed.pk)))


def test_a_schedule_that_is_being_typed_is_told_with_its_next_times() -> None:
    client = client_of(editor())
    asked = {"cron": "30 2 * * *", "every": "", "unit": "60", "time_zone": "Asia/Tokyo"}
    times = client.get(f"{LIST}next-times/", asked).json()["times"]
    assert len(times) == 5
    assert all(time.endswith("02:30:00 JST") for time in times)
    for wrong in ({"cron": "x"}, {"every": "many"}, {"time_zone": "Mars"}, {"cron": "", "every": "1", "unit": "1"}):
        assert client.get(f"{LIST}next-times/", {**asked, **wrong}).json()["problem"]
    assert len(client.get(f"{LIST}next-times/", {"every": "90", "unit": "1"}).json()["times"]) == 5


def test_the_page_shows_the_next_five_times_in_the_triggers_zone_and_none_while_it_is_disabled() -> None:
    user = editor()
    trigger = a_trigger(user=user, cron="0 9 * * *", time_zone="Asia/Tokyo")
    client = client_of(user)
    assert text_of(client.get(page(trigger))).count("09:00:00 JST") == 5
    client.post(page(trigger), {**fields(template=trigger.template_id, cron="0 9 * * *"), "enabled": ""})
    assert "None while it is disabled." in text_of(client.get(page(trigger)))
    trigger.refresh_from_db()
    assert trigger.next_at is None


# -- who may -----------------------------------------------------------------------------------------------------------


def test_what_runs_in_somebody_elses_name_is_looked_at_and_not_touched() -> None:
    trigger = a_trigger(kind=TriggerKind.WEBHOOK, user=a_user("ada"), data={"seen": "by editors"})
    client = client_of(editor())
    shown = text_of(client.get(page(trigger)))
    assert "by editors" in shown
    assert "Fire now" not in shown
    for address in (
        page(trigger),
        f"{LIST}{trigger.pk}/fire/",
        f"{LIST}{trigger.pk}/secret/",
        f"{LIST}{trigger.pk}/delete/",
    ):
        response = client.post(address, fields(template=trigger.template_id, title="Mine", given="", post="yes"))
        assert response.status_code == 403, address
    assert client.get(f"{LIST}{trigger.pk}/secret/").status_code == 403
    trigger.refresh_from_db()
    assert (trigger.title, trigger.secret, Run.objects.count()) == ("Nightly", "", 0)


def test_whose_user_is_gone_may_be_taken_over() -> None:
    trigger = a_trigger(user=a_user("ada"))
    User.objects.get(username="ada").delete()
    user = editor()
    client_of(user).post(page(trigger), fields(template=trigger.template_id, title="Taken over"))
    trigger.refresh_from_db()
    assert (trigger.title, trigger.user) == ("Taken over", user)


@pytest.mark.parametrize("verbs", [("view",), ("add",)])
def test_without_the_permission_to_change_nobody_fires_or_sets_a_secret(verbs: tuple[str, ...]) -> None:
    user = editor("reader", *verbs)
    trigger = a_trigger(user=user, kind=TriggerKind.WEBHOOK)
    for name in ("fire", "secret"):
        assert client_of(user).post(f"{LIST}{trigger.pk}/{name}/", {"given": ""}).status_code == 403
    assert Run.objects.count() == 0


def test_what_is_not_there_looks_like_what_is_not_theirs() -> None:
    trigger = a_trigger()
    client = client_of(editor("adder", "add"))
    for pk in (trigger.pk, "00000000-0000-4000-8000-000000000000"):
        assert client.post(f"{LIST}{pk}/fire/").status_code == 403
    assert Client().post(f"{LIST}{trigger.pk}/fire/").status_code == 302, "to sign in"


def test_an_editor_deletes_their_own_with_its_history() -> None:
    user = editor()
    trigger = a_trigger(user=user)
    begin(trigger, key="due:x", how="schedule", actor=SYSTEM)
    client = client_of(user)
    assert "Yes, I’m sure" in client.get(f"{LIST}{trigger.pk}/delete/").content.decode()
    client.post(f"{LIST}{trigger.pk}/delete/", {"post": "yes"})
    assert (Trigger.objects.count(), Run.objects.count()) == (0, 1)
    assert AuditEntry.objects.get(action="trigger.deleted").actor_name == "editor"


# -- what can be done --------------------------------------------------------------------------------------------------


def test_fire_now_starts_a_run_and_leads_to_its_progress() -> None:
    user = editor()
    trigger = a_trigger(user=user)
    response = client_of(user).post(f"{LIST}{trigger.pk}/fire/", follow=True)
    run = Run.objects.get()
    assert f'href="/progress/{run.pk}/"' in response.content.decode()
    shown = text_of(response)
    assert "fired by hand" in shown
    assert "started" in shown


def test_fire_now_tells_why_nothing_starts() -> None:
    user = editor()
    trigger = a_trigger(user=user)
    type(trigger.template).objects.update(published_plan=None)
    shown = text_of(client_of(user).post(f"{LIST}{trigger.pk}/fire/", follow=True))
    assert "Nothing was started. This process isn't published" in shown.replace("&#x27;", "'")


@pytest.mark.parametrize("verb", ["get", "put"])
def test_nothing_is_fired_by_a_link(verb: str) -> None:
    user = editor()
    trigger = a_trigger(user=user)
    assert getattr(client_of(user), verb)(f"{LIST}{trigger.pk}/fire/").status_code == 405


def test_a_new_webhook_leads_to_its_secret_which_is_shown_once() -> None:
    user = editor()
    client = client_of(user)
    sent = fields(template=a_process().pk, kind="webhook", cron="")
    response = client.post(f"{LIST}add/", sent, follow=True)
    trigger = Trigger.objects.get()
    assert response.redirect_chain[-1][0] == f"{LIST}{trigger.pk}/secret/"
    assert "None: nothing is taken." in text_of(client.get(page(trigger)))

    response = client.post(f"{LIST}{trigger.pk}/secret/", {"given": ""})
    assert "no-store" in response.headers["Cache-Control"]
    secret = re.search(r">(whsec_[^<]+)</textarea>", response.content.decode())
    assert secret is not None
    trigger.refresh_from_db()
    assert keys_of(trigger, now=timezone.now()) == [key_of("standard", secret[1])]
    for address in (page(trigger), f"{LIST}{trigger.pk}/secret/", LIST):
        assert secret[1] not in client.get(address).content.decode()
    assert secret[1] not in repr(list(LogEntry.objects.values()))


def test_a_given_secret_is_taken_and_never_shown() -> None:
    user = editor()
    trigger = a_trigger(user=user, kind=TriggerKind.WEBHOOK, style="stripe")
    old = set_secret(trigger=trigger, editor=user)
    client = client_of(user)
    given = "whsec_given_by_the_sender"
    response = client.post(f"{LIST}{trigger.pk}/secret/", {"given": given, "keep_hours": "2"}, follow=True)
    assert given not in response.content.decode()
    assert "The one before it is valid until" in text_of(response)
    trigger.refresh_from_db()
    assert keys_of(trigger, now=timezone.now()) == [key_of("stripe", text) for text in (given, old)]


@pytest.mark.parametrize(("sent", "place"), [({"given": "short"}, "given"), ({"keep_hours": "999"}, "keep_hours")])
def test_a_secret_that_is_not_right_is_refused_and_not_shown_again(sent: dict[str, str], place: str) -> None:
    user = editor()
    trigger = a_trigger(user=user, kind=TriggerKind.WEBHOOK, style="github")
    set_secret(trigger=trigger, editor=user)
    response = client_of(user).post(f"{LIST}{trigger.pk}/secret/", {"given": "", "keep_hours": "1", **sent})
    assert list(response.context["form"].errors) == [place]
    assert 'value="short"' not in response.content.decode()


def test_why_deliveries_are_refused_is_told_on_the_page() -> None:
    user = editor()
    trigger = a_trigger(user=user, kind=TriggerKind.WEBHOOK)
    set_secret(trigger=trigger, editor=user)
    Trigger.objects.update(refusal="old", refused_at=timezone.now())
    shown = text_of(client_of(user).get(page(trigger)))
    assert "too old, or from the future: compare the clocks." in shown
    assert f"POST http://testserver/hooks/{trigger.pk}/" in shown


def test_the_history_tells_what_was_due_and_what_became_of_it() -> None:
    user = editor()
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_triggerfiring", "view_run"]))
    trigger = a_trigger(user=user)
    due_at = timezone.now().replace(microsecond=0)
    run_id = begin(trigger, key="due:x", how="schedule", actor=SYSTEM, due_at=due_at)
    client = client_of(user)
    response = client.get(page(trigger))
    assert f'href="/admin/processes/run/{run_id}/change/"' in response.content.decode()
    assert f"{due_at:%H:%M:%S} UTC" in text_of(response)
    listed = client.get(f"/admin/processes/triggerfiring/?trigger__id__exact={trigger.pk}")
    assert str(run_id) in listed.content.decode()
    assert client.get(f"/admin/processes/triggerfiring/{trigger.firings.get().pk}/change/").status_code == 200
    Run.objects.get().root.delete()
    assert client.get(page(trigger)).status_code == client.get(listed.request["PATH_INFO"]).status_code == 200
    assert re.search(r"\d\d:\d\d started", text_of(client.get(LIST)))


def test_the_pages_speak_german() -> None:
    user = editor()
    trigger = a_trigger(user=user, kind=TriggerKind.WEBHOOK)
    with translation.override("de"):
        client = client_of(user)
        shown = text_of(client.get(page(trigger), headers={"Accept-Language": "de"}))
    assert "Jetzt auslösen" in shown
    assert "Wohin geliefert wird" in shown
