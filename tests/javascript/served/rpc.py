"""What the client calls."""

from django.core.exceptions import ValidationError

from tasks import check_cancelled, mutation, output, progress, query, subtask
from tasks.registry import CallContext
from tests.javascript.served.gates import pass_gate
from tests.javascript.served.jobs import export


@query("js.add", access="anyone")
def add(context: CallContext, one: int, other: int) -> int:
    """Add two numbers."""
    return one + other


@mutation("js.report")
def report(context: CallContext, rows: int = 3) -> dict[str, int]:
    """Report what it does."""
    with subtask("Counting", total=rows):
        for row in range(rows):
            progress(row + 1)
            output(f"row {row}\n")
    return {"rows": rows}


@mutation("js.wait")
def wait(context: CallContext, gate: str) -> None:
    """Go on until the gate opens, or nobody wants it any more."""
    progress(0, 1)
    pass_gate(gate, check_cancelled)


@mutation("js.refuse", access="anyone")
def refuse(context: CallContext) -> None:
    """Refuse what was sent."""
    raise ValidationError({"name": "It is taken."})


@mutation("js.share")
def share(context: CallContext, gate: str = "", rows: int = 4) -> dict[str, str]:
    """Start work that everybody may see."""
    job = export.using(shared=True, owner=context.owner).enqueue(rows=rows, gate=gate)
    return {"taskId": str(job.root_id)}
