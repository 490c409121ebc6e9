"""A token may be used so often, by HTTP and by the WebSocket, and programs are told when they may come again."""

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from tasks.errors import BadRequest, Throttled
from tasks.models import ApiToken
from tasks.services.api_rates import check_rate, count_use
from tasks.services.api_tokens import create_api_token
from tests.tasks.api.conftest import Desk


def test_a_token_that_is_used_too_often_is_told_to_wait(desk: Desk, broker: object) -> None:
    program, other = desk.program(desk.ann, rate="2/min"), desk.program(desk.ann)

    assert [program.get("/api/jobs/").status_code for _ in range(3)] == [200, 200, 429]
    refused = program.get("/api/jobs/")
    assert refused.json()["code"] == "throttled"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    # Each has a count of its own, and so have people.
    assert other.get("/api/jobs/").status_code == 200
    assert desk.of(desk.ann).get("/api/jobs/").status_code == 200


def test_one_that_says_nothing_has_the_sites_rate(desk: Desk, broker: object, settings: Settings) -> None:
    settings.STEPLINE_API_RATE = "1/hour"
    program = desk.program(desk.ann)

    assert [program.get("/api/jobs/").status_code for _ in range(2)] == [200, 429]


def test_a_cache_that_is_away_keeps_no_program_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no cache")

    program = desk.program(desk.ann, rate="1/min")
    monkeypatch.setattr(type(cache._connections["default"]), "get", away)  # type: ignore[attr-defined]

    assert [program.get("/api/jobs/").status_code for _ in range(3)] == [200, 200, 200]


def test_calls_over_a_socket_are_counted_too(desk: Desk, broker: object) -> None:
    token, _secret = create_api_token(user=desk.ann, name="test", scopes=["write"], rate="1/min")

    count_use(token)
    with pytest.raises(Throttled) as refused:
        count_use(ApiToken.objects.get(pk=token.pk))

    assert refused.value.fields["retry_after_seconds"] >= 1


@pytest.mark.parametrize("text", ["", "600/min", "10/s", "5000/day", " 1/hour "])
def test_a_rate_is_a_number_and_a_time(text: str) -> None:
    assert check_rate(text) == text.strip()


@pytest.mark.parametrize("text", ["600", "/min", "0/min", "-1/min", "ten/min", "10/year", "1.5/s", "٣/min"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        check_rate(text)


def test_the_command_takes_a_rate(desk: Desk) -> None:
    call_command("create_api_token", "ann", "--scope", "read", "--rate", "10/min")

    assert ApiToken.objects.get().rate == "10/min"
    with pytest.raises(CommandError, match="600/min"):
        call_command("create_api_token", "ann", "--scope", "read", "--rate", "often")
