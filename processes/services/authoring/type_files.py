"""Make status rules and types of instances of files that apps bring along: JSON documents, all of them or none.

A file of status rules:

    {"name", "title", "description", "enforced", "groups": ["approvers"], "rules": [{"role", "status", "action"}]}

`groups` are those that its rules name as roles; they are created where they aren't there. A file of a type:

    {"name", "title", "description", "process", "status_rules", "bindings", "status", "topics", "create", "groups"}

`process` and `status_rules` are names; `create` says who may create one, as `execute` does of a template.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, ParamSpec, TypeAlias, TypeVar

from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processes.domain.json_values import JSON
from processes.domain.suggestions import did_you_mean
from processes.errors import DefinitionError, Problem
from processes.models import Access, InstanceType, ProcessTemplate, StatusRules
from processes.services.authoring.instance_types import save_instance_type
from processes.services.status_rules import find_problems, save_status_rules, uses_of

__all__ = ["ImportedType", "import_types"]

_Slug: TypeAlias = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]{1,50}$")]
_Groups: TypeAlias = list[Annotated[str, Field(min_length=1, max_length=150)]]

#: The largest file that is read.
_MAX_BYTES: Final = 4 * 1024 * 1024


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: _Slug
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    groups: _Groups = Field(default_factory=list)


class _RulesFile(_File):
    enforced: bool = True
    rules: list[JSON]


class _TypeFile(_File):
    process: _Slug
    status_rules: _Slug | None = None
    bindings: dict[str, JSON] = Field(default_factory=dict)
    status: str = Field("", max_length=60)
    topics: list[str] = Field(default_factory=list)
    create: Access = Access.SIGNED_IN


_Kind = TypeVar("_Kind", bound=_File)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedType:
    """Say what became of a file: `created`, `updated` or `kept`; and what in it doesn't fit what was kept."""

    slug: str
    label: str
    outcome: str
    problems: tuple[Problem, ...] = ()


def import_types(
    *,
    rules: Sequence[Path],
    types: Sequence[Path],
    keep_existing: bool = False,
    kept_processes: Collection[str] = (),
    editor: AbstractBaseUser | None = None,
) -> list[ImportedType]:
    """Create or update status rules, and then types, for each file, in one transaction.

    `keep_existing` leaves alone what is there already. Rules that don't fit one of `kept_processes`, which were left
    alone, too, are stored all the same and tell their problems: what isn't declared just isn't offered. Raises
    DefinitionError with all problems; the file that a problem lies in is its source. Without an editor it is Stepline
    itself that acts.
    """
    found = _Problems()
    read_rules = [(path, file) for path in rules if (file := found.of(path, _read, path, _RulesFile)) is not None]
    read_types = [(path, kind) for path in types if (kind := found.of(path, _read, path, _TypeFile)) is not None]
    found.tell()
    with transaction.atomic():
        saved_rules = [found.of(path, _save_rules, path, file, keep_existing, editor) for path, file in read_rules]
        saved_types = [found.of(path, _save_type, path, kind, keep_existing, editor) for path, kind in read_types]
        found.tell()
        # Only now it is known which actions there are.
        checked = [one if one is None or one.outcome == "kept" else _checked(one) for one in saved_rules]
        for (path, _file), one in zip(read_rules, checked, strict=True):
            if one is not None and one.problems and not _is_used_by(one, kept_processes):
                found.add(path, one.problems)
        found.tell()
    return [one for one in (*checked, *saved_types) if one is not None]


