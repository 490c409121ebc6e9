"""The small pages: downloads, and throwing drafts away."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from processes.models import StoredFile
from processes.pages.callers import caller_of_request
from processes.pages.downloads import file_response
from processes.pages.process import errors_as_pages
from processes.pages.sent_forms import visitor_of
from processes.services.drafts import discard_draft
from processes.services.errors import FileMissingError
from processes.services.files import find_file
from processes.services.form_files import find_shown_file
from processes.services.instance_files import find_instance_file


@require_safe
@errors_as_pages
def download(request: HttpRequest, file_id: uuid.UUID) -> HttpResponseBase:
    """Send a stored file to its owner, to whoever may open the instance that it belongs to, or is asked by a form.

    Staff who may view files get each.
    """
    return file_response(_visible_file(request, file_id), request=request)


@require_POST
@errors_as_pages
def discard(request: HttpRequest, reference: str) -> HttpResponseBase:
    """Throw a draft of the visitor's away, and lead back to the home page."""
    discard_draft(caller_of_request(request), reference)
    messages.success(request, _("Draft discarded."))
    return HttpResponseRedirect(reverse("processes:home"), status=303)


def _visible_file(request: HttpRequest, file_id: uuid.UUID) -> StoredFile:
    user = request.user
    if user.is_active and user.is_staff and user.has_perm("processes.view_storedfile"):
        return find_file(file_id)
    try:
        return find_file(file_id, caller=caller_of_request(request))
    except FileMissingError:
        shown = find_instance_file(file_id, user=user) or find_shown_file(file_id, visitor=visitor_of(request))
        if shown is None:
            raise
        return shown
