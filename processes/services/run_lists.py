"""Who sees which runs: their owners, and staff who may view runs or control them, all of them."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from processes.models import Run
from processes.services.access import CONTROL_RUNS, User, may_control, may_view
from tasks.errors import NotAllowed, TaskNotFound
from tasks.models import TaskRoot
from tasks.services.access import is_kept_from, owned_by, viewer_of

__all__ = ["check_may_control", "find_seen_run", "may_see_runs", "roots_of_runs"]


def may_see_runs(user: User) -> bool:
    """Tell whether `user` may see runs of others."""
    return may_control(user) or may_view(user, Run)


def roots_of_runs(user: User, *, session: Any) -> QuerySet[TaskRoot]:
    """Return the roots of the runs that somebody sees, with their runs; no parts of others."""
    roots = TaskRoot.objects.filter(run__isnull=False, request_scoped=False, is_part=False)
    if not may_see_runs(user):
        roots = roots.filter(owned_by(viewer_of(user=user, session=session)))
    return roots.select_related("run__template", "run__user")


def find_seen_run(run_id: uuid.UUID, *, user: User, session: Any) -> Run:
    """Return a run that somebody sees; raises TaskNotFound for all others, and where there is none."""
    rows = Run.objects.select_related("root", "template", "instance", "user").filter(pk=run_id)
    viewer = viewer_of(user=user, session=session)
    if not may_see_runs(user):
        rows = rows.filter(root__in=TaskRoot.objects.filter(owned_by(viewer), pk=run_id))
    found = rows.first()
    # Whoever controls runs is asked nothing by a team's rule, here as elsewhere.
    if found is None or (not may_control(user) and is_kept_from(viewer, found.root)):
        raise TaskNotFound(_("There is no such run, or you may not see it."), task_id=str(run_id))
    return found


def check_may_control(run_id: uuid.UUID, *, user: User, session: Any) -> None:
    """Raise NotAllowed where somebody sees a run and may not control it, TaskNotFound where they don't even see it.

    Whoever may control runs passes; whether there is one, what they do with it tells.
    """
    if may_control(user):
        return
    find_seen_run(run_id, user=user, session=session)
    text = _('Controlling runs, and seeing their data, is for staff with the permission "%(name)s".')
    raise NotAllowed(text % {"name": CONTROL_RUNS})
