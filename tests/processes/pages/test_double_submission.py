"""Two tabs, a double click, a failure: one submission counts, and nothing that was entered is lost."""

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import DataNode, StoredFile
from processes.registry import scripts
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
    assert DataNode.objects.get().revision == 2


def test_once_the_work_has_gone_to_the_background_the_second_tab_is_led_to_its_progress(client: Client) -> None:
    two_steps()
    tab = client.get("/p/claim/")
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
        assert (node.revision, node.data) == (1, {})
        assert send_form(client, tab, name="Ada").status_code == 200


def test_the_uploads_of_a_failed_submission_are_not_kept(client: Client, django_capture_on_commit_callbacks) -> None:
    def fail(app) -> None:
        raise ValueError

    with scripts.override("fail_always", fail):
        upload = {"name": "upload", "type": "file"}
        publish_process("claim", [form("ask", "work", upload), {"name": "work", "script": "fail_always"}])
        with django_capture_on_commit_callbacks(execute=True):
            response = send_form(client, client.get("/p/claim/"), upload=SimpleUploadedFile("a.txt", b"x"))
    assert response.status_code == 500
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("revision", ["", "0", "-1", "2", "99999999999999999999", "one", "١"])
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
    assert Client().post("/p/claim/", {**values, "name": "Eve"}).status_code == 404
    assert DataNode.objects.get().revision == 1
