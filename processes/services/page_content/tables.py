"""Describe tables as JSON, and bring their cells into the form that people read.

A described table is `{"kind": "table", "caption", "columns", "rows", "empty", "more"}`: `columns` with `label`,
`align`, `type`, `decimals` and `header`, `rows` with one value for each column, `more` tells how many aren't shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from django.utils import formats, timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON, canonical
from processes.errors import ContentError
from processes.services.errors import FileMissingError
from processes.services.files import file_url, is_file_info
from processes.services.indicators import spoken

__all__ = ["MAX_CELLS", "Cell", "checked_table", "describe_table", "read_columns", "shown_rows"]

#: How many cells one table may have: more than that nobody reads, and a phone can't hold.
MAX_CELLS: Final = 50_000
_MAX_COLUMNS: Final = 100
#: Rows that are looked at for the columns of a table which doesn't choose any.
_ROWS_LOOKED_AT: Final = 100
_MAX_TEXT: Final = 1_000
#: From so many characters on, a cell gets more room: on a phone it would be a column of single words.
_LONG: Final = 24
_MAX_DIGITS: Final = 100
ALIGNMENTS: Final = ("left", "right", "center")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Hold a cell as people read it."""

    text: str
    align: str = "left"
    is_header: bool = False
    #: Where the file is downloaded that the cell holds.
    file_url: str = ""
    #: The moment that it tells, in ISO 8601.
    moment: str = ""

    @property
    def css_class(self) -> str:
        """Return the class of the cell, empty for most."""
        found = {"right": "number", "center": "centered"}.get(self.align, "")
        return f"{found} long".strip() if len(self.text) > _LONG else found


def read_columns(text: str) -> list[dict[str, JSON]]:
    """Read the columns of a tag: `name, amount:Amount:right`; raises ContentError."""
    columns: list[dict[str, JSON]] = []
    for item in text.split(","):
        key, *rest = (part.strip() for part in item.split(":"))
        if not key or len(rest) > 2 or (len(rest) == 2 and rest[1] not in ALIGNMENTS):
            raise ContentError(
                f'A column is "key", "key:Label" or "key:Label:right", not "{item.strip()}"', code="bad_table"
            )
        columns.append(
            {"key": key, **({"label": rest[0]} if rest else {}), **({"align": rest[1]} if len(rest) == 2 else {})}
        )
    return columns


def describe_table(
    rows: JSON,
    *,
    columns: Sequence[Mapping[str, JSON]] | None = None,
    caption: str | None = None,
    empty: str | None = None,
    limit: int | None = None,
) -> dict[str, JSON]:
    """Describe a table of objects or lists, with the chosen columns, or all that there are.

    A column is `{"key", "label"?, "align"?, "type"?, "decimals"?, "header"?}`; its key leads into objects by names and
    into lists by numbers, with dots between. Raises ContentError for rows that aren't any, and where they are too many.
    """
    if rows is None:
        rows = []
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping | list | tuple) for row in rows):
        raise ContentError("The rows of a table are a list of objects, or of lists", code="bad_table")
    chosen = [dict(column) for column in columns] if columns else _columns_of(rows)
    shown = rows[:limit]
    if len(shown) * max(len(chosen), 1) > MAX_CELLS or len(chosen) > _MAX_COLUMNS:
        raise ContentError(
            f"A table has at most {MAX_CELLS:,} cells and {_MAX_COLUMNS} columns: give it a limit, fewer columns, or "
            "the rows as a download",
            code="bad_table",
        )
    cells = [[_value(row, str(column["key"])) for column in chosen] for row in shown]
    described: dict[str, JSON] = {
        "kind": "table",
        "columns": [_column(column, [row[index] for row in cells]) for index, column in enumerate(chosen)],
        "rows": cells,
    }
    if caption:
        described["caption"] = caption
    if empty:
        described["empty"] = empty
    if len(shown) < len(rows):
        described["more"] = len(rows) - len(shown)
    return described


