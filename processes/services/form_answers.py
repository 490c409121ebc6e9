"""Answers to the forms of durable runs: what is typed is kept, and of several who send the same form one wins.

The winner's answer is a message in the run's inbox, which the run takes where it waits (processes.domain.entering).
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from processes.domain.entering import FormAnswer
from processes.domain.json_values import JSON, json_problems
from processes.errors import NotJsonError
from processes.models import FormOutcome, Run, RunForm, RunFormAudience, RunFormEntry, StoredFile
from processes.services import audit
from processes.services.access import Caller
from processes.services.entered import Typed, Uploads
from processes.services.file_ownership import file_ids
from processes.services.files import delete_file, is_file_info
from processes.services.form_lookup import form_gone
from processes.services.forms import ButtonConfig, FormConfig
from processes.services.inbox import ANSWER, append_message, lock_run
from processes.services.run_forms import Visitor, closed_error, find_form_of
from processes.services.stored_data import StoredData

__all__ = ["Waiting", "answer_form_of_run", "keep_typed", "typed_by", "waiting_form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Hold a form at which a run waits, as somebody finds it: with the run's data, and what they had typed."""

    row: RunForm
    config: FormConfig
    visitor: Visitor
    data: Mapping[str, JSON]
    entered: Mapping[str, JSON]

    @property
    def run(self) -> Run:
        """Return the run that waits."""
        return self.row.run


def waiting_form(reference: str, *, visitor: Visitor) -> Waiting:
    """Return a form that is somebody's to answer, open or not (see `check_open`); raises what `find_form_of` does."""
    row = find_form_of(visitor, reference)
    try:
        config = FormConfig.model_validate(row.config)
    except ValidationError as error:
        # A release of another time has described it.
        raise form_gone() from error
    return Waiting(
        row=row,
        config=config,
        visitor=visitor,
        data=StoredData.load(row.run_id)[1],
        entered=typed_by(row, visitor),
    )


def typed_by(row: RunForm, visitor: Visitor) -> Mapping[str, JSON]:
    """Return what somebody has typed into a form, and not sent."""
    rows = RunFormEntry.objects.filter(run_id=row.run_id, name=row.name, person=visitor.person)
    found = rows.values_list("entered", flat=True).first()
    return found if isinstance(found, Mapping) else {}


def keep_typed(waiting: Waiting, typed: Typed) -> Mapping[str, JSON]:
    """Keep what somebody has typed, with its files, for when they come back; return it as it is kept.

    Raises FormClosedError where nobody waits for the form any more, and StorageError.
    """
    with _storing(waiting) as uploads:
        kept = {name: uploads.to_json(value) for name, value in typed.items()}
        _check_storable(kept)
        with transaction.atomic():
            _lock_open(waiting)
            RunFormEntry.objects.update_or_create(
                run_id=waiting.row.run_id,
                name=waiting.row.name,
                person=waiting.visitor.person,
                defaults={"entered": kept},
            )
    _delete_unused(waiting, kept)
    return kept


def answer_form_of_run(
    waiting: Waiting, *, button: ButtonConfig, values: Mapping[str, object] | None, how: str = "form"
) -> None:
    """Answer a form: with the cleaned `values`, uploads among them, or without where the button takes none along.

    Raises FormClosedError where somebody was first, or nobody waits for it any more: then nothing is kept of the files
    either. Raises StorageError, and NotJsonError for a value that can't be stored.
    """
    with _storing(waiting) as uploads:
        cleaned = None if values is None else {name: uploads.to_json(value) for name, value in values.items()}
        _check_storable(cleaned)
        _say(waiting, button=button, values=cleaned, how=how)
    if cleaned is not None:
        _delete_unused(waiting, cleaned)


def _say(waiting: Waiting, *, button: ButtonConfig, values: Mapping[str, JSON] | None, how: str) -> None:
    row, user = waiting.row, waiting.visitor.user
    actor = audit.actor_of(user)
    answer = FormAnswer(
        ordinal=row.ordinal,
        button=button.name or "",
        values=values,
        files={name: value for name, value in (values or {}).items() if _holds_files(value)},
    )
    with transaction.atomic():
        _lock_open(waiting)
        append_message(run_id=row.run_id, kind=ANSWER, payload=answer.to_json(), dedupe_key=f"form:{row.ordinal}")
        RunForm.objects.filter(pk=row.pk).update(
            closed_at=timezone.now(),
            outcome=FormOutcome.ANSWERED.value,
            answered_by_id=user.pk if user.is_authenticated else None,
            answered_name=actor.name,
        )
        RunFormAudience.objects.filter(form=row).update(is_open=False)
        if button.does != "back":
            RunFormEntry.objects.filter(run_id=row.run_id, name=row.name, person=waiting.visitor.person).delete()
        audit.record(
            "form.answered",
            actor=actor,
            subject=row.run,
            subject_name=row.title,
            plan_hash=row.run.plan_id,
            details={"form": row.name, "step": row.ordinal, "button": button.name, "how": how},
        )


def _lock_open(waiting: Waiting) -> None:
    """Lock a form behind its run; raises FormClosedError where it isn't open any more."""
    row = waiting.row
    lock_run(row.run_id)
    now = RunForm.objects.select_for_update(of=("self",)).select_related("run").filter(pk=row.pk).first()
    if now is None:
        raise closed_error(row, outcome=FormOutcome.OVER)
    if now.closed_at is not None:
        raise closed_error(now, visitor=waiting.visitor)


@contextmanager
def _storing(waiting: Waiting) -> Iterator[Uploads]:
    """Give what stores uploads: they are the run's, and its owner's, whoever brings them. After an error they go."""
    run = waiting.run
    owner = Caller(user_id=run.user_id, session_key=run.session_key, template_id=run.template_id, run_id=run.pk)
    uploads = Uploads(caller=owner, node=run)
    try:
        yield uploads
    except BaseException:
        for info in uploads.infos:
            delete_file(info)
        raise


def _check_storable(values: Mapping[str, JSON] | None) -> None:
    if problems := json_problems(values, limit=1):
        raise NotJsonError(f"{problems[0].path} can't be stored: {problems[0].message}", path=problems[0].path)


def _delete_unused(waiting: Waiting, kept: Mapping[str, JSON]) -> None:
    """Delete the files that were kept for this form before, and that neither it nor the run's data names any more."""
    unused: set[uuid.UUID] = file_ids(dict(waiting.entered)) - file_ids(dict(kept))
    if not unused:
        return
    unused -= file_ids(StoredData.load(waiting.row.run_id)[1])
    others = RunFormEntry.objects.filter(run_id=waiting.row.run_id).values_list("entered", flat=True)
    unused -= file_ids(list(others))
    with transaction.atomic():
        rows = StoredFile.objects.filter(run_id=waiting.row.run_id, pk__in=unused)
        for stored in rows.order_by("pk").select_for_update():
            stored.delete()


def _holds_files(value: JSON) -> bool:
    return is_file_info(value) or (isinstance(value, list) and any(is_file_info(item) for item in value))
