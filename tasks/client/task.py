"""A task of the site: started once, followed by whoever wants to, until its end."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

from tasks.client.asking import ask
from tasks.client.errors import BadAnswer, Conflict, TaskAborted
from tasks.client.exchange import Answer, Request
from tasks.client.flow import Flow
from tasks.client.site import Call, Site
from tasks.client.updates import Outcome, Update, follow_end, follow_updates
from tasks.domain.statuses import JobStatus

__all__ = ["SyncTask", "Task"]

Output = TypeVar("Output")

#: Where the answer to a start holds the id: of a job, or of a run.
_IDS = ("job_id", "run_id")
_NEVER_BEGUN = "aborted before it began"


class Task(Generic[Output]):
    """Start a process or a job, and follow it.

    Nothing is sent before something is asked of the task. It starts once, whoever asks and however often: a start whose
    answer was lost is sent again under the same key. Everything waits asynchronously; `task.sync` has the same,
    blocking.
    """

    def __init__(
        self,
        *,
        task_template: str,
        input: Mapping[str, object] | None = None,
        client: Site | None = None,
        on_update: Callable[[Update], object] | None = None,
        key: str | None = None,
    ) -> None:
        """Take a process's address or a job's name, its arguments, and by default the environment's site.

        `on_update` is called once with each update, in order, while the result is waited for or updates are iterated.
        """
        self._site = client if client is not None else Site()
        self._function = task_template
        self._input = dict(input or {})
        self._key = key or str(uuid.uuid4())
        self._on_update = on_update
        self._told = 0
        self._task_id: str | None = None
        self._is_begun = False
        self._abort_reason: str | None = None
        self._outcome: Outcome | None = None

    @classmethod
    def of(
        cls, task_id: str, *, client: Site | None = None, on_update: Callable[[Update], object] | None = None
    ) -> Self:
        """Return the task of an id, which was started elsewhere; raises ValueError for what is no UUID."""
        found = cls(task_template="", client=client, on_update=on_update)
        found._task_id, found._is_begun = str(uuid.UUID(task_id)), True
        return found

    def __repr__(self) -> str:
        """Return which task it is."""
        return f"<Task {self._function or self._task_id} at {self._site.url}>"

    @property
    def sync(self) -> "SyncTask[Output]":
        """The same task, for those who wait blocking."""
        return SyncTask(self, self._site)

    @property
    def task_id(self) -> Call[str]:
        """The id, which starts the task."""
        return Call(self._site, self._started)

    @property
    def updates(self) -> AsyncGenerator[Update, None]:
        """The updates from the first one on, each with its `context`; they end with the terminal one."""
        return self._site.iterate_async(self.follow())

    @property
    def result(self) -> Call[Output]:
        """The result, once the task has completed; raises TaskFailed or TaskAborted."""
        return Call(self._site, self._ended)

    def abort(self, reason: str = "") -> Call[str]:
        """Ask for the task's end, and return its status: `cancelled`, or `cancel_requested` while it is at work.

        Raises Conflict where it has ended, or isn't yours to cancel.
        """
        return Call(self._site, lambda: self._aborted(reason))

    def follow(self, *, snapshot: bool = False) -> Flow[Outcome]:
        """Return the flow that emits each update; with `snapshot`, from the present state on."""
        task_id = yield from self._started()
        self._outcome = yield from follow_updates(
            task_id, self._site.patience(), snapshot=snapshot, tell=self._on_update and self._tell
        )
        return self._outcome

    def _started(self) -> Flow[str]:
        if self._abort_reason is not None:
            raise TaskAborted(self._abort_reason)
        self._is_begun = True
        if self._task_id is None:
            request = Request(
                method="POST", path=f"/api/rpc/{quote(self._function, safe='')}", body=self._input, key=self._key
            )
            answer = yield from ask(request, self._site.patience())
            self._task_id = self._id_in(answer.json())
        return self._task_id

    def _ended(self) -> Flow[Output]:
        if self._outcome is None and self._on_update is None:
            task_id = yield from self._started()
            self._outcome = yield from follow_end(task_id, self._site.patience())
        outcome = self._outcome or (yield from self.follow())
        result: Output = outcome.get()
        return result

    def _aborted(self, reason: str) -> Flow[str]:
        if not self._is_begun:
            self._abort_reason = reason or _NEVER_BEGUN
            return JobStatus.CANCELLED.value
        task_id = yield from self._started()
        patience = self._site.patience()
        body = {"reason": reason} if reason else {}
        request = Request(method="POST", path=f"/api/tasks/{task_id}/cancel/", body=body, asks_once=True)
        try:
            answer = yield from ask(request, patience)
        except Conflict:
            if not patience.attempts:
                raise
            # It may have been asked before, by a request whose answer was lost.
            state = yield from ask(Request(method="GET", path=f"/api/tasks/{task_id}/"), patience)
            if (status := _status(state)) != JobStatus.CANCELLED.value:
                raise
            return status
        return _status(answer)

    def _tell(self, update: Update) -> None:
        if self._on_update is not None and update["seq"] > self._told:
            self._told = update["seq"]
            self._on_update(update)

    def _id_in(self, answer: Any) -> str:
        for name in _IDS:
            if isinstance(answer, dict) and isinstance(answer.get(name), str):
                return str(answer[name])
        raise BadAnswer(f"{self._function!r} is no process and no job, but a function: call it (Client.call).")


def _status(answer: Answer) -> str:
    told = answer.json()
    return str(told.get("status")) if isinstance(told, dict) else ""


class SyncTask(Generic[Output]):
    """Do what a task does, blocking."""

    def __init__(self, task: Task[Output], site: Site) -> None:
        self._task = task
        self._site = site

    @property
    def task_id(self) -> str:
        """The id, which starts the task."""
        return self._task.task_id.sync()

    @property
    def updates(self) -> Generator[Update, None, None]:
        """The updates from the first one on, each with its `context`; they end with the terminal one."""
        return self._site.iterate(self._task.follow())

    def result(self) -> Output:
        """Return the result, once the task has completed; raises TaskFailed or TaskAborted."""
        return self._task.result.sync()

    def abort(self, reason: str = "") -> str:
        """Ask for the task's end, and return its status; raises Conflict where it has ended, or isn't yours."""
        return self._task.abort(reason).sync()
