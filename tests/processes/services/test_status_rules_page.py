"""What docs/status_rules.md shows works as it says."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from processes.domain.status_rules import parse_status_rules
from processes.registry import roles

PAGE = (Path(__file__).parents[3] / "docs" / "status_rules.md").read_text()
(RULES,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
(ROLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
STATUSES = PAGE[PAGE.index("A **status** is one of these") : PAGE.index("So a status can't be called")]


@pytest.mark.parametrize(
    ("status", "held", "total", "offered"),
    [
        ("new", ["owner"], 5, ["submit", "cancel", "/help/claims/"]),
        ("submitted", ["Accounting"], 5, ["approve", "reject", "/help/claims/"]),
        ("submitted", ["Accounting"], 5_000, ["/help/claims/"]),
        ("paid", ["owner", "Accounting"], 5, ["/help/claims/"]),
    ],
)
def test_the_rules_of_the_page_offer_what_it_says(
    status: str, held: list[str], total: float, offered: list[str]
) -> None:
    variables: dict[str, Any] = {"data": {"total": float(total)}, "user": {"is_staff": False}}
    options = parse_status_rules(RULES).offers(status, roles=held, ask=lambda one: one.evaluate(variables))
    assert [option.action or option.url for option in options] == offered


def test_every_way_to_write_a_status_can_be_written() -> None:
    written = re.findall(r'`(null|"[^"`]*"|\[[^`]*\])`', STATUSES)
    assert len(written) == 9
    for text in written:
        parse_status_rules([{"action": "a", "status": json.loads(text)}])


def test_the_role_of_the_page_can_be_registered_and_asked() -> None:
    try:
        exec(ROLE, {})
        user = SimpleNamespace(pk=7)
        instance = SimpleNamespace(owner=SimpleNamespace(employee=SimpleNamespace(manager_id=7)))
        assert roles.asked(user=user, instance=instance).has("manager")
        assert not roles.asked(user=user, instance=SimpleNamespace(owner=None)).has("manager")
        spec = roles.get("manager")
        assert spec.filter is not None
        assert "owner__employee__manager" in str(spec.filter(user))
    finally:
        roles.unregister("manager")
