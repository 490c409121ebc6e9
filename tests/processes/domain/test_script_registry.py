"""Registering task scripts."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field, create_model

from processes.domain.application import Application
from processes.errors import RegistrationError, UnknownScriptError
from processes.registry import ScriptRegistry, scripts, task_script


class Config(BaseModel):
    x: int = 0


def sample(app: Application) -> object:
    """Do nothing much."""
    return "sample"


def other(app: Application) -> object:
    return "other"


@pytest.fixture
def registry() -> ScriptRegistry:
    registry = ScriptRegistry()
    registry.task_script("sample", config=Config, effect="once", aliases=["example"], durable=True, version=2)(sample)
    return registry


def test_a_script_declares_itself(registry: ScriptRegistry) -> None:
    spec = registry.get("sample")
    assert (spec.name, spec.config, spec.effect, spec.aliases, spec.durable, spec.version) == (
        "sample", Config, "once", ("example",), True, 2,
    )  # fmt: skip
    assert spec.documentation == "Do nothing much."
    assert spec.schema_hash is not None


def test_the_function_stays_what_it_is(registry: ScriptRegistry) -> None:
    assert registry.task_script("again")(sample) is sample
    assert registry.get("again").function is sample


def test_a_config_that_json_schema_cannot_describe_keeps_nobody_from_using_the_script() -> None:
    class Odd(BaseModel):
        call: Callable[[], None] | None = None

    registry = ScriptRegistry()
    registry.task_script("odd", config=Odd)(sample)
    assert registry.get("odd").schema_hash is not None


def _schema_hash(**fields: Any) -> str | None:
    registry = ScriptRegistry()
    registry.task_script("x", config=create_model("Any", **fields))(sample)
    return registry.get("x").schema_hash


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"title": (int, Field(0, description="Better words."))}, True),
        ({"title": (int, Field(0, title="T", examples=[1]))}, True),
        ({"title": (int, 1)}, False),
        ({"title": (str, "")}, False),
        ({"title": (int, ...)}, False),
        ({"description": (int, 0)}, False),
        ({"title": (int, 0), "description": (int, 0)}, False),
    ],
)
def test_the_schema_hash_tells_what_is_accepted_and_not_in_which_words(fields: Any, same: bool) -> None:
    assert (_schema_hash(**fields) == _schema_hash(title=(int, 0))) is same


def test_defaults_are_modest(registry: ScriptRegistry) -> None:
    registry.task_script("plain")(other)
    spec = registry.get("plain")
    assert (spec.config, spec.effect, spec.aliases, spec.durable, spec.version, spec.schema_hash) == (
        None, "idempotent", (), False, 1, None,
    )  # fmt: skip


def test_an_alias_leads_to_the_script(registry: ScriptRegistry) -> None:
    assert registry.get("example") is registry.get("sample")
    assert "example" in registry
    assert registry.names() == ["example", "sample"]
    assert [spec.name for spec in registry] == ["sample"]
    assert len(registry) == 1


def test_an_unknown_name_gets_a_suggestion(registry: ScriptRegistry) -> None:
    assert registry.find("smaple") is None
    with pytest.raises(UnknownScriptError, match='Did you mean "sample"') as caught:
        registry.get("smaple")
    assert caught.value.code == "unknown_script"


@pytest.mark.parametrize(
    ("name", "aliases"), [("sample", []), ("example", []), ("new", ["sample"]), ("new", ["example"])]
)
def test_a_name_that_is_taken_is_refused(registry: ScriptRegistry, name: str, aliases: list[str]) -> None:
    with pytest.raises(RegistrationError, match="already taken"):
        registry.task_script(name, aliases=aliases)(other)
    assert "new" not in registry


def test_a_module_may_be_loaded_again(registry: ScriptRegistry) -> None:
    registry.task_script("sample", aliases=["new_alias"])(sample)
    assert registry.names() == ["new_alias", "sample"]


def test_a_wrong_declaration_is_refused(registry: ScriptRegistry) -> None:
    for options, message in (
        ({"name": ""}, "needs a name"),
        ({"name": " x"}, "needs a name"),
        ({"name": "x", "aliases": ["x"]}, "repeats a name"),
        ({"name": "x", "effect": "idempotant"}, 'Did you mean "idempotent"'),
        ({"name": "x", "config": dict}, "pydantic model"),
    ):
        with pytest.raises(RegistrationError, match=message):
            registry.task_script(**options)(other)  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="can't be called"):
        registry.task_script("x")(5)  # type: ignore[type-var]


def test_who_comes_second_is_told_who_was_first(registry: ScriptRegistry) -> None:
    with pytest.raises(RegistrationError) as caught:
        registry.task_script("new", aliases=["example"])(other)
    assert caught.value.fields == {"name": "example"}
    assert caught.value.message == (
        f'{__name__}.other can\'t be the script "example": that name is already taken by {__name__}.sample'
    )


def test_a_module_that_comes_again_with_a_taken_alias_leaves_what_was_there(registry: ScriptRegistry) -> None:
    registry.task_script("other")(other)
    before = registry.get("sample")
    with pytest.raises(RegistrationError, match="already taken"):
        registry.task_script("sample", aliases=["other"])(sample)
    assert registry.get("sample") is before


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lambda: None, "callable with one argument"),
        (lambda app, more: None, "callable with one argument"),
        (lambda *, app: None, "callable with one argument"),
        (Config, "is a class"),
    ],
)
def test_what_could_not_be_called_is_refused_at_once(registry: ScriptRegistry, script: Any, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        registry.task_script("odd")(script)
    assert "odd" not in registry


def test_a_function_that_yields_is_refused_since_nothing_of_it_would_run(registry: ScriptRegistry) -> None:
    def lazy(app: Application) -> Iterator[int]:
        yield 1

    async def lazy_async(app: Application) -> AsyncIterator[int]:
        yield 1

    for script in (lazy, lazy_async):
        with pytest.raises(RegistrationError, match="yields"):
            registry.task_script("odd")(script)


@pytest.mark.parametrize("script", [lambda app, *more: 1, lambda app, more=2: 1, functools.partial(max, 1), max])
def test_anything_callable_with_the_application_is_a_script(registry: ScriptRegistry, script: Any) -> None:
    registry.task_script("odd")(script)
    assert "odd" in registry


def test_a_decorator_without_a_name_registers_nothing_and_says_so(registry: ScriptRegistry) -> None:
    with pytest.raises(RegistrationError, match=r'write @task_script\("sample"\)'):
        registry.task_script(sample)  # type: ignore[arg-type]


def test_one_alias_is_still_a_list(registry: ScriptRegistry) -> None:
    with pytest.raises(RegistrationError, match=r'write aliases=\["other"\]'):
        registry.task_script("x", aliases="other")(other)


def test_a_function_is_found_by_itself(registry: ScriptRegistry) -> None:
    async def slow(app: Application) -> None: ...

    registry.task_script("slow")(slow)
    assert (registry.name_of(sample), registry.name_of(slow), registry.name_of(other)) == ("sample", "slow", None)


def test_an_object_whose_call_is_async_is_carried_out_too(registry: ScriptRegistry) -> None:
    class Script:
        async def __call__(self, app: Application) -> object:
            return app.data["x"]

    registry.task_script("object")(Script())
    assert registry.get("object").function(Application(data={"x": 5})) == 5


def test_a_script_can_be_overridden_for_a_while(registry: ScriptRegistry) -> None:
    before = registry.get("sample")
    with registry.override("example", other), registry.override("fresh", other):
        assert registry.get("sample").function is other
        assert registry.get("example").function is other
        assert "fresh" in registry
    assert registry.get("sample") is before
    assert registry.names() == ["example", "sample"]


def test_a_script_can_be_unregistered(registry: ScriptRegistry) -> None:
    registry.unregister("example")
    assert len(registry) == 0
    with pytest.raises(UnknownScriptError):
        registry.unregister("sample")


def test_an_async_script_is_called_like_any_other(registry: ScriptRegistry) -> None:
    @registry.task_script("slow")
    async def slow(app: Application) -> object:
        """Think."""
        await asyncio.sleep(0)
        return app.data["x"]

    assert registry.get("slow").function(Application(data={"x": 5})) == 5
    assert registry.get("slow").documentation == "Think."


def test_the_app_chooses_how_async_scripts_are_carried_out(registry: ScriptRegistry) -> None:
    @registry.task_script("slow")
    async def slow(app: Application) -> object:
        return 1

    registry.run_async = lambda function: lambda app: ("bridged", asyncio.run(function(app)))
    assert registry.get("slow").function(Application()) == ("bridged", 1)


def test_the_decorator_registers_for_the_whole_program() -> None:
    try:
        task_script("a_script_of_a_test")(sample)
        assert "a_script_of_a_test" in scripts
    finally:
        scripts.unregister("a_script_of_a_test")
