"""Derive processes and status rules anew, after bindings or defaults have changed.

Batch by batch, each in a transaction of its own: killed at any moment, it is simply run again.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.db import InterfaceError, OperationalError, transaction

from processes.errors import DefinitionError, ProcessError
from processes.models import DrivenFields, ProcessTemplate, StatusRules
from processes.services.doer import STEPLINE
from processes.services.driven.derived import Derived, check_derived, derive
from processes.services.driven.following import follow, move_plan, open_instance
from processes.services.driven.objects import as_they_are
from processes.services.instances import derive_instance_plan

__all__ = ["Change", "rederive"]

logger = logging.getLogger(__name__)

#: How many objects are locked, and changed, at once.
BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Say what is new about an object; `problem` why nothing could be changed."""

    key: str
    #: Slugs, before and after; "" is none. None where it stays.
    process: tuple[str, str] | None = None
    status_rules: tuple[str, str] | None = None
    #: Whether it has got an instance, and whether that has moved to another plan.
    opened: bool = False
    moved: bool = False
    problem: str = ""

    @property
    def is_any(self) -> bool:
        """Tell whether there is anything to say."""
        return bool(self.process or self.status_rules or self.opened or self.moved or self.problem)


def rederive(model: type[DrivenFields], *, moves: bool = False, dry_run: bool = False) -> Iterator[Change]:
    """Derive all objects of a model anew, and give what has changed; with `moves`, instances follow to their plans.

    An object for which it can't be done is given with its problem, and left as it was.
    """
    last: object = None
    while True:
        with transaction.atomic():
            rows = model._base_manager.select_for_update(of=("self",)).order_by("pk")
            rows = rows if last is None else rows.filter(pk__gt=last)
            batch = as_they_are(list(rows.select_related("instance")[:BATCH]))
            found = _batch(batch, moves=moves, dry_run=dry_run)
        yield from found
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


def _batch(batch: list[DrivenFields], *, moves: bool, dry_run: bool) -> list[Change]:
    derived = _derived(batch)
    names = _Names(batch, [one for one in derived if isinstance(one, Derived)])
    found = []
    for thing, wanted in zip(batch, derived, strict=True):
        change = (
            _one(thing, wanted, names, moves=moves, dry_run=dry_run)
            if isinstance(wanted, Derived)
            else Change(key=str(thing.pk), problem=wanted)
        )
        if change.is_any:
            found.append(change)
    return found


def _derived(batch: list[DrivenFields]) -> list[Derived | str]:
    """Derive all at once, or one by one where that fails, with the problem in the place of what is found."""
    try:
        with transaction.atomic():
            return list(derive(batch))
    except Exception as error:  # noqa: BLE001 - what a team's own methods raise, too
        if len(batch) == 1:
            return [_told(error)]
    return [one for thing in batch for one in _derived([thing])]


def _one(thing: DrivenFields, wanted: Derived, names: "_Names", *, moves: bool, dry_run: bool) -> Change:
    process = names.process(thing.process_id, wanted.process_id)
    rules = names.rules(thing.status_rules_id, wanted.status_rules_id)
    try:
        check_derived(thing, wanted)
        with transaction.atomic():
            thing.process_id, thing.status_rules_id = wanted.process_id, wanted.status_rules_id
            if dry_run:
                opened, moved = thing.instance_id is None and thing.process_id is not None, moves and _would_move(thing)
            else:
                opened, moved = _apply(thing, is_new=bool(process or rules), moves=moves)
    except Exception as error:  # noqa: BLE001 - what a team's own methods raise, too
        return Change(key=str(thing.pk), problem=_told(error))
    return Change(key=str(thing.pk), process=process, status_rules=rules, opened=opened, moved=moved)


def _apply(thing: DrivenFields, *, is_new: bool, moves: bool) -> tuple[bool, bool]:
    """Write what was derived, past the model's own `save`; return whether it has got an instance, or a new plan."""
    if is_new:
        rows = thing._meta.model._base_manager.filter(pk=thing.pk)
        rows.update(process=thing.process_id, status_rules=thing.status_rules_id)
    if thing.instance_id is None:
        return open_instance(thing) is not None, False
    follow(thing)
    return False, moves and move_plan(thing, doer=STEPLINE)


def _would_move(thing: DrivenFields) -> bool:
    if thing.instance is None or thing.process is None:
        return False
    plan = derive_instance_plan(template=thing.process, bindings=thing.instance.bindings)[0]
    return plan.hash != thing.instance.plan_id or thing.process_id != thing.instance.template_id


def _told(error: Exception) -> str:
    """Say why an object can't be derived; raises OperationalError where the database is away: that is no object's."""
    if isinstance(error, OperationalError | InterfaceError):
        raise error
    if not isinstance(error, ProcessError):
        # A fault in the code of the team, or of ours.
        logger.error("An object could not be derived.", exc_info=error)
        return f"{type(error).__name__}: {error}"
    if isinstance(error, DefinitionError):
        return "; ".join(map(str, error.problems))
    return error.message


class _Names:
    """Know the slugs of a batch's processes and status rules."""

    def __init__(self, batch: list[DrivenFields], derived: list[Derived]) -> None:
        ids = [(one.process_id, one.status_rules_id) for one in batch]
        ids += [(one.process_id, one.status_rules_id) for one in derived]
        processes = {process for process, _ in ids if process is not None}
        rules = {each for _, each in ids if each is not None}
        self._processes = dict(ProcessTemplate.objects.filter(pk__in=processes).values_list("pk", "slug"))
        self._rules = dict(StatusRules.objects.filter(pk__in=rules).values_list("pk", "slug"))

    def process(self, before: int | None, after: int | None) -> tuple[str, str] | None:
        """Return the slugs of what was and what is, None where it is the same."""
        return _pair(self._processes, before, after)

    def rules(self, before: int | None, after: int | None) -> tuple[str, str] | None:
        """Return the same of status rules."""
        return _pair(self._rules, before, after)


def _pair(names: dict[int, str], before: int | None, after: int | None) -> tuple[str, str] | None:
    if before == after:
        return None
    return ("" if before is None else names[before], "" if after is None else names[after])
