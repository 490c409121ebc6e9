"""Read whole documents: a definition with its name, its bindings and what it extends.

A document is `{"name", "definition", "bindings": {reference: target}, "extends": [text or inline document, …]}`, or a
bare definition (an array of actions, or `{"format": 1, "actions": […]}`). The keys of a stored template (`title`,
`description`, `execute`, `groups`, `edit`, `edit_groups`, `abstract`) may be there too: what is exported runs as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from processes.domain.bindings import Binding, parse_bindings
from processes.domain.definition import EMPTY_DEFINITION, Definition, parse_definition
from processes.domain.json_values import JSON, json_problems, pointer
from processes.domain.merge import Layer
from processes.domain.suggestions import did_you_mean
from processes.errors import DefinitionError, Problem

__all__ = ["EDIT", "EXECUTE", "Document", "TemplateSettings", "parse_document"]

#: Who may execute a template, and who may change it: the values of `execute` and `edit`.
EXECUTE: Final = ("public", "signed_in", "staff", "groups")
EDIT: Final = ("editors", "groups")

_DEFINITION_KEYS: Final = ("format", "actions")
_TEMPLATE_KEYS: Final = ("title", "description", "execute", "groups", "edit", "edit_groups", "abstract")
_KEYS: Final = ("name", *_TEMPLATE_KEYS, "extends", "bindings", "definition")
_ACTION_KEYS: Final = frozenset({"script", "next", "config"})
_MAX_NAME_CHARACTERS, _MAX_TITLE_CHARACTERS = 200, 200

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSettings:
    """Hold what a document says of the template that it is exported from, or imported as; None for what it doesn't."""

    title: str | None = None
    description: str | None = None
    execute: str | None = None
    groups: tuple[str, ...] | None = None
    edit: str | None = None
    edit_groups: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold a document that has been read; names of actions are checked once its layers are merged.

    `path` is the JSON Pointer of the document in its file, `definition_path` that of its definition, and `written` the
    definition as JSON. `extends` are names of other documents, as texts, and inline documents, as they were written.
    """

    name: str | None = None
    definition: Definition = EMPTY_DEFINITION
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    extends: tuple[JSON, ...] = ()
    abstract: bool = False
    settings: TemplateSettings = TemplateSettings()
    path: str = ""
    definition_path: str = ""
    written: JSON = field(default_factory=list)

    @property
    def bindings_path(self) -> str:
        """Give the JSON Pointer of the bindings in the file."""
        return f"{self.path}/bindings"

    def layer(self, name: str, bindings: Mapping[str, Binding] | None = None) -> Layer:
        """Give the document's own layer, without what it extends, with its bindings or other ones."""
        return Layer(
            name=name,
            definition=self.definition,
            bindings=self.bindings if bindings is None else bindings,
            definition_path=self.definition_path,
            bindings_path=self.bindings_path,
        )


def parse_document(value: object, path: str = "") -> Document:
    """Read a document from JSON values; raises DefinitionError with all problems, below the JSON Pointer `path`."""
    if found := json_problems(value):
        raise DefinitionError([problem.under(path) for problem in found])
    reader = _Reader(path)
    if isinstance(value, dict) and not (value and set(value).issubset(_DEFINITION_KEYS)):
        document = reader.read(value)
    else:
        definition = reader.part(lambda: parse_definition(value, abstract=True), path, EMPTY_DEFINITION)
        document = Document(definition=definition, path=path, definition_path=path, written=value)
    if reader.problems:
        raise DefinitionError(reader.problems)
    return document


