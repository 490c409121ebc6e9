"""Derive the processes and status rules of a team's own objects anew: `manage.py rederive [MODEL …]`."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from processes.domain.suggestions import did_you_mean
from processes.models import DrivenFields
from processes.services.driven import Change, driven_models, rederive


class Command(BaseCommand):
    """Go through all objects in batches, each in a transaction of its own; killed, it is simply run again."""

    help = (
        "Derive process and status rules of all ProcessDriven objects anew, and print what changes. Saved objects are "
        "derived by themselves: this is for after bindings or defaults have changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the models, and how far to go."""
        parser.add_argument("models", nargs="*", metavar="MODEL", help='such as "expenses.Claim"; by default all')
        parser.add_argument("--dry-run", action="store_true", help="only print what would change")
        parser.add_argument(
            "--move",
            action="store_true",
            help="also move instances to what their process has published now (runs in the background keep their plan)",
        )

    def handle(self, *, models: list[str], dry_run: bool, move: bool, verbosity: int, **options: object) -> None:
        """Derive, and fail at the end where something couldn't be."""
        changed = failed = 0
        for model in _chosen(models):
            for change in rederive(model, moves=move, dry_run=dry_run):
                line = f"{model._meta.label} {change.key}: {_told(change)}"
                if change.problem:
                    failed += 1
                    self.stderr.write(line)
                else:
                    changed += 1
                    if verbosity > 0:
                        self.stdout.write(line)
        if verbosity > 0:
            self.stdout.write(f"{changed} {'would change' if dry_run else 'changed'}, {failed} failed")
        if failed:
            raise CommandError("Some objects were left as they were: see above.")


def _chosen(names: list[str]) -> list[type[DrivenFields]]:
    known = {model._meta.label_lower: model for model in driven_models()}
    for name in names:
        if name.lower() not in known:
            labels = [model._meta.label for model in known.values()]
            suggestion = did_you_mean(name, labels)
            raise CommandError(
                f'No process drives a model "{name}".' + (f" {suggestion}" if suggestion else "")
                if labels
                else "No model here derives from ProcessDriven."
            )
    return [known[name.lower()] for name in names] or list(known.values())


def _told(change: Change) -> str:
    if change.problem:
        return change.problem
    parts = []
    for what, pair in (("process", change.process), ("status rules", change.status_rules)):
        if pair is not None:
            parts.append(f"{what} {pair[0] or 'none'} -> {pair[1] or 'none'}")
    if change.opened:
        parts.append("instance created")
    if change.moved:
        parts.append("plan moved")
    return ", ".join(parts)
