"""Whose rights `run_as_owner` lends, and who may put a process into force that does.

A process with `run_as_owner` in it acts with its owner's rights for whoever may execute it. So whoever may change what
it does can do what its owner can: a new version of it, or of anything that it extends or calls, comes into force only
by its owner or a superuser. (Anybody who may edit may save the draft.)
"""

from collections.abc import Iterable, Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.targets import ProcessTarget, ScriptTarget
from processes.errors import NotFoundError, PermanentError, Problem
from processes.models import ProcessInstance, ProcessTemplate, TemplateVersion
from processes.registry import scripts
from processes.services.derivation import load_plan
from processes.services.errors import AuthorityError, LendingRefusedError, NoOwnerError
from processes.services.host import caller_of, host_of

__all__ = ["RUN_AS_OWNER", "check_bound", "check_lending", "lender_of", "lends_authority", "unsafe_target"]

#: The script that lends the owner's authority.
RUN_AS_OWNER = "run_as_owner"


def lender_of(app: Application) -> AbstractBaseUser:
    """Return the owner of what is executed: the instance's where one is, else the template's.

    What somebody tries out (a draft, a file, anything in the admin) lends only their own rights. Raises NoOwnerError
    where there is nobody, AuthorityError where the owner is inactive.
    """
    host, caller = host_of(app), caller_of(app)
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


def lends_authority(plan: Plan, *, plans: Mapping[str, Plan] | None = None) -> bool:
    """Tell whether a plan, or any that it may call, runs something as the owner of what is executed.

    `plans` are those that aren't stored yet, by hash. Scripts of a team's own that call `run_as_owner` from Python
    aren't seen.
    """
    spec = scripts.find(RUN_AS_OWNER)
    names = {RUN_AS_OWNER, *(() if spec is None else spec.aliases)}
    known = dict(plans or {})
    seen: set[str] = set()
    todo = [plan]
    while todo:
        current = todo.pop()
        if current.hash in seen:
            continue
        seen.add(current.hash)
        if any(script.name in names for script in current.scripts):
            return True
        if any(_names_one_of(action.config, names) for action in current.actions):
            return True
        for target in current.processes:
            plan_hash = target.plan_hash or _published_hash(target.reference if target.reference else target.name)
            if plan_hash is not None:
                todo.append(known.get(plan_hash) or load_plan(plan_hash))
    return False


def check_lending(*, user: object, plan_hashes: Mapping[str, str], plans: Iterable[Plan] = ()) -> None:
    """Refuse to let `user` put these plans into force, where one lends the rights of somebody else.

    `plan_hashes` are those of all templates that a publication touches, by slug; `plans` the ones that aren't stored
    yet. Without a user it is the operator, or Stepline itself, who may. Raises LendingRefusedError.
    """
    if user is None or (getattr(user, "is_superuser", False) and getattr(user, "is_active", False)):
        return
    fresh = {plan.hash: plan for plan in plans}
    rows = ProcessTemplate.objects.filter(slug__in=plan_hashes, owner__isnull=False)
    others = rows.exclude(owner_id=getattr(user, "pk", None)).select_related("owner").order_by("slug")
    broken: list[dict[str, JSON]] = []
    for template in others:
        plan_hash = plan_hashes[template.slug]
        try:
            plan = fresh.get(plan_hash) or load_plan(plan_hash)
            lends = lends_authority(plan, plans=fresh)
        except NotFoundError:
            continue  # What isn't stored is not in force either.
        if lends:
            problem = _problem_of(template)
            broken.append(
                {
                    "template": template.slug,
                    "path": problem.path,
                    "message": problem.message,
                    "suggestion": problem.suggestion,
                    "needed_by": template.slug,
                }
            )
    if broken:
        listed = ", ".join(str(item["template"]) for item in broken)
        raise LendingRefusedError(
            f"This can't be put into force by you: it would change what runs with the rights of others ({listed}).",
            fields={"broken": broken},
        )


def _was_published(plan: Plan, *, template_id: int) -> bool:
    """Tell whether a plan is, or once was, in force for a template: then its owner has agreed to it."""
    return (
        ProcessTemplate.objects.filter(pk=template_id, published_plan_id=plan.hash).exists()
        or TemplateVersion.objects.filter(template_id=template_id, plan_id=plan.hash).exists()
    )


def _problem_of(template: ProcessTemplate) -> Problem:
    owner = template.owner.get_username() if template.owner is not None else ""
    return Problem(
        path="",
        message=f"It runs with the rights of its owner, {owner}",
        suggestion=f"The draft is kept: ask {owner} or a superuser to publish it",
    )


def _published_hash(reference: JSON) -> str | None:
    rows = ProcessTemplate.objects.filter(slug=str(reference), published_plan__isnull=False)
    return rows.values_list("published_plan_id", flat=True).first()


def _names_one_of(value: JSON, names: set[str]) -> bool:
    """Tell whether a config holds one of the names, at any depth: some scripts call others by name."""
    if isinstance(value, str):
        return value in names
    if isinstance(value, Mapping):
        return any(_names_one_of(item, names) for item in value.values())
    if isinstance(value, list):
        return any(_names_one_of(item, names) for item in value)
    return False
