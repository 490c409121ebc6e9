"""Take a run away as a file: all that is known of it, or a test."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from processes.admin.runs.deeds.page import Answer, DeedPage, RunsAdmin, refusal_of, render
from processes.domain.deeds import Deed
from processes.models import Run
from processes.services.access import User
from processes.services.errors import NotControllableError
from processes.services.exporting import export_run
from processes.services.saving import run_as_test
from tasks.api.streamed import StreamedText

__all__ = ["EXPORT", "TEST"]


def _gives(make: Callable[[Run, User], HttpResponseBase]) -> Answer:
    """Return a view that says what is in the file, and gives it when it is posted: it is written down who takes it."""

    def answer(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
        if request.method != "POST":
            return render(request, run, model_admin, page)
        try:
            return make(run, request.user)
        except NotControllableError as error:
            return render(request, run, model_admin, page, refusal=refusal_of(error, model_admin))

    return answer


def _export(run: Run, user: User) -> HttpResponseBase:
    response = StreamedText(export_run(run_id=run.pk, user=user), content_type="application/json")
    return _as_file(response, name=f"run-{run.pk}.json")


def _test(run: Run, user: User) -> HttpResponseBase:
    text = run_as_test(run_id=run.pk, user=user)
    response = HttpResponse(text, content_type="text/x-python; charset=utf-8")
    return _as_file(response, name=f"test_run_{run.pk.hex}.py")


def _as_file(response: HttpResponseBase, *, name: str) -> HttpResponseBase:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


EXPORT = DeedPage(
    deed=Deed.EXPORT,
    button=gettext_lazy("Export"),
    explanation=gettext_lazy(
        "You get one JSON file: how the run stands, its plans, its checkpoints, each version of its data, its messages "
        "and its whole log. There are no secrets in it, but all data of the process. That you took it is written down."
    ),
    answer=_gives(_export),
)
TEST = DeedPage(
    deed=Deed.TEST,
    button=gettext_lazy("Save as a test"),
    explanation=gettext_lazy(
        "You get a file for pytest, which lets this run go as it went, with the answers that it got, and compares how "
        "it ends. The data of the process are in it. That you took it is written down."
    ),
    answer=_gives(_test),
)
