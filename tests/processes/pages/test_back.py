"""Going back: by a button of the form, by the browser, after steps were sent, after a failure and after a crash."""

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import DataNode, StoredFile
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.data_nodes import claim_revision
from processes.services.entered import Entry, keep_entered
from processes.services.files import open_file
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db


def back(action: str) -> dict[str, str]:
    return {"label": "Back", "does": "back", "action": action}


def button(does: str, action: str, **keys: str) -> dict[str, str]:
    return {"label": does.capitalize(), "does": does, "action": action, **keys}


def three_steps() -> None:
    """Publish three forms, of which each leads back to the one before."""
    publish_process(
        "claim",
        [
            form("one", "two", {"name": "a"}),
            form("two", "three", {"name": "b", "type": "integer"}, config={"buttons": [back("one")]}),
            form("three", "end", {"name": "c"}, config={"buttons": [back("two")]}),
            {"name": "end", "script": "show_page", "config": {"text": "%{data:a} %{data:b} %{data:c}"}, "next": False},
        ],
    )


def test_the_button_shows_the_earlier_form_with_what_was_entered_and_keeps_what_was_typed(client: Client) -> None:
    three_steps()
    two = send_form(client, client.get("/p/claim/"), a="x")
    answer = client.post("/p/claim/", {**read_form(two), "b": "no number", "button": "back-1"})
    assert answer.status_code == 303
    one = client.get(answer.headers["Location"])
    assert (read_form(one)["form"], read_form(one)["a"]) == ("one", "x")
    two = send_form(client, one, a="y")
    assert (read_form(two)["form"], read_form(two)["b"]) == ("two", "no number")
    three = send_form(client, two, b="2")
    assert DataNode.objects.get().entered == {}
    assert "y 2 z" in send_form(client, three, c="z").content.decode()


def test_back_over_several_steps_leads_forward_again_with_everything(client: Client) -> None:
    three_steps()
    three = send_form(client, send_form(client, client.get("/p/claim/"), a="x"), b="2")
    two = send_form(client, three, c="typed", button="back-1")
    one = send_form(client, two, button="back-1")
    assert read_form(one)["a"] == "x"
    two = send_form(client, one)
    assert read_form(two)["b"] == "2"
    assert read_form(send_form(client, two))["c"] == "typed"


def test_the_browsers_back_shows_what_was_sent_and_sending_it_again_goes_on_from_there(client: Client) -> None:
    three_steps()
    first = client.get("/p/claim/")
    reference = read_form(first)["data"]
    three = send_form(client, send_form(client, first, a="x"), b="2")
    one = client.get(f"/p/claim/?form=one&data={reference}&new=1")
    assert read_form(one)["a"] == "x"
    two = send_form(client, one, a="y")
    assert read_form(two)["b"] == "2"
    assert send_form(client, three, c="z").status_code == 409
    assert "y 2 z" in send_form(client, send_form(client, two), c="z").content.decode()


def test_back_from_the_last_page_shows_what_was_entered_though_the_process_saved_nothing(client: Client) -> None:
    publish_process("ask", [form("ask", "thanks", {"name": "a"}), page("thanks", "Thank you.")])
    first = client.get("/p/ask/")
    reference = read_form(first)["data"]
    assert "Thank you." in send_form(client, first, a="x").content.decode()
    shown = client.get(f"/p/ask/?form=ask&data={reference}&new=1")
    assert read_form(shown)["a"] == "x"
    assert DataNode.objects.get().data == {}
    assert "Thank you." in send_form(client, shown, a="y").content.decode()


def test_a_file_that_was_sent_is_still_there_and_replacing_it_deletes_it(client: Client) -> None:
    upload = {"name": "receipt", "type": "file"}
    publish_process("claim", [form("one", "two", upload), form("two", "two", config={"buttons": [back("one")]})])
    two = send_form(client, client.get("/p/claim/"), receipt=SimpleUploadedFile("a.txt", b"a"))
    one = send_form(client, two, button="back-1")
    assert "a.txt" in main_of(one)
    two = send_form(client, one)
    [stored] = StoredFile.objects.all()
    assert DataNode.objects.get().data["receipt"]["id"] == str(stored.pk)
    two = send_form(client, send_form(client, two, button="back-1"), receipt=SimpleUploadedFile("b.txt", b"b"))
    assert read_form(two)["form"] == "two"
    [stored] = StoredFile.objects.all()
    assert stored.name == "b.txt"
    assert DataNode.objects.get().data["receipt"]["id"] == str(stored.pk)


