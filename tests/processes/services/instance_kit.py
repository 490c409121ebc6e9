"""Leave requests: a process, status rules and a type, for tests of instances."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group, User

from processes.models import InstanceType, ProcessInstance, StatusRules
from processes.services.instances import create_instance
from tests.processes.services.published import action, page, publish_process

#: The owner hands it in, a clerk approves or refuses it, anybody who may open it may look.
RULES: list[dict[str, Any]] = [
    {
        "role": "owner",
        "status": "draft",
        "action": {"action": "hand_in", "caption": "Hand in", "group": "expected"},
    },
    {
        "role": "clerks",
        "status": "handed in",
        "action": [
            {"action": "approve", "caption": "Approve", "group": "expected"},
            {"action": "refuse", "group": "exceptional"},
        ],
    },
    {"status": "*", "action": {"action": "@display", "caption": "Look", "group": "anytime"}},
    {"role": "clerks", "status": "!draft", "action": {"action": "@display", "caption": "Look", "group": "anytime"}},
]

ACTIONS = [
    action("load", "load_data", entry=False),
    page("show", "%{data:days} days", entry=False),
    action("hand_in", "set_status", config={"status": "handed in", "from": "draft"}, next="shown"),
    action("approve", "set_status", config={"status": "approved", "from": "handed in"}, next="shown"),
    action("refuse", "set_status", config={"status": "refused", "from": "handed in"}, next="shown"),
    action("change", "load_data", next="changed"),
    action("changed", "set_data", config={"values": {"days": "%{param:days}"}}, entry=False),
    action("save", "save_data", entry=False, next="shown"),
    action("remind", "set_data", config={"values": {"reminded": True}}, entry=False, next="save_in_background"),
    action("save_in_background", "save_data", entry=False, next=False),
    action("shown", "redirect", config={"action": "@display"}, next=False, entry=False),
    action("@display", "load_data", next="show"),
]


def leave_type(
    *,
    slug: str = "leave",
    rules: Sequence[Mapping[str, Any]] = RULES,
    actions: Sequence[Mapping[str, Any]] = ACTIONS,
    enforced: bool = True,
    **columns: Any,
) -> InstanceType:
    """Return a type of instances, with a process and status rules of its own."""
    stored = StatusRules.objects.create(slug=slug, title=slug.capitalize(), rules=json.dumps(rules), enforced=enforced)
    given = {"title": slug.capitalize(), "status": "draft", **columns}
    return InstanceType.objects.create(slug=slug, template=publish_process(slug, actions), status_rules=stored, **given)


def leave(type: InstanceType, owner: User, **given: Any) -> ProcessInstance:
    """Return an instance of a type."""
    given = {"data": {"days": 3}, "title": "Summer", **given}
    return create_instance(type=type, owner=owner, **given)


def member(name: str, *groups: str) -> User:
    """Return a user who is in these groups."""
    user = User.objects.create_user(name)
    user.groups.add(*(Group.objects.get_or_create(name=group)[0] for group in groups))
    return user
