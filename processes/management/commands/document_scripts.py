"""`manage.py document_scripts`: write the reference page of task scripts."""

from argparse import ArgumentParser
from pathlib import Path

from django.apps import AppConfig, apps
from django.core.management.base import BaseCommand, CommandError

from processes.domain.authoring.effects import EFFECT_WORDS
from processes.domain.authoring.script_reference import reference_page
from processes.domain.suggestions import did_you_mean
from processes.registry import scripts

STANDARD = "processes"
_INTRODUCTION = (
    'An action names its script: `{"name": "bye", "script": "show_page", "config": {"text": "Thank you."}}`. Without '
    "`\"script\"` the action's name is the script's. A config is checked when the template is saved; a text "
    "`${reference}` in it is replaced by what is bound to the reference, and `%{data:key}`, `%{param:name}`, "
    "`%{attr:name}` and `%{now}` are filled just before the action runs.",
    "An effect says what becomes of an action whose worker dies in the middle of it: "
    + "; ".join(f"*{effect}*: {words}" for effect, words in EFFECT_WORDS.items())
    + ".",
)


class Command(BaseCommand):
    """Write the page of the standard scripts, or of those of other apps."""

    help = "Write a reference page of task scripts: of the standard ones, or of those that an app registers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the apps, the file, and whether it is only compared."""
        parser.add_argument("--app", action="append", metavar="LABEL", help="an app's scripts; may be repeated")
        parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of printing")
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the file isn't current")

    def handle(self, *, app: list[str] | None, output: Path | None, check: bool, **options: object) -> None:
        """Write, print or compare the page."""
        if check and output is None:
            raise CommandError("--check compares with a file: name it with --output")
        page = _page([_app(label) for label in app or [STANDARD]])
        if output is None:
            self.stdout.write(page, ending="")
            return
        if check:
            if _read(output) != page:
                raise CommandError(f"{output} isn't current; run: {_command(app, output)}")
            self.stdout.write(f"{output} is current")
            return
        try:
            output.write_text(page, encoding="utf-8", newline="\n")
        except OSError as error:
            raise CommandError(f"{output} can't be written: {error.strerror}") from error
        self.stdout.write(f"{output} written")


def _page(chosen: list[AppConfig]) -> str:
    found = [spec for spec in scripts if any(_belongs(spec.module, config) for config in chosen)]
    if [config.label for config in chosen] == [STANDARD]:
        # Standard are those that come as such; an app of ours may have scripts of its own.
        standard = [spec for spec in found if spec.module.startswith(f"{STANDARD}.scripts.")]
        return reference_page(standard, title="Standard task scripts", introduction=_INTRODUCTION)
    names = ", ".join(str(config.verbose_name) for config in chosen)
    introduction = _INTRODUCTION if found else (f"{names} registers no task scripts.",)
    return reference_page(found, title=f"Task scripts of {names}", introduction=introduction)


def _app(label: str) -> AppConfig:
    try:
        return apps.get_app_config(label)
    except LookupError:
        known = [config.label for config in apps.get_app_configs()]
        suggestion = did_you_mean(label, known) or f"Known apps: {', '.join(sorted(known))}"
        raise CommandError(f'There is no app "{label}". {suggestion}') from None


def _belongs(module: str, config: AppConfig) -> bool:
    return module == config.name or module.startswith(f"{config.name}.")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _command(labels: list[str] | None, output: Path) -> str:
    chosen = [f"--app {label}" for label in labels or ()]
    return " ".join(["manage.py", "document_scripts", *chosen, f"--output {output}"])