def test_a_file_is_not_deleted_while_the_data_still_names_it(client: Client) -> None:
    upload = {"name": "receipt", "type": "file"}
    config = {"buttons": [{"label": "Later", "does": "draft"}]}
    publish_process("claim", [form("one", "two", upload, config=config), form("two", "two")])
    first = client.get("/p/claim/")
    send_form(client, first, receipt=SimpleUploadedFile("a.txt", b"a"))
    shown = client.get(f"/p/claim/?form=one&data={read_form(first)['data']}")
    send_form(client, shown, button="draft-1", receipt=SimpleUploadedFile("b.txt", b"b"))
    assert sorted(stored.name for stored in StoredFile.objects.all()) == ["a.txt", "b.txt"]


def test_a_refused_form_keeps_its_files(client: Client) -> None:
    fields = ({"name": "n", "type": "integer"}, {"name": "receipts", "type": "file", "multiple": True, "max_files": 3})
    seen: list[str] = []

    def read(app) -> None:
        for info in app.request.files["receipts"]:
            with open_file(info) as content:
                seen.append(content.read().decode())

    with scripts.override("read", read):
        publish_process("claim", [form("one", "read", *fields), {"name": "read", "script": "read", "next": False}])
        tab = client.get("/p/claim/")
        refused = send_form(client, tab, n="x", receipts=[SimpleUploadedFile("a", b"1"), SimpleUploadedFile("b", b"2")])
        assert refused.status_code == 422
        assert "Enter a whole number." in main_of(refused)
        assert client.post("/p/claim/", {**read_form(tab), "n": "5"}).status_code == 409
        kept = [str(stored.pk) for stored in StoredFile.objects.order_by("pk")]
        values = {**read_form(refused), "n": "x", "receipts-keep": kept[1:], "receipts": SimpleUploadedFile("c", b"3")}
        refused = client.post("/p/claim/", values)
        assert refused.status_code == 422
        assert sorted(stored.name for stored in StoredFile.objects.all()) == ["b", "c"]
        kept = [str(stored.pk) for stored in StoredFile.objects.order_by("pk")]
        client.post("/p/claim/", {**read_form(refused), "n": "5", "receipts-keep": kept})
    assert seen == ["2", "3"]


def test_a_refused_form_without_files_can_be_reloaded(client: Client) -> None:
    three_steps()
    two = send_form(client, client.get("/p/claim/"), a="x")
    for _ in range(2):
        assert send_form(client, two, b="no number").status_code == 422
    reference = read_form(two)["data"]
    assert read_form(client.get(f"/p/claim/?form=two&data={reference}"))["b"] == "no number"
    assert read_form(send_form(client, two, b="2"))["form"] == "three"


@pytest.mark.parametrize("action", ["end", "nowhere", "@default"])
def test_a_back_button_that_leads_to_no_form_is_said_to_be_wrong_and_loses_nothing(client: Client, action: str) -> None:
    publish_process(
        "claim", [form("one", "end", {"name": "a"}, config={"buttons": [back(action)]}), page("end", "done")]
    )
    tab = client.get("/p/claim/")
    response = send_form(client, tab, a="x", button="back-1")
    assert response.status_code == 500
    text = unescape(response.content.decode())
    assert "isn't set up completely" in text
    link = re.search(r'href="([^"]+)">Back to what you entered<', text)
    assert link is not None
    assert read_form(client.get(link[1]))["a"] == "x"
    assert send_form(client, tab, a="x").status_code == 200


def test_in_a_sub_process_it_leads_to_the_forms_of_that_process(client: Client) -> None:
    inner = [form("ask", "go", {"name": "a"}), form("more", "end", {"name": "b"}, config={"buttons": [back("ask")]})]
    publish_process("inner", inner)
    call = {"name": "call", "script": "it", "next": False}
    go = {"name": "go", "script": "it", "config": {"action": "more"}, "next": False}
    publish_process("claim", [call, go, page("end", "done")], bindings={"it": {"process": "inner"}})
    more = send_form(client, client.get("/p/claim/"), a="x")
    assert read_form(more)["form"].endswith("/more")
    ask = send_form(client, more, b="typed", button="back-1")
    assert read_form(ask)["form"].endswith("/ask")
    assert read_form(send_form(client, ask))["b"] == "typed"


# -- buttons -----------------------------------------------------------------------------------------------------------


