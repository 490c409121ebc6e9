"""Scripts of the process that the client starts."""

from processes.registry import task_script
from tasks import output, step, subtask
from tests.javascript.served.gates import pass_gate


@task_script("js_count")
def count(app):
    """Count to the parameter `rows`; a gate holds it half way."""
    rows = int(app.request.parameters.get("rows", 3))
    for row in range(rows):
        if row == rows // 2:
            pass_gate(app.request.parameters.get("gate", ""), app.check_cancelled)
        with subtask(f"Row {row}"):
            output(f"row {row}\n")
            step()
    app.data["counted"] = rows


@task_script("js_fail")
def fail(app):
    """Fail where it is asked to."""
    if app.request.parameters.get("fail"):
        raise ValueError("The sum is wrong.")
