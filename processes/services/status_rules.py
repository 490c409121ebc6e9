"""Status rules: read them as they are in force, check them against what they name, save and delete them."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from processes.domain.plan import Plan
from processes.domain.status_rules import StatusRules as Rules
from processes.domain.status_rules import check_status_rules, parse_status_rules, reachable_statuses
from processes.domain.targets import ProcessTarget
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import InstanceType, StatusRules
from processes.registry import roles as role_hooks
from processes.services.audit import SYSTEM, actor_of, record
from processes.services.derivation import load_plan
from processes.services.errors import SlugTakenError, StaleDraftError, StatusRulesInUseError

__all__ = [
    "Findings",
    "Use",
    "delete_status_rules",
    "find_problems",
    "find_sub_plan",
    "known_roles",
    "parsed_rules",
    "reachable_by",
    "readable_rules",
    "save_status_rules",
    "uses_of",
]

logger = logging.getLogger(__name__)

User = AbstractBaseUser | AnonymousUser

#: What an editor decides, and the audit log compares.
_FIELDS: Final = ("slug", "title", "description", "rules", "enforced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Hold an instance type that uses the rules, with the plan that its new instances get (None: not published)."""

    slug: str
    title: str
    process: str
    first_status: str
    plan: Plan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold what a check has found: errors keep rules from being saved, warnings are probably mistakes."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


@lru_cache(maxsize=128)
def parsed_rules(text: str) -> Rules:
    """Return rules from their text, kept by it; raises DefinitionError with every problem."""
    return parse_status_rules(text)


def readable_rules(stored: StatusRules) -> Rules:
    """Return stored rules; none where they can't be read, which is logged: nothing that shows them must fail then."""
    try:
        return parsed_rules(stored.rules)
    except DefinitionError as error:
        logger.error("The status rules %s can't be read, so they offer nothing: %s", stored.pk, error.message)
        return Rules()


def known_roles() -> frozenset[str]:
    """Return the roles that there are, besides the reserved ones: groups, and roles that apps decide."""
    return frozenset(Group.objects.values_list("name", flat=True)) | frozenset(role_hooks.names())


def uses_of(rules: StatusRules) -> list[Use]:
    """Return the instance types that use the rules, by title."""
    if rules._state.adding:
        return []
    rows = InstanceType.objects.filter(status_rules=rules).select_related("template").order_by("title", "pk")
    return [
        Use(
            slug=row.slug,
            title=row.title,
            process=row.template.title,
            first_status=row.status,
            plan=None if row.template.published_plan_id is None else load_plan(row.template.published_plan_id),
        )
        for row in rows
    ]


def find_problems(text: str, *, uses: Iterable[Use] = ()) -> Findings:
    """Check rules against roles, and the processes of those that use them; nothing is raised.

    An action is unknown where no process has it; where only some have it, that is a warning, as is a status that
    nothing sets. What isn't known (no use, an unpublished process, a status out of the data) is no mistake.
    """
    try:
        rules = parsed_rules(text)
    except DefinitionError as error:
        return Findings(errors=list(error.problems))
    uses = list(uses)
    plans = [use.plan for use in uses if use.plan is not None]
    is_known = bool(uses) and len(plans) == len(uses)
    actions = frozenset(name for plan in plans for name in plan.ordinary) if is_known else None
    errors = [
        _cured(problem) for problem in check_status_rules(rules, actions=actions, reachable=None, roles=known_roles())
    ]
    warnings = check_status_rules(rules, actions=None, reachable=reachable_by(uses), roles=None)
    return Findings(errors=errors, warnings=[*warnings, *_missing_in_some(rules, uses)])


def find_sub_plan(target: ProcessTarget) -> Plan | None:
    """Return the plan of a sub process where it is fixed, None where it is looked up when it is called."""
    if target.plan_hash is not None:
        with suppress(NotFoundError):
            return load_plan(target.plan_hash)
    return None


def reachable_by(uses: Iterable[Use]) -> frozenset[str] | None:
    """Return every status that instances of these types may get, None where that can't be known."""
    found: set[str] = set()
    for use in uses:
        statuses = None if use.plan is None else reachable_statuses(use.plan, find_plan=find_sub_plan)
        if statuses is None:
            return None
        found |= statuses | {use.first_status}
    return frozenset(found) if found else None


