"""Webhooks: other systems start processes, each delivery once, and whoever isn't meant to learns nothing."""

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import time
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from processes.domain.application import Application
from processes.domain.signatures import key_of, sign
from processes.models import AuditEntry, ProcessTemplate, RecognisedBy, Run, Trigger, TriggerFiring, TriggerKind
from processes.services.purging import FIRINGS_KEPT, purge_expired
from processes.services.trigger_secrets import set_secret
from tasks.models import Job
from tests.processes.services.conftest import RunKit, kit
from tests.processes.services.published import action
from tests.processes.services.secret_hunt import database_files, every_value, forms_of, found_in
from tests.processes.services.trigger_kit import a_trigger, a_user
from tests.together import together

__all__ = ["kit"]

pytestmark = pytest.mark.django_db(transaction=True)
BODY = {"order": 7, "items": [{"name": "cup"}]}


@dataclass
class Hook:
    trigger: Trigger
    secret: str

    @property
    def address(self) -> str:
        return f"/hooks/{self.trigger.pk}/"

    def headers(self, body: bytes, *, id: str = "a", at: float | None = None, secret: str = "") -> dict[str, str]:
        key = key_of(self.trigger.style, secret or self.secret)
        return sign(body, style=self.trigger.style, key=key, time=int(time() if at is None else at), id=id)

    def send(
        self, body: object = BODY, *, kind: str = "application/json", client: Client | None = None, **how: Any
    ) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.headers(raw, **how)
        return post(self.address, raw, headers, kind=kind)


def post(
    address: str, body: bytes, headers: dict[str, str], *, kind: str = "application/json", client: Client | None = None
) -> Any:
    client = client or Client(enforce_csrf_checks=True)
    return client.post(address, data=body, content_type=kind, headers=headers)


def a_hook(**columns: Any) -> Hook:
    trigger = a_trigger(kind=TriggerKind.WEBHOOK, **columns)
    secret = set_secret(trigger=trigger, editor=trigger.user)  # type: ignore[arg-type]
    trigger.refresh_from_db()
    return Hook(trigger, secret)


def taken(response: HttpResponse) -> tuple[uuid.UUID, bool]:
    assert response.status_code == 202, response.content
    answer = json.loads(response.content)
    return uuid.UUID(answer["run"]), answer["repeated"]


STYLES = ["standard", "github", "stripe"]


# -- what is taken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_signed_delivery_starts_a_run_and_runs_nothing_in_the_request(kit: RunKit, style: str) -> None:
    hook = a_hook(template=kit.template(action("a", kit.note("a"))), style=style, user=a_user("ada"))
    run_id, repeated = taken(hook.send())
    assert (repeated, kit.notes, Job.objects.get().status) == (False, [], "pending")
    kit.work()
    run = kit.run(run_id)
    assert (kit.notes, run.status, run.user.username) == (["a"], "completed", "ada")  # type: ignore[union-attr]


def reader(kit: RunKit) -> ProcessTemplate:
    def take(app: Application) -> None:
        app.data["seen"] = [app.request.method, app.request.parameters, app.get("trigger")]

    return kit.template(action("opened", kit.note("wrong")), action("take", kit.script(take)))


def test_the_process_reads_the_body_in_its_parameters_and_the_delivery_in_an_attribute(kit: RunKit) -> None:
    hook = a_hook(template=reader(kit), action="take", style="github", parameters={"items": "ours", "more": 1})
    # The sender decides neither where the run enters nor what the trigger brings itself.
    body = json.dumps({**BODY, "action": "opened", "data": "x" * 22}).encode()
    response = post(hook.address, body, {**hook.headers(body, id="d-1"), "X-GitHub-Event": "push"})
    run_id, _ = taken(response)
    kit.work()
    told = {"id": str(hook.trigger.pk), "title": "Nightly", "kind": "webhook", "due_at": None}
    assert kit.data(run_id)["seen"] == [
        "POST",
        {"order": 7, "items": "ours", "more": 1, "action": "opened", "data": "x" * 22},
        {**told, "delivery": "d-1", "event": "push"},
    ]
    assert kit.notes == []


