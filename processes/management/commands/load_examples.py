"""Load the process templates that installed apps bring along: `<app>/process_templates/*.json`."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError
from processes.models import Access, ProcessTemplate
from processes.services.errors import PublishRefusedError
from processes.services.templates import publish, save_draft

FOLDER = "process_templates"


class TemplateFile(BaseModel):
    """Describe a file: one template, with its definition and bindings."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[-a-zA-Z0-9_]{1,50}$", description="The slug.")
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    execute: Access = Access.SIGNED_IN
    groups: list[str] = []
    abstract: bool = False
    extends: list[str] = []
    bindings: dict[str, JSON] = {}
    definition: JSON


class Command(BaseCommand):
    """Create and publish each template that doesn't exist yet; one that does is left as its editors made it."""

    help = "Load the process templates of installed apps; existing ones stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the option to overwrite."""
        parser.add_argument("--reset", action="store_true", help="overwrite existing templates with the files' content")

    def handle(self, *, reset: bool, verbosity: int, **options: object) -> None:
        """Load all files; templates that others extend or call come first."""
        files = {file.name: file for file in _read_all()}
        for name in _in_order(files):
            with transaction.atomic():
                outcome = self._load(files[name], reset=reset)
            if verbosity > 0:
                self.stdout.write(f"{name}: {outcome}")

    def _load(self, file: TemplateFile, *, reset: bool) -> str:
        # One statement decides who creates it, should two loads run at once.
        template, created = ProcessTemplate.objects.select_for_update().get_or_create(
            slug=file.name, defaults={"title": file.title, "definition": "[]"}
        )
        if not created and not reset:
            return "exists, left as it is"
        template.title, template.description = file.title, file.description
        template.access, template.abstract = file.execute, file.abstract
        bases = [ProcessTemplate.objects.get(slug=slug) for slug in file.extends]
        definition = json.dumps(file.definition, ensure_ascii=False, indent=2)
        try:
            save_draft(template=template, definition=definition, bindings=file.bindings, extends=bases)
            template.groups.set(Group.objects.get_or_create(name=name)[0] for name in file.groups)
            publish(template=template)
        except (DefinitionError, PublishRefusedError) as error:
            raise CommandError(f"{file.name}: {error.message}") from error
        return "created" if created else "reset"


def _read_all() -> Iterator[TemplateFile]:
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, FOLDER).glob("*.json")):
            try:
                yield TemplateFile.model_validate(parse_json_text(path.read_bytes()))
            except (ValidationError, DefinitionError) as error:
                raise CommandError(f"{path}: {error}") from error


def _in_order(files: Mapping[str, TemplateFile]) -> list[str]:
    """Return the names so that each comes after those files that it extends or calls."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()

    def visit(name: str) -> None:
        if name in files and name not in entered:
            entered.add(name)
            called = [target["process"] for target in files[name].bindings.values() if _calls(target)]
            for needed in (*files[name].extends, *called):
                visit(needed)
            ordered[name] = None

    for name in files:
        visit(name)
    return list(ordered)


def _calls(target: JSON) -> bool:
    return isinstance(target, dict) and isinstance(target.get("process"), str)
