"""Jobs that the client starts."""

from tasks import job, output, set_meta, subtask
from tasks.errors import PermanentError
from tasks.registry import JobContext
from tests.javascript.served.gates import pass_gate


@job("js.export", access="signed_in", title="Exporting")
def export(context: JobContext, rows: int = 4, gate: str = "") -> dict[str, int]:
    """Tell each row; half way it waits for the gate."""
    set_meta({"file": "rows.csv"})
    context.progress(0)
    for row in range(rows):
        context.check_cancelled()
        if row == rows // 2:
            context.progress(100 * row / rows, "half way")
            pass_gate(gate, context.check_cancelled)
        with subtask(f"Row {row}", alias=f"row-{row}") if row < 2 else subtask(f"Row {row}"):
            output(f"row {row}\n")
        context.progress(100 * (row + 1) / rows, f"row {row} of {rows}")
    return {"rows": rows}


@job("js.broken", access="signed_in")
def broken(context: JobContext) -> None:
    """Fail."""
    raise PermanentError("The disk is full.")
