"""The test kit's clock, answers, users and builders."""

from datetime import UTC, datetime, timedelta

import pytest

from processes.domain.application import Application
from processes.domain.outside import Answer, Mail, OutboundRequest
from processes.errors import ProcessError
from processes.testing import Answers, FakeClock, FakeUser, action, definition, process, run, run_script

RATES = "https://rates.example/eur"


def ask(app: Application) -> object:
    answer = app.outside.request(OutboundRequest(method="get", url=app.get("config") or RATES))
    return answer.status, answer.json, answer.text


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    assert clock() == clock.time == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert clock.advance(hours=1, minutes=30) == datetime(2026, 1, 1, 13, 30, tzinfo=UTC)
    assert clock.advance(timedelta(days=-1)) == datetime(2025, 12, 31, 13, 30, tzinfo=UTC)
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert repr(clock) == "FakeClock(2030-01-01T00:00:00+00:00)"
    with pytest.raises(ValueError, match="tzinfo=UTC"):
        FakeClock(datetime(2030, 1, 1))  # noqa: DTZ001


def test_a_run_sees_its_clock_move() -> None:
    clock = FakeClock()

    def wait(app: Application) -> str:
        clock.advance(hours=1)
        return app.now().isoformat()

    assert run_script(wait, clock=clock).value == "2026-01-01T13:00:00+00:00"


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ({"json": {"rate": 1.5}}, (200, {"rate": 1.5}, '{"rate":1.5}')),
        ({"text": "busy", "status": 503}, (503, None, "busy")),
        ({"status": 204}, (204, None, "")),
        ({"reply": lambda request: Answer(status=200, text=request.method)}, (200, None, "get")),
    ],
)
def test_a_request_is_answered_as_told_and_recorded(told: dict, value: object) -> None:  # type: ignore[type-arg]
    answers = Answers().on("GET", RATES, **told)
    assert run_script(ask, answers=answers).or_raise().value == value
    assert [(request.method, request.url) for request in answers.requests] == [("get", RATES)]
    assert answers.unused == []


def test_answers_come_in_the_order_told_and_the_last_stays() -> None:
    answers = Answers().on("GET", RATES, status=503).on("GET", RATES, json=1)
    actions = [action(name, script="ask") for name in "abc"]
    asked: list[object] = []
    run(actions, scripts={"ask": lambda app: asked.append(ask(app))}, answers=answers)
    assert asked == [(503, None, ""), (200, 1, "1"), (200, 1, "1")]


def test_an_answer_may_be_an_error_that_the_process_deals_with() -> None:
    answers = Answers().on("GET", RATES, error=ProcessError("Nobody answers", code="outbound_failed"))
    ran = run([action("ask"), action("@error", script="reset_error")], scripts={"ask": ask}, answers=answers)
    assert (ran.completed, ran.actions) == (True, ["ask", "@error"])


def test_the_end_of_a_url_may_be_open() -> None:
    answers = Answers().on("*", "https://rates.example/*", json=2)
    assert run_script(ask, answers=answers).or_raise().value == (200, 2, "2")


def test_a_request_nobody_told_about_fails_the_test_even_where_the_process_deals_with_it() -> None:
    answers = Answers().on("POST", RATES)
    actions = [action("ask"), action("@error", script="reset_error")]
    with pytest.raises(AssertionError, match=r'GET https://rates\.example/eur .* know POST https.*answers\.on\("GET"'):
        run(actions, scripts={"ask": ask}, answers=answers)
    assert answers.unused == [f"POST {RATES}"]


def test_without_answers_there_is_no_outside_world() -> None:
    with pytest.raises(AssertionError, match="know nothing"):
        run_script(ask)


def test_mail_is_kept_or_refused() -> None:
    def send(app: Application) -> None:
        app.outside.send(Mail(to=["ada@example.com"], subject="Hello", text="…"))

    ran = run_script(send)
    assert [mail.subject for mail in ran.answers.mails] == ["Hello"]
    assert repr(ran.answers) == "Answers(0 requests, 1 mails)"
    refused = run_script(send, answers=Answers().refuse_mail())
    assert refused.error is not None
    assert refused.error.code == "mail_refused"
    assert refused.answers.mails == []


def test_the_standard_scripts_ask_the_answers_too() -> None:
    asking = action("http_request", url="https://rates.example/%{data:currency}", into="rate")
    telling = action("send_email", to="ada@example.com", subject="Rates", text="1 is %{data:rate.json}")
    answers = Answers().on("GET", RATES, json=1.5)
    ran = run([asking, telling], data={"currency": "eur"}, answers=answers).or_raise()
    assert ran.data["rate"]["json"] == 1.5
    assert [(mail.to, mail.text) for mail in answers.mails] == [(["ada@example.com"], "1 is 1.5")]


def test_a_user_answers_what_scripts_ask() -> None:
    user = FakeUser("ada", groups=["b", "a"], first_name="Ada", last_name="Lovelace", email="ada@example.com")
    assert (str(user), user.get_username(), user.get_full_name(), user.get_short_name()) == (
        "ada", "ada", "Ada Lovelace", "Ada",
    )  # fmt: skip
    assert (user.is_authenticated, user.is_anonymous, user.is_active, user.id == user.pk) == (True, False, True, True)
    assert list(user.groups.values_list("name", flat=True)) == ["b", "a"]
    assert [group.name for group in user.groups.filter(name__in=["a", "c"])] == ["a"]
    assert (user.groups.count(), len(user.groups.all()), [str(group) for group in user.groups]) == (2, 2, ["b", "a"])
    assert FakeUser().pk != FakeUser().pk
    assert FakeUser(is_superuser=True).has_perms(["anything"])
    assert not FakeUser(is_superuser=True, is_active=False).has_perm("anything")
    with pytest.raises(ValueError, match="use real users"):
        user.groups.values_list("id")


def test_conditions_are_told_of_a_fake_user_what_they_are_told_of_a_real_one() -> None:
    described: list[dict[str, object]] = []

    def look(app: Application) -> None:
        assert app.host is not None
        described.append(app.host.describe_user(app.user))

    run_script(look)
    run_script(look, user=FakeUser("ada", groups=["b", "a"]))
    assert described[0].keys() == described[1].keys()
    assert described[1]["groups"] == ["a", "b"]


def test_builders_write_definitions() -> None:
    assert action("greet", greeting="Hi") == {"name": "greet", "config": {"greeting": "Hi"}}
    written = action(
        "a", script=None, next={"x": "b", "*": False}, caption="A", comment="why", safe=True, entry=False, config=[1]
    )
    assert written == {
        "name": "a", "script": None, "caption": "A", "comment": "why", "config": [1], "next": {"x": "b", "*": False},
        "safe": True, "entry": False,
    }  # fmt: skip
    assert definition({"name": "a"}) == {"format": 1, "actions": [{"name": "a"}]}
    assert process("p", {"name": "a"}, bindings={"x": "noop"}, extends=["base"]) == {
        "name": "p", "definition": [{"name": "a"}], "bindings": {"x": "noop"}, "extends": ["base"],
    }  # fmt: skip
    with pytest.raises(TypeError, match="give one of them"):
        action("a", config={}, greeting="Hi")
