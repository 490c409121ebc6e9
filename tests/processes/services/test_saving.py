"""A run that has ended becomes a test, which lets it go as it went."""

import copy
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.data_edit import DataEdit
from processes.domain.directives import Park
from processes.domain.outside import Answer, Mail, OutboundRequest
from processes.errors import ProcessError
from processes.models import AuditEntry, ClockReading, RunAnswer
from processes.services import host
from processes.services.callback_tokens import token_of
from processes.services.clock_readings import MOST_READINGS
from processes.services.errors import NotControllableError, OutboundTimeoutError
from processes.services.inbox import resume_run
from processes.services.operators import edit_run
from processes.services.outside.hearing import ANSWER_CHARS
from processes.services.saving import record_run, run_as_test
from processes.testing import Replayed, replay
from tasks.errors import TaskNotFound
from tasks.models import Job
from tasks.services.jobs import wake_due
from tests.processes.form_answer_kit import answer, ask, person, visitor
from tests.processes.services.test_compensating_runs import booking, fail, park
from tests.processes.services.test_controlling import post

BUTTONS = [{"label": "No", "action": "second", "name": "no"}]


class World:
    """Be the outside world: answer in order, the last answer again and again."""

    def __init__(self, *answers: Answer | ProcessError) -> None:
        self.answers = list(answers)

    def request(self, request: OutboundRequest) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ProcessError):
            raise answer
        return answer

    def send(self, mail: Mail) -> None:
        pass


def saved(kit: Any, run_id: uuid.UUID) -> Any:
    return record_run(kit.run(run_id))


def again(kit: Any, run_id: uuid.UUID) -> Replayed:
    """Let a run go again, in this process, and check that it goes as it went."""
    replayed = replay(saved(kit, run_id))
    replayed.check()
    return replayed


def test_a_run_goes_again_with_the_answers_that_it_got(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Answer(status=200, headers={"content-type": "application/json"}, text='{"eur":2}', json={"eur": 2}))
    monkeypatch.setattr(host, "live_outside", lambda: world)

    def convert(app: Application) -> None:
        app.data["sum"] = 7 * app.data["answer"]["eur"]
        app.state = "done"

    def ask(app: Application) -> None:
        app.data["answer"] = app.outside.request(OutboundRequest(method="GET", url="https://api.example.com/rate")).json

    run_id = kit.start({"name": "ask", "script": kit.script(ask)}, {"name": "convert", "script": kit.script(convert)})
    kit.work()
    world.answers = [Answer(status=500)]
    replayed = again(kit, run_id)
    assert replayed.data == {"answer": {"eur": 2}, "sum": 14}
    assert replayed.steps == [["ask", None], ["convert", "done"]]


