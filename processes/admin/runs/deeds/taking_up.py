"""Take up a run that has ended: from the action that failed, or from any place where it has been."""

import uuid
from collections.abc import Callable
from typing import Any, Final, cast

from django import forms
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.runs.deeds.data_form import Conflict, DataForm, conflicts_of
from processes.admin.runs.deeds.page import DeedPage, Refusal, RunsAdmin, go_back, refusal_of, render
from processes.admin.runs.page import checkpoints_of, whole_number
from processes.admin.runs.words import effect_text, error_message
from processes.domain.deeds import Deed
from processes.domain.rewinding import Foresight, Obstacle, waiting_action
from processes.models import Checkpoint, Run
from processes.services.controlling import Known, preview_retry, preview_rewind, retry_run, rewind_run, told_obstacle
from processes.services.deeds import deeds_for
from processes.services.derivation import load_plan
from processes.services.errors import NotControllableError
from processes.services.moving import newest_plan
from processes.services.stored_data import StoredData

__all__ = ["RETRY", "REWIND"]

#: No place at all, to ask whether a run can be taken up anywhere before one is chosen.
_NOWHERE: Final = -1
_KNOWN = [
    (Known.NOTHING.value, gettext_lazy("Nothing more: it runs again")),
    (Known.NOT_DONE.value, gettext_lazy("It did nothing: it runs again, even if it must not be done twice")),
    (Known.DONE.value, gettext_lazy("It is done, by itself or by hand: the run goes on behind it")),
]


