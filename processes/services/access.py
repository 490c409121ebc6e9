"""Who calls, who may execute a template, and whose data is whose. Missing and forbidden look the same."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q, QuerySet
from django.utils.http import url_has_allowed_host_and_scheme

from processes.models import Access, ProcessTemplate
from processes.services.errors import SignInRequiredError, TemplateNotFoundError

User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Say for whom a process runs: a user, or the session of someone who is not signed in; and which template.

    Both are given where a user goes on with what they began in that session before they signed in.
    """

    user_id: int | None = None
    session_key: str = ""
    template_id: int | None = None
    slug: str = ""


def owned_by(caller: Caller) -> Q:
    """Return the filter for rows (data nodes, files) that belong to `caller`; a caller without identity owns none."""
    owned = Q(pk__in=()) if caller.user_id is None else Q(owner_id=caller.user_id)
    if caller.session_key:
        owned |= Q(owner__isnull=True, session_key=caller.session_key)
    return owned


def executable_by(user: User) -> QuerySet[ProcessTemplate]:
    """Return the published templates that `user` may execute."""
    published = ProcessTemplate.objects.filter(abstract=False, published_plan__isnull=False)
    return published.filter(_allowed(user)).distinct()


def find_executable(*, slug: str, user: User) -> ProcessTemplate:
    """Return the template `slug` where `user` may execute it.

    Raises SignInRequiredError for somebody not signed in whom signing in could help, else TemplateNotFoundError.
    """
    template = executable_by(user).filter(slug=slug).first()
    if template is not None:
        return template
    message = "There is no such process, or you may not start it."
    if not user.is_authenticated:
        restricted = ProcessTemplate.objects.filter(slug=slug, abstract=False, published_plan__isnull=False)
        if restricted.exists():
            raise SignInRequiredError(message)
    raise TemplateNotFoundError(message)


def is_allowed_redirect(url: str, *, host: str = "") -> bool:
    """Tell whether a page may send its reader to `url`: to this site, or to a host of STEPLINE_REDIRECT_HOSTS.

    `host` is this site's own, with its port; without it only paths are of this site.
    """
    allowed = {*getattr(settings, "STEPLINE_REDIRECT_HOSTS", ()), *([host] if host else [])}
    return url_has_allowed_host_and_scheme(url, allowed_hosts=allowed)


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
