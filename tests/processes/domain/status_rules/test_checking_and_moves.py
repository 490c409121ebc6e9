"""Status rules against processes: unknown names, statuses that nothing sets, and where each action leads."""

from collections.abc import Iterable
from typing import Any

import pytest

from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.merge import Layer
from processes.domain.plan import Plan, PlanAction
from processes.domain.status_rules import Moves, check_status_rules, moves_from, parse_status_rules, reachable_statuses
from processes.domain.targets import ProcessTarget
from processes.registry import ScriptRegistry

registry = ScriptRegistry()
for name in ("set_status", "create_instance", "form", "noop", "wrap"):
    registry.task_script(name)(lambda app: None)


def plan_of(*actions: dict[str, Any], bindings: dict[str, Any] | None = None) -> Plan:
    layer = Layer(
        name="p", definition=parse_definition(list(actions)), bindings=parse_bindings(bindings or {}, "/bindings")
    )
    plan = derive(
        [layer],
        name="p",
        catalogue=registry,
        processes=lambda reference: ProcessTarget(name=str(reference), plan_hash=str(reference)),
    ).plan
    assert plan is not None
    return plan


def sets(name: str, status: object, next: object = True) -> dict[str, Any]:
    return {"name": name, "script": "set_status", "config": {"status": status}, "next": next}


def step(name: str, next: object = True, **config: Any) -> dict[str, Any]:
    return {"name": name, "script": "form" if config else "noop", "config": config or None, "next": next}


def form_leads(action: PlanAction) -> Iterable[str]:
    return [action.config["action"]] if action.script == "form" else []


# -- what is checked


RULES = parse_status_rules(
    [
        {"action": ["approve", {"action": "rejct"}], "status": ["open", "!dne"], "role": ["boss", "owner"]},
        {"action": "approve", "status": [None, "open"], "role": "candidate"},
    ]
)


def test_names_that_are_not_there_are_told_at_their_place_with_what_was_meant() -> None:
    found = check_status_rules(RULES, actions={"approve", "reject"}, reachable={"open", "done"}, roles={"boss_"})
    assert [(problem.path, problem.value, problem.suggestion) for problem in found] == [
        ("/0/role/0", "boss", 'Did you mean "boss_"?'),
        ("/0/status/1", "dne", 'Did you mean "done"?'),
        ("/0/action/1/action", "rejct", 'Did you mean "reject"?'),
    ]


def test_what_is_not_known_is_not_checked() -> None:
    assert check_status_rules(RULES, actions=None, reachable=None, roles=None) == []


def test_reserved_roles_and_no_status_are_always_there() -> None:
    rules = parse_status_rules(
        [{"action": "a", "role": ["owner", "assignee", "candidate", "staff"], "status": [None, "!null", "*"]}]
    )
    assert check_status_rules(rules, actions=["a"], reachable=[], roles=[]) == []


# -- which statuses a plan sets


def test_a_plan_sets_what_its_actions_say() -> None:
    plan = plan_of(
        {"name": "begin", "script": "create_instance", "config": {"status": "new"}},
        {"name": "again", "script": "create_instance"},
        sets("approve", "done"),
        step("look"),
    )
    assert reachable_statuses(plan) == {"new", "", "done"}


@pytest.mark.parametrize("status", ["%{data:status}", "is_%{param:x}", {"a": 1}])
def test_nobody_knows_a_status_that_is_filled_in_when_the_action_runs(status: object) -> None:
    assert reachable_statuses(plan_of(sets("go", status))) is None


def test_what_another_script_wraps_is_not_known() -> None:
    plan = plan_of(
        {"name": "go", "script": "wrap", "config": {"script": "${it}"}}, bindings={"it": {"script": "set_status"}}
    )
    assert reachable_statuses(plan) is None


def test_sub_processes_are_looked_into_where_they_are_found() -> None:
    inner = plan_of(sets("x", "paid"))
    plan = plan_of(
        {"name": "pay"},
        {"name": "later", "script": "wrap", "config": {"process": "${pay}"}},
        bindings={"pay": {"process": "payment"}},
    )
    assert reachable_statuses(plan, find_plan=lambda target: inner) == {"paid"}
    assert reachable_statuses(plan, find_plan=lambda target: None) is None
    assert reachable_statuses(plan) is None


