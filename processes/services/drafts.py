"""Drafts: forms that somebody keeps for later, unfinished as they are.

A draft is a data node with `drafted_at`: the data of the process, and beside it what was typed and not submitted. It
lives for STEPLINE_DRAFT_DAYS, 30 where that isn't set, from the last time that it was kept. It is a draft no more once
its process has come to an end, or goes on in the background.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.errors import ProcessError
from processes.models import DataNode, DataNodeKind, ProcessTemplate
from processes.services.access import Caller, User, executable_by, may_change_instances, owned_by
from processes.services.addresses import address_of
from processes.services.data_nodes import delete_node_among, not_found, owned_nodes
from processes.services.derivation import load_plan
from processes.services.entered import QUERY, Entry, Kept, delete_replaced_files, entered_in, keep_entered
from processes.services.file_ownership import adopt_files
from processes.services.form_lookup import find_form
from processes.services.instance_access import visible_instances

__all__ = ["Draft", "describe_draft", "discard_draft", "drafts_of", "end_draft", "keep_draft"]

DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Describe a draft for its owner: the title of its form, and where they go on."""

    node: DataNode
    template: ProcessTemplate
    title: str
    url: str


def keep_draft(*, caller: Caller, node: DataNode, entry: Entry) -> Kept:
    """Keep a form for later as it is, and claim its revision; raises as `keep_entered` does."""
    now = timezone.now()
    until = now + timedelta(days=float(getattr(settings, "STEPLINE_DRAFT_DAYS", DEFAULT_DAYS)))
    if node.expires_at is not None:
        until = max(until, node.expires_at)
    columns = {"drafted_at": now, "expires_at": until, "step": entry.form}
    kept = keep_entered(caller=caller, node=node, entry=entry, columns=columns)
    # It lives longer now, and so must the files that belong to something else and that it needs.
    adopt_files([kept.node.data, kept.node.entered], caller=caller, owner=kept.node)
    delete_replaced_files(node=kept.node, candidates=[dict(entered_in(node, entry.form))])
    return kept


def drafts_of(caller: Caller, *, user: User) -> QuerySet[DataNode]:
    """Return the caller's drafts, the latest first: those of what `user` may still execute, with their templates."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    drafts = DataNode.objects.filter(
        owned_by(caller),
        alive,
        _executable(user),
        kind=DataNodeKind.TEMPORARY,
        drafted_at__isnull=False,
        continued_in=None,
    )
    return drafts.select_related("template", "instance").order_by("-drafted_at")


def describe_draft(node: DataNode) -> Draft:
    """Describe one of the nodes that `drafts_of` returns."""
    template = node.template
    assert template is not None
    title = (node.instance.title if node.instance is not None else "") or template.title
    caller = Caller(template_id=template.pk, slug=template.slug, instance_id=node.instance_id)
    return Draft(
        node=node,
        template=template,
        title=_form_title(node, template) or title,
        url=_address_of_form(caller, node=node, form=node.step),
    )


def discard_draft(caller: Caller, reference: str) -> None:
    """Delete a draft of the caller's with its files; raises DataNodeNotFoundError where there is none."""
    if not delete_node_among(owned_nodes(caller, reference).filter(drafted_at__isnull=False, continued_in=None)):
        raise not_found()


def end_draft(*, node: DataNode) -> None:
    """Make a node no draft any more, if nobody has gone on from there."""
    DataNode.objects.filter(pk=node.pk, revision=node.revision).update(drafted_at=None)


def _address_of_form(caller: Caller, *, node: DataNode, form: str) -> str:
    query = dict(parse_qsl(str(entered_in(node, form).get(QUERY, "")), keep_blank_values=True))
    return address_of(caller, query={**query, "form": form, "data": node.reference})


def _executable(user: User) -> Q:
    """Return the filter for nodes of what `user` may execute; instances as `may_execute_instance` has it."""
    allowed = Q(instance=None, template__in=executable_by(user).values("pk"))
    if not user.is_authenticated or not user.is_active:
        return allowed
    if may_change_instances(user):
        return allowed | Q(instance__isnull=False)
    return allowed | Q(instance__in=visible_instances(user).values("pk"))


def _form_title(node: DataNode, template: ProcessTemplate) -> str:
    plan_id = template.published_plan_id if node.instance is None else node.instance.plan_id
    query: Mapping[str, JSON] = dict(parse_qsl(str(entered_in(node, node.step).get(QUERY, ""))))
    try:
        return find_form(load_plan(plan_id or ""), node.step, parameters=query, data=node.data).title
    except ProcessError:
        # The process has changed, and shows that form no more: its owner may still want to throw the draft away.
        return ""
