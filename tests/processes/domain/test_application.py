"""The application: attributes, config, and what a checkpoint stores of it."""

import json

import pytest
from pydantic import BaseModel

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.request import Request
from processes.domain.response import Response
from processes.errors import ConfigError, NotJsonError
from tests.processes.domain.support import FakeHost, action, run


class Config(BaseModel):
    n: int
    tags: list[str] = []


def host_with(seen: list[object]) -> FakeHost:
    host = FakeHost()

    @host.registry.task_script("typed", config=Config)
    def typed(app: Application) -> None:
        seen.append(app.config)
        seen.append(app.get("config"))

    return host


def test_a_declared_model_gives_a_typed_config_beside_the_raw_one() -> None:
    seen: list[object] = []
    run([action("a", script="typed", n="3")], host=host_with(seen))
    assert seen == [Config(n=3), {"n": "3"}]


def test_placeholders_are_filled_before_the_model_looks() -> None:
    seen: list[object] = []
    definition = [action("a", script="typed", n="%{data:n}", tags=["%{param:tag}", "%{attr:action.name}"])]
    run(definition, host=host_with(seen), data={"n": 4}, parameters={"tag": "x"})
    assert seen == [Config(n=4, tags=["x", "a"]), {"n": 4, "tags": ["x", "a"]}]


ATTRIBUTES: list[tuple[str, object]] = [
    # (placeholder, what it gives inside @error)
    ("%{attr:user.username}", "ada"),
    ("%{attr:user}", {"username": "ada"}),
    ("by %{attr:user.username}!", "by ada!"),
    ("%{attr:error.code}", "x"),
    ("%{attr:error}", {"code": "x", "message": "failed: x", "action": "a"}),
    ("%{attr:error.message} in %{attr:error.action}", "failed: x in a"),
    ("%{attr:action.name}", "@error"),
    ("%{attr:process.name}", "main"),
    ("%{attr:request.method}", "GET"),
    ("%{attr:request.parameters.q}", "7"),
    ("%{attr:data.n}", 1),
    ("%{attr:mine}", [1, None]),
    ("%{attr:unset}", None),
]


@pytest.mark.parametrize(("text", "expected"), ATTRIBUTES)
def test_placeholders_see_every_attribute_as_json(text: str, expected: object) -> None:
    host = FakeHost()
    plan = host.add("main", [action("a", fail="x"), action("@error", script="see", x=text)])
    app = Application(
        data={"n": 1}, request=Request(parameters={"q": "7"}), user="ada", attributes={"mine": [1, None], "unset": None}
    )
    Interpreter.start(plan, app=app, host=host).run()
    assert app.data["seen"][0]["config"] == {"x": expected}


@pytest.mark.parametrize("name", ["state", "error", "config", "gone", "user.password", "action.script", "process.hash"])
def test_what_is_not_set_or_not_told_cannot_be_filled_in(name: str) -> None:
    error = run([action("a", x=f"%{{attr:{name}}}")]).error
    assert (error.code, error.path, error.action) == ("placeholder", "/config/x", "a")
    assert f"%{{attr:{name}}} can't be filled" in error.message


def test_a_filled_config_that_the_model_refuses_is_an_error_before_the_script_runs() -> None:
    seen: list[object] = []
    error = run([action("a", script="typed", n="%{data:n}")], host=host_with(seen), data={"n": "many"}).error
    assert isinstance(error, ConfigError)
    assert (error.code, error.action, error.path) == ("config", "a", "/config/n")
    assert seen == []


def test_a_missing_placeholder_goes_to_the_error_action() -> None:
    ran = run([action("a", value="%{data:gone}"), action("@error", reset=True)])
    assert ran.names == ["a", "@error"]


def test_called_scripts_get_their_own_typed_config() -> None:
    seen: list[object] = []
    host = host_with(seen)

    @host.registry.task_script("caller")
    def caller(app: Application) -> None:
        app.call("typed", config={"n": 1})
        with pytest.raises(ConfigError):
            app.call("typed", config={"n": "x"})
        seen.append(app.config)

    run([action("a", script="caller", mine=True)], host=host)
    assert seen == [Config(n=1), {"n": 1}, {"mine": True}]