class _TakeUpForm(DataForm):
    """Ask under which plan it goes on, and with which data."""

    newest = forms.BooleanField(
        label=gettext_lazy("Go on by the plan that is in force now, instead of the one that it had"), required=False
    )

    def __init__(self, *args: Any, has_newer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_newer:
            del self.fields["newest"]


class _RetryForm(_TakeUpForm):
    """Ask besides what somebody has found out about the action that failed."""

    known = forms.ChoiceField(
        label=gettext_lazy("What is known of this action"),
        required=False,
        choices=_KNOWN,
        widget=forms.RadioSelect,
        initial=Known.NOTHING.value,
    )
    state = forms.CharField(
        label=gettext_lazy("State under which it is done"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Only where it is done: it decides where the run goes on. Empty for no state."),
        widget=forms.TextInput(attrs={"list": "run-states", "autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("known", "state", "newest", "values", "seen")

    def __init__(self, *args: Any, needs_to_know: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if needs_to_know:
            # What stands in the way isn't offered, and nothing is chosen: that it did nothing is to be found out first.
            known = cast(forms.ChoiceField, self.fields["known"])
            known.choices = [(value, label) for value, label in _KNOWN if value != Known.NOTHING.value]
            known.initial, known.required = None, True

    def clean(self) -> dict[str, Any]:
        """Refuse a state for what isn't done: it would be lost."""
        cleaned = super().clean()
        if cleaned.get("state") and cleaned.get("known") != Known.DONE.value:
            self.add_error("state", _("A state is for what is done: choose that above, or leave this empty."))
        return cleaned


def _retry(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
    try:
        foresight = preview_retry(run_id=run.pk, user=request.user)
    except NotControllableError as error:
        return render(request, run, model_admin, page, template="take_up", refusal=refusal_of(error, model_admin))
    form = _form(_RetryForm, request, run, foresight, needs_to_know=foresight.obstacle is Obstacle.ONCE)

    def act() -> uuid.UUID:
        values = form.cleaned_data
        known = Known(values["known"])
        return retry_run(
            run_id=run.pk,
            user=request.user,
            known=known,
            state=values["state"] or None if known is Known.DONE else None,
            edit=form.edit,
            newest=values.get("newest", False),
        )

    # Somebody may know that it did nothing, or is done already.
    is_offered = foresight.obstacle in (None, Obstacle.ONCE)
    return _take_up(request, run, model_admin, page, foresight=foresight, form=form, act=act, is_offered=is_offered)


def _rewind(request: HttpRequest, run: Run, model_admin: RunsAdmin, page: DeedPage) -> HttpResponseBase:
    given = request.GET.get("ordinal")
    ordinal = _NOWHERE if given is None else whole_number(given)
    if ordinal is None:
        raise Http404("There is no such place.")
    try:
        foresight = preview_rewind(run_id=run.pk, user=request.user, ordinal=ordinal)
    except NotControllableError as error:
        return render(request, run, model_admin, page, template="take_up", refusal=refusal_of(error, model_admin))
    if ordinal == _NOWHERE:
        rows, more = checkpoints_of(run, before=whole_number(request.GET.get("before")))
        context = {"checkpoints": rows, "more_before": more}
        return render(request, run, model_admin, page, template="places", context=context)
    form = _form(_TakeUpForm, request, run, foresight)

    def act() -> uuid.UUID:
        return rewind_run(
            run_id=run.pk,
            user=request.user,
            ordinal=ordinal,
            edit=form.edit,
            newest=form.cleaned_data.get("newest", False),
        )

    is_offered = foresight.obstacle is None
    return _take_up(request, run, model_admin, page, foresight=foresight, form=form, act=act, is_offered=is_offered)


def _take_up(
    request: HttpRequest,
    run: Run,
    model_admin: RunsAdmin,
    page: DeedPage,
    *,
    foresight: Foresight,
    form: _TakeUpForm,
    act: Callable[[], uuid.UUID],
    is_offered: bool,
) -> HttpResponseBase:
    refusal: Refusal | None = None
    conflicts: list[Conflict] = []
    if form.is_valid():
        try:
            new_id = act()
        except NotControllableError as error:
            refusal = refusal_of(error, model_admin)
            if refusal.reason == "changed":
                conflicts = conflicts_of(form, StoredData.load(run.pk, until=foresight.ordinal)[1], refusal.names)
            is_offered = is_offered and not refusal.following
        else:
            return go_back(request, model_admin, new_id, _("It goes on as this run."))
    elif foresight.obstacle is not None:
        refusal = Refusal(reason=foresight.obstacle.value, text=told_obstacle(foresight), names=list(foresight.names))
    action, states = _next_action(run, foresight)
    context = {
        "foresight": foresight,
        "again": [(again, effect_text(again.effect)) for again in foresight.again],
        "again_left": foresight.steps - sum(again.times for again in foresight.again),
        "action": action,
        "states": states,
        "form": form,
        "conflicts": conflicts,
        "is_offered": is_offered,
        "needs_to_know": page.deed is Deed.RETRY and foresight.obstacle is Obstacle.ONCE,
        "failed_with": error_message(run.error),
        "undoes": _undoes(run, foresight),
        "rewind_address": _rewind_address(run, model_admin) if page.deed is Deed.RETRY else "",
    }
    return render(
        request, run, model_admin, page, template="take_up", context=context, refusal=refusal, media=form.media
    )


def _form(
    kind: type[_TakeUpForm], request: HttpRequest, run: Run, foresight: Foresight, **options: bool
) -> _TakeUpForm:
    data = StoredData.load(run.pk, until=foresight.ordinal)[1]
    posted = request.POST if request.method == "POST" else None
    return kind(posted, current=data, has_newer=_has_newer(run, foresight), **options)


def _has_newer(run: Run, foresight: Foresight) -> bool:
    cursor = _cursor(run, foresight)
    try:
        return cursor is not None and bool(cursor["frames"]) and cursor["frames"][0]["plan"] != newest_plan(run)
    except NotControllableError:
        return False


def _next_action(run: Run, foresight: Foresight) -> tuple[str, list[str]]:
    """Return the action with which it goes on, and the states that its `next` knows."""
    cursor = _cursor(run, foresight)
    if cursor is None or foresight.obstacle is Obstacle.NO_PLACE:
        return "", []
    action = waiting_action(cursor, find_plan=load_plan)[1]
    return action.name, [state for state in action.next.states or () if state != "*"]


def _cursor(run: Run, foresight: Foresight) -> Any:
    rows = Checkpoint.objects.filter(run_id=run.pk, ordinal=foresight.ordinal)
    return rows.values_list("cursor", flat=True).first()


def _undoes(run: Run, foresight: Foresight) -> bool:
    """Tell whether it was undoing what it had done, and goes on with that."""
    cursor = _cursor(run, foresight)
    return cursor is not None and "cause" in cursor.get("compensation", {})


def _rewind_address(run: Run, model_admin: RunsAdmin) -> str:
    """Return where an earlier place is chosen: a retry doesn't mend what went wrong before the action that failed."""
    return REWIND.address(run.pk, model_admin.admin_site.name) if Deed.REWIND in deeds_for(run) else ""


RETRY = DeedPage(
    deed=Deed.RETRY,
    button=gettext_lazy("Retry"),
    explanation=gettext_lazy(
        "A new run goes on for this one, with the action that failed or was cut off; what that had changed of the data "
        "is forgotten. This one stays as it is."
    ),
    answer=_retry,
)
REWIND = DeedPage(
    deed=Deed.REWIND,
    button=gettext_lazy("Rewind"),
    explanation=gettext_lazy(
        "A new run goes on for this one from a place where it has been, with the data of then. This one stays as it is."
    ),
    answer=_rewind,
)
