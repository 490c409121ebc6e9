"""Load what installed apps bring along: `<app>/process_templates/*.json`, `status_rules/` and `instance_types/`."""

from argparse import ArgumentParser
from pathlib import Path

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from processes.errors import DefinitionError
from processes.services.authoring.importing import import_templates
from processes.services.authoring.template_files import read_template_files
from processes.services.authoring.type_files import import_types

FOLDER = "process_templates"

TOLD = {"kept": "exists, left as it is", "updated": "reset", "unchanged": "reset"}


class Command(BaseCommand):
    """Create and publish each template that doesn't exist yet; one that does is left as its editors made it.

    So are status rules and types of instances.
    """

    help = "Load the process templates, status rules and types of installed apps; existing ones stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the option to overwrite."""
        parser.add_argument("--reset", action="store_true", help="overwrite existing ones with the files' content")

    def handle(self, *, reset: bool, verbosity: int, **options: object) -> None:
        """Load all files; templates that others extend or call come first."""
        try:
            imported = import_templates(read_template_files(_files(FOLDER)), keep_existing=not reset)
            types = import_types(
                rules=_files("status_rules"),
                types=_files("instance_types"),
                keep_existing=not reset,
                kept_processes=[each.slug for each in imported if each.outcome == "kept"],
            )
        except DefinitionError as error:
            raise CommandError("\n".join(map(str, error.problems))) from error
        if verbosity > 0:
            for each in imported:
                self.stdout.write(f"{each.slug}: {TOLD.get(each.outcome, each.outcome)}")
            for one in types:
                folder = Path(one.label).parent.name
                self.stdout.write(f"{folder}/{one.slug}: {TOLD.get(one.outcome, one.outcome)}")
        for one in types:
            for problem in one.problems:
                self.stderr.write(f"{one.label}: it doesn't fit what was left as it is: {problem}")


def _files(folder: str) -> list[Path]:
    return [path for app in apps.get_app_configs() for path in sorted(Path(app.path, folder).glob("*.json"))]
