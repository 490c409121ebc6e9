"""Process instances: durable things whose process runs when they are executed.

An instance holds its own plan (that of its template, with bindings that it overrides once more), which publishing the
template doesn't change, and its own Data: the context node, which `load_data` and `save_data` use.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.urls import reverse

from processes.domain.bindings import parse_bindings
from processes.domain.json_values import JSON, MAX_DEPTH, json_problems
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.errors import NotJsonError, PermanentError
from processes.models import (
    DataNode,
    EventKind,
    InstanceType,
    ProcessInstance,
    ProcessTemplate,
    StatusRules,
    StoredFile,
)
from processes.services import audit
from processes.services.access import Caller, executable_by, may_edit
from processes.services.bound_connections import check_connections
from processes.services.data_nodes import create_context_node, hand_over, load_context_node
from processes.services.derivation import derive_source, load_plan, store_plans
from processes.services.doer import Doer
from processes.services.errors import (
    AuthorityError,
    InstanceNotFoundError,
    NotPublishedError,
    TemplateNotFoundError,
)
from processes.services.file_ownership import adopt_files, file_ids
from processes.services.files import delete_files_of
from processes.services.foreground import Answer, Visit, run_foreground
from processes.services.instance_access import find_instance
from processes.services.instance_history import note_event
from processes.services.instance_status import TITLE_CHARS, check_status
from processes.services.instance_types import may_create
from processes.services.library import Source, read_library
from processes.services.topics.subscribing import subscribe_to_topics_of

__all__ = [
    "context_node_of",
    "create_instance",
    "derive_instance_plan",
    "describe_instance",
    "execute_instance",
    "visit_of",
]

InstanceModel: TypeAlias = type[ProcessInstance]

#: Runs once, when an instance has been created; it needn't be declared, and requests may be kept from it.
INIT = "@init?"


def create_instance(
    *,
    template: ProcessTemplate | None = None,
    type: InstanceType | None = None,
    owner: AbstractBaseUser | None,
    data: Mapping[str, JSON] | None = None,
    bindings: Mapping[str, JSON] | None = None,
    title: str = "",
    status: str = "",
    status_rules: StatusRules | None = None,
    actor: AbstractBaseUser | None = None,
    caller: Caller | None = None,
    node: DataNode | None = None,
    on_created: Callable[[ProcessInstance], None] | None = None,
    model: InstanceModel = ProcessInstance,
    columns: Mapping[str, object] | None = None,
) -> ProcessInstance:
    """Create an instance of a template or of a type, with its Data, run its `@init` if there is one, and return it.

    `bindings` override those of the published template, and of the type, which gives `status` and `status_rules` where
    those aren't given. Without an `actor` it is the site's own code that acts, and
    `@init` runs for the owner. An actor must be allowed to execute the template, may own it only themselves (superusers
    may name anybody: the owner's rights can be lent), must be allowed to create instances of the type, and may override
    bindings only where they may edit the template (and bind a connection only where they may bind that).

    Files of the `caller` inside the Data belong to the instance from now on. `node` is a temporary data node that
    becomes the instance: once `@init` has succeeded it gives up its content, and whoever submits it once more is led to
    the instance. `on_created` is called in the transaction that creates it, before `@init`. `model` is a type in code,
    with `columns` of its own.

    Raises TemplateNotFoundError, AuthorityError, NotPublishedError, DefinitionError with every problem of the bindings,
    NotJsonError for a title or Data that can't be stored, PermanentError for what can't be a status,
    ConflictError where the node has become something else already, and the error with which `@init` ended: then there
    is no instance, and node and files are whose they were.
    """
    _check_storable(title=title, data=dict(data or {}))
    check_status(status)
    template = _template_of(template, type)
    if actor is not None:
        _check_actor(actor, template=template, owner=owner, overrides=bool(bindings))
        if type is not None and not may_create(actor, type):
            raise TemplateNotFoundError("There is no such type, or you may not create anything of it.")
    with transaction.atomic():
        given = {} if type is None else type.bindings
        plan, overridden = derive_instance_plan(template=template, bindings={**given, **(bindings or {})})
        if actor is not None and bindings:
            # What the type binds was asked when that was saved.
            draft = Source(slug=template.slug, definition="", bindings={name: overridden[name] for name in bindings})
            check_connections(read_library(), draft, user=actor)
        instance = model(
            **(columns or {}),
            type=type,
            template=template,
            plan_id=plan.hash,
            status_rules=status_rules or (None if type is None else type.status_rules),
            owner_id=None if owner is None else owner.pk,
            title=title[:TITLE_CHARS],
            status=status or ("" if type is None else type.status),
            bindings=overridden,
        )
        instance.save(force_insert=(ProcessInstance, model))
        if node is not None:
            # First of all: of two requests with the same data, the later one waits here and learns of the conflict.
            hand_over(node=node, root_id=instance.pk)
        create_context_node(instance=instance, data=data or {})
        # `@init` may let the instance have further ones of them, by saving its Data.
        files = list(StoredFile.objects.filter(pk__in=file_ids(dict(data or {}))))
        if caller is not None:
            adopt_files(dict(data or {}), caller=caller, owner=instance)
        _record("instance.created", instance, actor)
        note_event(instance.pk, EventKind.CREATED, doer=Doer.of(actor or owner), after=instance.status)
        subscribe_to_topics_of(instance)
        if on_created is not None:
            on_created(instance)
    try:
        run_foreground(visit_of(instance, user=actor or owner, request=Request(method="POST")), entry=INIT)
    except BaseException:
        if connection.in_atomic_block and connection.needs_rollback:
            # It has broken the transaction around: all of this is rolled back, and the error to tell is its own.
            raise
        # Outside of one transaction: `@init` may take its time, and nobody should wait for it.
        with transaction.atomic():
            _record("instance.deleted", instance, actor)
            _give_back(instance, node=node, files=files)
            instance.delete()
        raise
    if node is not None:
        with transaction.atomic():
            _clear(node)
    return instance


def execute_instance(
    *,
    instance: ProcessInstance,
    user: AbstractBaseUser,
    action: str | None = None,
    parameters: Mapping[str, JSON] | None = None,
) -> Answer:
    """Execute an instance for a user, as its page does, and return what its process answers.

    Raises InstanceNotFoundError where they may not, NotJsonError for what can't be stored, and the error that the
    process ended with.
    """
    found = find_instance(instance.pk, user=user)
    given = {**(parameters or {}), **({} if action is None else {"action": action})}
    _check_storable(parameters=given)
    return run_foreground(visit_of(found, user=user, request=Request(method="POST", parameters=given)))


def visit_of(instance: ProcessInstance, *, user: AbstractBaseUser | None, request: Request) -> Visit:
    """Return what a request asks of an instance; whether it may is asked before."""
    caller = Caller(
        user_id=None if user is None else user.pk,
        # Without a user nobody could find what forms and runs leave behind.
        session_key=uuid.uuid4().hex if user is None else "",
        template_id=instance.template_id,
        slug=instance.template.slug,
        instance_id=instance.pk,
    )
    return Visit(
        template=instance.template,
        plan=load_plan(instance.plan_id),
        request=request,
        caller=caller,
        user=user or AnonymousUser(),
        instance=instance,
    )


def derive_instance_plan(*, template: ProcessTemplate, bindings: Mapping[str, JSON]) -> tuple[Plan, dict[str, JSON]]:
    """Derive, and store, what an instance of the published template with these bindings runs.

    Returns the plan and the bindings in their full form. Raises NotPublishedError, and DefinitionError with every
    problem.
    """
    library = read_library()
    published = library.published.get(template.slug)
    if published is None or published.abstract or template.slug not in library.plan_hashes:
        raise NotPublishedError(f'"{template.slug}" has nothing published that an instance could run.')
    overridden = {name: bound.to_json() for name, bound in parse_bindings(dict(bindings), "/bindings").items()}
    if not overridden:
        return load_plan(library.plan_hashes[template.slug]), {}
    # A template's own bindings are the last layer, and an instance's override them: one layer does for both.
    source = Source(
        slug=published.slug,
        definition=published.definition,
        extends=published.extends,
        bindings={**published.bindings, **overridden},
    )
    derived = derive_source(library, source)
    assert derived.plan is not None
    store_plans([*derived.inline, derived.plan])
    return derived.plan, overridden


def context_node_of(instance: ProcessInstance) -> DataNode:
    """Return an instance's Data; raises DataNodeNotFoundError."""
    return load_context_node(instance.pk)


def describe_instance(instance: ProcessInstance | uuid.UUID) -> dict[str, JSON]:
    """Return what a process may know of an instance, read anew.

    `{"id", "title", "status", "status_at", "url", "created_at"}`: `url` is the path of its page, `status_at` (since
    when it has its status) and `created_at` are times in ISO 8601, UTC. Raises InstanceNotFoundError.
    """
    instance_id = instance.pk if isinstance(instance, ProcessInstance) else instance
    found = ProcessInstance.objects.filter(pk=instance_id).first()
    if found is None:
        raise InstanceNotFoundError("There is no such instance any more.")
    return {
        "id": str(found.pk),
        "title": found.title,
        "status": found.status,
        "status_at": found.status_at.isoformat(),
        "url": reverse("processes:instance", kwargs={"instance_id": found.pk}),
        "created_at": found.created_at.isoformat(),
    }


def _give_back(instance: ProcessInstance, *, node: DataNode | None, files: list[StoredFile]) -> None:
    """Let files, as they were found, and the node be what they were before an instance that is to be deleted."""
    if node is not None:
        DataNode.objects.filter(pk=node.pk, continued_in=instance.pk).update(continued_in=None)
    # A run from which the instance took files gets them back by itself.
    before = {stored.pk: stored for stored in files if stored.run_id is None}
    nodes = DataNode.objects.filter(pk__in={stored.node_id for stored in before.values()}).order_by("pk")
    alive = {None, *nodes.select_for_update().values_list("pk", flat=True)}
    taken = list(StoredFile.objects.filter(instance=instance, pk__in=before).order_by("pk").select_for_update())
    returned = [stored for stored in taken if before[stored.pk].node_id in alive]
    for stored in returned:
        stored.node_id, stored.instance_id = before[stored.pk].node_id, None
        # What belonged to nothing had its time; what was noted meanwhile for something that needs it stays.
        stored.expires_at = stored.expires_at or before[stored.pk].expires_at
    StoredFile.objects.bulk_update(returned, ["node", "instance", "expires_at"], batch_size=500)


def _clear(node: DataNode) -> None:
    """Take from a node that has become an instance what it still holds, files that the instance left there too."""
    DataNode.objects.filter(pk=node.pk).update(data={}, entered={}, drafted_at=None)
    delete_files_of(node)


def _template_of(template: ProcessTemplate | None, type: InstanceType | None) -> ProcessTemplate:
    if type is not None:
        if template is not None and template != type.template:
            raise PermanentError(f'Instances of "{type.slug}" have the process "{type.template.slug}".', code="config")
        return type.template
    if template is None:
        raise PermanentError("Say of which template, or of which type, an instance is wanted.", code="config")
    return template


def _check_storable(**values: JSON) -> None:
    if problems := json_problems(values, max_depth=MAX_DEPTH + 1, limit=1):
        path = problems[0].path
        raise NotJsonError(f"{path} can't be stored: {problems[0].message}", path=path)


def _check_actor(
    actor: AbstractBaseUser, *, template: ProcessTemplate, owner: AbstractBaseUser | None, overrides: bool
) -> None:
    if not executable_by(actor).filter(pk=template.pk).exists():
        raise TemplateNotFoundError("There is no such process, or you may not start it.")
    is_superuser = bool(getattr(actor, "is_superuser", False))
    if not is_superuser and owner is not None and owner.pk != actor.pk:
        raise AuthorityError(
            "You can make yourself the owner of an instance, nobody else: its owner's rights are lent."
        )
    if overrides and not may_edit(actor, template):
        raise PermanentError("Only those who may edit the template may bind anything else in it.", code="not_allowed")


def _record(action: str, instance: ProcessInstance, actor: AbstractBaseUser | None) -> None:
    audit.record(
        action,
        actor=audit.SYSTEM if actor is None else audit.actor_of(actor),
        subject=instance,
        plan_hash=instance.plan_id,
        details={"template": instance.template.slug, "bindings": sorted(instance.bindings)},
    )
