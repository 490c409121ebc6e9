"""Pictures of status rules, over the processes of the instance types that use them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from processes.models import InstanceType, StatusRules
from processes.registry import scripts
from processes.services.authoring.status_pictures import Picture, picture_of
from processes.services.status_rules import find_problems, parsed_rules, save_status_rules, uses_of
from tests.processes.services.published import action, form, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def set_status() -> Iterator[None]:
    """Have the script, whatever it does: pictures read what its config says."""
    with scripts.override("set_status", lambda app: None):
        yield


def sets(name: str, status: str) -> dict[str, Any]:
    return action(name, "set_status", config={"status": status}, next=False)


def picture(row: StatusRules) -> Picture:
    return picture_of(parsed_rules(row.rules), uses=uses_of(row))


def rules_for(*rules: dict[str, Any]) -> StatusRules:
    row = StatusRules(slug="orders", title="Orders", rules=json.dumps(list(rules)))
    save_status_rules(rules=row)
    return row


def moves(drawn: Picture) -> list[tuple[str, str | None, tuple[str, ...]]]:
    assert drawn.diagram is not None
    return [(move.source, move.target, move.actions) for move in drawn.diagram.moves]


RULES = (
    {"action": {"action": "approve", "caption": "Approve"}, "status": "open"},
    {"action": "reject", "status": "open"},
    {"action": "begin", "status": "new"},
)


def test_actions_lead_to_what_the_process_sets_also_through_a_form() -> None:
    row = rules_for(*RULES)
    template = publish_process(
        "order", [sets("begin", "open"), sets("approve", "done"), form("reject", "rejected"), sets("rejected", "gone")]
    )
    InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row, status="new")
    drawn = picture(row)
    assert moves(drawn) == [
        ("new", "open", ("begin",)),
        ("open", "done", ("Approve",)),
        ("open", "gone", ("reject",)),
    ]
    assert drawn.diagram is not None
    assert list(drawn.diagram.statuses.values()) == ["new", "open", "done", "gone"]
    assert [shown.status for shown in drawn.table.rows] == ["open", "new", "done", "gone"]
    assert find_problems(row.rules, uses=uses_of(row)).warnings == []


def test_the_types_first_status_comes_before_what_init_may_set() -> None:
    row = rules_for({"action": "begin", "status": "draft"}, {"action": "pay", "status": "approved"})
    template = publish_process(
        "order",
        [
            action("@init", "noop", next={"*": "small"}),
            sets("small", "approved"), sets("begin", "approved"), sets("pay", "being paid"),
        ],
    )  # fmt: skip
    InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row, status="draft")
    drawn = picture(row)
    assert drawn.diagram is not None
    assert list(drawn.diagram.statuses.values()) == ["draft", "approved", "being paid"]


def test_an_instance_begins_with_what_init_sets() -> None:
    row = rules_for({"action": "begin", "status": "draft"})
    template = publish_process("order", [sets("@init", "draft"), sets("begin", "open")])
    InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row)
    drawn = picture(row)
    assert drawn.diagram is not None
    assert list(drawn.diagram.statuses.values()) == ["draft", "open"]


def test_several_processes_are_drawn_as_one() -> None:
    row = rules_for({"action": "go", "status": "new"})
    for slug, target in (("one", "a"), ("two", "b")):
        template = publish_process(slug, [sets("go", target)])
        InstanceType.objects.create(slug=slug, title=slug, template=template, status_rules=row, status="new")
    assert moves(picture(row)) == [("new", "a", ("go",)), ("new", "b", ("go",))]


def test_without_a_published_process_there_is_a_table_and_no_diagram() -> None:
    row = rules_for(*RULES)
    assert picture(row).diagram is None
    InstanceType.objects.create(slug="x", title="X", template=save_process("x", [action("begin")]), status_rules=row)
    drawn = picture(row)
    assert drawn.diagram is None
    assert [shown.status for shown in drawn.table.rows] == ["open", "new"]
