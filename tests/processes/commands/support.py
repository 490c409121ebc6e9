"""Call management commands as a shell would: with texts, for an exit code and two outputs."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Called:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(name: str, *arguments: object) -> Called:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(name, *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    except CommandError as error:
        # What manage.py does with it.
        code = error.returncode
        err.write(str(error))
    return Called(code, out.getvalue(), err.getvalue())


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    called = call("run_process", *arguments)
    return called.code, called.json


def write(folder: Path, name: str, content: object) -> Path:
    """Write a file: texts and bytes as they are, everything else as JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def values(name: str, **given: object) -> dict[str, Any]:
    """An action that sets data."""
    return {"name": name, "script": "set_data", "config": {"values": given}}


def nothing(name: str, **keys: object) -> dict[str, Any]:
    return {"name": name, "script": None, **keys}


def places(report: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """Where the errors of an invalid report are: source (None for the file itself) and path."""
    return [(error.get("source"), error["path"]) for error in report["errors"]]
