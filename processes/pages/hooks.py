"""The address at which other systems start processes. It knows no session and no CSRF: a signature says who sends."""

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from processes.domain.signatures import Delivery
from processes.errors import ProcessError
from processes.pages.errors import status_of
from processes.pages.uploads import declared_bytes
from processes.services.errors import HookBusyError
from processes.services.hooks import max_bytes, receive, too_large

__all__ = ["hook"]


@csrf_exempt
def hook(request: HttpRequest, trigger_id: uuid.UUID) -> HttpResponse:
    """Take a delivery: 202 with the id of the run that it has started, now or when it came before."""
    response = _answer(request, trigger_id)
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest, trigger_id: uuid.UUID) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        headers = {name.lower(): value for name, value in request.headers.items()}
        receipt = receive(trigger_id=trigger_id, delivery=Delivery(headers=headers, body=_body(request)))
    except ProcessError as error:
        response = JsonResponse({"code": error.code, "message": error.message}, status=status_of(error))
        if isinstance(error, HookBusyError):
            response.headers["Retry-After"] = str(error.fields["retry_after_seconds"])
        return response
    return JsonResponse({"run": str(receipt.run_id), "repeated": receipt.is_repeated}, status=202)


def _body(request: HttpRequest) -> bytes:
    """Return the body; raises TooLargeError without having read more than is taken."""
    limit = max_bytes()
    # A body that the server has cut off says how long it was.
    if declared_bytes(request) > limit:
        raise too_large()
    try:
        body = request.read(limit + 1)
    except UnreadablePostError as error:
        raise ProcessError("The body didn't come.", code="bad_request") from error
    if len(body) > limit:
        raise too_large()
    return body
