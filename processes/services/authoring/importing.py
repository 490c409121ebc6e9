"""Make templates of files: all of them, or none."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from processes.domain.json_values import JSON, pointer
from processes.errors import DefinitionError, Problem, ProcessError
from processes.models import ProcessTemplate
from processes.services.audit import SYSTEM, actor_of, record
from processes.services.authoring.publishing import lock_templates
from processes.services.authoring.template_files import (
    TemplateFile,
    definition_text,
    file_text,
    in_fixed_order,
    template_json,
)
from processes.services.authoring.templates import (
    differs_from_published,
    publish,
    replace_draft,
    save_draft,
)
from processes.services.bound_connections import check_connections
from processes.services.documents import is_file_name
from processes.services.errors import PublishRefusedError, SlugTakenError
from processes.services.library import Library, Source, in_order, read_library

__all__ = ["Imported", "import_templates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Say what became of a file: `created`, `updated`, `unchanged` or `kept`; and whether it was published."""

    slug: str
    label: str
    outcome: str
    published: bool = False


def import_templates(
    files: Sequence[TemplateFile], *, publishing: bool = True, keep_existing: bool = False, user: object = None
) -> list[Imported]:
    """Create or update a template for each file, in one transaction, those first that others build on.

    What a file doesn't say of a template (who may execute it …) stays as it is; definition, bindings and extends are
    replaced. `keep_existing` leaves templates alone that are there already. Raises DefinitionError with all problems;
    the file, or else the template, that a problem lies in is its source.
    """
    try:
        return _Import(files, publishing, keep_existing, user).carry_out()
    except (IntegrityError, SlugTakenError):
        # Somebody else has created one of them at the same moment: now it is there.
        return _Import(files, publishing, keep_existing, user).carry_out()