def test_processes_that_lead_back_to_themselves_are_looked_into_once() -> None:
    plan = plan_of({"name": "again"}, sets("x", "done"), bindings={"again": {"process": "p"}})
    assert reachable_statuses(plan, find_plan=lambda target: plan) == {"done"}


# -- where an action leads


MOVES: list[tuple[str, tuple[dict[str, Any], ...], set[str]]] = [
    ("itself", (sets("go", "done", False),), {"done"}),
    ("what follows", (step("go"), sets("x", "done")), {"done"}),
    ("nothing after an exit", (step("go", False), sets("x", "done")), set()),
    ("each branch", (step("go", {"a": "x", "*": "y"}), sets("x", "one", False), sets("y", "two")), {"one", "two"}),
    ("the last of several", (sets("go", "one"), sets("x", "two")), {"two"}),
    (
        "either, where one may be left out",
        (sets("go", "one", {"s": False, "*": "x"}), sets("x", "two")),
        {"one", "two"},
    ),
    ("a loop", (step("go"), sets("x", "one", {"again": "go", "*": False})), {"one"}),
    ("the form's action", (step("go", False, action="sent"), sets("sent", "done")), {"done"}),
    ("a form that nobody can enter", (step("go", False, action="gone"),), set()),
    ("@end", (step("go", False), sets("@end", "over")), {"over"}),
    ("@end, over what was set before", (sets("go", "done", False), sets("@end", "over")), {"over"}),
    ("@start, unless something is set after it", (sets("@start", "begun"), step("go")), {"begun"}),
    ("not @error", (step("go"), sets("@error", "failed")), set()),
    ("not instances that are made", ({"name": "go", "script": "create_instance", "config": {"status": "new"}},), set()),
    ("nothing where it isn't declared", (sets("other", "done"),), set()),
]


@pytest.mark.parametrize(
    ("title", "actions", "statuses"), MOVES, ids=lambda part: part if isinstance(part, str) else ""
)
def test_an_action_leads_to_what_is_set_on_its_way(
    title: str, actions: tuple[dict[str, Any], ...], statuses: set[str]
) -> None:
    assert moves_from(plan_of(*actions), "go", later=form_leads) == Moves(statuses=frozenset(statuses))


def test_where_a_placeholder_sets_the_status_an_action_may_lead_anywhere() -> None:
    plan = plan_of(step("go"), sets("x", "%{data:status}", {"a": "y", "*": False}), sets("y", "done"))
    assert moves_from(plan, "go") == Moves(statuses=frozenset({"done"}), is_open=True)


def test_a_sub_process_may_set_a_status_or_leave_it() -> None:
    plan = plan_of(sets("go", "one"), {"name": "pay"}, bindings={"pay": {"process": "payment"}})
    inner = plan_of(sets("x", "paid"))
    assert moves_from(plan, "go", find_plan=lambda target: inner).statuses == {"one", "paid"}


@pytest.mark.parametrize(
    ("expected", "at", "statuses"),
    [
        ("open", "open", {"done"}),
        ("open", "new", set()),
        ("open", None, {"done"}),
        (["open", "held"], "held", {"done"}),
        (["open", "held"], "new", set()),
        ([], "new", {"done"}),
        (None, "new", {"done"}),
        ("", "", {"done"}),
        ("", "new", set()),
        ("%{data:before}", "new", {"done"}),
        ("open", "done", {"done"}),
    ],
)
def test_an_action_that_expects_other_statuses_leads_nowhere(expected: Any, at: str | None, statuses: set[str]) -> None:
    plan = plan_of(
        {"name": "go", "script": "set_status", "config": {"status": "done", "from": expected}, "next": False}
    )
    assert moves_from(plan, "go", at=at).statuses == statuses


def test_what_was_set_before_on_the_way_is_what_the_next_action_finds() -> None:
    one = {"name": "go", "script": "set_status", "config": {"status": "one"}}
    two = {"name": "x", "script": "set_status", "config": {"status": "two", "from": "one"}}
    assert moves_from(plan_of(one, two), "go", at="new").statuses == {"two"}
    assert moves_from(plan_of(two, step("go", "x")), "go", at="new").statuses == set()