BODIES = [
    (b"a=1&b=%C3%A4&a=2", "application/x-www-form-urlencoded", {"a": "2", "b": "ä"}),
    (b"[1, 2]", "application/json", {"body": [1, 2]}),
    (b'"text"', "application/cloudevents+json; charset=utf-8", {"body": "text"}),
    (b'{"a": null}', "text/plain", {"a": None}),
    (b"", "application/json", {}),
    (b" \n", "application/x-www-form-urlencoded", {}),
]


@pytest.mark.parametrize(("body", "kind", "parameters"), BODIES)
def test_json_of_any_kind_and_forms_become_parameters(
    kit: RunKit, body: bytes, kind: str, parameters: dict[str, object]
) -> None:
    run_id, _ = taken(a_hook(template=reader(kit), action="take").send(body, kind=kind))
    kit.work()
    assert kit.data(run_id)["seen"][1] == parameters  # type: ignore[index]


UNREADABLE = [
    b"{", b"\xff", b"NaN", b'{"a": Infinity}', b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b"[" * 90_000,
    b'{"a":' * 150 + b"1" + b"}" * 150, b"1" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_authentic_body_that_can_not_be_read_is_refused_with_a_reason(body: bytes) -> None:
    response = a_hook().send(body)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert response.json()["message"]
    assert (Run.objects.count(), TriggerFiring.objects.count()) == (0, 0)


@pytest.mark.parametrize("form", [b"a=%ff", b"&".join(b"a%d=1" % number for number in range(2_001)), b"a=%00"])
def test_a_form_that_can_not_be_read_is_refused(form: bytes) -> None:
    assert a_hook().send(form, kind="application/x-www-form-urlencoded").status_code == 400


# -- once --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_the_same_delivery_again_gives_the_same_run(style: str) -> None:
    hook = a_hook(style=style)
    first, _ = taken(hook.send(id="one"))
    # A sender that tries again signs again, at another time.
    assert taken(hook.send(id="one", at=time() - 100)) == (first, True)
    second, repeated = taken(hook.send(id="two", at=time() - 50))
    assert (second != first, repeated, Run.objects.count()) == (True, False, 2)


@pytest.mark.parametrize("style", ["github", "stripe"])
def test_without_an_id_the_body_tells(style: str) -> None:
    hook = a_hook(style=style)
    first, _ = taken(hook.send(id=""))
    assert taken(hook.send(id="", at=time() - 100)) == (first, True)
    assert taken(hook.send({"other": 1}, id=""))[1] is False


def test_a_trigger_may_go_by_the_body_alone() -> None:
    hook = a_hook(style="github", recognised_by=RecognisedBy.BODY)
    first, _ = taken(hook.send(id="one"))
    assert taken(hook.send(id="two")) == (first, True)


def test_what_was_signed_with_a_time_is_no_new_delivery_under_another_id() -> None:
    hook = a_hook(style="stripe")
    now = time()
    first, _ = taken(hook.send(id="one", at=now))
    assert taken(hook.send(id="forged", at=now)) == (first, True)
    assert Run.objects.count() == 1


def test_deliveries_of_two_triggers_have_nothing_to_do_with_each_other() -> None:
    runs = {taken(a_hook().send(id="one"))[0] for _ in range(2)}
    assert len(runs) == 2


@pytest.mark.parametrize("style", STYLES)
def test_of_deliveries_that_come_at_the_same_moment_one_starts_the_run_and_all_get_its_id(style: str) -> None:
    hook = a_hook(style=style)
    at = time()
    answers = together(*[lambda: taken(hook.send(id="one", at=at))] * 6)
    assert len({run_id for run_id, _ in answers}) == 1
    assert sorted(repeated for _, repeated in answers) == [False, *[True] * 5]
    assert (Run.objects.count(), Job.objects.count(), TriggerFiring.objects.count()) == (1, 1, 1)


def test_a_delivery_is_known_when_its_run_is_long_gone() -> None:
    hook = a_hook()
    first, _ = taken(hook.send(id="one"))
    Run.objects.get().root.delete()
    assert taken(hook.send(id="one")) == (first, True)


def test_what_triggers_did_is_forgotten_after_a_month_but_for_the_last_time() -> None:
    hook = a_hook()
    for name in ("one", "two", "three"):
        taken(hook.send(id=name))
    TriggerFiring.objects.update(at=timezone.now() - FIRINGS_KEPT - timedelta(hours=1))
    assert purge_expired().firings == 2
    assert TriggerFiring.objects.get().delivery == "three"
    assert purge_expired().firings == 0


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused_answers(hook: Hook) -> dict[str, HttpResponse]:
    body = json.dumps(BODY).encode()
    right = hook.headers(body)
    answers = {
        "unknown": post(f"/hooks/{uuid.uuid4()}/", body, right),
        "forged": hook.send(secret="whsec_" + "QUJD" * 8),
        "changed": post(hook.address, body + b" ", right),
        "unsigned": post(hook.address, body, {}),
    }
    if hook.trigger.style != "github":
        answers["old"] = hook.send(at=time() - 301)
        answers["early"] = hook.send(at=time() + 302)
    Trigger.objects.filter(pk=hook.trigger.pk).update(enabled=False)
    answers["disabled"] = hook.send()
    Trigger.objects.filter(pk=hook.trigger.pk).update(enabled=True, kind=TriggerKind.SCHEDULE)
    answers["another kind"] = hook.send()
    Trigger.objects.filter(pk=hook.trigger.pk).update(kind=TriggerKind.WEBHOOK, secret="", previous_secret="")
    answers["without a secret"] = hook.send()
    Trigger.objects.filter(pk=hook.trigger.pk).update(secret="rubbish")
    answers["with a secret that no key decrypts"] = hook.send()
    return answers


@pytest.mark.parametrize("style", STYLES)
def test_unknown_disabled_forged_and_old_all_look_the_same(style: str) -> None:
    answers = refused_answers(a_hook(style=style))
    looks = {(answer.status_code, answer.content, tuple(sorted(answer.headers.items()))) for answer in answers.values()}
    assert len(looks) == 1, answers
    assert next(iter(answers.values())).status_code == 404
    assert (Run.objects.count(), TriggerFiring.objects.count()) == (0, 0)


def test_an_answer_sets_no_cookie_and_is_kept_by_nobody() -> None:
    hook = a_hook()
    for answer in (hook.send(), hook.send(secret="whsec_" + "QUJD" * 8), Client().get(hook.address)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert not answer.cookies


@pytest.mark.parametrize("verb", ["get", "put", "delete", "head"])
def test_only_post_is_taken(verb: str) -> None:
    hook = a_hook()
    for address in (hook.address, f"/hooks/{uuid.uuid4()}/"):
        response = getattr(Client(), verb)(address)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_whoever_is_signed_in_gets_no_further_without_a_signature() -> None:
    client = Client()
    client.force_login(a_user(is_superuser=True, is_staff=True))
    assert post(a_hook().address, b"{}", {}, client=client).status_code == 404


def test_a_delivery_may_be_so_large_and_no_larger(settings: Settings) -> None:
    settings.STEPLINE_HOOK_MAX_BYTES = 3_000_000
    hook = a_hook()
    largest = b'"' + b"x" * 2_999_998 + b'"'
    assert taken(hook.send(largest))[1] is False
    response = hook.send(largest + b" ")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    # Whether there is such a trigger is nobody's business here either.
    assert post(f"/hooks/{uuid.uuid4()}/", largest + b" ", {}).status_code == 413


def test_a_delivery_whose_length_is_no_number_is_a_fault_of_the_request() -> None:
    hook = a_hook()
    # Nothing of the body is read then, for which no signature holds.
    assert post(hook.address, b"{}", {**hook.headers(b"{}"), "Content-Length": "²"}).status_code == 404


def test_more_than_its_rate_is_told_to_come_again_later() -> None:
    hook = a_hook(rate="2/h")
    answers = [hook.send(id=f"id-{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 1_800
    # What has been taken is still known, and what is forged doesn't use the rate up.
    assert taken(hook.send(id="id-0"))[1] is True
    assert Run.objects.count() == 2


SPOILS: list[tuple[str, Callable[[Trigger], object]]] = [
    ("inactive", lambda trigger: type(trigger.user).objects.update(is_active=False)),  # type: ignore[union-attr]
    ("isn't published", lambda trigger: ProcessTemplate.objects.update(published_plan=None)),
]


@pytest.mark.parametrize(("reason", "spoil"), SPOILS)
def test_what_can_not_start_now_may_come_again_later(reason: str, spoil: Callable[[Trigger], object]) -> None:
    hook = a_hook()
    plan, user = hook.trigger.template.published_plan_id, hook.trigger.user
    spoil(hook.trigger)
    response = hook.send(id="one")
    assert (response.status_code, response.json()["code"]) == (503, "hook_idle")
    assert reason not in response.json()["message"], "that is for those who set it up"
    assert reason in hook.trigger.firings.get().reason

    ProcessTemplate.objects.update(published_plan=plan)
    type(user).objects.update(is_active=True)  # type: ignore[union-attr]
    assert taken(hook.send(id="one"))[1] is False
    assert list(hook.trigger.firings.values_list("outcome", flat=True)) == ["started", "failed"]


def test_why_nothing_comes_is_told_to_those_who_set_it_up_but_not_with_every_attempt(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    hook = a_hook()
    hook.send(at=time() - 9_000)
    hook.trigger.refresh_from_db()
    assert hook.trigger.refusal == "old"
    first = hook.trigger.refused_at
    hook.send(secret="whsec_" + "QUJD" * 8)
    hook.trigger.refresh_from_db()
    assert (hook.trigger.refused_at, hook.trigger.refusal) == (first, "old")
    Trigger.objects.update(refused_at=timezone.now() - timedelta(seconds=11))
    # One to find the trigger, one to note the refusal; no session, no user.
    with django_assert_num_queries(2):
        hook.send(secret="whsec_" + "QUJD" * 8)
    hook.trigger.refresh_from_db()
    assert hook.trigger.refusal == "forged"


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_after_a_new_secret_both_are_taken_for_a_while() -> None:
    hook = a_hook()
    new = set_secret(trigger=hook.trigger, editor=hook.trigger.user, keep_hours=24)  # type: ignore[arg-type]
    for number, secret in enumerate((hook.secret, new)):
        taken(hook.send(secret=secret, id=str(number)))
    Trigger.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    assert hook.send(secret=hook.secret, id="3").status_code == 404
    taken(hook.send(secret=new, id="4"))


def test_a_secret_that_has_leaked_ends_at_once() -> None:
    hook = a_hook()
    set_secret(trigger=hook.trigger, editor=hook.trigger.user)  # type: ignore[arg-type]
    assert hook.send().status_code == 404


def test_no_secret_is_anywhere_in_the_clear(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        hook = a_hook()
        given = "sk_live_0123456789abcdef"
        Trigger.objects.update(style="stripe")
        set_secret(trigger=hook.trigger, editor=hook.trigger.user, given=given, keep_hours=1)  # type: ignore[arg-type]
        hook.send(secret="whsec_" + "QUJD" * 8)
    forms = [*forms_of(hook.secret), *forms_of(hook.secret.removeprefix("whsec_")), *forms_of(given)]
    assert [place for place, text in every_value() if found_in(text, forms)] == []
    assert [name for name, data in database_files() if found_in(data.decode("latin-1"), forms)] == []
    assert found_in(caplog.text, forms) == []


def test_the_audit_log_tells_of_a_delivery_under_whose_rights_it_ran() -> None:
    hook = a_hook(user=a_user("ada"))
    taken(hook.send())
    entry = AuditEntry.objects.get(action="run.started")
    assert (entry.actor_name, entry.authority_name) == ("", "ada")
    assert entry.details == {"action": "begin", "how": "webhook", "trigger": str(hook.trigger.pk)}
