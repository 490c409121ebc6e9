"""Status rules: what is offered to whom at which status, as tables."""

from typing import Any

import pytest

from processes.domain.conditions import Condition
from processes.domain.status_rules import OptionGroup, StatusRules, parse_status_rules, tabulate


def rules_of(*rules: dict[str, Any]) -> StatusRules:
    return parse_status_rules(list(rules))


def always(condition: Condition) -> bool:
    return True


def offered(rules: StatusRules, status: str = "", *, roles: tuple[str, ...] = (), ask: Any = always) -> list[str]:
    return [option.action for option in rules.offers(status, roles=roles, ask=ask)]


ABSENT = ...  # as `repr` gives it, the same in every process

#: What a rule says about statuses, and where it applies of: no status, new, open, done.
STATUSES = [
    (ABSENT, "- new open done"),
    ("*", "- new open done"),
    ("open", "open"),
    (None, "-"),
    ("!open", "- new done"),
    ("!null", "new open done"),
    (["new", "open"], "new open"),
    ([None, "done"], "- done"),
    (["!new", "!open"], "- done"),
    (["!null", "!done"], "new open"),
    # Positive and negative ones together: what any positive one includes, without what a negative one excludes.
    (["*", "!done"], "- new open"),
    (["new", "open", "!done"], "new open"),
    (["new", "open", "!open"], "new"),
    (["*", "open"], "- new open done"),
    (["*", "!null"], "new open done"),
    ([None, "new", "!null"], "new"),
]


@pytest.mark.parametrize(("written", "where"), STATUSES, ids=repr)
def test_a_rule_applies_at_the_statuses_it_says(written: object, where: str) -> None:
    rule = {"action": "go"} if written is ABSENT else {"action": "go", "status": written}
    rules = rules_of(rule)
    applies = [shown or "-" for shown in ("", "new", "open", "done") if offered(rules, shown)]
    assert " ".join(applies) == where


@pytest.mark.parametrize(
    ("written", "roles", "is_offered"),
    [
        (ABSENT, (), True),
        (ABSENT, ("manager",), True),
        ("manager", ("manager",), True),
        ("manager", ("clerk",), False),
        ("manager", (), False),
        (["manager", "owner"], ("owner", "clerk"), True),
    ],
)
def test_a_rule_is_for_the_roles_it_names_and_without_any_for_everyone(
    written: object, roles: tuple[str, ...], is_offered: bool
) -> None:
    rules = rules_of({"action": "go"} if written is ABSENT else {"action": "go", "role": written})
    assert bool(offered(rules, roles=roles)) is is_offered


def test_actions_come_in_the_order_of_the_rules_and_each_once() -> None:
    rules = rules_of({"action": ["b", "a"]}, {"action": ["a", "c"]})
    assert offered(rules) == ["b", "a", "c"]


def test_the_first_rule_says_how_an_action_is_shown() -> None:
    rules = rules_of({"action": {"action": "a", "caption": "First"}}, {"action": {"action": "a", "caption": "Second"}})
    assert [option.caption for option in rules.offers("", roles=(), ask=always)] == ["First"]


def test_an_enabled_action_takes_the_place_of_a_disabled_one_and_not_the_other_way_round() -> None:
    off, on = {"action": "a", "disabled": True}, {"action": "a", "caption": "On"}
    for documents in (
        [{"action": off}, {"action": "b"}, {"action": on}],
        [{"action": on}, {"action": "b"}, {"action": off}],
    ):
        options = parse_status_rules(documents).offers("", roles=(), ask=always)
        assert [(option.action, option.disabled) for option in options] == [("a", False), ("b", False)]


def test_addresses_without_an_action_are_options_of_their_own() -> None:
    help_page, orders = {"url": "/help/", "caption": "Help"}, {"url": "/orders/", "caption": "Orders"}
    rules = rules_of({"action": [help_page, orders, help_page]})
    assert [option.url for option in rules.offers("", roles=(), ask=always)] == ["/help/", "/orders/"]
    assert rules.actions == frozenset()


def test_a_condition_decides() -> None:
    rules = rules_of({"action": "a", "if": "data.total > 10"}, {"action": "b", "if": "data.total <= 10"})
    assert offered(rules, ask=lambda condition: condition.evaluate({"data": {"total": 3}})) == ["b"]


def test_conditions_are_asked_once_and_only_of_rules_that_apply_otherwise() -> None:
    rules = rules_of(
        {"action": "a", "if": "state == 'x'"},
        {"action": "b", "if": "state == 'x'"},
        {"action": "c", "if": "now == now", "role": "manager"},
        {"action": "d", "if": "user != null", "status": "done"},
    )
    asked: list[str] = []

    def ask(condition: Condition) -> bool:
        asked.append(condition.text)
        return True

    assert offered(rules, "open", roles=("clerk",), ask=ask) == ["a", "b"]
    assert asked == ["state == 'x'"]


def test_what_they_name_is_known() -> None:
    rules = rules_of(
        {"action": "a", "role": ["owner", "boss"], "status": ["new", "!done"]},
        {"action": {"action": "b"}, "status": None, "if": "data.x"},
    )
    assert rules.statuses == {"new", "done", ""}
    assert rules.roles == {"owner", "boss"}
    assert rules.actions == {"a", "b"}
    assert rules.needs_data
    assert not rules_of({"action": "a", "if": "state == 'data'"}).needs_data


def test_rules_for_roles_are_those_that_name_one_of_them() -> None:
    rules = rules_of(
        {"action": "a"},
        {"action": {"action": "b", "group": "expected"}, "role": "boss"},
        {"action": ["c"], "role": ["boss", "owner"]},
        {"action": "d", "role": "clerk"},
    )
    assert [rule.index for rule in rules.rules_for(["boss"])] == [1, 2]
    assert [rule.index for rule in rules.rules_for(["boss"], group=OptionGroup.EXPECTED)] == [1]


def test_the_table_has_a_row_per_status_and_a_column_per_role() -> None:
    table = tabulate(
        rules_of(
            {"action": "approve", "role": "boss", "status": "open", "if": "data.ok"},
            {"action": "look"},
            {"action": "reopen", "role": "owner", "status": ["!open", "!null"]},
        ),
        statuses=["done"],
    )
    shown = {
        row.status: [[entry.offered.action + ("?" if entry.condition else "") for entry in cell] for cell in row.cells]
        for row in table.rows
    }
    assert table.roles == (None, "boss", "owner")
    assert shown == {
        "": [["look"], [], []],
        "open": [["look"], ["approve?"], []],
        "done": [["look"], [], ["reopen"]],
        None: [["look"], [], ["reopen"]],
    }
