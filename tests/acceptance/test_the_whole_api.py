"""The whole API keeps what its description promises, whatever is sent: asked by schemathesis, of the real stack."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.acceptance.conftest import Stack, running_stack
from tests.config.conftest import Program

pytestmark = pytest.mark.acceptance

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)
#: A stream says what a description can't.
STREAMS = "/api/events/"
ACCEPT = "application/json, text/plain;q=0.9, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Site:
    """A running stack, and a superuser's token for its API."""

    stack: Stack
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": ACCEPT}

    def call(self, name: str, **arguments: Any) -> Any:
        answer = httpx.post(f"{self.stack.address}/api/rpc/{name}", json=arguments, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("api")
    with running_stack(folder) as stack:
        yield Site(stack, made_token(stack))


def made_token(stack: Stack) -> str:
    arguments = ["create_api_token", stack.account[0], "--scope", "write", "--rate", "1000000/min"]
    program = Program([sys.executable, "manage.py", *arguments], variables=stack.variables)
    try:
        return program.wait_for(r"^(stl_\S+)$")[1]
    finally:
        program.close()


@pytest.fixture(scope="module")
def known(site: Site) -> dict[str, str]:
    """Return ids of things that are there, by the name of the parameter that asks for them."""
    run_id = site.call("expense-claim")["run_id"]
    instance_id = site.call("instances.create", process="expense-claim", title="Trip")["id"]
    sent = {"file": ("rows.csv", b"name\nann\n", "text/csv")}
    stored = httpx.post(f"{site.stack.address}/api/files/", files=sent, headers=site.headers, timeout=30).json()
    return {
        "task_id": run_id,
        "job_id": run_id,
        "run_id": run_id,
        "instance_id": instance_id,
        "slug": "expense-claim",
        "file_id": stored["id"],
        # The first version of a template, and what was written down first.
        "number": "1",
        "entry_id": "1",
    }


@pytest.fixture(scope="module")
def api(site: Site) -> Any:
    found = schemathesis.openapi.from_url(f"{site.stack.address}/api/schema/?format=json", headers=site.headers)
    return found.exclude(path=STREAMS)


def test_every_operation_answers_as_it_is_described(api: Any, site: Site, known: dict[str, str]) -> None:
    asked, failed = [], []
    for operation in map(_ok, api.get_all_operations()):
        asked.append(operation.label)
        try:
            _ask(operation, site, known)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all of them are told at the end
            failed.append(f"{operation.label}: {_told(error)}")

    assert failed == [], "\n\n".join(failed)
    assert {"GET /api/jobs/", "POST /api/rpc/instances.get"} <= set(asked)


def _told(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return "\n".join([str(error), *map(_told, inner)])


def _ok(result: Any) -> Any:
    return result.ok()


def _ask(operation: Any, site: Site, known: dict[str, str]) -> None:
    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(
        max_examples=10, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers=site.headers, checks=CHECKS, timeout=20)
        there = {name: value for name, value in known.items() if name in (case.path_parameters or {})}
        if there:
            # What was made up hits nothing; this does.
            case.path_parameters.update(there)
            case.call_and_validate(headers=site.headers, checks=CHECKS, timeout=20)

    ask()
