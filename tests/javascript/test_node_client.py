"""In Node.js, by an API token: the client does what docs/javascript.md says, against the real server."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import Run, call, kill_servers, log_of, told

pytestmark = pytest.mark.acceptance

UNKNOWN = "0197f000-0000-7000-8000-000000000000"


def test_a_task_is_iterated_awaited_and_iterated_again(run: Run, stack: Stack, token: str) -> None:
    (started, *updates, end) = told(run("iterate.mjs", input={"rows": 3}))
    log = log_of(stack, token, started["taskId"])
    seqs = [update["seq"] for update in log]

    assert [(update["seq"], update["type"]) for update in updates] == [(one["seq"], one["type"]) for one in log]
    assert {update["id"] for update in updates} == {started["taskId"]}
    assert all(update["input"] == {"rows": 3} for update in updates)
    assert updates[-1]["data"] == {"counted": 3}
    assert end["heard"] == end["again"] == seqs
    assert "error" not in end


def test_a_task_that_fails_rejects_with_its_reason(run: Run) -> None:
    (*_, last, end) = told(run("iterate.mjs", input={"fail": "1"}))

    assert last["type"] == "taskError"
    assert "Check" in last["error"]
    assert (end["error"], end["isError"]) == ("TaskError", True)
    assert end["reason"] == last["error"]


def test_a_task_is_aborted(run: Run, gate: Path) -> None:
    (end,) = told(run("abort.mjs", input={"rows": 2, "gate": str(gate)}))

    assert (end["last"], end["isAborted"], end["cause"]) == ("taskAborted", True, "seen enough")
    assert end["reason"] == "seen enough"


def test_stores_of_jobs_and_workflows_go_through_their_states(run: Run, gate: Path) -> None:
    first, job, broken, missing, unknown, created, workflow = (line for line in told(run("stores.mjs", gate=str(gate))))

    assert first["first"] == {
        "jobId": "", "status": "pending", "progress": None, "message": None, "output": None, "error": None,
        "meta": None, "loading": True,
    }  # fmt: skip
    statuses = [status for status, *_ in job["statuses"]]
    assert list(dict.fromkeys(statuses))[-2:] == ["running", "completed"]
    # What is completed has its output in the same moment, and nothing has it earlier.
    assert all(has_output == (status == "completed") for status, has_output, *_ in job["statuses"])
    assert [loading for _, _, loading, _ in job["statuses"]].index(False) == 1
    shown = [progress for *_, progress in job["statuses"] if progress is not None]
    assert shown == sorted(shown)
    assert job["last"] | {"jobId": "x"} == {
        "jobId": "x", "status": "completed", "progress": 100, "message": "row 3 of 4", "output": {"rows": 4},
        "error": None, "meta": {"file": "rows.csv"}, "loading": False,
    }  # fmt: skip
    assert job["started"]
    assert (broken["broken"]["status"], broken["broken"]["output"]) == ("failed", None)
    assert "The disk is full." in broken["broken"]["error"]
    assert (missing["missing"]["status"], missing["code"]) == ("failed", "unknown_function")
    assert missing["missing"]["error"]
    assert (unknown["unknown"]["status"], unknown["unknown"]["loading"]) == ("not_found", False)
    assert created["created"] == {
        "workflowId": "", "status": "created", "step": None, "waitingFor": None, "steps": [], "output": None,
        "error": None, "loading": True,
    }  # fmt: skip
    assert workflow["workflow"]["status"] == "completed"
    assert workflow["workflow"]["steps"] == [
        {"name": "count", "status": "completed", "error": None},
        {"name": "check", "status": "completed", "error": None},
    ]
    assert ["running", "count", ["running", "pending"]] in workflow["steps"]


def test_a_job_is_cancelled_from_its_store(run: Run, gate: Path) -> None:
    end, refused = told(run("cancel.mjs", gate=str(gate)))

    assert end["state"]["status"] == "cancelled"
    assert end["state"]["error"]
    assert "cancel_requested" in end["statuses"]
    assert refused["isApiError"]
    assert refused["status"] == 409


def test_calls_tell_their_progress_their_output_and_what_is_wrong(run: Run) -> None:
    total, report, invalid, misfit, unknown, streamed, answers, shared = told(run("calls.mjs"))

    assert total == {"sum": 5}
    assert report["result"] == {"rows": 3}
    (root,) = report["last"]
    (counting,) = root["children"]
    assert (root["status"], counting["title"], counting["current"], counting["total"]) == (
        "completed",
        "Counting",
        3,
        3,
    )
    assert "".join(text for text, _ in report["outputs"]) == "row 0\nrow 1\nrow 2\n"
    assert {node for _, node in report["outputs"]} == {counting["id"]}
    assert invalid == {
        "isApiError": True, "status": 400, "code": "invalid", "message": "It is taken.",
        "fields": {"errors": {"name": ["It is taken."]}},
    }  # fmt: skip
    assert (misfit["status"], misfit["code"]) == (400, "invalid_arguments")
    assert misfit["fields"]["arguments"]
    assert (unknown["status"], unknown["code"]) == (404, "unknown_function")
    assert streamed == {"status": 0, "code": "invalid"}
    assert answers == {"answers": [2, "invalid"]}
    assert shared == {"shared": "string"}


def test_a_call_that_is_left_ends_on_the_server(run: Run, stack: Stack, token: str, gate: Path) -> None:
    task, end = told(run("left.mjs", gate=str(gate)))

    assert end == {"isMine": True}
    assert log_of(stack, token, task["id"])[-1]["type"] == "taskAborted"


def test_who_has_no_token_or_a_wrong_one_is_told_so_and_asks_no_more(run: Run) -> None:
    called, followed, everything, nothing = told(run("unauthorized.mjs", taskId=UNKNOWN))

    assert called == {"status": 401, "code": "invalid_token"}
    assert followed["error"]
    assert everything == {"code": "forbidden"}
    assert nothing == {"code": "not_found"}


def test_another_client_of_server_sent_events_misses_nothing_either(
    run: Run, stack: Stack, token: str, gate: Path
) -> None:
    """What our streams promise holds for whoever reads them as the standard says."""
    task_id = call(stack, token, "js.export", rows=6, gate=str(gate))["job_id"]
    program = run("independent.mjs", taskId=task_id)
    program.wait_for("under way")
    kill_servers(stack)
    gate.touch()
    assert program.wait() == 0, program.output

    seqs = json.loads(program.lines[-1])["seqs"]
    assert seqs == [update["seq"] for update in log_of(stack, token, task_id)]