def test_answers_are_kept_with_the_checkpoint_and_without_what_is_nobodys_business(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer(status=200, headers={"content-type": "text/plain", "set-cookie": "session=1"}, text="ok")
    monkeypatch.setattr(host, "live_outside", lambda: World(answer))
    kit.start({"name": "ask", "script": "http_request", "config": {"url": "https://api.example.com/x"}})
    kit.work()
    kept = RunAnswer.objects.get()
    assert (kept.method, kept.url) == ("GET", "https://api.example.com/x")
    assert kept.answer == {"status": 200, "headers": {"content-type": "text/plain"}, "text": "ok", "json": None}


def test_a_request_without_an_answer_fails_again_and_is_tried_again(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(OutboundTimeoutError("There was no answer."), Answer(status=200, text="ok"))
    monkeypatch.setattr(host, "live_outside", lambda: world)
    config = {"url": "https://api.example.com/x"}
    retry = {"attempts": 3, "delay_seconds": 60}
    run_id = kit.start({"name": "ask", "script": "http_request", "config": config, "retry": retry})
    kit.work()
    Job.objects.update(due_at=timezone.now())
    kit.work()
    assert kit.run(run_id).status == "completed"
    again(kit, run_id)


def test_a_run_goes_again_at_the_times_that_it_was_told(kit: Any) -> None:
    def look(app: Application) -> None:
        app.data["looked"] = [app.now().isoformat(), app.now().isoformat()]

    def fails_once(app: Application) -> None:
        seen.append(app.now().isoformat())
        app.data["last"] = seen[-1]
        if len(seen) % 2:
            raise ProcessError("not yet", code="busy")

    seen: list[str] = []
    run_id = kit.start(
        {"name": "note", "script": "set_data", "config": {"values": {"noted": "%{now}"}}},
        {"name": "look", "script": kit.script(look)},
        {"name": "human", "script": kit.script(park, durable=True), "next": {"yes": "again", "*": False}},
        {"name": "again", "script": kit.script(fails_once), "retry": {"attempts": 2, "delay_seconds": 0}},
        {"name": "book", "script": kit.script(look, effect="transactional"), "next": False},
    )
    kit.work()
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state="yes", dedupe_key="answer")
    kit.work()
    assert kit.run(run_id).status == "completed"
    then = list(seen)
    assert again(kit, run_id).data == kit.data(run_id)
    assert seen[2:] == then


def test_of_a_script_that_looks_at_the_clock_all_the_time_so_many_times_are_kept(kit: Any) -> None:
    run_id = kit.start({"name": "look", "script": kit.script(lambda app: [app.now() for _ in range(100)] and None)})
    kit.work()
    assert len(saved(kit, run_id)["clock"]["1"]) == MOST_READINGS


def test_a_recording_without_times_shows_those_of_its_checkpoints(kit: Any) -> None:
    run_id = kit.start({"name": "note", "script": "set_data", "config": {"values": {"noted": "%{now}"}}})
    kit.work()
    recording = saved(kit, run_id)
    del recording["clock"]
    assert replay(recording).data["noted"] == recording["times"]["0"]


def test_what_was_waited_for_comes_when_it_came(kit: Any) -> None:
    now: list[Any] = []
    until = timezone.now() + timedelta(days=3)
    run_id = kit.start(
        {"name": "human", "script": kit.script(park, durable=True), "next": {"yes": "think", "*": False}},
        {"name": "think", "script": kit.script(lambda app: Park(reason="timer", until=until), durable=True)},
        {"name": "look", "script": kit.script(lambda app: now.append(app.now()))},
    )
    kit.work()
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state="yes", dedupe_key="answer")
    kit.work()
    checkpoint = kit.run(run_id).checkpoints.get(ordinal=2)
    checkpoint.cursor["parked"]["until"] = timezone.now().isoformat()
    checkpoint.save(update_fields=["cursor"])
    Job.objects.update(wake_at=timezone.now() - timedelta(seconds=1))
    assert wake_due() == 1
    kit.work()
    # It was told a time before `until`, for which it has not really waited.
    ClockReading.objects.all().delete()
    replayed = again(kit, run_id)
    assert replayed.steps == [["human", "yes"], ["think", None], ["look", None]]
    assert now[-1] >= until, "the clock of the test shows the time for which it has waited"


@pytest.mark.parametrize("undoes", [False, True])
def test_a_run_that_failed_fails_again_as_it_did(kit: Any, undoes: bool) -> None:
    last = {"name": "flight", "script": kit.script(fail)}
    run_id = kit.start(*(booking(kit, last) if undoes else [last]))
    kit.work()
    expected = "compensated" if undoes else "failed"
    assert kit.run(run_id).status == expected
    kit.notes.clear()  # The notes number what they note, and the data hold these numbers.
    assert again(kit, run_id).status == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda ends: ends["steps"][0].__setitem__(0, "other"), 'Step 1 was "other", and is "one" now'),
        (lambda ends: ends["steps"].append(["more", None]), "There were 2 steps, and are 1 now"),
        (lambda ends: ends.update(status="failed", error="full"), "It ended failed"),
        (lambda ends: ends["data"].update(sum=1), "The data end otherwise: sum"),
    ],
)
def test_the_test_says_what_goes_otherwise(kit: Any, change: Any, told: str) -> None:
    run_id = kit.start({"name": "one", "script": kit.script(lambda app: None)})
    kit.work()
    recording = copy.deepcopy(saved(kit, run_id))
    change(recording["ends"])
    with pytest.raises(AssertionError, match=told):
        replay(recording).check()


