"""Publishing messages over HTTP, for those who may (docs/topics.md)."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IDEMPOTENCY_KEY, ApiView
from processes.api.bodies import Object, Sent, Text, bad_request, sent
from processes.errors import NotJsonError
from processes.services.topics import publish_as
from tasks.domain.calls import check_key

__all__ = ["KEY_HEADER", "TopicMessages"]

KEY_HEADER = "Idempotency-Key"


class PublishSerializer(Sent):
    """Be a message that is published."""

    cure = 'Send {"payload": {"number": 7}, "key": "7"}.'

    payload = Object(required=False)
    key = Text(required=False, help_text="What is published again under the same key is published once.")


class PublishedMessageSerializer(serializers.Serializer):
    """Be a message that was published."""

    id = serializers.CharField()
    topic = serializers.CharField()
    key = serializers.CharField()
    repeated = serializers.BooleanField(help_text="Whether it had been published before.")


class TopicMessages(ApiView):
    """The messages of a topic."""

    @extend_schema(
        operation_id="topics_publish",
        request=PublishSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={202: PublishedMessageSerializer},
    )
    def post(self, request: Request, topic: str) -> Response:
        """Publish a message on a topic: those who subscribed get it as soon as they can."""
        asked = sent(PublishSerializer, request)
        key = asked.get("key", "") or check_key(request.headers.get(KEY_HEADER), place=KEY_HEADER)
        try:
            published = publish_as(request.user, topic, asked.get("payload", {}), key=key)
        except NotJsonError as error:
            raise bad_request(error.message) from None
        told = {"id": str(published.id), "topic": published.topic, "key": published.key}
        return Response({**told, "repeated": published.repeated}, status=202)
