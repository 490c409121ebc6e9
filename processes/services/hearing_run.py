"""What a claim of a run hears: operators, messages, and its timers."""

from time import monotonic
from typing import Final

from django.utils import timezone

from processes.domain.application import CALLBACK_DATA, CALLBACK_ID
from processes.domain.directives import Running, Suspended
from processes.domain.entering import FormAnswer
from processes.domain.origin import spend
from processes.models import FanOut, FormOutcome, InboxItem
from processes.services.callback_ends import expire_callbacks
from processes.services.checkpointed_run import CheckpointedRun
from processes.services.giving_up import cancel_children, cancels_rest
from processes.services.inbox import (
    ANSWER,
    JOINED,
    MOVE,
    REPORT,
    RESUME,
    next_control,
    open_messages,
)
from processes.services.joined import join_of
from processes.services.kept_pieces import has_spent
from processes.services.operators import moved, obey
from processes.services.run_store import Found
from tasks.services.context import Context

__all__ = ["HearingRun"]

#: How long a run at work goes on without looking for what operators say.
LOOK_SECONDS: Final = 0.5


class HearingRun(CheckpointedRun):
    """Take what is said to a run, each message in one transaction with what it moves."""

    def __init__(self, found: Found, *, context: Context) -> None:
        super().__init__(found, context=context)
        # What they had said when the run was read is heard at the first action boundary.
        self._looks_at = monotonic() + (0.0 if found.has_messages else LOOK_SECONDS)

    def _hear_operators(self) -> None:
        """Do what operators have said, looking for it every LOOK_SECONDS."""
        if monotonic() < self._looks_at:
            return
        self._looks_at = monotonic() + LOOK_SECONDS
        while (item := next_control(self.run.pk)) is not None:
            if item.kind == MOVE:
                self.plan_id, cursor, item.result = moved(item, run=self.run, cursor=self.interpreter.cursor_json())
                self._interpret(cursor)
            else:
                self.paused, item.result = obey(item, run=self.run, data=self.app.data, paused=self.paused)
                # What the last script has changed may wait for a checkpoint, and isn't all any more.
                self.changed = None
            self._checkpoint(taken=item)

    def _take_message(self) -> None:
        """Take the oldest message where the run waits: taking it and moving the cursor are one transaction."""
        while self._parked is not None and (item := self._next_message()) is not None:
            if item.kind == RESUME:
                self._resume(item)
            elif item.kind == JOINED:
                self._join(item)
            elif item.kind == REPORT:
                self._report(item)
            elif item.kind == ANSWER:
                self.interpreter.answer(FormAnswer.from_json(item.payload))
            if not isinstance(self.interpreter.outcome, Running | Suspended):
                # It ends with this message, which is taken by the transaction that ends its job.
                self.taken = item
                return
            self._checkpoint(taken=item)

    def _next_message(self) -> InboxItem | None:
        """Return the oldest message that can be taken: not one for a step that waits below a branch which waits too."""
        below = self.interpreter.waiting_steps[1:]
        return next((item for item in open_messages(self.run.pk) if item.payload.get("ordinal") not in below), None)

    def _join(self, item: InboxItem) -> None:
        """Complete an action whose child runs have come together."""
        fan_out = FanOut.objects.filter(pk=item.payload["fan_out"]).first()
        if self._parked is None or self._parked.at != item.payload["ordinal"] or fan_out is None:
            return
        if cancels_rest(fan_out):
            # Whoever has ended the last one may have died before they got to it.
            cancel_children(fan_out.pk)
        waits, keeps_origin = self.interpreter.pending, self.run.origin is not None or self.batch is not None
        if keeps_origin and waits is not None and has_spent(fan_out):
            # What must not be done twice below it must not be by this run: neither repeated nor taken back to before.
            self.origin = spend(self._own_origin, ordinal=fan_out.ordinal, action=waits.name)
        joined = join_of(fan_out, winner=str(item.payload.get("winner", "")))
        if joined.error is not None:
            # What was spread is spent: tried again, it is spread anew.
            self.interpreter.fail(joined.error, as_new=True)
            return
        if fan_out.into:
            self.app.data[fan_out.into] = joined.result
        self.interpreter.resume(joined.state, joined.value)

    def _resume(self, item: InboxItem) -> None:
        # A report that comes late, to an action that no longer waits, is taken and changes nothing.
        payload = item.payload
        if self._parked is not None and self._parked.at == payload.get("ordinal"):
            for name, value in payload.get("attributes", {}).items():
                self.app.set(name, value)
            self.interpreter.resume(
                payload.get("state"), payload.get("value"), alternatives=tuple(payload.get("alternatives", ()))
            )

    def _report(self, item: InboxItem) -> None:
        payload = item.payload
        self.interpreter.report(
            str(payload["callback"]),
            str(payload["state"]),
            alternatives=tuple(payload.get("alternatives", ())),
            is_last=bool(payload.get("last")),
            stores=bool(payload.get("stores")),
            attributes={CALLBACK_ID: payload["callback"], CALLBACK_DATA: payload.get("data")},
        )

    def _fire_timer(self) -> None:
        """Complete an action that has waited for as long as it was to, and end callbacks whose time is up."""
        parked = self._parked
        if parked is not None and expire_callbacks(self.run.pk, self.interpreter.open_callbacks):
            self._take_message()
            parked = self._parked
        deadline = self.interpreter.deadline
        if parked is None and deadline is None:
            return
        now = timezone.now()
        until = parked.until if parked is not None and parked.at else None
        # Both may have passed while nobody was there: what was due first comes first.
        if deadline is not None and deadline <= now and (until is None or deadline <= until):
            self.closes_forms_as = FormOutcome.TIMEOUT
            self.interpreter.expire(self._too_late(None))
        elif parked is not None and until is not None and until <= now:
            self.interpreter.resume(parked.then)
        else:
            return
        if isinstance(self.interpreter.outcome, Running):
            self._checkpoint()