def several_buttons() -> None:
    show = {"script": "show_page", "next": False}
    publish_process(
        "claim",
        [
            form(
                "ask",
                "plain",
                {"name": "a", "required": False},
                config={
                    "buttons": [
                        button("submit", "special", name="express"),
                        button("leave", "left"),
                        {"label": "Later", "does": "draft"},
                    ]
                },
            ),
            {"name": "plain", **show, "config": {"text": "plain %{data:a} %{param:button}"}},
            {"name": "special", **show, "config": {"text": "special %{data:a} %{param:button}"}},
            {"name": "left", "script": "tell", "next": False},
        ],
    )


@pytest.mark.parametrize(
    ("pressed", "told"),
    [
        ({}, "plain x submit"),
        ({"button": "submit"}, "plain x submit"),
        ({"button": "made-up"}, "plain x submit"),
        ({"button": "express"}, "special x express"),
        ({"button": "express", "action": "plain"}, "special x express"),
        ({"button": "leave-2"}, "left {} leave-2 None"),
    ],
)
def test_what_a_button_does_is_taken_from_the_definition(client: Client, pressed: dict[str, str], told: str) -> None:
    def tell(app) -> None:
        parameters = app.request.parameters
        app.response.content = f"left {app.data} {parameters['button']} {parameters.get('a')}"

    with scripts.override("tell", tell):
        several_buttons()
        response = client.post("/p/claim/", {**read_form(client.get("/p/claim/")), "a": "x", **pressed})
    assert response.status_code == 200
    assert told in response.content.decode()


@pytest.mark.parametrize("first", ["submit", "express", "leave-2", "draft-3"])
@pytest.mark.parametrize("second", ["submit", "express", "leave-2", "draft-3"])
def test_of_two_windows_one_wins_whatever_they_press(client: Client, first: str, second: str) -> None:
    with scripts.override("tell", lambda app: app.response.add_html("left")):
        several_buttons()
        tab = client.get("/p/claim/")
        assert send_form(client, tab, a="x", button=first).status_code == 200
        lost = send_form(client, tab, a="y", button=second)
    assert lost.status_code == 409
    assert "y" not in str(DataNode.objects.get().entered)


def test_without_an_action_that_the_form_names_a_button_leads_nowhere_else(client: Client) -> None:
    publish_process("claim", [form("ask", "gone", {"name": "a"}), page("other", "other")])
    response = send_form(client, client.get("/p/claim/"), a="x", action="other")
    assert response.status_code == 404


# -- crashes -----------------------------------------------------------------------------------------------------------


def test_where_a_server_dies_after_the_claim_reload_and_back_find_what_was_entered(client: Client) -> None:
    three_steps()
    two = send_form(client, client.get("/p/claim/"), a="x")
    node = DataNode.objects.get()
    caller = Caller(session_key=node.session_key, template_id=node.template_id)
    # All that a killed process leaves is what it has committed: the claim.
    keep_entered(caller=caller, node=node, entry=Entry(form="two", typed={"b": "2"}), columns={"step": "two"})
    replayed = send_form(client, two, b="2")
    assert replayed.status_code == 409
    assert f'href="/p/claim/?form=two&amp;data={node.reference}"' in replayed.content.decode()
    shown = client.get(f"/p/claim/?form=two&data={node.reference}")
    assert read_form(shown)["b"] == "2"
    assert read_form(send_form(client, shown))["form"] == "three"


def test_where_a_server_dies_in_the_first_step_the_way_on_is_the_same(client: Client) -> None:
    three_steps()
    tab = client.get("/p/claim/")
    reference = read_form(tab)["data"]
    send_form(client, tab, a="x")
    DataNode.objects.update(data={}, entered={"one": {"a": "x"}}, step="one")
    assert f"form=one&amp;data={reference}" in send_form(client, tab, a="x").content.decode()
    shown = client.get(f"/p/claim/?form=one&data={reference}&new=1")
    assert read_form(shown)["a"] == "x"
    assert read_form(send_form(client, shown))["form"] == "two"


def test_a_claim_without_a_form_leaves_the_data_where_it_was(client: Client) -> None:
    three_steps()
    two = send_form(client, client.get("/p/claim/"), a="x")
    node = DataNode.objects.get()
    claim_revision(caller=Caller(session_key=node.session_key, template_id=node.template_id), node=node)
    assert send_form(client, two, b="2").status_code == 409
    shown = client.get(f"/p/claim/?form=two&data={node.reference}")
    assert read_form(send_form(client, shown, b="2"))["form"] == "three"
