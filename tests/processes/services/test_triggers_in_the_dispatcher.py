"""The dispatcher as it is started on a site: what is due is started within two seconds."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from django.utils import timezone

from processes.models import Trigger, TriggerFiring
from tests.child import database_url
from tests.environment import surroundings
from tests.processes.services.trigger_kit import a_trigger

HOUSE = Path(__file__).parents[3]


@pytest.fixture
def dispatcher(transactional_db: None, broker: object) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "dispatcher"],
        env={**os.environ, **surroundings(), "DATABASE_URL": database_url()},
        cwd=HOUSE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "looking for work" in process.stdout.readline()
    yield
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()


def test_each_due_time_is_acted_on_within_two_seconds(dispatcher: None) -> None:
    trigger = a_trigger(every_seconds=3_600)
    for number in (1, 2):
        due_at = timezone.now() + timedelta(seconds=0.3)
        Trigger.objects.filter(pk=trigger.pk).update(next_at=due_at, anchor_at=due_at - timedelta(hours=1))
        began = monotonic()
        while TriggerFiring.objects.filter(outcome="started").count() < number:
            assert monotonic() - began < 20
        firing = TriggerFiring.objects.order_by("-id")[0]
        assert firing.due_at == due_at
        # The promise is two seconds; a machine that is busy with other tests gets some more.
        assert firing.at - due_at < timedelta(seconds=6)
