"""Whose rights `run_as_owner` lends, and who may put a process into force that does.

A process with `run_as_owner` in it acts with its owner's rights for whoever may execute it. So whoever may change what
it does can do what its owner can: a new version of it, or of anything that it extends or calls, comes into force only
by its owner or a superuser. (Anybody who may edit may save the draft.)
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.targets import ProcessTarget, ScriptTarget
from processes.errors import NotFoundError, PermanentError
from processes.models import ProcessInstance, ProcessTemplate, Run, TemplateVersion
from processes.registry import scripts
from processes.services.derivation import load_plan
from processes.services.errors import AuthorityError, LendingRefusedError, NoOwnerError
from processes.services.host import caller_of, host_of, published_hash, slug_of

__all__ = ["RUN_AS_OWNER", "check_bound", "check_lending", "lender_of", "lends_authority", "unsafe_target"]

#: The script that lends the owner's authority.
RUN_AS_OWNER = "run_as_owner"

#: Finds the plan of a process that is called; raises NotFoundError.
_Find: TypeAlias = Callable[[ProcessTarget], Plan]


def lender_of(app: Application) -> AbstractBaseUser:
    """Return the owner of what is executed: the instance's where one is, else the template's.

    What somebody tries out (a draft, a file, anything in the admin) lends only their own rights. Raises NoOwnerError
    where there is nobody, AuthorityError where the owner is inactive, and `unsafe_target` where the process that asks
    isn't bound by what is executed: nobody has checked whoever changes it.
    """
    host, caller = host_of(app), caller_of(app)
    _check_asking(app, instance_id=caller.instance_id)
    owner_id: int | str | None
    if caller.instance_id is not None:
        instances = ProcessInstance.objects.filter(pk=caller.instance_id)
        what, owner_id = "instance", instances.values_list("owner_id", flat=True).first()
    elif (
        host.lends_owner
        and caller.template_id is not None
        and _was_published(host.main_plan, template_id=caller.template_id)
    ):
        templates = ProcessTemplate.objects.filter(pk=caller.template_id)
        what, owner_id = "process", templates.values_list("owner_id", flat=True).first()
    else:
        what, owner_id = "process", caller.user_id
    if owner_id is None:
        raise NoOwnerError(
            f"This {what} has no owner whose rights it could run with. Give it one, or leave run_as_owner out."
        )
    owner = get_user_model()._default_manager.filter(pk=owner_id, is_active=True).first()
    if owner is None:
        raise AuthorityError(f"The owner of this {what} is inactive: nothing runs with their rights.")
    return owner


def check_bound(app: Application, target: JSON) -> None:
    """Raise unless a process that is to run with lent rights is bound in the process that names it.

    What a binding leads to was checked when it came into force; a slug, or what data hold, may be anybody's choice.
    """
    bound = {} if app.process is None else app.process.bindings
    if isinstance(target, str):
        is_bound = target in bound
    else:
        targets = [known for known in bound.values() if isinstance(known, ProcessTarget | ScriptTarget)]
        is_bound = any(target == known.in_config() for known in targets)
    if not is_bound:
        raise unsafe_target(
            'What runs with other rights must be bound: bind the process, and write "${reference}". Then whoever '
            "changes it is checked."
        )


def unsafe_target(message: str) -> PermanentError:
    """Return the error for what may not run with other rights."""
    return PermanentError(message, code="unsafe_target")


def lends_authority(
    plan: Plan, *, plans: Mapping[str, Plan] | None = None, plan_hashes: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a plan, or any that it may call, runs something as the owner of what is executed.

    `plans` are those that aren't stored yet, by hash; `plan_hashes` those that come into force with it, by slug.
    Scripts of a team's own that call `run_as_owner` from Python aren't seen.
    """
    return _call_graph(plan, _finder(plans or {}, plan_hashes or {})).lends


def check_lending(*, user: object, plan_hashes: Mapping[str, str], plans: Iterable[Plan] = ()) -> None:
    """Refuse to let `user` put these plans into force, where one lends the rights of somebody else.

    `plan_hashes` are those of all templates that a publication touches, by slug; `plans` the ones that aren't stored
    yet. Without a user it is the operator, or Stepline itself, who may. Raises LendingRefusedError.
    """
    if user is None or (getattr(user, "is_superuser", False) and getattr(user, "is_active", False)):
        return
    fresh = {plan.hash: plan for plan in plans}
    find = _finder(fresh, plan_hashes)
    rows = ProcessTemplate.objects.filter(slug__in=plan_hashes, owner__isnull=False)
    others = rows.exclude(owner_id=getattr(user, "pk", None)).select_related("owner").order_by("slug")
    broken: list[dict[str, JSON]] = []
    for template in others:
        plan_hash = plan_hashes[template.slug]
        try:
            lends = _call_graph(fresh.get(plan_hash) or load_plan(plan_hash), find).lends
        except NotFoundError:
            continue  # What isn't stored is not in force either.
        if lends:
            broken.append(_told(template.slug, template.owner))
    broken += _affected_work(user, find, slugs=plan_hashes.keys())
    if broken:
        listed = ", ".join(sorted({str(item["template"]) for item in broken}))
        raise LendingRefusedError(
            f"This can't be put into force by you: it would change what runs with the rights of others ({listed}).",
            fields={"broken": broken},
        )


