"""Look for secrets everywhere that they might have come to."""

import base64
import json
import pickle
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from django.apps import apps
from django.conf import settings
from django.db import connection

from processes.errors import ProcessError


def forms_of(secret: str, *users: str) -> list[str]:
    """Return a secret as it might be written: as it is, in base64, in a URL, in JSON, backwards in bytes' repr."""
    both = [f"{user}:{secret}" for user in users] + [f"\0{user}\0{secret}" for user in users]
    encoded = [base64.b64encode(text.encode()).decode() for text in (secret, *both)]
    return list(dict.fromkeys([secret, *encoded, quote(secret, safe=""), json.dumps(secret)[1:-1]]))


def found_in(text: str, secrets: Iterable[str]) -> list[str]:
    return [form for form in secrets if form in text]


def every_value() -> Iterator[tuple[str, str]]:
    """Give every value of every column of every table in the database, models or not."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", value if isinstance(value, str) else repr(value)


def database_files() -> Iterator[tuple[str, bytes]]:
    """Give the bytes of the database's files, its log of writes among them; none where it is a server."""
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        for path in sorted(name.parent.glob(f"{name.name}*")):
            yield path.name, path.read_bytes()


def stored_files() -> Iterator[tuple[str, bytes]]:
    """Give the bytes of all stored files."""
    root = Path(str(settings.MEDIA_ROOT))
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def texts_of_error(error: BaseException) -> Iterator[tuple[str, str]]:
    """Give everything that an error tells: itself, its JSON, its pickle, the variables of its frames, its causes."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        item = todo.pop()
        if item is None or item in seen:
            continue
        seen.append(item)
        name = type(item).__name__
        yield f"{name} repr", repr(item)
        if isinstance(item, ProcessError):
            yield f"{name} JSON", json.dumps(item.to_json())
            yield f"{name} pickle", pickle.dumps(item).decode("latin-1")
        yield f"{name} traceback", "".join(traceback.TracebackException.from_exception(item).format())
        frame_of = item.__traceback__
        while frame_of is not None:
            code = frame_of.tb_frame.f_code
            # The test's own variables know the secrets.
            if "/tests/" not in code.co_filename:
                for variable, value in frame_of.tb_frame.f_locals.items():
                    yield f"{name} {code.co_name}.{variable}", _repr(value)
            frame_of = frame_of.tb_next
        todo += [item.__cause__, item.__context__]
        if isinstance(item, ProcessError):
            todo.append(item.cause)


def models_with_text() -> set[str]:
    """Return the tables of all models, to make sure that none was overlooked."""
    return {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - whatever is in a frame
        return f"<{type(error).__name__}>"
