"""Which actions a link may enter (DESIGN: web restarts)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.models import DataNode
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

ACTIONS = [
    form("first", "first", {"name": "x", "required": False}, safe=False),
    page("look", "looked", safe=True),
    page("change", "changed"),
    page("@display", "displayed"),
    page("inner", "inside", entry=False),
]


@pytest.fixture
def reference(client: Client) -> str:
    publish_process("steps", ACTIONS)
    return read_form(send_form(client, client.get("/p/steps/"), x="1"))["data"]


@pytest.mark.parametrize(
    ("query", "with_data", "status"),
    [
        ("", False, 200),
        ("action=", False, 200),
        ("action=look", False, 200),
        ("action=@display", False, 200),
        ("action=@display?", False, 200),
        ("action=change", False, 405),
        ("action=change?", False, 405),
        ("action=change", True, 200),
        ("action=inner", False, 404),
        ("action=inner", True, 404),
        ("action=nothing", False, 404),
        ("action=nothing", True, 404),
        ("action=nothing?", False, 200),
        ("action=@start", False, 404),
        ("action=look%00", False, 400),
    ],
)
def test_what_a_link_may_enter(client: Client, reference: str, query: str, with_data: bool, status: int) -> None:
    address = f"/p/steps/?{query}" + (f"&data={reference}" if with_data else "")
    assert client.get(address).status_code == status


def test_an_undeclared_action_enters_at_unknown_only_where_that_is_safe(client: Client) -> None:
    publish_process("guarded", [page("first", "x"), page("@unknown", "what?")])
    publish_process("open", [page("first", "x"), page("@unknown", "what?", safe=True)])
    assert client.get("/p/guarded/?action=nothing").status_code == 405
    assert "what?" in client.get("/p/open/?action=nothing").content.decode()


def test_a_refused_link_says_which_method_works(client: Client, reference: str) -> None:
    assert client.get("/p/steps/?action=change").headers["Allow"] == "POST"


def test_post_may_enter_every_action_that_is_open_from_outside(client: Client, reference: str) -> None:
    assert "changed" in client.post("/p/steps/", {"action": "change"}).content.decode()
    assert client.post("/p/steps/", {"action": "inner"}).status_code == 404


def foreign(reference: str) -> str:
    owner = User.objects.create_user("somebody")
    DataNode.objects.filter(reference=reference).update(owner=owner, session_key="")
    return reference


def expired(reference: str) -> str:
    DataNode.objects.filter(reference=reference).update(expires_at=timezone.now() - timedelta(seconds=1))
    return reference


def of_another_process(reference: str) -> str:
    DataNode.objects.filter(reference=reference).update(template=publish_process("other", [page("a", "b")]))
    return reference


@pytest.mark.parametrize(
    "spoil",
    [
        foreign,
        expired,
        of_another_process,
        lambda reference: reference[::-1],
        lambda reference: "x",
        lambda reference: "%00" * 22,
        lambda reference: "é" * 22,
    ],
    ids=["foreign", "expired", "other process", "forged", "short", "NUL", "not ASCII"],
)
@pytest.mark.parametrize("query", ["", "action=look", "action=change", "form=first"])
def test_a_reference_that_is_not_the_callers_gives_one_page_that_reveals_nothing(
    client: Client, reference: str, spoil, query: str
) -> None:
    unknown = client.get(f"/p/steps/?{query}&data={'A' * 22}")
    response = client.get(f"/p/steps/?{query}&data={spoil(reference)}")
    assert response.status_code == 404
    assert main_of(response) == main_of(unknown)


def test_a_promised_reference_enters_nothing_before_its_form_was_sent(client: Client) -> None:
    publish_process("steps", ACTIONS)
    promised = read_form(client.get("/p/steps/"))["data"]
    assert client.get(f"/p/steps/?action=change&data={promised}").status_code == 404
    assert not DataNode.objects.exists()


def test_links_that_are_merely_opened_store_nothing(client: Client) -> None:
    publish_process("steps", ACTIONS)
    for query in ("", "?action=", "?action=look", "?action=@display", "?tenant=north"):
        assert client.get(f"/p/steps/{query}").status_code == 200
    assert not DataNode.objects.exists()
