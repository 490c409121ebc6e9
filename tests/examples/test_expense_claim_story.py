"""What becomes of a claim that was handed in: who decides, what is paid, and what is undone when that fails."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from examples.expense_claim.models import Budget, Reservation
from processes.models import Callback, InstanceEvent, ProcessInstance, StoredFile
from processes.services.callback_tokens import token_of
from processes.services.escalating import escalate_due
from processes.services.waiting_instances import list_waiting
from tasks.models import Job
from tasks.services.jobs import wake_due
from tests.examples.claim_kit import PDF, ClaimKit, address, payment_desk
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture
from tests.processes.services.real_servers import WebServer

pytestmark = pytest.mark.usefixtures("kit")


@pytest.fixture
def desk(settings: Settings, tmp_path: Path, kit: Any) -> Iterator[WebServer]:  # noqa: F811 - the fixture
    settings.MEDIA_ROOT = str(tmp_path)
    with payment_desk(settings) as server:
        yield server


@pytest.fixture
def claims(desk: WebServer) -> ClaimKit:
    return ClaimKit(payment_url=f"{desk.url}/orders/")


@pytest.fixture
def paul(claims: ClaimKit) -> User:
    return claims.person("paul", "approvers")


def report(claim: ProcessInstance, action: str, **parts: Any) -> Any:
    """Report to the callback of a claim's payment, as the worker does."""
    token = token_of(Callback.objects.get(run__instance=claim, ended_at=None).pk)
    data = {"report": json.dumps({"action": action, "data": parts.pop("data", None)}), **parts}
    answer = Client().post("/api/callbacks/", data, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    return answer


def approved(claims: ClaimKit, paul: User, **changes: Any) -> ProcessInstance:
    """Return a claim that was approved, and whose payment was ordered."""
    claim = claims.claim(**changes)
    claims.post(paul, claim, "approve")
    claims.work()
    return claim


def statuses(claim: ProcessInstance) -> list[str]:
    rows = InstanceEvent.objects.filter(instance=claim, kind__in=("created", "status")).order_by("pk")
    return [row.status_after for row in rows]


# -- who decides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "status"),
    [
        ("100.00", "EUR", "in payment"),
        ("100.01", "EUR", "submitted"),
        ("80.00", "GBP", "in payment"),
        ("80.01", "GBP", "submitted"),
        ("1.00", "JPY", "submitted"),
    ],
)
def test_above_an_amount_somebody_must_approve(claims: ClaimKit, amount: str, currency: str, status: str) -> None:
    claim = claims.claim(amount=amount, currency=currency)
    claims.work()
    assert claims.status(claim) == status


