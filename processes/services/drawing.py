"""Drawing the progress page in the process's own way.

The action `renderProgress` is carried out at each view of the page, maybe every two seconds, so it must be cheap and
change nothing. It runs as `app.invoke` runs an action, without the lifecycle actions of its process: `@start` and
`@end` belong to runs, and looking at one is none. The script `render_progress` isn't run at all: what it would say is
known. Whatever a drawing of another kind changes in the database is taken back, and one that changes nothing there
stands in nobody's way.
"""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, connection, transaction

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.response import Response
from processes.errors import ProcessError
from processes.services.access import may_execute
from processes.services.foreground import Answer, Visit
from processes.services.host import DjangoHost
from processes.services.indicators import INDICATOR_KEY, RENDER_SCRIPT
from processes.services.instance_access import may_execute_instance

__all__ = ["RENDER_ACTION", "draw_progress"]

logger = logging.getLogger(__name__)

#: The action that draws the progress page; the attribute and the key of data of this name tell it which task.
RENDER_ACTION = "renderProgress"


def draw_progress(*, visit: Visit, root_id: uuid.UUID) -> Answer:
    """Return what the process answers for the progress page; empty where it leaves that to us, or fails at it.

    It leaves that to us, too, where the visitor may see the task and may not execute the process.
    """
    action = visit.plan.ordinary.get(RENDER_ACTION)
    if action is None or action.script == RENDER_SCRIPT or not _may_draw(visit):
        return _nothing()
    known: dict[str, JSON] = {INDICATOR_KEY: str(root_id)}
    app = Application(data=dict(known), request=visit.request, user=_known_user(visit), attributes=known)
    problem = _draw(visit, app)
    if problem is not None:
        # The page must show how the work is going, even where drawing it in the process's own way has failed.
        logger.error("renderProgress of %s failed: %s", visit.template.slug, problem, exc_info=problem)
        return _nothing()
    return Answer(response=app.response, data=app.data)


def _may_draw(visit: Visit) -> bool:
    if visit.instance is not None:
        return may_execute_instance(_known_user(visit), visit.instance)
    template = visit.template
    is_published = template.published_plan_id is not None and not template.abstract
    return is_published and may_execute(visit.user, template)


def _known_user(visit: Visit) -> AbstractBaseUser | None:
    return visit.user if isinstance(visit.user, AbstractBaseUser) and visit.user.is_authenticated else None


def _draw(visit: Visit, app: Application) -> ProcessError | None:
    """Carry the drawing out, and return why it can't be shown, if it can't."""
    host = DjangoHost(caller=visit.caller, plan=visit.plan, is_looking=True)
    interpreter = Interpreter.start(visit.plan, app=app, host=host, entry=RENDER_ACTION, outside=False, bare=True)
    with _taken_back():
        outcome = interpreter.run()
    if isinstance(outcome, Failed):
        return outcome.error
    if not isinstance(outcome, Finished) or app.response.form is not None:
        return ProcessError("The progress page can neither wait nor show a form: what it stores is taken back.")
    return None


@contextmanager
def _taken_back() -> Iterator[None]:
    """Take back whatever is written meanwhile; as long as nothing is, no lock is held that writers wait for."""
    late = connection.execute_wrapper(_LockLate()) if connection.vendor == "sqlite" else nullcontext()
    with late, transaction.atomic():
        yield
        transaction.set_rollback(True)


class _LockLate:
    """Let a transaction of SQLite take the write lock with its first statement that isn't a query, not when it begins.

    Until then it is a transaction all the same, so that nothing that gets past here is stored. It has to begin anew to
    take the lock: one that has read can't write any more where somebody else has written since, however long it waits.
    PostgreSQL locks what is written, and needs none of this: there no statement begins a transaction.
    """

    def __init__(self) -> None:
        #: The statement that begins one with the lock; empty once it has it.
        self._begin = ""

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: object, many: bool, context: dict[str, Any]
    ) -> Any:
        if sql.startswith("BEGIN") and not connection.in_atomic_block:
            self._begin = sql
            return execute("BEGIN", params, many, context)
        # A savepoint is no query either: it would be lost where the transaction begins anew after it.
        if self._begin and sql.lstrip()[:6].upper() != "SELECT":
            self._take_lock()
        return execute(sql, params, many, context)

    def _take_lock(self) -> None:
        begin, self._begin = self._begin, ""
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
            try:
                cursor.execute(begin)
            except DatabaseError:
                # Whoever goes on after this error still has a transaction that is taken back.
                cursor.execute("BEGIN")
                self._begin = begin
                raise


def _nothing() -> Answer:
    return Answer(response=Response(), data={})
