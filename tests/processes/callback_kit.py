"""Anchor callbacks in background runs, and report to them."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from processes.domain.application import Application
from processes.domain.callbacks import REPORTS
from processes.models import Callback
from processes.services.callback_ends import Standing
from processes.services.callback_tokens import callback_of_token
from processes.services.callbacks import report_callback
from tasks.models import Job
from tasks.services.jobs import wake_due


class CallbackKit:
    """Write processes with anchors; what their actions see is in `seen`, their tokens in `tokens`."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit
        self.tokens: list[str] = []
        self.seen: list[Any] = []

    def call(self, name: str = "call", **more: Any) -> dict[str, Any]:
        """Return an action that passes the token on."""

        def call(app: Application) -> None:
            self.tokens.append(app.get("callbackToken"))

        return {"name": name, "script": self.kit.script(call), "next": False, **more}

    def see(self, name: str, **more: Any) -> dict[str, Any]:
        """Return an action that notes its name and what was reported."""

        def see(app: Application) -> None:
            self.seen.append((name, app.get("callbackData")))

        return {"name": name, "script": self.kit.script(see), "next": False, **more}

    @staticmethod
    def anchor(name: str = "anchor", *, next: Any = None, **config: Any) -> dict[str, Any]:
        """Return an anchor; `next` names branches besides `prepare`."""
        lookup = {"prepare": "call", "*": False, **(next or {})}
        return {"name": name, "script": "stepTypeCallback", "config": config, "next": lookup}

    def begin(self, *actions: dict[str, Any], **options: Any) -> uuid.UUID:
        """Start a run, and let it work until it waits."""
        run_id: uuid.UUID = self.kit.start(*actions, **options)
        self.kit.work()
        return run_id

    def report(self, action: str, data: Any = None, *, token: str = "", **options: Any) -> Standing:
        """Report to the callback of the last token, or of another one, without letting the run work."""
        callback = callback_of_token(token or self.tokens[-1])
        return report_callback(callback, report=REPORTS[action], data=data, **options)

    def callback(self, token: str = "") -> Callback:
        """Return the row of the last token, or of another one."""
        return Callback.objects.get(pk=callback_of_token(token or self.tokens[-1]))

    def pass_time(self, token: str = "") -> None:
        """Let the time of a callback be over, and the dispatcher notice."""
        row = self.callback(token)
        past = timezone.now() - timedelta(seconds=1)
        Callback.objects.filter(pk=row.pk).update(expires_at=past)
        Job.objects.filter(pk=row.run_id, status="waiting").update(wake_at=past)
        wake_due()
