"""Moving runs to the plan that is in force now, over HTTP."""

import uuid

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from processes.api.answers import answers, flag_of, sent_object
from processes.models import ProcessTemplate
from processes.services.errors import TemplateNotFoundError
from processes.services.moving import forecast_moves, move_run, move_runs, undo_move


@require_POST
@answers
def move(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Move a run to the plan that is in force now, or, with `undo`, back to the one that it had before: 202."""
    undo = flag_of(sent_object(request, known={"undo"}), "undo")
    number = (undo_move if undo else move_run)(run_id=run_id, user=request.user)
    url = reverse("processes-api:message", kwargs={"run_id": run_id, "number": number})
    return JsonResponse({"message": number, "url": url}, status=202)


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def moves(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Forecast which runs of a process fit what is published now; a POST moves those that do: 202."""
    template = ProcessTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise TemplateNotFoundError("There is no such process.")
    if request.method != "POST":
        forecasts, more = forecast_moves(template=template, user=request.user)
        return JsonResponse({"runs": [forecast.to_json() for forecast in forecasts], "more": more})
    moving, left, more = move_runs(template=template, user=request.user)
    told = {"moved": [str(run_id) for run_id in moving], "left": [item.to_json() for item in left], "more": more}
    return JsonResponse(told, status=202)
