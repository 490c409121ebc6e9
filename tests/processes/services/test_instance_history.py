"""The history of an instance: who did what, when, and what it changed in the Data."""

import pytest
from django.contrib.auth.models import User

from processes.errors import NotFoundError
from processes.models import EventKind, InstanceEvent, ProcessInstance
from processes.services.instance_history import history_of
from processes.services.instances import execute_instance
from tasks.services.work import work_off
from tests.processes.services.instance_kit import ACTIONS, leave, leave_type, member
from tests.processes.services.published import action

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return member("owner")


@pytest.fixture
def instance(owner: User) -> ProcessInstance:
    return leave(leave_type(), owner)


def told(instance: ProcessInstance) -> list[tuple[str, str, str]]:
    return [(event.kind, event.actor_name, event.action) for event in reversed(history_of(instance))]


def test_it_begins_with_who_created_it(instance: ProcessInstance) -> None:
    event = history_of(instance).get()
    assert (event.kind, event.actor_name, event.status_after) == (EventKind.CREATED, "owner", "draft")


def test_an_action_its_status_and_what_it_saved_are_told(instance: ProcessInstance, owner: User) -> None:
    execute_instance(instance=instance, user=owner, action="change", parameters={"days": "5"})
    execute_instance(instance=instance, user=owner, action="hand_in")
    assert told(instance)[1:] == [
        ("executed", "owner", "change"),
        ("data", "owner", "save"),
        ("executed", "owner", "hand_in"),
        ("status", "owner", "hand_in"),
    ]
    changed, moved = InstanceEvent.objects.get(kind="data"), InstanceEvent.objects.get(kind="status")
    assert changed.changes == [{"path": "/days", "before": 3, "after": "5"}]
    assert (moved.status_before, moved.status_after) == ("draft", "handed in")


def test_saving_what_was_there_already_is_no_event(instance: ProcessInstance, owner: User) -> None:
    execute_instance(instance=instance, user=owner, action="change", parameters={"days": "5"})
    execute_instance(instance=instance, user=owner, action="change", parameters={"days": "5"})
    assert InstanceEvent.objects.filter(kind="data").count() == 1


@pytest.mark.usefixtures("kit")
def test_what_a_background_run_does_names_the_run(owner: User) -> None:
    actions = [
        *ACTIONS,
        action("later", "execute_in_background", next="sign"),
        action("sign", "set_data", config={"values": {"signed": True}}, entry=False),
        action("keep", "save_data", entry=False),
        action("end", "set_status", config={"status": "signed"}, entry=False, next=False),
    ]
    instance = leave(leave_type(actions=actions), owner)
    execute_instance(instance=instance, user=owner, action="later")
    work_off("default")
    events = [event for event in history_of(instance) if event.run_id is not None]
    assert [(event.kind, event.actor_name, event.action) for event in events] == [
        ("status", "owner", "end"),
        ("data", "owner", "keep"),
    ]


def test_it_goes_with_the_instance(instance: ProcessInstance) -> None:
    instance.delete()
    assert not InstanceEvent.objects.exists()


def test_a_deed_that_is_rolled_back_leaves_no_event(owner: User) -> None:
    actions = [*ACTIONS, action("fail", "set_status", config={"status": "lost", "from": "nowhere"}, next=False)]
    instance = leave(leave_type(actions=actions), owner)
    with pytest.raises(Exception, match="changed meanwhile"):
        execute_instance(instance=instance, user=owner, action="fail")
    assert told(instance)[1:] == [("executed", "owner", "fail")]


@pytest.mark.parametrize("name", ["nonsense", "shown", "@init", "x" * 5_000])
def test_who_asks_for_what_isnt_there_has_done_nothing(owner: User, name: str) -> None:
    instance = leave(leave_type(), owner)
    with pytest.raises(NotFoundError):
        execute_instance(instance=instance, user=owner, action=name)
    assert [event[0] for event in told(instance)] == ["created"]
