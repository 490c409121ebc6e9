"""Items are known by their value: what two texts of JSON are compared by, in the database and in Python.

The order of an object's keys says nothing, and 1 and 1.0 are the same, as everywhere that data are compared. The text
of an item itself stays as it was written: its keys may be the columns of a table, whose order people see. So it is read
anew for a comparison, which is made only where a run goes on with the loop of an earlier execution; and so it holds for
items that an older release has stored, too.
"""

import json
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

from processes.domain.json_values import canonical
from tasks.services.cursors import is_postgresql

__all__ = ["known_by", "known_by_sql"]

_FUNCTION: Final = "processes_known_by"
#: Up to here each whole number is a float of its own.
_EXACT: Final = 2.0**53
#: An item of the action's own may hold a NUL, which jsonb can't; two characters that nobody uses stand for it.
_AS_JSONB: Final = r"CAST(REPLACE(COALESCE(NULLIF(item, ''), 'null'), '\u0000', '\uE000\uF8FF') AS jsonb)"


def known_by(item: str) -> str:
    """Return the text that is the same for all texts of the same value."""
    return canonical(json.loads(item, parse_float=_number)) if item else "null"


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if abs(value) < _EXACT and value.is_integer() else value


def known_by_sql() -> str:
    """Return the expression by which a statement compares the column `item`, on the thread's connection."""
    if is_postgresql():
        return _AS_JSONB
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    database.connection.create_function(_FUNCTION, 1, known_by, deterministic=True)
    return f"{_FUNCTION}(item)"
