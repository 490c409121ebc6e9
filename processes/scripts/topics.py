"""Task scripts of topics: publish a message, and say which messages the executed instance wants."""

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.domain.topics import MessageConditionSource, Pattern, Topic
from processes.errors import PermanentError
from processes.models import ProcessInstance
from processes.registry import task_script
from processes.services import topics
from processes.services.audit import actor_of
from processes.services.errors import InstanceNotFoundError
from processes.services.host import acting_user, caller_of
from processes.services.topics.publishing import KEY_CHARS


class PublishConfig(BaseModel):
    """Configure `publish`."""

    model_config = ConfigDict(extra="forbid")

    topic: Topic = Field(description="What it is published on, such as `invoice.paid`.")
    payload: dict[str, JSON] | None = Field(
        None, description='What the message holds, such as {"number": "%{data:number}"}; by default all of the data.'
    )
    key: str = Field(
        "",
        max_length=KEY_CHARS,
        description="What the message is known again by: published once more under this key, on this topic, it is "
        "the same message. Empty: each is one of its own.",
    )


class SubscribeConfig(BaseModel):
    """Configure `subscribe`."""

    model_config = ConfigDict(extra="forbid")

    topic: Pattern = Field(
        description="Which messages: those of a topic, of all topics below one (`invoice.*`), or `*`."
    )
    condition: MessageConditionSource = Field(
        "",
        description="Which of them, in CEL: `data` is the payload, `attr` has `topic` and `key`. Empty: all.",
    )


class UnsubscribeConfig(BaseModel):
    """Configure `unsubscribe`."""

    model_config = ConfigDict(extra="forbid")

    topic: Pattern = Field(description="The topic, or the pattern, as it was subscribed to.")


@task_script(
    "publish",
    config=PublishConfig,
    effect="transactional",
    example=Example(
        definition=[
            {
                "name": "tell",
                "script": "publish",
                "config": {
                    "topic": "invoice.paid",
                    "payload": {"number": "%{data:number}", "amount": "%{data:amount}"},
                    "key": "%{data:number}",
                },
            }
        ],
        data={"number": "2026-7", "amount": 120},
    ),
    errors={
        "message_conflict": "another message has this key on the topic already, with another payload",
        "message_key": "the key can't be stored",
        "not_json": "the payload, or all of the data, holds what can't be stored",
        "too_large": "the payload has more bytes than a message may have (1 MiB, where the site hasn't set it)",
    },
)
def publish(app: Application) -> str:
    """Publish a message to all instances that have subscribed to its topic, and return its id.

    In a background run it is published together with the step: exactly once. Those who subscribed get it within
    seconds, each in a run of its own that enters their process at `@consume`.
    """
    config: PublishConfig = app.config
    payload = dict(app.data) if config.payload is None else config.payload
    actor = actor_of(acting_user(app))
    return str(topics.publish(config.topic, payload, key=config.key, actor=actor).id)


@task_script(
    "subscribe",
    config=SubscribeConfig,
    effect="transactional",
    example=Example(
        definition=[
            {
                "name": "@init",
                "script": "subscribe",
                "config": {"topic": "invoice.*", "condition": "data.amount > 100"},
                "next": False,
            },
            {"name": "@start", "script": "load_data"},
            {"name": "@display", "script": "show_page", "config": {"text": "Paid: %{data:number}"}, "next": False},
            {
                "name": "@consume",
                "script": "set_data",
                "config": {"values": {"number": "%{param:message.number}"}},
                "entry": False,
            },
            {"name": "keep", "script": "save_data", "next": False},
        ],
    ),
    errors={
        "no_instance": "no instance is executed that could get messages",
        "instance_not_found": "the executed instance was deleted meanwhile",
    },
)
def subscribe(app: Application) -> None:
    """Let the executed instance get the messages of a topic that are published from now on.

    Each enters its process at `@consume`, in the background: `%{param:message.…}` is the payload, `%{param:topic}` what
    it was published on. Subscribing again changes the condition and nothing else.
    """
    config: SubscribeConfig = app.config
    topics.subscribe(_instance(app), config.topic, config.condition)


@task_script(
    "unsubscribe",
    config=UnsubscribeConfig,
    effect="transactional",
    example=Example(
        definition=[
            {"name": "@consume", "script": "unsubscribe", "config": {"topic": "invoice.*"}, "entry": False},
            {"name": "thank", "script": "noop", "next": False},
        ],
    ),
    errors={
        "no_instance": "no instance is executed that could have subscribed",
        "instance_not_found": "the executed instance was deleted meanwhile",
    },
)
def unsubscribe(app: Application) -> bool:
    """Let the executed instance get no more messages of a topic, not even what is on its way; tell whether it did."""
    config: UnsubscribeConfig = app.config
    return topics.unsubscribe(_instance(app), config.topic)


def _instance(app: Application) -> ProcessInstance:
    instance_id = caller_of(app).instance_id
    if instance_id is None:
        raise PermanentError(
            _("Only an instance gets messages: execute one, or create it first (create_instance)."), code="no_instance"
        )
    found = ProcessInstance.objects.filter(pk=instance_id).first()
    if found is None:
        raise InstanceNotFoundError(_("There is no such instance any more."))
    return found
