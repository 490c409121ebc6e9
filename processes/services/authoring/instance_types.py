"""Saving and deleting types of instances."""

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import transaction
from django.utils.translation import gettext as _

from processes.domain.bindings import parse_bindings
from processes.domain.status_rules import status_problem
from processes.domain.topics import check_pattern
from processes.errors import DefinitionError, PermanentError, Problem, TopicError
from processes.models import InstanceType
from processes.services import audit
from processes.services.access import may_edit
from processes.services.bound_connections import check_connections
from processes.services.errors import StaleDraftError
from processes.services.library import Source, read_library

__all__ = ["delete_instance_type", "find_problems", "save_instance_type"]

_MAX_TOPICS = 50


@transaction.atomic
def save_instance_type(
    *,
    type: InstanceType,
    editor: AbstractBaseUser | None = None,
    groups: Iterable[Group] | None = None,
    expected_revision: int | None = None,
) -> InstanceType:
    """Save a new or changed type; what it says concerns the instances that are created from now on.

    Raises DefinitionError with every problem, each at the place of its field (`/bindings/x`), StaleDraftError where
    somebody else has saved it since `expected_revision`, PermanentError `not_allowed` for new bindings of an editor who
    may not edit the process, and BindingRefusedError for a connection that they may not bind. Without an editor it is
    Stepline itself that acts.
    """
    is_new = type._state.adding
    before: tuple[int | None, object] = (None, {})
    if not is_new:
        stored = InstanceType.objects.select_for_update(no_key=True).get(pk=type.pk)
        if expected_revision is not None and stored.revision != expected_revision:
            raise StaleDraftError(
                _("Somebody else has saved this meanwhile. Nothing of yours was saved: open it again."),
                fields={"expected": expected_revision, "revision": stored.revision},
            )
        type.revision = stored.revision
        before = (stored.template_id, stored.bindings)
    if problems := find_problems(type):
        raise DefinitionError(problems)
    if type.bindings and before != (type.template_id, type.bindings) and not _may_bind(editor, type):
        # What runs in the name of those who create one is the business of whoever may change the process.
        text = _("Only those who may edit the template may bind anything else in it.")
        raise PermanentError(text, code="not_allowed")
    draft = Source(slug=type.template.slug, definition="", bindings=type.bindings)
    check_connections(read_library(), draft, user=editor)
    type.revision += 1
    type.save()
    if groups is not None:
        type.groups.set(groups)
    _record("instance_type.created" if is_new else "instance_type.edited", type, editor)
    return type


@transaction.atomic
def delete_instance_type(*, type: InstanceType, editor: AbstractBaseUser) -> None:
    """Delete a type that has no instances; raises Django's ProtectedError for one that has."""
    _record("instance_type.deleted", type, editor)
    type.delete()


def find_problems(type: InstanceType) -> list[Problem]:
    """Return what is wrong with a type, each at the place of its field (`/bindings/x`)."""
    problems: list[Problem] = []
    if type.template.published_plan_id is None:
        problems.append(Problem(path="/template", message=_("Publish the process first"), value=type.template.slug))
    if (problem := status_problem(type.status)) is not None:
        problems.append(Problem(path="/status", message=problem, value=type.status))
    try:
        type.bindings = {name: bound.to_json() for name, bound in parse_bindings(type.bindings, "/bindings").items()}
    except DefinitionError as error:
        problems.extend(error.problems)
    if not isinstance(type.topics, list) or len(type.topics) > _MAX_TOPICS:
        problems.append(Problem(path="/topics", message=_("Write a list of topics"), value=type.topics))
        return problems
    for index, topic in enumerate(type.topics):
        try:
            check_pattern(str(topic))
        except TopicError as error:
            problems.append(Problem(path=f"/topics/{index}", message=error.message, value=topic))
    return problems


def _may_bind(editor: AbstractBaseUser | None, type: InstanceType) -> bool:
    return editor is None or may_edit(editor, type.template)


def _record(action: str, type: InstanceType, editor: AbstractBaseUser | None) -> None:
    audit.record(
        action,
        actor=audit.SYSTEM if editor is None else audit.actor_of(editor),
        subject=type,
        details={"template": type.template.slug, "revision": type.revision, "enabled": type.enabled},
    )
