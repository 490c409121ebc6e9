"""Create a process instance: `manage.py create_instance SLUG --owner NAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError, NotFoundError, ProcessError
from processes.management.users import find_user
from processes.models import ProcessTemplate
from processes.services.instances import create_instance


class Command(BaseCommand):
    """Create an instance of a published process, and print the address that executes it."""

    help = "Create an instance of a published process, run its @init, and print where it is executed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the process, the owner, and what the instance begins with."""
        parser.add_argument("slug", help="the process")
        parser.add_argument("--owner", required=True, metavar="NAME", help="who may execute it, and lends it rights")
        parser.add_argument("--title", default="", help="what it is called")
        parser.add_argument("--data", default="{}", metavar="JSON", help="the Data that it begins with: an object")
        parser.add_argument(
            "--binding",
            action="append",
            default=[],
            metavar="REF=TARGET",
            help='what it binds differently, such as rate={"value": 2} or check=my_script; may be repeated',
        )

    def handle(self, *, slug: str, owner: str, title: str, data: str, binding: list[str], **options: object) -> None:
        """Create it."""
        try:
            user = find_user(owner, option="--owner")
        except NotFoundError as error:
            suggestion = error.fields.get("suggestion")
            raise CommandError(error.message + (f" ({suggestion})" if suggestion else "")) from error
        template = ProcessTemplate.objects.filter(slug=slug).first()
        if template is None:
            raise CommandError(f'There is no process "{slug}".')
        content = _read(data, "--data")
        if not isinstance(content, dict):
            raise CommandError("--data takes a JSON object.")
        try:
            instance = create_instance(
                template=template, owner=user, title=title, data=content, bindings=dict(map(_pair, binding))
            )
        except ProcessError as error:
            raise CommandError(error.message) from error
        self.stdout.write(reverse("processes:instance", kwargs={"instance_id": instance.pk}))


def _pair(text: str) -> tuple[str, JSON]:
    reference, equals, target = text.partition("=")
    if not reference or not equals:
        raise CommandError(f"--binding takes REF=TARGET, not {text!r}.")
    return reference, _read(target, "--binding") if target.startswith("{") else target


def _read(text: str, option: str) -> Any:
    try:
        return parse_json_text(text)
    except DefinitionError as error:
        raise CommandError(f"{option}: {error.message}") from error
