"""An operator edits the data of runs in the admin; what changed meanwhile is shown, and what was typed isn't lost."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.admin.runs.deeds import data_form
from processes.domain.data_edit import DataEdit
from processes.models import AuditEntry, InboxItem
from processes.services.operators import edit_run, pause_run
from tests.processes.admin.runs_desk import page_of, told, waiting
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.conftest import api, kit, operator
from tests.processes.services.test_controlling import Breaks, failed

__all__ = ["api", "kit", "operator"]


def shown(client: Client, run_id: uuid.UUID, deed: str = "edit", query: str = "") -> tuple[dict[str, Any], str]:
    """Return what the page lets edit, and what it says was seen, as its form would send it."""
    form = client.get(page_of(run_id, deed, query)).context["form"]
    return json.loads(form["values"].value()), form["seen"].value()


def send(client: Client, run_id: uuid.UUID, values: object, seen: str, deed: str = "edit", query: str = "") -> Any:
    text = values if isinstance(values, str) else json.dumps(values)
    return client.post(page_of(run_id, deed, query), {"values": text, "seen": seen})


def test_keys_are_set_added_and_removed_at_the_next_boundary(kit: Any, api: Client) -> None:
    run_id = waiting(kit, data={"amount": 7, "draft": "x", "kept": [1]})
    values, seen = shown(api, run_id)
    assert values == {"amount": 7, "draft": "x", "kept": [1], "read": 1}
    done = send(api, run_id, {"amount": 70, "kept": [1], "new": {"a": None}, "read": 1}, seen)
    assert (done.status_code, "next action boundary" in told(done)) == (302, True)
    kit.work()
    assert kit.data(run_id) == {"amount": 70, "kept": [1], "new": {"a": None}, "read": 1}
    entry = AuditEntry.objects.get(action="run.edited")
    assert (entry.actor_name, entry.details) == ("olga", {"keys": ["amount", "draft", "new"]})
    assert "done" in api.get(page_of(run_id)).content.decode()


def test_what_changed_meanwhile_is_shown_and_what_was_typed_is_kept(kit: Any, api: Client, operator: User) -> None:
    run_id = waiting(kit, data={"amount": 7, "other": 1})
    values, seen = shown(api, run_id)
    edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"amount": 8}, seen={"amount": 7}))
    kit.work()
    refused = send(api, run_id, {**values, "amount": 70}, seen)
    assert refused.status_code == 409
    (row,) = refused.context["conflicts"]
    assert ("7" in row.seen, "8" in row.now, "70" in row.typed, row.key) == (True, True, True, "amount")
    form = refused.context["form"]
    assert json.loads(form["values"].value())["amount"] == 70
    assert kit.data(run_id)["amount"] == 8
    # Sent again, it is compared with what was shown now.
    assert send(api, run_id, form["values"].value(), form["seen"].value()).status_code == 302
    kit.work()
    assert kit.data(run_id)["amount"] == 70
    assert kit.data(run_id)["other"] == 1


def test_what_others_changed_in_keys_that_were_left_alone_stays(kit: Any, api: Client, operator: User) -> None:
    run_id = waiting(kit, data={"amount": 7, "other": 1})
    values, seen = shown(api, run_id)
    edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"other": 2}, seen={"other": 1}))
    kit.work()
    assert send(api, run_id, {**values, "amount": 70}, seen).status_code == 302
    kit.work()
    assert (kit.data(run_id)["amount"], kit.data(run_id)["other"]) == (70, 2)


def test_an_edit_that_the_run_itself_refused_is_proposed_again(kit: Any, api: Client, operator: User) -> None:
    run_id = waiting(kit, data={"amount": 7})
    values, seen = shown(api, run_id)
    # Nobody has heard of either yet, so both are taken in turn.
    edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"amount": 8}, seen={"amount": 7}))
    assert send(api, run_id, {**values, "amount": 70}, seen).status_code == 302
    kit.work()
    number = InboxItem.objects.order_by("-id").values_list("pk", flat=True)[0]
    listed = api.get(page_of(run_id)).content.decode()
    assert "refused: the data weren&#x27;t as the editor saw them: “amount”" in listed
    assert page_of(run_id, "edit", f"?message={number}") in listed
    proposed, seen = shown(api, run_id, query=f"?message={number}")
    assert (proposed["amount"], json.loads(seen)["amount"]) == (70, 8)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": ', "line 1"),
        ("[1]", "Enter an object"),
        ('{"a": 1, "a": 2}', "more than once"),
        ("{}x", "line 1"),
        ('{"' + "k" * 201 + '": 1}', "200 characters"),
    ],
)
def test_what_is_no_data_is_refused_and_kept(kit: Any, api: Client, text: str, complaint: str) -> None:
    run_id = waiting(kit)
    _values, seen = shown(api, run_id)
    answer = send(api, run_id, text, seen)
    form = answer.context["form"]
    assert complaint in str(form.errors["values"]), form.errors
    assert form["values"].value() == text
    assert not InboxItem.objects.exists()


@pytest.mark.parametrize("seen", ["", "x", "[]", "1"])
def test_without_what_was_seen_nothing_is_overwritten(kit: Any, api: Client, seen: str) -> None:
    run_id = waiting(kit, data={"amount": 7})
    answer = send(api, run_id, {"amount": 8}, seen)
    assert answer.status_code in (200, 409)
    kit.work()
    assert kit.data(run_id)["amount"] == 7


def test_nothing_typed_is_nothing_done(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    values, seen = shown(api, run_id)
    answer = send(api, run_id, values, seen)
    assert "Nothing is changed." in str(answer.context["form"].errors)
    assert not InboxItem.objects.exists()


def test_a_key_with_a_token_is_neither_shown_nor_lost(kit: Any, api: Client) -> None:
    calls = CallbackKit(kit)

    def careless(app: Any) -> None:
        calls.tokens.append(app.get("callbackToken"))
        app.data["kept"] = {"token": calls.tokens[-1]}
        app.data["amount"] = 7

    run_id = calls.begin(calls.anchor(), {"name": "call", "script": kit.script(careless), "next": False})
    page = api.get(page_of(run_id, "edit"))
    assert calls.tokens[0] not in page.content.decode()
    assert page.context["form"].left_out == ["kept"]
    values, seen = shown(api, run_id)
    send(api, run_id, {**values, "amount": 8}, seen)
    kit.work()
    assert kit.data(run_id) == {"amount": 8, "kept": {"token": calls.tokens[0]}}


def test_long_values_are_left_out_and_stay(kit: Any, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_form, "_VALUE_CHARS", 20)
    run_id = waiting(kit, data={"long": "x" * 30, "short": "x"})
    values, seen = shown(api, run_id)
    assert "long" not in values
    send(api, run_id, {**values, "short": "y"}, seen)
    kit.work()
    assert (kit.data(run_id)["long"], kit.data(run_id)["short"]) == ("x" * 30, "y")


def test_a_paused_run_is_edited_too(kit: Any, api: Client, operator: User) -> None:
    run_id = waiting(kit, data={"amount": 7})
    pause_run(run_id=run_id, user=operator)
    kit.work()
    values, seen = shown(api, run_id)
    send(api, run_id, {**values, "amount": 8}, seen)
    kit.work()
    assert (kit.data(run_id)["amount"], kit.run(run_id).waiting_for["code"]) == (8, "paused")


def test_what_has_ended_is_edited_as_it_is_taken_up(kit: Any, api: Client) -> None:
    breaks = Breaks()
    run_id = failed(kit, breaks)
    refused = api.get(page_of(run_id, "edit"))
    assert ("has ended already" in refused.content.decode(), b'id="run-form"' in refused.content) == (True, False)
    breaks.mended = True
    values, seen = shown(api, run_id, "retry")
    assert values == {"check": 2, "read": 1}, "what the failed action changed is forgotten"
    assert send(api, run_id, {"check": 20, "read": 1}, seen, "retry").status_code == 302
    kit.work()
    new = kit.run(run_id).repetition
    assert kit.data(new.pk) == {"read": 1, "check": 20, "half": 2, "last": 3}
    entry = AuditEntry.objects.get(action="run.started", subject_id=new.pk.hex)
    assert entry.details["edited"] == ["check"]


def test_a_rewind_edits_the_data_of_then(kit: Any, api: Client) -> None:
    breaks = Breaks()
    run_id = failed(kit, breaks)
    breaks.mended = True
    values, seen = shown(api, run_id, "rewind", "?ordinal=1")
    assert values == {"read": 1}
    send(api, run_id, {"read": 1, "more": True}, seen, "rewind", "?ordinal=1")
    kit.work()
    assert kit.data(kit.run(run_id).repetition.pk)["more"] is True


def test_what_was_typed_wrongly_is_kept_where_a_run_is_taken_up(kit: Any, api: Client) -> None:
    run_id = failed(kit, Breaks())
    answer = send(api, run_id, "{", "{}", "retry")
    assert answer.status_code == 200
    assert '<details class="run-edit" open>' in answer.content.decode()
    assert answer.context["form"]["values"].value() == "{"
    assert not hasattr(kit.run(run_id), "repetition")


def test_taking_up_with_other_data_seen_is_refused_and_shows_both(kit: Any, api: Client) -> None:
    run_id = failed(kit, Breaks())
    refused = send(api, run_id, {"read": 5, "check": 2}, '{"read": 4, "check": 2}', "retry")
    assert (refused.status_code, [row.key for row in refused.context["conflicts"]]) == (409, ["read"])
    assert not hasattr(kit.run(run_id), "repetition")
