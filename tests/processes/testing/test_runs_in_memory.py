"""The test kit: running definitions and scripts in memory, without a database (none of these tests may use one)."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.errors import DefinitionError, PermanentError, ProcessError
from processes.registry import scripts, task_script
from processes.testing import FakeUser, action, definition, process, run, run_script, start
from tasks import output, progress, subtask


class GreetConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    greeting: str = "Hello"
    times: int = 1


def greet(app: Application) -> str:
    """Greet whom the data name."""
    config: GreetConfig = app.config
    text = f"{config.greeting}, {app.data['name']}"
    app.data["text"] = text
    app.state = "long" if len(text) > 12 else "short"
    return text


async def think(app: Application) -> str:
    await asyncio.sleep(0)
    return "thought"


def refuse(app: Application) -> None:
    raise PermanentError("The card was declined.", code="declined")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    task_script("kit_greet", config=GreetConfig, aliases=["kitGreet"])(greet)
    task_script("kit_think")(think)
    task_script("kit_refuse")(refuse)
    yield
    for name in ("kit_greet", "kit_think", "kit_refuse"):
        scripts.unregister(name)


GREET = action("kit_greet", greeting="Hi")


def test_a_definition_runs_and_tells_what_came_of_it() -> None:
    ran = run([GREET, action("then", script=None)], data={"name": "Ada"})
    assert (ran.status, ran.completed, ran.failed, ran.waiting) == ("completed", True, False, False)
    assert ran.data == {"name": "Ada", "text": "Hi, Ada"}
    assert ran.actions == ["kit_greet", "then"]
    assert [(entry.script, entry.state) for entry in ran.trace] == [("kit_greet", "short"), (None, None)]
    assert (ran.error, ran.state, ran.value) == (None, None, None)
    assert ran.or_raise() is ran


def test_state_and_value_are_those_of_the_last_action() -> None:
    ran = run([GREET], data={"name": "Ada Lovelace"})
    assert (ran.state, ran.value) == ("long", "Hi, Ada Lovelace")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda actions: actions,
        lambda actions: definition(*actions),
        lambda actions: process("greeting", *actions),
        lambda actions: {"definition": {"format": 1, "actions": actions}},
    ],
)
def test_a_process_is_given_in_any_of_its_forms(wrap: Callable[[Any], Any]) -> None:
    assert run(wrap([GREET]), data={"name": "Ada"}).value == "Hi, Ada"


def test_a_file_is_run_with_what_the_test_adds(tmp_path: Path) -> None:
    file = tmp_path / "greeting.json"
    file.write_text(json.dumps(process("greeting", action("say", greeting="Hi"), bindings={"say": "kit_greet"})))
    assert run(file, data={"name": "Ada"}).value == "Hi, Ada"
    assert run(file, bindings={"say": "kit_think"}, extends=[[action("say")]]).value == "thought"


def test_layers_bindings_and_sub_processes_are_given_inline() -> None:
    base = [action("first", script=None), action("greet", script="say", config={"greeting": "%{param:with}"})]
    ran = run(
        [action("greet", script="say", config={"greeting": "%{param:with}"}), action("pay", script="pay")],
        extends=[base],
        bindings={"say": "kit_greet", "pay": {"process": process("payment", action("charge", script="kit_think"))}},
        data={"name": "Ada"},
        parameters={"with": "Ahoy"},
    )
    assert ran.or_raise().actions == ["first", "greet", "pay", "payment.charge"]
    assert (ran.data["text"], ran.value) == ("Ahoy, Ada", "thought")


def test_it_enters_where_the_test_says() -> None:
    actions = [action("a", script=None), action("b", script=None), action("closed", script=None, entry=False)]
    assert run(actions, action="b").actions == ["b", "closed"]
    assert run(actions, parameters={"action": "b"}).actions == ["b", "closed"]
    refused = run(actions, action="closed")
    assert refused.error is not None
    assert refused.error.code == "not_found"


def test_an_error_is_told_with_its_place_and_raised_on_demand() -> None:
    ran = run([GREET, action("pay", script="kit_refuse")], data={"name": "Ada"})
    assert ran.failed
    assert ran.error is not None
    assert (ran.error.code, ran.error.action) == ("declined", "pay")
    with pytest.raises(PermanentError, match="declined"):
        ran.or_raise()


def test_an_exception_is_raised_on_demand_with_the_way_into_the_script() -> None:
    ran = run([GREET])
    with pytest.raises(ProcessError, match="KeyError: 'name'") as caught:
        ran.or_raise()
    cause = caught.value.__cause__
    assert cause is not None
    traceback = cause.__traceback__
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[-1] == "greet"


def test_a_definition_that_cannot_run_is_refused() -> None:
    with pytest.raises(DefinitionError) as caught:
        run([action("kit_greet", greting="Hi")])
    (problem,) = caught.value.problems
    assert (problem.path, problem.suggestion) == ("/definition/0/config/greting", 'Did you mean "greeting"?')


def test_what_the_test_gave_stays_as_it_was() -> None:
    data = {"name": "Ada", "list": [1]}

    def change(app: Application) -> None:
        app.data["list"].append(2)

    assert run_script(change, data=data).data["list"] == [1, 2]
    assert data == {"name": "Ada", "list": [1]}


@pytest.mark.parametrize("script", ["kit_greet", "kitGreet", greet])
def test_one_script_runs_alone(script: Any) -> None:
    assert run_script(script, config={"greeting": "Hi"}, data={"name": "Ada"}).value == "Hi, Ada"


def test_one_script_has_its_config_checked() -> None:
    with pytest.raises(DefinitionError, match="a whole number"):
        run_script(greet, config={"times": "often"})


def test_a_function_can_be_tried_before_it_is_registered() -> None:
    def fail(app: Application) -> str:
        return f"not the script called fail: {app.config['x']}"

    assert run_script(fail, config={"x": 1}).value == "not the script called fail: 1"
    assert run_script(lambda app: app.user.username, user=FakeUser("eve")).value == "eve"


def test_async_scripts_run_like_any_other() -> None:
    assert run_script("kit_think").value == "thought"
    assert run_script(think).value == "thought"


def test_scripts_are_replaced_for_one_run_and_keep_their_config_model() -> None:
    def shout(app: Application) -> str:
        return f"{app.config.greeting.upper()} {app.config.times}"

    assert run([action("kitGreet", greeting="hi")], scripts={"kit_greet": shout}).value == "HI 1"
    assert run([action("brand_new")], scripts={"brand_new": lambda app: "new"}).value == "new"
    assert scripts.get("kit_greet").function is greet
    assert "brand_new" not in scripts


def test_attributes_and_the_user_are_there() -> None:
    def look(app: Application) -> Any:
        groups = app.user.groups.filter(name="clerks").exists(), app.user.groups.filter(name="bosses").exists()
        return app.get("shop"), app.user.username, *groups, app.user.has_perm("shop.sell"), app.user.has_perm("x")

    ran = run_script(look, attributes={"shop": 7}, user=FakeUser("eve", groups=["clerks"], permissions=["shop.sell"]))
    assert ran.value == (7, "eve", True, False, True, False)
    assert ran.attributes == {"shop": 7}
    assert run_script(lambda app: app.user).value is None


def test_conditions_know_the_user_and_the_clock() -> None:
    choose = action(
        "choose",
        config={
            "cases": [{"if": "'clerks' in user.groups && now < timestamp('2027-01-01T00:00:00Z')", "state": "yes"}],
            "else": "no",
        },
    )
    assert run([choose], user=FakeUser(groups=["clerks"])).state == "yes"
    assert run([choose], user=FakeUser()).state == "no"
    assert run([choose]).state == "no"


def test_a_run_is_walked_through_step_by_step() -> None:
    inner = process("inner", action("kit_think"))
    actions = [GREET, action("sub", script="inner"), action("last", script=None)]
    walk = start(actions, bindings={"inner": {"process": inner}}, data={"name": "Ada"})
    assert walk.next == "kit_greet"
    assert walk.step().data["text"] == "Hi, Ada"
    assert walk.next == "sub"
    walk.step()
    assert walk.next == "inner.kit_think"
    assert walk.step_to("last").ran.actions == ["kit_greet", "sub", "inner.kit_think"]
    assert walk.finish().completed
    assert walk.next is None
    with pytest.raises(AssertionError, match="no action to run"):
        walk.step()


def test_an_action_that_never_comes_is_named() -> None:
    with pytest.raises(AssertionError, match='"nowhere" never came'):
        start([GREET], data={"name": "Ada"}).step_to("nowhere")


def test_a_run_that_waits_is_resumed_or_fails() -> None:
    actions = [action("ask", next={"yes": "done", "*": False}), action("done", script=None)]
    asking = {"ask": lambda app: Park(reason="question")}
    walk = start(actions, scripts=asking, durable=True)
    ran = walk.finish()
    assert (ran.waiting, ran.actions) == (True, ["ask"])
    with pytest.raises(AssertionError, match="hasn't ended"):
        ran.or_raise()
    assert walk.resume("yes").finish().actions == ["ask", "done"]

    walk = start(actions, scripts=asking, durable=True)
    walk.finish()
    walk.fail(ProcessError("Too late", code="late"))
    assert (walk.next, walk.finish().status) == (None, "failed")


def test_a_durable_run_refuses_what_a_worker_could_not_store() -> None:
    def leave(app: Application) -> None:
        app.data["day"] = date(2026, 1, 1)

    assert run_script(leave).completed
    ran = run_script(leave, durable=True)
    assert ran.error is not None
    assert (ran.error.code, ran.error.path) == ("not_json", "/data/day")


def test_where_it_would_go_on_in_the_background_it_just_goes_on() -> None:
    actions = [action("execute_in_background"), GREET]
    assert run(actions, data={"name": "Ada"}).or_raise().actions == ["execute_in_background", "kit_greet"]
    walk = start(actions, data={"name": "Ada"})
    assert walk.step().next == "kit_greet"
    assert run([action("execute_in_background")]).completed
    assert start([action("execute_in_background")]).step().finish().completed


def test_a_run_can_be_cancelled_while_it_works() -> None:
    seen: list[int] = []

    def work(app: Application) -> None:
        for number in range(10):
            app.check_cancelled()
            seen.append(number)

    ran = run_script(work, cancel_when=lambda: len(seen) == 3)
    assert ran.error is not None
    assert (ran.error.code, seen) == ("cancelled", [0, 1, 2])


def test_progress_and_output_are_kept() -> None:
    def work(app: Application) -> None:
        progress(current=1, total=4, message="Reading")
        output("one")
        with subtask("Checking", total=2) as node:
            node.step()
            output("two")

    def then(app: Application) -> None:
        progress(message="Done")
        with subtask("Breaking"):
            raise PermanentError("broken")

    ran = run([action("work"), action("then")], scripts={"work": work, "then": then})
    first, checking, breaking = ran.progress.find("work"), ran.progress.find("Checking"), ran.progress.find("Breaking")
    assert (first.current, first.total, first.message) == (1, 4, "Reading")
    assert (checking.current, checking.total, checking.status, checking.text) == (1, 2, "completed", "two\n")
    assert (breaking.status, breaking.error) == ("failed", "broken")
    assert ran.progress.find("then").message == "Done"
    assert ran.output == "one\ntwo\n"
    with pytest.raises(LookupError, match='"work", "Checking", "then", "Breaking"'):
        ran.progress.find("Chekcing")


def test_the_action_limit_is_the_tests() -> None:
    ran = run([action("round", script=None, next="round")], limit=50)
    assert ran.error is not None
    assert (ran.error.code, len(ran.actions)) == ("action_limit", 50)


def test_a_failing_assertion_shows_how_it_ended() -> None:
    assert repr(run([GREET], data={"name": "Ada"})) == (
        "<Ran completed; state 'short'; actions kit_greet; data {'name': 'Ada', 'text': 'Hi, Ada'}>"
    )
    assert repr(run([action("pay", script="kit_refuse")])) == (
        '<Ran failed at "pay": [declined] The card was declined.; actions pay; data {}>'
    )
    assert repr(start([GREET])) == "<Stepping before kit_greet; <Ran waiting; actions none; data {}>>"


def test_the_idempotency_key_is_the_same_in_every_run() -> None:
    assert run_script(lambda app: app.idempotency_key).value == "test:1"


def test_the_time_is_the_clocks() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert run_script(lambda app: app.now()).value == at
    page = action("show_page", config={"text": "%{now}", "content": "%{now}"})
    response = run([page]).or_raise().response
    assert response.content is not None
    assert response.content.count("2026-01-01T12:00:00") == 2
