"""Write a client with typed functions for what this site offers."""

import difflib
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from tasks.domain.client_code import ClashingNames, write_python, write_typescript
from tasks.services.client_surface import read_surface

TYPESCRIPT, PYTHON = "typescript", "python"


class Command(BaseCommand):
    """Write the client to a file, or look whether a file is what would be written."""

    help = (
        "Write typed functions for the functions, jobs and published processes that clients call: TypeScript that "
        "stands on the JavaScript client, or Python that stands on tasks.client."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--language", choices=[TYPESCRIPT, PYTHON], required=True)
        parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
        parser.add_argument(
            "--check", action="store_true", help="write nothing; end with 1 where the file isn't what would be written"
        )
        parser.add_argument(
            "--import-from",
            default="stepline",
            metavar="MODULE",
            help="where TypeScript finds the JavaScript client (default: %(default)s)",
        )
        parser.add_argument(
            "--except", dest="without", action="append", default=[], metavar="NAME", help="leave a name out; repeatable"
        )

        parser.add_argument(
            "--code-only", action="store_true", help="functions and jobs, and no processes: needs no database"
        )

    def handle(self, *, language: str, output: Path | None, check: bool, import_from: str, **options: Any) -> None:
        """Write, or compare."""
        if check and output is None:
            raise CommandError("--check looks at a file: name it by --output.")
        try:
            surface = read_surface(without=options["without"], code_only=options["code_only"])
            text = write_python(surface) if language == PYTHON else write_typescript(surface, import_from=import_from)
        except ClashingNames as error:
            raise CommandError(error.message) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database can't tell which processes there are ({error}); --code-only leaves them out."
            ) from None
        if output is None:
            self.stdout.write(text, ending="")
        elif check:
            self._compare(output, text)
        else:
            _write(output, text)

    def _compare(self, output: Path, text: str) -> None:
        present = _read(output)
        if present == text:
            return
        for line in difflib.unified_diff(
            present.splitlines(), text.splitlines(), str(output), "what would be written", lineterm=""
        ):
            self.stdout.write(line)
        self.stderr.write(f"{output} is out of date: write it anew by leaving out --check.")
        sys.exit(1)


def _read(output: Path) -> str:
    try:
        return output.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{output} can't be read: {error}") from None


def _write(output: Path, text: str) -> None:
    try:
        # As it is on every system: the same site gives the same file.
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CommandError(f"{output} can't be written: {error}") from None
