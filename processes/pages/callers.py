"""Tell on whose behalf a request comes."""

from django.http import HttpRequest

from processes.models import ProcessTemplate
from processes.services.access import Caller


def caller_of_request(
    request: HttpRequest, *, template: ProcessTemplate | None = None, needs_session: bool = False
) -> Caller:
    """Return the caller: the user, or the session of someone not signed in.

    `needs_session` gives the latter a session if they have none yet, so that data can be kept for them.
    """
    template_id = template.pk if template is not None else None
    slug = template.slug if template is not None else ""
    if request.user.is_authenticated:
        return Caller(user_id=request.user.pk, template_id=template_id, slug=slug)
    if needs_session and not request.session.session_key:
        request.session.create()
    return Caller(session_key=request.session.session_key or "", template_id=template_id, slug=slug)
