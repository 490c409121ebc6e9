"""Find processes by what people call them: a file, a stored template, or a document in code.

A name is a file's where it ends in `.json`, contains a slash, or where such a file exists; any other is a template's
slug. Inside a file, names are relative to that file, and `base` may also stand for `base.json` beside it: templates
that were exported into one folder run from there. The database is asked only for templates.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from django.db import DatabaseError

from processes.domain.assembly import Entry, Home, Override, assemble
from processes.domain.bindings import parse_bindings
from processes.domain.definition_text import MAX_TEXT_CHARACTERS, parse_json_text
from processes.domain.document import parse_document
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.suggestions import did_you_mean, nearest
from processes.domain.targets import ProcessTarget
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import ProcessTemplate
from processes.services.catalogue import catalogue, known_querysets
from processes.services.derivation import load_plan, template_entry
from processes.services.library import Library, read_library

__all__ = [
    "Runnable",
    "check_file",
    "find_process",
    "find_template",
    "is_file_name",
    "load_document",
    "read_file",
    "without_database",
]

_FILE, _TEMPLATE, _OUTSIDE = "file", "template", "outside"
#: UTF-8 takes at most four bytes for a character; what is longer needn't be read to be refused.
_MAX_BYTES: Final = 4 * MAX_TEXT_CHARACTERS + 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """Hold a process that can run; `template` is the stored one that it comes from, if it does."""

    name: str
    plan: Plan
    plans: tuple[Plan, ...] = ()
    named: Mapping[str, Plan] = field(default_factory=dict)
    template: ProcessTemplate | None = None


def is_file_name(name: str, *, folder: Path) -> bool:
    """Tell whether a name is that of a file, and not a template's slug."""
    return name.endswith(".json") or "/" in name or os.sep in name or _is_file(folder, name)


def find_process(
    name: str, *, bindings: Iterable[tuple[str, str]] = (), extends: Iterable[str] = (), folder: Path | None = None
) -> Runnable:
    """Return the process of a file or a slug.

    `bindings` (a reference, and a file, a slug, a script's name or a target as JSON) override its own; `extends` are
    files or slugs that apply after what it extends itself. Names are relative to `folder`, by default the current one.
    Raises DefinitionError with all problems, and NotFoundError where there is nothing of that name.
    """
    shelf = _Shelf(folder or Path.cwd())
    file = is_file_name(name, folder=shelf.folder)
    overrides, added = shelf.overrides(bindings), tuple(extends)
    template = None if file else shelf.template(name)
    if template is not None and not (overrides or added):
        return Runnable(name=name, plan=load_plan(str(template.published_plan_id)), template=template)
    entry = read_file(shelf.folder / name) if file else shelf.stored(name)
    return _assembled(shelf, entry, overrides, added, template)


def find_template(slug: str) -> Runnable:
    """Return a published template; raises NotFoundError."""
    template = _Shelf(Path.cwd()).template(slug)
    return Runnable(name=slug, plan=load_plan(str(template.published_plan_id)), template=template)


def load_document(value: object, *, name: str = "process", folder: Path | None = None) -> Runnable:
    """Return the process of a document in code: a definition, or an object with bindings and so on.

    Names in it are slugs of templates; with a `folder` they are files too, as in a file of that folder. (Without one,
    what somebody has typed in can't reach the server's files.) Raises DefinitionError with all problems.
    """
    shelf = _Shelf(folder or Path.cwd())
    document = parse_document(value)
    home = replace(shelf.outside, kind=_TEMPLATE if folder is None else _FILE)
    return _assembled(shelf, Entry(name=document.name or name, document=document, home=home), {}, (), None)


def check_file(name: str, *, folder: Path | None = None) -> Plan | None:
    """Derive a file without running it, and return its plan; None where it is abstract.

    Raises DefinitionError with all problems, NotFoundError for a missing file.
    """
    shelf = _Shelf(folder or Path.cwd())
    entry = read_file(shelf.folder / name)
    return assemble(entry, shelf=shelf, catalogue=catalogue(), querysets=known_querysets()).plan


