"""Two tabs, a double click, a failure: one submission counts, and nothing that was entered is lost."""

import re
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import DataNode, StoredFile
from processes.registry import scripts
from processes.services.files import open_file
from tests.processes.pages.browsing import read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

NAME = {"name": "name"}


def two_steps() -> None:
    publish_process("claim", [form("ask", "next", NAME), form("next", "done", {"name": "city"}), page("done", "done")])


def test_of_two_tabs_that_submit_the_same_step_one_wins_and_the_other_is_told(client: Client) -> None:
    two_steps()
    tab = client.get("/p/claim/")
    won = send_form(client, tab, name="Ada")
    lost = send_form(client, tab, name="Grace")
    assert won.status_code == 200
    assert lost.status_code == 409
    assert "already submitted" in lost.content.decode()
    assert DataNode.objects.get().data == {"name": "Ada"}


def test_whoever_comes_second_can_see_the_step_as_it_stands_and_go_on_from_there(client: Client) -> None:
    two_steps()
    tab = client.get("/p/claim/")
    send_form(client, tab, name="Ada")
    reference = read_form(tab)["data"]
    link = f"/p/claim/?form=next&amp;data={reference}"
    assert link in send_form(client, tab, name="Grace").content.decode()
    shown = client.get(link.replace("&amp;", "&"))
    assert send_form(client, shown, city="London").status_code == 200


def test_reloading_and_going_back_submit_nothing(client: Client) -> None:
    two_steps()
    first = client.get("/p/claim/")
    answer = client.post("/p/claim/", {**read_form(first), "name": "Ada"})
    assert answer.status_code == 303
    for _ in range(2):
        assert read_form(client.get(answer.headers["Location"]))["form"] == "next"
    assert DataNode.objects.get().revision == 1


def test_the_second_learns_when_it_was_sent_where_it_stands_and_what_of_theirs_was_not_taken(client: Client) -> None:
    publish_process(
        "claim",
        [form("ask", "next", NAME, {"name": "city"}), form("next", "done", config={"title": "Receipt"})],
    )
    tab = client.get("/p/claim/")
    send_form(client, tab, name="Ada", city="London")
    lost = send_form(client, tab, name="Grace <b>", city="London").content.decode()
    assert re.search("That was at .+ today", lost)
    assert "stands at the step “Receipt”" in lost
    assert "What you entered here was not taken" in lost
    assert "<dt>Name</dt><dd>Grace &lt;b&gt;</dd>" in lost
    assert "<dt>City</dt>" not in lost
    assert "What you entered here" not in send_form(client, tab, name="Ada", city="London").content.decode()


def test_a_conflict_from_another_day_tells_the_day(client: Client) -> None:
    two_steps()
    tab = client.get("/p/claim/")
    send_form(client, tab, name="Ada")
    DataNode.objects.update(updated_at=datetime(2026, 3, 5, 14, 30, tzinfo=UTC))
    assert "March 5, 2026" in send_form(client, tab, name="Ada").content.decode()


def test_once_the_work_has_gone_to_the_background_the_second_tab_is_led_to_its_progress(client: Client) -> None:
    two_steps()
    tab = client.get("/p/claim/")
    send_form(client, tab, name="Ada")
    run_id = uuid4()
    DataNode.objects.update(continued_in=run_id)
    lost = send_form(client, tab, name="Ada")
    assert lost.status_code == 409
    assert f"/progress/{run_id}/" in lost.content.decode()
    reference = read_form(tab)["data"]
    assert client.get(f"/p/claim/?action=done&data={reference}").status_code == 409
    assert client.get(f"/p/claim/?form=ask&data={reference}").status_code == 409


def test_after_a_failure_the_same_form_can_be_sent_again(client: Client) -> None:
    failures = [ValueError("the disk is on fire")]

    def unlucky(app) -> None:
        app.data["half"] = True
        app.call("save_data")
        if failures:
            raise failures.pop()

    with scripts.override("unlucky", unlucky):
        publish_process(
            "claim", [form("ask", "work", NAME), {"name": "work", "script": "unlucky"}, page("done", "done")]
        )
        tab = client.get("/p/claim/")
        failed = send_form(client, tab, name="Ada")
        assert failed.status_code == 500
        assert "the disk is on fire" not in failed.content.decode()
        node = DataNode.objects.get()
        assert (node.revision, node.data) == (0, {})
        assert send_form(client, tab, name="Ada").status_code == 200


def test_after_a_failure_the_page_leads_back_to_what_was_entered(client: Client) -> None:
    failing = {"name": "work", "script": "fail", "config": {"message": "The shop is closed."}}
    publish_process("claim", [form("ask", "work", NAME), failing])
    failed = send_form(client, client.get("/p/claim/?shop=north"), name="Ada")
    assert failed.status_code == 422
    link = re.search(r'href="([^"]+)">Back to what you entered<', failed.content.decode())
    assert link is not None
    shown = client.get(unescape(link[1]))
    assert read_form(shown)["name"] == "Ada"
    assert "shop=north" in link[1]


def test_the_uploads_of_a_failed_submission_are_kept_with_the_form(client: Client) -> None:
    failures = [ValueError("no")]

    def unlucky(app) -> None:
        with open_file(app.data["upload"]) as content:
            app.response.content = content.read().decode()
        if failures:
            raise failures.pop()

    upload = {"name": "upload", "type": "file"}
    with scripts.override("unlucky", unlucky):
        publish_process("claim", [form("ask", "work", upload), {"name": "work", "script": "unlucky"}])
        tab = client.get("/p/claim/")
        failed = send_form(client, tab, upload=SimpleUploadedFile("a.txt", b"what I wrote"))
        assert failed.status_code == 500
        kept = StoredFile.objects.get()
        # Another window's form knows nothing of this file, and must not send it by the way.
        assert client.post("/p/claim/", read_form(tab)).status_code == 409
        shown = client.get(f"/p/claim/?form=ask&data={read_form(tab)['data']}")
        assert "a.txt" in shown.content.decode()
        assert "what I wrote" in send_form(client, shown).content.decode()
    assert StoredFile.objects.get() == kept


@pytest.mark.parametrize("revision", ["", "1", "-1", "2", "99999999999999999999", "one", "١"])
def test_a_form_with_a_made_up_revision_is_taken_for_a_forged_one(client: Client, revision: str) -> None:
    two_steps()
    tab = client.get("/p/claim/")
    assert send_form(client, tab, name="Ada", revision=revision).status_code == 404
    assert send_form(client, tab, name="Ada").status_code == 200


def test_a_form_without_a_revision_is_taken_for_a_forged_one(client: Client) -> None:
    two_steps()
    values = read_form(client.get("/p/claim/"))
    del values["revision"]
    assert client.post("/p/claim/", {**values, "name": "Ada"}).status_code == 404


def test_somebody_elses_form_cannot_be_sent(client: Client) -> None:
    two_steps()
    values = read_form(client.get("/p/claim/"))
    for data in (values, {**values, "revision": "1"}):
        assert Client().post("/p/claim/", {**data, "name": "Eve"}).status_code == 404
    assert not DataNode.objects.exists()
    assert client.post("/p/claim/", {**values, "name": "Ada"}).status_code == 303
    assert Client().post("/p/claim/", {**values, "name": "Eve"}).status_code == 404
    assert DataNode.objects.get().data == {"name": "Ada"}