class _Import:
    """Hold what one import works with."""

    def __init__(self, files: Sequence[TemplateFile], publishing: bool, keep_existing: bool, user: object) -> None:
        self.publishing, self.keep_existing, self.user = publishing, keep_existing, user
        self.files = {file.slug: file for file in files}
        self.slugs = {file.path: file.slug for file in files}
        self.problems: list[Problem] = []
        self.refused: set[str] = set()
        self.bindings: dict[str, dict[str, JSON]] = {}
        self.extends: dict[str, list[str]] = {}
        self.before: Library | None = None

    @transaction.atomic
    def carry_out(self) -> list[Imported]:
        """Import all files, in order; raises DefinitionError, and nothing is changed then."""
        lock_templates()
        self.before = read_library()
        for file in self.files.values():
            self._read_names(file)
        order = in_order(self.files, {slug: self._needs(slug) for slug in self.files})
        existing = set(ProcessTemplate.objects.filter(slug__in=self.files).values_list("slug", flat=True))
        if not self.problems:
            self._open_circles(order, existing)
        imported = [self._import(self.files[slug], existing) for slug in order if not self._is_held_up(slug)]
        if self.problems:
            raise DefinitionError(self.problems)
        return imported

    def _read_names(self, file: TemplateFile) -> None:
        """Turn names of files into those of the templates that they become."""
        extends: list[str] = []
        for index, base in enumerate(file.document.extends):
            extends.append(self._slug(file, base, f"/extends/{index}"))
        self.extends[file.slug] = extends
        bindings: dict[str, JSON] = {}
        for reference, binding in file.document.bindings.items():
            target = binding.to_json()
            if binding.kind == "process" and isinstance(binding.target, str):
                target = {"process": self._slug(file, binding.target, f"/bindings{pointer(reference)}/process")}
            bindings[reference] = target
        self.bindings[file.slug] = bindings

    def _slug(self, file: TemplateFile, name: JSON, path: str) -> str:
        if not isinstance(name, str):
            self._refuse(file, path, "A template can't extend an inline process", "Put it into a file of its own")
            return ""
        if not is_file_name(name, folder=file.path.parent):
            return name
        slug = self.slugs.get(Path(os.path.abspath(file.path.parent / name)))
        if slug is None:
            suggestion = "Import that file too, or write the name of a template"
            self._refuse(file, path, f'A stored template can\'t refer to the file "{name}"', suggestion)
        return slug or ""

    def _needs(self, slug: str) -> set[str]:
        return {*self.extends[slug], *self._calls(slug)}

    def _calls(self, slug: str) -> frozenset[str]:
        return Source(slug=slug, definition="", bindings=self.bindings[slug]).process_names

    def _open_circles(self, order: Sequence[str], existing: set[str]) -> None:
        """Put in place, unchecked, what is called before its turn: processes may call each other in a circle."""
        there = set(existing)
        for slug in order:
            there.add(slug)
            for name in sorted(self._calls(slug) & self.files.keys() - there):
                there.add(name)
                template = ProcessTemplate.objects.create(
                    slug=name, title=self._title(name), definition=definition_text(self.files[name].document.written)
                )
                replace_draft(template, bindings=self.bindings[name], extends=())
                actor = SYSTEM if self.user is None else actor_of(self.user)
                record("template.created", actor=actor, subject=template, details={"revision": template.revision})

    def _is_held_up(self, slug: str) -> bool:
        """Tell whether something that the file builds on has been refused: its problems would be those again."""
        if slug not in self.refused and self.refused.intersection(self._needs(slug)):
            self.refused.add(slug)
        return slug in self.refused

    def _import(self, file: TemplateFile, existing: set[str]) -> Imported:
        known = file.slug in existing
        if known and self.keep_existing:
            return Imported(slug=file.slug, label=file.label, outcome="kept")
        template = ProcessTemplate.objects.filter(slug=file.slug).first() or ProcessTemplate(
            slug=file.slug, title=self._title(file.slug)
        )
        changed = True
        published = False
        try:
            if known:
                # As texts: to Python 1, 1.0 and true are equal, and the order of keys doesn't count.
                changed = file_text(self._wanted(file, template)) != file_text(template_json(template))
            if changed:
                self._save(file, template)
            if self.publishing and differs_from_published(template):
                publish(template=template, user=self.user)
                published = True
        except SlugTakenError:
            raise
        except PublishRefusedError as error:
            for broken in error.fields["broken"]:
                self._locate(
                    file, Problem(broken["path"], broken["message"], None, broken["suggestion"]), broken["template"]
                )
        except DefinitionError as error:
            for problem in error.problems:
                self._locate(file, problem, problem.source or file.slug)
        except ProcessError as error:
            self._refuse(file, error.path or "", error.message, error.fields.get("suggestion"))
        outcome = "created" if not known else "updated" if changed else "unchanged"
        return Imported(slug=file.slug, label=file.label, outcome=outcome, published=published)

    def _save(self, file: TemplateFile, template: ProcessTemplate) -> None:
        document, settings = file.document, file.document.settings
        template.title = settings.title or template.title
        if settings.description is not None:
            template.description = settings.description
        template.access = settings.execute or template.access
        template.edit_access = settings.edit or template.edit_access
        template.abstract = document.abstract
        save_draft(
            template=template,
            definition=_kept_text(template.definition, document.written),
            bindings=self.bindings[file.slug],
            extends=self._bases(file),
            groups=_groups(settings.groups),
            edit_groups=_groups(settings.edit_groups),
            user=self.user,
        )
        # What was put in place to open a circle is no draft that was there before.
        library = read_library()
        check_connections(library, library.drafts[file.slug], user=self.user, before=self.before)

    def _bases(self, file: TemplateFile) -> list[ProcessTemplate]:
        found = {base.slug: base for base in ProcessTemplate.objects.filter(slug__in=self.extends[file.slug])}
        missing = [(index, slug) for index, slug in enumerate(self.extends[file.slug]) if slug not in found]
        if missing:
            raise DefinitionError(
                [
                    Problem(path=f"/extends/{index}", message=_missing_base(slug, slug in self.files), value=slug)
                    for index, slug in missing
                ]
            )
        return [found[slug] for slug in self.extends[file.slug]]

    def _wanted(self, file: TemplateFile, template: ProcessTemplate) -> dict[str, JSON]:
        """Return what an export would give after the import."""
        settings = file.document.settings
        said: dict[str, JSON] = {
            "title": settings.title,
            "description": settings.description,
            "execute": settings.execute,
            "groups": settings.groups,
            "edit": settings.edit,
            "edit_groups": settings.edit_groups,
        }
        return in_fixed_order(
            {
                "groups": list(template.groups.values_list("name", flat=True)),
                "edit_groups": list(template.edit_groups.values_list("name", flat=True)),
                **template_json(template),
                **{key: value for key, value in said.items() if value is not None},
                "abstract": file.document.abstract,
                "extends": self.extends[file.slug],
                "bindings": self.bindings[file.slug],
                "definition": file.document.written,
            }
        )

    def _title(self, slug: str) -> str:
        return self.files[slug].document.settings.title or slug

    def _locate(self, file: TemplateFile, problem: Problem, source: str) -> None:
        """Tell a problem of a template with its place in the file that the template comes from."""
        owner = self.files.get(source)
        if owner is None:
            self._keep(file, problem.of(source))
            return
        path = problem.path
        if path == "/extends" and problem.value in owner.document.extends:
            path += f"/{owner.document.extends.index(problem.value)}"
        elif not path.startswith(("/bindings", "/extends")):
            path = owner.document.definition_path + path
        self._keep(file, replace(problem, path=path, source=owner.label))

    def _refuse(self, file: TemplateFile, path: str, message: str, suggestion: str | None = None) -> None:
        self._keep(file, Problem(path=path, message=message, suggestion=suggestion, source=file.label))

    def _keep(self, file: TemplateFile, problem: Problem) -> None:
        self.refused.add(file.slug)
        if problem not in self.problems:
            self.problems.append(problem)


def _kept_text(text: str, wanted: JSON) -> str:
    """Return the definition's text: the one that is there where it says the same, as its editor has laid it out."""
    new = definition_text(wanted)
    try:
        return text if definition_text(json.loads(text)) == new else new
    except ValueError:
        return new


def _groups(names: Sequence[str] | None) -> list[Group] | None:
    return None if names is None else [Group.objects.get_or_create(name=name)[0] for name in names]


def _missing_base(slug: str, imported: bool) -> str:
    if imported:
        return f'"{slug}" builds on this template, so this one can\'t extend it'
    return f'There is no template "{slug}": import it too'
