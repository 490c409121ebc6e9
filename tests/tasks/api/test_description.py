"""The API's description, the page that shows it, and pages of other origins."""

from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.test import Client
from drf_spectacular.validation import validate_schema
from pytest_django import Settings

from config.environment import EnvironmentProblem, load_environment
from tasks import job, mutation, query
from tasks.registry import CallContext, JobContext

ORIGIN = "https://shop.example"


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ann"))
    return client


def described(client: Client) -> dict[str, Any]:
    answer = client.get("/api/schema/")
    assert answer.status_code == 200
    found: dict[str, Any] = yaml.safe_load(answer.content)
    return found


def test_the_description_is_valid_openapi_3_1(client: Client) -> None:
    found = described(client)

    validate_schema(found)
    assert found["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_and_says_what_errors_look_like(client: Client) -> None:
    operations = [one for path in described(client)["paths"].values() for one in path.values()]

    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    for one in operations:
        errors = {code: answer for code, answer in one["responses"].items() if code[0] in "45"}
        assert {"400", "401", "403"} <= errors.keys()
        assert {kind for answer in errors.values() for kind in answer["content"]} == {"application/problem+json"}


def test_it_tells_of_the_functions_that_whoever_asks_may_call(client: Client, own_declarations: None) -> None:
    @query("shop.count")
    def count(context: CallContext, text: str, times: int = 1) -> int:
        return len(text) * times

    @mutation("shop.close", access="staff")
    def close(context: CallContext) -> None:
        """Close the shop."""

    @job("shop.export", access="signed_in")
    def export(context: JobContext, rows: list[int]) -> dict[str, int]:
        return {"rows": len(rows)}

    paths = described(client)["paths"]

    counted = paths["/api/rpc/shop.count"]["post"]
    assert counted["requestBody"]["content"]["application/json"]["schema"]["properties"]["times"]["type"] == "integer"
    assert counted["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "integer"
    started = paths["/api/rpc/shop.export"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert started["required"] == ["job_id"]
    assert "/api/rpc/shop.close" not in paths


def test_neither_is_for_somebody_who_has_not_signed_in(db: None) -> None:
    nobody = Client()

    assert nobody.get("/api/schema/").status_code == 401
    assert nobody.get("/api/docs/").url == "/accounts/login/?next=/api/docs/"  # type: ignore[attr-defined]


def test_the_page_takes_everything_from_this_site(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()

    assert "https://" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=")


@pytest.mark.parametrize(("origin", "may"), [(ORIGIN, True), ("https://shop.example.evil", False)])
def test_pages_of_named_origins_may_use_the_api(db: None, settings: Settings, origin: str, may: bool) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }

    preflight = Client().options("/api/rpc/batch", headers=asked)
    answer = Client().get("/api/tasks/", headers={"origin": origin})

    allowed = ORIGIN if may else None
    assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    # Their cookies are no way in.
    assert "Access-Control-Allow-Credentials" not in answer.headers
    if may:
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_pages_that_are_no_api_are_nobody_elses(db: None, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    assert "Access-Control-Allow-Origin" not in Client().get("/accounts/login/", headers={"origin": ORIGIN}).headers


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("CORS_ALLOWED_ORIGINS", "shop.example", "https://shop.example"), ("STEPLINE_API_RATE", "often", "1200/min")],
)
def test_what_the_environment_says_of_it_is_checked(tmp_path: Any, name: str, value: str, told: str) -> None:
    with pytest.raises(EnvironmentProblem, match=told):
        load_environment({"STEPLINE_DATA_DIR": str(tmp_path), name: value})