def test_a_claim_waits_in_the_inbox_of_the_approvers_for_two_days(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    (waiting,), _more = list_waiting(paul)
    assert waiting.instance == claim
    assert {one.action for one in waiting.expected} == {"approve", "reject"}
    assert claim.due_at is not None
    assert timedelta(days=1, hours=23) < claim.due_at - timezone.now() <= timedelta(days=2)
    assert list_waiting(claims.mara)[0] == []


def test_nobody_approves_a_claim_of_their_own(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim(owner=paul)
    assert claims.options(paul, claim) == {"withdraw"}
    for action in ("approve", "reject", "decline"):
        refused = claims.post(paul, claim, action, reason="x")
        assert refused.status_code == 403, action
    assert claims.status(claim) == "submitted"


def test_whoever_is_no_approver_finds_nothing(claims: ClaimKit) -> None:
    claim = claims.claim()
    nosy = claims.person("nosy")
    assert claims.post(nosy, claim, "approve").status_code == 404
    assert claims.browser(nosy).get(f"/files/{claims.data(claim)['receipts'][0]['id']}/").status_code == 404
    assert claims.status(claim) == "submitted"


def test_of_two_approvers_at_once_one_wins_and_it_is_paid_once(claims: ClaimKit, paul: User, desk: WebServer) -> None:
    claim = claims.claim()
    petra = claims.person("petra", "approvers")
    both = [(paul, "approve"), (petra, "approve")]
    answers: list[int] = []
    ready = threading.Barrier(2)

    def decide(user: User, action: str) -> None:
        try:
            browser = claims.browser(user)
            ready.wait()
            answers.append(browser.post(address(claim), {"action": action}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=one) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claims.work()
    # Whoever comes second is refused, or finds what they wanted done already.
    assert 303 in answers
    assert statuses(claim).count("approved") == 1
    assert claims.status(claim) == "in payment"
    assert len(desk.received) == 1


def test_who_approves_what_was_rejected_meanwhile_is_told(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    petra = claims.person("petra", "approvers")
    form = claims.browser(petra).get(f"{address(claim)}?action=reject", follow=True)
    claims.post(paul, claim, "approve")

    late = send_form(claims.browser(petra), form, reason="Too dear.")

    assert late.status_code == 403
    assert claims.status(claim) == "approved"
    assert "reason" not in claims.data(claim)


# -- rejected, corrected, withdrawn -----------------------------------------------------------------------------------


def rejected(claims: ClaimKit, paul: User, reason: str = "The hotel is missing.") -> ProcessInstance:
    claim = claims.claim()
    browser = claims.browser(paul)
    sent = send_form(browser, browser.get(f"{address(claim)}?action=reject", follow=True), reason=reason)
    assert "Rejected" in main_of(browser.get(sent.headers["Location"]))
    return claim


def test_a_claim_is_rejected_with_a_reason_that_its_owner_reads(claims: ClaimKit, paul: User) -> None:
    claim = rejected(claims, paul)
    assert claims.status(claim) == "rejected"
    shown = main_of(claims.browser(claims.mara).get(address(claim)))
    assert "The hotel is missing." in shown
    assert claims.options(claims.mara, claim) == {"correct", "withdraw"}
    assert claims.data(claim).keys() == {
        "title", "category", "purpose", "date", "amount", "currency", "tax", "receipts", "note", "reason",
    }  # fmt: skip


def test_a_rejection_needs_a_reason(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    browser = claims.browser(paul)
    refused = send_form(browser, browser.get(f"{address(claim)}?action=reject", follow=True), reason="")
    assert refused.status_code == 422
    assert claims.status(claim) == "submitted"


def test_what_was_rejected_is_corrected_over_the_same_pages_and_handed_in_again(claims: ClaimKit, paul: User) -> None:
    claim = rejected(claims, paul)
    (receipt,) = claims.data(claim)["receipts"]
    browser = claims.browser(claims.mara)
    review = browser.get(f"{address(claim)}?action=correct", follow=True)
    assert "250.00 EUR" in main_of(review)
    day = (timezone.localdate() - timedelta(days=3)).isoformat()
    hotel = SimpleUploadedFile("hotel.pdf", PDF, "application/pdf")
    for page, values in (
        ("purpose", {"title": "Train and hotel", "category": "Train or bus", "purpose": "The workshop."}),
        ("cost", {"date": day, "amount": "333.00", "currency": "EUR", "tax": ""}),
        ("receipt", {"receipts": [hotel], "note": "", "receipts-keep": [receipt["id"]]}),
    ):
        form = browser.get(f"{address(claim)}?form={page}&data={read_form(review)['data']}")
        review = send_form(browser, form, **values)
    assert "333.00 EUR" in main_of(review)
    assert claims.data(claim)["amount"] == "250.00"

    led = send_form(browser, review)

    assert "Waiting for approval" in main_of(browser.get(led.headers["Location"]))
    data = claims.data(claim)
    assert (claims.status(claim), data["amount"], data["title"]) == ("submitted", "333.00", "Train and hotel")
    assert "reason" not in data
    assert ProcessInstance.objects.get().title == "Train and hotel"
    assert [info["name"] for info in data["receipts"]] == ["train.pdf", "hotel.pdf"]
    assert data["receipts"][0] == receipt
    assert set(StoredFile.objects.values_list("instance", flat=True)) == {claim.pk}
    assert [one.instance for one in list_waiting(paul)[0]] == [claim]


def test_leaving_the_pages_of_a_correction_changes_nothing(claims: ClaimKit, paul: User) -> None:
    claim = rejected(claims, paul)
    before = claims.data(claim)
    browser = claims.browser(claims.mara)
    review = browser.get(f"{address(claim)}?action=correct", follow=True)
    purpose = browser.get(f"{address(claim)}?form=purpose&data={read_form(review)['data']}")
    changed = send_form(browser, purpose, title="Nothing", category="Train or bus", purpose="x")
    purpose = browser.get(f"{address(claim)}?form=purpose&data={read_form(changed)['data']}")
    sent = send_form(browser, purpose, button="leave-2", title="Nothing", category="Train or bus", purpose="x")
    assert sent.status_code in (200, 303)
    assert (claims.status(claim), claims.data(claim)) == ("rejected", before)
    assert StoredFile.objects.count() == 1


def test_a_correction_counts_once_however_often_it_is_sent(claims: ClaimKit, paul: User) -> None:
    claim = rejected(claims, paul)
    browser = claims.browser(claims.mara)
    review = browser.get(f"{address(claim)}?action=correct", follow=True)
    send_form(browser, review)
    again = send_form(browser, review)
    assert again.status_code in (403, 409)
    assert statuses(claim).count("submitted") == 2


def test_its_owner_withdraws_a_claim_as_long_as_nobody_has_decided(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    assert claims.options(claims.mara, claim) == {"withdraw"}
    assert claims.post(paul, claim, "withdraw").status_code == 403
    claims.post(claims.mara, claim, "withdraw")
    assert claims.status(claim) == "withdrawn"
    assert list_waiting(paul)[0] == []
    assert claims.post(paul, claim, "approve").status_code in (403, 404)
    assert claims.options(claims.mara, claim) == set()


def test_what_was_approved_cannot_be_withdrawn(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    claims.post(paul, claim, "approve")
    assert claims.post(claims.mara, claim, "withdraw").status_code == 403
    assert claims.status(claim) == "approved"


def test_the_types_own_page_begins_a_draft_that_is_filled_in(claims: ClaimKit) -> None:
    browser = claims.browser(claims.mara)
    made = browser.post("/new/expense-claim/")
    claim = ProcessInstance.objects.get()
    assert (claim.status, made.headers["Location"]) == ("draft", address(claim))
    assert "Nothing is filled in yet." in main_of(browser.get(address(claim)))
    page = browser.get(f"{address(claim)}?action=correct", follow=True)
    page = send_form(browser, page, title="Two coffees", category="Meal with guests", purpose="Talked.")
    day = timezone.localdate().isoformat()
    page = send_form(browser, page, date=day, amount="8.00", currency="EUR", tax="")
    page = send_form(browser, page, note="")
    send_form(browser, page)
    assert claims.status(claim) == "approved"
    assert ProcessInstance.objects.get().title == "Two coffees"


@pytest.mark.parametrize("action", ["approve", "withdraw"])
def test_whoever_decides_is_led_to_the_claim_as_it_stands_then(claims: ClaimKit, paul: User, action: str) -> None:
    claim = claims.claim()
    user = paul if action == "approve" else claims.mara
    led = claims.browser(user).post(address(claim), {"action": action}, follow=True)
    assert led.status_code == 200
    assert {"approve": "Approved", "withdraw": "Withdrawn"}[action] in main_of(led)


# -- in time ----------------------------------------------------------------------------------------------------------


def pass_due(claim: ProcessInstance) -> None:
    """Let the next step of the escalation be due, and the dispatcher notice."""
    ProcessInstance.objects.filter(pk=claim.pk).update(escalate_at=timezone.now() - timedelta(seconds=1))
    escalate_due(limit=10)


def test_approvers_are_reminded_by_mail_and_then_the_directors_are_asked(claims: ClaimKit, paul: User) -> None:
    owner = claims.person("otto", "approvers")
    dora = claims.person("dora", "directors")
    claim = claims.claim(owner=owner)
    assert claim.escalate_at == claim.due_at
    claims.work()
    assert mail.outbox == []

    pass_due(claim)
    claims.work()
    (reminder,) = mail.outbox
    assert reminder.to == ["paul@example.com"]
    assert "Train to Graz" in reminder.subject
    assert address(claim) in reminder.body

    claim.refresh_from_db()
    assert claim.escalate_at is not None
    assert claim.due_at is not None
    assert claim.escalate_at - claim.due_at == timedelta(days=1)
    assert list_waiting(dora)[0]  # Directors may decide at any time.
    pass_due(claim)
    claims.work()
    assert mail.outbox[1].to == ["dora@example.com"]
    assert [str(one) for one in claim.candidates.all()] == ["directors"]


def test_what_was_decided_in_time_reminds_nobody(claims: ClaimKit, paul: User) -> None:
    claim = claims.claim()
    claims.post(paul, claim, "approve")
    claim.refresh_from_db()
    assert (claim.due_at, claim.escalate_at) == (None, None)


# -- paid -------------------------------------------------------------------------------------------------------------


def test_the_order_says_what_is_to_be_paid_and_shows_the_token_to_nobody_else(
    claims: ClaimKit, paul: User, desk: WebServer
) -> None:
    claim = approved(claims, paul)
    (received,) = desk.received
    sent = json.loads(received.body)
    assert sent["order"] == {
        "claim": str(claim.pk), "title": "Train to Graz", "payee": "mara", "amount": "250.00", "currency": "EUR",
        "receipts": claims.data(claim)["receipts"],
    }  # fmt: skip
    assert received.headers["Idempotency-Key"]
    token = sent["token"]
    for user in (claims.mara, paul):
        assert token not in claims.browser(user).get(address(claim)).content.decode()
    assert token not in json.dumps(claims.data(claim))


def test_the_page_shows_how_far_the_worker_is(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    steps = claims.runs(claim)[0].ordinal
    report(claim, "start")
    report(claim, "progress", data={"percent": 50, "message": "Waiting for the bank"})
    claims.work()
    for user in (claims.mara, paul):
        shown = main_of(claims.browser(user).get(address(claim)))
        assert 'value="50"' in shown
        assert "Waiting for the bank" in shown
    assert claims.runs(claim)[0].ordinal == steps


def test_a_paid_claim_shows_its_reference_its_receipt_and_the_slip_to_both(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    slip = SimpleUploadedFile("slip.txt", b"paid", "text/plain")
    report(claim, "complete", data={"reference": "PAY-7"}, slip=slip)
    claims.work()

    assert statuses(claim) == ["submitted", "approved", "in payment", "paid"]
    data = claims.data(claim)
    assert data["payment"]["reference"] == "PAY-7"
    assert data.keys() - {"payment"} == {
        "title", "category", "purpose", "date", "amount", "currency", "tax", "receipts", "note",
    }  # fmt: skip
    for user in (claims.mara, paul):
        browser = claims.browser(user)
        shown = main_of(browser.get(address(claim)))
        assert "PAY-7" in shown
        for info, content in ((data["payment"]["slip"], b"paid"), (data["receipts"][0], PDF)):
            assert f"/files/{info['id']}/" in shown
            assert b"".join(browser.get(f"/files/{info['id']}/").streaming_content) == content
    assert Budget.objects.get().spent == Decimal("250.00")
    assert Budget.objects.get().reserved == 0


def test_the_slip_stays_when_the_callback_is_gone(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    report(claim, "complete", data={"reference": "PAY-7"}, slip=SimpleUploadedFile("slip.txt", b"paid"))
    claims.work()
    Callback.objects.all().delete()
    slip = claims.data(claim)["payment"]["slip"]
    answer = claims.browser(claims.mara).get(f"/files/{slip['id']}/")
    assert b"".join(answer.streaming_content) == b"paid"


def test_the_worker_may_name_the_receipts_that_it_was_told_of(claims: ClaimKit, paul: User) -> None:
    """The run works for the approver, and the receipt is the claimant's: it is the claim that both work on."""
    claim = approved(claims, paul)
    (receipt,) = claims.data(claim)["receipts"]
    report(claim, "progress", data={"percent": 25, "seen": receipt})
    seen = Callback.objects.get().response["seen"]
    assert seen["name"] == receipt["name"]
    assert StoredFile.objects.get(pk=seen["id"]).copied_from == StoredFile.objects.get(instance=claim).pk


@pytest.mark.parametrize("told", [None, {}, {"reference": 7, "slip": "none"}, "done", ["x"]])
def test_a_payment_counts_whatever_its_report_lacks(claims: ClaimKit, paul: User, told: Any) -> None:
    claim = approved(claims, paul)
    report(claim, "complete", data=told)
    claims.work()
    assert claims.status(claim) == "paid"
    assert Reservation.objects.get().spent_at is not None


# -- a payment that fails ---------------------------------------------------------------------------------------------


def test_when_the_payment_is_refused_what_was_done_is_undone(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    assert Budget.objects.get().reserved == Decimal("250.00")
    report(claim, "error", data={"message": "No such account"})
    claims.work()

    assert claims.status(claim) == "payment failed"
    assert claims.runs(claim)[0].status == "compensated"
    assert (Budget.objects.get().reserved, Reservation.objects.count()) == (0, 0)
    assert "No such account" in main_of(claims.browser(claims.mara).get(address(claim)))
    assert claims.options(claims.mara, claim) == set()
    assert claims.options(paul, claim) == {"pay_again"}


def test_what_has_failed_is_paid_again(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    report(claim, "error")
    claims.work()
    claims.post(paul, claim, "pay_again")
    claims.work()
    report(claim, "complete", data={"reference": "PAY-8"})
    claims.work()
    assert statuses(claim)[3:] == ["payment failed", "in payment", "paid"]
    assert Budget.objects.get().spent == Decimal("250.00")


def test_a_claim_is_paid_once_however_often_that_is_asked_for(claims: ClaimKit, paul: User, desk: WebServer) -> None:
    claim = approved(claims, paul)
    report(claim, "error")
    claims.work()
    for _ in range(2):
        claims.post(paul, claim, "pay_again")
    claims.work()
    assert claims.status(claim) == "in payment"
    assert [run.status for run in claims.runs(claim)][1:] in (["waiting", "failed"], ["failed", "waiting"])
    assert len(desk.received) == 2


def test_a_worker_that_is_never_heard_of_is_a_payment_that_failed(claims: ClaimKit, paul: User) -> None:
    claim = approved(claims, paul)
    past = timezone.now() - timedelta(seconds=1)
    Callback.objects.update(expires_at=past)
    Job.objects.filter(status="waiting").update(wake_at=past)
    wake_due()
    claims.work()
    assert claims.status(claim) == "payment failed"
    assert Budget.objects.get().reserved == 0


def test_where_orders_may_not_be_sent_the_payment_fails(claims: ClaimKit, paul: User, settings: Settings) -> None:
    settings.STEPLINE_OUTBOUND_HOSTS = ()
    claim = approved(claims, paul)
    assert claims.status(claim) == "payment failed"
    assert Reservation.objects.count() == 0


def test_what_the_budget_has_no_money_for_is_not_ordered(claims: ClaimKit, paul: User, desk: WebServer) -> None:
    Budget.objects.create(currency="EUR", spent=Decimal("49750.01"))
    claim = approved(claims, paul)
    assert desk.received == []
    assert claims.status(claim) == "approved"
    assert claims.runs(claim)[0].error["code"] == "no_budget"
    assert claims.options(paul, claim) == {"pay_again"}
