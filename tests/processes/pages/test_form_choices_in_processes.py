"""Choices that come from data or the database, on their way through a whole process."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from processes.errors import DefinitionError
from processes.models import DataNode
from processes.registry import queryset, querysets
from tests.processes.pages.browsing import main_of, send_form
from tests.processes.services.published import form, publish_process, save_process

pytestmark = pytest.mark.django_db

FROM_DATA = {"name": "team", "type": "choice", "choices": "%{data:teams}"}
BOUND = {"name": "team", "type": "choice", "choices": "${teams}"}


@pytest.fixture(autouse=True)
def teams() -> Iterator[None]:
    @queryset("own_teams", label="name")
    def own(user: Any) -> Any:
        return user.groups.order_by("name")  # an AnonymousUser has groups too: none

    yield
    querysets.unregister("own_teams")


def know(value: Any) -> dict[str, Any]:
    return {"name": "know", "script": "set_data", "config": {"values": {"teams": value}}}


def test_choices_may_come_from_data(client: Client) -> None:
    publish_process(
        "ask",
        [know(["north", {"value": 7, "label": "South"}]), form("ask", "again", FROM_DATA), form("again", "again")],
    )
    page = client.get("/p/ask/")
    assert '<option value="7">South</option>' in main_of(page)
    assert send_form(client, page, team="8").status_code == 422
    assert send_form(client, page, team="7").status_code == 200
    assert DataNode.objects.latest("pk").data["team"] == 7


@pytest.mark.parametrize("odd", [{"x": 1}, "north", 3, None, [["north"]], [{"label": "no value"}], list(range(1_001))])
def test_data_that_holds_no_choices_gives_a_page_that_names_the_place(client: Client, odd: Any) -> None:
    publish_process("ask", [know(odd), form("ask", "ask", FROM_DATA)])
    page = client.get("/p/ask/")
    assert 400 <= page.status_code <= 500
    assert "fields/0/choices" in main_of(page) or "needs &quot;choices&quot;" in main_of(page)
    assert "Traceback" not in page.content.decode()


def test_an_empty_list_shows_that_there_is_nothing_to_choose_from(client: Client) -> None:
    publish_process("ask", [know([]), form("ask", "ask", FROM_DATA)])
    assert "There is nothing to choose from." in main_of(client.get("/p/ask/"))


def test_data_opens_no_queryset(client: Client) -> None:
    publish_process("ask", [know({"$ref": "queryset", "name": "own_teams"}), form("ask", "ask", FROM_DATA)])
    page = client.get("/p/ask/")
    assert page.status_code >= 400
    assert "bind the queryset" in main_of(page)


def test_rows_are_offered_to_whom_they_belong(client: Client) -> None:
    publish_process(
        "ask", [form("ask", "again", BOUND), form("again", "again")], bindings={"teams": {"queryset": "own_teams"}}
    )
    ada, north, south = User.objects.create(username="ada"), *(Group.objects.create(name=name) for name in ("N", "S"))
    ada.groups.add(north)
    assert "There is nothing to choose from." in main_of(client.get("/p/ask/"))
    client.force_login(ada)
    page = client.get("/p/ask/")
    assert f'<option value="{north.pk}">N</option>' in main_of(page)
    assert send_form(client, page, team=str(south.pk)).status_code == 422
    page = client.get("/p/ask/")
    ada.groups.clear()
    assert send_form(client, page, team=str(north.pk)).status_code == 422
    ada.groups.add(north)
    assert send_form(client, client.get("/p/ask/"), team=str(north.pk)).status_code == 200
    assert DataNode.objects.latest("pk").data["team"] == north.pk


def test_a_template_can_not_bind_what_is_not_registered() -> None:
    with pytest.raises(DefinitionError) as caught:
        save_process("ask", [form("ask", "ask", BOUND)], bindings={"teams": {"queryset": "all_users"}})
    (problem,) = caught.value.problems
    assert problem.path == "/bindings/teams/queryset"
    assert problem.suggestion == "Known querysets: own_teams"
