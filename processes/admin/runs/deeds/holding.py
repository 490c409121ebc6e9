"""Pause a run, let it go on, cancel it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.runs.deeds.page import Answer, DeedPage, RunsAdmin, go_back, refusal_of, render
from processes.domain.deeds import Deed
from processes.models import Run
from processes.services.access import User
from processes.services.errors import NotControllableError
from processes.services.operators import cancel_run, pause_run, unpause_run
from tasks.domain.statuses import JobStatus

__all__ = ["CANCEL", "PAUSE", "UNPAUSE"]


def _asks(act: Callable[[Run, User], str]) -> Answer:
    """Return a view that asks, and does it when it is posted; `act` returns what is told then."""

    def answer(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
        if request.method != "POST":
            context = {"children": run.fan_outs.exists()} if page.deed is Deed.CANCEL else {}
            return render(request, run, model_admin, page, context=context)
        try:
            told = act(run, request.user)
        except NotControllableError as error:
            return render(request, run, model_admin, page, refusal=refusal_of(error, model_admin))
        return go_back(request, model_admin, run.pk, told)

    return answer


def _pause(run: Run, user: User) -> str:
    if not pause_run(run_id=run.pk, user=user):
        return _("It is to stand still already.")
    return _("It is to stand still: it does so before its next action.")


def _unpause(run: Run, user: User) -> str:
    unpause_run(run_id=run.pk, user=user)
    return _("It goes on.")


def _cancel(run: Run, user: User) -> str:
    if cancel_run(run_id=run.pk, user=user) is JobStatus.CANCELLED:
        return _("It is cancelled.")
    return _("It is asked to stop.")


PAUSE = DeedPage(
    deed=Deed.PAUSE,
    button=gettext_lazy("Pause"),
    explanation=gettext_lazy(
        "It stands still before its next action; an action that runs comes to its end. Meanwhile it holds no worker, "
        "and whatever comes is kept: reports, answers, timers, time limits. All of it takes effect when it goes on."
    ),
    answer=_asks(_pause),
)
UNPAUSE = DeedPage(
    deed=Deed.UNPAUSE,
    button=gettext_lazy("Go on"),
    explanation=gettext_lazy("It goes on where it stands still. What has come meanwhile takes effect now."),
    answer=_asks(_unpause),
)
CANCEL = DeedPage(
    deed=Deed.CANCEL,
    button=gettext_lazy("Cancel the run"),
    explanation=gettext_lazy(
        "What waits ends at once; what is at work is asked to stop. So is what it has started, unless that was started "
        "to go on alone. What was done is undone first, where something does that. It can be taken up again later."
    ),
    answer=_asks(_cancel),
    is_grave=True,
)
