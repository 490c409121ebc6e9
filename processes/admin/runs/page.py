"""What a run's page shows besides its fields: where it has been, what it was told, what belongs to it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processes.admin.history import link_to, shown_json
from processes.admin.runs.words import CALLBACK_WORDS, MESSAGE_WORDS, result_text
from processes.domain.rewinding import is_place
from processes.models import (
    Callback,
    Checkpoint,
    FormOutcome,
    InboxItem,
    ProcessTemplate,
    Run,
    RunForm,
    RunFormAudience,
    TemplateVersion,
)
from processes.services.stored_data import StoredData
from tasks.admin.words import badge, moment

__all__ = [
    "CheckpointRow", "audit_address", "callbacks_of", "checkpoints_of", "children_of", "data_of", "executions_of",
    "forms_of", "messages_of", "plan_names", "whole_number",
]  # fmt: skip

#: Keys of the data, messages and callbacks that a page shows: the last ones.
MOST_KEYS = 200
MOST_ROWS = 100
_MOST_PEOPLE = 20
#: Checkpoints and child runs of one page of these.
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """Show a place: the step that led there, and the action that is next, where one is."""

    ordinal: int
    action: str
    state: str | None
    at: SafeString | str
    is_place: bool
    following: str


def checkpoints_of(run: Run, *, before: int | None) -> tuple[list[CheckpointRow], int | None]:
    """Return the latest places of a run, or those before one, and from where on there are more."""
    rows = Checkpoint.objects.filter(run_id=run.pk)
    if before is not None:
        rows = rows.filter(ordinal__lt=before)
    found = list(rows.order_by("-ordinal").defer("context")[: PAGE_SIZE + 1])
    shown = [_checkpoint(row) for row in found[:PAGE_SIZE]]
    return shown, shown[-1].ordinal if len(found) > PAGE_SIZE else None


def children_of(request: HttpRequest, run: Run, *, page: int) -> dict[str, Any]:
    """Return a page of the runs that a run has spread its work over, with links."""
    pages: Paginator[Run] = Paginator(_children(run), PAGE_SIZE)
    shown: Page[Run] = pages.get_page(page)
    rows = [
        (
            link_to(request, model="processes.run", pk=child.pk, text=child.root.title or child.pk),
            badge(child.status),
            moment(child.created_at),
            moment(child.finished_at),
        )
        for child in shown.object_list
    ]
    return {"children": rows, "children_page": shown, "children_count": pages.count}


def data_of(run: Run) -> dict[str, Any]:
    """Return the data as they are now, in which no token can be read."""
    data = StoredData.load(run.pk)[1]
    return {
        "values": [(key, shown_json(value)) for key, value in sorted(data.items())[:MOST_KEYS]],
        "values_left": max(0, len(data) - MOST_KEYS),
    }


def messages_of(run: Run) -> list[dict[str, Any]]:
    """Return what the run was told last, and what became of that."""
    return [
        {
            "pk": item.pk,
            "kind": MESSAGE_WORDS.get(item.kind, item.kind),
            "payload": shown_json(item.payload),
            "came": moment(item.created_at),
            "taken": moment(item.taken_at),
            "result": result_text(item.result),
            "is_refused_edit": item.kind == "edit" and isinstance(item.result, dict) and "refused" in item.result,
        }
        for item in InboxItem.objects.filter(run=run).order_by("-id")[:MOST_ROWS]
    ]


def callbacks_of(request: HttpRequest, run: Run) -> list[tuple[Any, Any, uuid.UUID]]:
    """Return the latest callbacks, with links."""
    return [
        (
            link_to(request, model="processes.callback", pk=row.pk, text=row.action),
            badge(row.status, words=CALLBACK_WORDS),
            row.pk,
        )
        for row in Callback.objects.filter(run=run).order_by("-created_at")[:MOST_ROWS]
    ]


def forms_of(run: Run) -> list[tuple[str, str, Any, Any, Any]]:
    """Return the latest forms: title, who may answer, since when and until when it waits, and what came of it."""
    rows = RunForm.objects.filter(run=run).prefetch_related("audience__user", "audience__group")
    return [
        (form.title, _people(form), moment(form.opened_at), moment(form.until), _outcome(form))
        for form in rows[:MOST_ROWS]
    ]


def executions_of(request: HttpRequest, run: Run) -> list[tuple[str, SafeString | str]]:
    """Return links to the executions before and after this one, and to the run that it is a part of."""
    found: list[tuple[str, SafeString | str]] = []
    if run.fan_out is not None:
        found.append((_("Part of"), _run_link(request, run.fan_out.run_id)))
    if run.previous_id is not None:
        found.append((_("Goes on for"), _run_link(request, run.previous_id)))
    following = Run.objects.filter(previous_id=run.pk).values_list("pk", flat=True).first()
    if following is not None:
        found.append((_("Goes on as"), _run_link(request, following)))
    return found


def audit_address(request: HttpRequest, run: Run, *, site: str) -> str:
    """Return where the audit log tells what was done with a run; empty for who may not read it."""
    if not request.user.has_perm("processes.view_auditentry"):
        return ""
    return f"{reverse('admin:processes_auditentry_changelist', current_app=site)}?q={run.pk}"


def plan_names(template: ProcessTemplate | None, hashes: Sequence[str]) -> dict[str, str]:
    """Return what plans are called: by the version of the template that has each, else by the hash."""
    numbers: dict[str, int] = {}
    if template is not None:
        rows = TemplateVersion.objects.filter(template=template, plan_id__in=hashes).order_by("number")
        numbers = {str(plan): number for plan, number in rows.values_list("plan_id", "number")}
    names = {}
    for plan in hashes:
        number = numbers.get(plan)
        names[plan] = plan[:12] if number is None else _("version %(number)d") % {"number": number}
    return names


def whole_number(text: str | None, *, default: int | None = None) -> int | None:
    """Return a number from an address; the default for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return default
    return int(text)


def _people(form: RunForm) -> str:
    people = [_audience(row) for row in form.audience.all()]
    return ", ".join(people[:_MOST_PEOPLE]) + (" …" if len(people) > _MOST_PEOPLE else "") or "–"


def _audience(row: RunFormAudience) -> str:
    if row.user is not None:
        return row.user.get_username()
    if row.group is not None:
        return _("the group %(name)s") % {"name": row.group.name}
    return _("all staff") if row.is_staff else _("not signed in")


def _outcome(form: RunForm) -> Any:
    if form.closed_at is None:
        return badge("waiting")
    if form.outcome == FormOutcome.ANSWERED:
        return _("answered by %(by)s") % {"by": form.answered_name or _("somebody who isn't signed in")}
    return form.get_outcome_display()


def _children(run: Run) -> "QuerySet[Run]":
    rows = Run.objects.filter(fan_out__run=run).select_related("root").order_by("fan_out_id", "first_index", "pk")
    return rows.defer("cursor", "attributes", "request", "response", "origin", "error")


def _run_link(request: HttpRequest, pk: uuid.UUID) -> SafeString | str:
    return link_to(request, model="processes.run", pk=pk, text=pk)


def _checkpoint(row: Checkpoint) -> CheckpointRow:
    place = is_place(row.cursor)
    return CheckpointRow(
        ordinal=row.ordinal,
        action=row.action,
        state=row.state,
        at=moment(row.created_at),
        is_place=place,
        following=row.cursor["frames"][-1]["action"] if place else "",
    )
