"""The promises of callback_progress_and_response_store.txt, with its own definitions, word for word.

Of both only the comments are taken out, which JSON doesn't have.
"""

import json
from typing import Any

import pytest

from processes.models import Callback
from processes.services.callback_tokens import callback_of_token
from processes.services.callbacks import query_callback
from processes.services.files import store_file
from processes.services.purging import purge_expired
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture
from tests.processes.services.test_callback_files import OWNER, delete, let_retention_pass

PROGRESS_ANCHOR = """
{
"name": "anchor",
"script": "stepTypeCallback",
"next": {
  "prepare": "call",
  "complete": "complete",
  "progress": "doSomethingWithProgress",
  "*": false
}
}
"""

SEND_PROGRESS = """
{
"name": "sendProgress",
"script": "stepTypeCallback",
"config": {
  "callbackAction": "progress",
  "callbackData": {
  }
},
"next": false
}
"""

STORING_ANCHOR = """
{
"name": "anchor",
"script": "stepTypeCallback",
"config": {
  "callbackStoreResponse": true
},
"next": {
  "prepare": "call",
  "complete": "complete",
  "*": false
}
}
"""


@pytest.fixture
def calls(kit: Any) -> CallbackKit:  # noqa: F811
    return CallbackKit(kit)


def caller(calls: CallbackKit, anchor: str) -> list[dict[str, Any]]:
    """The calling script: the anchor of the document, and its branches."""
    return [json.loads(anchor), calls.call(), calls.see("complete"), calls.see("doSomethingWithProgress")]


def asynchronous(calls: CallbackKit, *, data: Any, token: str | None = None) -> Any:
    """The asynchronous script of the document, with this progress data; without `token` its context knows the token."""

    def know(app: Any) -> None:
        app.set("callbackToken", calls.tokens[0])

    send = json.loads(SEND_PROGRESS)
    send["config"]["callbackData"] = data
    if token is not None:
        send["config"]["callbackToken"] = token
        return calls.begin(send)
    return calls.begin({"name": "know", "script": calls.kit.script(know)}, send)


def test_progress_is_identical_to_complete_except_that_it_is_called_progress(calls: CallbackKit) -> None:
    run_id = calls.begin(*caller(calls, PROGRESS_ANCHOR))
    asynchronous(calls, data={"percent": 30})
    assert calls.seen == [("doSomethingWithProgress", {"percent": 30})]
    assert calls.kit.run(run_id).status == "waiting"
    asynchronous(calls, data={"percent": 60})
    calls.report("complete", {"rows": 3})
    calls.kit.work()
    assert calls.seen[1:] == [("doSomethingWithProgress", {"percent": 60}), ("complete", {"rows": 3})]
    assert calls.kit.run(run_id).status == "completed"


@pytest.mark.parametrize("data", [{}, [], "text", 0, False, None, {"a": [{"b": None}]}])
def test_the_response_can_contain_anything(calls: CallbackKit, data: Any) -> None:
    calls.begin(*caller(calls, PROGRESS_ANCHOR))
    asynchronous(calls, data=data)
    assert calls.seen == [("doSomethingWithProgress", data)]


def test_the_token_is_set_explicitly_where_the_attribute_is_not(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, PROGRESS_ANCHOR))
    asynchronous(calls, data={"n": 1}, token=calls.tokens[0])
    assert calls.seen == [("doSomethingWithProgress", {"n": 1})]


def test_without_either_there_is_an_error(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, PROGRESS_ANCHOR))
    run_id = calls.begin(json.loads(SEND_PROGRESS))
    assert calls.kit.run(run_id).error["code"] == "callback_not_found"
    assert calls.seen == []


def test_the_store_returns_the_most_recent_response_and_no_branch_for_progress_or_query_is_needed(
    calls: CallbackKit,
) -> None:
    run_id = calls.begin(*caller(calls, STORING_ANCHOR))
    asynchronous(calls, data={"percent": 30, "phase": "reading"})
    asynchronous(calls, data={"percent": 60})
    assert calls.seen == []
    target = callback_of_token(calls.tokens[0])
    assert query_callback(target).data == {"percent": 60}
    calls.report("complete", {"rows": 3})
    calls.kit.work()
    assert calls.seen == [("complete", {"rows": 3})]
    assert calls.kit.run(run_id).status == "completed"
    assert query_callback(target).data == {"rows": 3}


def test_a_query_action_returns_it_to_a_process(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, STORING_ANCHOR))
    asynchronous(calls, data={"percent": 30})
    ask = {"name": "ask", "script": "stepTypeCallback",
           "config": {"callbackAction": "query", "callbackToken": calls.tokens[0]}}  # fmt: skip
    calls.begin(ask, calls.see("told"))
    assert calls.seen == [("told", {"percent": 30})]


def test_later_values_override_earlier_ones(calls: CallbackKit) -> None:
    anchor = json.loads(STORING_ANCHOR)
    anchor["config"]["callbackData"] = {"title": "Import", "percent": 0, "file": {"name": "a.csv", "rows": 9}}
    calls.begin(anchor, calls.call(), calls.see("complete"))
    asynchronous(calls, data={"percent": 30, "file": {"name": "b.csv"}})
    assert query_callback(callback_of_token(calls.tokens[0])).data == {
        "title": "Import", "percent": 30, "file": {"name": "b.csv"},
    }  # fmt: skip


def test_the_store_is_cleaned_up_automatically(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, STORING_ANCHOR))
    calls.report("complete", {"rows": 3})
    calls.kit.work()
    let_retention_pass()
    purge_expired()
    assert not Callback.objects.exists()


def test_files_are_localised_so_that_temporary_ones_persist(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, STORING_ANCHOR))
    temporary = store_file(content=b"rows", name="rows.csv", caller=OWNER)
    calls.report("progress", {"result": dict(temporary)})
    delete(temporary)
    stored = query_callback(callback_of_token(calls.tokens[0])).data["result"]
    assert (stored["type"], stored["name"], stored["size"]) == ("FILE_INFO", "rows.csv", 4)
    assert stored["id"] != temporary["id"]


def test_one_process_worker_supports_several_active_callbacks_each_with_its_storage(calls: CallbackKit) -> None:
    calls.begin(*caller(calls, STORING_ANCHOR))
    calls.begin(*caller(calls, STORING_ANCHOR))
    first, second = calls.tokens
    for number, token in enumerate((first, second, first), start=1):
        asynchronous(calls, data={"n": number}, token=token)
    told = [query_callback(callback_of_token(token)).data for token in (first, second)]
    assert told == [{"n": 3}, {"n": 2}]
