"""What a team's own pages show of an object that a process drives: `{% load stepline_driven %}` (docs/own_models.md).

Each tag draws all that is so at this moment, so that a page is whole without a script; around it stands a web component
that keeps it up to date. `{% process_media %}` brings both their styles and their script.
"""

from typing import Any

from django import template
from django.contrib.auth.models import AnonymousUser
from django.template.context import Context
from django.urls import NoReverseMatch, reverse

from processes.domain.status_rules import OptionGroup
from processes.driven import ProcessDriven
from processes.services.access import User
from processes.services.offers import grouped
from tasks.domain.statuses import JobStatus, NodeStatus

register = template.Library()

#: What the script may have to call by name.
_STATUSES = [status.value for status in (*JobStatus, NodeStatus.CREATED)]
#: The look of a group's buttons.
_STYLES = {OptionGroup.EXPECTED: "expected", OptionGroup.EXCEPTIONAL: "exceptional"}


@register.inclusion_tag("processes/driven/media.html")
def process_media() -> dict[str, Any]:
    """Bring the styles and the script of the other tags: into the head of a page, once."""
    return {}


@register.inclusion_tag("processes/driven/status.html", takes_context=True)
def process_status(context: Context, thing: ProcessDriven, *, live: bool = True) -> dict[str, Any]:
    """Show the object's status, and who has it; with `live=False` without a web component, for long lists."""
    return {
        **_shown(context, thing, live=live),
        "assignee": None if thing.instance is None else thing.instance.assignee,
    }


@register.inclusion_tag("processes/driven/options.html", takes_context=True)
def process_options(
    context: Context, thing: ProcessDriven, *, in_place: bool = False, without: str = ""
) -> dict[str, Any]:
    """Show what the visitor may do with the object, as buttons and links.

    With `in_place` the script executes them without leaving the page. `without` names actions that aren't shown here,
    separated by spaces: on the object's own page, for instance, the one that only leads there.
    """
    left_out = without.split()
    shown = [option for option in thing.options_for(_visitor(context)) if option.action not in left_out]
    groups = [
        {"name": group.value, "style": _STYLES.get(group, "other"), "options": options}
        for group, options in grouped(shown)
    ]
    token = context.get("csrf_token", "")
    return {**_shown(context, thing), "groups": groups, "in_place": in_place, "without": without, "token": token}


@register.inclusion_tag("processes/driven/progress.html", takes_context=True)
def process_progress(context: Context, thing: ProcessDriven) -> dict[str, Any]:
    """Show what is at work on the object in the background, and how far it is."""
    return {**_shown(context, thing), "running": thing.running(), "statuses": _STATUSES}


def _shown(context: Context, thing: ProcessDriven, *, live: bool = True) -> dict[str, Any]:
    return {"thing": thing, "api_url": _api_url(thing) if live else "", "live": live}


def _visitor(context: Context) -> User:
    found: User | None = context.get("user") or getattr(context.get("request"), "user", None)
    return found or AnonymousUser()


def _api_url(thing: ProcessDriven) -> str:
    """Return where the script asks anew: the team's own address, else Stepline's, where its API has one."""
    if own := thing.get_process_api_url():
        return own
    if thing.instance_id is None:
        return ""
    try:
        return reverse("processes-api:instance", kwargs={"instance_id": thing.instance_id})
    except NoReverseMatch:
        return ""


__all__ = ["process_media", "process_options", "process_progress", "process_status"]
