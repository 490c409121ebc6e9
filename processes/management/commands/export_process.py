"""Write templates into files: `manage.py export_process SLUG`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from processes.domain.suggestions import did_you_mean
from processes.errors import ProcessError
from processes.management.printing import print_text
from processes.models import ProcessTemplate
from processes.services.authoring.template_files import file_text, template_json
from processes.services.authoring.templates import differs_from_published


class Command(BaseCommand):
    """Print a template as the JSON document that `import_process` and `run_process` read."""

    help = "Print a template as JSON, or write templates into a folder: one file each, always in the same order."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="The templates.")
        parser.add_argument("--all", action="store_true", help="All templates.")
        parser.add_argument("--output", metavar="DIR", help="Write SLUG.json into this folder, instead of printing.")
        parser.add_argument("--published", action="store_true", help="What was published last, not the draft.")

    def handle(self, *args: object, **options: Any) -> None:
        """Write all templates, or none where one doesn't exist."""
        try:
            templates = _find(options["slugs"], everything=options["all"])
            texts = {
                template.slug: file_text(template_json(template, published=options["published"]))
                for template in templates
            }
            drafts = [] if options["published"] else [each.slug for each in templates if differs_from_published(each)]
        except DatabaseError as error:
            raise CommandError(f"The database can't be asked for templates: {error}") from error
        except ProcessError as error:
            raise CommandError(error.message) from error
        if options["output"] is None:
            if len(texts) != 1:
                raise CommandError("Several templates need a folder to be written to: add --output DIR")
            print_text(self.stdout, next(iter(texts.values())))
        else:
            self._write(Path(options["output"]), texts)
        for slug in drafts:
            self.stderr.write(f"{slug}: this is its draft, which isn't published; --published gives what runs")

    def _write(self, folder: Path, texts: dict[str, str]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for slug, text in texts.items():
                path = folder / f"{slug}.json"
                path.write_text(text, encoding="utf-8", newline="\n")
                self.stdout.write(str(path))
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror or error}") from error


def _find(slugs: Sequence[str], *, everything: bool) -> list[ProcessTemplate]:
    """Return the templates in the order in which they were named; raises CommandError for an unknown one."""
    if everything == bool(slugs):
        raise CommandError("Name the templates to export, or give --all")
    known = {template.slug: template for template in ProcessTemplate.objects.order_by("slug")}
    if everything:
        return list(known.values())
    for slug in slugs:
        if slug not in known:
            suggestion = did_you_mean(slug, known)
            raise CommandError(f'There is no template "{slug}"' + (f" ({suggestion})" if suggestion else ""))
    return [known[slug] for slug in dict.fromkeys(slugs)]
