"""Registering roles that an app decides, and asking for them."""

import logging
from typing import Any

import pytest

from processes.domain.status_rules import RESERVED_ROLES
from processes.errors import NotFoundError, RegistrationError
from processes.registry import RoleRegistry


def manages(user: Any, instance: Any) -> bool:
    return (user, instance) == ("ann", 1)


def managed_by(user: Any) -> object:
    return {"owner__manager": user}


@pytest.fixture
def registry() -> RoleRegistry:
    registry = RoleRegistry()
    registry.role("manager", filter=managed_by)(manages)
    return registry


def test_a_role_is_held_where_its_function_says_so(registry: RoleRegistry) -> None:
    assert registry.asked(user="ann", instance=1).has("manager")
    assert not registry.asked(user="bob", instance=1).has("manager")
    assert not registry.asked(user="ann", instance=1).has("unknown")
    assert registry.names() == ["manager"]


def test_a_role_may_say_the_same_to_the_database(registry: RoleRegistry) -> None:
    spec = registry.get("manager")
    assert spec.filter is not None
    assert spec.filter("ann") == {"owner__manager": "ann"}


def test_a_function_is_asked_once_for_each_user_and_instance() -> None:
    registry, asked = RoleRegistry(), []

    @registry.role("counted")
    def counted(user: Any, instance: Any) -> bool:
        asked.append((user, instance))
        return True

    held = registry.asked(user="ann", instance=1)
    assert held.has("counted")
    assert held.has("counted")
    assert asked == [("ann", 1)]


def test_a_function_that_fails_says_no_and_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    registry = RoleRegistry()

    @registry.role("broken")
    def broken(user: Any, instance: Any) -> bool:
        raise ValueError("no such column")

    with caplog.at_level(logging.ERROR):
        assert not registry.asked(user="ann", instance=1).has("broken")
    assert "no such column" in caplog.text


@pytest.mark.parametrize("name", ["", " x", "*", "x" * 201, *RESERVED_ROLES])
def test_names_that_rules_could_not_tell_apart_are_refused(name: str) -> None:
    with pytest.raises(RegistrationError):
        RoleRegistry().role(name)(manages)


async def later(user: Any, instance: Any) -> bool:
    return True


@pytest.mark.parametrize("function", [later, 3, dict, lambda user: True, lambda user, instance, more: True])
def test_what_is_no_function_of_user_and_instance_is_refused(function: Any) -> None:
    with pytest.raises(RegistrationError):
        RoleRegistry().role("x")(function)


@pytest.mark.parametrize("filter", [3, lambda: None, lambda user, instance: None])
def test_what_is_no_filter_by_user_is_refused(filter: Any) -> None:
    with pytest.raises(RegistrationError):
        RoleRegistry().role("x", filter=filter)(manages)


def test_a_name_that_is_taken_is_refused_and_the_same_function_may_come_again(registry: RoleRegistry) -> None:
    registry.role("manager")(manages)
    with pytest.raises(RegistrationError, match="already taken"):
        registry.role("manager")(lambda user, instance: True)


def test_a_decorator_without_a_name_is_refused() -> None:
    with pytest.raises(RegistrationError, match='@role\\("manages"\\)'):
        RoleRegistry().role(manages)  # type: ignore[arg-type]


def test_a_role_that_is_gone_is_looked_for_in_vain(registry: RoleRegistry) -> None:
    registry.unregister("manager")
    with pytest.raises(NotFoundError):
        registry.get("manager")
