"""What is asked of a site: calls, starts, tasks to follow, lists to watch."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tasks.client.asking import ask
from tasks.client.errors import BadAnswer, ClientError
from tasks.client.exchange import Request, error_told
from tasks.client.flow import Flow
from tasks.client.site import Call, Site
from tasks.client.task import Task
from tasks.client.updates import Update
from tasks.client.watching import Scope, TaskList, Wanted, follow_list, wanted

__all__ = ["Client", "Watch", "watch_tasks"]

Arguments = Mapping[str, object]


class Client(Site):
    """Call a site's functions, start its processes and jobs, follow its tasks.

    What it returns is awaited, or asked for blocking by `sync`: `await client.call("count_lines", {"text": "a"})`,
    `client.call("count_lines", {"text": "a"}).sync()`.
    """

    def call(self, fn: str, args: Arguments | None = None, *, key: str | None = None) -> Call[Any]:
        """Call a function by name, and return what it returns.

        It is sent again only where it can't have arrived; with a `key`, which the function is to honour, always.
        """
        request = Request(method="POST", path=f"/api/rpc/{quote(fn, safe='')}", body=_body(args), key=key or "")
        return Call(self, lambda: self._asked(request))

    def batch(self, calls: Iterable[tuple[str, Arguments]]) -> Call[list[Any]]:
        """Make several calls at once, and return their results in order; of one that failed, the error in its place."""
        body: list[object] = [{"fn": fn, "args": dict(args)} for fn, args in calls]
        return Call(self, lambda: self._batched(body))

    def start(
        self,
        fn: str,
        args: Arguments | None = None,
        *,
        on_update: Callable[[Update], object] | None = None,
        key: str | None = None,
    ) -> Task[Any]:
        """Return the task of a process or job that begins as soon as something is asked of it."""
        return Task(task_template=fn, input=args, client=self, on_update=on_update, key=key)

    def follow(self, task_id: str, *, on_update: Callable[[Update], object] | None = None) -> Task[Any]:
        """Return the task of an id; raises ValueError for what is no UUID."""
        return Task.of(task_id, client=self, on_update=on_update)

    def watch_tasks(
        self,
        *,
        since: datetime | None = None,
        only: str | Iterable[str] = (),
        scope: Scope = "mine",
        function: str | Iterable[str] = (),
        text: str = "",
    ) -> "Watch":
        """Watch the tasks of a scope: see `watch_tasks`."""
        return Watch(self, wanted(scope=scope, since=since, only=only, function=function, text=text))

    def _asked(self, request: Request) -> Flow[Any]:
        answer = yield from ask(request, self.patience())
        return answer.json()

    def _batched(self, body: Sequence[object]) -> Flow[list[Any]]:
        answers = yield from self._asked(Request(method="POST", path="/api/rpc/batch", body=body))
        if not isinstance(answers, list) or len(answers) != len(body):
            raise BadAnswer("The answer to a batch is a list of as many answers as there are calls.")
        return [_one_of(answer) for answer in answers]


class Watch:
    """Iterate over a list of tasks as it changes, by `for` or `async for`, without an end."""

    def __init__(self, site: Site, wanted: Wanted) -> None:
        self._site = site
        self._wanted = wanted

    def __iter__(self) -> Iterator[TaskList]:
        """Watch, blocking."""
        return self._site.iterate(follow_list(self._wanted, self._site.patience()))

    def __aiter__(self) -> AsyncIterator[TaskList]:
        """Watch, in an event loop."""
        return self._site.iterate_async(follow_list(self._wanted, self._site.patience()))


def watch_tasks(
    *,
    since: datetime | None = None,
    only: str | Iterable[str] = (),
    scope: Scope = "mine",
    function: str | Iterable[str] = (),
    text: str = "",
    client: Client | None = None,
) -> Watch:
    """Watch the newest tasks of a scope: `for seen in watch_tasks(): …` or `async for seen in watch_tasks(): …`.

    Each `seen` is a TaskList: `seen.tasks` as they are now, `seen.changed` and `seen.gone` since the last one. `only`
    names statuses, or "open" for what hasn't ended; `since` leaves out what had ended before; `function` names jobs;
    `text` is found in the title. Raises ValueError where `since` has no zone.
    """
    return (client or Client()).watch_tasks(since=since, only=only, scope=scope, function=function, text=text)


def _one_of(answer: Any) -> Any | ClientError:
    if not isinstance(answer, dict):
        raise BadAnswer("An answer of a batch is an object.")
    return answer.get("data") if answer.get("ok") is True else error_told(answer.get("error"))


def _body(args: Arguments | None) -> dict[str, object]:
    return {} if args is None else dict(args)
