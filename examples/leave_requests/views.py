"""The team's own pages: a list, a form, and the page of a request with what its process offers."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from examples.leave_requests.forms import LeaveRequestForm
from examples.leave_requests.models import LeaveRequest
from processes.errors import ProcessError

_ROWS = 50


@never_cache
@login_required
@require_safe
def requests(request: HttpRequest) -> HttpResponse:
    """List what waits for the visitor, and what they may see."""
    rows = LeaveRequest.objects.with_process().select_related("kind", "employee", "department")
    context = {
        "waiting": rows.waiting_for(request.user)[:_ROWS],
        "visible": rows.for_user(request.user)[:_ROWS],
    }
    return render(request, "leave_requests/list.html", context)


@never_cache
@login_required
def new_request(request: HttpRequest) -> HttpResponse:
    """Ask for a leave; saving it gives it its process."""
    assert request.user.is_authenticated
    leave = LeaveRequest(employee=request.user)
    form = LeaveRequestForm(request.POST or None, instance=leave)
    if request.method == "POST" and form.is_valid():
        try:
            return HttpResponseRedirect(form.save().get_absolute_url(), status=303)
        except ProcessError as error:
            # Nothing is stored: the process isn't there, or doesn't begin with this.
            form.add_error(None, error.message)
    return render(request, "leave_requests/new.html", {"form": form}, status=422 if form.errors else 200)


@never_cache
@login_required
@require_safe
def leave_request(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a request to those who may open it."""
    rows = LeaveRequest.objects.with_process().select_related("kind", "employee", "department")
    found = rows.for_user(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    return render(request, "leave_requests/request.html", {"leave": found, "booked": found.booked.all()})
