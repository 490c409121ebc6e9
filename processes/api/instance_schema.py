"""What is told of instances, described; `instance_answers` makes it, for calls by name too."""

from rest_framework import serializers

__all__ = ["AfterSerializer", "AnswerSerializer", "HistorySerializer", "InboxSerializer", "InstanceDetailSerializer",
    "InstancePageSerializer"]  # fmt: skip


class OptionSerializer(serializers.Serializer):
    """Be something that is offered."""

    action = serializers.CharField()
    caption = serializers.CharField()
    group = serializers.CharField()
    popup = serializers.BooleanField()
    disabled = serializers.BooleanField()
    url = serializers.CharField()
    method = serializers.CharField(help_text="How the page is asked for it: GET or POST.")


class InstanceSerializer(serializers.Serializer):
    """Be an instance with what is offered."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    type = serializers.CharField(allow_null=True)
    process = serializers.CharField()
    status = serializers.CharField()
    status_at = serializers.DateTimeField()
    owner = serializers.CharField(allow_null=True)
    assignee = serializers.CharField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    url = serializers.CharField()
    execute_url = serializers.CharField()
    options = OptionSerializer(many=True)


class InstanceDetailSerializer(InstanceSerializer):
    """Be an instance, with what is running on it."""

    running = serializers.ListField(child=serializers.DictField())


class AfterSerializer(serializers.Serializer):
    """Be an instance after a deed; where the caller may not open it any more, only its id."""

    id = serializers.UUIDField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add what is told of an instance, none of it for certain."""
        fields = {**InstanceDetailSerializer().get_fields()}
        for name, field in fields.items():
            field.required = name == "id"
        return fields


class InstancePageSerializer(serializers.Serializer):
    """Be a page of instances."""

    results = InstanceSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The page that follows.")


class InboxSerializer(serializers.Serializer):
    """Be a page of what waits for somebody."""

    instances = InstanceSerializer(many=True)
    more = serializers.BooleanField()


class EventSerializer(serializers.Serializer):
    """Be something that has happened to an instance."""

    at = serializers.DateTimeField()
    kind = serializers.CharField()
    by = serializers.CharField()
    action = serializers.CharField()
    run = serializers.UUIDField(allow_null=True)
    status_before = serializers.CharField()
    status_after = serializers.CharField()
    changes = serializers.ListField(child=serializers.JSONField())
    facts = serializers.DictField()


class HistorySerializer(serializers.Serializer):
    """Be a page of a history."""

    events = EventSerializer(many=True)
    more = serializers.BooleanField()


class AnswerSerializer(serializers.Serializer):
    """Be what a process answers, and which run goes on with it."""

    response = serializers.DictField()
    run = serializers.UUIDField(required=False)
