"""Several at work on one instance at the very same moment: one wins, and each decides by what is so by then."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from processes.domain.escalation import EscalationStep
from processes.models import InstanceEvent, ProcessInstance
from processes.services import assignments
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.errors import InstanceNotFoundError, NotAssignableError, WrongStatusError
from processes.services.escalating import escalate_due
from processes.services.instance_status import set_status
from processes.services.instance_work import claim_instance, hand_on_instance, release_instance
from tasks.services.cursors import is_postgresql
from tests.processes.services.instance_kit import leave, leave_type, member
from tests.processes.services.test_lock_order import is_blocked, meanwhile
from tests.tasks.celery.conftest import wait_until
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance() -> ProcessInstance:
    return leave(leave_type(), member("owner"))


def asked(instance: ProcessInstance, *names: str, **more: Any) -> list[Any]:
    """Ask the members of a group to take an instance, and return them."""
    members = [member(name, "helpers") for name in names]
    groups = [Group.objects.get(name="helpers").pk]
    assign(instance.pk, Assignment(groups=groups, **more), doer=STEPLINE)
    return members


def kinds(ends: list[Any]) -> list[str]:
    return sorted("done" if not isinstance(end, Exception) else type(end).__name__ for end in ends)


def test_of_several_who_claim_one_has_it(instance: ProcessInstance) -> None:
    helpers = asked(instance, "ann", "bob", "cem", "dua")
    ends = together(*[lambda one=one: claim_instance(instance.pk, user=one) for one in helpers])
    assert kinds(ends) == ["NotAssignableError"] * 3 + ["done"]
    assert InstanceEvent.objects.filter(kind="claimed").count() == 1


def test_of_several_who_take_it_past_the_rules_one_has_it(instance: ProcessInstance) -> None:
    helpers = asked(instance, "ann", "bob", "cem", "dua")
    ends = together(*[lambda one=one: assignments.claim(instance.pk, user=one) for one in helpers])
    assert kinds(ends) == ["NotAssignableError"] * 3 + ["done"]


def test_of_one_who_hands_it_on_and_gives_it_back_one_thing_happens_first(instance: ProcessInstance) -> None:
    ann, bob = asked(instance, "ann", "bob")
    claim_instance(instance.pk, user=ann)
    ends = together(
        lambda: hand_on_instance(instance.pk, to="bob", user=ann), lambda: release_instance(instance.pk, user=ann)
    )
    assert kinds(ends) == ["NotAssignableError", "done"]
    instance.refresh_from_db()
    assert instance.assignee in (None, bob)


def test_of_several_who_decide_one_wins(instance: ProcessInstance) -> None:
    statuses = ["approved", "refused", "returned"]
    ends = together(
        *[
            lambda status=status: set_status(instance.pk, status, doer=STEPLINE, expected=["draft"])
            for status in statuses
        ]
    )
    assert kinds(ends) == ["WrongStatusError"] * 2 + ["done"]
    assert all(isinstance(end, WrongStatusError) for end in ends if end is not True)


def test_an_escalation_beside_a_claim_leaves_one_who_has_it(instance: ProcessInstance) -> None:
    boss = member("boss", "directors")
    step = EscalationStep(groups=(Group.objects.get(name="directors").pk,))
    [ann] = asked(instance, "ann", due_at=instance.created_at, escalation=[step])
    together(lambda: claim_instance(instance.pk, user=ann), lambda: escalate_due(limit=10))
    # Where the claim had its row at that moment, it is the next call's turn.
    escalate_due(limit=10)
    assert InstanceEvent.objects.filter(kind="escalated").count() == 1
    instance.refresh_from_db()
    assert (instance.assignee, instance.escalate_at) == (None, None)
    claim_instance(instance.pk, user=boss)


def test_who_claims_what_is_being_deleted_is_told(instance: ProcessInstance) -> None:
    helpers = asked(instance, "ann", "bob")
    ends = together(*[lambda one=one: claim_instance(instance.pk, user=one) for one in helpers], instance.delete)
    told = [end for end in ends if isinstance(end, Exception)]
    assert all(isinstance(error, NotAssignableError | InstanceNotFoundError) for error in told), ends
    assert not ProcessInstance.objects.exists()


@pytest.fixture
def decided(instance: ProcessInstance) -> Callable[..., list[BaseException]]:
    """Give what does something that waits for whoever sets another status meanwhile, and returns what it raised."""
    if not is_postgresql():
        pytest.skip("SQLite has one lock, for the whole database.")

    def beside(deed: Callable[[], object], **more: Any) -> list[BaseException]:
        with meanwhile(lambda: (wait_until(is_held), deed())) as raised, transaction.atomic():
            set_status(instance.pk, "approved", doer=STEPLINE, **more)
            held.set()
            wait_until(is_blocked)
        instance.refresh_from_db()
        return raised

    held = threading.Event()
    is_held = held.is_set
    return beside


def test_what_was_expected_before_somebody_else_decided_can_t_be_claimed(
    instance: ProcessInstance, decided: Callable[..., list[BaseException]]
) -> None:
    clerk = member("clerk", "clerks")
    set_status(instance.pk, "handed in", doer=STEPLINE)
    [error] = decided(lambda: claim_instance(instance.pk, user=clerk))
    assert isinstance(error, NotAssignableError)
    assert instance.assignee is None


def test_what_was_expected_of_others_before_somebody_else_decided_can_t_be_given_back(
    instance: ProcessInstance, decided: Callable[..., list[BaseException]]
) -> None:
    clerk = member("clerk", "clerks")
    set_status(instance.pk, "handed in", doer=STEPLINE)
    claim_instance(instance.pk, user=clerk)
    [error] = decided(lambda: release_instance(instance.pk, user=clerk), keeps_assignment=True)
    assert isinstance(error, NotAssignableError)
    assert instance.assignee == clerk
