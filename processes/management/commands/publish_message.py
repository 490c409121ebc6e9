"""Publish a message: `manage.py publish_message TOPIC --payload JSON --key KEY`."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from processes.domain.definition_text import parse_json_text
from processes.errors import DefinitionError, ProcessError
from processes.management.printing import print_json
from processes.services.topics import publish


class Command(BaseCommand):
    """Publish a message to all instances that have subscribed to its topic, and print which it is as JSON."""

    help = "Publish a message on a topic. The dispatcher gives it to the instances that have subscribed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the topic, and what the message holds."""
        parser.add_argument("topic", help="what it is published on, such as invoice.paid")
        parser.add_argument("--payload", default="{}", metavar="JSON", help="what it holds: an object")
        parser.add_argument(
            "--key", default="", help="what it is known again by: under the same key it is published once"
        )

    def handle(self, *, topic: str, payload: str, key: str, **options: object) -> None:
        """Publish it."""
        try:
            content = parse_json_text(payload)
        except DefinitionError as error:
            raise CommandError(f"--payload: {error.message}") from error
        if not isinstance(content, dict):
            raise CommandError("--payload takes a JSON object.")
        try:
            published = publish(topic, content, key=key)
        except ProcessError as error:
            raise CommandError(error.message) from error
        told = {"id": str(published.id), "key": published.key, "repeated": published.repeated}
        print_json(self.stdout, told, one_line=True)