class _Reader:
    """Read the parts of one document, and gather what is wrong with them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def read(self, value: dict[str, JSON]) -> Document:
        """Read an object whose keys are those of a document."""
        # An envelope ({"format", "actions"}) may have name, bindings and so on beside it.
        enveloped = "definition" not in value and "actions" in value
        known = (*_KEYS, *_DEFINITION_KEYS) if enveloped else _KEYS
        for key in value:
            if key not in known:
                suggestion = did_you_mean(key, known) or f"Known keys: {', '.join(known)}"
                self._add(pointer(key), f'Unknown key "{key}" in a process', suggestion)
        definition_path = self.path if enveloped else f"{self.path}/definition"
        written = (
            {key: value[key] for key in _DEFINITION_KEYS if key in value} if enveloped else value.get("definition")
        )
        return Document(
            name=self._text(value, "name", limit=_MAX_NAME_CHARACTERS, empty=False),
            definition=self._definition(value, written, definition_path),
            bindings=self.part(
                lambda: parse_bindings(value.get("bindings", {}), f"{self.path}/bindings"), "", dict[str, Binding]()
            ),
            extends=self._extends(value.get("extends", [])),
            abstract=self._flag(value, "abstract"),
            settings=self._settings(value),
            path=self.path,
            definition_path=definition_path,
            written=[] if written is None else written,
        )

    def part(self, read: Callable[[], _Part], place: str, otherwise: _Part) -> _Part:
        """Read a part whose problems are told below `place`; give `otherwise` where there are any."""
        try:
            return read()
        except DefinitionError as error:
            self.problems.extend(problem.under(place) for problem in error.problems)
            return otherwise

    def _definition(self, value: dict[str, JSON], written: JSON, place: str) -> Definition:
        if written is not None or "definition" in value:
            return self.part(lambda: parse_definition(written, abstract=True), place, EMPTY_DEFINITION)
        if not value.get("extends"):
            alone = "name" in value and _ACTION_KEYS.intersection(value)
            suggestion = "Put the action into an array: [{…}]" if alone else 'Add "definition": [ … actions … ]'
            self._add("", 'A process needs a "definition"', suggestion)
        return EMPTY_DEFINITION

    def _extends(self, value: JSON) -> tuple[JSON, ...]:
        if not isinstance(value, list):
            self._add("/extends", "Must be an array of files, templates or inline processes", "Put it into [ ]")
            return ()
        for index, base in enumerate(value):
            if not (isinstance(base, dict | list) or (isinstance(base, str) and base)):
                self._add(f"/extends/{index}", "Must be the name of a file or template, or an inline process")
        return tuple(value)

    def _settings(self, value: dict[str, JSON]) -> TemplateSettings:
        return TemplateSettings(
            title=self._text(value, "title", limit=_MAX_TITLE_CHARACTERS, empty=False),
            description=self._text(value, "description"),
            execute=self._choice(value, "execute", EXECUTE),
            groups=self._names(value, "groups"),
            edit=self._choice(value, "edit", EDIT),
            edit_groups=self._names(value, "edit_groups"),
        )

    def _text(self, value: dict[str, JSON], key: str, *, limit: int | None = None, empty: bool = True) -> str | None:
        if key not in value:
            return None
        text = value[key]
        if not isinstance(text, str) or not (text or empty):
            self._add(f"/{key}", "Must be a text" if empty else "Must be a text that isn't empty")
            return None
        if limit is not None and len(text) > limit:
            self._add(f"/{key}", f"Has more than {limit} characters")
        return text

    def _choice(self, value: dict[str, JSON], key: str, choices: tuple[str, ...]) -> str | None:
        if key not in value:
            return None
        chosen = value[key]
        if chosen not in choices:
            suggestion = did_you_mean(chosen, choices) or f"One of {', '.join(choices)}"
            self._add(f"/{key}", f"Unknown value for {key}", suggestion)
        return str(chosen)

    def _names(self, value: dict[str, JSON], key: str) -> tuple[str, ...] | None:
        if key not in value:
            return None
        names = value[key]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            self._add(f"/{key}", "Must be an array of names of groups")
            return None
        return tuple(names)

    def _flag(self, value: dict[str, JSON], key: str) -> bool:
        flag = value.get(key, False)
        if not isinstance(flag, bool):
            self._add(f"/{key}", "Must be true or false")
            return False
        return flag

    def _add(self, place: str, message: str, suggestion: str | None = None) -> None:
        self.problems.append(Problem(path=self.path + place, message=message, suggestion=suggestion))
