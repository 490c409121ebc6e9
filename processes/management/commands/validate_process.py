"""Check process files without running them: `manage.py validate_process FILE…`."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from processes.domain.authoring.loose_ends import LooseEnd, find_loose_ends
from processes.domain.json_values import JSON
from processes.domain.report import problem_json
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.management.printing import print_json
from processes.services.catalogue import catalogue
from processes.services.documents import check_file


class Command(BaseCommand):
    """Print, for each file, what is wrong with it, as JSON."""

    help = (
        'Check process files and print [{"file", "errors": [{"path", "message", "suggestion"}], "warnings": '
        '[{"action", "path", "message", "suggestion"}]}]. Exit code 0: all are right, 1: at least one isn\'t. Warnings '
        "are probably mistakes; their paths begin at the action."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="A file as run_process takes it.")
        parser.add_argument("--json", action="store_true", help="Print on one line.")

    def handle(self, *args: object, **options: Any) -> None:
        """Check all files, print, and leave with the exit code."""
        checked = [_check(file) for file in options["files"]]
        print_json(self.stdout, checked, one_line=options["json"])
        if any(file["errors"] for file in checked):
            sys.exit(1)


def _check(file: str) -> dict[str, JSON]:
    errors: Sequence[Problem] = []
    warnings: Sequence[LooseEnd] = []
    try:
        plan = check_file(file)
        warnings = [] if plan is None else find_loose_ends(plan, catalogue=catalogue())
    except DefinitionError as error:
        errors = error.problems
    except NotFoundError as error:
        errors = [Problem(path="", message=error.message, suggestion=error.fields.get("suggestion"))]
    return {
        "file": file,
        "errors": [problem_json(problem) for problem in errors],
        "warnings": [{"action": warning.action.name, **problem_json(warning.problem)} for warning in warnings],
    }
