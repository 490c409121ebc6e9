"""Move a run to the plan that is in force now, and back, after a forecast."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.runs.deeds.page import DeedPage, Refusal, RunsAdmin, go_back, refusal_of, render
from processes.admin.runs.page import plan_names
from processes.admin.runs.words import misfit_text, reason_text
from processes.domain.deeds import Deed
from processes.models import Run
from processes.services.errors import NotControllableError
from processes.services.moving import forecast_move, move_run, undo_move

__all__ = ["MOVE", "UNDO"]


def _answer(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
    undo = page.deed is Deed.UNDO
    refusal = None
    if request.method == "POST":
        try:
            (undo_move if undo else move_run)(run_id=run.pk, user=request.user)
        except NotControllableError as error:
            refusal = refusal_of(error, model_admin)
        else:
            told = _("It is to move at its next action boundary; what became of that stands in its inbox.")
            return go_back(request, model_admin, run.pk, told)
    try:
        forecast = forecast_move(run_id=run.pk, user=request.user, undo=undo)
    except NotControllableError as error:
        return render(
            request, run, model_admin, page, template="move", refusal=refusal or refusal_of(error, model_admin)
        )
    names = plan_names(run.template, [forecast.plan, forecast.to])
    context = {
        "was": (names[forecast.plan], forecast.plan),
        "to": (names[forecast.to], forecast.to),
        "misfits": [misfit_text(misfit) for misfit in forecast.misfits],
    }
    if not forecast.fits and refusal is None:
        refusal = Refusal(reason="misfit", text=f"{reason_text('misfit').capitalize()}.")
    return render(request, run, model_admin, page, template="move", context=context, refusal=refusal)


MOVE = DeedPage(
    deed=Deed.MOVE,
    button=gettext_lazy("Move to the newest plan"),
    explanation=gettext_lazy(
        "It goes on by the plan that a new run would begin with now, at the action where it is. Its sub processes move "
        "along. Whether that fits is asked again by the run itself, at its next action boundary."
    ),
    answer=_answer,
)
UNDO = DeedPage(
    deed=Deed.UNDO,
    button=gettext_lazy("Undo the move"),
    explanation=gettext_lazy(
        "It goes on by the plan that it had before it was last moved, also if it went on meanwhile, as long as it fits."
    ),
    answer=_answer,
)
