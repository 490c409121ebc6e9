"""The task scripts of the process csv-import."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from examples.csv_import.batches import complete_batch, discard_batch, in_groups, open_batch, write_rows
from examples.csv_import.config import CheckConfig, DiscardConfig, ImportConfig, TableConfig
from examples.csv_import.preview import encoding_name, preview_of
from examples.csv_import.rejected import RejectedRows
from processes.domain.application import Application
from processes.domain.tables import CheckedRow, RowChecker, RowProblem, Table, TableError, open_table
from processes.errors import PermanentError, RunCancelled
from processes.registry import task_script
from processes.services.files import is_file_info, open_file, store_file
from processes.services.host import caller_of
from tasks import output, progress, step

SHOWN_PROBLEMS: Final = 20
_LOOK_EVERY_ROWS: Final = 500


@task_script("csv_check", config=CheckConfig, effect="pure")
def csv_check(app: Application) -> None:
    """Check the header and the first rows of the uploaded file (`data.upload`).

    State "ok" with `data.preview`, or "bad" with the reason, for people, in `data.problem`.
    """
    config: CheckConfig = app.config
    app.data.pop("problem", None)
    app.data.pop("preview", None)
    try:
        with _open(app, config) as table:
            preview = preview_of(table, config=config)
    except TableError as error:
        app.data["problem"] = error.message
        app.state = "bad"
        return
    upload = app.data["upload"]
    app.data["preview"] = {**preview, "name": upload["name"], "size": upload["size"]}
    app.state = "ok"


@task_script("csv_read", config=TableConfig, effect="pure")
def csv_read(app: Application) -> None:
    """Read the file from end to end, and store what it is in `data.facts`: {rows, lines, bytes, encoding, delimiter}.

    Reports progress in bytes, and at the end in rows: how many there are nobody knows before. Raises `TableError`
    where the file can't be read to its end.
    """
    config: TableConfig = app.config
    size, name = app.data["upload"]["size"], app.data["upload"]["name"]
    progress(current=0, total=size, message=_("Reading %(name)s") % {"name": name})
    rows = 0
    with _open(app, config) as table:
        RowChecker(table.header, config.columns)  # a missing column is told before the work
        for rows, _row in enumerate(table, start=1):
            if rows % _LOOK_EVERY_ROWS == 0:
                app.check_cancelled()
                progress(current=min(table.bytes_read, size), message=_rows_in_bytes(rows, read=table.bytes_read))
        if not rows:
            message = _("The file has a header, and no rows below it. Upload a file with rows.")
            raise TableError("no_rows", message, line=table.header_line)
        app.data["facts"] = {
            "rows": rows,
            "lines": table.lines_read,
            "bytes": table.bytes_read,
            "encoding": encoding_name(table.encoding),
            "delimiter": table.delimiter,
        }
        progress(current=rows, total=rows, message=_rows_read(rows))
        told = _("%(name)s: %(rows)s rows, %(columns)s columns, %(encoding)s") % {
            "name": name,
            "rows": intcomma(rows),
            "columns": len(table.header),
            "encoding": encoding_name(table.encoding),
        }
        output(f"{told}\n")


@task_script("csv_validate", config=TableConfig)
def csv_validate(app: Application) -> None:
    """Check every row against the rules of the columns.

    Leaves `data.accepted` and `data.rejected` (counts), and `data.rejected_file`: the info of a CSV file with the
    rejected rows and the reasons, null where there is none. The first problems are streamed as output.
    """
    config: TableConfig = app.config
    progress(current=0, total=app.data["facts"]["rows"], message=_("Checking the rows"))
    accepted = 0
    with _open(app, config) as table, RejectedRows(table.header, delimiter=table.delimiter) as rejected:
        shown = 0
        for number, (row, checked) in enumerate(_checked(table, config), start=1):
            if checked.accepted:
                accepted += 1
            else:
                rejected.add(row, checked.problems)
                for problem in checked.problems[: SHOWN_PROBLEMS - shown]:
                    shown += 1
                    output(_line_of(problem))
            step()
            if number % _LOOK_EVERY_ROWS == 0:
                app.check_cancelled()
        app.data["rejected_file"] = _store(app, rejected) if rejected.count else None
        app.data["accepted"], app.data["rejected"] = accepted, rejected.count
    summary = _("%(accepted)s rows accepted, %(rejected)s rejected") % {
        "accepted": intcomma(accepted),
        "rejected": intcomma(app.data["rejected"]),
    }
    progress(message=summary)
    output(f"{summary}\n")


@task_script("csv_import_rows", config=ImportConfig)
def csv_import_rows(app: Application) -> None:
    """Write the accepted rows to the batch that bears the run's id, and let them be seen once all are there.

    May run again after a crash at any point: rows that are there already stay, each is there once. Takes everything
    back when the run is cancelled.
    """
    config: ImportConfig = app.config
    batch_id = _run_id(app)
    accepted, rejected = app.data["accepted"], app.data["rejected"]
    progress(current=0, total=accepted, message=_("Writing the rows"))
    batch = open_batch(batch_id=batch_id, title=app.data["upload"]["name"], user_id=caller_of(app).user_id)
    try:
        with _open(app, config) as table:
            rows = (checked for _row, checked in _checked(table, config) if checked.accepted)
            for group in in_groups(rows, size=config.batch_rows):
                app.check_cancelled()
                write_rows(batch=batch, rows=group)
                step(len(group))
    except RunCancelled:
        discard_batch(batch_id=batch_id)
        raise
    complete_batch(batch_id=batch_id, accepted=accepted, rejected=rejected)
    app.data["batch"] = str(batch_id)
    told = ngettext("%(rows)s row imported", "%(rows)s rows imported", accepted) % {"rows": intcomma(accepted)}
    progress(current=accepted, message=told)


@task_script("csv_discard", config=DiscardConfig)
def csv_discard(app: Application) -> None:
    """Delete what an import that failed has written; then invoke the action `config.then`, if it names one."""
    config: DiscardConfig = app.config
    if app.get("run_id") is None:
        return
    discarded = discard_batch(batch_id=_run_id(app))
    if discarded:
        told = ngettext("%(rows)s row taken back", "%(rows)s rows taken back", discarded) % {
            "rows": intcomma(discarded)
        }
        output(f"{told}\n")
    if config.then is not None:
        app.invoke(config.then)


@contextmanager
def _open(app: Application, config: TableConfig) -> Iterator[Table]:
    upload = app.data.get("upload")
    if not isinstance(upload, dict) or not is_file_info(upload):
        raise TableError("empty", _("There is no file. Choose a CSV file and upload it."))
    # Only the caller's own file: an info that somebody made up finds nothing.
    with open_file(upload, caller=caller_of(app)) as binary:
        yield open_table(binary, limits=config.limits)


def _checked(table: Table, config: TableConfig) -> Iterator[tuple[Any, CheckedRow]]:
    """Give each row with its judgement. The same file gives the same judgements, each time that it is read."""
    checker = RowChecker(table.header, config.columns)
    for row in table:
        yield row, checker.check(row)


def _store(app: Application, rejected: RejectedRows) -> dict[str, Any]:
    name = f"{PurePath(app.data['upload']['name']).stem}-rejected.csv"
    return dict(store_file(content=rejected.content(), name=name, content_type="text/csv", caller=caller_of(app)))


def _run_id(app: Application) -> uuid.UUID:
    run_id = app.get("run_id")
    if run_id is None:
        raise PermanentError("This script writes for a background run: put execute_in_background before it.")
    return uuid.UUID(str(run_id))


def _rows_read(rows: int) -> str:
    return ngettext("%(rows)s row read", "%(rows)s rows read", rows) % {"rows": intcomma(rows)}


def _rows_in_bytes(rows: int, *, read: int) -> str:
    told = ngettext("%(rows)s row in %(bytes)s bytes", "%(rows)s rows in %(bytes)s bytes", rows)
    return told % {"rows": intcomma(rows), "bytes": intcomma(read)}


def _line_of(problem: RowProblem) -> str:
    place = _("line %(line)s") % {"line": intcomma(problem.line)}
    return f"{place}: {problem}\n"
