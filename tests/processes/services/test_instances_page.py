"""What docs/instances.md shows works as it says."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.test.utils import isolate_apps
from django.urls import get_resolver
from django.utils import timezone

from processes.models import ProcessInstance
from processes.services.escalating import escalate_due
from processes.services.instances import context_node_of, create_instance, execute_instance
from processes.services.offers import options_of
from processes.services.waiting_instances import list_waiting
from tasks.services.work import work_off
from tests.processes.services.instance_kit import leave, leave_type, member

PAGE = (Path(__file__).parents[3] / "docs" / "instances.md").read_text()
DEFINITION, RULES = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("kit")
def test_the_leave_request_of_the_page_goes_its_way() -> None:
    Group.objects.create(name="directors")
    owner, clerk, director = member("owner"), member("clerk", "clerks"), member("director", "directors")
    instance = leave(leave_type(actions=DEFINITION, rules=RULES), owner)
    assert [option.caption for option in options_of(instance, user=owner)] == ["Hand in"]
    execute_instance(instance=instance, user=owner, action="hand_in")
    [waiting], _ = list_waiting(clerk)
    assert [option.caption for option in waiting.expected] == ["Approve"]
    assert waiting.instance.due_at is not None
    # Two days and a day later.
    ProcessInstance.objects.update(escalate_at=timezone.now())
    escalate_due(limit=1)
    work_off("default")
    ProcessInstance.objects.update(escalate_at=timezone.now())
    escalate_due(limit=1)
    assert [one.instance for one in list_waiting(director)[0]] == [instance]
    execute_instance(instance=instance, user=clerk, action="approve")
    instance.refresh_from_db()
    assert (instance.status, instance.due_at) == ("approved", None)
    assert context_node_of(instance).data == {"days": 3}
    assert [option.caption for option in options_of(instance, user=clerk)] == ["Look"]
    client = Client()
    client.force_login(clerk)
    assert "3 days" in client.get(f"/instances/{instance.pk}/?action=@display").content.decode()


def test_every_address_of_the_page_is_one() -> None:
    known = {re.sub(r"<[^>]*>", "<>", f"/api/{pattern}") for pattern in _patterns("processes-api")}
    named = re.findall(r"`(?:GET|POST) (/api/[^`]*)`", PAGE)
    assert len(named) >= 8
    for address in named:
        assert re.sub(r"<[^>]*>", "<>", address) in known, address


@pytest.mark.django_db(transaction=True)
@isolate_apps("processes")
def test_a_type_in_code_has_columns_of_its_own() -> None:
    class Journey(ProcessInstance):
        destination = models.CharField(max_length=100)

        class Meta:
            app_label = "processes"

    with connection.schema_editor() as editor:
        editor.create_model(Journey)
    try:
        owner = member("owner")
        created = create_instance(
            model=Journey, columns={"destination": "Graz"}, type=leave_type(), owner=owner, data={"days": 2}
        )
        found = Journey.objects.get()
        assert (found.destination, found.status, found.owner) == ("Graz", "draft", owner)
        execute_instance(instance=created, user=owner, action="hand_in")
        found.refresh_from_db()
        assert found.status == "handed in"
        Journey.objects.all().delete()
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Journey)


def _patterns(namespace: str) -> list[str]:
    [(_prefix, resolver)] = [
        (prefix, resolver) for name, (prefix, resolver) in get_resolver().namespace_dict.items() if name == namespace
    ]
    return [str(pattern.pattern) for pattern in resolver.url_patterns]
