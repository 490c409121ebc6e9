"""What docs/triggers.md shows works as it says."""

import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from uuid import UUID

import pytest

from processes.models import Run, TriggerKind
from processes.services.trigger_secrets import set_secret
from tests.processes.services.published import action, publish_process
from tests.processes.services.trigger_kit import a_trigger, a_user

PAGE = (Path(__file__).parents[3] / "docs" / "triggers.md").read_text()
SENDER, STARTER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_sender_as_the_page_shows_it_is_taken(live_server: Any) -> None:
    trigger = a_trigger(kind=TriggerKind.WEBHOOK)
    secret = set_secret(trigger=trigger, editor=trigger.user)  # type: ignore[arg-type]
    names: dict[str, Any] = {}
    exec(SENDER, names)
    address = f"{live_server}/hooks/{trigger.pk}/"
    run_id = names["deliver"](address, secret, {"order": 7})
    run = Run.objects.get()
    assert (run.pk, run.request["parameters"]) == (UUID(run_id), {"order": 7})
    with pytest.raises(HTTPError, match="404"):
        names["deliver"](address, "whsec_" + "QUJD" * 8, {"order": 7})


@pytest.mark.django_db(transaction=True)
def test_code_starts_a_run_as_the_page_shows_it() -> None:
    publish_process("import-orders", [action("begin", "noop")])

    class Request:
        user = a_user()

    names: dict[str, Any] = {"request": Request}
    exec(STARTER, names)
    assert names["run_id"] == Run.objects.get().pk
