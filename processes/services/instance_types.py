"""Types of instances: who may create one."""

from django.db.models import Q, QuerySet

from processes.domain.targets import ScriptTarget
from processes.models import Access, InstanceType
from processes.services.access import User, executable_by, may_execute
from processes.services.derivation import load_plan
from processes.services.errors import SignInRequiredError, TemplateNotFoundError

__all__ = ["creatable_by", "find_creatable", "may_create", "offered_to"]

#: The script of a process that makes instances.
_CREATES = "create_instance"


def creatable_by(user: User) -> QuerySet[InstanceType]:
    """Return the types of which `user` may create instances: those of templates that they may execute."""
    if not user.is_authenticated or not user.is_active:
        return InstanceType.objects.none()
    types = InstanceType.objects.filter(enabled=True, template__in=executable_by(user).values("pk"))
    if getattr(user, "is_superuser", False):
        return types
    allowed = Q(access__in=(Access.PUBLIC, Access.SIGNED_IN))
    if getattr(user, "is_staff", False):
        allowed |= Q(access=Access.STAFF)
    mine = InstanceType.groups.through.objects.filter(group__user=user.pk).values("instancetype")
    return types.filter(allowed | Q(access=Access.GROUPS, pk__in=mine))


def offered_to(user: User, *, most: int) -> list[InstanceType]:
    """Return up to `most` types whose instances `user` may begin on a page of their own.

    What a process makes itself, once it has asked for what belongs to it, is begun with that process.
    """
    types = (
        creatable_by(user).select_related("template").only("slug", "title", "description", "template__published_plan")
    )
    return [type for type in types[: 2 * most] if not _is_made_by_its_process(type)][:most]


def _is_made_by_its_process(type: InstanceType) -> bool:
    plan_hash = type.template.published_plan_id
    actions = () if plan_hash is None else load_plan(plan_hash).actions
    for action in actions:
        creates = isinstance(action.target, ScriptTarget) and action.target.name == _CREATES
        if creates and isinstance(action.config, dict) and action.config.get("type") == type.slug:
            return True
    return False


def may_create(user: User, type: InstanceType) -> bool:
    """Tell whether `user` may create instances of a type; `creatable_by` asks the same of the database."""
    if not type.enabled or not user.is_authenticated or not may_execute(user, type.template):
        return False
    return creatable_by(user).filter(pk=type.pk).exists()


def find_creatable(*, slug: str, user: User) -> InstanceType:
    """Return the type of which `user` may create instances.

    Raises SignInRequiredError for somebody not signed in, whether there is one or not, else TemplateNotFoundError.
    """
    message = "There is no such type, or you may not create anything of it."
    if not user.is_authenticated:
        raise SignInRequiredError(message)
    type = creatable_by(user).select_related("template", "status_rules").filter(slug=slug).first()
    if type is None:
        raise TemplateNotFoundError(message)
    return type
