"""Load what installed apps bring along: `<app>/process_templates/*.json` and `<app>/status_rules/*.json`."""

from argparse import ArgumentParser
from pathlib import Path

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from processes.errors import DefinitionError
from processes.services.authoring.importing import import_templates
from processes.services.authoring.rule_files import load_rules, read_rule_files
from processes.services.authoring.template_files import read_template_files

FOLDER = "process_templates"
RULES_FOLDER = "status_rules"

TOLD = {"kept": "exists, left as it is", "updated": "reset", "unchanged": "reset"}


class Command(BaseCommand):
    """Create what doesn't exist yet, and publish templates; what does exist is left as its editors made it."""

    help = "Load the process templates and status rules of installed apps; existing ones stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the option to overwrite."""
        parser.add_argument("--reset", action="store_true", help="overwrite existing ones with the files' content")

    def handle(self, *, reset: bool, verbosity: int, **options: object) -> None:
        """Load all files; templates that others extend or call come first."""
        try:
            imported = import_templates(read_template_files(_files(FOLDER)), keep_existing=not reset)
            rules = load_rules(read_rule_files(_files(RULES_FOLDER)), keep_existing=not reset)
        except DefinitionError as error:
            raise CommandError("\n".join(map(str, error.problems))) from error
        if verbosity > 0:
            for each in imported:
                self.stdout.write(f"{each.slug}: {TOLD.get(each.outcome, each.outcome)}")
            for name, outcome in rules:
                self.stdout.write(f"status rules {name}: {TOLD.get(outcome, outcome)}")


def _files(folder: str) -> list[Path]:
    return [path for app in apps.get_app_configs() for path in sorted(Path(app.path, folder).glob("*.json"))]
