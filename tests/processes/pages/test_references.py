"""References that are forged, foreign, expired, deleted: whatever is asked of them, one page that reveals nothing."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from processes.models import DataNode
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

BUTTONS = [
    {"label": "Save draft", "does": "draft"},
    {"label": "Back", "does": "back", "action": "ask"},
    {"label": "Leave", "does": "leave", "action": "done"},
]


@pytest.fixture
def values(client: Client) -> dict[str, str]:
    """Give what the form of a draft would send."""
    publish_process(
        "claim",
        [
            form("ask", "more", {"name": "a"}, config={"buttons": BUTTONS}),
            form("more", "done", {"name": "b", "required": False}, config={"buttons": BUTTONS}),
            page("done", "done"),
        ],
    )
    return read_form(send_form(client, send_form(client, client.get("/p/claim/"), a="x"), button="draft-1"))


def foreign(reference: str) -> str:
    owner = User.objects.create_user("somebody")
    DataNode.objects.filter(reference=reference).update(owner=owner, session_key="")
    return reference


def of_another_session(reference: str) -> str:
    DataNode.objects.filter(reference=reference).update(session_key="x" * 32)
    return reference


def expired(reference: str) -> str:
    DataNode.objects.filter(reference=reference).update(expires_at=timezone.now() - timedelta(seconds=1))
    return reference


def of_another_process(reference: str) -> str:
    DataNode.objects.filter(reference=reference).update(template=publish_process("other", [page("a", "b")]))
    return reference


SPOILT: dict[str, Callable[[str], str]] = {
    "foreign": foreign,
    "of another session": of_another_session,
    "expired": expired,
    "forged": lambda reference: reference[::-1],
    "short": lambda reference: "x",
    "NUL": lambda reference: "\0" * 22,
    "not ASCII": lambda reference: "é" * 22,
    "long": lambda reference: "x" * 500,
}


def post(client: Client, values: dict[str, str], reference: str, **more: str) -> HttpResponse:
    return client.post("/p/claim/", {**values, "data": reference, **more})


ASKED: dict[str, Callable[[Client, dict[str, str], str], HttpResponse]] = {
    "a form by its link": lambda client, values, ref: client.get("/p/claim/", {"form": "more", "data": ref}),
    "an action by a link": lambda client, values, ref: client.get("/p/claim/", {"action": "done", "data": ref}),
    "the beginning by a link": lambda client, values, ref: client.get("/p/claim/", {"data": ref}),
    "submit": post,
    "draft": lambda client, values, ref: post(client, values, ref, button="draft-1"),
    "back": lambda client, values, ref: post(client, values, ref, button="back-2"),
    "leave": lambda client, values, ref: post(client, values, ref, button="leave-3"),
    "an action by a button": lambda client, values, ref: client.post(
        "/p/claim/", {"action": "done", "data": ref, "revision": values["revision"]}
    ),
    "discard": lambda client, values, ref: client.post(f"/drafts/{ref}/discard/"),
}


def without_tokens(response: HttpResponse) -> str:
    """Return all of a page but what names the request: the tokens, and the address that it came from."""
    text = response.content.decode()
    return re.sub(r'(\?next=|name="(?:next|csrfmiddlewaretoken)" value=")[^">]*', "", text)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("spoilt", SPOILT)
def test_there_is_one_page_for_all_of_them(client: Client, values: dict[str, str], asked: str, spoilt: str) -> None:
    ask = ASKED[asked]
    unknown = ask(client, values, "A" * 22)
    reference = SPOILT[spoilt](values["data"])
    before = list(DataNode.objects.values())
    response = ask(client, values, reference)
    assert response.status_code == unknown.status_code == 404
    assert without_tokens(response) == without_tokens(unknown)
    assert "no longer valid" in main_of(response)
    assert list(DataNode.objects.values()) == before


@pytest.mark.parametrize("asked", [name for name in ASKED if name != "discard"])
def test_one_of_another_process_is_as_unknown(client: Client, values: dict[str, str], asked: str) -> None:
    unknown = ASKED[asked](client, values, "A" * 22)
    response = ASKED[asked](client, values, of_another_process(values["data"]))
    assert (response.status_code, main_of(response)) == (404, main_of(unknown))


@pytest.mark.parametrize("asked", ASKED)
def test_one_that_was_discarded_is_as_unknown(client: Client, values: dict[str, str], asked: str) -> None:
    unknown = ASKED[asked](client, values, "A" * 22)
    assert client.post(f"/drafts/{values['data']}/discard/").status_code == 303
    client.get("/")  # shows the message that it was discarded
    response = ASKED[asked](client, values, values["data"])
    assert (response.status_code, main_of(response)) == (404, main_of(unknown))


@pytest.mark.parametrize("asked", ["submit", "draft", "back", "leave", "an action by a button"])
def test_one_that_was_sent_before_says_so_to_its_owner_alone(
    client: Client, values: dict[str, str], asked: str
) -> None:
    assert post(client, values, values["data"], button="draft-1").status_code == 303
    assert ASKED[asked](client, values, values["data"]).status_code == 409
    assert ASKED[asked](Client(), values, values["data"]).status_code == 404
