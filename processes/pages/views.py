"""The small pages: downloads, and throwing drafts away."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from processes.pages.callers import caller_of_request
from processes.pages.downloads import file_response
from processes.pages.process import errors_as_pages
from processes.pages.visible_files import visible_file
from processes.services.drafts import discard_draft


@require_safe
@errors_as_pages
def download(request: HttpRequest, file_id: uuid.UUID) -> HttpResponseBase:
    """Send a stored file to its owner, to whoever may open the instance that it belongs to, or is asked by a form.

    Staff who may view files get each.
    """
    return file_response(visible_file(request, file_id), request=request)


@require_POST
@errors_as_pages
def discard(request: HttpRequest, reference: str) -> HttpResponseBase:
    """Throw a draft of the visitor's away, and lead back to the home page."""
    discard_draft(caller_of_request(request), reference)
    messages.success(request, _("Draft discarded."))
    return HttpResponseRedirect(reverse("processes:home"), status=303)
