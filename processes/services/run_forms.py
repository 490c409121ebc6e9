"""Forms at which durable runs wait: opened and closed with the run's checkpoints, and found by those who may answer.

Whoever writes these rows holds the run's job and the run itself, locked in that order.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.directives import Park
from processes.domain.entering import FORM
from processes.models import FormOutcome, Run, RunForm, RunFormAudience
from processes.services.access import Caller, User
from processes.services.errors import FormClosedError, FormNotFoundError, SignInRequiredError
from processes.services.form_audience import Audience, audience_of, rows_of
from tasks.domain.statuses import JobStatus

__all__ = [
    "AUDIENCE",
    "CONFIG",
    "NAME",
    "Visitor",
    "check_open",
    "close_forms",
    "closed_error",
    "find_form_of",
    "form_instead",
    "forms_for",
    "forms_in_tree",
    "open_form",
]

#: Keys in the private part of a park at a form (beside `processes.domain.entering.LEADS`).
NAME: Final = "name"
CONFIG: Final = "config"
AUDIENCE: Final = "audience"

_NAME_CHARS: Final = 300
_REFERENCE_CHARS: Final = 23  # One more than they have: a longer one is no reference.
_TITLE_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Say who comes: a user, and the session in which somebody not signed in has begun something."""

    user: User
    session_key: str = ""

    @classmethod
    def of(cls, user: User, caller: Caller) -> "Visitor":
        """Return who makes a request."""
        return cls(user=user, session_key=caller.session_key)

    @property
    def is_nobody(self) -> bool:
        """Tell whether no form can be for them: they are neither signed in nor known by a session."""
        return not (self.user.is_authenticated or self.session_key)

    def forms(self, *, only_open: bool = False) -> QuerySet[Any]:
        """Return the keys of the forms that are theirs to answer.

        For each kind of rule a query of its own, so that each has its index: one with alternatives would have none.
        """
        rows = RunFormAudience.objects.order_by().values("form_id")
        rows = rows.filter(is_open=True) if only_open else rows
        first, *others = (rows.filter(rule) for rule in audience_of(self.user, session_key=self.session_key))
        return first.union(*others, all=True) if others else first

    def has_answered(self, form: RunForm) -> bool:
        """Tell whether it was they who have answered a form, of those whom it lets."""
        if self.user.is_authenticated:
            return bool(form.answered_by_id == self.user.pk)
        return form.answered_by_id is None and not form.answered_name

    @property
    def person(self) -> str:
        """Return the key under which is kept what they type."""
        return f"u{self.user.pk}" if self.user.is_authenticated else f"s{self.session_key}"


def open_form(run: Run, park: Park, *, until: datetime | None) -> None:
    """Store the form at which a run is parked, in the transaction that parks it."""
    if park.reason != FORM or NAME not in park.private:
        return
    form, is_new = RunForm.objects.get_or_create(
        run_id=run.pk,
        ordinal=park.at,
        defaults={
            "name": str(park.private[NAME])[:_NAME_CHARS],
            "title": str(park.facts.get("title", ""))[:_TITLE_CHARS],
            "config": park.private[CONFIG],
            "until": until,
        },
    )
    if is_new:
        audience = Audience.from_json(park.private[AUDIENCE])
        rows = rows_of(audience, form_id=form.pk, owner_id=run.user_id, session_key=run.session_key)
        RunFormAudience.objects.bulk_create(rows)


def close_forms(run_id: uuid.UUID, *, outcome: FormOutcome, among: Collection[int] | None = None) -> None:
    """Close the open forms of a run, or those `among` its steps, in the transaction in which it goes on without them.

    Those that were answered are closed already.
    """
    forms = RunForm.objects.filter(run_id=run_id, closed_at=None)
    if among is not None:
        forms = forms.filter(ordinal__in=among)
    if forms.update(closed_at=timezone.now(), outcome=outcome.value):
        RunFormAudience.objects.filter(form__run_id=run_id, is_open=True, form__closed_at__isnull=False).update(
            is_open=False
        )


def forms_for(visitor: Visitor) -> QuerySet[RunForm]:
    """Return the forms that wait for somebody, the newest first: one query, however many there were."""
    return (
        RunForm.objects.filter(pk__in=visitor.forms(only_open=True))
        .select_related("run__root", "run__template")
        .order_by("-id")
    )


def form_instead(form: RunForm, *, visitor: Visitor) -> RunForm | None:
    """Return the form that waits for somebody in the place of a closed one, once its run goes on as another one."""
    rows = forms_for(visitor).filter(name=form.name, run__previous_id=form.run_id)
    return rows.first()


def forms_in_tree(root_id: uuid.UUID, *, visitor: Visitor) -> list[RunForm]:
    """Return the forms of a run, and of the child runs that it has started, which wait for somebody; twenty at most."""
    here = Q(run_id=root_id) | Q(run__root__parent_id=root_id) | Q(run__lent_to=root_id)
    return list(forms_for(visitor).filter(here).order_by("id")[:20])


def find_form_of(visitor: Visitor, reference: str) -> RunForm:
    """Return a form that is somebody's to answer, whether it is open or not.

    Raises FormNotFoundError where there is none, or none for them: both look the same; SignInRequiredError for somebody
    not signed in.
    """
    form: RunForm | None = None
    if "\0" not in reference:
        rows = RunForm.objects.select_related("run__root__job", "run__template", "run__user")
        form = rows.filter(reference=reference[:_REFERENCE_CHARS], pk__in=visitor.forms()).first()
    if form is None:
        message = _("There is no such form, or it isn't for you.")
        raise FormNotFoundError(message) if visitor.user.is_authenticated else SignInRequiredError(message)
    return form


def check_open(form: RunForm, *, visitor: Visitor) -> None:
    """Raise FormClosedError, which says it to a visitor, where nobody waits for an answer any more."""
    if form.closed_at is not None:
        raise closed_error(form, visitor=visitor)
    if _wants_to_end(form.run):
        raise closed_error(form, outcome=FormOutcome.CANCELLED)


def closed_error(
    form: RunForm, *, outcome: FormOutcome | None = None, visitor: Visitor | None = None
) -> FormClosedError:
    """Return the error that says what has become of a form; `visitor` may be who has answered it."""
    outcome = outcome or FormOutcome(form.outcome)
    texts = {
        FormOutcome.ANSWERED: _("Somebody was first: “%(form)s” was answered by %(by)s."),
        FormOutcome.TIMEOUT: _("The time for “%(form)s” is up, and the work has gone on without an answer."),
        FormOutcome.CANCELLED: _("The work that asked for “%(form)s” was cancelled."),
        FormOutcome.OVER: _("The work that asked for “%(form)s” has gone on without an answer, or has ended."),
    }
    text = texts[outcome]
    if outcome is FormOutcome.ANSWERED and visitor is not None and visitor.has_answered(form):
        text = _("You have answered “%(form)s” already.")
    fields: dict[str, Any] = {"outcome": outcome.value, "run": str(form.run_id)}
    if form.closed_at is not None:
        fields["at"] = form.closed_at.isoformat()
    if form.outcome == FormOutcome.ANSWERED:
        fields["by"] = form.answered_name
    by = form.answered_name or _("somebody who isn't signed in")
    return FormClosedError(text % {"form": form.title, "by": by}, fields=fields)


def _wants_to_end(run: Run) -> bool:
    job = getattr(run.root, "job", None)
    return job is not None and job.cancel_requested_at is not None and job.status != JobStatus.COMPLETED.value
