"""Tell on whose behalf a request comes."""

from django.http import HttpRequest

from processes.models import ProcessInstance, ProcessTemplate
from processes.services.access import Caller
from tasks.services.access import FIRST_KEY, anonymous_key


def caller_of_request(
    request: HttpRequest,
    *,
    template: ProcessTemplate | None = None,
    instance: ProcessInstance | None = None,
    needs_session: bool = False,
) -> Caller:
    """Return the caller: the user, or the session of someone not signed in; and what they execute.

    A user also owns what they began in this session before they signed in. `needs_session` gives somebody not signed in
    a session if they have none yet, so that data can be kept for them.
    """
    template_id = template.pk if template is not None else None
    slug = template.slug if template is not None else ""
    instance_id = instance.pk if instance is not None else None
    if request.user.is_authenticated:
        begun_before = request.session.get(FIRST_KEY, "")
        return Caller(
            user_id=request.user.pk,
            session_key=begun_before,
            template_id=template_id,
            slug=slug,
            instance_id=instance_id,
        )
    if needs_session:
        if not request.session.session_key:
            request.session.create()
        if FIRST_KEY not in request.session:
            request.session[FIRST_KEY] = request.session.session_key
    return Caller(session_key=anonymous_key(request.session), template_id=template_id, slug=slug)
