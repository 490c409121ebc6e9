"""What docs/topics.md shows works as it says."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from processes.services.instances import create_instance, execute_instance
from processes.services.topics import publish
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import publish_process
from tests.processes.services.topic_kit import outcomes, spread_all

PAGE = (Path(__file__).parents[4] / "docs" / "topics.md").read_text()
(PUBLISHER,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(DEFINITION,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_the_process_of_the_page_consumes_what_the_page_publishes(kit: RunKit) -> None:
    owner = User.objects.create_user("ada")
    instance = create_instance(template=publish_process("invoices", json.loads(DEFINITION)), owner=owner)
    assert "none yet" in str(execute_instance(instance=instance, user=owner).response.content)
    exec(PUBLISHER, {})
    publish("invoice.paid", {"number": "small", "amount": 100})
    publish("invoice.sent", {"number": "odd"})
    spread_all()
    kit.work()
    assert "Paid last: 2026-7" in str(execute_instance(instance=instance, user=owner).response.content)
    assert outcomes(instance) == [("invoice.paid", "started"), ("invoice.sent", "failed")]