def test_a_request_of_which_nothing_was_kept_fails_the_test(kit: Any) -> None:
    asks: list[bool] = []

    def perhaps(app: Application) -> None:
        if asks:
            app.outside.request(OutboundRequest(method="GET", url="https://api.example.com/new"))

    run_id = kit.start({"name": "perhaps", "script": kit.script(perhaps)})
    kit.work()
    asks.append(True)
    with pytest.raises(AssertionError, match=r"GET https://api\.example\.com/new was asked for"):
        replay(saved(kit, run_id))


def test_the_file_is_a_test_that_passes(kit: Any, operator: User) -> None:
    def say(app: Application) -> None:
        app.data["text"] = 'Über "drei" \\ """ Zeilen\n'

    run_id = kit.start({"name": "say", "script": kit.script(say)})
    kit.work()
    text = run_as_test(run_id=run_id, user=operator)
    module: dict[str, Any] = {}
    exec(compile(text, "test_saved.py", "exec"), module)
    module[f"test_run_{run_id.hex}"]()
    assert module["RECORDING"]["ends"]["data"] == {"text": 'Über "drei" \\ """ Zeilen\n'}
    assert AuditEntry.objects.get(action="run.exported").details == {"how": "test"}


def refused(kit: Any, run_id: uuid.UUID) -> str:
    with pytest.raises(NotControllableError) as error:
        saved(kit, run_id)
    return str(error.value.fields["reason"])


def test_what_has_not_ended_or_was_changed_by_hand_becomes_no_test(kit: Any, operator: User) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script(park, durable=True)})
    kit.work()
    assert refused(kit, run_id) == "not_ended"
    edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"a": 1}))
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state=None, dedupe_key="answer")
    kit.work()
    assert refused(kit, run_id) == "by_hand"


def test_an_answer_that_is_too_long_is_not_kept_and_the_run_becomes_no_test(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "live_outside", lambda: World(Answer(status=200, text="x" * (ANSWER_CHARS + 1))))
    run_id = kit.start({"name": "ask", "script": "http_request", "config": {"url": "https://api.example.com/x"}})
    kit.work()
    assert RunAnswer.objects.get().answer == {"too_long": ANSWER_CHARS + 1}
    assert refused(kit, run_id) == "answer_not_kept"


def test_a_site_may_keep_no_answers_and_such_a_run_becomes_no_test(
    kit: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STEPLINE_KEEP_ANSWERS = False
    monkeypatch.setattr(host, "live_outside", lambda: World(Answer(status=200, text="private")))
    run_id = kit.start({"name": "ask", "script": "http_request", "config": {"url": "https://api.example.com/x"}})
    kit.work()
    assert RunAnswer.objects.get().answer == {"not_kept": True}
    assert refused(kit, run_id) == "answer_not_kept"


def test_tokens_that_an_answer_quotes_are_not_kept(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_of(str(uuid.uuid4()))
    answer = Answer(status=200, text=f'{{"to": "{token}"}}', json={"to": token})
    monkeypatch.setattr(host, "live_outside", lambda: World(answer))
    kit.start({"name": "ask", "script": "http_request", "config": {"url": f"https://api.example.com/{token}"}})
    kit.work()
    kept = RunAnswer.objects.get()
    assert token not in f"{kept.url} {kept.answer}"


def test_only_operators_get_the_file(kit: Any, api: Client) -> None:
    run_id = kit.start({"name": "one", "script": kit.script(lambda app: None)})
    kit.work()
    answer = post(api, f"/api/runs/{run_id}/test/")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="test_run_{run_id.hex}.py"'
    assert "from processes.testing import replay" in answer.content.decode()
    assert post(Client(), f"/api/runs/{run_id}/test/").status_code == 404
    with pytest.raises(TaskNotFound):
        run_as_test(run_id=run_id, user=User.objects.create_user("sam", is_staff=True))


def test_answers_to_forms_are_given_again(kit: Any) -> None:
    ann = person("ann")
    run_id = kit.start(
        ask("first", leads_to="second", answered_by={"users": ["ann"]}, buttons=BUTTONS),
        {"name": "skipped", "script": kit.note("skipped")},
        ask("second", leads_to="after", fields=[{"name": "more"}]),
        {"name": "after", "script": None},
    )
    kit.work()
    answer(run_id, visitor(ann), {"text": "no"}, button="no")
    kit.work()
    answer(run_id, visitor(session="s"), {"more": "because"})
    kit.work()
    ann.delete()
    assert again(kit, run_id).data["more"] == "because"
