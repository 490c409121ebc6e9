"""Options by status rules: what is offered to whom, and that an action asks once more when it is entered."""

import json

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from processes.domain.status_rules import OptionGroup
from processes.models import ProcessInstance, StatusRules
from processes.registry import roles
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.errors import InstanceNotFoundError, NotOfferedError, WrongStatusError
from processes.services.instances import execute_instance
from processes.services.offers import check_option, grouped, options_of, options_of_many
from tests.processes.services.instance_kit import RULES, leave, leave_type, member

pytestmark = pytest.mark.django_db

#: Who is offered what at which status: the owner, a clerk, somebody else.
OFFERS = {
    "draft": (["hand_in", "@display"], ["@display"], ["@display"]),
    "handed in": (["@display"], ["approve", "refuse", "@display"], ["@display"]),
    "approved": (["@display"], ["@display"], ["@display"]),
}


@pytest.fixture
def owner() -> User:
    return member("owner")


@pytest.fixture
def clerk() -> User:
    return member("clerk", "clerks")


@pytest.fixture
def instance(owner: User) -> ProcessInstance:
    return leave(leave_type(), owner)


def names(instance: ProcessInstance, user: User | AnonymousUser) -> list[str]:
    return [option.action for option in options_of(instance, user=user)]


def with_rules(instance: ProcessInstance, *rules: object, enforced: bool = True) -> ProcessInstance:
    StatusRules.objects.update(rules=json.dumps(rules), enforced=enforced)
    return ProcessInstance.objects.select_related("status_rules").get(pk=instance.pk)


@pytest.mark.parametrize("status", OFFERS)
def test_who_is_offered_what_depends_on_status_and_role(
    instance: ProcessInstance, owner: User, clerk: User, status: str
) -> None:
    instance.status = status
    assert tuple(names(instance, user) for user in (owner, clerk, member("other"))) == OFFERS[status]


def test_options_are_shown_by_their_groups_with_what_is_expected_first(instance: ProcessInstance, clerk: User) -> None:
    instance.status = "handed in"
    shown = [(group, [one.caption for one in options]) for group, options in grouped(options_of(instance, user=clerk))]
    assert shown == [
        (OptionGroup.EXPECTED, ["Approve"]),
        (OptionGroup.ANYTIME, ["Look"]),
        (OptionGroup.EXCEPTIONAL, ["Refuse"]),
    ]


def test_what_changes_something_is_posted_and_what_only_shows_is_a_link(instance: ProcessInstance, owner: User) -> None:
    address = f"/instances/{instance.pk}/"
    assert [(one.url, one.posts) for one in options_of(instance, user=owner)] == [
        (address, True),
        (f"{address}?action=%40display", False),
    ]


def test_an_option_says_itself_as_json(instance: ProcessInstance, owner: User) -> None:
    assert options_of(instance, user=owner)[0].to_json() == {
        "action": "hand_in", "caption": "Hand in", "group": "expected", "popup": False, "disabled": False,
        "url": f"/instances/{instance.pk}/", "method": "POST",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("role", "has"),
    [("owner", False), ("assignee", True), ("candidate", False), ("staff", False), ("clerks", False)],
)
def test_who_has_it_is_its_assignee(instance: ProcessInstance, role: str, has: bool) -> None:
    helper = member("helper")
    assign(instance.pk, Assignment(users=[helper.pk]), doer=STEPLINE)
    changed = with_rules(instance, {"role": role, "action": "approve"})
    assert names(changed, helper) == (["approve"] if has else [])


def test_candidates_are_offered_what_is_theirs_until_somebody_has_it(instance: ProcessInstance, clerk: User) -> None:
    helper = member("helper", "helpers")
    assign(instance.pk, Assignment(groups=[helper.groups.get().pk]), doer=STEPLINE)
    changed = with_rules(instance, {"role": "candidate", "action": "approve"})
    assert (names(changed, helper), names(changed, clerk)) == (["approve"], [])
    changed.assignee = clerk
    assert names(changed, helper) == []


def test_a_role_of_the_team_s_own_is_asked_of_its_function(instance: ProcessInstance, owner: User) -> None:
    roles.role("boss of the owner")(_is_boss)
    try:
        changed = with_rules(instance, {"role": "boss of the owner", "action": "approve"})
        assert (names(changed, member("boss of owner")), names(changed, owner)) == (["approve"], [])
    finally:
        roles.unregister("boss of the owner")


def test_a_condition_looks_at_data_user_and_instance(instance: ProcessInstance, owner: User) -> None:
    changed = with_rules(
        instance,
        {"action": "approve", "if": "data.days < 5 && user.username == 'owner' && attr.title == 'Summer'"},
        {"action": "refuse", "if": "data.days >= 5"},
    )
    assert names(changed, owner) == ["approve"]


def test_a_condition_without_an_answer_offers_nothing(instance: ProcessInstance, owner: User) -> None:
    changed = with_rules(instance, {"action": "approve", "if": "data.weeks > 1"}, {"action": "refuse"})
    assert names(changed, owner) == ["refuse"]


def test_what_the_process_doesn_t_declare_isn_t_offered(instance: ProcessInstance, owner: User) -> None:
    changed = with_rules(instance, {"action": ["fly", "approve"]})
    assert names(changed, owner) == ["approve"]


@pytest.mark.parametrize(("url", "is_offered"), [("/help/", True), ("https://elsewhere.example/", False)])
def test_an_address_may_be_offered_if_it_is_one_of_this_site(
    instance: ProcessInstance, owner: User, url: str, is_offered: bool
) -> None:
    changed = with_rules(instance, {"action": {"caption": "Help", "url": url}})
    assert [one.url for one in options_of(changed, user=owner)] == ([url] if is_offered else [])


