"""The base of a tracked task."""

from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.exceptions import Ignore

from tasks.celery_tasks.replacing import stand_in
from tasks.celery_tasks.run import HEADER, Run, TaskRevoked, begin_run, fresh_connection, harmless, owner_of, title_from
from tasks.errors import TaskCancelled
from tasks.services.celery_rows import QUEUED, Origin
from tasks.services.languages import own_language
from tasks.tracking import tracking


class TrackedTask(DjangoTask):
    """Be the base of a Celery task whose every invocation has a tree: `@shared_task(base=TrackedTask)`.

    The tree's id is the Celery task's, where that is a UUID. Inside the body `tasks.progress`, `step`, `output`,
    `subtask` and `set_meta` report to it.
    """

    abstract = True
    is_tracked = True

    #: What people read; by default the last part of the task's name.
    tracked_title: str | None = None
    #: How long after a worker's death Celery delivers the task again, where it does (`acks_late`): so long its tree
    #: waits. For RabbitMQ a moment will do; Redis takes its visibility timeout, an hour unless set.
    redelivery_seconds: float = 60.0
    #: How long a message of it may wait to be begun, beyond the time that it is sent for; then its tree ends, since of
    #: a message that the broker has lost nobody else knows.
    begin_within_seconds: float = QUEUED.total_seconds()
    #: Whether cancelling ends the process that the task runs in. Without, its body must ask `check_cancelled`.
    cancel_terminates = False

    # As the settings leave results to those who want them; tracebacks are kept there for staff.
    ignore_result = False
    store_errors_even_if_ignored = True

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Send the task as Celery does; `owner` (a user or a user's key), `title` and `shared` are its tree's."""
        given = {name: options.pop(name) for name in ("owner", "title", "shared") if name in options}
        if given:
            origin = Origin(
                title=str(given.get("title") or ""),
                owner=owner_of(given.get("owner")),
                shared=bool(given.get("shared")),
            )
            headers = dict(options.get("headers") or {})
            headers[HEADER] = {**(headers.get(HEADER) or {}), **origin.to_json()}
            options["headers"] = headers
        return super().apply_async(args, kwargs, task_id, producer, link, link_error, shadow, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body; tracked where a worker runs it, as a plain function where it is called like one."""
        request: Any = self.request
        # A body that calls its own task calls a function, too.
        if request.called_directly or hasattr(request, "stepline_run"):
            return super().__call__(*args, **kwargs)
        request.stepline_run = run = begin_run(self)
        if run is None:
            return self.run(*args, **kwargs)
        try:
            if run.begun.refused is not None:
                raise TaskRevoked(run.begun.refused, task_id=str(run.root_id))
            with fresh_connection(), own_language(), tracking(run.recorder.root):
                return self.run(*args, **kwargs)
        except TaskCancelled as error:
            run.error = error
            self.backend.mark_as_revoked(request.id, error.message, request=request, store_result=True)
            raise Ignore(error.message) from error
        except BaseException as error:
            run.error = error
            raise

    def replace(self, sig: Any) -> Any:
        """Let another task, or a canvas, go on in this one's place, as Celery does; its tree ends with that."""
        run = run_of(self)
        if run is None or self.request.is_eager:
            return super().replace(sig)
        with harmless("What goes on in the place of task %s can't be followed.", self.request.id):
            sig = stand_in(run, self, sig)
        return super().replace(sig)

    def check_cancelled(self) -> None:
        """Raise TaskRevoked once the end of this task was asked for: call it where the work can stop."""
        run = run_of(self)
        if run is not None:
            run.check()

    def title_of(self, request: Any) -> str:
        """Return the title of an invocation's tree; `request` has Celery's `args` and `kwargs`."""
        return str(self.tracked_title or title_from(self.name))


def run_of(task: Any) -> Run | None:
    """Return the run that a task is in, in this thread."""
    if not isinstance(task, TrackedTask):
        return None
    run = getattr(task.request, "stepline_run", None)
    return run if isinstance(run, Run) else None
