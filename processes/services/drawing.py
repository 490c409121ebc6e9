"""Drawing the progress page in the process's own way.

The action `renderProgress` is carried out at each view of the page, maybe every two seconds, so it must be cheap and
change nothing. It runs as `app.invoke` runs an action, without the lifecycle actions of its process: `@start` and
`@end` belong to runs, and looking at one is none. The script `render_progress` isn't run at all: what it would say is
known. Whatever a drawing of another kind changes in the database is taken back.
"""

import logging
import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.plan import Plan, PlanAction
from processes.domain.response import Response
from processes.domain.targets import ScriptTarget
from processes.errors import ProcessError
from processes.services.foreground import Answer, Visit
from processes.services.host import DjangoHost
from processes.services.indicators import INDICATOR_KEY, RENDER_SCRIPT

__all__ = ["RENDER_ACTION", "draw_progress"]

logger = logging.getLogger(__name__)

#: The action that draws the progress page; the attribute and the key of data of this name tell it which task.
RENDER_ACTION = "renderProgress"


def draw_progress(*, visit: Visit, root_id: uuid.UUID) -> Answer:
    """Return what the process answers for the progress page; empty where it leaves that to us, or fails at it."""
    action = visit.plan.ordinary.get(RENDER_ACTION)
    if action is None or action.script == RENDER_SCRIPT:
        return _nothing()
    user = visit.user if isinstance(visit.user, AbstractBaseUser) and visit.user.is_authenticated else None
    known: dict[str, JSON] = {INDICATOR_KEY: str(root_id)}
    app = Application(data=dict(known), request=visit.request, user=user, attributes=known)
    problem = _draw(visit, action, app)
    if problem is not None:
        # The page must show how the work is going, even where drawing it in the process's own way has failed.
        logger.error("renderProgress of %s failed: %s", visit.template.slug, problem, exc_info=problem)
        return _nothing()
    return Answer(response=app.response, data=app.data)


def _draw(visit: Visit, action: PlanAction, app: Application) -> ProcessError | None:
    """Carry the drawing out, and return why it can't be shown, if it can't."""
    host = DjangoHost(caller=visit.caller, plan=visit.plan)
    interpreter = Interpreter.start(visit.plan, app=app, host=host, entry=RENDER_ACTION, outside=False, bare=True)
    if _is_pure(visit.plan, action):
        outcome = interpreter.run()
    else:
        with transaction.atomic():
            outcome = interpreter.run()
            transaction.set_rollback(True)
    if isinstance(outcome, Failed):
        return outcome.error
    if not isinstance(outcome, Finished) or app.response.form is not None:
        return ProcessError("The progress page can neither wait nor show a form: what it stores is taken back.")
    return None


def _is_pure(plan: Plan, first: PlanAction) -> bool:
    """Tell whether nothing that may run from an action on writes anything."""
    seen: set[int] = set()
    todo = [first.index]
    while todo:
        index = todo.pop()
        if index < 0 or index in seen:
            continue
        seen.add(index)
        action = plan.actions[index]
        if action.target is not None and not (
            isinstance(action.target, ScriptTarget) and action.target.effect == "pure"
        ):
            return False
        todo += [action.after, *(action.routes or {}).values()]
    return True


def _nothing() -> Answer:
    return Answer(response=Response(), data={})
