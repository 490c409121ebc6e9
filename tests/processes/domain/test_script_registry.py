"""Registering task scripts."""

import asyncio

import pytest
from pydantic import BaseModel

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