def read_file(path: Path) -> Entry:
    """Read a document from a file.

    Raises NotFoundError where the file can't be read, and DefinitionError for what is wrong with its content.
    """
    absolute = Path(os.path.abspath(path))
    home = Home(key=str(absolute), label=_told(absolute), kind=_FILE)
    try:
        with absolute.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(absolute, home.label, error) from None
    if len(content) > _MAX_BYTES:
        raise DefinitionError([Problem(path="", message=f"Longer than {MAX_TEXT_CHARACTERS:,} characters")])
    document = parse_document(parse_json_text(content))
    # A file's name may be bytes that are no text; a plan's name is hashed, and stored.
    stem = absolute.stem.encode(errors="replace").decode()
    return Entry(name=document.name or stem or "process", document=document, home=home)


def _assembled(
    shelf: "_Shelf",
    entry: Entry,
    overrides: Mapping[str, Override],
    extends: Iterable[str],
    template: ProcessTemplate | None,
) -> Runnable:
    result = assemble(
        entry,
        shelf=shelf,
        catalogue=catalogue(),
        overrides=overrides,
        querysets=known_querysets(),
        extends=[(name, shelf.outside, f"--extends {name}") for name in extends],
    )
    if result.plan is None:
        raise DefinitionError(
            [
                Problem(
                    path="/abstract",
                    message=f'"{entry.name}" is abstract: it can be extended, but not run',
                    suggestion='Run a process that extends it, or remove "abstract"',
                )
            ]
        )
    return Runnable(name=entry.name, plan=result.plan, plans=result.plans, named=result.named, template=template)


