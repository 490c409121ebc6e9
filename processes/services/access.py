"""Who calls, who may execute or edit what, and whose data is whose. Missing and forbidden look the same."""

import uuid
from dataclasses import dataclass
from typing import TypeAlias

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from processes.models import Access, EditAccess, FileHolder, ProcessTemplate, Run
from processes.services.errors import SignInRequiredError, TemplateNotFoundError
from tasks.errors import TaskNotFound
from tasks.models import Job

User = AbstractBaseUser | AnonymousUser
#: The primary key of a user, of whatever kind a team's own user model has; UUIDs too, which no types of Django know of.
UserKey: TypeAlias = int | str

#: What pages need of a template; columns that no driver has to convert.
_COLUMNS = ("id", "slug", "title", "description", "access", "owner_id", "published_plan_id")
_PUBLISHED = (
    f"SELECT {', '.join(_COLUMNS)} FROM {ProcessTemplate._meta.db_table} "  # noqa: S608 - names of our own
    "WHERE slug = %s AND NOT abstract AND published_plan_id IS NOT NULL"
)

#: What staff need to execute, or to look at, instances of others.
EXECUTE_INSTANCES = "processes.change_processinstance"
EDIT_TEMPLATES = "processes.change_processtemplate"
#: What staff need to look into background runs of others, and to control them.
CONTROL_RUNS = "processes.control_run"
#: What users need to publish messages from outside.
PUBLISH_MESSAGES = "processes.publish_message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Say for whom a process runs: a user, or the session of someone who is not signed in; and what is executed.

    Both are given where a user goes on with what they began in that session before they signed in. What is executed is
    an instance of the template, or the template itself. `lender_id` is the user whose authority is in force instead of
    the caller's own: it opens that user's files, and what the run makes stays the caller's. `run_id` is the background
    run that works for them, if one does: files that it makes belong to it.
    """

    user_id: UserKey | None = None
    session_key: str = ""
    template_id: int | None = None
    slug: str = ""
    instance_id: uuid.UUID | None = None
    lender_id: UserKey | None = None
    run_id: uuid.UUID | None = None


def owned_by(caller: Caller) -> Q:
    """Return the filter for rows (data nodes, files) that belong to `caller`; a caller without identity owns none."""
    owned = Q(pk__in=()) if caller.user_id is None else Q(owner_id=caller.user_id)
    if caller.session_key:
        owned |= Q(owner__isnull=True, session_key=caller.session_key)
    return owned


def readable_by(caller: Caller) -> Q:
    """Return the filter for files that `caller` may read.

    Those are their own, those of whoever lends them authority, and those of the instance that is executed: whoever may
    execute it works on what is in it, whoever has put it there.
    """
    found = owned_by(caller)
    if caller.lender_id is not None:
        found |= Q(owner_id=caller.lender_id)
    if caller.instance_id is not None:
        held = FileHolder.objects.filter(instance=caller.instance_id).values("file")
        found |= Q(instance=caller.instance_id) | Q(pk__in=held)
    return found


def executable_by(user: User) -> QuerySet[ProcessTemplate]:
    """Return the published templates that `user` may execute."""
    published = ProcessTemplate.objects.filter(abstract=False, published_plan__isnull=False)
    return published.filter(_allowed(user)).distinct()


def find_executable(*, slug: str, user: User) -> ProcessTemplate:
    """Return the template `slug` where `user` may execute it.

    Raises SignInRequiredError for somebody not signed in whom signing in could help, else TemplateNotFoundError.
    """
    template = _published(slug)
    if template is not None and may_execute(user, template):
        return template
    message = "There is no such process, or you may not start it."
    if template is not None and not user.is_authenticated:
        raise SignInRequiredError(message)
    raise TemplateNotFoundError(message)


def may_execute(user: User, template: ProcessTemplate) -> bool:
    """Tell whether `user` may execute a published template; `executable_by` asks the same of the database."""
    if template.access == Access.PUBLIC:
        return True
    if not user.is_authenticated or not user.is_active:
        return False
    if getattr(user, "is_superuser", False) or template.access == Access.SIGNED_IN:
        return True
    if template.access == Access.STAFF:
        return bool(getattr(user, "is_staff", False))
    return template.groups.filter(user=user.pk).exists()


def _published(slug: str) -> ProcessTemplate | None:
    """Return the published template of that name, without what only its editors need.

    Every page asks for it: to put the query together anew takes the ORM ten times as long as the query itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISHED, [slug])
        row = cursor.fetchone()
    return None if row is None else ProcessTemplate.from_db(connection.alias, _COLUMNS, row)


