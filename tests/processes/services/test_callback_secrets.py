"""Tokens of callbacks: keys that can be changed, and nobody who sees a token that isn't meant to."""

import json
import uuid
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from pytest_django import Settings

from processes.domain.application import Application
from processes.errors import PermanentError
from processes.models import AuditEntry
from processes.services import audit
from processes.services.callback_tokens import callback_of_token, token_of
from processes.services.errors import CallbackNotFoundError
from tasks.services.reading import read_snapshot, read_updates
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.published import publish_process
from tests.processes.services.secret_hunt import every_value

CALLBACK = uuid.uuid4()


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_a_new_key_can_be_put_in_front_while_tokens_of_the_old_one_are_out(settings: Settings) -> None:
    old, new = new_key(), new_key()
    settings.STEPLINE_ENCRYPTION_KEYS = (old,)
    token = token_of(CALLBACK)
    settings.STEPLINE_ENCRYPTION_KEYS = (new, old)
    assert callback_of_token(token) == CALLBACK
    assert token_of(CALLBACK) != token
    settings.STEPLINE_ENCRYPTION_KEYS = (new,)
    with pytest.raises(CallbackNotFoundError):
        callback_of_token(token)


def test_a_site_without_encryption_keys_uses_its_secret_key(settings: Settings) -> None:
    settings.STEPLINE_ENCRYPTION_KEYS = ()
    settings.SECRET_KEY = "first"
    token = token_of(CALLBACK)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["first"]
    assert callback_of_token(token) == CALLBACK
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CallbackNotFoundError):
        callback_of_token(token)


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    return CallbackKit(kit)


def test_a_placeholder_gives_the_token_which_is_in_no_row_of_the_database(kit: Any, calls: CallbackKit) -> None:
    def take(app: Application) -> None:
        calls.tokens.append(app.get("config")["where"].rpartition("/")[2])

    call = {"name": "call", "script": kit.script(take), "config": {"where": "x/%{attr:callbackToken}"}, "next": False}
    calls.begin(calls.anchor(next={"complete": "sub"}), call, {"name": "sub", "script": "noop"})
    assert calls.callback().status == "created"
    assert [place for place, value in every_value() if "cb1_" in value] == []


def test_a_config_that_outlasts_its_step_is_stored_without_the_token(kit: Any, calls: CallbackKit) -> None:
    """The cursor keeps the filled config of an action whose sub process is under way."""
    inner = [{"name": "in", "script": kit.script(lambda app: calls.tokens.append(app.get("callbackToken")))}]
    waits = {"name": "wait", "script": "callback", "config": {"callbackAction": "await"}}
    calls.begin(
        template=kit.template(
            calls.anchor(next={"prepare": "call"}),
            {"name": "call", "script": "inner", "config": {"token": "%{attr:callbackToken}"}, "next": "wait"},
            waits,
            bindings={
                "inner": {
                    "process": [*inner, {"name": "w", "script": "callback", "config": {"callbackAction": "await"}}]
                }
            },
        )
    )
    cursor = json.dumps(kit.run(calls.callback().run_id).cursor, ensure_ascii=False)
    assert '{"token": "cb1_•••"}' in cursor
    assert [place for place, value in every_value() if calls.tokens[0] in value] == []


def test_the_error_of_a_run_and_its_step_tell_no_token(kit: Any, calls: CallbackKit) -> None:
    def fail(app: Application) -> None:
        calls.tokens.append(app.get("callbackToken"))
        raise PermanentError(f"POST https://x.example/{calls.tokens[-1]}/ failed")

    call = {"name": "call", "script": kit.script(fail), "next": False}
    run_id = calls.begin(calls.anchor(), call)
    assert kit.run(run_id).error["message"] == "POST https://x.example/cb1_•••/ failed"
    assert [place for place, value in every_value() if calls.tokens[0] in value] == []


def test_those_who_follow_a_run_see_no_token_in_the_data_that_it_changes(kit: Any, calls: CallbackKit) -> None:
    def careless(app: Application) -> None:
        calls.tokens.append(app.get("callbackToken"))
        app.data["address"] = f"https://x.example/{calls.tokens[-1]}/"

    run_id = calls.begin(calls.anchor(), {"name": "call", "script": kit.script(careless), "next": False})
    told = [body for _, body in read_updates(run_id, after=0, limit=100)]
    assert any("https://x.example/cb1_•••/" in body for body in told)
    assert not [body for body in (*told, json.dumps(read_snapshot(run_id).to_json())) if calls.tokens[0] in body]


@pytest.mark.django_db
def test_the_audit_log_keeps_no_token() -> None:
    audit.record("x.done", actor=audit.SYSTEM, details={"where": f"/api/callbacks/{token_of(CALLBACK)}/"})
    assert AuditEntry.objects.get().details == {"where": "/api/callbacks/cb1_•••/"}


def test_a_run_in_the_foreground_moves_to_the_background_where_it_anchors(
    kit: Any, calls: CallbackKit, client: Client
) -> None:
    publish_process("order", [calls.anchor(next={"complete": "done"}), calls.call(), calls.see("done")])
    answer = client.get("/p/order/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/progress/")
    assert calls.tokens == []
    kit.work()
    calls.report("complete", 1)
    kit.work()
    assert calls.seen == [("done", 1)]


def test_a_page_reports_and_asks_in_the_foreground(kit: Any, calls: CallbackKit, client: Client) -> None:
    calls.begin(calls.anchor(callbackStoreResponse=True), calls.call())
    config = {"callbackToken": calls.tokens[0]}
    publish_process(
        "desk",
        [
            {"name": "send", "script": "callback",
             "config": {**config, "callbackAction": "progress", "callbackData": {"n": 1}}},
            {"name": "ask", "script": "callback", "config": {**config, "callbackAction": "query"}},
            {"name": "show", "script": "show_page", "config": {"text": "n is %{attr:callbackData.n}"}},
        ],
    )  # fmt: skip
    assert "n is 1" in client.get("/p/desk/").content.decode()
    assert calls.callback().status == "progress"
