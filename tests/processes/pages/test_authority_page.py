"""docs/authority.md shows a wrapper: it works as it is written there, forms and errors included."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.domain.definition import parse_definition
from processes.models import AuditEntry, Grant, ProcessTemplate, Run
from tests.processes.authority_kit import own, telling
from tests.processes.pages.browsing import main_of, send_form
from tests.processes.services.published import action, form, page, publish_process

pytestmark = pytest.mark.django_db

PAGE = (Path(__file__).parents[3] / "docs" / "authority.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
WRAPPER: dict[str, Any] = next(example for example in EXAMPLES if example.get("name") == "wrapper")
APPROVE: dict[str, Any] = next(example for example in EXAMPLES if example.get("name") == "approve")


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


def publish_both(tell: str, owner: User, *orders: dict[str, Any]) -> ProcessTemplate:
    bindings = {"approval": {"process": [action("approves", tell)]}}
    publish_process("orders", orders, bindings=bindings)
    return own(publish_process("wrapper", WRAPPER["definition"], bindings=WRAPPER["bindings"]), owner)


def test_every_action_on_the_page_is_one() -> None:
    for example in EXAMPLES:
        parse_definition(example.get("definition", [example]))


def test_the_wrapper_runs_forms_as_the_owner_for_the_caller(client: Client, owner: User) -> None:
    client.force_login(User.objects.create_user("caller"))
    with telling() as tell:
        publish_both(
            tell,
            owner,
            form("ask", "confirm", {"name": "amount", "type": "integer"}),
            action("confirm", tell),
            APPROVE,
            action("last", tell),
            page("show", "Told: %{data:told}"),
        )
        shown = client.get("/p/wrapper/")
        assert shown.status_code == 200
        done = send_form(client, shown, amount="3")
    told = main_of(done).replace("&#x27;", "'")
    assert "confirm owner/caller" in told
    assert "approves caller/caller" in told
    assert "last owner/caller" in told
    assert all(grant.revoked_at is not None for grant in Grant.objects.all())
    entry = AuditEntry.objects.filter(action="authority.lent").latest("pk")
    assert (entry.actor_name, entry.authority_name, entry.details["action"]) == ("caller", "owner", "confirm")


def test_after_an_error_the_credentials_are_revoked_too(client: Client, owner: User) -> None:
    client.force_login(User.objects.create_user("caller"))
    with telling() as tell:
        publish_both(tell, owner, action("ask", "fail"), page("confirm", "x"), APPROVE)
        assert client.get("/p/wrapper/").status_code != 200
    assert Grant.objects.get().revoked_at is not None


def test_the_wrapper_can_be_entered_only_where_it_says(client: Client, owner: User) -> None:
    with telling() as tell:
        publish_both(tell, owner, page("ask", "x"), page("confirm", "x"), page("inner", "secret"), APPROVE)
        assert client.post("/p/wrapper/", {"action": "inner"}).status_code == 404


def test_a_reference_to_a_grant_is_all_that_a_run_holds(client: Client, owner: User) -> None:
    """Neither a token nor a key of the session is in what a background run stores."""
    user = User.objects.create_user("caller")
    client.force_login(user)
    with telling() as tell:
        publish_both(
            tell, owner, page("ask", "x"), action("confirm", "execute_in_background"), action("rest", tell), APPROVE
        )
        client.post("/p/wrapper/", {"action": "confirm"})
    grant = Grant.objects.get()
    run = Run.objects.get()
    assert grant.execution == str(run.pk)
    assert run.attributes["credentials"] == {"$ref": "grant", "reference": grant.reference}
    stored = json.dumps([run.attributes, run.cursor, run.request, run.response])
    assert str(client.session.session_key) not in stored
