"""Keep templates in files: one JSON document each, which is what `run_process` and `import_process` read.

Keys come in a fixed order, those of bindings sorted at every depth, so that the same template always gives the same
text, and a change a short diff: export, import and export again gives the same bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processes.domain.document import Document
from processes.domain.json_values import JSON
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import Access, EditAccess, ProcessTemplate
from processes.services.authoring.templates import draft_of
from processes.services.documents import read_file
from processes.services.errors import NotPublishedError
from processes.services.library import Source

__all__ = ["TemplateFile", "definition_text", "file_text", "in_fixed_order", "read_template_files", "template_json"]

_SLUG: Final = re.compile(r"[-a-zA-Z0-9_]{1,50}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """Hold a file that is to become a template; `label` is what people call it."""

    slug: str
    path: Path
    label: str
    document: Document


def template_json(template: ProcessTemplate, *, published: bool = False) -> dict[str, JSON]:
    """Return a template as a document: its draft, or what was published last (NotPublishedError where nothing was)."""
    source = draft_of(template)
    if published:
        if template.published_source is None:
            raise NotPublishedError(f'The template "{template.slug}" isn\'t published yet.')
        source = Source.from_json(template.slug, template.published_source)
    values: dict[str, JSON] = {
        "name": template.slug,
        "title": template.title,
        "description": template.description,
        "execute": str(template.access),
        "groups": list(template.groups.values_list("name", flat=True)),
        "edit": str(template.edit_access),
        "edit_groups": list(template.edit_groups.values_list("name", flat=True)),
        "abstract": source.abstract,
        "extends": list(source.extends),
        "bindings": dict(source.bindings),
        "definition": json.loads(source.definition),
    }
    return in_fixed_order(values)


def in_fixed_order(values: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a template's document with its keys in order, and without those that say nothing."""
    result: dict[str, JSON] = {key: values[key] for key in ("name", "title", "description", "execute")}
    if values["execute"] == Access.GROUPS:
        result["groups"] = sorted(values["groups"])
    result["edit"] = values["edit"]
    if values["edit"] == EditAccess.GROUPS:
        result["edit_groups"] = sorted(values["edit_groups"])
    if values["abstract"]:
        result["abstract"] = True
    result["extends"] = values["extends"]
    result["bindings"] = _sorted(values["bindings"])
    result["definition"] = values["definition"]
    return result


def _sorted(value: JSON) -> JSON:
    """Return bindings with all keys sorted, names first: some databases don't keep the order that was written."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda key: (key != "name", key))}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def file_text(document: JSON) -> str:
    """Return the text of a file."""
    return definition_text(document) + "\n"


def definition_text(value: JSON) -> str:
    """Return JSON as people edit it: indented, with its keys in the order in which they were written."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def read_template_files(paths: Sequence[str | Path]) -> list[TemplateFile]:
    """Read files that are to become templates.

    Raises DefinitionError with all problems; the file that a problem lies in is its source.
    """
    files: list[TemplateFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files.append(_read(Path(path)))
        except DefinitionError as error:
            problems.extend(problem.of(str(path)) for problem in error.problems)
        except NotFoundError as error:
            suggestion = error.fields.get("suggestion")
            problems.append(Problem(path="", message=error.message, suggestion=suggestion, source=str(path)))
    problems.extend(_taken_twice(files))
    if problems:
        raise DefinitionError(problems)
    return files


def _read(path: Path) -> TemplateFile:
    entry = read_file(path)
    document = entry.document
    if not _SLUG.fullmatch(entry.name):
        named = document.name is not None
        raise DefinitionError(
            [
                Problem(
                    path="/name" if named else "",
                    message=f'"{entry.name}" can\'t be the name of a template',
                    suggestion=("Use" if named else 'Add a "name" of')
                    + " at most 50 letters, digits, hyphens and underscores",
                )
            ]
        )
    return TemplateFile(slug=entry.name, path=Path(entry.home.key), label=str(path), document=document)


def _taken_twice(files: Sequence[TemplateFile]) -> list[Problem]:
    first: dict[str, TemplateFile] = {}
    return [
        Problem(
            path="/name",
            message=f'The name "{file.slug}" is already used by {other.label}',
            suggestion="Give it a name of its own",
            source=file.label,
        )
        for file in files
        if (other := first.setdefault(file.slug, file)) is not file
    ]
