"""The task scripts of the process leave-request, and the role that its status rules name."""

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from examples.leave_requests.models import LeaveDay, LeaveRequest
from processes.domain.application import Application
from processes.errors import PermanentError
from processes.registry import role, task_script
from processes.services.driven import object_of
from tasks import progress


def _managed_by(user: Any) -> Q:
    return Q(leave_requests_leaverequest__department__manager=user.pk)


@role("manager of the department", filter=_managed_by)
def manages_the_department(user: Any, instance: Any) -> bool:
    """Tell whether a user manages the department of the request that an instance belongs to."""
    return LeaveRequest.objects.filter(instance=instance, department__manager=user.pk).exists()


@task_script(
    "leave_request_show",
    effect="pure",
    errors={"not_a_request": "the process is executed for something that is no leave request"},
)
def leave_request_show(app: Application) -> None:
    """Lead to the page of the request, and where there is none yet, to the form that makes one."""
    # Whoever starts the process from the home page has no request so far.
    address = reverse("leave_requests:new") if object_of(app) is None else _request(app).get_absolute_url()
    app.response.clear()
    app.response.redirect = address


@task_script(
    "leave_request_book",
    errors={"not_a_request": "the process is executed without a leave request: it can't be started by itself"},
)
def leave_request_book(app: Application) -> None:
    """Put each day of the request into the calendar; a day that is there already stays as it is."""
    request = _request(app)
    days = request.days()
    progress(current=0, total=len(days))
    for number, day in enumerate(days, start=1):
        app.check_cancelled()
        LeaveDay.objects.get_or_create(request=request, day=day)
        progress(current=number, message=f"{day:%Y-%m-%d}")
    told = ngettext("%(count)d day booked", "%(count)d days booked", len(days)) % {"count": len(days)}
    progress(message=told)
    app.data["booked"] = len(days)


def _request(app: Application) -> LeaveRequest:
    found = object_of(app)
    if not isinstance(found, LeaveRequest):
        raise PermanentError(_("This process belongs to a leave request."), code="not_a_request")
    return found
