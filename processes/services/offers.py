"""What the status rules offer a user of an instance; and whether an action is among it, when it is executed.

To offer isn't to permit: what was offered may be outdated when it is chosen, and nobody has to choose from what they
are shown. So `check_offered` asks the same question once more wherever an action is entered from outside. Where the
rules aren't enforced, or don't name the action, it is for the action itself to check (`check_option`).
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.status_rules import OfferedAction, OptionGroup
from processes.errors import DefinitionError
from processes.models import ProcessInstance, StatusRules
from processes.services.access import User, is_allowed_redirect
from processes.services.derivation import load_plan
from processes.services.errors import NotOfferedError
from processes.services.instance_roles import Roles
from processes.services.rule_facts import RuleFacts
from processes.services.status_rules import parsed_rules, readable_rules

__all__ = ["Option", "check_offered", "check_option", "grouped", "options_of", "options_of_many"]

#: May be entered by a link, whatever its definition says.
_DISPLAY = "@display"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Hold what is offered, as a page or a client shows it."""

    action: str
    caption: str
    group: OptionGroup
    popup: bool
    disabled: bool
    #: Where it leads; with `posts`, an address to which a form sends the action.
    url: str
    posts: bool

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form."""
        return {
            "action": self.action,
            "caption": self.caption,
            "group": self.group.value,
            "popup": self.popup,
            "disabled": self.disabled,
            "url": self.url,
            "method": "POST" if self.posts else "GET",
        }


def options_of(instance: ProcessInstance, *, user: User) -> tuple[Option, ...]:
    """Return what is offered to a user of an instance, in the order of the rules."""
    return options_of_many([instance], user=user)[instance.pk]


def options_of_many(
    instances: Sequence[ProcessInstance], *, user: User, roles: Roles | None = None
) -> dict[uuid.UUID, tuple[Option, ...]]:
    """Return what is offered to a user of each of these instances, by its key.

    The number of queries depends on no number of instances: `status_rules` and `owner` are expected to be there
    already (`select_related`), candidates and Data are read for all together, and each plan once.
    """
    roles = (roles or Roles(user=user)).among(instances)
    facts = RuleFacts(user=user, instances=instances)
    return {
        instance.pk: tuple(
            option
            for offered in _offered(instance, roles=roles, facts=facts)
            if (option := _as_option(offered, instance, address=address)) is not None
        )
        for instance in instances
        for address in (reverse("processes:instance", kwargs={"instance_id": instance.pk}),)
    }


def grouped(options: Iterable[Option]) -> list[tuple[OptionGroup, list[Option]]]:
    """Return options by their groups, in the order in which groups are shown; empty ones are left out."""
    found: dict[OptionGroup, list[Option]] = {}
    for option in options:
        found.setdefault(option.group, []).append(option)
    return [(group, found[group]) for group in OptionGroup if group in found]


def check_offered(instance: ProcessInstance, *, user: User, action: str) -> None:
    """Refuse an action that the instance's rules name, and don't offer to this user now; raises NotOfferedError.

    Rules that aren't enforced refuse nothing. Nor is `@display` ever refused: whoever may open an instance may look at
    it, and a rule that offers that to some only opens it to them. Of rules that can't be read nobody knows what they
    name: they refuse everything else.
    """
    rules = instance.status_rules
    if action != _DISPLAY and rules is not None and rules.enforced and _names(rules, action):
        check_option(instance, user=user, action=action)


def check_option(instance: ProcessInstance, *, user: User, action: str) -> None:
    """Refuse an action that the rules don't offer to this user now, enforced or not; raises NotOfferedError."""
    offered = _offered(instance, roles=Roles(user=user), facts=RuleFacts(user=user, instances=[instance]))
    if any(one.action == action and not one.disabled for one in offered):
        return
    raise NotOfferedError(
        _("“%(action)s” isn't open to you at the status “%(status)s”.")
        % {"action": caption_of(action, _plan(instance)), "status": instance.status or "–"},
        fields={"action": action, "status": instance.status},
    )


def caption_of(action: str, plan: Plan) -> str:
    """Return what an action is called where nothing else is said: its caption in the definition, or its name."""
    declared = plan.by_name.get(action)
    if declared is not None and declared.caption:
        return declared.caption
    words = action.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _names(rules: StatusRules, action: str) -> bool:
    try:
        return action in parsed_rules(rules.rules).actions
    except DefinitionError:
        return True


def _offered(instance: ProcessInstance, *, roles: Roles, facts: RuleFacts) -> tuple[OfferedAction, ...]:
    if instance.status_rules is None:
        return ()
    rules = readable_rules(instance.status_rules)
    held = roles.towards(instance, among=rules.roles)
    return rules.offers(instance.status, roles=held, ask=facts.about(instance))


def _as_option(offered: OfferedAction, instance: ProcessInstance, *, address: str) -> Option | None:
    """Return an option of an instance at this address as it is shown; None for an action that its plan doesn't have."""
    plan = _plan(instance)
    declared = plan.by_name.get(offered.action) if offered.action else None
    if declared is None and not offered.url:
        return None
    posts = declared is not None and not offered.url and not declared.safe and declared.name != _DISPLAY
    url = offered.url if offered.url and is_allowed_redirect(offered.url) else ""
    if offered.url and not url:
        return None
    if not url:
        url = address if posts else f"{address}?{urlencode({'action': offered.action})}"
    return Option(
        action=offered.action,
        caption=offered.caption or caption_of(offered.action, plan),
        group=offered.group,
        popup=offered.popup,
        disabled=offered.disabled,
        url=url,
        posts=posts,
    )


def _plan(instance: ProcessInstance) -> Plan:
    return load_plan(instance.plan_id)
