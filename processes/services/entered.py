"""What people enter in forms: kept beside the data of the process until that has it.

`DataNode.entered` is `{form: {field: text | texts | file info | file infos}}`, as it was typed and not validated. Among
the fields, `"?"` holds the query of the address at which the form was shown, where it bore parameters of its own.

Every form that is sent is kept here first, by the statement that claims its step: so nothing is lost where a form is
refused, a run fails or a server dies. The entry goes when the process has saved the values among its data.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.core.files.uploadedfile import UploadedFile

from processes.domain.json_values import JSON
from processes.models import DataNode
from processes.services.access import Caller
from processes.services.data_nodes import claim_revision, give_back_claim, note
from processes.services.file_ownership import FileOwner, file_ids
from processes.services.files import delete_files_of, store_file
from processes.services.forms import to_json

__all__ = [
    "QUERY",
    "Entry",
    "Kept",
    "Uploads",
    "delete_replaced_files",
    "drop_entered",
    "entered_in",
    "keep_entered",
]

#: Beside the fields: the query of the form's address. No field can have this name.
QUERY = "?"

#: What was typed, by field; files among it as UploadedFile, kept ones as their infos.
Typed = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold what one request brings into a form; `query` is that of the form's address, without the form's own part."""

    form: str
    typed: Typed = field(default_factory=dict)
    query: str = ""


class Uploads:
    """Store the files of one request: each once, wherever it is named."""

    def __init__(self, *, caller: Caller, node: FileOwner | None) -> None:
        self._caller, self._node = caller, node
        self._infos: dict[int, JSON] = {}

    @property
    def infos(self) -> list[JSON]:
        """Return the infos of what has been stored so far."""
        return list(self._infos.values())

    def to_json(self, value: object) -> JSON:
        """Return a value as JSON, files as their infos; raises StorageError where the storage can't take one."""
        if isinstance(value, UploadedFile):
            return self._info(value)
        if isinstance(value, list | tuple):
            return [self.to_json(item) for item in value]
        return to_json(value)

    def _info(self, upload: "UploadedFile[bytes]") -> JSON:
        if id(upload) not in self._infos:
            self._infos[id(upload)] = dict(
                store_file(
                    content=upload,
                    name=upload.name or "",
                    content_type=upload.content_type or "",
                    caller=self._caller,
                    belongs_to=self._node,
                )
            )
        return self._infos[id(upload)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Hold the node as it stands once an entry was kept, and the files that were stored with it."""

    node: DataNode
    uploads: Uploads
    #: Whether other files are kept now than the forms of the former revision know of.
    has_other_files: bool = False


def entered_in(node: DataNode | None, form: str) -> Mapping[str, JSON]:
    """Return what was typed into a form and isn't among the data yet."""
    found = node.entered.get(form) if node is not None and isinstance(node.entered, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def keep_entered(
    *, caller: Caller, node: DataNode, entry: Entry, claims: bool = True, columns: Mapping[str, object] | None = None
) -> Kept:
    """Keep what was typed, with its files, if nobody has claimed the revision of `node`; return how things stand.

    It claims the revision itself, except with `claims` off: then the number stays, as long as no file comes or goes
    (of two windows, the other must not send files that it doesn't know of). `columns` are written too. Raises
    ConflictError, DataNodeNotFoundError, and StorageError: then the texts are kept, and the files that were stored.
    """
    before = {
        name: value for name, value in {**node.data, **entered_in(node, entry.form)}.items() if name in entry.typed
    }
    at_once, has_uploads = _without_uploads(entry.typed, before)
    drops_files = file_ids(before) != file_ids(at_once)
    has_other_files = has_uploads or drops_files
    changes = {**(columns or {}), "entered": _with_entry(node, entry, at_once)}
    if claims or has_other_files:
        node = claim_revision(caller=caller, node=node, **changes)
    else:
        node = note(caller=caller, node=node, **changes)
    uploads = Uploads(caller=caller, node=node)
    if not has_uploads:
        return Kept(node=node, uploads=uploads, has_other_files=has_other_files)
    stored = dict(at_once)
    try:
        for name, value in entry.typed.items():
            stored[name] = uploads.to_json(value)
    except BaseException:
        if uploads.infos:
            _write(node, _with_entry(node, entry, stored))
        give_back_claim(node=node, keeps_revision=bool(uploads.infos) or drops_files)
        raise
    node.entered = _with_entry(node, entry, stored)
    _write(node, node.entered)
    return Kept(node=node, uploads=uploads, has_other_files=True)


def drop_entered(*, node: DataNode, form: str) -> None:
    """Drop the entry of a form whose run has saved the data since `node` was claimed, if nobody has gone on from there.

    A run that ends without saving leaves it: going back must find what was entered.
    """
    if form in node.entered:
        rest = {name: typed for name, typed in node.entered.items() if name != form}
        rows = DataNode.objects.filter(pk=node.pk, revision=node.revision, updated_at__gt=node.updated_at)
        rows.update(entered=rest)


def delete_replaced_files(*, node: DataNode, candidates: Iterable[JSON]) -> None:
    """Delete those of a node's own files among `candidates` (JSON with infos) which it doesn't name any more.

    One that belongs to a run or an instance meanwhile, or that other data needs, stays.
    """
    ids = file_ids(list(candidates))
    if not ids:
        return
    row = DataNode.objects.filter(pk=node.pk).values_list("data", "entered").first()
    unused = ids - (set() if row is None else file_ids(list(row)))
    delete_files_of(node, among=unused)


def _without_uploads(typed: Typed, before: Mapping[str, JSON]) -> tuple[dict[str, JSON], bool]:
    """Return what can be kept before files are stored, and whether there are any: until then their fields stay."""
    kept: dict[str, JSON] = {}
    has_uploads = False
    for name, value in typed.items():
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(item, UploadedFile) for item in values):
            has_uploads = True
            if name in before:
                kept[name] = before[name]
        else:
            kept[name] = to_json(value)
    return kept, has_uploads


def _with_entry(node: DataNode, entry: Entry, typed: Mapping[str, JSON]) -> dict[str, JSON]:
    rest = {name: known for name, known in node.entered.items() if name != entry.form}
    query = {QUERY: entry.query} if entry.query else {}
    return {**rest, entry.form: {**typed, **query}} if typed or query else rest


def _write(node: DataNode, entered: Mapping[str, JSON]) -> None:
    DataNode.objects.filter(pk=node.pk, revision=node.revision).update(entered=dict(entered))
