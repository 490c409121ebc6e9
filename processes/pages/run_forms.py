"""The pages of forms at which durable runs wait: those that wait for the visitor, and each form by its reference.

A form is validated, shown again and kept as one of a page is (processes.pages.posting); what its buttons do is read
from the definition that the run holds. Who may come here decides `processes.services.form_audience`.
"""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from processes.errors import ProcessError
from processes.pages.errors import error_response
from processes.pages.forms import ProcessForm
from processes.pages.paging import leafing, page_number
from processes.pages.process import check_size, errors_as_pages
from processes.pages.rendering import form_page
from processes.pages.sent_forms import Took, form_to_show, sent_form, take, visitor_of
from processes.pages.unsaved import unsaved_texts
from processes.services.errors import FormClosedError
from processes.services.form_answers import Waiting, waiting_form
from processes.services.indicators import progress_url
from processes.services.operators import PAUSED
from processes.services.run_forms import check_open, form_instead, forms_for
from tasks.errors import TasksError
from tasks.services.access import find_root, viewer_of

__all__ = ["run_form_page", "waiting_forms"]

#: How many forms a page of the list shows.
PAGE_ROWS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """Hold a form that was sent."""

    request: HttpRequest
    waiting: Waiting
    form: ProcessForm


@never_cache
@require_safe
@errors_as_pages
def waiting_forms(request: HttpRequest) -> HttpResponse:
    """Show the forms that wait for the visitor, page by page."""
    number = page_number(request)
    first = (number - 1) * PAGE_ROWS
    rows = list(forms_for(visitor_of(request))[first : first + PAGE_ROWS + 1])
    context = {"forms": rows[:PAGE_ROWS], **leafing(number, has_more=len(rows) > PAGE_ROWS)}
    return render(request, "processes/run_forms.html", context)


@csrf_exempt  # The size is checked before anything reads the body; _protected checks the token.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def run_form_page(request: HttpRequest, reference: str) -> HttpResponseBase:
    """Show a form at which a run waits, and take its answer: of whoever may give it."""
    check_size(request)
    return _protected(request, reference=reference)


@csrf_protect
def _protected(request: HttpRequest, *, reference: str) -> HttpResponseBase:
    waiting = waiting_form(reference, visitor=visitor_of(request))
    is_sent = request.method == "POST"
    form = sent_form(waiting, posted=request.POST, files=request.FILES) if is_sent else form_to_show(waiting)
    sent = _Sent(request=request, waiting=waiting, form=form)
    try:
        check_open(waiting.row, visitor=waiting.visitor)
        return _take(sent) if is_sent else _show(sent)
    except FormClosedError as error:
        return _closed(sent, error)
    except (ProcessError, TasksError) as error:
        return error_response(request, error, back=_address(waiting))


def _take(sent: _Sent) -> HttpResponseBase:
    request, waiting = sent.request, sent.waiting
    match take(waiting, sent.form, button=request.POST.get("button", ""), how="form"):
        case Took.KEPT:
            messages.success(request, _("Draft saved."))
            return _see_other(_address(waiting))
        case Took.REFUSED:
            return _show(sent, status=422)
    if (waiting.run.waiting_for or {}).get("code") == PAUSED:
        messages.success(request, _("Your answer was taken. The work is paused, and goes on with it later."))
    else:
        messages.success(request, _("Your answer was taken."))
    return _see_other(_work_address(sent) or reverse("processes:run-forms"))


def _show(sent: _Sent, *, status: int = 200) -> HttpResponse:
    waiting = sent.waiting
    context = {
        "process": waiting.run.template,
        "title": waiting.row.title,
        "hidden": {},
        "process_url": "",
        "form_url": _address(waiting),
        "form_address": _address(waiting),
        "asked": {"row": waiting.row, "work": waiting.run.root.title, "url": _work_address(sent)},
    }
    return form_page(sent.request, waiting.config, sent.form, data=waiting.data, context=context, status=status)


def _closed(sent: _Sent, error: FormClosedError) -> HttpResponse:
    """Say what has become of a form, and show what was typed into it and isn't taken."""
    unsaved = []
    if sent.request.method == "POST":
        unsaved = unsaved_texts(sent.waiting.config, typed=sent.form.entered(), known=sent.waiting.data)
    ways = [(reverse("processes:run-forms"), _("Forms that wait for you"))]
    if address := _work_address(sent):
        ways.insert(0, (address, _("See how the work is going")))
    instead = form_instead(sent.waiting.row, visitor=sent.waiting.visitor)
    if instead is not None:
        address = reverse("processes:run-form", kwargs={"reference": instead.reference})
        ways.insert(0, (address, _("See this step as it stands now")))
    return error_response(sent.request, error, unsaved=unsaved, ways=ways)


def _work_address(sent: _Sent) -> str:
    """Return the progress page of the run, or of the one whose part it is; empty where the visitor may see neither."""
    viewer = viewer_of(user=sent.request.user, session=sent.request.session)
    run = sent.waiting.run
    for root_id in dict.fromkeys([run.lent_to or run.pk, run.pk]):
        try:
            find_root(viewer, root_id)
        except TasksError:
            continue
        return progress_url(root_id)
    return ""


def _address(waiting: Waiting) -> str:
    return reverse("processes:run-form", kwargs={"reference": waiting.row.reference})


def _see_other(url: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(url, status=303)
