"""A site with many instances: users in groups, types with status rules, statuses, assignments, due dates and Data."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from benchmarks.background import publish_definition
from processes.models import (
    NEVER_DUE,
    DataNode,
    DataNodeKind,
    InstanceCandidate,
    InstanceType,
    ProcessInstance,
    StatusRules,
)

#: The statuses of an instance, and how many of a hundred instances have each.
STATUSES = {"draft": 10, "submitted": 15, "checked": 10, "approved": 15, "rejected": 5, "paid": 40, "failed": 5}
USERS, GROUPS, TYPES = 500, 20, 5
_BATCH = 2_000


@dataclass(frozen=True, kw_only=True)
class Site:
    """Hold what questions are asked about."""

    users: Sequence[User]
    types: Sequence[InstanceType]
    groups: Sequence[Group]


def make_site() -> Site:
    """Store users, groups and types with their status rules."""
    chance = random.Random(20261129)
    groups = Group.objects.bulk_create(Group(name=f"group-{number}") for number in range(GROUPS))
    users = User.objects.bulk_create(User(username=f"user-{number}") for number in range(USERS))
    memberships = User.groups.through
    memberships.objects.bulk_create(
        memberships(user=user, group=group) for user in users for group in chance.sample(groups, 3)
    )
    definition: list[dict[str, Any]] = [
        {"name": name, "script": "set_status", "config": {"status": "draft"}, "next": False}
        for name in ("submit", "check", "approve", "reject", "pay", "retry", "comment")
    ]
    template = publish_definition("claims", definition).template
    types = []
    for number in range(TYPES):
        rules = StatusRules.objects.create(
            slug=f"rules-{number}", title=f"Rules {number}", rules=json.dumps(_rules(number))
        )
        types.append(
            InstanceType.objects.create(
                slug=f"type-{number}", title=f"Type {number}", template=template, status_rules=rules
            )
        )
    return Site(users=users, types=types, groups=groups)


def add_instances(site: Site, *, number: int) -> None:
    """Store so many instances: a fifth is assigned, a fifth waits for a group, the rest for whom the rules expect."""
    chance, now = random.Random(number), timezone.now()
    plan_id = site.types[0].template.published_plan_id
    assert plan_id is not None
    names, weights = list(STATUSES), list(STATUSES.values())
    for begin in range(0, number, _BATCH):
        instances, candidates, nodes = [], [], []
        for count in range(begin, min(begin + _BATCH, number)):
            type = chance.choice(site.types)
            due_at = now + timedelta(minutes=chance.randrange(-10_000, 40_000)) if chance.random() < 0.5 else None
            draw = chance.random()
            instance = ProcessInstance(
                type=type,
                template_id=type.template_id,
                plan_id=plan_id,
                status_rules_id=type.status_rules_id,
                owner=chance.choice(site.users),
                title=f"Claim {count}",
                status=chance.choices(names, weights)[0],
                due_at=due_at,
                order_at=due_at or NEVER_DUE,
                assignee=chance.choice(site.users) if draw < 0.2 else None,
            )
            if 0.2 <= draw < 0.4:
                group = chance.choice(site.groups)
                candidates.append(InstanceCandidate(instance=instance, group=group, order_at=instance.order_at))
            instances.append(instance)
            nodes.append(
                DataNode(
                    kind=DataNodeKind.CONTEXT,
                    instance=instance,
                    template_id=type.template_id,
                    data={"amount": chance.randrange(1, 5_000), "purpose": "a journey to the workshop in Graz"},
                )
            )
        ProcessInstance.objects.bulk_create(instances)
        InstanceCandidate.objects.bulk_create(candidates)
        DataNode.objects.bulk_create(nodes)


def _rules(number: int) -> list[dict[str, Any]]:
    first, second = f"group-{number * 3}", f"group-{number * 3 + 1}"

    def expected(action: str) -> dict[str, str]:
        return {"action": action, "group": "expected"}

    return [
        {"role": "owner", "status": "draft", "action": expected("submit")},
        {"role": first, "status": "submitted", "action": expected("check")},
        {"role": first, "status": "checked", "if": "data.amount <= 4000", "action": expected("approve")},
        {"role": second, "status": "checked", "action": [expected("approve"), "reject"]},
        {"role": second, "status": ["approved", "failed"], "action": expected("pay")},
        {"role": second, "status": "failed", "action": {"action": "retry", "group": "exceptional"}},
        {"status": "!paid", "action": {"action": "comment", "group": "anytime"}},
    ]
