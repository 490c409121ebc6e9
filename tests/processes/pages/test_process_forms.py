"""What a form of a process promises to whoever fills it in."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.errors import DefinitionError
from processes.models import DataNode, StoredFile
from processes.services.authoring.templates import check_draft
from tests.processes.pages.browsing import read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

NAME = {"name": "name", "max_length": 20}
FILE = {"name": "upload", "type": "file", "accept": [".csv"], "max_bytes": 100}


def ask(*fields: dict, **config: object) -> None:
    publish_process(
        "ask",
        [
            form("ask", "show", *fields, config=config),
            {"name": "show", "script": "show_page", "config": {"title": "Done", "text": "%{data:name}"}, "next": False},
        ],
    )


def test_the_cleaned_values_are_in_the_data_of_the_action_that_the_form_leads_to(client: Client) -> None:
    ask(NAME)
    response = send_form(client, client.get("/p/ask/"), name="  Ada  ")
    assert response.status_code == 200
    assert "<p>Ada</p>" in response.content.decode()


def test_invalid_input_is_shown_again_with_what_is_wrong_and_the_form_can_be_sent_again(client: Client) -> None:
    ask(NAME, {"name": "age", "type": "integer"})
    response = send_form(client, client.get("/p/ask/"), name="Ada", age="many")
    assert response.status_code == 422
    assert read_form(response)["name"] == "Ada"
    assert read_form(response)["age"] == "many"
    assert "Enter a whole number." in response.content.decode()
    assert send_form(client, response, age="36").status_code == 200


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ({"type": "text"}, "x", "x"),
        ({"type": "textarea"}, "a\r\nb", "a\r\nb"),
        ({"type": "integer"}, "7", 7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "2", 2),
        ({"type": "boolean"}, "on", True),
        ({"type": "boolean"}, "", False),
        ({"type": "choice", "choices": ["a", "b"]}, "b", "b"),
        ({"type": "choice", "choices": [{"value": "a", "label": "A"}]}, "a", "a"),
        ({"type": "email"}, "ada@example.org", "ada@example.org"),
        ({"type": "date"}, "2026-11-20", "2026-11-20"),
        ({"type": "date", "required": False}, "", None),
    ],
)
def test_each_type_of_field_gives_json(client: Client, field: dict, sent: str, kept: object) -> None:
    publish_process("ask", [form("ask", "again", {"name": "x", **field}), form("again", "again")])
    values = {"x": sent} if sent or field["type"] != "boolean" else {}
    assert send_form(client, client.get("/p/ask/"), **values).status_code == 200
    assert DataNode.objects.latest("pk").data == {"x": kept}


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ({"type": "text"}, ""),
        ({"type": "text", "max_length": 3}, "abcd"),
        ({"type": "text"}, "a\0b"),
        ({"type": "integer", "max_value": 3}, "4"),
        ({"type": "integer", "min_value": 0.5}, "0"),
        ({"type": "integer", "max_value": -0.5}, "0"),
        ({"type": "integer"}, "9" * 5_000),
        ({"type": "number"}, "nan"),
        ({"type": "boolean", "required": True}, ""),
        ({"type": "choice", "choices": ["a", "b"]}, "c"),
        ({"type": "email"}, "nobody"),
        ({"type": "date"}, "yesterday"),
    ],
)
def test_each_type_of_field_refuses_what_it_does_not_take(client: Client, field: dict, sent: str) -> None:
    publish_process("ask", [form("ask", "again", {"name": "x", **field}), form("again", "again")])
    response = send_form(client, client.get("/p/ask/"), x=sent)
    assert response.status_code in (400, 422)
    assert all(node.data == {} for node in DataNode.objects.all())


@pytest.mark.parametrize("bound", ["min_value", "max_value"])
def test_a_bound_that_no_number_has_is_refused_when_the_definition_is_saved(bound: str) -> None:
    definition = json.dumps([form("ask", "ask", {"name": "x", "type": "integer", bound: 7})])
    with pytest.raises(DefinitionError) as caught:
        check_draft(slug="ask", definition=definition.replace("7", "1e999"), bindings={})
    assert [problem.path for problem in caught.value.problems] == [f"/0/config/fields/0/{bound}"]


def test_what_is_wrong_is_told_in_the_title_and_with_the_field(client: Client) -> None:
    publish_process("ask", [form("ask", "again", {"name": "x", "help": "Any."}), form("again", "again")])
    text = send_form(client, client.get("/p/ask/"), x="").content.decode()
    assert "<title>Error: Ask" in text
    assert 'aria-invalid="true"' in text
    described = re.search(r'aria-describedby="([^"]+)"', text)
    assert described is not None
    assert all(f'id="{name}"' in text for name in described[1].split())


def test_an_upload_becomes_a_file_info_that_belongs_to_the_sender(client: Client) -> None:
    publish_process("ask", [form("ask", "again", FILE), form("again", "again")])
    send_form(client, client.get("/p/ask/"), upload=SimpleUploadedFile("Data.CSV", b"a,b", "text/csv"))
    info = DataNode.objects.latest("pk").data["upload"]
    stored = StoredFile.objects.get()
    assert info == {
        "type": "FILE_INFO",
        "id": str(stored.pk),
        "name": "Data.CSV",
        "size": 3,
        "content_type": "text/csv",
        "extension": "csv",
    }
    assert stored.session_key == client.session.session_key
    with stored.file.open() as content:
        assert content.read() == b"a,b"


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        (None, "Choose a file."),
        (SimpleUploadedFile("empty.csv", b""), "The file is empty."),
        (SimpleUploadedFile("page.html", b"<p>"), "is not of a type that is taken here"),
        (SimpleUploadedFile("large.csv", b"x" * 101), "The file is too large"),
    ],
)
def test_a_file_that_is_missing_empty_of_another_type_or_too_large_is_refused_in_clear_words(
    client: Client, upload: SimpleUploadedFile | None, message: str
) -> None:
    publish_process("ask", [form("ask", "again", FILE), form("again", "again")])
    values = {"upload": upload} if upload is not None else {}
    response = send_form(client, client.get("/p/ask/"), **values)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not StoredFile.objects.exists()


def test_the_fields_start_from_the_data_and_from_the_configured_values(client: Client) -> None:
    publish_process(
        "ask",
        [
            {"name": "know", "script": "set_data", "config": {"values": {"name": "Ada"}}},
            form("ask", "know", NAME, {"name": "city", "initial": "London"}),
        ],
    )
    values = read_form(client.get("/p/ask/"))
    assert (values["name"], values["city"]) == ("Ada", "London")


def test_messages_that_an_action_left_are_shown_with_the_form(client: Client) -> None:
    problems = {"name": ["Too short."], "": "Look again."}
    publish_process(
        "ask",
        [
            {"name": "judge", "script": "set_data", "config": {"values": {"problems": problems}}},
            form("ask", "judge", NAME, config={"errors_from": "problems"}),
        ],
    )
    text = client.get("/p/ask/").content.decode()
    assert "Too short." in text
    assert "Look again." in text


def test_a_form_leads_where_its_definition_says_and_not_where_the_sender_wants(client: Client) -> None:
    publish_process("ask", [form("ask", "show"), page("show", "as defined"), page("other", "as the sender wants")])
    response = send_form(client, client.get("/p/ask/"), action="other")
    assert "as defined" in response.content.decode()


def test_a_form_that_the_process_no_longer_shows_is_refused_with_a_way_to_go_on(client: Client) -> None:
    publish_process("ask", [form("ask", "show", NAME), page("show", "done")])
    response = send_form(client, client.get("/p/ask/"), name="Ada", form="made-up")
    assert response.status_code in (404, 409)
    assert 'href="/p/ask/"' in response.content.decode()


def test_a_form_that_a_sub_process_shows_is_found_again(client: Client) -> None:
    publish_process("inner", [form("ask", "show", NAME)])
    show = {"name": "show", "script": "show_page", "config": {"text": "hello %{data:name}"}, "next": False}
    publish_process(
        "ask", [{"name": "call", "script": "it", "next": False}, show], bindings={"it": {"process": "inner"}}
    )
    response = client.get("/p/ask/")
    assert send_form(client, response, name="").status_code == 422
    assert "hello Ada" in send_form(client, response, name="Ada").content.decode()


def test_a_plan_that_the_process_does_not_call_lends_it_no_forms(client: Client) -> None:
    other = publish_process("other", [form("ask", "show", NAME), page("show", "x")])
    ask(NAME)
    response = send_form(client, client.get("/p/ask/"), name="Ada", form=f"{other.published_plan_id}/ask")
    assert response.status_code in (404, 409)


def test_parameters_of_the_address_stay_while_the_form_is_filled_in(client: Client) -> None:
    publish_process(
        "ask",
        [
            form("ask", "show"),
            {"name": "show", "script": "show_page", "config": {"text": "for %{param:tenant}"}, "next": False},
        ],
    )
    response = send_form(client, client.get("/p/ask/?tenant=north"))
    assert "for north" in response.content.decode()


def test_a_form_without_a_valid_token_is_refused() -> None:
    ask(NAME)
    strict = Client(enforce_csrf_checks=True)
    response = strict.get("/p/ask/")
    values = read_form(response)
    assert strict.post("/p/ask/", {**values, "name": "Ada"}).status_code == 200
    assert strict.post("/p/ask/", {**values, "name": "Ada", "csrfmiddlewaretoken": "x" * 64}).status_code == 403


def test_text_from_the_data_is_escaped_wherever_it_is_shown(client: Client) -> None:
    evil = "<script>alert(1)</script>"
    publish_process(
        "ask",
        [
            form("ask", "show", {"name": "name"}),
            {
                "name": "show",
                "script": "show_page",
                "config": {"title": "%{data:name}", "text": "%{data:name}", "content": "<b>Hello %{data:name}</b>"},
                "next": False,
            },
        ],
    )
    text = send_form(client, client.get("/p/ask/"), name=evil).content.decode()
    assert evil not in text
    assert "<b>Hello &lt;script&gt;" in text