def may_change_instances(user: User) -> bool:
    """Tell whether `user` may execute instances of others, give them to anybody, and see their history."""
    return _is_staff_who(user, EXECUTE_INSTANCES)


def may_control(user: User) -> bool:
    """Tell whether `user` may control background runs, whosever they are, and see their data."""
    return _is_staff_who(user, CONTROL_RUNS)


def may_publish(user: User) -> bool:
    """Tell whether `user` may publish messages over HTTP, on any topic."""
    may = getattr(user, "has_perm", None)
    return bool(user.is_active and may is not None and may(PUBLISH_MESSAGES))


def may_view(user: User, model: type[Model]) -> bool:
    """Tell whether `user` may look at the rows of a model, as in the admin: staff who may view or change them."""
    app, name = model._meta.app_label, model._meta.model_name
    return _is_staff_who(user, f"{app}.view_{name}") or _is_staff_who(user, f"{app}.change_{name}")


def may_add(user: User, model: type[Model]) -> bool:
    """Tell whether `user` may make rows of a model, as in the admin."""
    return _is_staff_who(user, f"{model._meta.app_label}.add_{model._meta.model_name}")


def may_delete(user: User, model: type[Model]) -> bool:
    """Tell whether `user` may delete rows of a model, as in the admin."""
    return _is_staff_who(user, f"{model._meta.app_label}.delete_{model._meta.model_name}")


def find_run(run_id: uuid.UUID, *, user: User, lock: bool = False) -> Run:
    """Return a run to somebody who may control runs; raises TaskNotFound to everybody else, and where there is none.

    With `lock` its job is locked, then the run: in this order, as every writer does, and who purges what has ended.
    """
    run = None
    if may_control(user):
        if lock:
            Job.objects.select_for_update().filter(pk=run_id).values_list("pk").first()
        rows = Run.objects.select_related("root", "template", "instance", "user")
        rows = rows.select_for_update(of=("self",)) if lock else rows
        run = rows.filter(pk=run_id).first()
    if run is None:
        raise TaskNotFound(_("There is no such run, or you may not see it."), task_id=str(run_id))
    return run


def may_edit(user: User, template: ProcessTemplate) -> bool:
    """Tell whether `user` may change a template (publish, roll back, delete): superusers may change every one.

    All others need the permission to change templates; one that is kept for groups, they must own or be in the groups.
    What puts a new version into force is asked again in `processes.services.lending`.
    """
    if not _is_staff_who(user, EDIT_TEMPLATES):
        return False
    if getattr(user, "is_superuser", False) or template.edit_access != EditAccess.GROUPS:
        return True
    return template.owner_id == user.pk or template.edit_groups.filter(user=user.pk).exists()


def may_set_owner(user: User, template: ProcessTemplate, *, owner_id: UserKey | None) -> bool:
    """Tell whether `user` may make `owner_id` the owner: `run_as_owner` lends an owner's rights to whoever executes.

    Leaving the owner as they are is always allowed, and superusers may set anybody. All others may only put themselves
    where there is no owner yet, and give up what they own. `template` is as it is stored, or new.
    """
    stored = template.owner_id
    if not template._state.adding:
        stored = ProcessTemplate.objects.filter(pk=template.pk).values_list("owner_id", flat=True).first()
    if owner_id == stored and not template._state.adding:
        return True
    if getattr(user, "is_superuser", False) and user.is_active:
        return True
    if template._state.adding:
        return owner_id in (None, user.pk)
    return stored in (None, user.pk) and owner_id in (None, user.pk)


def is_allowed_redirect(url: str, *, host: str = "") -> bool:
    """Tell whether a page may send its reader to `url`: to this site, or to a host of STEPLINE_REDIRECT_HOSTS.

    `host` is this site's own, with its port; without it only paths are of this site.
    """
    allowed = {*getattr(settings, "STEPLINE_REDIRECT_HOSTS", ()), *([host] if host else [])}
    return url_has_allowed_host_and_scheme(url, allowed_hosts=allowed)


def _is_staff_who(user: User, permission: str) -> bool:
    may = getattr(user, "has_perm", None)
    return bool(user.is_active and getattr(user, "is_staff", False) and may is not None and may(permission))


def _allowed(user: User) -> Q:
    allowed = Q(access=Access.PUBLIC)
    if not user.is_authenticated or not user.is_active:
        return allowed
    if getattr(user, "is_superuser", False):
        return Q()
    allowed |= Q(access=Access.SIGNED_IN)
    if getattr(user, "is_staff", False):
        allowed |= Q(access=Access.STAFF)
    return allowed | Q(access=Access.GROUPS, groups__user=user.pk)
