"""celery-progress: a task that tells its progress through its result backend, as its documentation shows.

Who uses it sets the app's `result_backend`.
"""

from celery import Celery, Task
from celery_progress.backend import ProgressRecorder

from benchmarks.measuring import seconds_of

app = Celery("progress", set_as_current=False, fixups=[])


def seconds_of_calls(calls: int) -> float:
    """Run a task of so many reports, here in this process, and return how long they took.

    Each report is the backend's own, as in a worker. The last must be there afterwards.
    """
    result = report.apply(args=(calls,))
    seconds = float(result.get())
    kept = app.AsyncResult(result.id)
    assert (kept.state, kept.info["current"]) == ("PROGRESS", calls), (kept.state, kept.info)
    kept.forget()
    return seconds


@app.task(name="progress.report", bind=True)
def report(self: Task, calls: int) -> float:
    """Report in a loop that does nothing else."""
    recorder = ProgressRecorder(self)

    def loop() -> None:
        for number in range(calls):
            recorder.set_progress(number + 1, calls)

    return seconds_of(loop)
