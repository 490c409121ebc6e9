"""Which files a request's sender may have: by the pages, and by the API."""

import uuid

from django.http import HttpRequest

from processes.models import StoredFile
from processes.pages.callers import caller_of_request
from processes.pages.sent_forms import visitor_of
from processes.services.errors import FileMissingError
from processes.services.files import find_file
from processes.services.form_files import find_shown_file
from processes.services.instance_files import find_instance_file

__all__ = ["visible_file"]


def visible_file(request: HttpRequest, file_id: uuid.UUID) -> StoredFile:
    """Return a file to its owner, to whoever may open the instance that it belongs to, or is asked by a form.

    Staff who may view files get each. Raises FileMissingError for all others.
    """
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