class _Shelf:
    """Find files and templates by name; what was read stays in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Where names stand that come from a command line or from code.
        self.outside = Home(key=os.path.join(os.path.abspath(folder), ""), label="", kind=_OUTSIDE)
        self._files: dict[Path, Entry] = {}

    @cached_property
    def library(self) -> Library:
        """Return all templates as they are now; raises NotFoundError where the database can't tell."""
        try:
            return read_library()
        except DatabaseError as error:
            raise without_database(error) from None

    def base(self, name: str, home: Home) -> Entry:
        """Return what a document extends."""
        path = None if home.kind == _TEMPLATE else self._file(name, home)
        return self.stored(name, home) if path is None else self._read(path)

    def process(self, name: str, home: Home) -> Entry | ProcessTarget:
        """Return a process that a document binds: a file's document, or the published plan of a template."""
        path = None if home.kind == _TEMPLATE else self._file(name, home)
        if path is not None:
            return self._read(path)
        plan_hash = self.library.plan_hashes.get(name)
        if plan_hash is not None:
            return ProcessTarget(name=name, plan_hash=plan_hash, reference=name)
        if name in self.library.drafts:
            raise _unpublished(name)
        raise self._missing(name, home, self.library.plan_hashes)

    def stored(self, name: str, home: Home | None = None) -> Entry:
        """Return a template as a document; raises NotFoundError."""
        source = self.library.base(name)
        if source is None:
            raise self._missing(name, home or self.outside, self.library.drafts)
        return template_entry(source)

    def template(self, slug: str) -> ProcessTemplate:
        """Return a template that can run; raises NotFoundError."""
        try:
            template = ProcessTemplate.objects.filter(slug=slug).first()
        except DatabaseError as error:
            raise without_database(error) from None
        if template is None:
            raise self._missing(slug, self.outside, self.library.plan_hashes)
        if template.abstract:
            raise NotFoundError(f'The template "{slug}" is abstract: it can be extended, but not run')
        if template.published_plan_id is None:
            raise NotFoundError(
                f'The template "{slug}" isn\'t published yet', fields={"suggestion": "Publish it first"}
            )
        return template

    def overrides(self, bindings: Iterable[tuple[str, str]]) -> dict[str, Override]:
        """Return what bindings from outside lead to; raises DefinitionError with all problems."""
        result: dict[str, Override] = {}
        problems: list[Problem] = []
        for reference, text in bindings:
            told_as = f"--binding {reference}={text}"
            try:
                target = self._target(text)
                binding = parse_bindings({reference: target})[reference]
            except DefinitionError as error:
                problems.extend(Problem("", f"{told_as}: {p.message}", None, p.suggestion) for p in error.problems)
            except NotFoundError as error:
                suggestion = error.fields.get("suggestion")
                problems.append(Problem(path="", message=f"{told_as}: {error.message}", suggestion=suggestion))
            else:
                result[reference] = Override(binding=binding, home=self.outside, told_as=told_as)
        if problems:
            raise DefinitionError(problems)
        return result

    def _target(self, text: str) -> JSON:
        """Return the target that a text from outside means: a file, a process, a script, or a target as JSON."""
        if text.startswith("{"):
            return parse_json_text(text)
        if is_file_name(text, folder=self.folder):
            return {"process": text}
        script = catalogue().find(text)
        try:
            known: Iterable[str] = self.library.drafts
        except NotFoundError as error:
            # Without a database there are no templates that the name could mean instead.
            if script is None:
                suggestion = did_you_mean(text, catalogue().names()) or error.fields["suggestion"]
                raise NotFoundError(error.message, fields={"suggestion": suggestion}) from None
            known = ()
        if text in known:
            return {"process": text}
        if script is not None:
            return {"script": script.name}
        raise NotFoundError(
            f'There is no file, template or script "{text}"',
            fields={"suggestion": did_you_mean(text, [*known, *catalogue().names()])},
        )

    def _file(self, name: str, home: Home) -> Path | None:
        """Return the file that a name means, None for a template's slug."""
        folder = Path(os.path.dirname(home.key))
        if is_file_name(name, folder=folder):
            return folder / name
        # From outside a bare name is a slug, whatever files happen to be around.
        beside = f"{name}.json"
        return folder / beside if home.kind == _FILE and _is_file(folder, beside) else None

    def _read(self, path: Path) -> Entry:
        if path not in self._files:
            try:
                self._files[path] = read_file(path)
            except DefinitionError as error:
                raise DefinitionError([problem.of(_told(path)) for problem in error.problems]) from None
        return self._files[path]

    def _missing(self, name: str, home: Home, known: Iterable[str]) -> NotFoundError:
        files = [] if home.kind == _TEMPLATE else _files_in(Path(os.path.dirname(home.key)))
        stems = [file.removesuffix(".json") for file in files] if home.kind == _FILE else files
        what = f'There is no template "{name}"'
        if home.kind == _FILE:
            what += f", nor a file {name}.json beside {home.label}"
        suggestion = did_you_mean(name, [*known, *stems])
        return NotFoundError(what, fields={"suggestion": suggestion or "A file's name ends in .json or contains a /"})


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def _files_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".json" and entry.is_file())
    except OSError:
        return []


def _told(path: Path) -> str:
    """Return how people are told of a file: from the current folder on, where it is inside."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def _unreadable(path: Path, label: str, error: OSError | ValueError) -> NotFoundError:
    suggestion = None
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f'There is no file "{label}"'
        # All of them end alike: what differs is compared.
        found = nearest(path.stem, [name.removesuffix(".json") for name in _files_in(path.parent)])
        suggestion = None if found is None else f'Did you mean "{found}.json"?'
    elif isinstance(error, IsADirectoryError):
        message, suggestion = f'"{label}" is a folder', "Name a file"
    else:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f'The file "{label}" can\'t be read: {reason}'
    return NotFoundError(message, fields={"suggestion": suggestion})


def _unpublished(slug: str) -> NotFoundError:
    return NotFoundError(f'The template "{slug}" isn\'t published yet', fields={"suggestion": "Publish it first"})


def without_database(error: DatabaseError) -> NotFoundError:
    """Return the error for a template that is asked for where the database can't tell of any."""
    return NotFoundError(
        f"The database can't be asked for templates: {str(error).strip() or type(error).__name__}",
        fields={"suggestion": 'Run "manage.py migrate" first, or name a file'},
    )
