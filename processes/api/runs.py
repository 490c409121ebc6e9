"""Background runs over HTTP, for those who may control them: how they stand, and taking them up again.

Everything here is for staff with the permission `processes.control_run`; for everybody else there is no such run.
"""

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from processes.api.answers import answers, bad_request, edit_from, edit_of, flag_of, sent_object
from processes.domain.json_values import JSON
from processes.domain.rewinding import Foresight, is_place
from processes.models import Checkpoint, Run
from processes.services.access import find_run
from processes.services.controlling import (
    Known,
    preview_retry,
    preview_rewind,
    retry_run,
    rewind_run,
    told_obstacle,
)
from processes.services.executions import next_execution
from processes.services.exporting import export_run
from processes.services.inbox import CONTROLS
from processes.services.indicators import progress_url
from processes.services.operators import cancel_run, edit_run, pause_run, unpause_run
from processes.services.saving import run_as_test
from processes.services.standing import why_waiting
from processes.services.stored_data import StoredData
from tasks.api.streamed import StreamedText
from tasks.errors import TaskNotFound

#: How many checkpoints are listed at once.
MOST_CHECKPOINTS = 200


@require_GET
@answers
def run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Return how a run stands, and why it doesn't move where it doesn't."""
    found = find_run(run_id, user=request.user)
    why = why_waiting(found)
    return JsonResponse({**_run(found), "why": None if why is None else why.to_json()})


@require_GET
@answers
def checkpoints(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Return the places where a run has been, latest first; `before` pages on (docs/control.md)."""
    found = find_run(run_id, user=request.user)
    rows = Checkpoint.objects.filter(run_id=found.pk)
    if (before := request.GET.get("before")) is not None:
        rows = rows.filter(ordinal__lt=_ordinal(before))
    page = list(rows.order_by("-ordinal")[: MOST_CHECKPOINTS + 1])
    return JsonResponse(
        {"checkpoints": [_checkpoint(row) for row in page[:MOST_CHECKPOINTS]], "more": len(page) > MOST_CHECKPOINTS}
    )


@require_POST
@answers
def export(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Return all that is known of a run, as a file; a POST, since it is written down who takes it away."""
    response = StreamedText(export_run(run_id=run_id, user=request.user), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="run-{run_id}.json"'
    return response


@require_POST
@answers
def as_test(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Return a file for pytest that lets a run go as it went."""
    response = HttpResponse(run_as_test(run_id=run_id, user=request.user), content_type="text/x-python; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="test_run_{run_id.hex}.py"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def data(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Return a run's data, as they are or as they were at the place `ordinal`; a POST edits those of a live run."""
    if request.method == "POST":
        edit = edit_from(sent_object(request, known={"set", "remove", "seen"}))
        number = edit_run(run_id=run_id, user=request.user, edit=edit)
        url = reverse("processes-api:message", kwargs={"run_id": run_id, "number": number})
        return JsonResponse({"message": number, "url": url}, status=202)
    found = find_run(run_id, user=request.user)
    until = request.GET.get("ordinal")
    _, values = StoredData.load(found.pk, until=None if until is None else _ordinal(until))
    return JsonResponse({"data": values})


@require_GET
@answers
def message(request: HttpRequest, run_id: uuid.UUID, number: int) -> HttpResponseBase:
    """Return what has become of something that was said to a run; `result` is null until the run has heard it."""
    item = find_run(run_id, user=request.user).inbox.filter(pk=number, kind__in=CONTROLS).first()
    if item is None:
        raise TaskNotFound
    return JsonResponse({"message": item.pk, "kind": item.kind, "result": item.result})


@require_POST
@answers
def pause(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Let a run stand still from its next action boundary on: 202, or 200 where it is to do so already."""
    is_new = pause_run(run_id=run_id, user=request.user)
    return JsonResponse({"id": str(run_id)}, status=202 if is_new else 200)


@require_POST
@answers
def unpause(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Let a run go on that was paused: 202."""
    unpause_run(run_id=run_id, user=request.user)
    return JsonResponse({"id": str(run_id)}, status=202)


@require_POST
@answers
def cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Cancel a run, and what it has started: 202 with the status of its task, which tells whether it has ended."""
    status = cancel_run(run_id=run_id, user=request.user)
    return JsonResponse({"id": str(run_id), "status": status.value}, status=202)


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def retry(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Take a run up at the action that failed; a GET tells what that would do."""
    if request.method != "POST":
        return JsonResponse(_foresight(preview_retry(run_id=run_id, user=request.user)))
    sent = sent_object(request, known={"known", "state", "edit", "newest"})
    state = sent.get("state")
    if state is not None and not isinstance(state, str):
        raise bad_request('"state" is a text.')
    try:
        known = Known(sent.get("known", ""))
    except ValueError:
        raise bad_request('"known" is "not_done", "done", or left out.') from None
    new_id = retry_run(
        run_id=run_id, user=request.user, known=known, state=state, edit=edit_of(sent), newest=flag_of(sent, "newest")
    )
    return _opened(new_id)


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def rewind(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Take a run up at the place `ordinal`; a GET tells what that would do again."""
    if request.method != "POST":
        ordinal = _ordinal(request.GET.get("ordinal"))
        return JsonResponse(_foresight(preview_rewind(run_id=run_id, user=request.user, ordinal=ordinal)))
    sent = sent_object(request, known={"ordinal", "edit", "newest"})
    new_id = rewind_run(
        run_id=run_id,
        user=request.user,
        ordinal=_ordinal(sent.get("ordinal")),
        edit=edit_of(sent),
        newest=flag_of(sent, "newest"),
    )
    return _opened(new_id)


def _run(found: Run) -> dict[str, JSON]:
    following = next_execution(found)
    return {
        "id": str(found.pk),
        "status": found.status,
        "title": found.root.title,
        "template": None if found.template is None else found.template.slug,
        "plan": found.plan_id,
        "error": found.error,
        "paused": found.paused,
        "created_at": found.created_at.isoformat(),
        "finished_at": None if found.finished_at is None else found.finished_at.isoformat(),
        "previous": None if found.previous_id is None else str(found.previous_id),
        "next": None if following is None else str(following),
    }


def _checkpoint(row: Checkpoint) -> dict[str, JSON]:
    return {
        "ordinal": row.ordinal,
        "action": row.action,
        "state": row.state,
        "at": row.created_at.isoformat(),
        "is_place": is_place(row.cursor),
        "next": row.cursor["frames"][-1]["action"] if is_place(row.cursor) else None,
    }


def _foresight(foresight: Foresight) -> dict[str, JSON]:
    return {
        "ordinal": foresight.ordinal,
        "offered": foresight.obstacle is None,
        "refused": told_obstacle(foresight),
        "reason": foresight.obstacle,
        "names": list(foresight.names),
        "steps": foresight.steps,
        "again": [again.to_json() for again in foresight.again],
    }


def _opened(run_id: uuid.UUID) -> JsonResponse:
    return JsonResponse({"id": str(run_id), "url": progress_url(run_id)}, status=201)


def _ordinal(given: object) -> int:
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise bad_request('"ordinal" is the number of a checkpoint.')
    return int(text)
