"""The task script that reads tables from stored files."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO, Final, Literal

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import ngettext
from pydantic import BaseModel, ConfigDict, Field, field_validator

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.domain.suggestions import did_you_mean
from processes.domain.tables import Format, JsonLinesRecords, Limits, Records, RowProblem, TableError
from processes.registry import task_script
from processes.services.files import is_file_info, store_file
from processes.services.host import caller_of
from processes.services.tables import DEFAULT_LIMITS, open_records
from tasks import progress

#: Problems that are told one by one.
SHOWN_PROBLEMS: Final = 20
_LOOK_EVERY_ROWS: Final = 1_000
_MEMORY_BYTES: Final = 1024 * 1024


class ReadTableConfig(BaseModel):
    """Configure `read_table`."""

    model_config = ConfigDict(extra="forbid")

    file: dict[str, JSON] = Field(description='The stored file, such as "%{data:upload}".')
    format: Format | None = Field(None, description="csv, xlsx or jsonl; found from content and name where absent.")
    sheet: str | None = Field(None, description="Of a workbook: the sheet's name; the first one where absent.")
    columns: list[str] | None = Field(None, min_length=1, description="The columns to take, in this order; else all.")
    limit: int = Field(100, ge=0, le=10_000, description="How many rows go into the data, from the first on.")
    output: Literal["data", "file"] = Field(
        "data", description='"file" also writes all rows to a stored file, as JSON Lines.'
    )
    max_rows: int = Field(
        DEFAULT_LIMITS.max_rows, ge=1, le=DEFAULT_LIMITS.max_rows, description="More rows than these are an error."
    )
    into: str = Field("table", min_length=1, description="The key in data for the result.")

    @field_validator("file")
    @classmethod
    def _file_info(cls, value: dict[str, JSON]) -> dict[str, JSON]:
        if not is_file_info(value):
            raise ValueError('this isn\'t a stored file: write "%{data:key}", where the key holds one')
        return value


@task_script(
    "read_table",
    config=ReadTableConfig,
    aliases=("readTable",),
    example=Example(
        definition=[
            {
                "name": "read",
                "script": "read_table",
                "config": {"file": "%{data:upload}", "columns": ["iata", "name"], "limit": 10, "output": "file"},
                "next": {"problems": "tell", "*": True},
            },
            {"name": "show", "script": "show_page", "config": {"text": "%{data:table.count} rows"}, "next": False},
            {"name": "tell", "script": "show_page", "config": {"text": "%{data:table.skipped} rows can't be read."}},
        ],
    ),
    errors={
        "file_not_found": "The file isn't there, or isn't this caller's.",
        "not_a_table": "The file is something else than a table, or damaged.",
        "missing_columns": "The file lacks some of `columns`.",
        "no_sheet": "The workbook has no sheet of that name.",
        "too_many_rows": "The file has more than `max_rows`.",
        "too_many_bytes": "The file is too large, packed or unpacked.",
        "empty": "The file is empty. Further codes for files that can't be read: `no_header`, `bad_header`, "
        "`blank_columns`, `duplicate_columns`, `too_many_columns`, `field_too_long`, `record_too_long`, "
        "`unclosed_quote`, `wrong_encoding`, `no_rows`; `fields` hold the `line`.",
    },
)
def read_table(app: Application) -> None:
    """Read a table from a stored file: CSV, an Excel workbook or JSON Lines, however large.

    Leaves `{"count", "columns", "rows", "truncated", "skipped", "problems"}`: all rows that could be read are counted,
    and the first `limit` of them given, each an object by column. Rows that don't fit the header are skipped and
    counted, the first twenty told in `problems`; the state is `problems` then, else `ok`. With `"output": "file"` the
    result has a `file` too: a stored file with all rows as JSON Lines. Reports progress, and can be cancelled.
    """
    config: ReadTableConfig = app.config
    limits = Limits(max_bytes=DEFAULT_LIMITS.max_bytes, max_rows=config.max_rows)
    caller = caller_of(app)
    with (
        open_records(config.file, caller=caller, format=config.format, sheet=config.sheet, limits=limits) as records,
        tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as written,
    ):
        sink = written if config.output == "file" else None
        result = _read(app, records, config, sink)
        if sink is not None:
            written.seek(0)
            name = f"{PurePosixPath(str(config.file.get('name') or 'table')).stem}.jsonl"
            result["file"] = dict(
                store_file(content=written, name=name, content_type="application/jsonl", caller=caller)  # type: ignore[arg-type]
            )
    app.data[config.into] = result
    app.state = "problems" if result["skipped"] else "ok"


def _read(app: Application, records: Records, config: ReadTableConfig, sink: IO[bytes] | None) -> dict[str, JSON]:
    """Go through the rows once: count them, keep the first, write them all where there is a `sink`."""
    wanted = config.columns
    if wanted is not None:
        _check_columns(wanted, records)
    rows: list[JSON] = []
    problems: list[RowProblem] = []
    count = skipped = 0
    for number, record in enumerate(records, start=1):
        if record.problem is not None:
            skipped += 1
            if len(problems) < SHOWN_PROBLEMS:
                problems.append(record.problem)
        else:
            values = _chosen(record.values, wanted)
            count += 1
            if len(rows) < config.limit:
                rows.append(values)
            if sink is not None:
                sink.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
        if number % _LOOK_EVERY_ROWS == 0:
            app.check_cancelled()
            told = ngettext("%(count)s row read", "%(count)s rows read", number) % {"count": intcomma(number)}
            progress(message=told)
    return {
        "count": count,
        "columns": list(wanted or records.columns),
        "rows": rows,
        "truncated": count > len(rows),
        "skipped": skipped,
        "problems": [problem.as_json() for problem in problems],
    }


def _chosen(values: Mapping[str, JSON], wanted: list[str] | None) -> dict[str, JSON]:
    return dict(values) if wanted is None else {name: values.get(name) for name in wanted}


def _check_columns(wanted: list[str], records: Records) -> None:
    if isinstance(records, JsonLinesRecords):
        # Each row has its own; one without a column has null there.
        return
    missing = [name for name in wanted if name not in records.columns]
    if missing:
        found = ", ".join(list(records.columns)[:10])
        hint = did_you_mean(missing[0], records.columns)
        plural = "s" if len(missing) > 1 else ""
        raise TableError(
            "missing_columns",
            f"The file lacks the column{plural} {', '.join(missing)}. Its columns are: {found}. {hint or ''}".rstrip(),
            line=1,
        )