@transaction.atomic
def save_status_rules(
    *, rules: StatusRules, editor: User | None = None, expected_revision: int | None = None
) -> list[Problem]:
    """Save new or changed rules, which are in force at once; return what is probably a mistake in them.

    Raises DefinitionError with every problem, StaleDraftError where the stored revision isn't `expected_revision` any
    more, and SlugTakenError where others have the slug. Without an editor it is Stepline itself that acts.
    """
    stored = None if rules._state.adding else _locked(rules)
    if stored is not None and expected_revision is not None and stored.revision != expected_revision:
        raise StaleDraftError(
            _("Somebody else saved these rules after you opened them. Copy what you changed, reload, enter it again."),
            fields={"expected": expected_revision, "revision": stored.revision},
        )
    findings = find_problems(rules.rules, uses=uses_of(rules))
    if findings.errors:
        raise DefinitionError(findings.errors)
    changed = [name for name in _FIELDS if stored is not None and getattr(stored, name) != getattr(rules, name)]
    if stored is not None and not changed:
        rules.revision = stored.revision
        return findings.warnings
    rules.revision = 1 if stored is None else stored.revision + 1
    if stored is None and editor is not None:
        rules.created_by_id = editor.pk
    try:
        with transaction.atomic():
            rules.save()
    except IntegrityError as error:
        if not StatusRules.objects.filter(slug=rules.slug).exclude(pk=rules.pk).exists():
            raise
        text = _("There are status rules “%(slug)s” already.") % {"slug": rules.slug}
        raise SlugTakenError(text, fields={"slug": rules.slug}) from error
    record(
        "status_rules.created" if stored is None else "status_rules.edited",
        actor=SYSTEM if editor is None else actor_of(editor),
        subject=rules,
        kind="status_rules",
        details={"revision": rules.revision, **({"changed": changed} if stored is not None else {})},
    )
    return findings.warnings


@transaction.atomic
def delete_status_rules(*, rules: StatusRules, editor: User | None = None) -> None:
    """Delete rules; raises StatusRulesInUseError where an instance type or an instance uses them."""
    stored = _locked(rules)
    types = list(stored.instance_types.order_by("slug").values_list("slug", flat=True))
    instances = stored.instances.count()
    if types or instances:
        raise StatusRulesInUseError(
            _("“%(rules)s” is used by instance types (%(types)s) and %(count)d instances: give them other rules first.")
            % {"rules": stored, "types": ", ".join(types) or "–", "count": instances},
            fields={"types": types, "instances": instances},
        )
    record(
        "status_rules.deleted",
        actor=SYSTEM if editor is None else actor_of(editor),
        subject=stored,
        kind="status_rules",
        details={"slug": stored.slug, "revision": stored.revision},
    )
    stored.delete()


def _locked(rules: StatusRules) -> StatusRules:
    stored = StatusRules.objects.select_for_update().filter(pk=rules.pk).first()
    if stored is None:
        raise NotFoundError(_("These status rules were deleted meanwhile."))
    return stored


def _missing_in_some(rules: Rules, uses: Iterable[Use]) -> Iterator[Problem]:
    """Yield a problem for each action that some of the processes don't have."""
    known = [(use.process, use.plan) for use in uses if use.plan is not None]
    for rule in rules.rules:
        for (kind, name), place in rule.places.items():
            if kind != "action":
                continue
            without = sorted({process for process, plan in known if name not in plan.ordinary})
            if without and any(name in plan.ordinary for _process, plan in known):
                yield Problem(
                    path=place,
                    message=f'"{name}" is no action of {", ".join(without)}',
                    value=name,
                    suggestion="Instances of that process are offered what they can't execute",
                )


def _cured(problem: Problem) -> Problem:
    if problem.path.split("/")[2] != "role":
        return problem
    cure = "Create the group, or register the role"
    suggestion = f"{problem.suggestion} {cure} otherwise" if problem.suggestion else cure
    return Problem(path=problem.path, message=problem.message, value=problem.value, suggestion=suggestion)
