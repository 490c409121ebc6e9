"""Forms at which durable runs wait, over HTTP."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processes.models import AuditEntry
from tests.processes.form_answer_kit import answer, ask, form_of, person, visitor
from tests.processes.services.conftest import RunKit

FIELDS: list[dict[str, Any]] = [
    {"name": "text", "label": "Why", "help": "In a word."},
    {"name": "seats", "type": "integer", "max_value": 8},
    {"name": "room", "type": "choice", "choices": ["Garden", {"label": "Up", "choices": ["Hall"]}], "required": False},
    {"name": "sure", "type": "boolean", "required": False},
    {"name": "tags", "type": "choices", "choices": ["a", "b"], "required": False},
    {"name": "secret", "type": "password", "required": False},
]
BUTTONS = [{"label": "Save", "does": "draft"}]


@pytest.fixture
def kit(transactional_db: None) -> Iterator[RunKit]:
    with ExitStack() as stack:
        yield RunKit(stack)


@pytest.fixture
def ann(transactional_db: None) -> User:
    return person("ann")


@pytest.fixture
def http(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def waiting(kit: RunKit, owner: User, **config: Any) -> Any:
    options = {"fields": FIELDS, "buttons": BUTTONS, "title": "Approve it", **config}
    run_id = kit.start(ask(**options), {"name": "after", "script": None}, user=owner, data={"seats": 4, "secret": "x"})
    kit.work()
    return run_id


def address(run_id: Any) -> str:
    return f"/api/forms/{form_of(run_id).reference}/"


def send(http: Client, url: str, **body: Any) -> Any:
    return http.post(url, body, content_type="application/json")


def test_the_list_names_what_waits_for_the_caller(kit, http, ann, client) -> None:  # type: ignore[no-untyped-def]
    run_id, form = waiting(kit, ann), None
    form = form_of(run_id)
    assert http.get("/api/forms/").json() == {
        "forms": [
            {
                "reference": form.reference,
                "title": "Approve it",
                "work": "A process",
                "run": str(run_id),
                "opened_at": form.opened_at.isoformat(),
                "until": None,
                "url": f"/forms/{form.reference}/",
            }
        ],
        "more": False,
    }
    assert client.get("/api/forms/").json() == {"forms": [], "more": False}


def test_the_list_is_leafed_through(kit, http, ann, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("processes.api.forms.PAGE_ROWS", 1)
    runs = [waiting(kit, ann), waiting(kit, ann)]
    pages = [http.get(f"/api/forms/?page={number}").json() for number in (1, 2, 3)]
    assert [[row["run"] for row in page["forms"]] for page in pages] == [[str(runs[1])], [str(runs[0])], []]
    assert [page["more"] for page in pages] == [True, False, False]
    assert http.get("/api/forms/?page=first").status_code == 400


def test_a_form_is_described(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    described = http.get(address(waiting(kit, ann))).json()
    fields = {field.pop("name"): field for field in described["fields"]}
    assert fields["text"] == {"type": "text", "label": "Why", "required": True, "help": "In a word.", "value": None}
    assert (fields["seats"]["value"], fields["seats"]["max_value"]) == (4, 8)
    assert fields["room"]["choices"] == [
        {"value": "Garden", "label": "Garden"},
        {"label": "Up", "choices": [{"value": "Hall", "label": "Hall"}]},
    ]
    assert fields["secret"]["value"] is None
    assert described["buttons"] == [
        {"name": "submit", "label": "Continue", "does": "submit"},
        {"name": "draft-1", "label": "Save", "does": "draft"},
    ]


def test_values_in_json_are_taken_as_a_page_would_take_them(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, ann)
    values = {"text": "fine", "seats": 3, "room": "Hall", "sure": True, "tags": ["a", "b"], "secret": "s"}
    response = send(http, address(run_id), values=values)
    assert (response.status_code, response.json()["run"]) == (202, str(run_id))
    kit.work()
    assert (kit.data(run_id), kit.run(run_id).status) == (values, "completed")
    assert AuditEntry.objects.get(action="form.answered").details["how"] == "api"


def test_what_is_wrong_is_said_by_field(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, ann)
    response = send(http, address(run_id), values={"seats": 9})
    answered = response.json()
    assert (response.status_code, answered["code"]) == (422, "form_invalid")
    assert sorted(answered["fields"]["errors"]) == ["seats", "text"]
    assert kit.run(run_id).status == "waiting"


REFUSED = [
    ({"values": {"txt": "x"}}, 'no field "txt"'),
    ({"values": []}, "an object"),
    ({"button": "no"}, 'no button "no"'),
    ({"value": {}}, 'no "value"'),
]


@pytest.mark.parametrize(("body", "said"), REFUSED)
def test_a_body_that_cannot_be_understood_says_what_to_send(kit, http, ann, body, said) -> None:  # type: ignore[no-untyped-def]
    response = send(http, address(waiting(kit, ann)), **body)
    assert response.status_code == 400
    assert said in response.json()["message"]


def test_a_draft_is_kept(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, ann)
    assert send(http, address(run_id), button="draft-1", values={"text": "half"}).status_code == 200
    assert http.get(address(run_id)).json()["entered"]["text"] == "half"


def test_files_come_as_a_form(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, ann, fields=[{"name": "paper", "type": "file"}])
    refused = send(http, address(run_id), values={"paper": {"name": "a.txt"}})
    assert "multipart/form-data" in refused.json()["message"]
    assert http.post(address(run_id), {"paper": SimpleUploadedFile("a.txt", b"signed")}).status_code == 202
    kit.work()
    assert kit.data(run_id)["paper"]["name"] == "a.txt"


def test_of_two_the_second_is_told(kit, http, ann) -> None:  # type: ignore[no-untyped-def]
    person("bob")
    run_id = waiting(kit, ann, answered_by={"users": ["ann", "bob"]})
    bob = visitor(User.objects.get(username="bob"))
    answer(run_id, bob, {"text": "bob's"})
    response = send(http, address(run_id), values={"text": "x", "seats": 1})
    assert (response.status_code, response.json()["code"]) == (409, "form_closed")
    assert response.json()["fields"]["by"] == "bob"


def test_foreign_unknown_and_anonymous_get_the_same_answer(kit, http, client) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, person("olive"))
    found = [http.get(address(run_id)), http.get("/api/forms/unknown/"), client.get(address(run_id))]
    found.append(send(http, address(run_id), values={}))
    assert {(response.status_code, response.content) for response in found} == {(404, found[0].content)}
