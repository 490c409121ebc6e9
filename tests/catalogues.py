"""Collect the texts that people see into catalogues of translations: `make messages`.

Each part of the house has a catalogue of its own beside its code, and one more (`djangojs`) where its scripts say
something. Babel reads the texts where Django marks them, so that no GNU gettext has to be installed. Texts that have
gone are dropped, new ones wait for a translation.
"""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_javascript, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

HOUSE = Path(__file__).resolve().parent.parent
LANGUAGES = ("de",)
_KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_HEADER = "# {title}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the house with a catalogue: its package, and the folders of its templates, or of its scripts."""

    package: str
    templates: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """Return what Django calls the catalogue: scripts have one of their own."""
        return "djangojs" if self.scripts else "django"

    def file(self, language: str, suffix: str) -> Path:
        """Return where the catalogue of a language lies."""
        return HOUSE / self.package / "locale" / language / "LC_MESSAGES" / f"{self.domain}.{suffix}"


PARTS = (
    Part(package="processes", templates=("templates/processes", "templates/registration")),
    Part(package="processes", scripts=("static/processes",)),
    Part(package="tasks", templates=("templates/tasks",)),
    Part(package="examples/csv_import", templates=("templates/csv_import",)),
    Part(package="examples/expense_claim", templates=("templates/expense_claim",)),
    Part(package="examples/leave_requests", templates=("templates/leave_requests",)),
)


def collect(part: Part) -> Catalog:
    """Return the texts of a part, without translations."""
    catalog = Catalog(project="Stepline", charset="utf-8")
    for file, source in _scripts(part) if part.scripts else _sources(part):
        # Texts in `${…}` count, too.
        options = {"encoding": "utf-8", "parse_template_string": True}
        extract = extract_javascript if part.scripts else extract_python
        found = extract(io.BytesIO(source.encode()), _KEYWORDS, ["Translators:"], options)
        for _, function, message, comments in found:
            _add(catalog, function, message, place=file.relative_to(HOUSE).as_posix(), comments=comments)
    return catalog


def _scripts(part: Part) -> Iterator[tuple[Path, str]]:
    for folder in part.scripts:
        for file in sorted((HOUSE / folder).rglob("*.js")):
            yield file, file.read_text("utf-8")


def _sources(part: Part) -> Iterator[tuple[Path, str]]:
    for file in sorted((HOUSE / part.package).rglob("*.py")):
        if "migrations" not in file.parts:
            yield file, file.read_text("utf-8")
    for folder in part.templates:
        for file in sorted((HOUSE / folder).rglob("*.*")):
            text = templatize(file.read_text("utf-8"), origin=str(file))
            # It looks like Python but for its indentation, which means nothing.
            yield file, "\n".join(line.strip() for line in text.splitlines())


def _add(catalog: Catalog, function: str, message: object, *, place: str, comments: list[str]) -> None:
    spec = _KEYWORDS[function]
    texts = list(message) if isinstance(message, tuple) else [message]
    context = None
    if spec is not None and isinstance(spec[0], tuple):
        context, *texts = texts
    if not all(isinstance(text, str) and text for text in texts[:1]):
        return
    takes_plural = spec is not None and len([item for item in spec if isinstance(item, int)]) == 2
    text = tuple(texts[:2]) if takes_plural else texts[0]
    catalog.add(text, locations=[(place, None)], auto_comments=comments, context=context)


def read(part: Part, language: str) -> Catalog:
    """Return the stored catalogue; an empty one where there is none yet."""
    file = part.file(language, "po")
    if not file.exists():
        return Catalog(locale=language, project="Stepline")
    with file.open("rb") as stream:
        return read_po(stream, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Return what Django reads at runtime."""
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def update(part: Part, language: str) -> int:
    """Bring a stored catalogue up to date, compile it, and return how many texts lack a translation."""
    stored, template = read(part, language), collect(part)
    catalog = Catalog(locale=language, project="Stepline", charset="utf-8", fuzzy=False)
    suffix = ", scripts" if part.scripts else ""
    catalog.header_comment = _HEADER.format(title=f"Stepline: {part.package}, {language}{suffix}").rstrip()
    # Fixed, so that only texts make a difference.
    catalog.creation_date = catalog.revision_date = datetime(2026, 11, 21, tzinfo=UTC)
    for message in template:
        if message.id:
            known = stored.get(message.id, message.context)
            catalog.add(
                message.id,
                known.string if known is not None else None,
                locations=message.locations,
                auto_comments=message.auto_comments,
                context=message.context,
            )
    file = part.file(language, "po")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        write_po(stream, catalog, sort_output=True, include_lineno=False, width=110)
    part.file(language, "mo").write_bytes(compiled(read(part, language)))
    return sum(not is_translated(message) for message in catalog if message.id)


def is_translated(message: object) -> bool:
    """Tell whether a message has all its translations."""
    string = getattr(message, "string", "")
    return all(string) if isinstance(string, tuple | list) else bool(string)


def main() -> int:
    """Update all catalogues, and say what they lack."""
    for part in PARTS:
        for language in LANGUAGES:
            lacking = update(part, language)
            print(f"{part.package} ({part.domain}), {language}: {lacking} texts without a translation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