class _Problems:
    """Gather what is wrong with several files, to be told together."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def of(
        self, path: Path, step: Callable[_Given, _Result], *args: _Given.args, **kw: _Given.kwargs
    ) -> _Result | None:
        """Take a step, and return what it gives; None where something is wrong, which lies in the file then."""
        try:
            return step(*args, **kw)
        except DefinitionError as error:
            self.add(path, error.problems)
            return None

    def add(self, path: Path, problems: Iterable[Problem]) -> None:
        """Note problems that lie in a file."""
        self._found.extend(problem.of(str(path)) for problem in problems)

    def tell(self) -> None:
        """Raise what was found, if anything was."""
        if self._found:
            raise DefinitionError(self._found)


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DefinitionError([Problem(path="", message=f"The file has more than {_MAX_BYTES:,} bytes")])
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DefinitionError([_problem(one, kind) for one in error.errors()]) from error
    except (ValueError, OSError, RecursionError) as error:
        raise DefinitionError([Problem(path="", message=f"This can't be read as JSON: {error}")]) from error


def _problem(error: Mapping[str, JSON], kind: type[_File]) -> Problem:
    place = [str(part) for part in error["loc"]]
    suggestion = did_you_mean(place[-1], kind.model_fields) if error["type"] == "extra_forbidden" and place else None
    message = "Unknown key" if error["type"] == "extra_forbidden" else str(error["msg"])
    return Problem(path="".join(f"/{part}" for part in place), message=message, suggestion=suggestion)


def _save_rules(path: Path, file: _RulesFile, keep: bool, editor: AbstractBaseUser | None) -> ImportedType:
    row = StatusRules.objects.filter(slug=file.name).first()
    outcome = "created" if row is None else "updated"
    if row is not None and keep:
        return ImportedType(slug=file.name, label=str(path), outcome="kept")
    _groups(file.groups)
    row = row or StatusRules(slug=file.name)
    row.title, row.description, row.enforced = file.title, file.description, file.enforced
    row.rules = json.dumps(file.rules, ensure_ascii=False, indent=2)
    try:
        save_status_rules(rules=row, editor=editor)
    except DefinitionError as error:
        raise DefinitionError([_below(problem) for problem in error.problems]) from error
    return ImportedType(slug=file.name, label=str(path), outcome=outcome)


def _save_type(path: Path, file: _TypeFile, keep: bool, editor: AbstractBaseUser | None) -> ImportedType:
    row = InstanceType.objects.filter(slug=file.name).first()
    outcome = "created" if row is None else "updated"
    if row is not None and keep:
        return ImportedType(slug=file.name, label=str(path), outcome="kept")
    row = row or InstanceType(slug=file.name)
    row.title, row.description, row.status, row.access = file.title, file.description, file.status, file.create
    row.bindings, row.topics = file.bindings, file.topics
    row.template = _named(ProcessTemplate, file.process, "/process")
    row.status_rules = None if file.status_rules is None else _named(StatusRules, file.status_rules, "/status_rules")
    save_instance_type(type=row, editor=editor, groups=_groups(file.groups))
    return ImportedType(slug=file.name, label=str(path), outcome=outcome)


def _checked(imported: ImportedType) -> ImportedType:
    row = StatusRules.objects.get(slug=imported.slug)
    errors = find_problems(row.rules, uses=uses_of(row)).errors
    return replace(imported, problems=tuple(_below(problem) for problem in errors))


def _is_used_by(imported: ImportedType, processes: Collection[str]) -> bool:
    used = InstanceType.objects.filter(status_rules__slug=imported.slug, template__slug__in=list(processes))
    return used.exists()


def _below(problem: Problem) -> Problem:
    """Return a problem of rules with its place in their file."""
    return Problem(
        path=f"/rules{problem.path}", message=problem.message, value=problem.value, suggestion=problem.suggestion
    )


_Row = TypeVar("_Row", ProcessTemplate, StatusRules)


def _named(model: type[_Row], slug: str, path: str) -> _Row:
    row = model._default_manager.filter(slug=slug).first()
    if row is None:
        known = did_you_mean(slug, list(model._default_manager.values_list("slug", flat=True)[:1000]))
        raise DefinitionError(
            [Problem(path=path, message="There is nothing of that name", value=slug, suggestion=known)]
        )
    return row


def _groups(names: Sequence[str]) -> list[Group]:
    return [Group.objects.get_or_create(name=name)[0] for name in names]
