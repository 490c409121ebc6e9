"""Saving a draft keeps everything as it was typed; its owner finds it again, and can throw it away."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.models import Access, DataNode, ProcessTemplate, StoredFile
from processes.registry import scripts
from processes.services.authoring.templates import publish
from processes.services.instances import create_instance
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.pages.form_kit import PDF, upload
from tests.processes.services.published import change_draft, form, page, publish_process

pytestmark = pytest.mark.django_db

DRAFT = {"label": "Save draft", "does": "draft"}
FIELDS = (
    {"name": "amount", "type": "integer"},
    {"name": "receipt", "type": "file", "accept": [".pdf"]},
    {"name": "secret", "type": "password", "required": False},
)


def claim(*actions: dict, access: Access = Access.PUBLIC) -> ProcessTemplate:
    ask = form("ask", "next", *FIELDS, config={"title": "Your claim", "buttons": [DRAFT]})
    following = form("next", "done", {"name": "city"}, config={"title": "Where", "buttons": [DRAFT]})
    return publish_process("claim", [ask, following, page("done", "done"), *actions], access=access)


def draft(client: Client, tab: object = None, **values: object):
    return send_form(client, tab or client.get("/p/claim/"), button="draft-1", **values)


def drafts_on_home(client: Client) -> list[str]:
    found = re.findall(r'class="work-title" href="([^"]+)"', client.get("/").content.decode())
    return [link for link in found if "data=" in link]


def test_it_keeps_what_was_typed_unchecked_and_shows_the_form_again(client: Client) -> None:
    claim()
    shown = draft(client, amount="about 12", secret="geheim")
    assert "Draft saved." in main_of(shown)
    assert read_form(shown)["amount"] == "about 12"
    node = DataNode.objects.get()
    assert node.data == {}
    assert node.entered == {"ask": {"amount": "about 12", "receipt": None}}
    assert node.drafted_at is not None
    assert "Draft saved." not in main_of(client.get(f"/p/claim/?form=ask&data={node.reference}"))


def test_what_was_wrong_with_a_value_is_not_said_of_another_that_was_typed_since(client: Client) -> None:
    problems = {"name": "Too short.", "city": "Unknown.", "": "Look again."}
    judge = {"name": "judge", "script": "set_data", "config": {"values": {"problems": problems}}}
    config = {"errors_from": "problems", "buttons": [DRAFT]}
    again = form("ask", "judge", {"name": "name"}, {"name": "city"}, config=config)
    publish_process("claim", [again, {**judge, "next": "ask"}])
    wrong = send_form(client, client.get("/p/claim/"), name="A", city="X")
    assert "Too short." in main_of(wrong)
    kept = main_of(send_form(client, wrong, button="draft-1", name="Ada"))
    assert "Too short." not in kept
    assert "Unknown." in kept
    assert "Look again." in kept


def test_files_are_stored_with_it_and_need_not_be_chosen_again(client: Client) -> None:
    claim()
    shown = draft(client, receipt=upload("a.pdf", PDF))
    assert "a.pdf" in main_of(shown)
    stored = StoredFile.objects.get()
    assert stored.node == DataNode.objects.get()
    following = send_form(client, shown, amount="12")
    assert read_form(following)["form"] == "next"
    node = DataNode.objects.get()
    assert (node.data["receipt"]["id"], node.entered) == (str(stored.pk), {})


def test_a_file_that_is_replaced_or_removed_is_deleted(client: Client, django_capture_on_commit_callbacks) -> None:
    claim()
    shown = draft(client, receipt=upload("a.pdf", PDF))
    shown = draft(client, shown, receipt=upload("b.pdf", PDF))
    assert [stored.name for stored in StoredFile.objects.all()] == ["b.pdf"]
    shown = draft(client, shown, **{"receipt-clear": "on"})
    assert not StoredFile.objects.exists()
    assert "b.pdf" not in main_of(shown)


def test_a_file_that_does_not_fit_is_not_kept(client: Client) -> None:
    claim()
    shown = draft(client, amount="12", receipt=upload("a.exe", b"MZ"))
    assert not StoredFile.objects.exists()
    assert read_form(shown)["amount"] == "12"


def test_it_lives_longer_than_other_data(client: Client, settings) -> None:
    claim()
    settings.STEPLINE_DRAFT_DAYS = 5
    draft(client, amount="1")
    left = DataNode.objects.get().expires_at - timezone.now()
    assert timedelta(days=4.9) < left <= timedelta(days=5)
    settings.STEPLINE_DRAFT_DAYS = 1
    draft(client, client.get(f"/p/claim/?form=ask&data={DataNode.objects.get().reference}"), amount="2")
    assert DataNode.objects.get().expires_at - timezone.now() > timedelta(days=4.9)


def test_of_two_windows_one_saves_and_the_other_is_told(client: Client) -> None:
    claim()
    first = draft(client, amount="1")
    draft(client, first, amount="2")
    lost = draft(client, first, amount="3")
    assert lost.status_code == 409
    assert "saved as a draft in another window" in main_of(lost)
    assert "<dd>3</dd>" in main_of(lost)
    assert DataNode.objects.get().entered["ask"]["amount"] == "2"


def test_the_home_page_leads_to_it_until_its_process_has_ended(client: Client) -> None:
    claim()
    shown = draft(client, client.get("/p/claim/?tenant=north&tenant=south&x=%26"), amount="1")
    [link] = drafts_on_home(client)
    assert "tenant=" in link
    assert "x=%26" in link
    assert read_form(client.get(link.replace("&amp;", "&")))["amount"] == "1"
    assert "Your claim" in client.get("/").content.decode()
    following = send_form(client, shown, amount="12", receipt=upload("a.pdf", PDF))
    [link] = drafts_on_home(client)
    assert "form=next" in link
    assert "Where" in client.get("/").content.decode()
    assert send_form(client, following, city="Rome").status_code == 200
    assert drafts_on_home(client) == []


def test_it_is_its_owners_alone(client: Client) -> None:
    claim()
    draft(client, amount="1")
    assert len(drafts_on_home(client)) == 1
    assert drafts_on_home(Client()) == []


def test_one_of_a_process_that_its_owner_may_not_execute_any_more_is_not_listed() -> None:
    template = claim(access=Access.STAFF)
    user = User.objects.create_user("ada", is_staff=True)
    client = Client()
    client.force_login(user)
    draft(client, amount="1")
    assert len(drafts_on_home(client)) == 1
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert drafts_on_home(client) == []
    ProcessTemplate.objects.filter(pk=template.pk).update(access=Access.PUBLIC)
    assert len(drafts_on_home(client)) == 1


def test_one_whose_form_the_process_shows_no_more_is_listed_under_the_process(client: Client) -> None:
    template = claim()
    draft(client, amount="1")
    change_draft(template, [page("start", "All new")])
    publish(template=template)
    [link] = drafts_on_home(client)
    assert "Claim" in client.get("/").content.decode()
    gone = client.get(link.replace("&amp;", "&"))
    assert gone.status_code == 409
    assert "This process has changed" in gone.content.decode()


def test_discarding_deletes_it_with_its_files(client: Client) -> None:
    claim()
    shown = draft(client, amount="1", receipt=upload("a.pdf", PDF))
    reference = read_form(shown)["data"]
    answer = client.post(f"/drafts/{reference}/discard/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert not StoredFile.objects.exists()
    assert drafts_on_home(client) == []
    for again in (client.post(f"/drafts/{reference}/discard/"), send_form(client, shown, amount="2")):
        assert again.status_code == 404


def test_what_was_never_saved_as_a_draft_is_not_discarded_by_its_address(client: Client) -> None:
    claim()
    reference = read_form(send_form(client, client.get("/p/claim/"), amount="no number"))["data"]
    assert client.post(f"/drafts/{reference}/discard/").status_code == 404
    assert client.get(f"/p/claim/?form=ask&data={reference}").status_code == 200


def test_only_a_form_of_this_site_discards(client: Client) -> None:
    claim()
    reference = read_form(draft(client, amount="1"))["data"]
    assert client.get(f"/drafts/{reference}/discard/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(f"/drafts/{reference}/discard/").status_code == 403
    assert len(drafts_on_home(client)) == 1


def test_a_disk_without_room_loses_no_text(client: Client, settings, monkeypatch) -> None:
    def full(*args: object, **kwargs: object) -> str:
        raise OSError(28, "No space left on device")

    claim()
    tab = client.get("/p/claim/")
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._save", full)
    failed = draft(client, tab, amount="12", receipt=upload("a.pdf", PDF))
    assert failed.status_code == 503
    link = re.search(r'href="([^"]+)">Back to what you entered<', failed.content.decode())
    assert link is not None
    assert read_form(client.get(link[1].replace("&amp;", "&")))["amount"] == "12"
    assert not StoredFile.objects.exists()


def test_a_draft_of_an_instance_leads_to_the_instance() -> None:
    template = claim(access=Access.SIGNED_IN)
    ada = User.objects.create_user("ada")
    client = Client()
    client.force_login(ada)
    template.refresh_from_db()
    instance = create_instance(template=template, owner=ada)
    shown = draft(client, client.get(f"/instances/{instance.pk}/"), amount="1")
    assert read_form(shown)["amount"] == "1"
    [link] = drafts_on_home(client)
    assert link.startswith(f"/instances/{instance.pk}/?")
    instance.owner = User.objects.create_user("grace")
    instance.save()
    assert drafts_on_home(client) == []


def test_a_draft_whose_process_leaves_by_a_redirect_to_the_next_step_stays_one(client: Client) -> None:
    lead = {"name": "lead", "script": "redirect", "config": {"action": "look", "data": True}, "next": False}
    ask = form("ask", "lead", {"name": "amount"}, config={"buttons": [DRAFT]})
    publish_process("claim", [ask, lead, form("look", "done", {"name": "b"}), page("done", "done")])
    shown = draft(client, amount="1")
    answer = send_form(client, shown, amount="1")
    assert answer.status_code == 303
    assert read_form(client.get(answer.headers["Location"]))["form"] == "look"
    assert len(drafts_on_home(client)) == 1


def test_a_draft_that_goes_on_in_the_background_is_none_any_more(client: Client) -> None:
    with scripts.override("long", lambda app: None):
        work = [{"name": "away", "script": "execute_in_background"}, {"name": "long", "script": "long"}]
        ask = form("ask", "away", {"name": "amount"}, config={"buttons": [DRAFT]})
        drawing = {"name": "renderProgress", "script": "render_progress", "next": False}
        publish_process("claim", [ask, *work, drawing])
        shown = draft(client, amount="1")
        assert send_form(client, shown, amount="1").status_code == 303
    assert drafts_on_home(client) == []
