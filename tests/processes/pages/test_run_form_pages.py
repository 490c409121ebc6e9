"""The pages of forms at which durable runs wait, as those see them who may answer, and those who may not."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import RunForm, StoredFile
from processes.services.access import Caller
from processes.services.files import store_file
from tasks.services.cancelling import cancel
from tests.processes.form_answer_kit import answer, ask, form_of, person, visitor
from tests.processes.pages.browsing import links_of, main_of, read_form
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import form, publish_process


@pytest.fixture
def kit(transactional_db: None) -> Iterator[RunKit]:
    with ExitStack() as stack:
        yield RunKit(stack)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann(transactional_db: None) -> User:
    return person("ann")


@pytest.fixture
def olive(transactional_db: None) -> User:
    return person("olive")


def waiting(kit: RunKit, *, owner: User | None = None, data: Any = None, **config: Any) -> Any:
    run_id = kit.start(
        ask(title="Approve it", **config), {"name": "after", "script": kit.note("after")}, user=owner, data=data
    )
    kit.work()
    return run_id


def address(run_id: Any) -> str:
    return f"/forms/{form_of(run_id).reference}/"


def test_the_form_is_shown_with_what_the_run_knows(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive, answered_by={"users": ["ann"]}, data={"text": "from the data"})
    response = signed_in(ann).get(address(run_id))
    assert (response.status_code, read_form(response)["text"]) == (200, "from the data")
    assert "A process" in main_of(response)
    assert links_of(response) == {}, "the work itself is olive's"


def test_an_answer_leads_its_owner_to_the_work_and_others_to_their_list(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive)
    response = signed_in(olive).post(address(run_id), {"text": "yes"})
    assert (response.status_code, response["Location"]) == (303, f"/progress/{run_id}/")
    kit.work()
    assert kit.data(run_id)["text"] == "yes"
    run_id = waiting(kit, owner=olive, answered_by={"users": ["ann"]})
    client = signed_in(ann)
    response = client.post(address(run_id), {"text": "yes"}, follow=True)
    assert response.redirect_chain == [("/forms/", 303)]
    assert "Your answer was taken." in response.content.decode()


def test_mistakes_are_shown_with_the_input_and_its_files_kept(kit, olive) -> None:  # type: ignore[no-untyped-def]
    fields = [{"name": "text"}, {"name": "seats", "type": "integer"}, {"name": "paper", "type": "file"}]
    run_id = waiting(kit, owner=olive, fields=fields)
    client = signed_in(olive)
    paper = SimpleUploadedFile("a.txt", b"signed")
    response = client.post(address(run_id), {"text": "mine", "seats": "many", "paper": paper})
    assert (response.status_code, read_form(response)["text"]) == (422, "mine")
    assert "a.txt" in main_of(response)
    assert kit.run(run_id).status == "waiting"
    again = client.get(address(run_id))
    sent = {**read_form(again), "seats": "3"}
    assert client.post(address(run_id), sent).status_code == 303
    kit.work()
    assert (kit.data(run_id)["seats"], kit.data(run_id)["paper"]["name"]) == (3, "a.txt")
    assert StoredFile.objects.get().run_id == run_id


def test_whoever_is_asked_can_read_what_is_enclosed_and_nothing_else(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    mine = Caller(user_id=olive.pk)
    shown, hidden = (store_file(content=text, name="a.txt", caller=mine) for text in (b"shown", b"hidden"))
    fields = [{"name": "paper", "type": "file", "disabled": True}, {"name": "text"}]
    data = {"paper": shown, "other": hidden}
    run_id = waiting(kit, owner=olive, answered_by={"users": ["ann"]}, fields=fields, data=data)
    client = signed_in(ann)
    assert f"/files/{shown['id']}/" in main_of(client.get(address(run_id)))

    def read(client: Client) -> list[int]:
        responses = [client.get(f"/files/{info['id']}/") for info in (shown, hidden)]
        for response in responses:
            response.close()
        return [response.status_code for response in responses]

    assert read(client) == [200, 404]
    assert read(signed_in(person("bob"))) == [404, 404]
    client.post(address(run_id), {"text": "seen"})
    assert read(client) == [404, 404], "they aren't asked any more"
    assert read(signed_in(olive)) == [200, 200]


def test_what_the_client_says_about_the_action_counts_for_nothing(kit, olive) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(
        ask(leads_to="right"),
        {"name": "wrong", "script": kit.note("wrong"), "next": False},
        {"name": "right", "script": kit.note("right"), "next": False},
        user=olive,
    )
    kit.work()
    sent = {"text": "x", "action": "wrong", "button": "wrong", "form": "wrong", "leads": "wrong"}
    signed_in(olive).post(address(run_id), sent)
    kit.work()
    assert kit.notes == ["right"]
    assert "leads" not in kit.data(run_id)


def test_a_draft_is_there_when_its_writer_comes_back(kit, olive) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive, buttons=[{"label": "Save", "does": "draft"}])
    client = signed_in(olive)
    response = client.post(address(run_id), {"text": "half", "button": "draft-1"}, follow=True)
    assert "Draft saved." in response.content.decode()
    assert read_form(client.get(address(run_id)))["text"] == "half"
    assert kit.run(run_id).status == "waiting"


def test_back_leads_to_the_earlier_form_and_keeps_what_was_typed(kit, olive) -> None:  # type: ignore[no-untyped-def]
    back = [{"label": "Back", "does": "back", "action": "first"}]
    run_id = kit.start(
        ask("first", leads_to="second", fields=[{"name": "one"}]),
        ask("second", leads_to="after", fields=[{"name": "two"}], buttons=back),
        {"name": "after", "script": kit.note("after")},
        user=olive,
    )
    kit.work()
    client = signed_in(olive)
    client.post(address(run_id), {"one": "1"})
    kit.work()
    client.post(address(run_id), {"two": "half", "button": "back-1"})
    kit.work()
    assert read_form(client.get(address(run_id))).get("one") == "1"
    client.post(address(run_id), {"one": "1"})
    kit.work()
    assert read_form(client.get(address(run_id)))["two"] == "half"
    assert "two" not in kit.data(run_id)


def test_foreign_and_unknown_forms_look_the_same(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive)
    client = signed_in(ann)
    foreign, unknown = client.get(address(run_id)), client.get("/forms/" + "x" * 22 + "/")
    longer = client.get(address(run_id)[:-1] + "x/")
    posted = client.post(address(run_id), {"text": "x"})
    assert [answer.status_code for answer in (foreign, unknown, longer, posted)] == [404] * 4
    assert main_of(foreign) == main_of(unknown) == main_of(longer) == main_of(posted)


def test_somebody_not_signed_in_is_asked_to_sign_in(kit, olive) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive)
    for url in (address(run_id), "/forms/unknown/"):
        response = Client().get(url)
        assert (response.status_code, response["Location"].partition("?")[2]) == (302, f"next={url}")


def test_whoever_comes_second_is_told_by_whom_and_loses_nothing_unseen(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive, answered_by={"owner": True, "users": ["ann"]})
    client = signed_in(olive)
    answer(run_id, visitor(ann), {"text": "ann's"})
    response = client.post(address(run_id), {"text": "olive's long text"})
    page = main_of(response)
    assert response.status_code == 409
    assert "answered by ann" in page
    assert "olive&#x27;s long text" in page
    assert f"/progress/{run_id}/" in page
    assert client.get(address(run_id)).status_code == 409
    kit.work()
    assert kit.data(run_id)["text"] == "ann's"


def test_the_form_of_a_cancelled_run_says_so(kit, olive) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive)
    cancel(root_id=run_id, reason="enough")
    response = signed_in(olive).post(address(run_id), {"text": "too late"})
    assert response.status_code == 409
    assert "was cancelled" in main_of(response)
    assert "too late" in main_of(response)


def test_the_list_shows_what_waits_for_me_and_home_does_too(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, owner=olive, answered_by={"users": ["ann"]})
    for url in ("/forms/", "/"):
        assert address(run_id) in main_of(signed_in(ann).get(url))
        assert address(run_id) not in main_of(signed_in(olive).get(url))


def test_the_list_goes_on_on_further_pages(kit, olive, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("processes.pages.run_forms.PAGE_ROWS", 2)
    template = kit.template(ask(title="Approve it"), {"name": "after", "script": None})
    for _ in range(3):
        kit.start(template=template, user=olive)
    kit.work()
    client = signed_in(olive)
    references = list(RunForm.objects.order_by("-id").values_list("reference", flat=True))
    shown = [[one for one in references if one in main_of(client.get(f"/forms/?page={page}"))] for page in (1, 2, 3)]
    assert shown == [references[:2], references[2:], []]


def test_the_progress_page_links_to_the_form_for_those_who_may_answer(kit, olive, ann) -> None:  # type: ignore[no-untyped-def]
    mine, anns = waiting(kit, owner=olive), waiting(kit, owner=olive, answered_by={"users": ["ann"]})
    client = signed_in(olive)
    assert address(mine) in main_of(client.get(f"/progress/{mine}/"))
    assert address(anns) not in main_of(client.get(f"/progress/{anns}/"))


def test_a_form_for_others_moves_a_run_of_a_page_to_the_background(client, ann, transactional_db) -> None:  # type: ignore[no-untyped-def]
    publish_process(
        "claim",
        [{**ask(title="Approve it", answered_by={"users": ["ann"]}), "safe": True}, {"name": "after", "script": None}],
    )
    response = client.get("/p/claim/")
    assert (response.status_code, response["Location"].startswith("/progress/")) == (302, True)
    with ExitStack() as stack:
        RunKit(stack).work()
    assert signed_in(ann).get(f"/forms/{RunForm.objects.get().reference}/").status_code == 200


def test_the_session_that_has_begun_a_run_may_answer_it(client, kit) -> None:  # type: ignore[no-untyped-def]
    publish_process(
        "walk",
        [
            form("begin", "go", {"name": "one"}),
            {"name": "go", "script": "execute_in_background"},
            ask("more", fields=[{"name": "two"}]),
            {"name": "after", "script": None},
        ],
    )
    client.post("/p/walk/", {**read_form(client.get("/p/walk/")), "one": "1"})
    kit.work()
    run_id = RunForm.objects.get().run_id
    assert client.post(address(run_id), {"two": "2"}).status_code == 303
    assert Client().get(address(run_id)).status_code == 302
    kit.work()
    assert kit.data(run_id)["two"] == "2"
