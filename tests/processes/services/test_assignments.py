"""Who is asked to work on an instance: given, claimed, given back, handed on; and until when."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.contrib.auth.models import Group, Permission, User

from processes.domain.escalation import EscalationStep
from processes.models import NEVER_DUE, InstanceCandidate, InstanceEvent, ProcessInstance
from processes.services import instance_work
from processes.services.assignments import Assignment, assign, set_due
from processes.services.doer import STEPLINE, Doer
from processes.services.errors import InstanceNotFoundError, NotAssignableError
from processes.services.instance_status import set_status
from processes.services.waiting_instances import list_waiting
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db

DUE = datetime(2026, 12, 1, 9, tzinfo=UTC)
REMIND = EscalationStep(action="remind")


@pytest.fixture
def ann() -> User:
    return member("ann", "helpers")


@pytest.fixture
def bob() -> User:
    return member("bob", "helpers")


@pytest.fixture
def instance() -> ProcessInstance:
    return leave(leave_type(), member("owner"))


@pytest.fixture
def helpers(ann: User, bob: User) -> Group:
    return Group.objects.get(name="helpers")


def staff() -> User:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_processinstance"))
    return user


def ask(
    instance: ProcessInstance, *, users: tuple[User, ...] = (), groups: tuple[Group, ...] = (), **more: object
) -> None:
    assign(
        instance.pk,
        Assignment(users=[user.pk for user in users], groups=[group.pk for group in groups], **more),
        doer=STEPLINE,
    )
    instance.refresh_from_db()


def last_event(instance: ProcessInstance) -> tuple[str, str, dict]:
    event = InstanceEvent.objects.filter(instance=instance).latest("pk")
    return event.kind, event.actor_name, event.facts


def test_one_user_has_it_at_once(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,))
    assert instance.assignee == ann
    assert instance.assigned_at is not None
    assert last_event(instance) == ("assigned", "Stepline", {"users": ["ann"], "groups": [], "due_at": None})


def test_of_several_nobody_has_it_before_one_claims_it(instance: ProcessInstance, helpers: Group) -> None:
    ask(instance, groups=(helpers,))
    assert instance.assignee is None
    assert last_event(instance) == ("assigned", "Stepline", {"users": [], "groups": ["helpers"], "due_at": None})


def test_who_was_asked_claims_it_and_then_nobody_else_can(
    instance: ProcessInstance, helpers: Group, ann: User, bob: User
) -> None:
    ask(instance, groups=(helpers,))
    instance_work.claim_instance(instance.pk, user=ann)
    assert last_event(instance)[:2] == ("claimed", "ann")
    with pytest.raises(NotAssignableError) as caught:
        instance_work.claim_instance(instance.pk, user=bob)
    assert caught.value.fields == {"assignee": "ann"}
    instance.refresh_from_db()
    assert instance.assignee == ann


def test_to_claim_what_one_has_changes_nothing(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,))
    before = InstanceEvent.objects.count()
    instance_work.claim_instance(instance.pk, user=ann)
    assert InstanceEvent.objects.count() == before


def test_what_the_rules_expect_of_somebody_they_may_claim_without_being_asked(instance: ProcessInstance) -> None:
    clerk = member("clerk", "clerks")
    set_status(instance.pk, "handed in", doer=STEPLINE)
    instance_work.claim_instance(instance.pk, user=clerk)
    instance.refresh_from_db()
    assert instance.assignee == clerk


def test_who_may_open_it_but_was_not_asked_can_t_claim_it(instance: ProcessInstance, helpers: Group) -> None:
    set_status(instance.pk, "approved", doer=STEPLINE)
    ask(instance, groups=(helpers,))
    with pytest.raises(NotAssignableError, match="wait for you"):
        instance_work.claim_instance(instance.pk, user=instance.owner)


def test_for_others_it_isn_t_there(instance: ProcessInstance, ann: User) -> None:
    for deed in (instance_work.claim_instance, instance_work.release_instance):
        with pytest.raises(InstanceNotFoundError):
            deed(instance.pk, user=ann)


def test_given_back_it_waits_for_the_same_ones_again(
    instance: ProcessInstance, helpers: Group, ann: User, bob: User
) -> None:
    ask(instance, groups=(helpers,))
    instance_work.claim_instance(instance.pk, user=ann)
    instance_work.release_instance(instance.pk, user=ann)
    assert last_event(instance)[:2] == ("released", "ann")
    instance_work.claim_instance(instance.pk, user=bob)
    instance.refresh_from_db()
    assert instance.assignee == bob


def test_what_nobody_else_could_take_can_t_be_given_back(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,))
    with pytest.raises(NotAssignableError, match="hand it on"):
        instance_work.release_instance(instance.pk, user=ann)


def test_what_another_has_only_staff_gives_back(
    instance: ProcessInstance, helpers: Group, ann: User, bob: User
) -> None:
    ask(instance, groups=(helpers,))
    instance_work.claim_instance(instance.pk, user=ann)
    with pytest.raises(NotAssignableError, match="ann has it"):
        instance_work.release_instance(instance.pk, user=bob)
    instance_work.release_instance(instance.pk, user=staff())
    instance.refresh_from_db()
    assert instance.assignee is None


def test_who_has_it_hands_it_on_to_another_who_was_asked(
    instance: ProcessInstance, helpers: Group, ann: User, bob: User
) -> None:
    ask(instance, groups=(helpers,), due_at=DUE)
    instance_work.claim_instance(instance.pk, user=ann)
    instance_work.hand_on_instance(instance.pk, to="bob", user=ann)
    instance.refresh_from_db()
    assert (instance.assignee, instance.due_at) == (bob, DUE)
    assert last_event(instance) == ("assigned", "ann", {"users": ["bob"], "groups": [], "due_at": DUE.isoformat()})


@pytest.mark.parametrize(
    ("who", "to", "message"),
    [
        ("ann", "owner", "owner isn't one of those who were asked"),
        ("ann", "nobody", "no active user “nobody”"),
        ("ann", "gone", "no active user “gone”"),
        ("bob", "ann", "claim it first"),
    ],
)
def test_it_is_handed_on_to_nobody_else(
    instance: ProcessInstance, helpers: Group, ann: User, who: str, to: str, message: str
) -> None:
    User.objects.create_user("gone", is_active=False)
    ask(instance, groups=(helpers,))
    instance_work.claim_instance(instance.pk, user=ann)
    with pytest.raises(NotAssignableError, match=message):
        instance_work.hand_on_instance(instance.pk, to=to, user=User.objects.get(username=who))


def test_staff_hand_it_on_to_anybody(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,))
    instance_work.hand_on_instance(instance.pk, to="owner", user=staff())
    instance.refresh_from_db()
    assert instance.assignee == instance.owner


def test_what_a_user_has_who_is_deleted_waits_for_the_others_again(
    instance: ProcessInstance, helpers: Group, ann: User, bob: User
) -> None:
    ask(instance, groups=(helpers,))
    instance_work.claim_instance(instance.pk, user=ann)
    assert list_waiting(bob)[0] == []
    ann.delete()
    [row], _more = list_waiting(bob)
    assert (row.instance, row.may_claim) == (instance, True)


def test_who_doesn_t_have_it_learns_nothing_of_other_users(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,))
    for name in ("bob", "nobody"):
        with pytest.raises(NotAssignableError, match="claim it first"):
            instance_work.hand_on_instance(instance.pk, to=name, user=instance.owner)


def test_what_is_expected_of_whoever_has_it_is_expected_of_nobody_once_it_is_given_back(ann: User) -> None:
    rules = [{"role": "assignee", "action": {"action": "hand_in", "group": "expected"}}]
    instance = leave(leave_type(rules=rules), member("owner"))
    ask(instance, users=(ann,))
    with pytest.raises(NotAssignableError, match="hand it on"):
        instance_work.release_instance(instance.pk, user=ann)


def test_staff_give_back_what_is_expected_of_others_though_not_of_them(instance: ProcessInstance) -> None:
    set_status(instance.pk, "handed in", doer=STEPLINE)
    instance_work.claim_instance(instance.pk, user=member("clerk", "clerks"))
    instance_work.release_instance(instance.pk, user=staff())
    instance.refresh_from_db()
    assert instance.assignee is None


FAR = [
    datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
    datetime(9999, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=12))),
    datetime(1899, 12, 31, tzinfo=UTC),
]


@pytest.mark.parametrize("due_at", FAR, ids=str)
def test_what_no_clock_can_tell_is_no_due_date(instance: ProcessInstance, due_at: datetime) -> None:
    with pytest.raises(NotAssignableError, match="between the years 1900 and 9998"):
        instance_work.change_due(instance.pk, due_at, user=instance.owner)
    instance.refresh_from_db()
    assert instance.due_at is None


def test_what_would_follow_after_the_end_of_time_doesn_t(instance: ProcessInstance, ann: User) -> None:
    last = datetime(9998, 12, 31, tzinfo=UTC)
    ask(instance, users=(ann,), due_at=last, escalation=[EscalationStep(after=timedelta(days=400), action="remind")])
    assert (instance.due_at, instance.escalate_at) == (last, None)


def test_asking_others_takes_it_from_whoever_was_asked_before(
    instance: ProcessInstance, helpers: Group, ann: User
) -> None:
    ask(instance, groups=(helpers,), due_at=DUE, escalation=[REMIND])
    other = member("other")
    ask(instance, users=(other,))
    assert not InstanceCandidate.objects.exists()
    assert (instance.assignee, instance.due_at, instance.escalation, instance.escalate_at) == (other, None, [], None)


def test_with_its_status_an_assignment_ends(instance: ProcessInstance, helpers: Group) -> None:
    ask(instance, groups=(helpers,), due_at=DUE, escalation=[REMIND])
    set_status(instance.pk, "approved", doer=STEPLINE)
    instance.refresh_from_db()
    assert not InstanceCandidate.objects.exists()
    assert (instance.due_at, instance.order_at, instance.escalate_at) == (None, NEVER_DUE, None)


def test_an_assignment_may_be_kept_across_a_status(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,), due_at=DUE)
    set_status(instance.pk, "checked", doer=STEPLINE, keeps_assignment=True)
    instance.refresh_from_db()
    assert (instance.assignee, instance.due_at) == (ann, DUE)


def test_what_follows_a_due_date_moves_with_it(instance: ProcessInstance, helpers: Group) -> None:
    ask(instance, groups=(helpers,), due_at=DUE, escalation=[EscalationStep(after=timedelta(hours=1), action="remind")])
    later = DUE + timedelta(days=2)
    set_due(instance.pk, later, doer=Doer.of(instance.owner))
    instance.refresh_from_db()
    assert (instance.due_at, instance.escalate_at) == (later, later + timedelta(hours=1))
    assert InstanceCandidate.objects.get().order_at == later
    assert last_event(instance) == ("due", "owner", {"before": DUE.isoformat(), "after": later.isoformat()})


def test_its_owner_puts_it_off_and_who_works_on_it_doesn_t(instance: ProcessInstance, ann: User) -> None:
    ask(instance, users=(ann,), due_at=DUE)
    with pytest.raises(NotAssignableError):
        instance_work.change_due(instance.pk, None, user=ann)
    instance_work.change_due(instance.pk, None, user=instance.owner)
    instance.refresh_from_db()
    assert instance.due_at is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Nobody is named"),
        ({"users": [0]}, "no active user 0"),
        ({"groups": [0]}, "no group 0"),
    ],
)
def test_nobody_is_asked_who_isn_t_there(instance: ProcessInstance, given: dict, message: str) -> None:
    with pytest.raises(NotAssignableError, match=message):
        assign(instance.pk, Assignment(**given), doer=STEPLINE)
