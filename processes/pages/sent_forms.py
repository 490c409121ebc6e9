"""Take the form of a durable run that somebody has sent: what the pressed button is for, on a page as over HTTP."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from django.http import HttpRequest, QueryDict

from processes.pages.callers import caller_of_request
from processes.pages.forms import ProcessForm, build_form
from processes.services.form_answers import Waiting, answer_form_of_run, keep_typed
from processes.services.run_forms import Visitor

__all__ = ["Took", "form_to_show", "sent_form", "take", "visitor_of"]


class Took(Enum):
    """Say what has become of a form that was sent."""

    #: What was typed is kept, and the run waits on.
    KEPT = auto()
    #: Something is wrong with it; what was typed is kept, too.
    REFUSED = auto()
    ANSWERED = auto()


def visitor_of(request: HttpRequest) -> Visitor:
    """Return who makes a request."""
    return Visitor.of(request.user, caller_of_request(request))


def form_to_show(waiting: Waiting) -> ProcessForm:
    """Return the form as its visitor finds it: with what they had typed, else with what the run's data hold."""
    return build_form(waiting.config, data=waiting.data, entered=waiting.entered, user=waiting.visitor.user)


def sent_form(waiting: Waiting, *, posted: QueryDict, files: Mapping[str, Any]) -> ProcessForm:
    """Return the form with what was sent."""
    return build_form(
        waiting.config,
        data=waiting.data,
        entered=waiting.entered,
        posted=posted,
        files=files,
        user=waiting.visitor.user,
    )


def take(waiting: Waiting, form: ProcessForm, *, button: str, how: str) -> Took:
    """Do what a button is for, which the definition says; raises what `answer_form_of_run` does.

    Back keeps what was typed, and leads to an earlier form, where the run waits then.
    """
    pressed = waiting.config.button(button)
    if pressed.does == "draft":
        keep_typed(waiting, form.entered())
        return Took.KEPT
    if pressed.does == "submit" and not form.is_valid():
        form.show_kept(keep_typed(waiting, form.entered()))
        return Took.REFUSED
    if pressed.does == "back":
        keep_typed(waiting, form.entered())
    values = form.cleaned_data if pressed.does == "submit" else None
    answer_form_of_run(waiting, button=pressed, values=values, how=how)
    return Took.ANSWERED
