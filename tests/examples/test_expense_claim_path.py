"""expense-claim from its first page to the claim that waits: by the pages, as a browser sends them."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from processes.domain.application import Application
from processes.models import DataNode, ProcessInstance, ProcessTemplate, StoredFile
from processes.registry import scripts
from processes.services.authoring.importing import import_templates
from processes.services.authoring.template_files import read_template_files
from processes.services.instances import context_node_of
from tests.processes.pages.browsing import main_of, read_form, send_form

pytestmark = pytest.mark.django_db

ADDRESS = "/p/expense-claim/"
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
PURPOSE = {"title": "Train to Graz", "category": "Train or bus", "purpose": "The workshop."}
COST, RECEIPT = "What did “Train to Graz” cost?", "Receipt for “Train to Graz”"
REVIEW = "Check and hand in “Train to Graz”"
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs/examples.md"


@pytest.fixture(autouse=True)
def _loaded(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    call_command("load_examples", verbosity=0)


@pytest.fixture
def claimant(client: Client) -> User:
    user = User.objects.create_user("mara")
    client.force_login(user)
    return user


def days_ago(days: int) -> str:
    return (timezone.localdate() - timedelta(days=days)).isoformat()


def cost(**changes: str) -> dict[str, str]:
    return {"date": days_ago(3), "amount": "1284.50", "currency": "EUR", "tax": "", **changes}


def receipt(name: str = "train.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, PDF, "application/pdf")


def to_cost(client: Client) -> Any:
    return send_form(client, client.get(ADDRESS), **PURPOSE)


def to_receipt(client: Client, **changes: str) -> Any:
    return send_form(client, to_cost(client), **cost(**changes))


def to_review(client: Client, **changes: str) -> Any:
    return send_form(client, to_receipt(client, **changes), receipts=[receipt()], note="")


def title_of(shown: Any) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", main_of(shown), re.DOTALL)
    assert found is not None, shown.content.decode()
    return found[1].strip()


def errors_by_field(shown: Any) -> dict[str, str]:
    """Return the messages of the page, by the field whose box they stand in."""
    boxes = re.split(r'<div class="field ', main_of(shown))[1:]
    found = {}
    for box in boxes:
        name, error = re.search(r'name="(\w+)"', box), re.search(r'class="errorlist[^>]*>(.*?)</ul>', box, re.DOTALL)
        if name and error:
            found[name[1]] = re.sub(r"<[^>]+>|\s+", " ", error[1]).strip()
    return found


# -- the whole path ---------------------------------------------------------------------------------------------------


def test_a_claim_is_handed_in_and_waits(client: Client, claimant: User) -> None:
    review = to_review(client, tax="1.50")
    assert title_of(review) == REVIEW
    for text in ("Train to Graz", "Train or bus", "1,284.50 EUR", "1.50 EUR", "train.pdf"):
        assert text in main_of(review)

    sent = send_form(client, review)

    claim = ProcessInstance.objects.get()
    assert (claim.owner, claim.title, claim.status) == (claimant, "Train to Graz", "submitted")
    assert claim.template.slug == "expense-claim"
    data = context_node_of(claim).data
    assert (data["amount"], data["tax"], data["currency"], data["date"]) == ("1284.50", "1.50", "EUR", days_ago(3))
    assert data.keys() == {*PURPOSE, *cost(), "receipts", "note"}
    assert (sent.status_code, sent.headers["Location"]) == (303, f"/instances/{claim.pk}/")
    shown = client.get(sent.headers["Location"])
    assert title_of(shown) == "Train to Graz"
    for text in ("Waiting for approval", "1,284.50 EUR", "train.pdf"):
        assert text in main_of(shown)
    assert "Change" not in main_of(shown)


def test_the_receipts_are_the_claims_and_the_draft_is_gone(client: Client, claimant: User) -> None:
    send_form(client, to_review(client))

    claim = ProcessInstance.objects.get()
    stored = StoredFile.objects.get()
    assert (stored.instance, stored.node, stored.run) == (claim, None, None)
    (info,) = context_node_of(claim).data["receipts"]
    assert info["id"] == str(stored.pk)
    assert b"".join(client.get(f"/files/{stored.pk}/").streaming_content) == PDF
    draft = DataNode.objects.get(kind="temporary")
    assert (draft.data, draft.entered, draft.drafted_at) == ({}, {}, None)


def test_handing_in_again_leads_to_the_claim_and_makes_no_second_one(client: Client, claimant: User) -> None:
    review = to_review(client)
    send_form(client, review)
    claim = ProcessInstance.objects.get()

    for again in (send_form(client, review), client.get(f"{ADDRESS}?form=review&data={read_form(review)['data']}")):
        assert again.status_code == 409
        assert f'href="/instances/{claim.pk}/"' in main_of(again)
    assert ProcessInstance.objects.get() == claim


def test_where_creating_fails_nothing_is_there_and_it_can_be_handed_in_again(client: Client, claimant: User) -> None:
    review = to_review(client)

    def fail(app: Application) -> None:
        raise RuntimeError("the lights went out")

    with scripts.override("redirect", fail):
        # The claim is there, and what came after it has failed.
        assert send_form(client, review).status_code == 500
    claim = ProcessInstance.objects.get()
    again = send_form(client, review)
    assert again.status_code == 409
    assert f'href="/instances/{claim.pk}/"' in main_of(again)


def test_whoever_is_not_signed_in_is_asked_to(client: Client) -> None:
    answer = client.get(ADDRESS)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/accounts/login/?next={ADDRESS}")


def test_a_claim_and_its_receipts_are_nobody_elses(client: Client, claimant: User) -> None:
    send_form(client, to_review(client))
    client.force_login(User.objects.create_user("nosy"))
    for place in (f"/instances/{ProcessInstance.objects.get().pk}/", f"/files/{StoredFile.objects.get().pk}/"):
        assert client.get(place).status_code == 404


# -- its rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"amount": "10", "tax": "10"}, "tax", "The tax is a part of the amount"),
        ({"amount": "0"}, "amount", "greater than or equal to 0.01"),
        ({"amount": "12.345"}, "amount", "2 decimal places"),
        ({"amount": "10000.01"}, "amount", "10000"),
        ({"currency": "XXX"}, "currency", "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_with_the_input_kept(
    client: Client, claimant: User, changes: dict[str, str], field: str, message: str
) -> None:
    refused = to_receipt(client, **changes)
    assert title_of(refused) == COST
    found = errors_by_field(refused)
    assert list(found) == [field]
    assert message in found[field]
    if field != "currency":
        assert read_form(refused)["amount"] == changes["amount"]


def test_a_day_must_have_come_and_not_be_long_ago(client: Client, claimant: User) -> None:
    assert "date" in errors_by_field(to_receipt(client, date=days_ago(-2)))
    assert "This is too long ago" in errors_by_field(to_receipt(client, date=days_ago(91)))["date"]
    assert title_of(to_receipt(client, date=days_ago(90))) == RECEIPT


def test_above_an_amount_a_receipt_is_needed(client: Client, claimant: User) -> None:
    refused = send_form(client, to_receipt(client, amount="25.01"), note="lost")
    assert errors_by_field(refused) == {"receipts": "Add a receipt: amounts above 25.00 EUR need one."}
    assert title_of(send_form(client, refused, receipts=[receipt()], note="lost")) == REVIEW
    assert title_of(send_form(client, to_receipt(client, amount="25.00"), note="lost")) == REVIEW


def test_the_rules_are_asked_again_when_it_is_handed_in(client: Client, claimant: User) -> None:
    review = to_review(client)
    node = DataNode.objects.get()
    # As if the draft had lain for four months.
    node.data["date"] = days_ago(120)
    node.save(update_fields=["data"])

    refused = send_form(client, review)

    assert title_of(refused) == COST
    assert "This is too long ago" in errors_by_field(refused)["date"]
    assert not ProcessInstance.objects.exists()


def test_nobody_gets_past_a_page_by_sending_the_last_form_first(client: Client, claimant: User) -> None:
    reached = to_cost(client)
    fields = read_form(reached)
    hidden = {name: fields[name] for name in ("data", "revision", "csrfmiddlewaretoken") if name in fields}

    answer = client.post(ADDRESS, {**hidden, "form": "review"}, follow=True)

    assert title_of(answer) == COST
    assert not ProcessInstance.objects.exists()


@pytest.mark.parametrize("action", ["create", "lead_to_claim", "review", "show_claim"])
def test_what_is_inside_cannot_be_entered(client: Client, claimant: User, action: str) -> None:
    reached = to_cost(client)
    for place in (f"?action={action}", f"?action={action}&data={read_form(reached)['data']}"):
        assert client.get(f"{ADDRESS}{place}").status_code == 404


# -- drafts and ways back ---------------------------------------------------------------------------------------------


def test_a_discarded_draft_is_gone_with_its_receipts(client: Client, claimant: User) -> None:
    review = to_review(client)
    purpose = client.get(f"{ADDRESS}?form=purpose&data={read_form(review)['data']}")
    assert StoredFile.objects.exists()

    sent = send_form(client, purpose, button="leave-2", **PURPOSE)

    assert sent.headers["Location"] == "/"
    assert not StoredFile.objects.exists()
    assert client.get(f"{ADDRESS}?form=purpose&data={read_form(review)['data']}").status_code == 404


def test_whoever_thinks_better_of_it_at_the_first_page_leaves_nothing(client: Client, claimant: User) -> None:
    sent = send_form(client, client.get(ADDRESS, follow=True), button="leave-2", title="Tr")

    assert (sent.status_code, sent.headers["Location"]) == (303, "/")
    assert not DataNode.objects.filter(owner=claimant).exists()


def test_from_the_review_each_step_can_be_changed_and_leads_back_to_it(client: Client, claimant: User) -> None:
    review = to_review(client)
    links = re.findall(r'href="(\?form=(\w+)&amp;data=[^"]+)"', main_of(review))
    assert [name for _, name in links] == ["purpose", "cost", "receipt", "receipt"]

    changed = client.get(ADDRESS + links[1][0].replace("&amp;", "&"))
    assert read_form(changed)["amount"] == "1284.50"
    again = send_form(client, changed, **cost(amount="7"))

    assert title_of(again) == REVIEW
    assert "7.00 EUR" in main_of(again)
    assert "train.pdf" in main_of(again)


def test_a_page_that_was_left_by_back_comes_again_with_what_was_typed_there(client: Client, claimant: User) -> None:
    review = to_review(client)
    page = client.get(f"{ADDRESS}?form=receipt&data={read_form(review)['data']}")
    keep = [info["id"] for info in DataNode.objects.get().data["receipts"]]
    typed = {"receipts": [receipt("hotel.pdf")], "receipts-keep": keep, "note": "Two nights."}

    back = send_form(client, page, button="back-1", **typed)
    assert title_of(back) == COST
    again = send_form(client, back, **cost())

    # Not on to the review, where the second receipt would be missing.
    assert title_of(again) == RECEIPT
    assert "hotel.pdf" in main_of(again)
    assert "Two nights." in main_of(again)
    last = send_form(client, again, **{"receipts-keep": ids_of_kept(again), "note": "Two nights."})
    assert title_of(last) == REVIEW
    assert "train.pdf" in main_of(last)
    assert "hotel.pdf" in main_of(last)


def ids_of_kept(shown: Any) -> list[str]:
    return re.findall(r'name="receipts-keep" value="([^"]+)"', main_of(shown))


# -- what teams change ------------------------------------------------------------------------------------------------


def test_the_template_in_the_documentation_binds_other_limits(client: Client, claimant: User, tmp_path: Path) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", DOCUMENTED.read_text("utf-8"), re.DOTALL)
    document = json.loads(text)
    (tmp_path / "uk.json").write_text(text)
    import_templates(read_template_files([tmp_path / "uk.json"]))
    assert ProcessTemplate.objects.get(slug=document["name"]).published_plan is not None

    place = f"/p/{document['name']}/"
    shown = send_form(client, client.get(place), **PURPOSE)
    assert "Euro" not in main_of(shown)
    shown = send_form(client, shown, **cost(currency="GBP", amount="10.01", date=days_ago(50)))
    refused = send_form(client, shown, note="")
    assert errors_by_field(refused) == {"receipts": "Add a receipt: amounts above 10.00 GBP need one."}


def test_it_speaks_german_where_that_is_wanted(client: Client, claimant: User) -> None:
    review = to_review(client)
    shown = client.get(f"{ADDRESS}?form=review&data={read_form(review)['data']}", headers={"accept-language": "de"})
    assert "1.284,50" in main_of(shown)
