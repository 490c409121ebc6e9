"""Publishing messages over HTTP, for those who may (docs/topics.md)."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from processes.api.answers import answers, bad_request, sent_object
from processes.errors import NotJsonError
from processes.services.topics import publish_as

__all__ = ["publish"]

KEY_HEADER = "Idempotency-Key"


@require_POST
@answers
def publish(request: HttpRequest, topic: str) -> HttpResponseBase:
    """Publish a message on a topic: 202, those who subscribed get it as soon as they can."""
    sent = sent_object(request, known={"payload", "key"})
    payload, key = sent.get("payload", {}), sent.get("key", "")
    if not isinstance(payload, dict) or not isinstance(key, str):
        raise bad_request('"payload" is an object and "key" a text: send {"payload": {"number": 7}, "key": "7"}.')
    try:
        published = publish_as(request.user, topic, payload, key=key or request.headers.get(KEY_HEADER, ""))
    except NotJsonError as error:
        raise bad_request(error.message) from None
    told = {"id": str(published.id), "topic": published.topic, "key": published.key, "repeated": published.repeated}
    return JsonResponse(told, status=202)
