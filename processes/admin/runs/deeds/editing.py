"""Edit the data of a run that is alive."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.runs.deeds.data_form import Conflict, DataForm, conflicts_of, editable
from processes.admin.runs.deeds.page import DeedPage, Refusal, RunsAdmin, go_back, refusal_of, render
from processes.admin.runs.page import whole_number
from processes.domain.data_edit import DataEdit
from processes.domain.deeds import Deed
from processes.domain.json_values import JSON
from processes.models import Run
from processes.services.errors import NotControllableError
from processes.services.inbox import EDIT as EDIT_MESSAGE
from processes.services.operators import edit_run
from processes.services.stored_data import StoredData

__all__ = ["EDIT"]


class _EditForm(DataForm):
    must_change = True


def _answer(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
    data = StoredData.load(run.pk)[1]
    form = _EditForm(
        request.POST if request.method == "POST" else None, current=data, typed=_proposed(request, run, data)
    )
    refusal: Refusal | None = None
    conflicts: list[Conflict] = []
    if form.is_valid() and form.edit is not None:
        try:
            edit_run(run_id=run.pk, user=request.user, edit=form.edit)
        except NotControllableError as error:
            refusal = refusal_of(error, model_admin)
            if refusal.reason == "changed":
                conflicts = conflicts_of(form, StoredData.load(run.pk)[1], refusal.names)
        else:
            told = _("The data are to change at its next action boundary; what became of that stands in its inbox.")
            return go_back(request, model_admin, run.pk, told)
    elif run.root.closed:
        refusal = Refusal(
            reason="ended", text=_("This run has ended already. Its data are edited as it is taken up again.")
        )
    context: dict[str, Any] = {"form": form, "conflicts": conflicts, "is_offered": refusal is None or bool(conflicts)}
    return render(request, run, model_admin, page, template="edit", context=context, refusal=refusal, media=form.media)


def _proposed(request: HttpRequest, run: Run, data: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """Return the data with an edit on top that the run has refused, where the address names its message."""
    number = whole_number(request.GET.get("message"))
    item = None if number is None else run.inbox.filter(pk=number, kind=EDIT_MESSAGE).first()
    if item is None:
        return None
    shown, _left = editable(data)
    DataEdit.from_json(item.payload["edit"]).apply(shown)
    return shown


EDIT = DeedPage(
    deed=Deed.EDIT,
    button=gettext_lazy("Edit the data"),
    explanation=gettext_lazy(
        "The run takes the change over at its next action boundary: at once where it waits. It is refused where "
        "somebody, or the run itself, has changed the same keys since you saw them."
    ),
    answer=_answer,
)