def test_attributes_are_named_or_shared_by_all() -> None:
    app = Application(data={"x": 1}, user="me", attributes={"dataNode": "ref"})
    assert (app.get("dataNode"), app.get("data"), app.get("user")) == ("ref", {"x": 1}, "me")
    assert (app.get("gone"), app.get("gone", 5), app.get("state", "none"), app.get("config")) == (None, 5, "none", None)
    app.set("state", "s")
    app.set("other", None)
    app.set("config", {"n": 1})
    assert (app.state, app.get("other", "set"), app.config, dict(app.attributes)) == (
        "s", None, {"n": 1}, {"dataNode": "ref", "other": None},
    )  # fmt: skip
    for name in ("state", "other", "dataNode", "dataNode", "config", "data", "user"):
        app.remove(name)
    assert (app.state, app.config, app.data, app.user, dict(app.attributes)) == (None, None, {}, None, {})


def test_a_checkpoint_stores_attributes_request_and_response() -> None:
    app = Application(
        request=Request(method="POST", parameters={"a": "1"}, data_reference="r", revision=2),
        attributes={"x": [1]},
    )
    app.response.title = "T"
    stored = json.loads(json.dumps(app.context_json()))
    assert stored == {
        "attributes": {"x": [1]},
        "request": {"method": "POST", "parameters": {"a": "1"}, "data_reference": "r", "revision": 2},
        "response": {"title": "T"},
    }
    assert Request.from_json(stored["request"]) == app.request
    assert Response.from_json(stored["response"]) == app.response


def test_what_is_no_json_is_named() -> None:
    app = Application()
    app.set("thing", {"deep": [object()]})
    with pytest.raises(NotJsonError, match="attributes/thing/deep/0 can't be stored") as caught:
        app.context_json()
    assert caught.value.path == "/attributes/thing/deep/0"


RESPONSES = [
    Response(),
    Response(status_code=404, content="x"),
    Response(title="t", head="h", content="c", redirect="/x", content_type="text/plain", file={"id": "1"}, json=[0],
             form={"fields": []}, template="a.html", context={"x": 1}),
]  # fmt: skip


@pytest.mark.parametrize("response", RESPONSES)
def test_a_response_survives_json(response: Response) -> None:
    stored = json.loads(json.dumps(response.to_json()))
    assert Response.from_json(stored) == response
    assert None not in stored.values()


def test_a_response_can_be_cleared() -> None:
    response = Response(title="t", status_code=404)
    assert not response.is_empty
    response.clear()
    assert response.is_empty


def test_keys_of_a_newer_release_are_ignored() -> None:
    assert Response.from_json({"title": "t", "hologram": 1}) == Response(title="t")
    assert Request.from_json({"method": "GET", "mood": "good"}) == Request()


@pytest.mark.parametrize(
    "request_", [Request(), Request(files={"f": {"id": "1"}}, language="de", path="/p/x/", parameters={"action": "a"})]
)
def test_a_request_survives_json(request_: Request) -> None:
    assert Request.from_json(json.loads(json.dumps(request_.to_json()))) == request_


def test_a_request_names_the_action_that_is_asked_for() -> None:
    assert (Request().action, Request(parameters={"action": "go"}).action) == (None, "go")


def test_the_token_of_a_callback_is_made_of_its_id_when_it_is_read_and_never_kept() -> None:
    seen: list[object] = []
    host = FakeHost()

    @host.registry.task_script("look")
    def look(app: Application) -> None:
        seen.append(app.get("callbackToken"))
        seen.append(app.get("config"))
        seen.append(dict(app.context_json()["attributes"]))

    @host.registry.task_script("set")
    def set_token(app: Application) -> None:
        app.set("callbackToken", "token of 7")

    run([action("a", script="set"), action("b", script="look", token="is %{attr:callbackToken}")], host=host)
    assert seen == ["token of 7", {"token": "is token of 7"}, {"callbackId": "7"}]


def test_without_a_callback_there_is_no_token_and_what_is_none_is_refused() -> None:
    host = FakeHost()
    seen: list[object] = []

    @host.registry.task_script("look")
    def look(app: Application) -> None:
        seen.append(app.get("callbackToken"))
        app.set("callbackToken", "token of 7")
        app.remove("callbackToken")
        seen.append(app.get("callbackToken"))
        app.set("callbackToken", "forged")

    assert run([action("a", script="look")], host=host).error.code == "not_found"
    assert seen == [None, None]