def test_an_action_that_isn_t_offered_can_t_be_executed(instance: ProcessInstance, owner: User, clerk: User) -> None:
    execute_instance(instance=instance, user=owner, action="hand_in")
    with pytest.raises(NotOfferedError) as caught:
        execute_instance(instance=instance, user=owner, action="approve")
    assert caught.value.fields == {"action": "approve", "status": "handed in"}
    execute_instance(instance=instance, user=clerk, action="approve")
    instance.refresh_from_db()
    assert instance.status == "approved"


def test_whoever_has_no_role_at_the_status_can_t_even_find_it(instance: ProcessInstance, clerk: User) -> None:
    with pytest.raises(InstanceNotFoundError):
        execute_instance(instance=instance, user=clerk, action="approve")


def test_a_disabled_option_can_t_be_executed(instance: ProcessInstance, owner: User) -> None:
    changed = with_rules(instance, {"action": {"action": "hand_in", "disabled": True}})
    with pytest.raises(NotOfferedError):
        execute_instance(instance=changed, user=owner, action="hand_in")


def test_to_look_at_it_is_open_to_whoever_may_open_it_whomever_the_rules_offer_that(
    instance: ProcessInstance, owner: User, clerk: User
) -> None:
    changed = with_rules(instance, {"role": "clerks", "action": "@display"})
    assert (names(changed, owner), names(changed, clerk)) == ([], ["@display"])
    for user in (owner, clerk):
        assert execute_instance(instance=changed, user=user, action="@display").response.content
    with pytest.raises(InstanceNotFoundError):
        execute_instance(instance=changed, user=member("nosy"), action="@display")


def test_rules_that_aren_t_enforced_only_show(instance: ProcessInstance, owner: User) -> None:
    changed = with_rules(instance, {"role": "clerks", "action": "hand_in"}, enforced=False)
    assert names(changed, owner) == []
    execute_instance(instance=changed, user=owner, action="hand_in")
    changed.refresh_from_db()
    assert changed.status == "handed in"


def test_what_the_rules_don_t_name_is_open_to_whoever_may_open_the_instance(
    instance: ProcessInstance, owner: User
) -> None:
    execute_instance(instance=instance, user=owner, action="change", parameters={"days": "4"})
    with pytest.raises(NotOfferedError):
        check_option(instance, user=owner, action="change")


def test_of_two_who_decide_at_the_same_status_one_wins(owner: User, clerk: User) -> None:
    # The second one's page was drawn before; the rules let both decide at any status, the action asks for one.
    instance = leave(leave_type(rules=[{"role": "clerks", "action": ["approve", "refuse"]}]), owner, status="handed in")
    execute_instance(instance=instance, user=clerk, action="approve")
    with pytest.raises(WrongStatusError) as caught:
        execute_instance(instance=instance, user=clerk, action="refuse")
    assert caught.value.fields == {"status": "approved", "expected": ["handed in"]}


def test_somebody_not_signed_in_is_offered_what_is_for_everyone(instance: ProcessInstance) -> None:
    assert names(instance, AnonymousUser()) == ["@display"]


def test_options_of_many_take_no_more_queries_than_those_of_one(clerk: User, owner: User) -> None:
    type = leave_type(rules=[*RULES, {"role": "candidate", "action": "refuse", "if": "data.days > 2"}])
    for number in range(12):
        instance = leave(type, owner, title=f"Number {number}")
        assign(instance.pk, Assignment(groups=[clerk.groups.get().pk]), doer=STEPLINE)
    rows = ProcessInstance.objects.select_related("status_rules", "owner")

    def asked(count: int) -> int:
        found = list(rows[:count])
        with CaptureQueriesContext(connection) as queries:
            offered = options_of_many(found, user=clerk)
        assert [[one.action for one in options] for options in offered.values()] == [["@display", "refuse"]] * count
        return len(queries)

    asked(1)
    assert asked(12) == asked(1) <= 4


def test_a_role_with_a_filter_takes_one_query_for_many_and_its_function_is_asked_where_it_is_executed(
    owner: User,
) -> None:
    asked: list[ProcessInstance] = []

    def is_deputy(user: User, instance: ProcessInstance) -> bool:
        asked.append(instance)
        return ProcessInstance.objects.filter(pk=instance.pk, title=f"For {user}").exists()

    roles.role("deputy", filter=lambda user: Q(title=f"For {user}"))(is_deputy)
    try:
        type = leave_type(rules=[{"role": "deputy", "action": "approve"}])
        deputy = member("ann")
        mine = leave(type, owner, title="For ann")
        instances = [mine, *(leave(type, owner) for _ in range(5))]
        with CaptureQueriesContext(connection) as queries:
            offered = options_of_many(instances, user=deputy)
        assert [len(options) for options in offered.values()] == [1, 0, 0, 0, 0, 0]
        assert (len(queries) <= 4, asked) == (True, [])
        check_option(mine, user=deputy, action="approve")
        assert asked == [mine]
    finally:
        roles.unregister("deputy")


def _is_boss(user: User, instance: ProcessInstance) -> bool:
    return instance.owner is not None and user.username == f"boss of {instance.owner}"


def test_rules_that_can_t_be_read_offer_nothing_and_refuse_all_but_looking(
    instance: ProcessInstance, owner: User
) -> None:
    StatusRules.objects.filter(pk=instance.status_rules_id).update(rules='[{"role": 7}]')
    instance.refresh_from_db()
    assert options_of(instance, user=owner) == ()
    assert "3 days" in str(execute_instance(instance=instance, user=owner, action="@display").response.to_json())
    with pytest.raises(NotOfferedError):
        execute_instance(instance=instance, user=owner, action="hand_in")