def _affected_work(user: object, find: _Find, *, slugs: Collection[str]) -> list[dict[str, JSON]]:
    """List the instances, and runs under way, of others that would lend their rights to what comes into force.

    They keep their plans, but a process that leads back to itself is called by its name, as it is then.
    """
    own = getattr(user, "pk", None)
    instances = ProcessInstance.objects.filter(owner__isnull=False).exclude(owner_id=own)
    runs = Run.objects.filter(finished_at=None, template__owner__isnull=False).exclude(template__owner_id=own)
    affected: list[dict[str, JSON]] = []
    for rows, owner, what in ((instances, "owner_id", "An instance"), (runs, "template__owner_id", "A run")):
        found = rows.order_by().values_list("plan_id", "template__slug", owner).distinct()
        for plan_hash, slug, owner_id in found:
            graph = _call_graph(load_plan(plan_hash), find)
            if graph.lends and not graph.names.isdisjoint(slugs):
                lender = get_user_model()._default_manager.filter(pk=owner_id).first()
                affected.append(_told(slug, lender, what=f"{what} of it"))
    return affected


def _check_asking(app: Application, *, instance_id: uuid.UUID | None) -> None:
    """Raise unless the process that wants to borrow is the executed one, or bound by it, directly or not."""
    host, asking = host_of(app), app.process
    executed = host.main_plan
    if instance_id is not None and instance_id != host.caller.instance_id:
        executed = load_plan(ProcessInstance.objects.values_list("plan_id", flat=True).get(pk=instance_id))
    if asking is None or asking.hash == executed.hash:
        return
    graph = _call_graph(executed, host.plan)
    # One that is called by its name may have been published anew since it began.
    versions = TemplateVersion.objects.filter(template__slug__in=graph.names, plan_id=asking.hash)
    if asking.hash not in graph.hashes and not versions.exists():
        raise unsafe_target(
            f"“{asking.name}” isn't bound by what is executed here, so it can't borrow its owner's rights. Bind it, "
            "and call it by that binding: then whoever changes it is checked."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallGraph:
    """Hold what a plan may call, itself included: hashes, and those that it calls by their names."""

    hashes: frozenset[str]
    names: frozenset[str]
    lends: bool


def _call_graph(plan: Plan, find: _Find) -> _CallGraph:
    spec = scripts.find(RUN_AS_OWNER)
    wanted = {RUN_AS_OWNER, *(() if spec is None else spec.aliases)}
    hashes, names, lends = set[str](), set[str](), False
    todo = [plan]
    while todo:
        current = todo.pop()
        if current.hash in hashes:
            continue
        hashes.add(current.hash)
        lends = lends or any(script.name in wanted for script in current.scripts)
        lends = lends or any(_names_one_of(action.config, wanted) for action in current.actions)
        for target in current.processes:
            if target.plan_hash is None:
                names.add(slug_of(target))
                with suppress(NotFoundError):  # What isn't published any more runs nothing.
                    todo.append(find(target))
            else:
                todo.append(find(target))
    return _CallGraph(hashes=frozenset(hashes), names=frozenset(names), lends=lends)


def _finder(plans: Mapping[str, Plan], plan_hashes: Mapping[str, str]) -> _Find:
    """Return what finds plans as they will be: those that aren't stored yet, and those that come into force, first."""

    def find(target: ProcessTarget) -> Plan:
        plan_hash = target.plan_hash or plan_hashes.get(slug_of(target)) or published_hash(slug_of(target))
        return plans.get(plan_hash) or load_plan(plan_hash)

    return find


def _was_published(plan: Plan, *, template_id: int) -> bool:
    """Tell whether a plan is, or once was, in force for a template: then its owner has agreed to it."""
    return (
        ProcessTemplate.objects.filter(pk=template_id, published_plan_id=plan.hash).exists()
        or TemplateVersion.objects.filter(template_id=template_id, plan_id=plan.hash).exists()
    )


def _told(slug: str, owner: AbstractBaseUser | None, *, what: str = "It") -> dict[str, JSON]:
    name = "" if owner is None else owner.get_username()
    return {
        "template": slug,
        "path": "",
        "message": f"{what} runs with the rights of its owner, {name}",
        "suggestion": f"The draft is kept: ask {name} or a superuser to publish it",
        "needed_by": slug,
    }


def _names_one_of(value: JSON, names: set[str]) -> bool:
    """Tell whether a config holds one of the names, at any depth: some scripts call others by name."""
    if isinstance(value, str):
        return value in names
    if isinstance(value, Mapping):
        return any(_names_one_of(item, names) for item in value.values())
    if isinstance(value, list):
        return any(_names_one_of(item, names) for item in value)
    return False
