"""Make templates of files: `manage.py import_process FILE…`."""

from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from processes.errors import DefinitionError, NotFoundError
from processes.management.users import find_user
from processes.services.authoring.importing import import_templates
from processes.services.authoring.template_files import read_template_files


class Command(BaseCommand):
    """Create or update a template for each file: all of them, or none."""

    help = "Create or update templates from files, as export_process writes them: all of them, or none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="Files, in any order.")
        parser.add_argument(
            "--publish",
            action=BooleanOptionalAction,
            default=True,
            help="Publish what was imported, so that it runs; or leave it as drafts.",
        )
        parser.add_argument(
            "--user", metavar="NAME", help="Who does it, for the audit log and for what only some users may bind."
        )

    def handle(self, *args: object, **options: Any) -> None:
        """Import all files; where something is wrong, tell every problem and change nothing."""
        try:
            user = None if options["user"] is None else find_user(options["user"])
            files = read_template_files(options["files"])
            imported = import_templates(files, publishing=options["publish"], user=user)
        except NotFoundError as error:
            suggestion = error.fields.get("suggestion")
            raise CommandError(error.message + (f" ({suggestion})" if suggestion else "")) from error
        except DefinitionError as error:
            problems = "\n".join(f"  {problem}" for problem in error.problems)
            raise CommandError(f"Nothing was imported:\n{problems}") from error
        except DatabaseError as error:
            raise CommandError(f"Nothing was imported, because of the database: {error}") from error
        if options["verbosity"] > 0:
            for each in imported:
                self.stdout.write(f"{each.slug}: {each.outcome}{', published' if each.published else ''}")
