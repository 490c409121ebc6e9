"""What stored files belong to, and so how long they live.

A file belongs to at most one thing: an instance, else a run, else a data node, and is deleted with it. Whenever data
is saved that names files by their infos, `adopt_files` lets them belong to what the data was saved for, if that is
stronger than what they belong to now: an upload first belongs to the node of the form that follows, then to the run
that takes the data over. What a callback's responses have brought belongs to the callback, and nobody takes it away.

Neither a run nor an instance loses a file that its data once named, as long as it exists. Of several, the first one has
it; the others, and a run from which an instance has taken it, are noted as further holders (`FileHolder`). When its
owner is deleted, one of them takes it over: an instance before a run (processes.models.stored_file).

A node whose data names a file that belongs to something stronger, or to another node, doesn't own it, but needs it: the
file notes until when (`expires_at`), and stays that long though its owner may go before. So the page with a result,
kept in a node of its own, finds the run's files as long as it can be opened.

Infos are JSON, which anybody may write. Only files that the caller owns are adopted; those of a user whose authority is
lent to the caller only where they belong to nothing, and then they live no shorter than without. All others are
ignored.

Rows are locked in one order, here and where owners are deleted: nodes, runs and instances before files, files by their
ids.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, QuerySet, When

from processes.domain.json_values import JSON
from processes.models import Callback, DataNode, DataNodeKind, FileHolder, ProcessInstance, Run, StoredFile
from processes.services.access import Caller, owned_by, readable_by

__all__ = ["FILE_INFO", "FileOwner", "adopt_files", "belonging", "file_ids", "hold_files"]

#: The `type` of a file info.
FILE_INFO = "FILE_INFO"

FileOwner = DataNode | Run | ProcessInstance | Callback

_UNOWNED = Q(node=None, run=None, instance=None, callback=None)
#: No database takes any number of values in one statement; no data of sense comes near.
_IDS = 5_000


def adopt_files(data: JSON, *, caller: Caller, owner: FileOwner) -> int:
    """Let the files whose infos are anywhere inside `data` belong to `owner`, and return how many do so only now.

    Takes four statements at most, and none where there are no infos. Call it in the transaction that saves the data,
    or after it. A context node stands for its instance.
    """
    ids = sorted(file_ids(data))
    return sum(_adopt(ids[start : start + _IDS], caller=caller, owner=owner) for start in range(0, len(ids), _IDS))


def belonging(owner: FileOwner | None, *, caller: Caller) -> dict[str, object]:
    """Return the columns of a new file that belongs to `owner`, without one to the run in which `caller` works."""
    if isinstance(owner, ProcessInstance):
        return {"instance_id": owner.pk}
    if isinstance(owner, Run):
        return {"run_id": owner.pk}
    if isinstance(owner, Callback):
        return {"callback_id": owner.pk}
    if isinstance(owner, DataNode):
        return {"instance_id": owner.instance_id} if _is_context(owner) else {"node_id": owner.pk}
    return {} if caller.run_id is None else {"run_id": caller.run_id}


def file_ids(data: JSON) -> set[uuid.UUID]:
    """Return the ids in all file infos inside `data`, whether there are such files or not."""
    return {file_id for info in _infos(data) if (file_id := _as_id(info.get("id"))) is not None}


def hold_files(texts: Iterable[str], *, run_id: uuid.UUID) -> None:
    """Note a run as a holder of its owner's files that belong to callbacks or other runs, and that its data names.

    They outlive those then: a callback that is over, a child run, an earlier execution. `texts` are JSON, written in
    the same transaction, which has locked the run.
    """
    ids = {file_id for text in texts if f'"{FILE_INFO}"' in text for file_id in file_ids(json.loads(text))}
    if not ids:
        return
    run = Run.objects.only("user_id", "session_key").get(pk=run_id)
    mine = owned_by(Caller(user_id=run.user_id, session_key=run.session_key))
    others = Q(callback__isnull=False) | (Q(run__isnull=False) & ~Q(run=run_id))
    files = _locked(StoredFile.objects.filter(mine, others, pk__in=sorted(ids)[:_IDS]))
    FileHolder.objects.bulk_create([FileHolder(file=stored, run_id=run_id) for stored in files], ignore_conflicts=True)


def _adopt(ids: list[uuid.UUID], *, caller: Caller, owner: FileOwner) -> int:
    columns = belonging(owner, caller=caller)
    named = StoredFile.objects.filter(pk__in=ids, is_complete=True)
    mine = named.filter(owned_by(caller) | (_UNOWNED & readable_by(caller)))
    # Whoever deletes what they belong to waits for this transaction, and finds them as it leaves them.
    with transaction.atomic(savepoint=False):
        if "node_id" in columns:
            assert isinstance(owner, DataNode)
            if not _locked(named.filter(readable_by(caller))):
                return 0
            needed = named.filter(readable_by(caller)).exclude(_UNOWNED).exclude(node_id=owner.pk)
            _keep_until(owner.expires_at, needed)
            return _take(mine.filter(_UNOWNED), columns=columns, caller=caller)
        is_run = "run_id" in columns
        if not is_run:
            # What is noted of a run from which an instance takes files refers to it.
            runs = mine.filter(instance=None, run__isnull=False).order_by().values("run_id")
            list(Run.objects.filter(pk__in=runs).order_by("pk").select_for_update(no_key=True).values_list("pk"))
        files = _locked(mine)
        # What a callback has brought stays its own.
        free = [stored for stored in files if stored.callback_id is None and stored.instance_id is None]
        taken = [stored for stored in free if not (is_run and stored.run_id)]
        kept = set(files).difference(taken)
        losers = [FileHolder(file=stored, run_id=stored.run_id) for stored in taken if stored.run_id is not None]
        others = [stored for stored in kept if any(getattr(stored, name) != key for name, key in columns.items())]
        holders = [*losers, *(FileHolder(file=stored, **columns) for stored in others)]
        FileHolder.objects.bulk_create(holders, ignore_conflicts=True)
        if not taken:
            return 0
        return _take(mine.filter(pk__in=[stored.pk for stored in taken]), columns=columns, caller=caller)


def _locked(files: QuerySet[StoredFile]) -> list[StoredFile]:
    return list(files.only("pk", "run_id", "instance_id", "callback_id").order_by("pk").select_for_update())


def _take(files: QuerySet[StoredFile], *, columns: Mapping[str, object], caller: Caller) -> int:
    # What belonged to nothing had a time of its own, which is over now; what a node had asked for stays.
    until = Case(
        When(_UNOWNED & owned_by(caller), then=None), default=F("expires_at"), output_field=DateTimeField(null=True)
    )
    return files.update(**{"node_id": None, "run_id": None, "instance_id": None, **columns, "expires_at": until})


def _keep_until(until: datetime | None, files: QuerySet[StoredFile]) -> None:
    if until is not None:
        files.filter(Q(expires_at=None) | Q(expires_at__lt=until)).update(expires_at=until)


def _infos(data: JSON) -> Iterator[Mapping[str, JSON]]:
    """Walk through JSON without recursion: nobody limits how deep data is nested."""
    todo: list[JSON] = [data]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            if value.get("type") == FILE_INFO:
                yield value
            todo.extend(item for item in value.values() if isinstance(item, dict | list))
        elif isinstance(value, list | tuple):
            todo.extend(item for item in value if isinstance(item, dict | list))


def _as_id(value: JSON) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_context(node: DataNode) -> bool:
    return node.kind == DataNodeKind.CONTEXT and node.instance_id is not None