def checked_table(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a described table that came through data, without what isn't the description of one."""
    columns = [column for column in _list(value.get("columns")) if isinstance(column, Mapping)]
    described: dict[str, JSON] = {
        "kind": "table",
        "columns": [
            {**column, "label": str(column.get("label") or ""), "align": str(column.get("align") or "left")}
            for column in columns
        ],
        "rows": [list(row) for row in _list(value.get("rows")) if isinstance(row, list)],
    }
    texts = {name: text for name in ("caption", "empty") if isinstance(text := value.get(name), str)}
    more = value.get("more")
    return {**described, **texts, **({"more": more} if isinstance(more, int) and more > 0 else {})}


def shown_rows(table: Mapping[str, JSON]) -> list[list[Cell]]:
    """Return the cells of a described table, in the language and the time zone that are active."""
    columns = table["columns"]
    return [[_cell(value, column) for value, column in zip(row, columns, strict=False)] for row in table["rows"]]


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _columns_of(rows: Sequence[JSON]) -> list[dict[str, JSON]]:
    keys: dict[str, None] = {}
    width = 0
    for row in rows[:_ROWS_LOOKED_AT]:
        if isinstance(row, Mapping):
            keys.update(dict.fromkeys(str(key) for key in row if "." not in str(key)))
        else:
            width = max(width, len(row))
    # Lists have no names for what they hold.
    return [{"key": key} for key in keys] or [{"key": str(index), "label": ""} for index in range(width)]


def _column(column: Mapping[str, JSON], values: Sequence[JSON]) -> dict[str, JSON]:
    kind = column.get("type")
    numbers = kind == "number" or (kind is None and any(_is_number(value) for value in values))
    numbers = numbers and all(value is None or _is_number(value) or kind == "number" for value in values)
    label = column.get("label")
    described = {
        "label": spoken(str(column["key"]).rpartition(".")[2]) if label is None else str(label),
        "align": column.get("align") or ("right" if numbers else "left"),
    }
    kept = {name: column[name] for name in ("type", "decimals", "header") if column.get(name) not in (None, False)}
    return {**described, **kept}


def _value(row: JSON, key: str) -> JSON:
    found = row
    if isinstance(row, Mapping) and key in row:
        found = row[key]
    else:
        for part in key.split("."):
            if isinstance(found, Mapping):
                found = found.get(part)
            elif isinstance(found, list | tuple) and part.isascii() and part.isdigit() and len(part) < 10:
                found = found[int(part)] if int(part) < len(found) else None
            else:
                return None
    if isinstance(found, Mapping) and not is_file_info(found):
        return _cut(canonical(found))
    if isinstance(found, list | tuple):
        simple = all(not isinstance(item, Mapping | list | tuple) for item in found)
        return _cut(", ".join("" if item is None else str(item) for item in found) if simple else canonical(found))
    return dict(found) if isinstance(found, Mapping) else found


def _cell(value: JSON, column: Mapping[str, JSON]) -> Cell:
    align = column.get("align") if column.get("align") in ALIGNMENTS else "left"
    is_header = column.get("header") is True
    if is_file_info(value):
        try:
            url = file_url(value)
        except FileMissingError:
            url = ""
        return Cell(text=str(value.get("name", "")), align=str(align), is_header=is_header, file_url=url)
    kind = column.get("type")
    moment = _moment(value, kind) if kind in ("date", "datetime") else None
    if moment is not None:
        form = "DATE_FORMAT" if kind == "date" else "DATETIME_FORMAT"
        text = formats.date_format(moment, form)
        return Cell(text=text, align=str(align), is_header=is_header, moment=moment.isoformat())
    return Cell(text=_text(value, kind, column.get("decimals")), align=str(align), is_header=is_header)


def _text(value: JSON, kind: JSON, decimals: JSON) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if kind == "number" and (number := _number(value)) is not None:
        places = decimals if isinstance(decimals, int) and 0 <= decimals <= 20 else None
        return str(formats.number_format(number, places, force_grouping=True))
    if kind is None and _is_number(value):
        return str(formats.localize(value))
    return str(value)


def _number(value: JSON) -> Decimal | None:
    text = str(value)
    if len(text) > _MAX_DIGITS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # An exponent may stand for more digits than anybody wants to see.
    return number if number.is_finite() and abs(number.adjusted()) < _MAX_DIGITS else None


def _moment(value: JSON, kind: JSON) -> date | None:
    if not isinstance(value, str):
        return value if isinstance(value, date) else None
    readers = (parse_date, parse_datetime) if kind == "date" else (parse_datetime, parse_date)
    for read in readers:
        try:
            found = read(value[:64])
            if isinstance(found, datetime) and timezone.is_aware(found):
                return timezone.localtime(found)
        except (ValueError, OverflowError):
            # The first and the last day that there are have no neighbours in other time zones.
            continue
        if found is not None:
            return found
    return None


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
