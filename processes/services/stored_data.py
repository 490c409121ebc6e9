"""The data of a background run as they are stored: read key by key, and written where they have changed."""

import json
import uuid
from asyncio import get_running_loop
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import get_ident
from typing import Final

from django.db import connection

from processes.domain.data_edit import MAX_KEY_CHARS
from processes.domain.json_values import JSON, json_problems, key_problem, lost_in_text
from processes.domain.lazy_data import LazyData
from processes.errors import NotJsonError
from processes.models import RunValue
from tasks.domain.jsonvalue import dumps, storable
from tasks.services import sql
from tasks.services.cursors import fixed_cursor

__all__ = ["EAGER_CHARS", "StoredData", "is_storable"]

#: Values longer than this as JSON are read only when somebody asks for them, and put away after each checkpoint.
EAGER_CHARS: Final = 4_096

_VALUE = RunValue._meta.db_table
_MAX_ORDINAL = 2**31 - 1
# Older versions stay in the database, so that a long history costs no memory; long values do, until they are read.
_NEWEST_VALUES = f"""
    SELECT key, ordinal, value IS NULL, CASE WHEN LENGTH(value) <= %s THEN value END FROM {_VALUE} AS stored
    WHERE run_id = %s AND ordinal = (
        SELECT MAX(ordinal) FROM {_VALUE} AS version
        WHERE version.run_id = stored.run_id AND version.key = stored.key AND version.ordinal <= %s
    )
"""  # noqa: S608 - names of our own
_ONE_VALUE = f"SELECT value FROM {_VALUE} WHERE run_id = %s AND key = %s AND ordinal = %s"  # noqa: S608 - as above

#: How much is shown of a key that can't be one.
_SHOWN_CHARS = 60


class StoredData:
    """Know what is stored of a run's data, so that a checkpoint writes only the keys that changed."""

    def __init__(self, run_id: uuid.UUID | None = None) -> None:
        self._run_id = run_id
        self._thread = get_ident()
        self._stored: dict[str, str] = {}
        #: Of those that nobody has read: the ordinals of their newest versions.
        self._unread: dict[str, int] = {}

    @classmethod
    def load(
        cls, run_id: uuid.UUID, *, until: int | None = None, lazily: bool = False
    ) -> tuple["StoredData", dict[str, JSON]]:
        """Return what is stored, and the data itself; the newest version of each key (up to an ordinal) counts.

        With `lazily` long values are read when somebody asks for them: that is for whoever holds the run.
        """
        found = cls(run_id)
        limit = EAGER_CHARS if lazily else _MAX_ORDINAL
        with fixed_cursor() as cursor:
            cursor.execute(_NEWEST_VALUES, [limit, sql.uuid_value(run_id), _MAX_ORDINAL if until is None else until])
            for key, ordinal, is_removed, value in cursor.fetchall():
                if value is not None:
                    found._stored[key] = value
                elif not is_removed:
                    found._unread[key] = ordinal
        return found, LazyData({**found._stored, **found._unread}, found._text)

    def changes(self, data: Mapping[str, JSON]) -> dict[str, str | None]:
        """Return the JSON text of each changed key, None for removed ones; raises NotJsonError, naming the place.

        Of the data that `load` has given, only what was read or written since is looked at.
        """
        changed: dict[str, str | None] = {}
        for key, value in (data.looked_at() if isinstance(data, LazyData) else data).items():
            text = _encode(key, value)
            if (key not in self._stored and key not in self._unread) or self._text(key) != text:
                _check_kept(key, value)
                changed[key] = text
        changed.update(dict.fromkeys((self._stored.keys() | self._unread.keys()) - data.keys()))
        return changed

    def saved(self, changed: Mapping[str, str | None], data: dict[str, JSON]) -> None:
        """Take note that `changed` is committed, and put long values of `data` away: the next action may not ask.

        What has changed is read anew too: the next action finds what a worker that takes over would find, no constant
        of a script's module, and nothing that two keys share.
        """
        for key, value in changed.items():
            self._unread.pop(key, None)
            if value is None:
                self._stored.pop(key, None)
                continue
            self._stored[key] = value
            if value.startswith(("{", "[")):
                _read_anew(data, key, value)
        if isinstance(data, LazyData):
            for key in data.looked_at():
                if len(self._stored.get(key, "")) > EAGER_CHARS:
                    data.put_away(key)

    def _text(self, key: str) -> str:
        if key in self._unread:
            assert self._run_id is not None
            read = partial(_read_value, self._run_id, key, self._unread[key])
            self._stored[key] = read() if _may_ask_here(self._thread) else _in_thread(read)
            del self._unread[key]
        return self._stored[key]


def _read_anew(data: dict[str, JSON], key: str, text: str) -> None:
    if isinstance(data, LazyData):
        data.put_away(key)
    elif key in data:
        data[key] = json.loads(text)


def _read_value(run_id: uuid.UUID, key: str, ordinal: int) -> str:
    with fixed_cursor() as cursor:
        cursor.execute(_ONE_VALUE, [sql.uuid_value(run_id), key, ordinal])
        return str(cursor.fetchone()[0])


def _may_ask_here(thread: int) -> bool:
    """Tell whether this is the thread `thread`, with no event loop in it: there Django asks no database."""
    try:
        get_running_loop()
    except RuntimeError:
        return get_ident() == thread
    return False


def _in_thread(read: Callable[[], str]) -> str:
    def ask() -> str:
        try:
            return read()
        finally:
            connection.close()

    # The value is committed: a connection of its own sees it.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(ask).result()


def is_storable(key: object, value: JSON) -> bool:
    """Tell whether a key of the data, and what is under it, can be stored."""
    try:
        _encode(str(key), value)
        _check_kept(key, value)
    except NotJsonError:
        return False
    return True


def _check_kept(key: object, value: JSON) -> None:
    """Raise NotJsonError for what would come back as something else."""
    if (message := key_problem(key, most_chars=MAX_KEY_CHARS)) is not None:
        shown = str(storable(repr(key)[:_SHOWN_CHARS]))
        raise NotJsonError(f"data can't have the key {shown}: {message}", path="/")
    if (problem := lost_in_text(value)) is not None:
        raise NotJsonError(f"data.{key}{problem.path} can't be stored: {problem.message}", path=f"/{key}{problem.path}")


def _encode(key: str, value: JSON) -> str:
    try:
        text = dumps(value)
        text.encode()  # Half of a surrogate pair is refused here, and below NUL: no database stores them.
        if "\\u0000" in text and json_problems(value, limit=1):
            raise ValueError("NUL")
    except (TypeError, ValueError, RecursionError) as error:
        place, message = "", str(error)
        if problems := json_problems(value, limit=1):
            place, message = problems[0].path, problems[0].message
        raise NotJsonError(f"data.{key}{place} can't be stored: {message}", path=f"/{key}{place}") from error
    return text
