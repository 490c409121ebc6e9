"""What a person sees of a file before deciding: its columns, and its first rows with their problems."""

from itertools import islice
from typing import Any, Final

from django.utils.translation import gettext as _

from examples.csv_import.config import CheckConfig
from processes.domain.tables import DELIMITER_NAMES, Row, RowChecker, Table, TableError

SHOWN_CHARS: Final = 60
_ENCODINGS: Final = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    "latin-1": "Latin-1",
}


def preview_of(table: Table, *, config: CheckConfig) -> dict[str, Any]:
    """Check the first rows of a table and describe them as JSON; raise `TableError`.

    Shown are the first `preview_rows` rows and, of the others that were checked, as many that have problems:

        {"columns": [{"name", "known", "rule"}], "rows": [{"line", "fields", "problems"}], "more": the same,
         "checked": 200, "with_problems": 3, "delimiter": "comma", "encoding": "UTF-8"}
    """
    checker = RowChecker(table.header, config.columns)
    shown: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []
    checked = with_problems = 0
    for row in islice(table, config.check_rows):
        checked += 1
        problems = [str(problem) for problem in checker.check(row).problems]
        with_problems += bool(problems)
        if checked <= config.preview_rows:
            shown.append(_shown(row, problems))
        elif problems and len(more) < config.preview_rows:
            more.append(_shown(row, problems))
    if not checked:
        message = _("The file has a header, and no rows below it. Upload a file with rows.")
        raise TableError("no_rows", message, line=table.header_line)
    rules = {rule.name: rule.describe() for rule in config.columns}
    return {
        "columns": [{"name": name, "known": name in rules, "rule": rules.get(name, "")} for name in table.header],
        "rows": shown,
        "more": more,
        "checked": checked,
        "with_problems": with_problems,
        "delimiter": DELIMITER_NAMES.get(table.delimiter, table.delimiter),
        "encoding": encoding_name(table.encoding),
    }


def encoding_name(codec: str) -> str:
    """Name an encoding for people."""
    return _ENCODINGS.get(codec, codec)


def _shown(row: Row, problems: list[str]) -> dict[str, Any]:
    fields = [text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…" for text in row.fields[:200]]
    return {"line": row.line, "fields": fields, "problems": problems}
